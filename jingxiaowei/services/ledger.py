"""The turn's second transaction: what a batch decided is written together, or not at all.

All statements are for many rows at once; nothing here decides anything.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import LargeBinary, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.normalise import compact
from jingxiaowei.pipeline.contact import Contact
from jingxiaowei.pipeline.decision import Decision, Kind, Need
from jingxiaowei.pipeline.mask import mask
from jingxiaowei.pipeline.messages import SPOKEN, Channel, Incoming, MessageKind, OutgoingKind
from jingxiaowei.pipeline.minors import UNSAID, Minor, Person
from jingxiaowei.pipeline.reply import clip
from jingxiaowei.pipeline.screen.values import Verdict
from jingxiaowei.services.alerts import Alerts
from jingxiaowei.services.alerts_contacts import Contacts
from jingxiaowei.services.alerts_values import Sighting
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.leases import TOPIC, TRACES, Thread, recalled_key
from jingxiaowei.services.minors import Minors
from jingxiaowei.services.purposes import DECISION, OUT_BODY
from jingxiaowei.services.suggestions import Raised, Suggestions
from jingxiaowei.services.tagging_rows import lock
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import (
    AREA,
    CONVERSATION,
    INBOX,
    MEDIA,
    OUTBOX,
    QUESTION,
    TICKET,
    Holder,
    InboxState,
    MediaState,
    OutboxState,
    QuestionState,
    TicketState,
    UTCDateTime,
)

QUESTION_TEXT, FAR_ID = b"question.text", b"media.far_id"
_TRACES = 20  # of a conversation's earlier messages; older ones have faded
# How long a reply is worth sending: WeCom's 48 hours, its welcome code's 20 seconds.
_REPLY_LIFE = timedelta(hours=48)
_WELCOME_LIFE = timedelta(seconds=20)
_DUE = {
    Need.EMERGENCY: timedelta(minutes=5),
    Need.HUMAN: timedelta(minutes=15),
    Need.IMAGE: timedelta(hours=1),
    Need.FAILURE: timedelta(hours=1),
}
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Effects:
    """What a thread's turn leaves behind."""

    thread: Thread
    holder: Holder
    held_at: datetime | None
    decision: Decision | None = None
    spoken: Sequence[Incoming] = ()
    code: str = ""
    transfer: bool = False
    servicers: tuple[str, ...] = ()
    officer: int | None = None  # who writes, when an officer forwards what reached others


class OwnRights(Protocol):
    """Does what residents ask of their own files."""

    async def exercise_all(
        self, connection: AsyncConnection, effects: Sequence[Effects], now: datetime
    ) -> None:
        """Do the deeds, and put what the file says into the decisions."""


@dataclass(slots=True)
class _Rows:
    """The rows of a commit, gathered over all its threads."""

    outbox: list[dict[str, Any]] = field(default_factory=list)
    tickets: list[dict[str, Any]] = field(default_factory=list)
    media: list[dict[str, Any]] = field(default_factory=list)
    questions: dict[str, dict[str, Any]] = field(default_factory=dict)
    heard: list[dict[str, Any]] = field(default_factory=list)
    released: list[dict[str, Any]] = field(default_factory=list)
    holders: list[dict[str, Any]] = field(default_factory=list)
    briefs: list[dict[str, Any]] = field(default_factory=list)
    traces: list[dict[str, Any]] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    contacts: list[tuple[str, Contact]] = field(default_factory=list)
    raised: list[Raised] = field(default_factory=list)
    minors: list[tuple[str, str, Minor]] = field(default_factory=list)
    done: list[dict[str, Any]] = field(default_factory=list)


class Ledger:
    """Commits for :class:`jingxiaowei.services.turn.Turn`."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        alerts: Alerts,
        contacts: Contacts,
        suggestions: Suggestions,
        minors: Minors,
        own: OwnRights,
    ) -> None:
        self._database = database
        self._bell = bell
        self._alerts = alerts
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
            rows = _Rows()
            for effect in ours:
                self._gather(effect, rows)
            await self._write(connection, rows)
            await self._apply_events(connection, ours)
            now = datetime.now(UTC)
            for resident, conversation, said in rows.minors:
                await self._minors.heard(connection, resident, conversation, said, now)
            told = await self._alerts.record(connection, rows.sightings, now)
            await self._suggestions.raise_many(connection, rows.raised, now)
            for conversation, contact in rows.contacts:
                told |= await self._contacts.give(connection, conversation, now, **asdict(contact))
            await self._bell.announce(connection, Stage.OUTBOX)
        if told:
            self._bell.ring(Stage.ALERTS)

    async def _still_ours(
        self, connection: AsyncConnection, worker: str, effects: Sequence[Effects]
    ) -> list[Effects]:
        """The threads that nobody else has handled or leased since they were read."""
        if not self._database.sqlite:
            held = await connection.execute(
                select(CONVERSATION.c.id)
                .where(
                    CONVERSATION.c.id.in_([e.thread.conversation_id for e in effects]),
                    CONVERSATION.c.leased_by == worker,
                )
                .order_by(CONVERSATION.c.id)
                .with_for_update()
            )
            mine = {row.id for row in held}
            effects = [e for e in effects if e.thread.conversation_id in mine]
        rows = await connection.execute(
            select(INBOX.c.id).where(
                INBOX.c.id.in_([e.thread.row_ids[0] for e in effects]),
                INBOX.c.state == InboxState.NEW,
            )
        )
        new = {row.id for row in rows}
        return [e for e in effects if e.thread.row_ids[0] in new]

    def _gather(self, effect: Effects, rows: _Rows) -> None:
        thread, decision = effect.thread, effect.decision
        now, cipher = datetime.now(UTC), self._database.cipher
        last = thread.row_ids[-1]
        release = {"conversation": thread.conversation_id}
        if (effect.holder, effect.held_at) != (thread.holder, thread.held_at):
            # Only what this batch's events changed: the outbox may have met a human meanwhile.
            rows.holders.append(release | {"who": effect.holder, "held": effect.held_at})
        # Coming in is no message: WeCom's limits count from what the resident said.
        said = [m.sent_at for m in effect.spoken if m.kind in SPOKEN]
        if said:
            topic = decision.topic if decision else None
            rows.heard.append(
                release
                | {
                    "heard": max(said),
                    "about": cipher.seal_json(TOPIC, topic) if topic else None,
                    "about_at": now if topic else None,
                }
            )
        else:
            rows.released.append(release)
        # What was said stands in the outbox already.
        kept = (
            replace(
                decision, text="", options=(), screened="", notice="", suggested=(), minor=UNSAID
            )
            if decision
            else None
        )
        sealed = cipher.seal_json(DECISION, kept) if kept else None
        for row_id in thread.row_ids:
            rows.done.append(
                {
                    "row": row_id,
                    "kind_of_decision": decision.kind.value if decision else "",
                    "in_full": sealed if row_id == last else None,
                }
            )
        if decision is None:
            return
        self._gather_sighting(effect, decision, rows)
        if decision.brief is not None:
            rows.briefs.append(release | {"short": decision.brief})
        if decision.minor.whose is Person.SELF:
            rows.minors.append((thread.resident_id, thread.conversation_id, decision.minor))
        for each in decision.suggested:
            rows.raised.append(
                Raised(thread.resident_id, each.slug, each.because, each.quote, last)
            )
        self._gather_replies(effect, decision, now, rows)
        for message in effect.spoken:
            if message.kind is MessageKind.IMAGE and thread.channel is not Channel.WEB:
                rows.media.append(
                    {
                        "id": token("media", message.message_id),
                        "conversation_id": thread.conversation_id,
                        "far_id": cipher.seal(FAR_ID, message.media_id),
                        "state": MediaState.WANTED,
                        "content_type": "",
                        "size": 0,
                        "reason": "",
                        "attempts": 0,
                        "not_before": now,
                        "created_at": now,
                    }
                )
        if decision.need is not None:
            rows.tickets.append(
                {
                    "code": effect.code,
                    "need": decision.need.value,
                    "conversation_id": thread.conversation_id,
                    "inbox_id": last,
                    "area": self._desk,
                    "state": TicketState.OPEN,
                    "created_at": now,
                    "due_at": now + _DUE[decision.need],
                }
            )
        if decision.missed or (decision.unhelpful and thread.topic):
            text = "\n".join(m.text for m in effect.spoken if m.text)
            if decision.unhelpful and thread.topic:
                text = thread.topic.text  # what was asked, not the word on the button
            key = cipher.find("question", decision.unhelpful, compact(text))
            rows.questions[key] = {
                "key": key,
                "text": cipher.seal(QUESTION_TEXT, mask(text)),
                "faq": decision.unhelpful,
                "nearest": ",".join(c.faq for c in decision.candidates[:3]),
                "times": 1,
                "first_at": now,
                "last_at": now,
                "state": QuestionState.NEW,
            }

    def _gather_sighting(self, effect: Effects, decision: Decision, rows: _Rows) -> None:
        """What the screening saw: for the alerts, and for the conversation's next message."""
        thread, screening = effect.thread, decision.screening
        if screening is None:
            return
        if screening.trace is not None:
            left = [*thread.traces, screening.trace][-_TRACES:]
            rows.traces.append(
                {
                    "conversation": thread.conversation_id,
                    "seen": self._database.cipher.seal_json(TRACES, left),
                }
            )
        # Where nothing was ever seen, no alert can be open.
        if thread.traces or screening.verdict is not Verdict.NONE:
            last = thread.row_ids[-1]
            rows.sightings.append(
                Sighting(
                    thread.conversation_id,
                    last,
                    screening,
                    decision.screened,
                    max(m.sent_at for m in effect.spoken),
                    str(last) if effect.officer is not None else "",
                    effect.officer,
                )
            )
        if decision.contact is not None:
            rows.contacts.append((thread.conversation_id, decision.contact))

    def _gather_replies(
        self, effect: Effects, decision: Decision, now: datetime, rows: _Rows
    ) -> None:
        thread, last = effect.thread, effect.thread.row_ids[-1]
        body: dict[str, Any] = {
            "text": _with_rules(decision),
            "options": decision.options,
        }
        base = {
            "conversation_id": thread.conversation_id,
            "inbox_id": last,
            "urgent": decision.urgent,
            "state": OutboxState.PENDING,
            "reason": "",
            "attempts": 0,
            "created_at": now,
            "not_before": now,
        }

        def add(kind: OutgoingKind, body: dict[str, Any], expires: datetime) -> None:
            rows.outbox.append(
                base
                | {
                    # From the message's own key: whatever happens, its reply has one id.
                    "key": token("reply", effect.spoken[-1].message_id, kind),
                    "kind": kind.value,
                    "body": self._database.cipher.seal_json(OUT_BODY, body),
                    "expires_at": expires,
                }
            )

        if decision.kind is Kind.WELCOME and thread.channel is Channel.WECOM_KF:
            # Without a code WeCom greets by itself, or has done so within the last 48 hours.
            code = str(effect.spoken[-1].data.get("welcome_code", ""))
            if code:
                born = effect.spoken[-1].sent_at
                add(OutgoingKind.WELCOME, body | {"code": code}, born + _WELCOME_LIFE)
        elif decision.text:
            add(OutgoingKind.MESSAGE, body, now + _REPLY_LIFE)
        if effect.transfer:
            servicers = {"servicers": list(effect.servicers)}
            add(OutgoingKind.TRANSFER, servicers, now + timedelta(minutes=15))

    async def _write(self, connection: AsyncConnection, rows: _Rows) -> None:
        insert = self._database.insert
        await self._put_outbox.run(connection, rows.outbox)
        if rows.tickets:
            await connection.execute(insert(TICKET), rows.tickets)
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
        await self._done.run(connection, rows.done)
        await self._heard.run(connection, rows.heard)
        await self._released.run(connection, rows.released)
        await self._held.run(connection, rows.holders)
        await self._briefed.run(connection, rows.briefs)
        await self._traced.run(connection, rows.traces)

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


def _with_rules(decision: Decision) -> str:
    """The reply, and the rules in short where they are told with it: help stands first."""
    parts = [decision.notice, decision.text] if decision.text else [""]
    return clip("\n".join(filter(None, parts[::-1] if decision.urgent else parts)))


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
