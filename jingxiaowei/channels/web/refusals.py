"""Saying no: every refusal has a status and words that the resident reads."""

import math
from typing import Any

import orjson
from aiohttp import web

from jingxiaowei.errors import JingxiaoweiError

TEXT_CHARACTERS = 10_000
TOO_LONG = f"这段太长了，最多 {TEXT_CHARACTERS:,} 字。请只说最要紧的。"
OTHER_SITE = "这一条不是从本页发来的，没有收。请打开聊天页再发。"

EXPORT_OVER = "这份已经下载过，或过了时间。回“给我一份”，再给您备一份。"


class RefusedError(JingxiaoweiError):
    """A request is turned down; ``retry_after`` in seconds, if waiting helps."""

    def __init__(self, status: int, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self._retry_after = retry_after

    def mark(self, response: web.Response) -> web.Response:
        """Give a response the refusal's status."""
        response.set_status(self.status)
        if self._retry_after:
            response.headers["Retry-After"] = str(math.ceil(self._retry_after))
        return response

    def as_json(self) -> web.Response:
        return self.mark(json_response({"error": self.text}))


def not_stored() -> RefusedError:
    """For a StoreError: nothing was taken."""
    return RefusedError(503, "没存上，您写的还在。请再试；紧急打 110。")


def json_response(data: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")
