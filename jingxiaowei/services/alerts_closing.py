"""办结: the verdict on an alert, who may give it, and taking it back."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.mask import holds_number
from jingxiaowei.services.alerts_cases import Cases
from jingxiaowei.services.alerts_rights import Act
from jingxiaowei.services.alerts_rows import open_evidence
from jingxiaowei.services.alerts_settled import Settled
from jingxiaowei.services.alerts_steps import HELD, Steps, require_held
from jingxiaowei.services.alerts_values import NOTE, AlertConflictError
from jingxiaowei.services.bell import Stage
from jingxiaowei.services.notices import Matter, Notices
from jingxiaowei.services.officers import Signed
from jingxiaowei.store.alert_tables import ALERT, EVIDENCE, AlertState, AlertVerdict
from jingxiaowei.store.tables import AREA, OFFICER, Role

_UNDO = timedelta(minutes=10)
NOTE_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Closing:
    """办结: what was found."""

    verdict: AlertVerdict
    prevented: int | None = None
    loss: int | None = None
    note: str = ""


class AlertClosing:
    """The last steps. Each raises PermissionDeniedError, AlertMissingError, AlertConflictError."""

    def __init__(self, steps: Steps, cases: Cases, notices: Notices, settled: Settled) -> None:
        self._steps = steps
        self._settled = settled
        self._cases = cases
        self._notices = notices

    async def close(
        self, officer: Signed, alert_id: int, closing: Closing, now: datetime
    ) -> AlertState:
        """办结. An auxiliary's 已被骗 closes nothing: it waits for police (待民警确认)."""
        note = closing.note.strip()[:NOTE_CHARACTERS]
        if holds_number(note):
            raise AlertConflictError("备注里像有证件号，删掉再存。")
        if min(closing.prevented or 0, closing.loss or 0) < 0:
            raise AlertConflictError("金额写成正数。")
        sealed = self._steps.database.cipher.seal(NOTE, note) if note else None
        found = {"prevented": closing.prevented, "loss": closing.loss, "note": sealed}
        proposes = closing.verdict is AlertVerdict.LOST and officer.role is not Role.POLICE
        async with self._steps.step(officer, Act.CLOSE, alert_id, now) as (connection, row):
            require_held(officer, row)
            if proposes:
                await self._steps.change(
                    connection,
                    alert_id,
                    ALERT.c.state.in_(HELD),
                    lost_pending=True,
                    updated_at=now,
                    **found,
                )
                people = await self._police(connection, row.area)
                await self._notices.enqueue(
                    connection, Matter.alert(alert_id), "lost_pending", people, now
                )
                await self._steps.alerts.note(connection, alert_id, "lost_pending", now, officer.id)
                return AlertState(row.state)
            await self._close(connection, officer, alert_id, closing.verdict, now, **found)
        return AlertState.CLOSED

    async def confirm_lost(self, officer: Signed, alert_id: int, now: datetime) -> None:
        """民警 confirm what an auxiliary proposed: 已被骗."""
        async with self._steps.step(officer, Act.CONFIRM_LOST, alert_id, now) as (connection, row):
            if not row.lost_pending:
                raise AlertConflictError("这条没有待确认的已被骗。")
            await self._steps.alerts.note(connection, alert_id, "confirmed", now, officer.id)
            await self._close(connection, officer, alert_id, AlertVerdict.LOST, now)

    async def decline_lost(self, officer: Signed, alert_id: int, now: datetime) -> None:
        """退回: the alert goes on being worked on."""
        async with self._steps.step(officer, Act.CONFIRM_LOST, alert_id, now) as (connection, _):
            await self._steps.change(
                connection,
                alert_id,
                ALERT.c.lost_pending,
                lost_pending=False,
                loss=None,
                updated_at=now,
            )
            await self._steps.alerts.note(connection, alert_id, "declined", now, officer.id)

    async def reopen(self, officer: Signed, alert_id: int, now: datetime) -> None:
        """重新打开. Who closed it may take that back for ten minutes; later it is for police."""
        try:
            async with self._steps.database.write() as connection:
                row = await self._steps.row(connection, alert_id)
                fresh = row.closed_at is not None and now - row.closed_at < _UNDO
                act = Act.UNDO if row.closed_by == officer.id and fresh else Act.REOPEN
                await self._steps.enter(connection, officer, act, alert_id, now)
                await self._steps.change(
                    connection,
                    alert_id,
                    ALERT.c.state == AlertState.CLOSED,
                    state=AlertState.CLAIMED,
                    claimed_by=row.claimed_by or officer.id,
                    closed_at=None,
                    closed_by=None,
                    verdict=None,
                    updated_at=now,
                )
                await self._settled.forget(connection, alert_id)
                await self._steps.alerts.note(connection, alert_id, "reopened", now, officer.id)
                await self._steps.bell.announce(connection, Stage.ALERTS)
        except IntegrityError:
            raise AlertConflictError("同一会话又有了新的预警，请办那一条。") from None
        self._steps.bell.ring(Stage.ALERTS)

    async def detach(self, officer: Signed, alert_id: int, now: datetime) -> None:
        """移出同话术: the radar was wrong."""
        async with self._steps.step(officer, Act.DETACH, alert_id, now) as (connection, _):
            await self._cases.detach(connection, alert_id, now)
            await self._steps.alerts.note(connection, alert_id, "detached", now, officer.id)

    async def _close(
        self,
        connection: AsyncConnection,
        officer: Signed,
        alert_id: int,
        verdict: AlertVerdict,
        now: datetime,
        **found: object,
    ) -> None:
        await self._steps.change(
            connection,
            alert_id,
            ALERT.c.state.in_(HELD),
            state=AlertState.CLOSED,
            verdict=verdict,
            lost_pending=False,
            closed_at=now,
            closed_by=officer.id,
            claim_due=None,
            silence_due=None,
            updated_at=now,
            **found,
        )
        if verdict is AlertVerdict.FALSE_ALARM:
            rows = await connection.execute(select(EVIDENCE).where(EVIDENCE.c.alert_id == alert_id))
            texts = [open_evidence(self._steps.database.cipher, row)[0] for row in rows]
            await self._settled.keep(connection, alert_id, texts, now)
        await self._steps.alerts.note(
            connection, alert_id, "closed", now, officer.id, verdict=verdict.value
        )

    async def _police(self, connection: AsyncConnection, area: str) -> list[int]:
        rows = await connection.execute(
            select(OFFICER.c.id)
            .join(AREA, AREA.c.slug == OFFICER.c.area)
            .where(
                OFFICER.c.active,
                OFFICER.c.role == Role.POLICE,
                OFFICER.c.wecom_userid.is_not(None),
                (OFFICER.c.area == area) | AREA.c.desk,
            )
        )
        return [row.id for row in rows]
