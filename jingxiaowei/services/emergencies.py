"""紧急求助: an emergency's ticket reaches officers' phones, and the next in line while nobody
takes it. The resident has read 110 by then; this brings a person beside it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.decision import Need
from jingxiaowei.services.alerts_speech import Speech
from jingxiaowei.services.notices import LAST_IN_LINE, Matter, Notices, in_line
from jingxiaowei.store.cipher import token
from jingxiaowei.store.tables import TICKET, TicketState

URGENT = ("emergency", "harm")  # the needs that cannot wait for somebody to look
CLAIM = timedelta(minutes=2)  # how long a ticket may wait before the next in line is told
SAME = timedelta(minutes=30)  # an emergency in the same conversation after that is another
_BATCH = 200


class Emergencies:
    """Has officers told, in the caller's transaction. Reads no clock."""

    def __init__(self, notices: Notices, speech: Speech) -> None:
        self._notices = notices
        self._speech = speech

    async def heard(
        self, connection: AsyncConnection, conversations: Collection[str], now: datetime
    ) -> set[str]:
        """The conversations whose emergency was told of just now: further words belong to its
        ticket, which shows the conversation."""
        rows = await connection.execute(
            select(TICKET.c.conversation_id).where(
                TICKET.c.conversation_id.in_(conversations),
                TICKET.c.need == Need.EMERGENCY.value,
                TICKET.c.state != TicketState.CLOSED,
                TICKET.c.created_at > now - SAME,
            )
        )
        return set(rows.scalars())

    async def announce(
        self, connection: AsyncConnection, codes: Sequence[str], now: datetime
    ) -> None:
        """Tell those who are first in line of new tickets, as far as these are urgent."""
        rows = await connection.execute(
            update(TICKET)
            .where(TICKET.c.code.in_(codes), TICKET.c.need.in_(URGENT))
            .values(claim_due=now + CLAIM, line=0)
            .returning(TICKET.c.id, TICKET.c.area)
        )
        for row in sorted(rows, key=lambda row: row.id):
            people = await in_line(connection, row.area, 0, now)
            await self._notices.enqueue(connection, Matter.ticket(row.id), "emergency", people, now)

    async def taken(self, connection: AsyncConnection, ticket_id: int) -> None:
        """Somebody has it: the line ends, the cards say so."""
        await connection.execute(
            update(TICKET).where(TICKET.c.id == ticket_id).values(claim_due=None)
        )
        await self._notices.retire(connection, [Matter.ticket(ticket_id)])

    async def given_back(self, connection: AsyncConnection, ticket_id: int, now: datetime) -> None:
        """Nobody has it, and the line begins anew."""
        await connection.execute(
            update(TICKET)
            .where(TICKET.c.id == ticket_id, TICKET.c.need.in_(URGENT))
            .values(claim_due=now, line=0)
        )

    async def pass_on(self, connection: AsyncConnection, now: datetime) -> int:
        """Tell the next in line of what nobody has taken in time; how many tickets. Whoever
        calls holds the lock on alerts, so that two watchers go one after the other."""
        rows = await connection.execute(
            select(TICKET).where(is_due(now)).order_by(TICKET.c.id).limit(_BATCH)
        )
        found = rows.all()
        for row in found:
            await self._pass_on(connection, row, now)
        return len(found)

    async def _pass_on(self, connection: AsyncConnection, row: Any, now: datetime) -> None:
        line = row.line + 1
        last = line >= LAST_IN_LINE
        ours = await connection.execute(
            update(TICKET)
            .where(
                TICKET.c.id == row.id,
                TICKET.c.state == TicketState.OPEN,
                TICKET.c.claim_due == row.claim_due,
            )
            .values(line=line, claim_due=None if last else now + CLAIM)
        )
        if not ours.rowcount:
            return
        people = await in_line(connection, row.area, line, now)
        await self._notices.enqueue(
            connection,
            Matter.ticket(row.id),
            "emergency_line",
            people,
            now,
            f"{line} {now:%d%H%M}",
        )
        if last:
            key = token("emergency_nobody", row.id)
            words = self._speech.words(row.conversation_id, key, "emergency_nobody")
            await self._speech.send(connection, [words], now)


def is_due(now: datetime) -> ColumnElement[bool]:
    """The tickets that nobody has taken in time."""
    return and_(TICKET.c.claim_due.is_not(None), TICKET.c.claim_due <= now)
