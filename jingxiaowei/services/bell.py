"""The wake-up between stages: an event in this process, LISTEN/NOTIFY between processes.

A missed ring costs a moment, never a message: every worker also looks for itself now and then.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.store.engine import Database

_CHANNEL = "jingxiaowei"
log = logging.getLogger(__name__)


class Stage(StrEnum):
    INBOX = "inbox"
    OUTBOX = "outbox"
    CHAT = "chat"
    MEDIA = "media"
    ALERTS = "alerts"


class Bell:
    """Rings for a stage and waits for one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._events: dict[Stage, set[asyncio.Event]] = defaultdict(set)

    async def announce(self, connection: AsyncConnection, stage: Stage) -> None:
        """Tell the other processes, once this transaction commits (PostgreSQL only)."""
        if not self._database.sqlite:
            await connection.execute(
                text("SELECT pg_notify(:channel, :stage)"), {"channel": _CHANNEL, "stage": stage}
            )

    def ring(self, stage: Stage) -> None:
        """Wake who waits for the stage in this process."""
        for event in self._events[stage]:
            event.set()

    async def wait(self, stage: Stage, seconds: float) -> bool:
        """Until the stage rings, or some seconds have passed; whether it rang."""
        with self.subscribe(stage) as event:
            return await wait_for(event, seconds)

    @contextlib.contextmanager
    def subscribe(self, stage: Stage) -> Iterator[asyncio.Event]:
        """An event that is set at each ring from here on; clear it before looking."""
        event = asyncio.Event()
        self._events[stage].add(event)
        try:
            yield event
        finally:
            self._events[stage].discard(event)

    async def listen(self) -> None:
        """Pass the other processes' rings on, for as long as the task lives."""
        if self._database.sqlite:
            return
        import asyncpg  # where SQLite is used nothing needs it

        dsn = self._database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            try:
                connection = await asyncpg.connect(dsn)
                try:
                    await connection.add_listener(_CHANNEL, self._heard)
                    while not connection.is_closed():
                        await asyncio.sleep(5)
                        await connection.execute("SELECT 1")
                finally:
                    with contextlib.suppress(OSError, asyncpg.PostgresError):
                        await connection.close(timeout=2)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("listening was interrupted (%s), again soon", type(error).__name__)
                await asyncio.sleep(2)

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        with contextlib.suppress(ValueError):
            self.ring(Stage(str(payload)))


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Until an event is set, at most some seconds; whether it was set. Clears it."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True
