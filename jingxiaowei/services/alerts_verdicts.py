"""One verdict to everybody who reported it: exactly those, once each, with receipts.

The words are fixed and name nobody: a reporter reads the day of their own question, what police
found, and what to do. Whom the channel keeps out of reach is listed for a call.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services.alerts_cases import Cases
from jingxiaowei.services.alerts_rights import Act
from jingxiaowei.services.alerts_speech import Speech
from jingxiaowei.services.alerts_steps import Steps
from jingxiaowei.services.alerts_values import AlertConflictError
from jingxiaowei.services.alerts_words import day
from jingxiaowei.services.bell import Stage
from jingxiaowei.services.officers import Signed
from jingxiaowei.store.alert_tables import ALERT, RECEIPT, AlertState, AlertVerdict
from jingxiaowei.store.cipher import token
from jingxiaowei.store.tables import OUTBOX, OutboxState

FINDINGS = {
    AlertVerdict.ATTEMPT: "correction_scam",
    AlertVerdict.LOST: "correction_scam",
    AlertVerdict.FALSE_ALARM: "correction_false_alarm",
    AlertVerdict.DRILL: "correction_drill",
}
FORWARDED = "民警转来的，机器人找不到居民，请打电话。"
OUTCOMES = {
    OutboxState.PENDING: "在发",
    OutboxState.SENT: "已送达",
    OutboxState.REFUSED: "发不到，请打电话。",
    OutboxState.EXPIRED: "发不到，请打电话。",
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """One who reported it, and whether a message can reach them."""

    alert_id: int
    conversation_id: str
    asked_at: datetime
    barred: str  # why not, or empty


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """What became of one reporter's message."""

    alert_id: int
    at: datetime
    outcome: str
    reached: bool


class Verdicts:
    """Tells the reporters. Police only."""

    def __init__(self, steps: Steps, cases: Cases, speech: Speech) -> None:
        self._steps = steps
        self._cases = cases
        self._speech = speech

    async def recipients(self, officer: Signed, alert_id: int, now: datetime) -> list[Recipient]:
        """Who would be told: the list that is looked over before anything goes out."""
        async with self._steps.step(officer, Act.CORRECT, alert_id, now) as (connection, _):
            return await self._recipients(connection, alert_id, now)

    async def send(
        self, officer: Signed, alert_id: int, verdict: AlertVerdict, now: datetime
    ) -> list[Recipient]:
        """Tell each reporter once; a second press sends nothing again.

        Raises:
            AlertConflictError: the alert is not closed with this verdict, or there are no words.
        """
        if verdict not in FINDINGS:
            raise AlertConflictError("“其他”没有可以告知的结论，请打电话说。")
        async with self._steps.step(officer, Act.CORRECT, alert_id, now) as (connection, row):
            if row.state is not AlertState.CLOSED or row.verdict is not verdict:
                raise AlertConflictError("先办结，结论要和告知的一样。")
            people = await self._recipients(connection, alert_id, now)
            await self._enqueue(connection, officer, people, verdict, now)
            await self._steps.alerts.note(
                connection, alert_id, "verdict_sent", now, officer.id, n=len(people)
            )
            await self._steps.bell.announce(connection, Stage.OUTBOX)
        self._steps.bell.ring(Stage.OUTBOX)
        return people

    async def _recipients(
        self, connection: AsyncConnection, alert_id: int, now: datetime
    ) -> list[Recipient]:
        members = await self._cases.members(connection, alert_id)
        rows = await connection.execute(
            select(ALERT).where(ALERT.c.id.in_(members)).order_by(ALERT.c.id)
        )
        # One message a conversation, whatever it reported; an officer's forwards stay apart.
        newest = {(row.conversation_id, row.subject): row for row in rows}
        barred = await self._speech.unreachable(
            connection, sorted({row.conversation_id for row in newest.values()}), now
        )
        return [
            Recipient(
                row.id,
                row.conversation_id,
                row.created_at,
                FORWARDED if row.forwarded_by is not None else barred.get(row.conversation_id, ""),
            )
            for row in newest.values()
        ]

    async def _enqueue(
        self,
        connection: AsyncConnection,
        officer: Signed,
        people: list[Recipient],
        verdict: AlertVerdict,
        now: datetime,
    ) -> None:
        line = FINDINGS[verdict]
        finding = self._speech.words("", "", line).text
        action = self._speech.words("", "", f"{line}_action").text
        words = [
            self._speech.words(
                each.conversation_id,
                token("verdict", each.alert_id, line),
                "correction",
                day=day(each.asked_at),
                finding=finding,
                action=action,
            )
            for each in people
            if not each.barred
        ]
        await self._speech.send(connection, words, now)
        keys = {each.conversation_id: each.key for each in words}
        rows = [
            {
                "batch": token("verdict", each.alert_id, line),
                "alert_id": each.alert_id,
                "conversation_id": each.conversation_id,
                "outbox_key": "" if each.barred else keys[each.conversation_id],
                "reason": each.barred,
                "officer_id": officer.id,
                "at": now,
            }
            for each in people
        ]
        put = self._steps.database.insert(RECEIPT)
        # Who was out of reach the first time and can be reached now gets it now.
        better = {
            "outbox_key": put.excluded.outbox_key,
            "reason": put.excluded.reason,
            "at": now,
        }
        await connection.execute(
            put.on_conflict_do_update(
                index_elements=["batch", "conversation_id"],
                set_=better,
                where=RECEIPT.c.outbox_key == "",
            ),
            rows,
        )

    async def receipts(self, officer: Signed, alert_id: int, now: datetime) -> list[ReceiptLine]:
        """What became of each message, the unreached first: they are to be called."""
        async with self._steps.step(officer, Act.CORRECT, alert_id, now) as (connection, _):
            members = await self._cases.members(connection, alert_id)
            rows = await connection.execute(
                select(RECEIPT, OUTBOX.c.state)
                .outerjoin(
                    OUTBOX, (OUTBOX.c.key == RECEIPT.c.outbox_key) & (RECEIPT.c.outbox_key != "")
                )
                .where(RECEIPT.c.alert_id.in_(members))
                .order_by(RECEIPT.c.id)
            )
            lines = [_line(row) for row in rows]
        return sorted(lines, key=lambda line: line.reached)


def _line(row: Any) -> ReceiptLine:
    outcome = row.reason or OUTCOMES.get(row.state, "已过保存期，没有回执")
    reached = row.state in {OutboxState.SENT, OutboxState.PENDING}
    return ReceiptLine(row.alert_id, row.at, outcome, reached)
