"""The turn's first transaction: conversations with ready messages are taken, each by one worker.

All their waiting messages come with them, so that a resident's messages stay in order and a burst
is answered once. A lease that ends gives them to the next worker.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.decision import Need
from jingxiaowei.pipeline.dialogue import Topic
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind
from jingxiaowei.pipeline.screen.values import ScamType, Stage, Trace, Transfer
from jingxiaowei.services.inbox import ADDRESS, from_row, message_key
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.engine import Database
from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.tables import (
    CONVERSATION,
    IDENTITY,
    INBOX,
    IS_NEW,
    OUTBOX,
    TICKET,
    Holder,
    InboxState,
    OutboxState,
    TicketState,
)

TOPIC, TRACES = SEALED[CONVERSATION.c.topic], SEALED[CONVERSATION.c.traces]
# After so long "多少钱？" asks about something else.
TOPIC_LIFE = timedelta(minutes=15)
_MESSAGE_COLUMNS = ("id", "key", "conversation_id", "kind", "body", "sent_at", "recalled")
_PLACES = select(
    CONVERSATION.c.id,
    CONVERSATION.c.holder,
    CONVERSATION.c.held_at,
    CONVERSATION.c.topic,
    CONVERSATION.c.topic_at,
    CONVERSATION.c.brief,
    CONVERSATION.c.traces,
    CONVERSATION.c.heard_at,
    IDENTITY.c.channel,
    IDENTITY.c.account,
    IDENTITY.c.address,
    IDENTITY.c.resident_id,
).join(IDENTITY, IDENTITY.c.id == CONVERSATION.c.id)
_WAITING = (
    select(*(INBOX.c[name] for name in _MESSAGE_COLUMNS))
    .where(INBOX.c.state == InboxState.NEW)
    .order_by(INBOX.c.id)
)
_CODES = select(TICKET.c.conversation_id, TICKET.c.code).where(
    TICKET.c.state != TicketState.CLOSED, TICKET.c.need == Need.HUMAN.value
)
_SPOKEN_TO = select(OUTBOX.c.conversation_id).where(
    OUTBOX.c.state.in_((OutboxState.PENDING, OutboxState.SENT))
)


@dataclass(frozen=True, slots=True)
class Thread:
    """A leased conversation with its waiting messages, oldest first."""

    conversation_id: str
    channel: Channel
    account: str
    address: str
    resident_id: str
    holder: Holder
    held_at: datetime | None
    open_code: str
    topic: Topic | None
    brief: bool
    traces: tuple[Trace, ...]
    messages: tuple[Incoming, ...]
    row_ids: tuple[int, ...]
    recalled_keys: frozenset[str]
    untold: bool = False  # nothing was said to the resident yet, the rules least of all

    def recalled(self, message: Incoming) -> bool:
        """Whether the resident took the message back before it was read."""
        return message.message_id in self.recalled_keys


class Leases:
    """Takes work for :class:`jingxiaowei.services.turn.Turn`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        among = database.among
        self._places = _PLACES.where(among(CONVERSATION.c.id, "ids"))
        self._waiting = _WAITING.where(among(INBOX.c.conversation_id, "ids"))
        self._codes = _CODES.where(among(TICKET.c.conversation_id, "ids"))
        self._spoken_to = _SPOKEN_TO.where(among(OUTBOX.c.conversation_id, "ids"))

    async def take(self, worker: str, limit: int, seconds: float) -> list[Thread]:
        """Take up to ``limit`` conversations that have a ready message, oldest first."""
        now = datetime.now(UTC)
        # A window of the oldest ready messages: the cost doesn't grow with what waits behind.
        ready = (
            select(INBOX.c.conversation_id)
            .join(CONVERSATION, CONVERSATION.c.id == INBOX.c.conversation_id)
            .where(IS_NEW, INBOX.c.ready_at <= now)
            .where((CONVERSATION.c.leased_until.is_(None)) | (CONVERSATION.c.leased_until < now))
            .order_by(INBOX.c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            ids = await self._oldest(connection, ready)
            if not ids:
                return []  # the usual case of an idle moment costs no write
            if self._database.sqlite:
                # One process serves an SQLite file, so nobody competes: reading is enough. Should
                # a second one be started all the same, the commit takes only what is still new.
                return await self._threads(connection, ids)
        async with self._database.write() as connection:
            await self._database.lock_leases(connection)
            ids = await self._oldest(connection, ready)
            if not ids:
                return []
            await connection.execute(
                update(CONVERSATION)
                .where(CONVERSATION.c.id.in_(ids))
                .values(leased_by=worker, leased_until=now + timedelta(seconds=seconds))
            )
            return await self._threads(connection, ids)

    async def _oldest(self, connection: AsyncConnection, ready: Any) -> list[str]:
        """The conversations of the window, oldest first, each once."""
        rows = await connection.execute(ready)
        return list(dict.fromkeys(row.conversation_id for row in rows))

    async def next_ready(self) -> float:
        """Seconds until something is worth looking at: a burst that settles, or the slow poll."""
        async with self._database.read() as connection:
            query = select(func.min(INBOX.c.ready_at)).where(IS_NEW)
            soonest: datetime | None = (await connection.execute(query)).scalar()
        if soonest is None:
            return 5.0
        # A leased conversation's messages look ready but are not ours: never spin on them.
        return min(5.0, max(0.05, (soonest - datetime.now(UTC)).total_seconds()))

    async def _threads(self, connection: AsyncConnection, ids: list[str]) -> list[Thread]:
        cipher = self._database.cipher
        listed = {"ids": self._database.listed(ids)}
        known = {row.id: row for row in await connection.execute(self._places, listed)}
        waiting = defaultdict(list)
        for row in await connection.execute(self._waiting, listed):
            waiting[row.conversation_id].append(row)
        # The tickets that wait for a human.
        open_tickets = await connection.execute(self._codes, listed)
        codes = {row.conversation_id: row.code for row in open_tickets}
        new = [key for key in ids if known[key].heard_at is None]
        untold = set(new) - await self._told(connection, new) if new else set()
        threads = []
        for key in ids:
            place, rows = known[key], waiting[key]
            channel, address = Channel(place.channel), cipher.open(ADDRESS, place.address)
            messages = tuple(from_row(r, cipher, channel, place.account, address) for r in rows)
            taken_back = {r.key for r in rows if r.recalled} | {
                recalled_key(cipher, message)
                for message in messages
                if message.kind is MessageKind.RECALL
            }
            threads.append(
                Thread(
                    key,
                    channel,
                    place.account,
                    address,
                    place.resident_id,
                    place.holder,
                    place.held_at,
                    codes.get(key, ""),
                    self._topic(place),
                    place.brief,
                    self._traces(place),
                    messages,
                    tuple(r.id for r in rows),
                    frozenset(taken_back),
                    key in untold,
                )
            )
        return threads

    async def _told(self, connection: AsyncConnection, ids: list[str]) -> set[str]:
        """Of those who have not said anything before, whom the welcome has reached."""
        listed = {"ids": self._database.listed(ids)}
        return set((await connection.execute(self._spoken_to, listed)).scalars())

    def _topic(self, place: Any) -> Topic | None:
        """What the conversation was about a moment ago."""
        if place.topic is None or datetime.now(UTC) - place.topic_at > TOPIC_LIFE:
            return None
        return Topic(**self._database.cipher.open_json(TOPIC, place.topic))

    def _traces(self, place: Any) -> tuple[Trace, ...]:
        """What earlier messages of the conversation showed of a script."""
        if place.traces is None:
            return ()
        stored: Any = self._database.cipher.open_json(TRACES, place.traces)
        return tuple(trace_from(raw) for raw in stored)


def trace_from(raw: dict[str, Any]) -> Trace:
    """A trace as it was stored."""
    return Trace(
        datetime.fromisoformat(raw["at"]),
        ScamType(raw["scam_type"]),
        tuple((Stage(stage), weight) for stage, weight in raw["stages"]),
        Transfer(raw["transfer"]),
    )


def recalled_key(cipher: Cipher, recall: Incoming) -> str:
    """The key of the message that a recall takes back."""
    id_ = str(recall.data.get("recall_msgid", ""))
    return message_key(cipher, recall.channel, recall.account, id_)
