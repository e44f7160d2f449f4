"""本人自选: what residents choose for themselves, at once; and the facts that the system saw.

Both run in the caller's transaction, the turn's. Take them before alerts are written: the trail's
lock comes first.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Applier, Tag, Taxonomy
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.current import Content
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.services.tagging_rules import (
    Ruling,
    conflicting,
    find_tag,
    lives,
    require_of_age,
)
from jingxiaowei.services.tagging_values import (
    ConsentNeededError,
    Did,
    Held,
    HeldByLawError,
    Noted,
    Outcome,
    TagRefusedError,
)
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ConsentKind, Ended, Ground, TagSource


class Choices:
    """Switches tags on and off at a resident's word."""

    def __init__(
        self, database: Database, audit: Audit, content: Content, suggestions: Suggestions
    ) -> None:
        self._database = database
        self._audit = audit
        self._content = content
        self._suggestions = suggestions

    @property
    def _taxonomy(self) -> Taxonomy:
        return self._content.library.taxonomy

    async def choose(
        self,
        connection: AsyncConnection,
        resident_id: str,
        tag: str,
        on: bool,
        now: datetime,
        inbox_id: int | None = None,
    ) -> Outcome:
        """本人自选, in the caller's transaction (the turn's): at once, whatever an officer noted.

        Switched off, any tag goes, whoever noted it; one that a duty holds is for an officer to
        decide. Switched on, it takes the place of what contradicts it.

        Raises:
            ConsentNeededError: a careful one needs the separate consent first.
            HeldByLawError: open a request to delete instead.
            TagRefusedError: unknown, not for residents to choose, or not at this age.
        """
        cipher, taxonomy = self._database.cipher, self._taxonomy
        found = await rows_of.standings(connection, cipher, [resident_id], now)
        standing = found.get(resident_id)
        if standing is None:
            raise TagRefusedError("没有这位居民。")
        which = find_tag(taxonomy, tag)
        held = standing.current.get(which.slug)
        noted = Noted(resident_id, which.slug, "本人自选", Ground.OWN_CHOICE, inbox_id)
        if not on:
            return await self._withdraw(connection, noted, held, which, now)
        if Applier.RESIDENT not in which.applied_by:
            raise TagRefusedError(f"“{which.name}”要由民警、辅警来记，可以回“人工”告诉我们。")
        require_of_age(standing, which, taxonomy)
        # Their own wish for this one: what they said of officers' tags is another matter.
        if which.careful and not standing.consents.get(ConsentKind.CAREFUL):
            raise ConsentNeededError(f"“{which.name}”较私密，要本人单独同意。")
        if held is not None and (held.review_at is None or held.review_at > now):
            return Outcome(noted, Did.ALREADY, id=held.id)
        if held is not None:  # asked whether it still holds, the resident keeps it
            await rows_of.end(connection, {held.id}, Ended.REPLACED, None, now)
        in_the_way = conflicting(standing, which, taxonomy)
        await rows_of.end(connection, {h.id for h in in_the_way}, Ended.CORRECTED, None, now)
        expires, review = lives(which, now)
        ruling = Ruling(which, noted.reason, False, in_the_way, expires, review)
        row = rows_of.assignment(cipher, noted, ruling, TagSource.RESIDENT, None, now)
        [id_] = await rows_of.put(connection, [row])
        await self._suggestions.settle(connection, resident_id, which.slug, now)
        await self._audit.record(connection, _own(resident_id, "choose", id_))
        return Outcome(noted, Did.APPLIED, id=id_, replaced=tuple(h.tag for h in in_the_way))

    async def _withdraw(
        self,
        connection: AsyncConnection,
        noted: Noted,
        held: Held | None,
        tag: Tag,
        now: datetime,
    ) -> Outcome:
        if held is None:
            return Outcome(noted, Did.ALREADY)
        if tag.careful and held.ground in (Ground.DUTY, Ground.EMERGENCY):
            raise HeldByLawError(f"“{tag.name}”还在办，删不删由民警答复您。")
        await rows_of.end(connection, {held.id}, Ended.WITHDRAWN, None, now)
        await self._audit.record(connection, _own(noted.resident_id, "withdraw", held.id))
        return Outcome(noted, Did.APPLIED, id=held.id)

    async def note_fact(
        self, connection: AsyncConnection, resident_id: str, tag: str, now: datetime
    ) -> bool:
        """Record a plain fact that the system itself saw (``quiz_done``); whether it is new.

        Raises:
            TagRefusedError: the tag is no such fact.
        """
        which = find_tag(self._taxonomy, tag)
        if set(which.applied_by) != {Applier.SYSTEM}:
            raise TagRefusedError(f"“{which.name}”不是系统能自动记的。")
        found = await rows_of.standings(connection, self._database.cipher, [resident_id], now)
        standing = found.get(resident_id)
        if standing is None or which.slug in standing.current:
            return False
        require_of_age(standing, which, self._taxonomy)
        noted = Noted(resident_id, which.slug, "系统记录", Ground.DUTY)
        ruling = Ruling(which, noted.reason, False, (), *lives(which, now))
        row = rows_of.assignment(self._database.cipher, noted, ruling, TagSource.SYSTEM, None, now)
        [id_] = await rows_of.put(connection, [row])
        await self._audit.record(connection, _own(resident_id, "fact", id_))
        return True


def _own(resident: str, what: str, id_: int) -> Event:
    who = "system" if what == "fact" else f"resident:{resident}"
    return Event(who, f"file.{what}", f"resident:{resident}", f"assignment:{id_}")
