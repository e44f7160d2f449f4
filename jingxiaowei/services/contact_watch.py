"""What happens by itself with WeCom's contacts: offers go out, changes are mirrored."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from jingxiaowei.services.contact_offers import ContactOffers
from jingxiaowei.services.contact_relations import Relations
from jingxiaowei.services.mirror_values import ContactEvent
from jingxiaowei.services.tag_mirror import TagMirror

_POLL = 5.0
_ROUND = timedelta(minutes=10)  # how soon a tag noted here stands in WeCom
_BATCH = 50
log = logging.getLogger(__name__)


class ContactWatch:
    """Takes the events in, and works through what they leave to do."""

    def __init__(self, relations: Relations, offers: ContactOffers, mirror: TagMirror) -> None:
        self._relations = relations
        self._offers = offers
        self._mirror = mirror
        self._rung = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    async def take(self, event: ContactEvent) -> None:
        """A callback's event; durable when this returns."""
        await self._relations.note(event, datetime.now(UTC))
        self._rung.set()

    async def choose(self, userid: str, card: str, slugs: Sequence[str], code: str) -> None:
        """An officer ticked tags on a card; noted when this returns."""
        text = await self._offers.take(userid, card, slugs, datetime.now(UTC))
        if text:  # WeCom waits for the answer to its callback: the card is changed afterwards
            task = asyncio.create_task(self._offers.grey(userid, code, text))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
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
