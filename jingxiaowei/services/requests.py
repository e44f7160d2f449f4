"""权利请求: what a resident asks for that a person must decide, and by when it is answered."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.model import Calendar, Library
from jingxiaowei.pipeline.mask import mask
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.codes import new_code
from jingxiaowei.services.roster import LOCAL, is_workday
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import IS_ASKED, REQUEST, RequestKind, RequestState

WORKDAYS = 15
REQUEST_TEXT = b"rights_request.text"
_CHARACTERS = 1000


class Content(Protocol):
    """Whoever holds the content of the moment."""

    @property
    def library(self) -> Library: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A request that waits."""

    code: str
    kind: RequestKind
    due_at: datetime


class Requests:
    """Opens requests at the resident's word."""

    def __init__(self, database: Database, audit: Audit, content: Content) -> None:
        self._database = database
        self._audit = audit
        self._content = content

    async def open(
        self,
        connection: AsyncConnection,
        resident_id: str,
        kind: RequestKind,
        text: str,
        now: datetime,
        state: RequestState = RequestState.OPEN,
    ) -> Opened:
        """Write a request down, in the caller's transaction; the same once more is the same one."""
        cipher = self._database.cipher
        text = mask(text)[:_CHARACTERS]
        for row in await connection.execute(
            select(REQUEST).where(REQUEST.c.resident_id == resident_id, REQUEST.c.kind == kind)
        ):
            if row.state is state and cipher.open(REQUEST_TEXT, row.text) == text:
                return Opened(row.code, kind, row.due_at)
        opened = Opened(new_code(), kind, due(now, self._content.library.calendar))
        await connection.execute(
            insert(REQUEST),
            [
                {
                    "code": opened.code,
                    "resident_id": resident_id,
                    "kind": kind,
                    "text": cipher.seal(REQUEST_TEXT, text),
                    "state": state,
                    "created_at": now,
                    "due_at": opened.due_at,
                }
            ],
        )
        await self._audit.record(
            connection,
            Event(
                f"resident:{resident_id}",
                "request.open",
                f"resident:{resident_id}",
                f"{kind.value} request:{opened.code}",
            ),
        )
        return opened

    async def add(
        self, connection: AsyncConnection, resident_id: str, code: str, text: str
    ) -> bool:
        """More words for an open request; whether there is such a one."""
        cipher = self._database.cipher
        row = (
            await connection.execute(
                select(REQUEST.c.id, REQUEST.c.text).where(
                    REQUEST.c.resident_id == resident_id, REQUEST.c.code == code, IS_ASKED
                )
            )
        ).first()
        if row is None:
            return False
        whole = f"{cipher.open(REQUEST_TEXT, row.text)}\n{mask(text)}"[:_CHARACTERS]
        await connection.execute(
            update(REQUEST)
            .where(REQUEST.c.id == row.id)
            .values(text=cipher.seal(REQUEST_TEXT, whole))
        )
        return True

    async def waiting(self, connection: AsyncConnection, resident_id: str) -> list[Opened]:
        """A resident's open requests, oldest first."""
        rows = await connection.execute(
            select(REQUEST.c.code, REQUEST.c.kind, REQUEST.c.due_at)
            .where(REQUEST.c.resident_id == resident_id, IS_ASKED)
            .order_by(REQUEST.c.id)
        )
        return [Opened(row.code, row.kind, row.due_at) for row in rows]


def due(now: datetime, calendar: Calendar) -> datetime:
    """The end of the fifteenth workday after a moment."""
    day: date = now.astimezone(LOCAL).date()
    left = WORKDAYS
    while left:
        day += timedelta(days=1)
        left -= is_workday(day, calendar)
    return datetime.combine(day, time(23, 59), LOCAL)
