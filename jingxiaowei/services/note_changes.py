"""改依据: wrong words beside a tag, put right or taken back by who wrote them, or by police.

The tag goes on in a row of its own; the row with the old words ends and stays as it was, sealed,
until its time is over. Whoever looks back sees that there were others; the words themselves are
for police, with a reason.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.current import Content
from jingxiaowei.services.files_rights import Act, FileRights, Subject
from jingxiaowei.services.files_values import Purpose, reason_of
from jingxiaowei.services.notes import NoteRefusedError, require_note
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.tagging import Tagging
from jingxiaowei.services.tagging_rules import names_of
from jingxiaowei.services.tagging_values import REASON, Held, TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, Ended, TagSource
from jingxiaowei.store.tables import RESIDENT, Role

TAKEN_BACK = "原来写的依据已撤回，待复核"
_NOBODYS = frozenset({TagSource.RESIDENT, TagSource.SYSTEM})  # no officer wrote a word
_KEPT = (
    "resident_id",
    "tag",
    "source",
    "officer_id",
    "confirmed_by",
    "evidence_id",
    "ground",
    "review_at",
    "expires_at",
)


@dataclass(frozen=True, slots=True)
class FormerNote:
    """What once stood beside a tag: the tag's name, who wrote it and when, until when."""

    name: str
    text: str
    by: str
    since: datetime
    until: datetime


class NoteChanges:
    """Changes notes, and shows what they were."""

    def __init__(
        self,
        database: Database,
        content: Content,
        officers: Officers,
        rights: FileRights,
        tagging: Tagging,
    ) -> None:
        self._database = database
        self._content = content
        self._officers = officers
        self._rights = rights
        self._tagging = tagging

    async def correct(self, officer: Signed, assignment_id: int, reason: str, now: datetime) -> int:
        """Other words for the same tag, which ends when it would have; its new row.

        Raises:
            TagRefusedError: there is no such tag, no officer wrote a word, or the new ones must
                not be kept.
            TagConflictError: it has ended meanwhile; says who ended it.
            PermissionDeniedError: neither the author nor police, or outside of the area.
        """
        try:
            line = require_note(reason, self._content.library.forbidden)
        except NoteRefusedError as error:
            raise TagRefusedError(str(error)) from None
        return await self._change(officer, assignment_id, line, now)

    async def take_back(self, officer: Signed, assignment_id: int, now: datetime) -> int:
        """The words go; whether the tag still holds is asked at once.

        Raises:
            TagRefusedError, TagConflictError, PermissionDeniedError: as :meth:`correct`.
        """
        return await self._change(officer, assignment_id, TAKEN_BACK, now, review_at=now)

    async def _change(
        self, officer: Signed, assignment_id: int, line: str, now: datetime, **more: datetime
    ) -> int:
        async with self._database.write() as connection:
            held = await self._tagging.enter_assignment(connection, officer, assignment_id, now)
            await self._require_author(connection, officer, held)
            row = {name: getattr(held, name) for name in _KEPT} | more
            row |= {"reason": self._database.cipher.seal(REASON, line), "started_at": now}
            await rows_of.end(connection, {held.id}, Ended.REWORDED, officer.id, now)
            [id_] = await rows_of.put(connection, [row])
            tag = self._content.library.taxonomy.by_slug.get(held.tag)
            act = Act.TAG_CAREFUL if tag is None or tag.careful else Act.TAG
            what = "撤回依据" if more else "改依据"
            reason = f"{what} assignment:{held.id} assignment:{id_}"
            await self._rights.record(connection, officer, act, [held.resident_id], reason)
            return id_

    async def _require_author(
        self, connection: AsyncConnection, officer: Signed, held: Held
    ) -> None:
        if held.source in _NOBODYS:
            raise TagRefusedError("这一项不是民警、辅警写的依据，没有可改的。")
        if officer.role is Role.POLICE or officer.id in (held.officer_id, held.confirmed_by):
            return
        names = names_of(await self._officers.names(connection))
        raise PermissionDeniedError(f"这句依据由{names(held.officer_id)}或民警改。")

    async def former(
        self, officer: Signed, resident_id: str, purpose: Purpose, now: datetime, note: str = ""
    ) -> tuple[FormerNote, ...]:
        """What stood beside the tags of a file and was changed, the newest first.

        Raises:
            TagRefusedError: there is no such resident, or the reason is missing.
            PermissionDeniedError: not police, or outside of the area.
        """
        reason = reason_of(purpose, note, self._content.library.forbidden)
        async with self._database.write() as connection:
            who = await connection.execute(select(RESIDENT).where(RESIDENT.c.id == resident_id))
            resident = who.first()
            if resident is None:
                raise TagRefusedError("没有这位居民。")
            subject = Subject(resident.id, resident.area, resident.officer_id)
            await self._rights.allow(connection, officer, Act.NOTES, subject, now, reason)
            rows = await connection.execute(
                select(ASSIGNMENT)
                .where(ASSIGNMENT.c.resident_id == resident_id)
                .where(ASSIGNMENT.c.ended_because == Ended.REWORDED)
                .order_by(ASSIGNMENT.c.id.desc())
            )
            names = names_of(await self._officers.names(connection))
            by_slug = self._content.library.taxonomy.by_slug
            return tuple(
                FormerNote(
                    by_slug[row.tag].name if row.tag in by_slug else row.tag,
                    self._database.cipher.open(REASON, row.reason),
                    names(row.officer_id),
                    row.started_at,
                    row.ended_at,
                )
                for row in rows
            )
