"""What happens by itself when nobody does anything: the next in line, and the resident's silence.

Nobody claims an alert or an emergency: the next in line is told, then everybody who can be. The
resident is silent after "不要转账": the bot asks again, then an officer is to call, then to visit.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, union_all, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.screen.values import Transfer
from jingxiaowei.services.alerts import CLAIM, CLAIM_URGENT, Alerts
from jingxiaowei.services.alerts_speech import Speech
from jingxiaowei.services.bell import Bell, Stage, wait_for
from jingxiaowei.services.emergencies import Emergencies, is_due
from jingxiaowei.services.notices import LAST_IN_LINE, Matter, Notices, in_line
from jingxiaowei.store.alert_tables import ALERT, IS_OPEN, AlertState
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import TICKET

# Silence, counted from the resident's last word.
CALL_AFTER, VISIT_AFTER = timedelta(minutes=15), timedelta(minutes=45)
ASKED, TO_CALL, TO_VISIT = 1, 2, 3
_ROUND = 5.0
_BATCH = 200
log = logging.getLogger(__name__)


class Watch:
    """Acts on what is due. Any number may run: each step is taken once."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        alerts: Alerts,
        emergencies: Emergencies,
        notices: Notices,
        speech: Speech,
    ) -> None:
        self._database = database
        self._bell = bell
        self._alerts = alerts
        self._emergencies = emergencies
        self._notices = notices
        self._speech = speech

    async def run(self) -> None:
        """Watch for as long as the task lives."""
        with self._bell.subscribe(Stage.ALERTS) as rung:
            while True:
                rung.clear()
                pause = _ROUND
                try:
                    now = datetime.now(UTC)
                    if await self.tick(now):
                        self._bell.ring(Stage.OUTBOX)
                        self._bell.ring(Stage.ALERTS)
                        await asyncio.sleep(0)
                    pause = await self._next(now)
                except (SQLAlchemyError, OSError):
                    log.exception("watching the alerts failed, it is tried again")
                await wait_for(rung, pause)

    async def tick(self, now: datetime) -> int:
        """Take every step that is due at a moment; how many."""
        due = (ALERT.c.claim_due <= now) | (ALERT.c.silence_due <= now)
        async with self._database.read() as connection:
            any_due = await connection.execute(
                union_all(
                    select(ALERT.c.id).where(IS_OPEN, due), select(TICKET.c.id).where(is_due(now))
                ).limit(1)
            )
            if any_due.first() is None:
                return 0
        async with self._database.write() as connection:
            await self._database.lock_alerts(connection)  # two watchers: one after the other
            steps = await self._emergencies.pass_on(connection, now)
            rows = await connection.execute(
                select(ALERT).where(IS_OPEN, due).order_by(ALERT.c.id).limit(_BATCH)
            )
            for row in rows.all():
                if row.claim_due is not None and row.claim_due <= now:
                    steps += await self._pass_on(connection, row, now)
                if row.silence_due is not None and row.silence_due <= now:
                    steps += await self._break_silence(connection, row, now)
            await self._bell.announce(connection, Stage.ALERTS)
            await self._bell.announce(connection, Stage.OUTBOX)
        return steps

    async def _pass_on(self, connection: AsyncConnection, row: Any, now: datetime) -> int:
        """Nobody has claimed it: the next in line, and at the end an honest word."""
        line = row.line + 1
        hurry = row.transfer in {Transfer.DONE, Transfer.IN_PROGRESS}
        due = now + (CLAIM_URGENT if hurry else CLAIM) if line < LAST_IN_LINE else None
        ours = await connection.execute(
            update(ALERT)
            .where(
                ALERT.c.id == row.id,
                ALERT.c.state == AlertState.NEW,
                ALERT.c.claim_due == row.claim_due,
            )
            .values(line=line, claim_due=due, updated_at=now)
        )
        if not ours.rowcount:
            return 0
        people = await in_line(connection, row.area, line, now)
        # Who was told before is told again, for the card may have gone unseen.
        await self._notices.enqueue(
            connection, Matter.alert(row.id), "line", people, now, f"{line} {now:%d%H%M}"
        )
        await self._alerts.note(connection, row.id, "line", now, n=len(people), line=line)
        if line == LAST_IN_LINE and row.forwarded_by is None:
            words = self._speech.words(row.conversation_id, token("nobody", row.id), "nobody")
            await self._speech.send(connection, [words], now)
        return 1

    async def _break_silence(self, connection: AsyncConnection, row: Any, now: datetime) -> int:
        """Ask again, where the bot may speak and asking makes sense; then call; then visit."""
        barred = await self._speech.unreachable(connection, [row.conversation_id], now)
        ask = (
            row.silence < ASKED
            and row.transfer != Transfer.DONE
            and row.conversation_id not in barred
        )
        step = ASKED if ask else max(row.silence, ASKED) + 1
        after = {ASKED: CALL_AFTER, TO_CALL: VISIT_AFTER}.get(step)
        due = max(row.heard_at + after, now + timedelta(minutes=1)) if after else None
        ours = await connection.execute(
            update(ALERT)
            .where(
                ALERT.c.id == row.id,
                ALERT.c.silence == row.silence,
                ALERT.c.silence_due == row.silence_due,
            )
            .values(silence=step, silence_due=due, updated_at=now)
        )
        if not ours.rowcount:
            return 0
        if step == ASKED:
            key = token("silence", row.id, row.heard_at.isoformat())
            words = self._speech.words(row.conversation_id, key, "silence")
            await self._speech.send(connection, [words], now)
            await self._alerts.note(connection, row.id, "asked", now)
            return 1
        kind = "silent_call" if step == TO_CALL else "silent_visit"
        people = [row.claimed_by] if row.claimed_by else []
        people = people or await in_line(connection, row.area, row.line, now)
        await self._notices.enqueue(
            connection, Matter.alert(row.id), kind, people, now, row.heard_at.isoformat()
        )
        await self._alerts.note(connection, row.id, kind, now)
        return 1

    async def _next(self, now: datetime) -> float:
        """Seconds until the next step is due, at most a round."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(
                        func.min(ALERT.c.claim_due).label("claim"),
                        func.min(ALERT.c.silence_due).label("silence"),
                    ).where(IS_OPEN)
                )
            ).one()
            waits = select(func.min(TICKET.c.claim_due)).where(TICKET.c.claim_due.is_not(None))
            ticket = (await connection.execute(waits)).scalar()
        dues: list[datetime] = [d for d in (row.claim, row.silence, ticket) if d is not None]
        soonest = min(dues, default=None)
        if soonest is None:
            return _ROUND
        return min(_ROUND, max(0.2, (soonest - now).total_seconds()))
