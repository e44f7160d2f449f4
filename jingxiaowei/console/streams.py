"""Server-sent events: an open page hears that something about the alerts has changed, and asks.

What changed is not in the event: the page fetches the log through the gate like any other look.
"""

import asyncio
from datetime import UTC, datetime

from aiohttp import web

from jingxiaowei.console.guard import COOKIE
from jingxiaowei.services.bell import Bell, Stage, wait_for
from jingxiaowei.services.signins import SignIns

HEARTBEAT = 10.0
_MOST = 500


class Streams:
    def __init__(self, bell: Bell, sign_ins: SignIns) -> None:
        self._bell = bell
        self._sign_ins = sign_ins
        self._open: set[asyncio.Task[object]] = set()
        self._closing = False

    async def events(self, request: web.Request) -> web.StreamResponse:
        """``changed`` when something did, ``beat`` while nothing does; ends with the session."""
        if self._closing or len(self._open) >= _MOST:
            return web.Response(
                status=503, text="too many open pages", headers={"Retry-After": "5"}
            )
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await response.prepare(request)
            await response.write(b"retry: 3000\n\nevent: beat\ndata: 1\n\n")
            token = request.cookies.get(COOKIE, "")
            with self._bell.subscribe(Stage.ALERTS) as rung:
                while await self._sign_ins.whose(token, datetime.now(UTC), by_hand=False):
                    changed = await wait_for(rung, HEARTBEAT)
                    event = b"changed" if changed else b"beat"
                    await response.write(b"event: " + event + b"\ndata: 1\n\n")
        except ConnectionError:
            pass  # the browser is gone
        finally:
            self._open.discard(task)
        return response

    async def close(self, _app: web.Application) -> None:
        """A server that stops does not wait for open pages, nor for one that opens meanwhile."""
        self._closing = True
        for task in list(self._open):
            task.cancel()
