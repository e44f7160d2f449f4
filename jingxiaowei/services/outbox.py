"""发件: what was decided reaches the resident, once, or ends in a state that says why not.

Rows are leased in order; of one conversation only the next one goes at a time, so that a second
message never overtakes the first. The idempotent key makes a resend after a crash harmless.
"""

import asyncio
import itertools
import logging
import secrets
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from prometheus_client import Counter
from sqlalchemy import Integer, bindparam, case, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.messages import (
    Channel,
    Option,
    Outcome,
    Outgoing,
    OutgoingKind,
    Receipt,
)
from jingxiaowei.services.bell import Bell, Stage, wait_for
from jingxiaowei.services.inbox import ADDRESS
from jingxiaowei.services.purposes import OUT_BODY
from jingxiaowei.store.engine import Database
from jingxiaowei.store.group import GroupCommit
from jingxiaowei.store.prepared import Script
from jingxiaowei.store.tables import (
    CONVERSATION,
    IDENTITY,
    IS_PENDING,
    OUTBOX,
    Holder,
    OutboxState,
)

BATCH = 200
_WINDOW = 20  # rows looked at to see whether there is anything to do
UNDER_WAY = 256  # sends at once
_WORTH_LEASING = 64  # a lease is a transaction: not for each single send that ends
_FAREWELL_SECONDS = 5
LEASE_SECONDS = 60.0
# 微信客服 takes five messages after a resident's last one; the fifth is kept for an emergency.
KF_MESSAGES, KF_RESERVED = 5, 1
KF_WINDOW = timedelta(hours=48)
ATTEMPTS = 12
_BACK_OFF = (1, 2, 5, 15, 30, 60, 120, 300)

DELIVERED = Counter("jxw_outbox_messages_total", "Outgoing messages by end state", ["state"])
log = logging.getLogger(__name__)


class Sender(Protocol):
    """A channel's way out. Never raises; a second call with the same key must not deliver twice."""

    async def send(self, out: Outgoing) -> Receipt: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """A leased outbox row, with what the limits need to know."""

    id: int
    conversation_id: str
    channel: Channel
    urgent: bool
    attempts: int
    expires_at: datetime
    heard_at: datetime | None
    sent_since: int
    holder: Holder
    out: Outgoing


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a parcel."""

    parcel: Parcel
    receipt: Receipt


class Outbox:
    """Delivers. Any number may run, in any number of processes."""

    def __init__(self, database: Database, bell: Bell, senders: Mapping[Channel, Sender]) -> None:
        self._database = database
        self._bell = bell
        self._senders = senders
        self._name = secrets.token_hex(8)
        self._finish, self._count, self._hold = map(database.prepare, (_FINISH, _COUNT, _HOLD))
        among, query = database.among, database.query
        self._ready, self._soonest = query(_READY), query(_SOONEST)
        self._next_of = query(_NEXT_OF.where(among(OUTBOX.c.conversation_id, "keys")))
        self._take = database.prepare(_TAKE)
        self._taken = query(_TAKEN.where(among(OUTBOX.c.id, "ids")))
        self._locked = _LOCKED.where(among(CONVERSATION.c.id, "keys"))
        self._under_way: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._results: GroupCommit[Result] = GroupCommit(self._settle)

    async def run(self) -> None:
        """Deliver for as long as the task lives; what is under way at the end is finished."""
        try:
            await self._reclaim()
            with self._bell.subscribe(Stage.OUTBOX) as rung:
                while True:
                    rung.clear()
                    try:
                        if await self._start_batch():
                            continue
                        pause = await self._next()
                    except (SQLAlchemyError, OSError):
                        log.exception("a delivery round failed, its rows come again")
                        pause = 1.0
                    await wait_for(rung, pause)
        finally:
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=_FAREWELL_SECONDS)

    async def _reclaim(self) -> None:
        """One process serves an SQLite file: what is leased at its start was left by a dead one,
        and need not wait until the lease ends. The key keeps a message that went out single."""
        if self._database.sqlite:
            async with self._database.write() as connection:
                await connection.execute(
                    update(OUTBOX).where(IS_PENDING).values(leased_by=None, leased_until=None)
                )

    async def drain(self) -> int:
        """Deliver what is due now, and wait for it; how many rows were tried."""
        tried = 0
        while started := await self._start_batch():
            tried += started
            await asyncio.gather(*self._under_way)
        return tried

    async def _start_batch(self) -> int:
        """Lease as many rows as there is room for and send each on its own: one that is slow or
        fails keeps nobody waiting. How many were started."""
        while (room := UNDER_WAY - len(self._under_way)) < _WORTH_LEASING:
            self._room.clear()
            await self._room.wait()
        parcels = await self._lease(min(room, BATCH))
        for parcel in parcels:
            task = asyncio.create_task(self._deliver(parcel))
            self._under_way.add(task)
            task.add_done_callback(self._make_room)
        return len(parcels)

    def _make_room(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._room.set()

    async def _lease(self, limit: int) -> list[Parcel]:
        database, now = self._database, datetime.now(UTC)
        if not database.sqlite and not await database.read_rows(self._due(now, 1)):
            return []  # an idle moment costs the other processes no waiting
        rows = await database.write_rows(self._leasing(now, limit), database.lock_leases)
        return [self._parcel(row) for row in rows]

    def _leasing(self, now: datetime, limit: int) -> Script:
        """Rows marked as ours, as they are then."""
        ids = yield from self._due(now, limit)
        if not ids:
            return []
        mark = {"by": self._name, "until": now + timedelta(seconds=LEASE_SECONDS)}
        yield self._take, [mark | {"row": id_} for id_ in ids]
        rows = yield self._taken, {"ids": self._database.listed(ids)}
        if lost := set(ids) - {row.id for row in rows}:
            # Without an identity there is no address: it ends here, and visibly.
            end = {"to": OutboxState.REFUSED, "why": "the resident is not known"}
            yield self._finish, [end | {"row": id_, "at": now, "due": now} for id_ in lost]
        return rows

    def _due(self, now: datetime, limit: int) -> Script:
        """Rows to send now: the urgent first, then the oldest, and of each conversation only the
        first that waits, so that order is kept, whoever sends and whatever is being retried.

        A row that is being retried holds up its own conversation only, and no emergency.
        """
        due: list[int] = []
        window = max(limit, _WINDOW)
        for start in itertools.count(0, window):
            # A window at a time: the cost doesn't grow with what waits behind.
            candidates = yield self._ready, {"now": now, "window": window, "start": start}
            keys = self._database.listed({row.conversation_id for row in candidates})
            # Of each conversation the row that goes next, whether or not it is free to go.
            first = {row.id for row in (yield self._next_of, {"keys": keys})} if candidates else ()
            due += [row.id for row in candidates if row.id in first]
            if len(due) >= limit or len(candidates) < window:
                return due[:limit]
        return due

    def _parcel(self, row: Any) -> Parcel:
        cipher = self._database.cipher
        body = cipher.open_json(OUT_BODY, row.body)
        channel = Channel(row.channel)
        return Parcel(
            row.id,
            row.conversation_id,
            channel,
            row.urgent,
            row.attempts,
            row.expires_at,
            row.heard_at,
            row.sent_since,
            row.holder,
            Outgoing(
                row.key,
                channel,
                row.account,
                cipher.open(ADDRESS, row.address),
                OutgoingKind(row.kind),
                text=body.get("text", ""),
                options=tuple(Option(**option) for option in body.get("options", ())),
                code=body.get("code", ""),
                servicers=tuple(body.get("servicers", ())),
                retried=row.attempts > 1,
            ),
        )

    async def _deliver(self, parcel: Parcel) -> None:
        receipt = limits(parcel, datetime.now(UTC))
        if receipt is None:
            sender = self._senders.get(parcel.channel)
            if sender is None:
                receipt = Receipt(Outcome.REFUSED, f"no way out to {parcel.channel.value}")
            else:
                receipt = await sender.send(parcel.out)
        if receipt.outcome is not Outcome.SENT:
            log.info("outbox %d: %s (%s)", parcel.id, receipt.outcome.value, receipt.reason)
        try:
            await self._results.add([Result(parcel, receipt)])
        except (SQLAlchemyError, OSError):
            # Sent but not noted: the lease ends, it is sent again, and the key keeps it single.
            log.exception("outbox %d: the outcome was not stored", parcel.id)

    async def _settle(self, results: list[Result]) -> None:
        now = datetime.now(UTC)
        counts: dict[str, int] = defaultdict(int)
        human = set()
        for result in results:
            sent = result.receipt.outcome is Outcome.SENT
            transfer = result.parcel.out.kind is OutgoingKind.TRANSFER
            if sent and not transfer:
                counts[result.parcel.conversation_id] += 1
            if result.receipt.outcome is Outcome.HUMAN or (sent and transfer):
                human.add(result.parcel.conversation_id)
        rows = [_row(result, now) for result in results]

        def script() -> Script:
            yield self._finish, rows
            yield self._count, [{"conversation": key, "n": n} for key, n in counts.items()]
            yield self._hold, [{"conversation": key, "now": now} for key in human]

        async def lock(connection: AsyncConnection) -> None:
            # In one order, as the ledger does: they must not wait for each other.
            keys = self._database.listed(set(counts) | human)
            await connection.execute(self._locked, {"keys": keys})

        async def announce(connection: AsyncConnection) -> None:
            await self._bell.announce(connection, Stage.CHAT)

        await self._database.write_rows(script(), lock, announce)
        self._bell.ring(Stage.CHAT)
        self._bell.ring(Stage.OUTBOX)  # the conversation's next row may go now
        for row in rows:
            if row["to"] is not OutboxState.PENDING:
                DELIVERED.labels(row["to"].value).inc()

    async def _next(self) -> float:
        """Seconds until the next row is due, at most the slow poll."""
        async with self._database.read() as connection:
            soonest: datetime | None = (await self._soonest.run(connection, {}))[0].not_before
        if soonest is None:
            return 5.0
        return min(5.0, max(0.05, (soonest - datetime.now(UTC)).total_seconds()))


def limits(parcel: Parcel, now: datetime) -> Receipt | None:
    """What forbids sending, or None: too late, a human speaks, 48 hours, five messages."""
    if parcel.expires_at <= now:
        return Receipt(Outcome.EXPIRED, "too late")
    if parcel.attempts > ATTEMPTS:
        return Receipt(Outcome.REFUSED, f"gave up after {ATTEMPTS} attempts")
    if parcel.channel is not Channel.WECOM_KF or parcel.out.kind is not OutgoingKind.MESSAGE:
        return None
    if parcel.holder is Holder.HUMAN:
        return Receipt(Outcome.HUMAN, "a human has the conversation")
    if parcel.heard_at is None or now - parcel.heard_at > KF_WINDOW:
        return Receipt(Outcome.EXPIRED, "48 hours since the resident's last message")
    allowed = KF_MESSAGES if parcel.urgent else KF_MESSAGES - KF_RESERVED
    if parcel.sent_since >= allowed:
        return Receipt(Outcome.REFUSED, "five messages since the resident's last one")
    return None


_END = {
    Outcome.SENT: OutboxState.SENT,
    Outcome.RETRY: OutboxState.PENDING,
    Outcome.REFUSED: OutboxState.REFUSED,
    Outcome.EXPIRED: OutboxState.EXPIRED,
    Outcome.HUMAN: OutboxState.REFUSED,
}


def _row(result: Result, now: datetime) -> dict[str, Any]:
    """The outbox row's new state."""
    parcel, receipt = result.parcel, result.receipt
    state = _END[receipt.outcome]
    wait = receipt.retry_after or _BACK_OFF[min(parcel.attempts, len(_BACK_OFF)) - 1]
    again = state is OutboxState.PENDING
    return {
        "row": parcel.id,
        "to": state,
        "why": "" if state is OutboxState.SENT else receipt.reason[:200],
        "at": None if again else now,
        "due": now + timedelta(seconds=wait) if again else now,
    }


_READY = (
    select(OUTBOX.c.id, OUTBOX.c.conversation_id)
    .where(IS_PENDING, OUTBOX.c.not_before <= bindparam("now"))
    .where((OUTBOX.c.leased_until.is_(None)) | (OUTBOX.c.leased_until < bindparam("now")))
    .order_by(OUTBOX.c.urgent.desc(), OUTBOX.c.id)
    .limit(bindparam("window", type_=Integer()))
    .offset(bindparam("start", type_=Integer()))
)
_SOONEST = select(func.min(OUTBOX.c.not_before).label("not_before")).where(IS_PENDING)
_FIRST = func.coalesce(func.min(case((OUTBOX.c.urgent, OUTBOX.c.id))), func.min(OUTBOX.c.id))
_NEXT_OF = select(_FIRST.label("id")).where(IS_PENDING).group_by(OUTBOX.c.conversation_id)
_TAKE = (
    update(OUTBOX)
    .where(OUTBOX.c.id == bindparam("row"))
    .values(
        leased_by=bindparam("by"),
        leased_until=bindparam("until"),
        attempts=OUTBOX.c.attempts + 1,
    )
)
_TAKEN = (
    select(
        OUTBOX.c.id,
        OUTBOX.c.key,
        OUTBOX.c.conversation_id,
        OUTBOX.c.kind,
        OUTBOX.c.body,
        OUTBOX.c.urgent,
        OUTBOX.c.attempts,
        OUTBOX.c.expires_at,
        CONVERSATION.c.heard_at,
        CONVERSATION.c.sent_since,
        CONVERSATION.c.holder,
        IDENTITY.c.channel,
        IDENTITY.c.account,
        IDENTITY.c.address,
    )
    .join(CONVERSATION, CONVERSATION.c.id == OUTBOX.c.conversation_id)
    .join(IDENTITY, IDENTITY.c.id == OUTBOX.c.conversation_id)
    .order_by(OUTBOX.c.id)
)
_LOCKED = select(CONVERSATION.c.id).order_by(CONVERSATION.c.id).with_for_update()
_FINISH = (
    update(OUTBOX)
    .where(OUTBOX.c.id == bindparam("row"), OUTBOX.c.state == OutboxState.PENDING)
    .values(
        state=bindparam("to"),
        reason=bindparam("why"),
        finished_at=bindparam("at"),
        not_before=bindparam("due"),
        leased_by=None,
        leased_until=None,
    )
)
_COUNT = (
    update(CONVERSATION)
    .where(CONVERSATION.c.id == bindparam("conversation"))
    .values(sent_since=CONVERSATION.c.sent_since + bindparam("n"))
)
_HOLD = (
    update(CONVERSATION)
    .where(CONVERSATION.c.id == bindparam("conversation"))
    .values(holder=Holder.HUMAN, held_at=bindparam("now"))
)
