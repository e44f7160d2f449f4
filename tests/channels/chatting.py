"""The services behind the chat page held in memory, and what a browser sends."""

import asyncio
import io
import struct
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import FormData, web
from aiohttp.test_utils import TestClient
from PIL import Image

from jingxiaowei.channels.web import Chat, Limits, make_chat, make_privacy
from jingxiaowei.channels.web.sessions import COOKIE
from jingxiaowei.errors import StoreError
from jingxiaowei.pipeline.messages import Incoming, MessageKind, Option
from jingxiaowei.services.transcript import Line, Reply
from jingxiaowei.settings import Settings

VOICE = {
    "rate": "都收到了，正一条条看，不用重发。",
    "image_bad": "这个文件打不开。请截图再发，5 MB 以内。",
}
WELCOME = "您好，我是警小微，是机器人。"
MENU = (Option("menu", "问办事"), Option("suspicious", "可疑的事"))
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
OWN_SCRIPT = {**OWN_PAGE, "Accept": "application/json"}

Answer = Callable[[Incoming], Reply | None]


def echo(message: Incoming) -> Reply | None:
    """The bot of these tests: welcomes, repeats, and gives buttons when asked for a menu."""
    if message.kind is MessageKind.ENTER:
        return Reply("welcome", WELCOME, "", "", MENU)
    if message.kind is MessageKind.IMAGE:
        return Reply("notice", "图收到了，已请人看。", "", "", ())
    options = MENU if message.text == "菜单" else ()
    return Reply("answer", f"您说：{message.text}", "id-card-reissue", "H03", options)


class FakeChat:
    """The services in memory: every message is answered at once."""

    def __init__(self, answer: Answer = echo) -> None:
        self.answer = answer
        self.broken = False
        self.received: list[Incoming] = []
        self.images: dict[str, tuple[bytes, str]] = {}
        self.replies: dict[str, Reply | None] = {}
        self.lines: dict[str, list[Line]] = defaultdict(list)
        self._rang = asyncio.Condition()

    async def receive(self, batch: Sequence[Incoming]) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        for message in batch:
            if message.message_id in self.replies:
                continue
            self.received.append(message)
            if message.kind is not MessageKind.ENTER:
                picture = message.kind is MessageKind.IMAGE
                await self.add(message.sender, "resident", message.text, picture=picture)
            reply = self.replies[message.message_id] = self.answer(message)
            if reply is not None:
                await self.add(message.sender, "bot", reply.text, reply.options)

    async def add(
        self,
        sender: str,
        who: Any,
        text: str,
        options: tuple[Option, ...] = (),
        name: str = "",
        picture: bool = False,
    ) -> None:
        lines = self.lines[sender]
        lines.append(
            Line(len(lines) + 1, who, name, text, options, datetime.now(UTC), picture=picture)
        )
        async with self._rang:
            self._rang.notify_all()

    async def history(self, sender: str, limit: int = 60) -> list[Line]:
        return self.lines[sender][-limit:]

    async def lines_after(self, sender: str, after: int) -> list[Line]:
        return [x for x in self.lines[sender] if x.number > after and x.who != "resident"]

    async def wait(self, sender: str, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds), self._rang:
                await self._rang.wait()
        except TimeoutError:
            pass

    async def keep_image(self, sender: str, data: bytes, content_type: str) -> str:
        media_id = f"media-{len(self.images)}"
        self.images[media_id] = (data, content_type)
        return media_id

    async def reply_to(self, message_id: str, sender: str, seconds: float) -> Reply | None:
        return self.replies.get(message_id)


def settings_for(**changes: Any) -> Settings:
    values: dict[str, Any] = {"secret_key": "s" * 40, "unit_name": "海盐县公安局", **changes}
    return Settings(_env_file=None, **values)


def make_app(chat: Chat, settings: Settings, limits: Limits | None = None) -> web.Application:
    app = web.Application()
    app.add_subapp("/chat", make_chat(chat, settings, VOICE.__getitem__, limits))
    app.add_subapp("/privacy", make_privacy(settings))
    return app


def picture(width: int = 8, height: int = 8, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(file, kind)
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of some dozen bytes that says it is enormous."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def upload(data: bytes, message_id: str = "", name: str = "image") -> FormData:
    form = FormData()
    if message_id:
        form.add_field("message_id", message_id)
    form.add_field(name, io.BytesIO(data), filename="shot.png", content_type="image/png")
    return form


Open = Callable[..., Awaitable[TestClient[Any, Any]]]


async def text_of(client: TestClient[Any, Any], path: str = "/chat") -> str:
    response = await client.get(path)
    assert response.status == 200
    return await response.text()


def cookie_of(client: TestClient[Any, Any]) -> str:
    return next(c.value for c in client.session.cookie_jar if c.key == COOKIE)
