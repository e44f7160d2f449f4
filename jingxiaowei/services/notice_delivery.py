"""Cards to officers: one for what waits together, and cards kept true afterwards.

At most one card an officer every ten seconds, so that a burst is one card and WeCom's silent
limit (30 a minute a member) is never met. The card's id is fixed before it goes out.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.messages import Outcome, Receipt
from jingxiaowei.services.bell import Bell, Stage, wait_for
from jingxiaowei.services.notice_cards import Card, draw
from jingxiaowei.services.notices import About, Matter, Notices
from jingxiaowei.services.officers import Officers
from jingxiaowei.store.alert_tables import ALERT, IS_OUTDATED, IS_WAITING, NOTICE, NoticeState
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import OFFICER, TICKET

WINDOW = timedelta(seconds=10)
ATTEMPTS = 8
_LEASE = timedelta(seconds=60)
_BACK_OFF = (2, 5, 15, 30, 60, 120, 300)
_CODE_LIFE = timedelta(hours=72)  # after that WeCom no longer changes a card
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a card; the code lets it be changed once."""

    receipt: Receipt
    response_code: str = ""


class Teller(Protocol):
    """A way to officers. Never raises."""

    async def tell(self, userid: str, card: Card) -> Told: ...

    async def replace(self, userid: str, response_code: str, text: str) -> Receipt: ...


class NoTeller:
    """Where no WeCom is connected: the console alone shows the alerts."""

    async def tell(self, userid: str, card: Card) -> Told:
        return Told(Receipt(Outcome.REFUSED, "no WeCom account is connected"))

    async def replace(self, userid: str, response_code: str, text: str) -> Receipt:
        return Receipt(Outcome.REFUSED, "no WeCom account is connected")


@dataclass(frozen=True, slots=True)
class _Parcel:
    """An officer's leased notices, and the card that they make."""

    userid: str
    card: str
    attempts: int
    notices: tuple[int, ...]
    kinds: dict[Matter, str]


def _parcel(rows: Sequence[Any]) -> _Parcel:
    # A retry sends the very card it tried, for its id is all that WeCom can know it by.
    tried = [row for row in rows if row.card]
    rows = [row for row in tried if row.card == tried[0].card] if tried else rows
    ids = tuple(row.id for row in rows)
    card = rows[0].card or token("card", *ids)
    kinds = {Matter.of(row): row.kind for row in rows}
    return _Parcel(rows[0].wecom_userid, card, rows[0].attempts, ids, kinds)


class NoticeDelivery:
    """Delivers notices. Any number may run, in any number of processes."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        officers: Officers,
        notices: Notices,
        teller: Teller,
    ) -> None:
        self._database = database
        self._bell = bell
        self._officers = officers
        self._notices = notices
        self._teller = teller

    async def run(self) -> None:
        """Deliver for as long as the task lives."""
        with self._bell.subscribe(Stage.ALERTS) as rung:
            while True:
                rung.clear()
                pause = 5.0
                try:
                    now = datetime.now(UTC)
                    await self.deliver(now)
                    await self.refresh(now)
                    pause = await self._next(now)
                except (SQLAlchemyError, OSError):
                    log.exception("telling officers failed, it is tried again")
                await wait_for(rung, pause)

    async def deliver(self, now: datetime) -> int:
        """Send one card to each officer who has something new; how many cards were tried."""
        parcels = await self._lease(now)
        await asyncio.gather(*(self._tell(parcel, now) for parcel in parcels))
        return len(parcels)

    async def _lease(self, now: datetime) -> list[_Parcel]:
        """What waits, by officer; one who had a card within the window waits on."""
        async with self._database.write() as connection:
            await self._database.lock_leases(connection)
            free = NOTICE.c.leased_until.is_(None) | (NOTICE.c.leased_until < now)
            rows = (
                await connection.execute(
                    select(
                        NOTICE.c.id,
                        NOTICE.c.officer_id,
                        NOTICE.c.alert_id,
                        NOTICE.c.ticket_id,
                        NOTICE.c.kind,
                        NOTICE.c.attempts,
                        NOTICE.c.card,
                        OFFICER.c.wecom_userid,
                    )
                    .join(OFFICER, OFFICER.c.id == NOTICE.c.officer_id)
                    .where(IS_WAITING, NOTICE.c.not_before <= now, free)
                    .order_by(NOTICE.c.id)
                )
            ).all()
            if not rows:
                return []
            recent = await connection.execute(
                select(NOTICE.c.officer_id).where(
                    NOTICE.c.officer_id.in_({row.officer_id for row in rows}),
                    NOTICE.c.sent_at > now - WINDOW,
                )
            )
            resting = {row.officer_id for row in recent}
            waiting = defaultdict(list)
            for row in rows:
                if row.officer_id not in resting:
                    waiting[row.officer_id].append(row)
            parcels = [_parcel(mine) for mine in waiting.values()]
            for parcel in parcels:
                await connection.execute(
                    update(NOTICE)
                    .where(NOTICE.c.id.in_(parcel.notices))
                    .values(
                        card=parcel.card,
                        attempts=parcel.attempts + 1,
                        leased_until=now + _LEASE,
                    )
                )
            return parcels

    async def _tell(self, parcel: _Parcel, now: datetime) -> None:
        async with self._database.read() as connection:
            card = await draw(connection, parcel.card, parcel.kinds, parcel.attempts > 0)
        if not card.lines:
            return  # erased since the lease, and the notices with it
        told = await self._teller.tell(parcel.userid, card)
        outcome = told.receipt.outcome
        if outcome is Outcome.RETRY and parcel.attempts + 1 < ATTEMPTS:
            wait = told.receipt.retry_after or _BACK_OFF[min(parcel.attempts, 6)]
            values: dict[str, Any] = {"not_before": now + timedelta(seconds=wait)}
        elif outcome is Outcome.SENT:
            values = {
                "state": NoticeState.SENT,
                "sent_at": now,
                "response_code": told.response_code,
            }
        else:
            values = {"state": NoticeState.REFUSED, "reason": told.receipt.reason[:200]}
            log.warning("a card was not taken: %s", told.receipt.reason)
        async with self._database.write() as connection:
            await connection.execute(
                update(NOTICE)
                .where(NOTICE.c.id.in_(parcel.notices), IS_WAITING)
                .values(leased_until=None, **values)
            )

    async def refresh(self, now: datetime) -> int:
        """Change the cards of what was claimed meanwhile: {姓名}已认领. How many were tried."""
        async with self._database.write() as connection:
            await self._database.lock_leases(connection)
            free = NOTICE.c.leased_until.is_(None) | (NOTICE.c.leased_until < now)
            rows = (
                await connection.execute(
                    select(
                        NOTICE.c.card,
                        NOTICE.c.response_code,
                        NOTICE.c.sent_at,
                        OFFICER.c.wecom_userid,
                        func.min(NOTICE.c.attempts).label("attempts"),
                    )
                    .join(OFFICER, OFFICER.c.id == NOTICE.c.officer_id)
                    .where(IS_OUTDATED, NOTICE.c.not_before <= now, free)
                    .group_by(
                        NOTICE.c.card,
                        NOTICE.c.response_code,
                        NOTICE.c.sent_at,
                        OFFICER.c.wecom_userid,
                    )
                )
            ).all()
            if not rows:
                return 0
            await connection.execute(
                update(NOTICE)
                .where(NOTICE.c.card.in_([row.card for row in rows]))
                .values(leased_until=now + _LEASE, attempts=NOTICE.c.attempts + 1)
            )
            texts = await self._claimants(connection, [row.card for row in rows])
        await asyncio.gather(*(self._replace(row, texts, now) for row in rows))
        return len(rows)

    async def _claimants(
        self, connection: AsyncConnection, cards: Sequence[str]
    ) -> dict[str, tuple[str, list[tuple[int, Matter]]]]:
        """Of each card: what its button says now, and the (officer, matter) still unclaimed."""
        rows = await connection.execute(
            select(
                NOTICE.c.card,
                NOTICE.c.officer_id,
                NOTICE.c.alert_id,
                NOTICE.c.ticket_id,
                func.coalesce(ALERT.c.claimed_by, TICKET.c.officer_id).label("claimed_by"),
            )
            .outerjoin(ALERT, ALERT.c.id == NOTICE.c.alert_id)
            .outerjoin(TICKET, TICKET.c.id == NOTICE.c.ticket_id)
            .where(NOTICE.c.card.in_(cards))
            .order_by(NOTICE.c.id)
        )
        names: defaultdict[str, list[str]] = defaultdict(list)
        left: defaultdict[str, list[tuple[int, Matter]]] = defaultdict(list)
        people = await self._officers.names(connection)
        for row in rows:
            if row.claimed_by is None:
                left[row.card].append((row.officer_id, Matter.of(row)))
            else:
                name = people[row.claimed_by].name
                if name not in names[row.card]:
                    names[row.card].append(name)
        return {
            card: ("、".join(names[card][:2]) + "已认领" if names[card] else "已处理", left[card])
            for card in cards
        }

    async def _replace(self, row: Any, texts: dict[str, Any], now: datetime) -> None:
        text, left = texts[row.card]
        receipt = await self._teller.replace(row.wecom_userid, row.response_code, text)
        again = (
            receipt.outcome is Outcome.RETRY
            and row.attempts + 1 < ATTEMPTS
            and now - row.sent_at < _CODE_LIFE
        )
        async with self._database.write() as connection:
            if again:
                wait = receipt.retry_after or _BACK_OFF[min(row.attempts, 6)]
                values: dict[str, Any] = {"not_before": now + timedelta(seconds=wait)}
            else:
                values = {"outdated": False, "response_code": ""}
            # A tap meanwhile has brought a fresh code, with which the card still is to change.
            await connection.execute(
                update(NOTICE)
                .where(NOTICE.c.card == row.card, NOTICE.c.response_code == row.response_code)
                .values(leased_until=None, **values)
            )
            if not again:
                # The card has one button left, and it is grey: what nobody claimed comes anew.
                for officer, matter in left:
                    kind = "new" if matter.about is About.ALERT else "emergency"
                    await self._notices.enqueue(connection, matter, kind, [officer], now, row.card)

    async def _next(self, now: datetime) -> float:
        """Seconds until something may be due, at most the slow poll."""
        async with self._database.read() as connection:
            soonest: datetime | None = (
                await connection.execute(select(func.min(NOTICE.c.not_before)).where(IS_WAITING))
            ).scalar()
        if soonest is None:
            return 5.0
        return min(5.0, max(0.5, (soonest - now).total_seconds()))
