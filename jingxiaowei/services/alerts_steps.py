"""One step with an alert is one transaction: the gate, a conditional UPDATE that only one of two
can win, the timeline, the audit event. Shared by the steps themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.alerts import Alerts
from jingxiaowei.services.alerts_rights import Act, Rights, Subject
from jingxiaowei.services.alerts_values import AlertConflictError, AlertMissingError
from jingxiaowei.services.alerts_words import STATES
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.store.alert_tables import ALERT, AlertState
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import Role

HELD = (AlertState.CLAIMED, AlertState.ADVISED, AlertState.VISITED)


class Steps:
    """Opens steps. What raises inside one leaves nothing behind."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        officers: Officers,
        rights: Rights,
        alerts: Alerts,
    ) -> None:
        self.database = database
        self.bell = bell
        self.officers = officers
        self.rights = rights
        self.alerts = alerts

    @asynccontextmanager
    async def step(
        self, officer: Signed, act: Act, alert_id: int, now: datetime
    ) -> AsyncIterator[tuple[AsyncConnection, Any]]:
        """A step's transaction and the alert as it stands, entered through the gate."""
        async with self.database.write() as connection:
            yield connection, await self.enter(connection, officer, act, alert_id, now)
            await self.bell.announce(connection, Stage.ALERTS)
        self.bell.ring(Stage.ALERTS)

    async def row(self, connection: AsyncConnection, alert_id: int) -> Any:
        row = (await connection.execute(select(ALERT).where(ALERT.c.id == alert_id))).first()
        if row is None:
            raise AlertMissingError("没有这条预警。")
        return row

    async def enter(
        self,
        connection: AsyncConnection,
        officer: Signed,
        act: Act,
        alert_id: int,
        now: datetime,
        reason: str = "",
    ) -> Any:
        """The alert, if the gate lets this officer do this to it; the passing is recorded."""
        row = await self.row(connection, alert_id)
        subject = Subject(row.id, row.area, row.state, row.claimed_by)
        await self.rights.allow(connection, officer, act, subject, now, reason)
        await self.database.lock_alerts(connection)
        return await self.row(connection, alert_id)  # as it stands now that nobody else changes it

    async def change(
        self,
        connection: AsyncConnection,
        alert_id: int,
        condition: ColumnElement[bool],
        **values: object,
    ) -> None:
        changed = await connection.execute(
            update(ALERT).where(ALERT.c.id == alert_id, condition).values(**values)
        )
        if changed.rowcount:
            return
        row = await self.row(connection, alert_id)
        people = await self.officers.names(connection)
        who = people.get(row.closed_by or row.claimed_by)
        name = who.name if who else "别人"
        at = row.updated_at.astimezone(LOCAL)
        raise AlertConflictError(f"{name} {at:%H:%M} 改过这条，现在是{STATES[row.state]}。")


def held_by(officer: Signed) -> ColumnElement[bool]:
    held = ALERT.c.state.in_(HELD)
    return held if officer.role is Role.POLICE else held & (ALERT.c.claimed_by == officer.id)


def require_held(officer: Signed, row: Any) -> None:
    """A step is for whoever claimed the alert; police may step in."""
    if row.state not in HELD:
        wanted = "先认领。" if row.state is AlertState.NEW else "这条已经办结。"
        raise AlertConflictError(wanted)
    if row.claimed_by != officer.id and officer.role is not Role.POLICE:
        raise PermissionDeniedError("这条是别人认领的，要帮忙先找他放回。")
