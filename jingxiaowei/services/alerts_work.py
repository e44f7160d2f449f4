"""What officers do with an alert: claim, call, advise, visit. Each step counts once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.screen.values import Transfer
from jingxiaowei.services.alerts_rights import Act
from jingxiaowei.services.alerts_speech import Speech
from jingxiaowei.services.alerts_steps import Steps, held_by, require_held
from jingxiaowei.services.alerts_values import CONTACT_BODY, TOLD, AlertConflictError
from jingxiaowei.services.alerts_words import ROLES, STATES
from jingxiaowei.services.bell import Stage
from jingxiaowei.services.notices import Matter, Notices, said_by
from jingxiaowei.services.officers import Signed
from jingxiaowei.store.alert_tables import ALERT, CASE, CONTACT, AlertState
from jingxiaowei.store.cipher import token
from jingxiaowei.store.tables import AREA, Role

_LINES = {
    Transfer.DONE: "advise_done",
    Transfer.IN_PROGRESS: "advise_in_progress",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """Who has the alert now; ``won``: it is the officer who asked."""

    won: bool
    officer: str  # 辅警王芳
    alert_ids: tuple[int, ...] = ()  # of a raised case all that nobody had


@dataclass(frozen=True, slots=True)
class CallSheet:
    """Whom to ring, and the 通话提纲."""

    phone: str
    name: str
    company: str
    told: tuple[str, ...]  # by taps: who asked for the money, where, how much
    outline: tuple[str, ...]


class AlertDesk:
    """The steps. Each raises PermissionDeniedError, AlertMissingError or AlertConflictError."""

    def __init__(self, steps: Steps, notices: Notices, speech: Speech) -> None:
        self._steps = steps
        self._notices = notices
        self._speech = speech

    async def claim(self, officer: Signed, alert_id: int, now: datetime) -> Claim:
        """认领: of two taps at once one wins, and the other is told who."""
        async with self._steps.database.write() as connection:
            row = await self._steps.enter(connection, officer, Act.CLAIM, alert_id, now)
            ids = await self._together(connection, officer, row, now)
            won = await connection.execute(
                update(ALERT)
                .where(
                    ALERT.c.id.in_(ids),
                    ALERT.c.state == AlertState.NEW,
                    ALERT.c.claimed_by.is_(None),
                )
                .values(
                    state=AlertState.CLAIMED,
                    claimed_by=officer.id,
                    claimed_at=now,
                    claim_due=None,
                    updated_at=now,
                )
                .returning(ALERT.c.id)
            )
            taken = sorted(r.id for r in won)
            for each in taken:
                await self._steps.alerts.note(connection, each, "claimed", now, officer.id)
            if taken:
                await self._notices.retire(connection, [Matter.alert(each) for each in taken])
            claim = await self._holder(connection, alert_id, officer, taken)
            await self._steps.bell.announce(connection, Stage.ALERTS)
        self._steps.bell.ring(Stage.ALERTS)
        return claim

    async def _together(
        self, connection: AsyncConnection, officer: Signed, row: Any, now: datetime
    ) -> list[int]:
        """One claim for one script: of a raised case, all that the officer may see."""
        if row.case_id is None:
            return [row.id]
        raised = await connection.execute(
            select(CASE.c.id).where(CASE.c.id == row.case_id, CASE.c.raised_at.is_not(None))
        )
        if raised.first() is None:
            return [row.id]
        scope = await self._steps.rights.scope(connection, officer, now)
        rows = await connection.execute(
            select(ALERT.c.id, ALERT.c.area).where(ALERT.c.case_id == row.case_id)
        )
        return [row.id, *(r.id for r in rows if r.id != row.id and scope.covers(r.area))]

    async def _holder(
        self, connection: AsyncConnection, alert_id: int, officer: Signed, taken: list[int]
    ) -> Claim:
        current = await self._steps.row(connection, alert_id)
        if current.claimed_by is None:
            raise AlertConflictError(f"这条{STATES[current.state]}，不用认领。")
        who = (await self._steps.officers.names(connection))[current.claimed_by]
        mine = current.claimed_by == officer.id
        return Claim(mine, said_by(who.role, who.name), tuple(taken))

    async def release(self, officer: Signed, alert_id: int, now: datetime) -> None:
        """放回: nobody has it, and the line begins anew."""
        async with self._steps.step(officer, Act.RELEASE, alert_id, now) as (connection, _):
            await self._steps.change(
                connection,
                alert_id,
                held_by(officer),
                state=AlertState.NEW,
                claimed_by=None,
                claimed_at=None,
                claim_due=now,
                line=0,
                updated_at=now,
            )
            await self._steps.alerts.note(connection, alert_id, "released", now, officer.id)

    async def call(self, officer: Signed, alert_id: int, now: datetime) -> CallSheet:
        """打电话: the number and what to say; whoever calls an unclaimed alert has claimed it."""
        claim = await self.claim(officer, alert_id, now)
        async with self._steps.step(officer, Act.CALL, alert_id, now) as (connection, row):
            if not claim.won and officer.role is not Role.POLICE:
                raise AlertConflictError(f"刚被{claim.officer}认领。")
            sealed = (
                await connection.execute(
                    select(CONTACT.c.body).where(CONTACT.c.alert_id == alert_id)
                )
            ).scalar()
            given = self._steps.database.cipher.open_json(CONTACT_BODY, sealed) if sealed else {}
            station = await self._station(connection, officer)
            await self._steps.alerts.note(connection, alert_id, "called", now, officer.id)
            return CallSheet(
                given.get("phone", ""),
                given.get("name", ""),
                given.get("company", ""),
                tuple(given[each] for each in TOLD if given.get(each)),
                _outline(officer, station, Transfer(row.transfer)),
            )

    async def advise(self, officer: Signed, alert_id: int, now: datetime) -> str:
        """发劝阻: the fixed words for the transfer state, in the officer's name; empty when it
        goes out, else why it cannot, so that the officer rings."""
        async with self._steps.step(officer, Act.ADVISE, alert_id, now) as (connection, row):
            require_held(officer, row)
            if row.forwarded_by is not None:
                return "这条是民警转来的，机器人找不到居民，请打电话。"
            barred = await self._speech.unreachable(connection, [row.conversation_id], now)
            if row.conversation_id in barred:
                return barred[row.conversation_id]
            station = await self._station(connection, officer)
            words = self._speech.words(
                row.conversation_id,
                # Pressed twice within a minute is meant once.
                token("advise", alert_id, row.transfer, f"{now:%Y%m%d%H%M}"),
                _LINES.get(Transfer(row.transfer), "advise_not_yet"),
                role=ROLES[officer.role],
                name=officer.name,
                station=station.station,
                phone=station.phone,
            )
            await self._speech.send(connection, [words], now)
            await self._advance(connection, officer, row, AlertState.ADVISED, now)
            await self._steps.alerts.note(
                connection, alert_id, "advised", now, officer.id, how="message"
            )
            await self._steps.bell.announce(connection, Stage.OUTBOX)
        self._steps.bell.ring(Stage.OUTBOX)
        return ""

    async def reached(
        self, officer: Signed, alert_id: int, transfer: Transfer, now: datetime
    ) -> None:
        """The call got through: what the resident said of the money, and the advice is given."""
        async with self._steps.step(officer, Act.ADVISE, alert_id, now) as (connection, row):
            require_held(officer, row)
            await self._set_transfer(connection, row, transfer, officer, now)
            await self._advance(connection, officer, row, AlertState.ADVISED, now)
            await self._steps.alerts.note(
                connection, alert_id, "advised", now, officer.id, how="call"
            )

    async def visit(self, officer: Signed, alert_id: int, now: datetime) -> None:
        """上门."""
        async with self._steps.step(officer, Act.VISIT, alert_id, now) as (connection, row):
            require_held(officer, row)
            await self._advance(connection, officer, row, AlertState.VISITED, now)
            await self._steps.alerts.note(connection, alert_id, "visited", now, officer.id)

    async def set_transfer(
        self, officer: Signed, alert_id: int, transfer: Transfer, now: datetime
    ) -> None:
        """An officer knows better what became of the money: forwards and back."""
        async with self._steps.step(officer, Act.TRANSFER, alert_id, now) as (connection, row):
            require_held(officer, row)
            await self._set_transfer(connection, row, transfer, officer, now)

    async def _advance(
        self,
        connection: AsyncConnection,
        officer: Signed,
        row: Any,
        to: AlertState,
        now: datetime,
    ) -> None:
        """A state further on, never back; somebody is looking after it, so the silence rests."""
        order = list(AlertState)
        state = max(AlertState(row.state), to, key=order.index)
        await self._steps.change(
            connection,
            row.id,
            ALERT.c.state == row.state,
            state=state,
            silence_due=None,
            silence=0,
            updated_at=now,
        )

    async def _set_transfer(
        self,
        connection: AsyncConnection,
        row: Any,
        transfer: Transfer,
        officer: Signed,
        now: datetime,
    ) -> None:
        if row.transfer == transfer:
            return
        await connection.execute(
            update(ALERT)
            .where(ALERT.c.id == row.id)
            .values(transfer=transfer.value, transfer_at=now, updated_at=now)
        )
        await self._steps.alerts.note(
            connection, row.id, "transfer", now, officer.id, to=transfer.value
        )

    async def _station(self, connection: AsyncConnection, officer: Signed) -> Any:
        """The officer's own station: the landline by which a resident checks the call."""
        return (
            await connection.execute(
                select(AREA.c.station, AREA.c.phone).where(AREA.c.slug == officer.area)
            )
        ).one()


def _outline(officer: Signed, station: Any, transfer: Transfer) -> tuple[str, ...]:
    """通话提纲: who calls, how to check that, and the one thing to do."""
    hello = (
        f"您好，我是{station.station}{ROLES[officer.role]}{officer.name}，工号 {officer.account}。"
        f"您可以挂断，打 96110 或{station.station}座机 {station.phone} 核实。我不会让您转账。"
    )
    money = {
        Transfer.DONE: "马上打 110 说“要紧急止付”，报清时间、金额、对方账号。这不怪您。",
        Transfer.IN_PROGRESS: "请马上停下，别输密码、别点确认。已经点了，立刻打 110。",
    }.get(transfer, "钱转了没有？还没转就一分不转，当面或打本人电话找老板核实。")
    return (
        hello,
        money,
        "对方是谁，在哪个群说的，要转多少，转到哪个账号？",
        "聊天记录、转账记录都别删，先截图。",
        "您现在在哪里？要不要我们过来？",
    )
