"""本处已核实: what an officer closed as 虚惊 does not alarm again, word for word.

A sentence is known by its fingerprint only (``pipeline/screen/settled.py``). A drill's words are
a real script's, and are not settled by it.
"""

import time
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.store.alert_tables import SETTLED
from jingxiaowei.store.engine import Database

MOST = 10_000  # the newest; older ones go with their alerts anyway
_SECONDS = 20.0  # between two looks at the table


class Settled:
    """Keeps the fingerprints, and hands them to the turn without a query a batch."""

    def __init__(self, database: Database, content: ContentAndMind) -> None:
        self._database = database
        self._content = content
        self._known: frozenset[str] = frozenset()
        self._until = 0.0

    async def keep(
        self, connection: AsyncConnection, alert_id: int, texts: Iterable[str], now: datetime
    ) -> None:
        """An alert was closed as 虚惊: its messages' sentences are settled."""
        screen = self._content.mind.alarm.screen
        marks = {mark for text in texts for mark in screen.fingerprints(text)}
        if marks:
            await connection.execute(
                self._database.insert(SETTLED).on_conflict_do_nothing(),
                [{"mark": mark, "alert_id": alert_id, "at": now} for mark in sorted(marks)],
            )
        self._until = 0.0

    async def forget(self, connection: AsyncConnection, alert_id: int) -> None:
        """The alert is open again."""
        await connection.execute(delete(SETTLED).where(SETTLED.c.alert_id == alert_id))
        self._until = 0.0

    async def current(self) -> frozenset[str]:
        """What is settled, at most twenty seconds old."""
        if time.monotonic() > self._until:
            newest = select(SETTLED.c.mark).order_by(SETTLED.c.at.desc()).limit(MOST)
            async with self._database.read() as connection:
                self._known = frozenset(row.mark for row in await connection.execute(newest))
            self._until = time.monotonic() + _SECONDS
        return self._known
