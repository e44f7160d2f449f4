"""Group commit: many callers' items in one durable transaction.

While one group is being written, the next one collects. A transaction costs the same for one
message as for hundreds, so under load the cost of durability is shared and nearly vanishes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
log = logging.getLogger(__name__)


class GroupCommit(Generic[Item]):
    """Collects items and writes them together.

    Args:
        flush: writes the items in one transaction, or raises and has written none.
        limit: callers in one group; a transaction that grows without end is no gain.
    """

    def __init__(self, flush: Callable[[list[Item]], Awaitable[None]], limit: int = 400) -> None:
        self._flush = flush
        self._limit = limit
        self._waiting: list[tuple[Sequence[Item], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, items: Sequence[Item]) -> None:
        """Returns once the items are durable; raises what ``flush`` raised if they are not."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, done))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await done

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._write(group)
        finally:
            self._task = None

    async def _write(self, group: list[tuple[Sequence[Item], asyncio.Future[None]]]) -> None:
        try:
            await self._flush([item for items, _ in group for item in items])
        except Exception as error:
            if len(group) == 1:
                self._settle(group[0][1], error)
                return
            # One bad item must not take the others with it: each caller on its own.
            log.warning("a group of %d failed (%s), one by one", len(group), type(error).__name__)
            for single in group:
                await self._write([single])
        else:
            for _, done in group:
                self._settle(done, None)

    @staticmethod
    def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
        if done.done():  # the caller has gone; the item is written all the same
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
