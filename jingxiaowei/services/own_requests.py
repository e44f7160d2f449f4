"""A resident's own requests as the conversation needs them: opened once, added to, listed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.mask import mask
from jingxiaowei.services.files_values import REQUEST_TEXT
from jingxiaowei.services.requests import Requests
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import IS_ASKED, REQUEST, RequestKind, RequestState

_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Opened:
    """A request that waits."""

    code: str
    kind: RequestKind
    due_at: datetime


class OwnRequests:
    """Opens and reads requests at the resident's word, in the turn's transaction."""

    def __init__(self, database: Database, requests: Requests) -> None:
        self._database = database
        self._requests = requests

    async def open(
        self,
        connection: AsyncConnection,
        resident_id: str,
        kind: RequestKind,
        text: str,
        now: datetime,
    ) -> Opened:
        """A new request; said once more, it is the one that waits already."""
        cipher = self._database.cipher
        waiting = await connection.execute(
            select(REQUEST.c.code, REQUEST.c.due_at, REQUEST.c.text)
            .where(REQUEST.c.resident_id == resident_id, REQUEST.c.kind == kind, IS_ASKED)
            .order_by(REQUEST.c.id)
        )
        for row in waiting:
            if cipher.open(REQUEST_TEXT, row.text).split("\n")[0] == mask(text).split("\n")[0]:
                return Opened(row.code, kind, row.due_at)
        code, due = await self._requests.ask(connection, resident_id, kind, text, now)
        return Opened(code, kind, due)

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

    async def confirm_erasure(
        self, connection: AsyncConnection, resident_id: str, now: datetime
    ) -> None:
        """确定删除: the worker that erases does it within moments; said twice, it is one."""
        waiting = await connection.execute(
            select(REQUEST.c.id).where(
                REQUEST.c.resident_id == resident_id,
                REQUEST.c.kind == RequestKind.ERASE,
                REQUEST.c.state == RequestState.CONFIRMED,
            )
        )
        if waiting.first() is None:
            await self._requests.ask(
                connection, resident_id, RequestKind.ERASE, "", now, confirmed=True
            )

    async def waiting(self, connection: AsyncConnection, resident_id: str) -> list[Opened]:
        """A resident's open requests, oldest first."""
        rows = await connection.execute(
            select(REQUEST.c.code, REQUEST.c.kind, REQUEST.c.due_at)
            .where(REQUEST.c.resident_id == resident_id, IS_ASKED)
            .order_by(REQUEST.c.id)
        )
        return [Opened(row.code, row.kind, row.due_at) for row in rows]
