"""Server-sent events: each open page hears the bot's and the officers' lines as they come in."""

import asyncio
import re
from collections import defaultdict

from aiohttp import web

from jingxiaowei.channels.web.pages import event
from jingxiaowei.channels.web.port import Chat, Limits
from jingxiaowei.channels.web.refusals import RefusedError
from jingxiaowei.channels.web.sessions import Sessions
from jingxiaowei.errors import StoreError

_NUMBER = re.compile(r"[0-9]{1,18}")
_RETRY = b"retry: 3000\n\n"
_GONE = b"event: gone\ndata: 1\n\n"
_BEAT = b"event: beat\ndata: 1\n\n"  # a comment would not reach the page's script


class Streams:
    def __init__(self, chat: Chat, sessions: Sessions, limits: Limits) -> None:
        self._chat = chat
        self._sessions = sessions
        self._limits = limits
        self._heartbeat = limits.heartbeat_seconds
        self._open: defaultdict[str, set[asyncio.Transport]] = defaultdict(set)
        self._waiting: set[asyncio.Task[None]] = set()
        self._closing = False

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Lines from the one after ``Last-Event-ID`` (on a first visit: ``?after=``)."""
        session = self._sessions.of(request)
        if session.new:
            return RefusedError(403, "还没有会话，请先打开聊天页。").as_json()
        transport = request.transport
        if transport is None or self._full(session.sender):
            return RefusedError(429, "开着的页面太多，请关掉几个。", retry_after=5).as_json()
        asked = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        after = int(asked) if _NUMBER.fullmatch(asked) else 0
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        self._open[session.sender].add(transport)
        try:
            await response.prepare(request)
            await response.write(_RETRY)
            await self._follow(request, response, session.sender, after)
        except (ConnectionError, StoreError):
            pass  # the browser comes back by itself, with the number it has reached
        finally:
            self._open[session.sender].discard(transport)
            if not self._open[session.sender]:
                del self._open[session.sender]
        return response

    async def close(self, _app: web.Application) -> None:
        """End the open streams: a server that stops does not wait for them."""
        self._closing = True
        for task in self._waiting:
            task.cancel()

    def _full(self, sender: str) -> bool:
        # A page that was left is noticed at the next heartbeat; until then it must not count.
        mine = sum(not transport.is_closing() for transport in self._open.get(sender, ()))
        everyone = sum(map(len, self._open.values()))
        return mine >= self._limits.streams or everyone >= self._limits.all_streams

    async def _follow(
        self, request: web.Request, response: web.StreamResponse, sender: str, after: int
    ) -> None:
        time = asyncio.get_running_loop().time
        written = time()
        while not self._closing:
            # Wait first, look second: a line that arrives between the two must wake us.
            waiting = asyncio.create_task(self._chat.wait(sender, self._heartbeat))
            self._waiting.add(waiting)
            try:
                await asyncio.sleep(0)
                lines = await self._chat.lines_after(sender, after)
                if lines is None:
                    # What the page shows is erased: it clears itself, and begins anew.
                    await response.write(_GONE)
                    after, lines = 0, []
                for line in lines:
                    await response.write(event(request, line))
                    after, written = line.number, time()
                if not lines and time() - written >= self._heartbeat:
                    await response.write(_BEAT)
                    written = time()
                await asyncio.wait({waiting})
                if not waiting.cancelled():
                    waiting.result()
            finally:
                waiting.cancel()
                self._waiting.discard(waiting)
