"""The turn: what residents said becomes what is said and done, once, in one transaction a batch.

    lease → read → decide → commit

Lease: conversations with ready messages are taken for half a minute, all their messages with
them, so that a resident's messages stay in order and a burst is answered once. Decide is pure.
Commit: replies, tickets, missed questions and the messages' state, together or not at all. A
crash before the commit leaves the messages to the next lease; after it, to nobody.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from prometheus_client import Counter, Histogram

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Decision, Kind, Known, Need
from jingxiaowei.pipeline.messages import SPOKEN, Channel, MessageKind
from jingxiaowei.pipeline.reasons import Reason
from jingxiaowei.services.alerts_settled import Settled
from jingxiaowei.services.bell import Bell, Stage, wait_for
from jingxiaowei.services.codes import new_code
from jingxiaowei.services.gathering import Effects
from jingxiaowei.services.leases import Leases, Thread
from jingxiaowei.services.ledger import Ledger
from jingxiaowei.services.roster import LOCAL, Duty, Roster
from jingxiaowei.store.tables import Holder

LEASE_SECONDS = 30.0
BATCH = 200
AT_ONCE = 16  # thought about together: some ten milliseconds
# Between such parts all else may go on, for so long at most; a round of the loop that took less
# than the second had nothing to do.
_WAY_SECONDS, _IDLE_ROUND_SECONDS = 0.05, 0.0002
# A human who has shown no sign of life for so long has left without saying so.
_HELD = timedelta(hours=24)
_DUTY_SECONDS = 20.0
_HANDLED = SPOKEN | {MessageKind.ENTER, MessageKind.READING}

DECIDED = Counter("jxw_turns_total", "Turns by the kind of their decision", ["kind"])
TURN_SECONDS = Histogram("jxw_turn_batch_seconds", "A batch from lease to commit")
log = logging.getLogger(__name__)


class Content(Protocol):
    """Whoever holds the content of the moment."""

    @property
    def mind(self) -> Mind: ...


@dataclass(slots=True)
class _Duty:
    """Who is on duty, looked up now and then instead of once a message."""

    duty: Duty | None = None
    until: float = 0.0


@dataclass(slots=True)
class Turn:
    """The worker between inbox and outbox. Any number may run, in any number of processes.

    ``privacy``: where residents of WeCom read the rules; the chat page has them beside it.
    """

    leases: Leases
    ledger: Ledger
    content: Content
    roster: Roster
    bell: Bell
    settled: Settled
    privacy: str
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    _duty: _Duty = field(default_factory=_Duty)

    async def run_once(self) -> int:
        """Handle one batch; how many messages it held."""
        threads = await self.leases.take(self.name, BATCH, LEASE_SECONDS)
        if not threads:
            return 0
        with TURN_SECONDS.time():
            duty, settled = await self._on_duty(), await self.settled.current()
            mind = self.content.mind  # one content for the whole batch
            effects = []
            for some in (threads[n : n + AT_ONCE] for n in range(0, len(threads), AT_ONCE)):
                effects += self._handle(mind, some, duty, settled)
                await _give_way()
            await self.ledger.commit(self.name, effects)
        self.bell.ring(Stage.OUTBOX)
        return sum(len(thread.messages) for thread in threads)

    async def run(self) -> None:
        """Handle batches for as long as the task lives."""
        with self.bell.subscribe(Stage.INBOX) as rung:
            while True:
                rung.clear()
                try:
                    if await self.run_once():
                        continue
                    pause = await self.leases.next_ready()
                except Exception:
                    # The lease runs out and the messages come again: nothing is lost by going on.
                    log.exception("a batch failed, it comes again when its lease ends")
                    pause = 1.0
                await wait_for(rung, pause)

    def _handle(
        self, mind: Mind, threads: Sequence[Thread], duty: Duty, settled: frozenset[str]
    ) -> list[Effects]:
        """Some residents' parts of the batch."""
        effects, asked = [], []
        for thread in threads:
            holder, held_at = _holder(thread)
            effect = Effects(thread, holder, held_at)
            effects.append(effect)
            spoken = [m for m in thread.messages if m.kind in _HANDLED]
            effect.spoken = [m for m in spoken if not thread.recalled(m)]
            if effect.spoken:
                asked.append((effect, self._known(effect, duty, settled)))
        decisions = _decide(mind, asked)
        for (effect, known), decision in zip(asked, decisions, strict=True):
            DECIDED.labels(decision.kind).inc()
            effect.decision = decision
            effect.code = known.code
            if decision.transfer and effect.thread.channel is Channel.WECOM_KF:
                effect.servicers = duty.servicers
                effect.transfer = True
        return effects

    def _known(self, effect: Effects, duty: Duty, settled: frozenset[str]) -> Known:
        """What is known before one resident's part is decided."""
        thread = effect.thread
        if thread.channel is Channel.WECOM_APP:
            effect.officer = duty.officers.get(thread.address)
        on_page = thread.channel is Channel.WEB
        return Known(
            today=datetime.now(LOCAL).date(),
            now=datetime.now(UTC),
            desk=duty.desk,
            code=new_code(),
            open_code=thread.open_code,
            handed_over=effect.holder is Holder.HUMAN,
            topic=thread.topic,
            brief=thread.brief,
            traces=thread.traces,
            settled=settled,
            by_officer=effect.officer is not None,
            untold=thread.untold and _is_person(thread),
            privacy_page="/privacy" if on_page else self.privacy,
        )

    async def _on_duty(self) -> Duty:
        if self._duty.duty is None or time.monotonic() > self._duty.until:
            self._duty.duty = await self.roster.duty(datetime.now(UTC))
            self._duty.until = time.monotonic() + _DUTY_SECONDS
        return self._duty.duty


async def _give_way() -> None:
    """Let whatever else is under way go on until it waits for the disk or the network: thinking
    must not keep acknowledgements waiting. An acknowledgement takes several rounds of the loop.
    """
    began = time.monotonic()
    until = began + _WAY_SECONDS
    while began < until:
        await asyncio.sleep(0)
        now = time.monotonic()
        if now - began < _IDLE_ROUND_SECONDS:
            return
        began = now


def _decide(mind: Mind, asked: Sequence[tuple[Effects, Known]]) -> list[Decision]:
    """The pipeline's decisions; where a stage raises, the resident is handed to a human."""
    try:
        return mind.decide_all([(effect.spoken, known) for effect, known in asked])
    except Exception:
        if len(asked) > 1:  # one of them: the others are decided all the same
            return [_decide(mind, [single])[0] for single in asked]
        conversation = asked[0][0].thread.conversation_id
        log.exception("a stage raised in conversation %s, a person will look", conversation[:8])
        failed = Decision(
            Kind.HANDOFF,
            mind.speech.say("failed"),
            need=Need.FAILURE,
            urgent=True,
            reasons=(Reason("turn", "处理出错，转人工"),),
        )
        return [failed]


def _is_person(thread: Thread) -> bool:
    """Whether a resident reads: a browser says that it comes in, a script of the demo does not."""
    kinds = {message.kind for message in thread.messages}
    return thread.channel is Channel.WECOM_KF or MessageKind.ENTER in kinds


def _holder(thread: Thread) -> tuple[Holder, datetime | None]:
    """Who speaks in the conversation after this batch's events, and a human's last sign of life."""
    holder, held_at = thread.holder, thread.held_at
    for message in thread.messages:
        if message.kind is MessageKind.SERVICER:
            holder, held_at = Holder.HUMAN, message.sent_at
        elif message.kind is MessageKind.SESSION:
            # 1: from the pool to a servicer, 2: to another one, 3: ended.
            human = str(message.data.get("change_type", "")) in {"1", "2"}
            holder = Holder.HUMAN if human else Holder.BOT
            held_at = message.sent_at if human else None
    if holder is Holder.HUMAN and held_at is not None and datetime.now(UTC) - held_at > _HELD:
        return Holder.BOT, None
    return holder, held_at
