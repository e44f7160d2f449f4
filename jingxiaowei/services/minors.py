"""未成年人: under 14 no file, what is known is removed, a person is told; 14-17 two groups only.

By their own word (the turn), a guardian's word or an officer's note. No age is kept, only that.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.decision import Need
from jingxiaowei.pipeline.minors import Band, Person
from jingxiaowei.pipeline.minors import Minor as Said
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.codes import new_code
from jingxiaowei.services.current import Content
from jingxiaowei.services.file_parts import remove_parts
from jingxiaowei.services.files_rights import Act, FileRights, Subject
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.tagging_values import TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, SUGGESTION, Minor
from jingxiaowei.store.tables import AREA, RESIDENT, TICKET, TicketState

_LOOK_WITHIN = timedelta(minutes=15)
_BANDS = {Band.UNDER14: Minor.UNDER_14, Band.TEEN: Minor.TEEN}


class Minors:
    """Notes that a resident is under age, and acts on it."""

    def __init__(
        self, database: Database, audit: Audit, content: Content, rights: FileRights
    ) -> None:
        self._database = database
        self._audit = audit
        self._content = content
        self._rights = rights

    async def heard(
        self,
        connection: AsyncConnection,
        resident_id: str,
        conversation_id: str,
        said: Said,
        now: datetime,
    ) -> bool:
        """A resident told their own age, in the turn's transaction; whether it is news.

        What is said of somebody else's child opens no file and changes none.
        """
        minor = _BANDS.get(said.band)
        if said.whose is not Person.SELF or minor is None:
            return False
        return await self._become(
            connection, resident_id, minor, f"resident:{resident_id}", conversation_id, now
        )

    async def note(self, officer: Signed, resident_id: str, minor: Minor, now: datetime) -> None:
        """An officer notes it, or that it is no longer so.

        Raises:
            TagRefusedError: there is no such resident.
            PermissionDeniedError: the role or the area does not allow it.
        """
        async with self._database.write() as connection:
            row = (
                await connection.execute(select(RESIDENT).where(RESIDENT.c.id == resident_id))
            ).first()
            if row is None:
                raise TagRefusedError("没有这位居民。")
            subject = Subject(row.id, row.area, row.officer_id)
            await self._rights.allow(connection, officer, Act.MINOR, subject, now)
            await self._become(connection, resident_id, minor, f"officer:{officer.id}", None, now)

    async def _become(
        self,
        connection: AsyncConnection,
        resident_id: str,
        minor: Minor,
        actor: str,
        conversation_id: str | None,
        now: datetime,
    ) -> bool:
        changed = await connection.execute(
            update(RESIDENT)
            .where(RESIDENT.c.id == resident_id, RESIDENT.c.minor != minor.value)
            .values(minor=minor.value)
        )
        if not changed.rowcount:
            return False
        gone = 0
        if minor is Minor.UNDER_14:
            gone = sum((await remove_parts(connection, [resident_id])).values())
            if conversation_id is not None:
                await self._call_somebody(connection, conversation_id, now)
        elif minor is Minor.TEEN:
            gone = await self._keep_two_groups(connection, resident_id)
        event = Event(
            actor, "file.minor", f"resident:{resident_id}", f"{minor.value} removed={gone}"
        )
        await self._audit.record(connection, event)
        return True

    async def _keep_two_groups(self, connection: AsyncConnection, resident_id: str) -> int:
        allowed = [tag.slug for tag in self._content.library.taxonomy.tags if tag.minors]
        gone = 0
        for table in (ASSIGNMENT, SUGGESTION):
            done = await connection.execute(
                delete(table).where(table.c.resident_id == resident_id, table.c.tag.not_in(allowed))
            )
            gone += done.rowcount
        return gone

    async def _call_somebody(
        self, connection: AsyncConnection, conversation_id: str, now: datetime
    ) -> None:
        """识别到即转人工: a ticket, unless somebody is on the way already."""
        waiting = await connection.execute(
            select(TICKET.c.id).where(
                TICKET.c.conversation_id == conversation_id,
                TICKET.c.state != TicketState.CLOSED,
            )
        )
        if waiting.first() is not None:
            return
        desk = await connection.execute(select(AREA.c.slug).where(AREA.c.desk))
        row = {
            "code": new_code(),
            "need": Need.HUMAN.value,
            "conversation_id": conversation_id,
            "area": desk.scalar_one(),
            "state": TicketState.OPEN,
            "created_at": now,
            "due_at": now + _LOOK_WITHIN,
        }
        await connection.execute(insert(TICKET), [row])
