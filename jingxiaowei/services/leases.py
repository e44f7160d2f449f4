"""The turn's first transaction: conversations with ready messages are taken, each by one worker.

All their waiting messages come with them, so that a resident's messages stay in order and a burst
is answered once. A lease that ends gives them to the next worker.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Integer, bindparam, func, select, update

from jingxiaowei.pipeline.decision import Need
from jingxiaowei.pipeline.dialogue import Topic
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind
from jingxiaowei.pipeline.screen.values import ScamType, Stage, Trace, Transfer
from jingxiaowei.services.inbox import ADDRESS, from_row, message_key
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.engine import Database
from jingxiaowei.store.prepared import Script, play
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
    (OUTBOX.c.state == OutboxState.PENDING) | (OUTBOX.c.state == OutboxState.SENT)
)

# A window of the oldest ready messages: the cost doesn't grow with what waits behind.
_READY = (
    select(INBOX.c.conversation_id)
    .join(CONVERSATION, CONVERSATION.c.id == INBOX.c.conversation_id)
    .where(IS_NEW, INBOX.c.ready_at <= bindparam("now"))
    .where(
        (CONVERSATION.c.leased_until.is_(None)) | (CONVERSATION.c.leased_until < bindparam("now"))
    )
    .order_by(INBOX.c.id)
    .limit(bindparam("limit", type_=Integer()))
)
_SOONEST = select(func.min(INBOX.c.ready_at).label("ready_at")).where(IS_NEW)
_MARK = (
    update(CONVERSATION)
    .where(CONVERSATION.c.id == bindparam("conversation"))
    .values(leased_by=bindparam("worker"), leased_until=bindparam("until"))
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


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows of conversations with ready messages."""

    ids: Sequence[str] = ()  # oldest first
    places: Mapping[str, Any] = field(default_factory=dict)
    waiting: Mapping[str, list[Any]] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)  # tickets that wait for a human
    untold: Set[str] = frozenset()


class Leases:
    """Takes work for :class:`jingxiaowei.services.turn.Turn`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        among, query = database.among, database.query
        self._ready = query(_READY)
        self._places = query(_PLACES.where(among(CONVERSATION.c.id, "ids")))
        self._waiting = query(_WAITING.where(among(INBOX.c.conversation_id, "ids")))
        self._codes = query(_CODES.where(among(TICKET.c.conversation_id, "ids")))
        self._spoken_to = query(_SPOKEN_TO.where(among(OUTBOX.c.conversation_id, "ids")))
        self._soonest = query(_SOONEST)
        self._mark = database.prepare(_MARK)

    async def take(self, worker: str, limit: int, seconds: float) -> list[Thread]:
        """Take up to ``limit`` conversations that have a ready message, oldest first."""
        database, now = self._database, datetime.now(UTC)
        if database.sqlite:
            # One process serves an SQLite file, so nobody competes: reading is enough. Should
            # somebody be faster all the same, the commit takes only what is still new.
            return self._threads(await database.read_rows(self._finding(now, limit)))
        async with database.read() as connection:
            if not await play(connection, self._oldest(now, limit)):
                return []  # the usual case of an idle moment costs no write
        mark = {"worker": worker, "until": now + timedelta(seconds=seconds)}
        finding = self._finding(now, limit, mark)
        return self._threads(await database.write_rows(finding, database.lock_leases))

    def _oldest(self, now: datetime, limit: int) -> Script:
        """The conversations of the window, oldest first, each once."""
        rows = yield self._ready, {"now": now, "limit": limit}
        return list(dict.fromkeys(row.conversation_id for row in rows))

    def _finding(self, now: datetime, limit: int, mark: dict[str, Any] | None = None) -> Script:
        """What is ready, marked as taken if there is a mark."""
        ids = yield from self._oldest(now, limit)
        if not ids:
            return _Found()
        listed = {"ids": self._database.listed(ids)}
        if mark is not None:
            yield self._mark, [mark | {"conversation": id_} for id_ in ids]
        places = {row.id: row for row in (yield self._places, listed)}
        waiting = defaultdict(list)
        for row in (yield self._waiting, listed):
            waiting[row.conversation_id].append(row)
        codes = {row.conversation_id: row.code for row in (yield self._codes, listed)}
        # Of those who have not said anything before, whom the welcome has reached.
        new = [id_ for id_ in ids if places[id_].heard_at is None]
        told = set()
        if new:
            rows = yield self._spoken_to, {"ids": self._database.listed(new)}
            told = {row.conversation_id for row in rows}
        return _Found(ids, places, waiting, codes, set(new) - told)

    async def next_ready(self) -> float:
        """Seconds until something is worth looking at: a burst that settles, or the slow poll."""
        async with self._database.read() as connection:
            soonest: datetime | None = (await self._soonest.run(connection, {}))[0].ready_at
        if soonest is None:
            return 5.0
        # A leased conversation's messages look ready but are not ours: never spin on them.
        return min(5.0, max(0.05, (soonest - datetime.now(UTC)).total_seconds()))

    def _threads(self, found: _Found) -> list[Thread]:
        cipher = self._database.cipher
        threads = []
        for key in found.ids:
            place, rows = found.places[key], found.waiting[key]
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
                    found.codes.get(key, ""),
                    self._topic(place),
                    place.brief,
                    self._traces(place),
                    messages,
                    tuple(r.id for r in rows),
                    frozenset(taken_back),
                    key in found.untold,
                )
            )
        return threads

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
