"""微信客服: what residents send is pulled page by page. Reading and sending stand beside it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from jingxiaowei.channels.wecom.api import WeComApi, WeComError
from jingxiaowei.channels.wecom.kf_items import parse
from jingxiaowei.channels.wecom.kf_send import KfSender
from jingxiaowei.pipeline.messages import Incoming
from jingxiaowei.services.inbox import KfAccount

__all__ = ["CursorStore", "KfAccount", "KfSender", "Puller", "StorePage", "parse"]

PAGE = 1000
TOKEN_LIFE = timedelta(minutes=10)
FIRST_RETRY = 1.0
BAD_TOKEN = 95007

_log = logging.getLogger(__name__)


class CursorStore(Protocol):
    """Knows every account that a notice has ever named."""

    async def accounts(self) -> Sequence[KfAccount]: ...


# Stores an account's next cursor and a page's messages in one transaction.
StorePage = Callable[[str, str, list[Incoming]], Awaitable[object]]


class Puller:
    """Pulls every account when a notice wakes it, and slowly otherwise, in case one was lost.

    Accounts are pulled concurrently, one account never twice at once. A page that could not be
    fetched or stored is fetched again from the same cursor: nothing is lost, at worst repeated.
    """

    def __init__(
        self,
        api: WeComApi,
        store_page: StorePage,
        cursor_store: CursorStore,
        poll_seconds: float = 60.0,
        retry_seconds: float = FIRST_RETRY,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._store_page = store_page
        self._cursor_store = cursor_store
        self._poll_seconds = poll_seconds
        self._retry_seconds = retry_seconds
        self._now = now
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._woken: dict[str, asyncio.Event] = {}
        self._unknown_woken = asyncio.Event()

    def wake(self, open_kfid: str) -> None:
        """A notice of this account has been stored: pull it now."""
        self._woken.get(open_kfid, self._unknown_woken).set()

    async def run(self) -> None:
        """Pull until cancelled; an account that appears is pulled from then on."""
        self._woken.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                self._unknown_woken.clear()
                try:
                    for account in await self._cursor_store.accounts():
                        if account.open_kfid not in self._woken:
                            self._woken[account.open_kfid] = asyncio.Event()
                            group.create_task(self._follow(account.open_kfid))
                except Exception as error:  # the database is away: the next round asks again
                    _log.error("accounts could not be read: %s", type(error).__name__)
                await _wait(self._unknown_woken, self._poll_seconds)

    async def _follow(self, open_kfid: str) -> None:
        woken, failures = self._woken[open_kfid], 0
        while True:
            woken.clear()
            try:
                await self.pull(open_kfid)
            except Exception as error:  # ours or WeCom's: back off, keep the notice, try again
                hopeless = isinstance(error, WeComError) and not error.retryable
                text = error if isinstance(error, WeComError) else type(error).__name__
                _log.error("account %s could not be pulled: %s", open_kfid, text)
                backoff = self._retry_seconds * 2.0 ** min(failures, 10)
                failures += 1
                await asyncio.sleep(
                    self._poll_seconds if hopeless else min(backoff, self._poll_seconds)
                )
            else:
                failures = 0
                await _wait(woken, self._poll_seconds)

    async def pull(self, open_kfid: str) -> int:
        """Pull an account to its end; how many messages came.

        Raises:
            WeComError: a page could not be fetched; the pages before it are stored.
        """
        async with self._locks[open_kfid]:
            known = {account.open_kfid: account for account in await self._cursor_store.accounts()}
            account = known.get(open_kfid, KfAccount(open_kfid))
            cursor, token, count = account.cursor, account.token, 0
            if account.token_at is None or self._now() - account.token_at >= TOKEN_LIFE:
                token = ""
            while True:
                try:
                    page = await self._page(open_kfid, cursor, token)
                except WeComError as error:
                    if error.errcode != BAD_TOKEN or not token:
                        raise
                    token = ""
                    continue
                items = page.get("msg_list") or []
                messages = [message for item in items if (message := parse(item)) is not None]
                next_cursor = page.get("next_cursor") or cursor
                moved = next_cursor != cursor
                if moved or messages:
                    await self._store_page(open_kfid, next_cursor, messages)
                cursor, count = next_cursor, count + len(messages)
                # A cursor that stands still would turn has_more into an endless loop.
                if not (page.get("has_more") and moved):
                    return count

    async def _page(self, open_kfid: str, cursor: str, token: str) -> dict[str, Any]:
        request = {"open_kfid": open_kfid, "limit": PAGE, "voice_format": 0}
        optional = {"cursor": cursor, "token": token}
        return await self._api.call(
            "kf/sync_msg", request | {name: value for name, value in optional.items() if value}
        )


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
