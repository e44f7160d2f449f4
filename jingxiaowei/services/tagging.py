"""打标: tags onto files and off them. The only writer of assignments beside their suggestions.

A call is one transaction: the residents' rows are locked, the rules are asked (pure, see
:mod:`.tagging_rules`), rows and traces are written together. Nothing of ours tags by itself;
an officer or the resident does, ``quiz_done`` aside.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace as changed
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.mask import mask
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.current import Content
from jingxiaowei.services.files_rights import (
    Act,
    FileRights,
    Subject,
    covers,
    require,
)
from jingxiaowei.services.notes import NOTE_CHARACTERS
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.scopes import elsewhere
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.services.tagging_rules import (
    Names,
    Ruling,
    find_tag,
    names_of,
    rule,
)
from jingxiaowei.services.tagging_values import (
    Did,
    Held,
    Noted,
    Outcome,
    Standing,
    TagConflictError,
    TagRefusedError,
)
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, Ended, Ground, TagSource

MOST_ROWS = 1000  # a call
MOST_TAGS = 30  # a resident and call
_THIS_CALL = -1  # the id of what an earlier row of the same call notes
_BY_OFFICERS = frozenset({Ended.REMOVED, Ended.CORRECTED, Ended.WITHDRAWN})


class Tagging:
    """Notes, chooses, renews and ends tags."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        content: Content,
        officers: Officers,
        rights: FileRights,
        suggestions: Suggestions,
    ) -> None:
        self._database = database
        self._audit = audit
        self._content = content
        self._officers = officers
        self._rights = rights
        self._suggestions = suggestions

    @property
    def taxonomy(self) -> Taxonomy:
        return self._content.library.taxonomy

    async def apply(
        self,
        officer: Signed,
        resident_id: str,
        tag: str,
        reason: str,
        now: datetime,
        *,
        evidence_id: int | None = None,
        ground: Ground = Ground.CONSENT,
        replace: frozenset[str] = frozenset(),
        expires_at: datetime | None = None,
        source: TagSource = TagSource.OFFICER,
    ) -> Outcome:
        """Note one tag; an auxiliary's careful one becomes a proposal (提请).

        Raises:
            TagRefusedError: it cannot be noted as asked.
            TagConflictError: it stands there already, or another stands in its way.
            PermissionDeniedError: the role or the area does not allow it.
        """
        noted = Noted(resident_id, tag, reason, ground, evidence_id, replace, expires_at)
        require(officer.role, Act.TAG)
        async with self._database.write() as connection:
            [outcome] = await self._note(connection, officer, [noted], source, now, strict=True)
        return outcome

    async def apply_many(
        self,
        officer: Signed,
        rows: Sequence[Noted],
        now: datetime,
        source: TagSource = TagSource.IMPORT,
        dry_run: bool = False,
    ) -> list[Outcome]:
        """Note many rows, each with an outcome of its own; what is refused harms no other.

        A row that stands there already is no fault: a second run changes nothing. ``dry_run``
        tells what would become of each and writes nothing.

        Raises:
            TagRefusedError: more than :data:`MOST_ROWS` in one call.
            PermissionDeniedError: the role notes no tags at all.
        """
        require(officer.role, Act.TAG)
        if len(rows) > MOST_ROWS:
            raise TagRefusedError(f"一次最多 {MOST_ROWS} 行，这次 {len(rows)} 行，分几次。")
        if dry_run:
            async with self._database.read() as connection:
                return await self._note(connection, officer, rows, source, now, dry_run=True)
        async with self._database.write() as connection:
            return await self._note(connection, officer, rows, source, now)

    async def _note(
        self,
        connection: AsyncConnection,
        officer: Signed,
        rows: Sequence[Noted],
        source: TagSource,
        now: datetime,
        strict: bool = False,
        dry_run: bool = False,
    ) -> list[Outcome]:
        """Judge rows against files that change with each row; then write what was let through."""
        cipher = self._database.cipher
        residents = {row.resident_id for row in rows}
        found = await rows_of.standings(connection, cipher, residents, now, lock=not dry_run)
        evidence = await rows_of.known_evidence(
            connection, ((r.resident_id, r.evidence_id) for r in rows if r.evidence_id is not None)
        )
        names = names_of(await self._officers.names(connection))
        scope = await self._rights.scope(connection, officer, now)
        crowd = Counter(row.resident_id for row in rows)
        refusals: dict[str | None, str] = {}
        outcomes: list[Outcome] = []
        passed: list[tuple[int, Ruling]] = []
        for i, row in enumerate(rows):
            standing = found.get(row.resident_id)
            try:
                many = crowd[row.resident_id]
                if many > MOST_TAGS:
                    raise TagRefusedError(
                        f"一个人一次最多记 {MOST_TAGS} 项，这次 {many} 项，分几次。"
                    )
                if standing is not None and not covers(scope, officer, _subject(standing)):
                    if standing.area not in refusals:
                        refusals[standing.area] = await elsewhere(
                            connection, "这位居民", standing.area
                        )
                    raise PermissionDeniedError(refusals[standing.area])
                ruling = rule(officer, row, standing, self._content.library, now, evidence, names)
                if any(held.id == _THIS_CALL for held in ruling.replaces):
                    raise TagConflictError(f"这一次里和“{ruling.tag.name}”只能留一个的也在记。")
            except (TagRefusedError, PermissionDeniedError) as error:
                if strict:
                    raise
                outcomes.append(self._refused(row, standing, error))
                continue
            assert standing is not None  # the rule refuses a resident that is not there
            passed.append((i, ruling))
            did = Did.PROPOSED if ruling.proposal else Did.APPLIED
            replaced = () if ruling.proposal else tuple(h.tag for h in ruling.replaces)
            outcomes.append(Outcome(row, did, replaced=replaced))
            if not ruling.proposal:
                _stand(standing, row, ruling, source, officer, now)
        if dry_run:
            return outcomes
        await self._write(connection, officer, outcomes, passed, source, now)
        return outcomes

    def _refused(self, row: Noted, standing: Standing | None, error: Exception) -> Outcome:
        """A conflict with the very same tag is no fault of the row's."""
        if standing is not None and isinstance(error, TagConflictError):
            held = standing.current.get(find_tag(self.taxonomy, row.tag).slug)
            if held is not None:
                return Outcome(row, Did.ALREADY, str(error), held.id if held.id > 0 else None)
        return Outcome(row, Did.REFUSED, str(error))

    async def _write(
        self,
        connection: AsyncConnection,
        officer: Signed,
        outcomes: list[Outcome],
        passed: Sequence[tuple[int, Ruling]],
        source: TagSource,
        now: datetime,
    ) -> None:
        cipher = self._database.cipher
        applied = [(i, ruling) for i, ruling in passed if not ruling.proposal]
        ends = {held.id for _, ruling in applied for held in ruling.replaces}
        await rows_of.end(connection, ends, Ended.REPLACED, officer.id, now)
        ids = await rows_of.put(
            connection,
            [
                rows_of.assignment(cipher, outcomes[i].noted, ruling, source, officer.id, now)
                for i, ruling in applied
            ],
        )
        events = []
        for (i, _), id_ in zip(applied, ids, strict=True):
            outcomes[i] = changed(outcomes[i], id=id_)
            events.append(self._event(officer, Act.TAG, outcomes[i].noted.resident_id, id_))
        for i, ruling in passed:
            if ruling.proposal:
                id_ = await self._suggestions.propose(
                    connection, officer, outcomes[i].noted, ruling, now
                )
                outcomes[i] = changed(outcomes[i], id=id_, words="已提请，等民警确认。")
                events.append(self._event(officer, Act.PROPOSE, outcomes[i].noted.resident_id, id_))
        await self._audit.record_many(connection, events)

    async def end(
        self,
        officer: Signed,
        assignment_id: int,
        because: Ended,
        now: datetime,
        reason: str = "",
    ) -> None:
        """Take a tag off a file: 去掉, 更正 or 本人要求. ``reason`` stands in the trail: no names.

        Raises:
            TagConflictError: it has ended meanwhile; says who ended it.
            PermissionDeniedError: the role or the area does not allow it.
        """
        if because not in _BY_OFFICERS:
            raise TagRefusedError("去掉标签要选：去掉、更正、本人要求。")
        async with self._database.write() as connection:
            row = await self.enter_assignment(connection, officer, assignment_id, now)
            await rows_of.end(connection, {row.id}, because, officer.id, now)
            what = f"end {because} {mask(reason)[:NOTE_CHARACTERS]}".strip()
            await self._audit.record(
                connection, self._event(officer, Act.TAG, row.resident_id, row.id, what)
            )

    async def renew(self, officer: Signed, assignment_id: int, reason: str, now: datetime) -> int:
        """保留: the tag still holds. It ends as replaced and begins anew; the new one's id.

        Raises:
            TagConflictError, TagRefusedError, PermissionDeniedError: as :meth:`apply`.
        """
        async with self._database.write() as connection:
            row = await self.enter_assignment(connection, officer, assignment_id, now)
            await rows_of.end(connection, {row.id}, Ended.REPLACED, officer.id, now)
            again = Noted(row.resident_id, row.tag, reason, row.ground, None)
            [outcome] = await self._note(connection, officer, [again], row.source, now, strict=True)
            assert outcome.id is not None  # the gate above let no proposal through
            return outcome.id

    async def tags_of(
        self, resident_id: str, as_of: datetime, careful_too: bool = True
    ) -> tuple[Held, ...]:
        """The tags of a file as of a moment. For services; officers read :mod:`.files`."""
        async with self._database.read() as connection:
            found = await rows_of.tags_of(connection, self._database.cipher, resident_id, as_of)
        by_slug = self.taxonomy.by_slug
        return tuple(
            h for h in found if careful_too or h.tag not in by_slug or not by_slug[h.tag].careful
        )

    async def _enter(
        self, connection: AsyncConnection, officer: Signed, resident_id: str, now: datetime
    ) -> Standing:
        found = await rows_of.standings(connection, self._database.cipher, [resident_id], now)
        if resident_id not in found:
            raise TagRefusedError("没有这位居民。")
        standing = found[resident_id]
        await self._rights.inside(connection, officer, _subject(standing), now)
        return standing

    async def enter_assignment(
        self, connection: AsyncConnection, officer: Signed, assignment_id: int, now: datetime
    ) -> Held:
        """A tag that stands, through the gate for its kind."""
        resident = (
            await connection.execute(
                select(ASSIGNMENT.c.resident_id, ASSIGNMENT.c.tag).where(
                    ASSIGNMENT.c.id == assignment_id
                )
            )
        ).first()
        if resident is None:
            raise TagRefusedError("没有这条标签。")
        tag = self.taxonomy.by_slug.get(resident.tag)
        require(officer.role, Act.TAG_CAREFUL if tag and tag.careful else Act.TAG)
        standing = await self._enter(connection, officer, resident.resident_id, now)
        held = standing.current.get(resident.tag)
        if held is None or held.id != assignment_id:
            raise TagConflictError(await self._ended(connection, assignment_id))
        return held

    async def _ended(self, connection: AsyncConnection, assignment_id: int) -> str:
        row = (
            await connection.execute(select(ASSIGNMENT).where(ASSIGNMENT.c.id == assignment_id))
        ).one()
        if row.ended_because is Ended.EXPIRED:
            return "这条标签已经到期。"
        names: Names = names_of(await self._officers.names(connection))
        who = names(row.ended_by) if row.ended_by is not None else "居民本人"
        return f"这条标签刚被{who}去掉。"

    def _event(self, officer: Signed, act: Act, resident: str, id_: int, what: str = "") -> Event:
        # The tag is named by its row: a trail that outlives an erased file must not tell it.
        kind = "suggestion" if act is Act.PROPOSE else "assignment"
        reason = f"{what} {kind}:{id_}".strip()
        return Event(f"officer:{officer.id}", f"file.{act.value}", f"resident:{resident}", reason)


def _subject(standing: Standing) -> Subject:
    return Subject(standing.resident_id, standing.area, standing.officer_id)


def _stand(
    standing: Standing,
    noted: Noted,
    ruling: Ruling,
    source: TagSource,
    officer: Signed,
    now: datetime,
) -> None:
    """The file as the next row of the same call finds it."""
    for held in ruling.replaces:
        del standing.current[held.tag]
    standing.current[ruling.tag.slug] = Held(
        _THIS_CALL, standing.resident_id, ruling.tag.slug, source, officer.id, None, ruling.reason,
        noted.evidence_id, noted.ground, now, ruling.review_at, ruling.expires_at,
    )  # fmt: skip
