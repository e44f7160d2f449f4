"""操作留痕: the one way into the audit trail. Each event's digest covers the one before it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import AUDIT

_START = "0" * 64


@dataclass(frozen=True, slots=True)
class Event:
    """Who did what to what, and why. Ids only: no name, no message text."""

    actor: str
    action: str
    object: str
    reason: str = ""


def _digest(previous: str, at: datetime, event: Event) -> str:
    parts = (previous, at.isoformat(), event.actor, event.action, event.object, event.reason)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class Audit:
    """Records events, and verifies that none was changed or removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, connection: AsyncConnection, event: Event) -> None:
        """Append within the caller's transaction: the deed and its trace stand or fall together."""
        await self.record_many(connection, [event])

    async def record_many(self, connection: AsyncConnection, events: Sequence[Event]) -> None:
        """Append events in order, for what was done to many at once.

        On PostgreSQL they are written when the rest of the transaction is: who waits for the
        trail holds everything else already, so nobody waits in a circle.
        """
        if events:
            await self._database.at_end(connection, self._append, events)

    async def _append(self, connection: AsyncConnection, events: Sequence[Event]) -> None:
        await self._database.lock_trail(connection)
        last = select(AUDIT.c.digest).order_by(AUDIT.c.id.desc()).limit(1)
        previous = (await connection.execute(last)).scalar() or _START
        at = datetime.now(UTC)
        rows = []
        for event in events:
            digest = _digest(previous, at, event)
            rows.append(
                {
                    "at": at,
                    "actor": event.actor,
                    "action": event.action,
                    "object": event.object,
                    "reason": event.reason,
                    "previous": previous,
                    "digest": digest,
                }
            )
            previous = digest
        await connection.execute(insert(AUDIT), rows)

    async def verify(self) -> int | None:
        """The id of the first event that does not follow from the one before, or None."""
        previous = _START
        async with self._database.read() as connection:
            rows = await connection.stream(select(AUDIT).order_by(AUDIT.c.id))
            async for row in rows:
                event = Event(row.actor, row.action, row.object, row.reason)
                if row.previous != previous or row.digest != _digest(previous, row.at, event):
                    broken: int = row.id
                    return broken
                previous = row.digest
        return None
