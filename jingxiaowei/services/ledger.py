"""The turn's second transaction: what a batch decided is written together, or not at all.

All statements are for many rows at once; nothing here decides anything.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import LargeBinary, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.decision import Need
from jingxiaowei.pipeline.messages import MessageKind
from jingxiaowei.pipeline.minors import Person
from jingxiaowei.services.alerts import Alerts
from jingxiaowei.services.alerts_contacts import Contacts
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.emergencies import Emergencies
from jingxiaowei.services.gathering import Effects, Gathering
from jingxiaowei.services.leases import recalled_key
from jingxiaowei.services.minors import Minors
from jingxiaowei.services.scopes import areas_of
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.services.tagging_rows import lock
from jingxiaowei.store.engine import Database
from jingxiaowei.store.prepared import Script, play
from jingxiaowei.store.tables import (
    AREA,
    CONVERSATION,
    INBOX,
    MEDIA,
    OUTBOX,
    QUESTION,
    TICKET,
    InboxState,
    OutboxState,
    UTCDateTime,
)

log = logging.getLogger(__name__)


class OwnRights(Protocol):
    """Does what residents ask of their own files."""

    async def exercise_all(
        self, connection: AsyncConnection, effects: Sequence[Effects], now: datetime
    ) -> None:
        """Do the deeds, and put what the file says into the decisions."""


class Ledger:
    """Commits for :class:`jingxiaowei.services.turn.Turn`."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        alerts: Alerts,
        emergencies: Emergencies,
        contacts: Contacts,
        suggestions: Suggestions,
        minors: Minors,
        own: OwnRights,
    ) -> None:
        self._database = database
        self._bell = bell
        self._alerts = alerts
        self._emergencies = emergencies
        self._contacts = contacts
        self._suggestions = suggestions
        self._minors = minors
        self._own = own
        self._desk = ""
        self._put_outbox = database.prepare(
            database.insert(OUTBOX).on_conflict_do_nothing(index_elements=["key"]), _OUTBOX_COLUMNS
        )
        self._done, self._heard = database.prepare(_DONE), database.prepare(_HEARD)
        self._released, self._held = database.prepare(_RELEASE), database.prepare(_HOLDER)
        self._briefed, self._traced = database.prepare(_BRIEF), database.prepare(_TRACED)
        self._ours = (
            select(CONVERSATION.c.id)
            .where(database.among(CONVERSATION.c.id, "keys"))
            .where(CONVERSATION.c.leased_by == bindparam("worker"))
            .order_by(CONVERSATION.c.id)
            .with_for_update()
        )
        new = database.among(INBOX.c.id, "ids"), INBOX.c.state == InboxState.NEW
        self._new = select(INBOX.c.id).where(*new)
        self._how_many_new = database.query(select(func.count().label("new")).where(*new))

    async def commit(self, worker: str, effects: Sequence[Effects]) -> None:
        """Write a batch. A thread whose lease was lost meanwhile is left to its new holder."""
        try:
            await self._commit(worker, effects)
        except IntegrityError:
            if len(effects) == 1:
                raise
            # One thread's rows clash (a ticket code, say): the others need not wait for it.
            log.warning("a batch of %d clashed, one by one", len(effects))
            for single in effects:
                await self._commit(worker, [single])

    async def _commit(self, worker: str, effects: Sequence[Effects]) -> None:
        async with self._database.write() as connection:
            ours = await self._still_ours(connection, worker, effects)
            if not ours:
                return
            if not self._desk:
                desk = await connection.execute(select(AREA.c.slug).where(AREA.c.desk))
                self._desk = desk.scalar_one()
            # All at once and in one order, before any of their files changes.
            await lock(connection, {e.thread.resident_id for e in ours if _of_the_file(e)})
            if any(effect.decision and effect.decision.right for effect in ours):
                await self._own.exercise_all(connection, ours, datetime.now(UTC))
            now = datetime.now(UTC)
            rows = Gathering(self._database.cipher, self._desk, now)
            for effect in ours:
                rows.add(effect)
            await self._write(connection, rows)
            await self._apply_events(connection, ours)
            for resident, conversation, said in rows.minors:
                await self._minors.heard(connection, resident, conversation, said, now)
            told = await self._alerts.record(connection, rows.sightings, now)
            await self._suggestions.raise_many(connection, rows.raised, now)
            for conversation, contact in rows.contacts:
                told |= await self._contacts.give(connection, conversation, now, **asdict(contact))
            await self._bell.announce(connection, Stage.OUTBOX)
            if rows.tickets:  # an open page counts the emergencies
                await self._bell.announce(connection, Stage.ALERTS)
        if told or rows.tickets:
            self._bell.ring(Stage.ALERTS)

    async def _still_ours(
        self, connection: AsyncConnection, worker: str, effects: Sequence[Effects]
    ) -> list[Effects]:
        """The threads that nobody else has handled or leased since they were read."""
        listed = self._database.listed
        if not self._database.sqlite:
            keys = listed(e.thread.conversation_id for e in effects)
            held = await connection.execute(self._ours, {"keys": keys, "worker": worker})
            mine = set(held.scalars())
            effects = [e for e in effects if e.thread.conversation_id in mine]
        firsts = {"ids": listed(e.thread.row_ids[0] for e in effects)}
        (count,) = await self._how_many_new.run(connection, firsts)
        if count.new == len(effects):
            return list(effects)  # nearly always
        new = set((await connection.execute(self._new, firsts)).scalars())
        return [e for e in effects if e.thread.row_ids[0] in new]

    async def _write(self, connection: AsyncConnection, rows: Gathering) -> None:
        insert = self._database.insert
        if rows.tickets:
            await self._open_tickets(connection, rows)
        if rows.media:
            await connection.execute(insert(MEDIA).on_conflict_do_nothing(), rows.media)
        if rows.questions:
            asked = insert(QUESTION)
            again = {
                "times": QUESTION.c.times + 1,
                "last_at": asked.excluded.last_at,
                "nearest": asked.excluded.nearest,
            }
            await connection.execute(
                asked.on_conflict_do_update(index_elements=["key"], set_=again),
                [rows.questions[key] for key in sorted(rows.questions)],
            )
        await play(connection, self._script(rows))

    def _script(self, rows: Gathering) -> Script:
        """What nearly every message leaves behind."""
        yield self._put_outbox, rows.outbox
        yield self._done, rows.done
        yield self._heard, rows.heard
        yield self._released, rows.released
        yield self._held, rows.holders
        yield self._briefed, rows.briefs
        yield self._traced, rows.traces

    async def _open_tickets(self, connection: AsyncConnection, rows: Gathering) -> None:
        """In the resident's area where one is known; of emergencies, officers are told."""
        places = {row["conversation_id"] for row in rows.tickets}
        theirs = await areas_of(connection, places)
        # The conversation is leased, so nobody else opens one for it meanwhile.
        heard = await self._emergencies.heard(connection, places, rows.now)
        tickets = [
            row | {"area": theirs.get(row["conversation_id"], row["area"])}
            for row in rows.tickets
            if row["conversation_id"] not in heard or row["need"] != Need.EMERGENCY
        ]
        if tickets:
            await connection.execute(self._database.insert(TICKET), tickets)
            await self._emergencies.announce(connection, [row["code"] for row in tickets], rows.now)

    async def _apply_events(self, connection: AsyncConnection, effects: list[Effects]) -> None:
        """Recalls and failed sends point at other rows by WeCom's ids."""
        cipher = self._database.cipher
        recalls, failures = [], []
        for effect in effects:
            thread = effect.thread
            for message in thread.messages:
                if message.kind is MessageKind.RECALL:
                    recalls.append(recalled_key(cipher, message))
                elif message.kind is MessageKind.SEND_FAILED:
                    reason = f"WeCom: fail_type {message.data.get('fail_type')}"
                    id_ = str(message.data.get("fail_msgid", ""))
                    failures.append({"out": id_, "why": reason})
        if recalls:
            await connection.execute(
                update(INBOX).where(INBOX.c.key.in_(recalls)).values(recalled=True)
            )
        if failures:
            await connection.execute(
                update(OUTBOX)
                .where(OUTBOX.c.key == bindparam("out"))
                .values(state=OutboxState.REFUSED, reason=bindparam("why")),
                failures,
            )


def _of_the_file(effect: Effects) -> bool:
    """Whether a decision changes what is on a file, other than by a suggestion."""
    decision = effect.decision
    return decision is not None and (
        decision.right is not None or decision.minor.whose is Person.SELF
    )


_OUTBOX_COLUMNS = (
    "key",
    "conversation_id",
    "inbox_id",
    "kind",
    "body",
    "urgent",
    "state",
    "reason",
    "attempts",
    "created_at",
    "not_before",
    "expires_at",
)
_DONE = (
    update(INBOX)
    .where(INBOX.c.id == bindparam("row"))
    .values(
        state=InboxState.DONE,
        decided=bindparam("kind_of_decision"),
        decision=bindparam("in_full"),
    )
)
_RELEASE = (
    update(CONVERSATION)
    .where(CONVERSATION.c.id == bindparam("conversation"))
    .values(leased_by=None, leased_until=None)
)
_HOLDER = (
    update(CONVERSATION)
    .where(CONVERSATION.c.id == bindparam("conversation"))
    .values(holder=bindparam("who"), held_at=bindparam("held"))
)
_BRIEF = (
    update(CONVERSATION)
    .where(CONVERSATION.c.id == bindparam("conversation"))
    .values(brief=bindparam("short"))
)
_TRACED = (
    update(CONVERSATION)
    .where(CONVERSATION.c.id == bindparam("conversation"))
    .values(traces=bindparam("seen"))
)
_HEARD = _RELEASE.values(
    heard_at=bindparam("heard"),
    sent_since=0,
    topic=func.coalesce(bindparam("about", type_=LargeBinary()), CONVERSATION.c.topic),
    topic_at=func.coalesce(bindparam("about_at", type_=UTCDateTime()), CONVERSATION.c.topic_at),
)
