"""标签镜像: general tags stand on WeCom's contacts too, and what is changed there comes back.

Careful tags never leave: the corp tags are made from the general ones alone, and nothing else
goes over the wire than their ids. A contact is compared when something happened to it, or when
``tags sync`` asks; what is not done yet stays due, so that the next run goes on.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.contact_relations import EXTERNAL, Relations, contacts
from jingxiaowei.services.current import Content
from jingxiaowei.services.grounds import ground_of
from jingxiaowei.services.mirror_plan import Difference, Mirrored, compare
from jingxiaowei.services.mirror_tags import CorpTags, TagChanges
from jingxiaowei.services.mirror_values import FarTags, Fault, Follower, MirrorFault
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.suggestions import Raised, Suggestions
from jingxiaowei.services.tagging import Tagging
from jingxiaowei.services.tagging_values import Did, Noted, Standing, TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, IS_SUGGESTED, SUGGESTION, Ended, TagSource
from jingxiaowei.store.mirror_tables import IS_DUE, WECOM_CONTACT, ContactState
from jingxiaowei.store.tables import IDENTITY, OFFICER

ATTEMPTS = 8
_LEASE = timedelta(seconds=60)
_FRESH = timedelta(hours=1)
_BACK_OFF = (5, 15, 60, 300, 900, 3600)
_REASON, _TAKEN_OFF = "在企业微信里打的标签", "在企业微信里去掉"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Leased:
    """A relation as it was when it became ours to compare, and until when it is."""

    row: Any
    until: datetime

    @property
    def still(self) -> ColumnElement[bool]:
        """That nothing has made it due anew since."""
        return and_(WECOM_CONTACT.c.id == self.row.id, WECOM_CONTACT.c.due_at == self.until)


class TagMirror:
    """Compares files with WeCom's contacts, and makes them alike."""

    def __init__(
        self,
        database: Database,
        content: Content,
        officers: Officers,
        tagging: Tagging,
        suggestions: Suggestions,
        relations: Relations,
        far: FarTags,
    ) -> None:
        self._database = database
        self._content = content
        self._officers = officers
        self._tagging = tagging
        self._suggestions = suggestions
        self._relations = relations
        self._far = far
        self._corp_tags = CorpTags(database, far)

    @property
    def _taxonomy(self) -> Taxonomy:
        return self._content.library.taxonomy

    async def make_tags(self, now: datetime, dry_run: bool = False) -> TagChanges:
        """Bring WeCom's corp tags in step with the taxonomy's general ones.

        Raises:
            MirrorFault: WeCom refused, or could not be reached; what was made is remembered.
        """
        return await self._corp_tags.step(self._taxonomy, now, dry_run)

    async def list_contacts(self, now: datetime) -> int:
        """Take in the contacts of every officer that no event told of; how many those were.

        Raises:
            MirrorFault: as :meth:`make_tags`.
        """
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(OFFICER.c.wecom_userid)
                .where(OFFICER.c.active, OFFICER.c.wecom_userid.is_not(None))
                .order_by(OFFICER.c.id)
            )
            members = [row.wecom_userid for row in rows]
        new = 0
        for userid in members:
            new += await self._relations.note_many(userid, await self._far.of_member(userid), now)
        return new

    async def mark_all_due(self, now: datetime) -> None:
        """Every contact is to be compared, those that wait after a failure too; not those that
        were compared within the hour, so that a run that was cut off goes on where it stood."""
        mirrored = WECOM_CONTACT.c.mirrored_at
        async with self._database.write() as connection:
            await connection.execute(
                update(WECOM_CONTACT)
                .where(
                    WECOM_CONTACT.c.state == ContactState.ADDED,
                    or_(mirrored.is_(None), mirrored < now - _FRESH),
                )
                .values(due_at=now, attempts=0)
            )

    async def mark_changed(self, now: datetime) -> None:
        """Contacts whose files' tags have changed since they were last compared."""
        since = func.coalesce(WECOM_CONTACT.c.mirrored_at, WECOM_CONTACT.c.created_at)
        changed = select(ASSIGNMENT.c.id).where(
            ASSIGNMENT.c.resident_id == IDENTITY.c.resident_id,
            IDENTITY.c.id == WECOM_CONTACT.c.identity_id,
            or_(ASSIGNMENT.c.started_at >= since, ASSIGNMENT.c.ended_at >= since),
        )
        async with self._database.write() as connection:
            await connection.execute(
                update(WECOM_CONTACT)
                .where(
                    WECOM_CONTACT.c.state == ContactState.ADDED,
                    WECOM_CONTACT.c.due_at.is_(None),
                    changed.exists(),
                )
                .values(due_at=now)
            )

    async def waiting(self, now: datetime) -> int:
        """How many contacts are due."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(func.count())
                .select_from(WECOM_CONTACT)
                .where(IS_DUE, WECOM_CONTACT.c.due_at <= now)
            )
            return int(found.scalar_one())

    async def unfinished(self) -> int:
        """How many contacts are still to be compared, now or after a failure."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(func.count()).select_from(WECOM_CONTACT).where(IS_DUE)
            )
            return int(found.scalar_one())

    async def work(
        self,
        now: Callable[[], datetime],
        moved: Callable[[int], None] = lambda contacts: None,
        limit: int | None = None,
    ) -> Mirrored:
        """Compare what is due, one contact after the other.

        A contact that fails waits and is tried again by a later run; a fault that would hit all
        alike ends this one.
        """
        tally = Mirrored()
        tags = await self._corp_tags.known()
        while limit is None or tally.contacts + tally.failed < limit:
            leased = await self._lease(now())
            if leased is None:
                break
            try:
                await self._settle(leased, await self._mirror(leased.row, tags, tally, now()))
                tally.contacts += 1
            except MirrorFault as fault:
                tally.failed += 1
                await self._put_off(leased, fault, now())
                if fault.kind is Fault.PASSING:
                    tally.pause = max(fault.retry_after, 1.0)
                    log.warning("mirroring stops for now: %s", fault)
                    break
                log.warning("a contact was not mirrored: %s", fault)
            moved(1)
        return tally

    async def look(self, now: datetime, moved: Callable[[int], None]) -> Mirrored:
        """What :meth:`work` would do with every contact; nothing is changed on either side.

        Raises:
            MirrorFault: as :meth:`make_tags`.
        """
        tally, tags = Mirrored(), await self._corp_tags.known()
        async with self._database.read() as connection:
            rows = (
                await connection.execute(
                    contacts().where(
                        WECOM_CONTACT.c.state == ContactState.ADDED,
                        IDENTITY.c.resident_id.is_not(None),
                    )
                )
            ).all()
        for row in rows:
            follower = await self._follower(row)
            if follower is not None:
                difference, _, _ = await self._compare(row, follower, tags, now)
                officer = await self._officers.by_wecom_userid(row.userid)
                _count(tally, difference, officer)
                tally.contacts += 1
            moved(1)
        return tally

    async def _lease(self, now: datetime) -> _Leased | None:
        """The contact that has been due longest, kept from others for a minute."""
        async with self._database.write() as connection:
            await self._database.lock_leases(connection)
            row = (
                await connection.execute(
                    contacts()
                    .where(IS_DUE, WECOM_CONTACT.c.due_at <= now)
                    .order_by(WECOM_CONTACT.c.due_at, WECOM_CONTACT.c.id)
                    .limit(1)
                )
            ).first()
            if row is not None:
                leased = now + _LEASE
                await connection.execute(
                    update(WECOM_CONTACT)
                    .where(WECOM_CONTACT.c.id == row.id)
                    .values(due_at=leased, attempts=row.attempts + 1)
                )
                return _Leased(row, leased)
            return None

    async def _put_off(self, leased: _Leased, fault: MirrorFault, now: datetime) -> None:
        attempts = leased.row.attempts
        wait = max(fault.retry_after, _BACK_OFF[min(attempts, len(_BACK_OFF) - 1)])
        due = now + timedelta(seconds=wait) if attempts + 1 < ATTEMPTS else None
        async with self._database.write() as connection:
            await connection.execute(update(WECOM_CONTACT).where(leased.still).values(due_at=due))

    async def _settle(self, leased: _Leased, values: dict[str, Any]) -> None:
        """Note what was done. What an event told of meanwhile stays due: we may not have seen it;
        and a relation that ended or was erased meanwhile is what it became."""
        key, state = leased.row.id, leased.row.state
        async with self._database.write() as connection:
            if values:
                await connection.execute(
                    update(WECOM_CONTACT)
                    .where(WECOM_CONTACT.c.id == key, WECOM_CONTACT.c.state == state)
                    .values(values)
                )
            await connection.execute(
                update(WECOM_CONTACT).where(leased.still).values(due_at=None, attempts=0)
            )

    def _external(self, row: Any) -> str:
        return self._database.cipher.open(EXTERNAL, row.external)

    async def _follower(self, row: Any) -> Follower | None:
        """The relation as WeCom has it; None where the two are no contacts any more."""
        try:
            followers = await self._far.followers(self._external(row))
        except MirrorFault as fault:
            if fault.kind is Fault.NO_RELATION:
                return None
            raise
        return next((each for each in followers if each.userid == row.userid), None)

    async def _compare(
        self, row: Any, follower: Follower, tags: dict[str, str], now: datetime
    ) -> tuple[Difference, Standing | None, frozenset[str]]:
        """What differs; the file; and what is suggested for it."""
        slugs = {tag_id: slug for slug, tag_id in tags.items()}
        theirs = frozenset(slugs[tag] for tag in follower.tags if tag in slugs)
        async with self._database.read() as connection:
            found = await rows_of.standings(
                connection, self._database.cipher, [row.resident_id], now, lock=False
            )
            waiting = await connection.execute(
                select(SUGGESTION.c.tag).where(
                    SUGGESTION.c.resident_id == row.resident_id, IS_SUGGESTED
                )
            )
            suggested = frozenset(each.tag for each in waiting)
        standing = found.get(row.resident_id)
        ours = frozenset(standing.current if standing else ()) & tags.keys()
        # A corp tag that was made anew since says nothing of what somebody took off.
        fresh = await self._corp_tags.made_after(row.mirrored_at)
        base = frozenset(row.base) - fresh
        difference = compare(base, ours, theirs)
        return difference, standing, suggested & theirs

    async def _mirror(
        self, row: Any, tags: dict[str, str], tally: Mirrored, now: datetime
    ) -> dict[str, Any]:
        """Make both sides alike; what the relation's row is to say then."""
        if row.state is ContactState.ERASED:
            await self._clear(row, tags)
            return {"external": None}
        if row.resident_id is None or row.state is not ContactState.ADDED:
            return {}
        follower = await self._follower(row)
        if follower is None:
            return {"state": ContactState.ENDED}
        difference, standing, _ = await self._compare(row, follower, tags, now)
        officer = await self._officers.by_wecom_userid(row.userid)
        if standing is not None:
            await self._take_over(row, difference, standing, officer, tally, now)
        # What was refused here is taken off there, what may not be ended is put back on: the
        # file as it stands now decides. What waits as a suggestion is left alone.
        after, _, suggested = await self._compare(row, follower, tags, now)
        put_on = after.noted_here | after.taken_off_there
        taken_off = (after.ended_here | after.put_on_there) - suggested
        if put_on or taken_off:
            await self._far.mark(
                row.userid,
                self._external(row),
                sorted(tags[slug] for slug in put_on),
                sorted(tags[slug] for slug in taken_off),
            )
            tally.put_on += len(put_on)
            tally.taken_off += len(taken_off)
        slugs = {tag_id: slug for slug, tag_id in tags.items()}
        theirs = {slugs[tag] for tag in follower.tags if tag in slugs}
        return {"base": sorted((theirs | put_on) - taken_off), "mirrored_at": now}

    async def _clear(self, row: Any, tags: dict[str, str]) -> None:
        """The file was erased: what we put on goes."""
        follower = await self._follower(row) if row.external is not None else None
        ours = follower.tags & set(tags.values()) if follower else frozenset()
        if ours:
            await self._far.mark(row.userid, self._external(row), (), sorted(ours))

    async def _take_over(
        self,
        row: Any,
        difference: Difference,
        standing: Standing,
        officer: Signed | None,
        tally: Mirrored,
        now: datetime,
    ) -> None:
        """What was done in WeCom happens to the file: as the officer's own deed, or as a
        suggestion of somebody who is none."""
        if officer is None:
            if difference.put_on_there:
                tally.suggested += await self._suggest(row, difference.put_on_there, now)
            return
        noted = []
        for slug in sorted(difference.put_on_there):
            ground = ground_of(standing, self._taxonomy.by_slug[slug])
            if ground is not None:
                noted.append(Noted(row.resident_id, slug, _REASON, ground))
        if noted:
            try:
                outcomes = await self._tagging.apply_many(officer, noted, now, TagSource.WECOM)
            except PermissionDeniedError:
                outcomes = []  # an admin's or an auditor's account
            tally.noted += sum(outcome.did is Did.APPLIED for outcome in outcomes)
        for slug in sorted(difference.taken_off_there):
            held = standing.current[slug]
            try:
                await self._tagging.end(officer, held.id, Ended.REMOVED, now, _TAKEN_OFF)
                tally.ended += 1
            except (TagRefusedError, PermissionDeniedError) as refusal:
                log.info("a tag taken off in WeCom stays: %s", type(refusal).__name__)

    async def _suggest(self, row: Any, slugs: frozenset[str], now: datetime) -> int:
        async with self._database.write() as connection:
            await self._suggestions.raise_many(
                connection,
                [Raised(row.resident_id, slug, "wecom", _REASON) for slug in sorted(slugs)],
                now,
            )
            waiting = await connection.execute(
                select(SUGGESTION.c.tag).where(
                    SUGGESTION.c.resident_id == row.resident_id,
                    SUGGESTION.c.tag.in_(slugs),
                    IS_SUGGESTED,
                )
            )
            return len(waiting.all())


def _count(tally: Mirrored, difference: Difference, officer: Signed | None) -> None:
    tally.put_on += len(difference.noted_here)
    tally.taken_off += len(difference.ended_here)
    if officer is None:
        tally.suggested += len(difference.put_on_there)
        tally.put_on += len(difference.taken_off_there)
    else:
        tally.noted += len(difference.put_on_there)
        tally.ended += len(difference.taken_off_there)
