"""交接: 人走信息不走. One officer's residents and open work become another's, who is shown them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.files_rights import Act, FileRights, require
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.tagging_rows import standing_at
from jingxiaowei.services.tagging_values import TagRefusedError
from jingxiaowei.store.alert_tables import ALERT, AlertState
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, HANDOVER, IS_ASKED, REQUEST
from jingxiaowei.store.tables import RESIDENT, TICKET, Role, TicketState

PROMISES = ("callback_due", "phone_followup")  # 答应过的: 待回访、需电话复访


@dataclass(frozen=True, slots=True)
class OpenWork:
    """What an officer has open, each list by its deadline or age. Ids only."""

    residents: int
    tickets: tuple[tuple[str, datetime], ...] = ()  # code, due
    alerts: tuple[int, ...] = ()
    requests: tuple[tuple[str, datetime], ...] = ()  # code, due
    promises: tuple[tuple[str, str, datetime | None], ...] = ()  # resident, tag, until


@dataclass(frozen=True, slots=True)
class Handed:
    """What changed hands, and what the taker has open now."""

    counts: dict[str, int] = field(default_factory=dict)
    open: OpenWork = OpenWork(0)


class HandingOver:
    """Hands over, and shows what is open."""

    def __init__(self, database: Database, officers: Officers, rights: FileRights) -> None:
        self._database = database
        self._officers = officers
        self._rights = rights

    async def hand_over(
        self,
        officer: Signed,
        giver: Signed,
        taker: Signed,
        now: datetime,
        area: str | None = None,
    ) -> Handed:
        """Files, promises and open work, of one area or all.

        Args:
            giver: who leaves; the account may be switched off already.

        Raises:
            TagRefusedError: to oneself, to somebody who cannot have it.
            PermissionDeniedError: neither an admin, nor the giver, nor police of their area.
        """
        require(officer.role, Act.HANDOVER)
        if giver.id == taker.id:
            raise TagRefusedError("交和接是同一个人。")
        async with self._database.write() as connection:
            scope = await self._rights.scope(connection, officer, now)
            own = officer.id == giver.id or officer.role is Role.ADMIN
            if not own and not scope.covers(giver.area):
                raise PermissionDeniedError("只能交接自己的或本辖区的。")
            if taker.role not in (Role.POLICE, Role.AUXILIARY):
                raise TagRefusedError("接手的要是民警或辅警。")
            counts = await self._move(connection, giver, taker, area)
            row: dict[str, Any] = {
                "giver_id": giver.id,
                "taker_id": taker.id,
                "area": area,
                "by": officer.id,
                "at": now,
                "counts": counts,
            }
            made = await connection.execute(insert(HANDOVER).returning(HANDOVER.c.id), [row])
            reason = f"handover:{made.scalar_one()} officer:{giver.id} to officer:{taker.id}"
            await self._rights.record(connection, officer, Act.HANDOVER, [""], reason)
            return Handed(counts, await self._open(connection, taker, now))

    async def _move(
        self, connection: AsyncConnection, giver: Signed, taker: Signed, area: str | None
    ) -> dict[str, int]:
        theirs = RESIDENT.c.officer_id == giver.id
        alerts = (ALERT.c.claimed_by == giver.id) & (ALERT.c.state != AlertState.CLOSED)
        tickets = (TICKET.c.officer_id == giver.id) & (TICKET.c.state != TicketState.CLOSED)
        if area is not None:
            theirs &= RESIDENT.c.area == area
            alerts &= ALERT.c.area == area
            tickets &= TICKET.c.area == area
        if taker.role is not Role.POLICE:
            some = await connection.execute(select(RESIDENT.c.id).where(theirs).limit(1))
            if some.first() is not None:
                raise TagRefusedError("居民档案要交给民警，辅警可以接工单和预警。")
        residents = select(RESIDENT.c.id).where(theirs)
        await connection.execute(residents.order_by(RESIDENT.c.id).with_for_update(key_share=True))
        await self._database.lock_alerts(connection)
        requests = (REQUEST.c.officer_id == giver.id) & IS_ASKED
        if area is not None:
            requests &= REQUEST.c.resident_id.in_(residents)
        counts = {}
        # Requests first: they are found by whose the residents are.
        for kind, table, which, column in (
            ("requests", REQUEST, requests, "officer_id"),
            ("tickets", TICKET, tickets, "officer_id"),
            ("alerts", ALERT, alerts, "claimed_by"),
            ("residents", RESIDENT, theirs, "officer_id"),
        ):
            done = await connection.execute(update(table).where(which).values({column: taker.id}))
            counts[kind] = done.rowcount
        return counts

    async def open_work(self, officer: Signed, now: datetime) -> OpenWork:
        """What the officer has open: for a successor's first day, and every other one."""
        require(officer.role, Act.REQUESTS)
        async with self._database.read() as connection:
            return await self._open(connection, officer, now)

    async def _open(self, connection: AsyncConnection, officer: Signed, now: datetime) -> OpenWork:
        mine = RESIDENT.c.officer_id == officer.id
        residents = await connection.execute(select(func.count()).where(mine))
        tickets = await connection.execute(
            select(TICKET.c.code, TICKET.c.due_at)
            .where(TICKET.c.officer_id == officer.id, TICKET.c.state != TicketState.CLOSED)
            .order_by(TICKET.c.due_at)
        )
        alerts = await connection.execute(
            select(ALERT.c.id)
            .where(ALERT.c.claimed_by == officer.id, ALERT.c.state != AlertState.CLOSED)
            .order_by(ALERT.c.id)
        )
        requests = await connection.execute(
            select(REQUEST.c.code, REQUEST.c.due_at)
            .join(RESIDENT, RESIDENT.c.id == REQUEST.c.resident_id)
            .where(IS_ASKED, or_(REQUEST.c.officer_id == officer.id, mine))
            .order_by(REQUEST.c.due_at)
        )
        promises = await connection.execute(
            select(ASSIGNMENT.c.resident_id, ASSIGNMENT.c.tag, ASSIGNMENT.c.expires_at)
            .join(RESIDENT, RESIDENT.c.id == ASSIGNMENT.c.resident_id)
            .where(mine, ASSIGNMENT.c.tag.in_(PROMISES), standing_at(now))
            .order_by(ASSIGNMENT.c.expires_at)
        )
        return OpenWork(
            int(residents.scalar_one()),
            tuple((row.code, row.due_at) for row in tickets),
            tuple(row.id for row in alerts),
            tuple((row.code, row.due_at) for row in requests),
            tuple((row.resident_id, row.tag, row.expires_at) for row in promises),
        )
