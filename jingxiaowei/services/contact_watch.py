"""What happens by itself with WeCom's contacts: offers go out, changes are mirrored."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from jingxiaowei.pipeline.messages import Outcome, Receipt
from jingxiaowei.services.contact_offers import ContactOffers
from jingxiaowei.services.contact_relations import Relations
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.mirror_values import ContactEvent
from jingxiaowei.services.tag_mirror import TagMirror

_POLL = 5.0
_ROUND = timedelta(minutes=10)  # how soon a tag noted here stands in WeCom
_BATCH = 50
_AGAIN = 2.0  # seconds; of the 20 that a welcome code lives
log = logging.getLogger(__name__)


class Greeter(Protocol):
    """The way to say the first words to a new contact. Never raises."""

    async def welcome(self, code: str, text: str) -> Receipt: ...


class ContactWatch:
    """Takes the events in, and works through what they leave to do.

    Args:
        privacy: the address of the rules, or where else they are to be read.
    """

    def __init__(
        self,
        content: ContentAndMind,
        relations: Relations,
        offers: ContactOffers,
        mirror: TagMirror,
        greeter: Greeter,
        privacy: str,
    ) -> None:
        self._privacy = privacy
        self._content = content
        self._greeter = greeter
        self._relations = relations
        self._offers = offers
        self._mirror = mirror
        self._rung = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    async def take(self, event: ContactEvent) -> None:
        """A callback's event; durable when this returns.

        The first words carry the rules (告知). Their code is over within 20 seconds, so they go
        at once and are not kept for later.
        """
        on_file = await self._relations.note(event, datetime.now(UTC))
        if on_file and event.welcome:
            self._apart(self._greet(event.welcome))
        self._rung.set()

    async def _greet(self, code: str) -> None:
        mind = self._content.mind
        text = mind.speech.say(
            "contact_welcome", unit=mind.library.unit_name, privacy=self._privacy
        )
        receipt = await self._greeter.welcome(code, text)
        if receipt.outcome is Outcome.RETRY:
            await asyncio.sleep(_AGAIN)
            receipt = await self._greeter.welcome(code, text)
        if receipt.outcome is not Outcome.SENT:
            log.warning("a new contact was not told the rules: %s", receipt.reason)

    def _apart(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that nobody waits for: WeCom waits for the answer to its callback."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def choose(self, userid: str, card: str, slugs: Sequence[str], code: str) -> None:
        """An officer ticked tags on a card; noted when this returns."""
        text = await self._offers.take(userid, card, slugs, datetime.now(UTC))
        if text:
            self._apart(self._offers.grey(userid, code, text))
        self._rung.set()

    async def run(self) -> None:
        """Work for as long as the task lives."""
        looked = datetime.min.replace(tzinfo=UTC)
        while True:
            self._rung.clear()
            pause = _POLL
            try:
                now = datetime.now(UTC)
                await self._offers.deliver(now)
                if now - looked > _ROUND:
                    await self._mirror.mark_changed(now)
                    looked = now
                done = await self._mirror.work(lambda: datetime.now(UTC), limit=_BATCH)
                if done.contacts == _BATCH:
                    continue
                pause = max(pause, done.pause)
            except (SQLAlchemyError, OSError):
                log.exception("mirroring failed, it is tried again")
            try:
                async with asyncio.timeout(pause):
                    await self._rung.wait()
            except TimeoutError:
                pass
