"""The log of alerts: today's open ones, the closed ones, and what a number leads to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.screen.values import EntityKind
from jingxiaowei.services.alerts_rights import Act, require
from jingxiaowei.services.alerts_rows import Row, make_rows
from jingxiaowei.services.alerts_steps import Steps
from jingxiaowei.services.alerts_words import URGENCY
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.radar import match_key
from jingxiaowei.store.alert_tables import ALERT, ENTITY, IS_OPEN, AlertState

OPEN_SHOWN, CLOSED_SHOWN = 300, 100


class AlertBook:
    """Reads for the console."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def today(self, officer: Signed, now: datetime, glance: bool = False) -> list[Row]:
        """The open alerts of the officer's areas: the money clock first, then who waits longest.

        Args:
            glance: a page that is open already looks again; its opening was recorded.
        """
        if glance:
            require(officer.role, Act.LIST)
            async with self._steps.database.read() as connection:
                return await self._today(connection, officer, now)
        async with self._steps.database.write() as connection:
            await self._steps.rights.allow(connection, officer, Act.LIST, None, now)
            return await self._today(connection, officer, now)

    async def _today(
        self, connection: AsyncConnection, officer: Signed, now: datetime
    ) -> list[Row]:
        scope = await self._steps.rights.scope(connection, officer, now)
        query = select(ALERT).where(IS_OPEN)
        if not scope.everywhere:
            query = query.where(ALERT.c.area.in_(scope.areas) | (ALERT.c.claimed_by == officer.id))
        found = (await connection.execute(query.order_by(ALERT.c.id).limit(OPEN_SHOWN))).all()
        rows = await self._rows(connection, found, officer)
        return sorted(rows, key=lambda row: (URGENCY[row.transfer], row.since, row.id))

    async def last_closed(self, now: datetime) -> datetime | None:
        """When something was last closed: an empty log says so."""
        async with self._steps.database.read() as connection:
            at: datetime | None = (
                await connection.execute(select(func.max(ALERT.c.closed_at)))
            ).scalar()
        return at

    async def history(self, officer: Signed, now: datetime, word: str = "") -> list[Row]:
        """Closed alerts, newest first, or all that name a number or an id. Police only."""
        async with self._steps.database.write() as connection:
            reason = "search" if word else ""
            await self._steps.rights.allow(connection, officer, Act.HISTORY, None, now, reason)
            scope = await self._steps.rights.scope(connection, officer, now)
            query = select(ALERT)
            if word:
                query = query.where(self._matches(word))
            else:
                query = query.where(ALERT.c.state == AlertState.CLOSED)
            if not scope.everywhere:
                query = query.where(ALERT.c.area.in_(scope.areas))
            found = await connection.execute(query.order_by(ALERT.c.id.desc()).limit(CLOSED_SHOWN))
            return await self._rows(connection, found.all(), officer)

    def _matches(self, word: str) -> ColumnElement[bool]:
        cipher = self._steps.database.cipher
        keys = [match_key(cipher, kind, word) for kind in EntityKind]
        named = ALERT.c.id.in_(select(ENTITY.c.alert_id).where(ENTITY.c.hash.in_(keys)))
        if word.isdecimal() and len(word) < 10:
            return named | (ALERT.c.id == int(word))
        return named

    async def _rows(
        self, connection: AsyncConnection, found: Sequence[Any], officer: Signed
    ) -> list[Row]:
        steps = self._steps
        return await make_rows(connection, steps.database.cipher, steps.officers, found, officer)
