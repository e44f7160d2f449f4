"""What those who run it ask: alive, ready, and in figures."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from jingxiaowei.content.model import Library

STALE_CONTENT = Gauge("jxw_content_edit_refused", "1 while the newest edit is not in force")


class Content(Protocol):
    """The content of the moment, and why the newest edit is not it."""

    complaint: str

    @property
    def library(self) -> Library: ...


def routes(
    not_ready: Callable[[], Awaitable[str]], content: Content, token: str
) -> list[web.RouteDef]:
    """``/healthz``, ``/readyz`` and ``/metrics``.

    Args:
        not_ready: why this process should get no traffic, or empty.
        token: reads the metrics from another machine; empty: nobody does.
    """

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(_request: web.Request) -> web.Response:
        reason = await not_ready()
        if reason:
            return web.json_response({"ok": False, "reason": reason}, status=503)
        ready: dict[str, object] = {"ok": True, "entries": len(content.library.entries)}
        if content.complaint:
            ready["content"] = "the newest edit is broken and not in force, see the log"
        return web.json_response(ready)

    async def metrics(request: web.Request) -> web.Response:
        if not (_from_here(request) or _bears(request, token)):
            return web.Response(status=403, text="metrics are for this machine, or with a token")
        STALE_CONTENT.set(bool(content.complaint))
        response = web.Response(body=generate_latest())
        response.headers["Content-Type"] = CONTENT_TYPE_LATEST
        return response

    return [
        web.get("/healthz", healthz),
        web.get("/readyz", readyz),
        web.get("/metrics", metrics),
    ]


def _from_here(request: web.Request) -> bool:
    """Whether the request comes from this machine, and not through a proxy on it."""
    if request.remote is None or "X-Forwarded-For" in request.headers:
        return False
    return ipaddress.ip_address(request.remote).is_loopback


def _bears(request: web.Request, token: str) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(token) and hmac.compare_digest(given.encode(), token.encode())
