"""标签建议: cues, auxiliaries and WeCom bring tags up; an officer confirms or declines.

A declined one keeps its place for half a year, so that the same is not raised again: the unique
index sees to it, and the turn needs no look-up. Raised in the turn's own transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.pipeline.mask import mask
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.current import Content
from jingxiaowei.services.files_rights import ALLOWED, Act, FileRights, Subject, require
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.suggestions_raising import raising
from jingxiaowei.services.suggestions_waiting import Waiting, shown
from jingxiaowei.services.tagging_rules import Ruling, names_of, rule
from jingxiaowei.services.tagging_values import (
    QUOTE,
    Noted,
    TagConflictError,
    TagRefusedError,
)
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    IN_PLACE,
    IS_SUGGESTED,
    SUGGESTION,
    Ended,
    Ground,
    SuggestionState,
    TagSource,
)
from jingxiaowei.store.tables import RESIDENT

QUIET = timedelta(days=180)  # a declined one is not raised again for so long
OPEN_LIFE = timedelta(days=60)  # nobody decided: what was said then is stale now
_WAITING = (SuggestionState.OPEN, SuggestionState.PROPOSED)
_QUOTE_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Raised:
    """A tag that a cue brings up, and the resident's words that did."""

    resident_id: str
    tag: str
    source: str
    quote: str
    inbox_id: int | None = None


class Suggestions:
    """Raises, lists and decides suggestions."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        content: Content,
        officers: Officers,
        rights: FileRights,
    ) -> None:
        self._database = database
        self._audit = audit
        self._content = content
        self._officers = officers
        self._rights = rights
        self._raise = raising(database)

    @property
    def _taxonomy(self) -> Taxonomy:
        return self._content.library.taxonomy

    async def raise_many(
        self, connection: AsyncConnection, raised: Iterable[Raised], now: datetime
    ) -> None:
        """Bring tags up, in the caller's transaction and one statement.

        Left out without a word: what is on the file, was declined lately, waits already, or may
        not be noted at that age or against a refused consent.
        """
        taxonomy, cipher = self._taxonomy, self._database.cipher
        rows = [
            {
                "resident": each.resident_id,
                "slug": each.tag,
                "from_where": each.source[:60],
                "words": cipher.seal(QUOTE, mask(each.quote)[:_QUOTE_CHARACTERS]),
                "message": each.inbox_id,
                "at": now,
                "teens": taxonomy.by_slug[each.tag].minors,
                "narrower": taxonomy.narrower.get(each.tag, each.tag),
            }
            for each in raised
            if each.tag in taxonomy.by_slug
        ]
        await self._raise.run(connection, rows)

    async def propose(
        self,
        connection: AsyncConnection,
        officer: Signed,
        noted: Noted,
        ruling: Ruling,
        now: datetime,
    ) -> int:
        """提请: an auxiliary's tag waits for police. Takes over what waits there already."""
        put = self._database.insert(SUGGESTION).values(
            resident_id=noted.resident_id,
            tag=ruling.tag.slug,
            state=SuggestionState.PROPOSED,
            source="officer",
            quote=self._database.cipher.seal(QUOTE, ruling.reason),
            inbox_id=noted.evidence_id,
            ground=noted.ground,
            proposed_by=officer.id,
            created_at=now,
        )
        new = put.excluded
        made = await connection.execute(
            put.on_conflict_do_update(
                index_elements=["resident_id", "tag"],
                index_where=IN_PLACE,
                set_={
                    "state": new.state,
                    "source": new.source,
                    "quote": new.quote,
                    "inbox_id": new.inbox_id,
                    "ground": new.ground,
                    "proposed_by": new.proposed_by,
                    "created_at": new.created_at,
                    "decided_by": None,
                    "decided_at": None,
                },
            ).returning(SUGGESTION.c.id)
        )
        id_: int = made.scalar_one()
        return id_

    async def waiting(self, officer: Signed, now: datetime, limit: int = 100) -> list[Waiting]:
        """What the officer may decide, oldest first; careful ones for police only."""
        require(officer.role, Act.TAG)
        taxonomy = self._taxonomy
        async with self._database.read() as connection:
            scope = await self._rights.scope(connection, officer, now)
            query = (
                select(SUGGESTION)
                .join(RESIDENT, RESIDENT.c.id == SUGGESTION.c.resident_id)
                .where(IS_SUGGESTED)
                .order_by(SUGGESTION.c.id)
                .limit(limit)
            )
            if not scope.everywhere:
                mine = RESIDENT.c.officer_id == officer.id
                query = query.where(or_(RESIDENT.c.area.in_(scope.areas), mine))
            if Act.TAG_CAREFUL not in ALLOWED[officer.role]:
                general = [t.slug for t in taxonomy.by_slug.values() if not t.careful]
                query = query.where(SUGGESTION.c.tag.in_(general))
            rows = (await connection.execute(query)).all()
            return await self._shown(connection, rows)

    async def of(self, connection: AsyncConnection, resident_id: str) -> list[Waiting]:
        """What waits on one file, oldest first. The caller has passed the gate."""
        rows = await connection.execute(
            select(SUGGESTION)
            .where(SUGGESTION.c.resident_id == resident_id, IS_SUGGESTED)
            .order_by(SUGGESTION.c.id)
        )
        return await self._shown(connection, rows.all())

    async def _shown(self, connection: AsyncConnection, rows: Sequence[Any]) -> list[Waiting]:
        names = names_of(await self._officers.names(connection))
        return await shown(connection, self._database.cipher, self._taxonomy, names, rows)

    async def confirm(
        self,
        officer: Signed,
        suggestion_id: int,
        now: datetime,
        *,
        ground: Ground | None = None,
        replace_tags: frozenset[str] = frozenset(),
    ) -> int:
        """记下: the suggestion becomes a tag; the assignment's id.

        An auxiliary's confirming of a careful one turns it into a proposal instead; then 0.

        Raises:
            TagConflictError: somebody has decided it, or another tag stands in the way.
            TagRefusedError: it may not be noted (consent, age …).
            PermissionDeniedError: the role or the area does not allow it.
        """
        require(officer.role, Act.TAG)
        cipher = self._database.cipher
        async with self._database.write() as connection:
            row, subject = await self._enter(connection, officer, suggestion_id, now)
            found = await rows_of.standings(connection, cipher, [row.resident_id], now)
            standing = found[row.resident_id]
            await self._require_waiting(connection, suggestion_id)
            quote = cipher.open(QUOTE, row.quote)
            reason = quote if row.proposed_by is not None else f"本人说：{quote}"
            noted = Noted(
                row.resident_id, row.tag, reason, ground or row.ground, None, replace_tags
            )
            names = names_of(await self._officers.names(connection))
            ruling = rule(officer, noted, standing, self._content.library, now, set(), names)
            if ruling.proposal:
                if row.state is SuggestionState.PROPOSED:
                    raise TagConflictError("已经提请，等民警确认。")
                id_ = await self.propose(connection, officer, noted, ruling, now)
                await self._trace(connection, officer, Act.PROPOSE, subject, f"suggestion:{id_}")
                return 0
            await rows_of.end(
                connection, {h.id for h in ruling.replaces}, Ended.REPLACED, officer.id, now
            )
            evidence = await rows_of.known_evidence(
                connection, [(row.resident_id, row.inbox_id)] if row.inbox_id else []
            )
            noted = replace(noted, evidence_id=row.inbox_id if evidence else None)
            first = row.proposed_by or officer.id
            [id_] = await rows_of.put(
                connection,
                [
                    rows_of.assignment(
                        cipher, noted, ruling, TagSource.SUGGESTION, first, now, officer.id
                    )
                ],
            )
            await self._decide(
                connection, suggestion_id, SuggestionState.CONFIRMED, officer.id, now
            )
            await self._outdo(connection, row, now)
            act = Act.TAG_CAREFUL if ruling.tag.careful else Act.TAG
            await self._trace(
                connection, officer, act, subject, f"suggestion:{suggestion_id} assignment:{id_}"
            )
            return id_

    async def decline(self, officer: Signed, suggestion_id: int, now: datetime) -> None:
        """不合适: it is not raised again for half a year.

        Raises:
            TagConflictError: somebody has decided it already.
            PermissionDeniedError: the role or the area does not allow it.
        """
        async with self._database.write() as connection:
            row, subject = await self._enter(connection, officer, suggestion_id, now)
            tag = self._taxonomy.by_slug.get(row.tag)
            proposed = row.state is SuggestionState.PROPOSED
            hard = proposed or (tag is not None and tag.careful)
            require(officer.role, Act.TAG_CAREFUL if hard else Act.TAG)
            await self._decide(connection, suggestion_id, SuggestionState.DECLINED, officer.id, now)
            await self._trace(
                connection, officer, Act.TAG, subject, f"declined suggestion:{suggestion_id}"
            )

    async def _outdo(self, connection: AsyncConnection, row: Any, now: datetime) -> None:
        """What was brought up before and cannot stand beside the newer word is not asked any
        more; what an officer has proposed is."""
        await connection.execute(
            update(SUGGESTION)
            .where(
                SUGGESTION.c.resident_id == row.resident_id,
                SUGGESTION.c.tag.in_(self._taxonomy.conflicts(row.tag)),
                SUGGESTION.c.state == SuggestionState.OPEN,
                SUGGESTION.c.id < row.id,
            )
            .values(state=SuggestionState.LAPSED, decided_at=now)
        )

    async def settle(
        self, connection: AsyncConnection, resident_id: str, tag: str, now: datetime
    ) -> None:
        """The resident has chosen the tag: nobody need decide any more."""
        await connection.execute(
            update(SUGGESTION)
            .where(SUGGESTION.c.resident_id == resident_id, SUGGESTION.c.tag == tag, IS_SUGGESTED)
            .values(state=SuggestionState.LAPSED, decided_at=now)
        )

    async def lapse(self, connection: AsyncConnection, now: datetime) -> int:
        """What nobody decided in time, and what was declined long ago, frees its place."""
        done = await connection.execute(
            update(SUGGESTION)
            .where(
                or_(
                    SUGGESTION.c.state.in_(_WAITING) & (SUGGESTION.c.created_at < now - OPEN_LIFE),
                    (SUGGESTION.c.state == SuggestionState.DECLINED)
                    & (SUGGESTION.c.decided_at < now - QUIET),
                )
            )
            .values(
                state=SuggestionState.LAPSED,
                decided_at=func.coalesce(SUGGESTION.c.decided_at, now),
            )
        )
        return done.rowcount

    async def _enter(
        self, connection: AsyncConnection, officer: Signed, suggestion_id: int, now: datetime
    ) -> tuple[Any, Subject]:
        row = (
            await connection.execute(
                select(SUGGESTION, RESIDENT.c.area, RESIDENT.c.officer_id)
                .join(RESIDENT, RESIDENT.c.id == SUGGESTION.c.resident_id)
                .where(SUGGESTION.c.id == suggestion_id)
            )
        ).first()
        if row is None:
            raise TagRefusedError("没有这条建议。")
        subject = Subject(row.resident_id, row.area, row.officer_id)
        await self._rights.inside(connection, officer, subject, now)
        return row, subject

    async def _require_waiting(self, connection: AsyncConnection, suggestion_id: int) -> None:
        row = (
            await connection.execute(
                select(SUGGESTION.c.state, SUGGESTION.c.decided_by).where(
                    SUGGESTION.c.id == suggestion_id
                )
            )
        ).one()
        if row.state in _WAITING:
            return
        names = names_of(await self._officers.names(connection))
        did = {
            SuggestionState.CONFIRMED: "记下",
            SuggestionState.DECLINED: "标为不合适",
        }.get(row.state, "作废")
        who = names(row.decided_by) if row.decided_by is not None else "系统"
        raise TagConflictError(f"刚被{who}{did}。")

    async def _decide(
        self,
        connection: AsyncConnection,
        suggestion_id: int,
        state: SuggestionState,
        officer: int,
        now: datetime,
    ) -> None:
        done = await connection.execute(
            update(SUGGESTION)
            .where(SUGGESTION.c.id == suggestion_id, IS_SUGGESTED)
            .values(state=state, decided_by=officer, decided_at=now)
        )
        if not done.rowcount:
            await self._require_waiting(connection, suggestion_id)

    async def _trace(
        self,
        connection: AsyncConnection,
        officer: Signed,
        act: Act,
        subject: Subject,
        what: str,
    ) -> None:
        event = Event(
            f"officer:{officer.id}", f"file.{act.value}", f"resident:{subject.resident_id}", what
        )
        await self._audit.record(connection, event)
