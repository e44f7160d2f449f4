"""What a batch's decisions leave behind, as rows: gathered before anything is written. Pure but for
encryption; the writing is :mod:`jingxiaowei.services.ledger`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from jingxiaowei.content.normalise import compact
from jingxiaowei.pipeline.contact import Contact
from jingxiaowei.pipeline.decision import Decision, Kind, Need
from jingxiaowei.pipeline.mask import mask
from jingxiaowei.pipeline.messages import SPOKEN, Channel, Incoming, MessageKind, OutgoingKind
from jingxiaowei.pipeline.minors import Minor, Person
from jingxiaowei.pipeline.reply import clip
from jingxiaowei.pipeline.screen.values import Verdict
from jingxiaowei.services.alerts_values import Sighting
from jingxiaowei.services.leases import TOPIC, TRACES, Thread
from jingxiaowei.services.purposes import DECISION, FAR_ID, OUT_BODY, QUESTION_TEXT
from jingxiaowei.services.suggestions import Raised
from jingxiaowei.store.cipher import Cipher, token
from jingxiaowei.store.tables import (
    Holder,
    MediaState,
    OutboxState,
    QuestionState,
    TicketState,
)

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
# What was said stands in the outbox already, what was suggested or told of an age in its own rows.
_ELSEWHERE = frozenset({"text", "options", "screened", "notice", "suggested", "minor"})
_KEPT = tuple(f.name for f in fields(Decision) if f.name not in _ELSEWHERE)


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


@dataclass(slots=True)
class Gathering:
    """The rows of a commit, gathered over all its threads.

    ``desk`` is the area whose officers get the tickets; ``now`` is the commit's one moment.
    """

    cipher: Cipher
    desk: str
    now: datetime

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

    def add(self, effect: Effects) -> None:
        """What one thread's turn leaves behind, as rows."""
        thread, decision = effect.thread, effect.decision
        now, cipher = self.now, self.cipher
        last = thread.row_ids[-1]
        release = {"conversation": thread.conversation_id}
        if (effect.holder, effect.held_at) != (thread.holder, thread.held_at):
            # Only what this batch's events changed: the outbox may have met a human meanwhile.
            self.holders.append(release | {"who": effect.holder, "held": effect.held_at})
        # Coming in is no message: WeCom's limits count from what the resident said.
        said = [m.sent_at for m in effect.spoken if m.kind in SPOKEN]
        if said:
            topic = decision.topic if decision else None
            self.heard.append(
                release
                | {
                    "heard": max(said),
                    "about": cipher.seal_json(TOPIC, topic) if topic else None,
                    "about_at": now if topic else None,
                }
            )
        else:
            self.released.append(release)
        sealed = cipher.seal_json(DECISION, _kept(decision)) if decision else None
        for row_id in thread.row_ids:
            self.done.append(
                {
                    "row": row_id,
                    "kind_of_decision": decision.kind.value if decision else "",
                    "in_full": sealed if row_id == last else None,
                }
            )
        if decision is None:
            return
        self._add_sighting(effect, decision)
        if decision.brief is not None:
            self.briefs.append(release | {"short": decision.brief})
        if decision.minor.whose is Person.SELF:
            self.minors.append((thread.resident_id, thread.conversation_id, decision.minor))
        for each in decision.suggested:
            self.raised.append(
                Raised(thread.resident_id, each.slug, each.because, each.quote, last)
            )
        self._add_replies(effect, decision)
        for message in effect.spoken:
            if message.kind is MessageKind.IMAGE and thread.channel is not Channel.WEB:
                self.media.append(
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
            self.tickets.append(
                {
                    "code": effect.code,
                    "need": decision.need.value,
                    "conversation_id": thread.conversation_id,
                    "inbox_id": last,
                    "area": self.desk,
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
            self.questions[key] = {
                "key": key,
                "text": cipher.seal(QUESTION_TEXT, mask(text)),
                "faq": decision.unhelpful,
                "nearest": ",".join(c.faq for c in decision.candidates[:3]),
                "times": 1,
                "first_at": now,
                "last_at": now,
                "state": QuestionState.NEW,
            }

    def _add_sighting(self, effect: Effects, decision: Decision) -> None:
        """What the screening saw: for the alerts, and for the conversation's next message."""
        thread, screening = effect.thread, decision.screening
        if screening is None:
            return
        if screening.trace is not None:
            left = [*thread.traces, screening.trace][-_TRACES:]
            self.traces.append(
                {
                    "conversation": thread.conversation_id,
                    "seen": self.cipher.seal_json(TRACES, left),
                }
            )
        # Where nothing was ever seen, no alert can be open.
        if thread.traces or screening.verdict is not Verdict.NONE:
            last = thread.row_ids[-1]
            self.sightings.append(
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
            self.contacts.append((thread.conversation_id, decision.contact))

    def _add_replies(self, effect: Effects, decision: Decision) -> None:
        now, thread, last = self.now, effect.thread, effect.thread.row_ids[-1]
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
            self.outbox.append(
                base
                | {
                    # From the message's own key: whatever happens, its reply has one id.
                    "key": token("reply", effect.spoken[-1].message_id, kind),
                    "kind": kind.value,
                    "body": self.cipher.seal_json(OUT_BODY, body),
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


def _kept(decision: Decision) -> dict[str, Any]:
    """What stays of a decision with its message."""
    return {name: getattr(decision, name) for name in _KEPT}


def _with_rules(decision: Decision) -> str:
    """The reply, and the rules in short where they are told with it: help stands first."""
    parts = [decision.notice, decision.text] if decision.text else [""]
    return clip("\n".join(filter(None, parts[::-1] if decision.urgent else parts)))
