"""The chat page over real HTTP, with the services behind it held in memory."""

import asyncio
import io
import struct
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from jingxiaowei.channels.web import Chat, Limits, make_chat, make_privacy
from jingxiaowei.channels.web.rates import Buckets
from jingxiaowei.channels.web.sessions import COOKIE
from jingxiaowei.errors import StoreError
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind, Option
from jingxiaowei.services.transcript import Line, Reply
from jingxiaowei.settings import Mode, Settings

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


@pytest.fixture
def chat() -> FakeChat:
    return FakeChat()


@pytest.fixture
async def open_client(aiohttp_client: Any, chat: FakeChat) -> Open:
    async def start(limits: Limits | None = None, **changes: Any) -> TestClient[Any, Any]:
        return await aiohttp_client(make_app(chat, settings_for(**changes), limits))

    return start


@pytest.fixture
async def client(open_client: Open) -> TestClient[Any, Any]:
    return await open_client()


async def text_of(client: TestClient[Any, Any], path: str = "/chat") -> str:
    response = await client.get(path)
    assert response.status == 200
    return await response.text()


def cookie_of(client: TestClient[Any, Any]) -> str:
    return next(c.value for c in client.session.cookie_jar if c.key == COOKIE)


class TestPage:
    async def test_first_visit_is_welcomed_and_remembered(self, client, chat):
        response = await client.get("/chat")
        page = await response.text()
        assert WELCOME in page
        [enter] = chat.received
        assert enter.kind is MessageKind.ENTER
        assert enter.channel is Channel.WEB
        assert enter.account == "web"
        assert enter.sender not in cookie_of(client)
        assert cookie_of(client) not in repr(chat.received)
        set_cookie = response.headers["Set-Cookie"]
        assert "HttpOnly" in set_cookie
        assert "SameSite=Lax" in set_cookie
        assert "Path=/chat" in set_cookie
        assert "Secure" not in set_cookie

    async def test_a_second_visit_keeps_the_session(self, client, chat):
        await client.get("/chat")
        await client.get("/chat")
        assert len(chat.received) == 1

    @pytest.mark.parametrize("cookie", ["", "x", "a" * 43, f"{'a' * 43}.{'0' * 64}", "é.é", "…"])
    async def test_a_foreign_cookie_begins_a_new_session(self, client, chat, cookie):
        for _ in range(2):
            client.session.cookie_jar.clear()
            await client.get("/chat", headers={"Cookie": f"{COOKIE}={cookie}"})
        assert len({m.sender for m in chat.received}) == 2

    async def test_cookie_is_secure_in_production(self, open_client):
        client = await open_client(mode=Mode.PRODUCTION, chat_enabled=True)
        response = await client.get("/chat")
        assert "Secure" in response.headers["Set-Cookie"]

    async def test_headers(self, client):
        response = await client.get("/chat")
        policy = response.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert response.headers["Cache-Control"] == "no-store"
        page = await response.text()
        assert "style=" not in page
        assert "onclick" not in page
        assert "http" not in page.replace("http-equiv", "")

    @pytest.mark.parametrize(
        ("file", "kind"),
        [
            ("chat.css", "text/css"),
            ("chat.js", "javascript"),
            ("page.js", "javascript"),
            ("icon.svg", "image/svg+xml"),
        ],
    )
    async def test_static_files(self, client, file, kind):
        for root in ("/chat", "/privacy"):
            response = await client.get(f"{root}/static/{file}")
            assert response.status == 200
            assert response.content_type.endswith(kind)
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cache-Control"] == "no-cache"

    async def test_slash_leads_to_the_page(self, client):
        response = await client.get("/chat/", allow_redirects=False)
        assert response.status == 308
        assert response.headers["Location"] == "/chat"

    async def test_text_is_escaped(self, client, chat):
        await client.get("/chat")
        evil = "<script>alert(1)</script>"
        await client.post("/chat/send", data={"text": evil}, headers=OWN_PAGE)
        await chat.add(chat.received[0].sender, "officer", evil, (Option('"><b>', evil),), evil)
        page = await text_of(client)
        assert evil not in page
        assert "&lt;script&gt;" in page

    async def test_only_the_newest_options_count(self, client, chat):
        await client.get("/chat")
        assert " disabled" not in await text_of(client)
        await client.post("/chat/send", data={"text": "在吗"}, headers=OWN_PAGE)
        assert (await text_of(client)).count(" disabled") == 2
        await client.post("/chat/send", data={"text": "菜单"}, headers=OWN_PAGE)
        assert (await text_of(client)).count(" disabled") == 2

    async def test_officers_have_their_name(self, client, chat):
        await client.get("/chat")
        await chat.add(chat.received[0].sender, "officer", "我来办。", name="辅警王芳")
        page = await text_of(client)
        assert "辅警王芳" in page
        assert 'class="line officer"' in page

    async def test_long_text_is_folded(self, client):
        await client.get("/chat")
        await client.post("/chat/send", data={"text": "长" * 10_000}, headers=OWN_PAGE)
        assert '<span class="count">9700</span>' in await text_of(client)

    async def test_store_fault_still_shows_the_way_to_110(self, client, chat):
        chat.broken = True
        response = await client.get("/chat")
        assert response.status == 503
        assert "tel:110" in await response.text()
        assert "Set-Cookie" not in response.headers

    async def test_switched_off_everything_is_404(self, open_client):
        client = await open_client(mode=Mode.PRODUCTION)
        for path in ("/chat", "/chat/", "/chat/events", "/chat/static/chat.css"):
            assert (await client.get(path)).status == 404
        for path in ("/chat/send", "/chat/images", "/chat/messages"):
            assert (await client.post(path, headers=OWN_PAGE)).status == 404
        for path in ("/privacy", "/privacy/"):
            assert (await client.get(path)).status == 200

    async def test_privacy_names_what_the_law_asks_for(self, client):
        page = await text_of(client, "/privacy")
        for word in (
            "海盐县公安局",
            "半年",
            "删除",
            "更正",
            "撤回同意",
            "十四周岁",
            "12345",
            "Cookie",
        ):
            assert word in page


class TestSend:
    async def test_a_form_leads_back_to_the_page(self, client, chat):
        await client.get("/chat")
        response = await client.post(
            "/chat/send", data={"text": " 身份证\r\n丢了 "}, headers=OWN_PAGE, allow_redirects=False
        )
        assert response.status == 303
        assert response.headers["Location"] == "/chat#end"
        message = chat.received[-1]
        assert message.text == "身份证\n丢了"
        assert message.kind is MessageKind.TEXT
        assert message.settle == 0.4
        assert "您说：身份证" in await text_of(client)

    async def test_a_script_gets_json(self, client, chat):
        await client.get("/chat")
        response = await client.post("/chat/send", data={"text": "在吗"}, headers=OWN_SCRIPT)
        assert response.status == 200
        assert set(await response.json()) == {"clock", "fresh"}

    async def test_a_tapped_option_carries_its_id(self, client, chat):
        await client.get("/chat")
        data = {"text": "问办事", "menu_id": "menu"}
        await client.post("/chat/send", data=data, headers=OWN_PAGE)
        assert (chat.received[-1].text, chat.received[-1].menu_id) == ("问办事", "menu")

    async def test_sending_again_counts_once(self, client, chat):
        await client.get("/chat")
        data = {"text": "在吗", "message_id": str(uuid4())}
        for _ in range(2):
            response = await client.post("/chat/send", data=data, headers=OWN_SCRIPT)
            assert response.status == 200
        assert [m.message_id for m in chat.received[1:]] == [data["message_id"]]

    @pytest.mark.parametrize("message_id", ["", "enter-1", "A" * 36, "a" * 36 + "\n"])
    async def test_other_ids_are_replaced(self, client, chat, message_id):
        await client.get("/chat")
        data = {"text": "在吗", "message_id": message_id}
        await client.post("/chat/send", data=data, headers=OWN_SCRIPT)
        assert len(chat.received[-1].message_id) == 36
        assert chat.received[-1].message_id != message_id

    async def test_without_a_session_nothing_is_lost(self, client, chat):
        response = await client.post("/chat/send", data={"text": "救命"}, headers=OWN_SCRIPT)
        assert (await response.json())["fresh"] is True
        assert [m.kind for m in chat.received] == [MessageKind.ENTER, MessageKind.TEXT]
        assert "救命" in await text_of(client)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "null"},
            {"Origin": "https://evil.example"},
        ],
    )
    async def test_other_pages_and_plain_clients_are_refused(self, client, chat, headers):
        await client.get("/chat")
        for path in ("/chat/send", "/chat/images"):
            response = await client.post(path, data={"text": "在吗"}, headers=headers)
            assert response.status == 403
        assert len(chat.received) == 1

    async def test_origin_alone_is_enough(self, client, chat):
        await client.get("/chat")
        headers = {"Origin": str(client.make_url("/")).rstrip("/")}
        response = await client.post("/chat/send", data={"text": "在吗"}, headers=headers)
        assert response.status == 200
        assert chat.received[-1].text == "在吗"

    @pytest.mark.parametrize(
        ("text", "status", "words"),
        [("  ", 400, "还没有写字"), ("\0", 400, "还没有写字"), ("长" * 10_001, 413, "10,000 字")],
    )
    async def test_refused_texts_stay_in_the_box(self, client, chat, text, status, words):
        await client.get("/chat")
        response = await client.post("/chat/send", data={"text": text}, headers=OWN_PAGE)
        assert response.status == status
        page = await response.text()
        assert words in page
        assert WELCOME in page
        assert text.strip("\0 ") in page
        response = await client.post("/chat/send", data={"text": text}, headers=OWN_SCRIPT)
        assert response.status == status
        assert words in (await response.json())["error"]
        assert len(chat.received) == 1

    async def test_the_longest_text_is_taken(self, client, chat):
        await client.get("/chat")
        await client.post("/chat/send", data={"text": "长" * 10_000}, headers=OWN_SCRIPT)
        assert len(chat.received[-1].text) == 10_000

    async def test_huge_and_broken_bodies(self, client, chat):
        for body, status in ((b"text=" + b"x" * 300_000, 413), (b"\xff\xfe", 400)):
            response = await client.post("/chat/send", data=body, headers=OWN_SCRIPT)
            assert response.status == status
        for path in ("/chat/send", "/chat/messages"):
            # By hand: aiohttp closes the line at once, and its client would not see the answer.
            reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
            sent = "".join(f"{name}: {value}\r\n" for name, value in OWN_SCRIPT.items())
            sent += "Content-Encoding: gzip\r\nContent-Length: 7"
            writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{sent}\r\n\r\nno gzip".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
            writer.close()
            await writer.wait_closed()
        many = "&".join(f"f{i}=1" for i in range(50)).encode()
        assert (await client.post("/chat/send", data=many, headers=OWN_SCRIPT)).status == 400
        long_id = {"text": "在吗", "menu_id": "x" * 65}
        assert (await client.post("/chat/send", data=long_id, headers=OWN_SCRIPT)).status == 400
        assert chat.received == []

    async def test_store_fault_keeps_the_text(self, client, chat):
        await client.get("/chat")
        chat.broken = True
        response = await client.post("/chat/send", data={"text": "别丢了"}, headers=OWN_PAGE)
        assert response.status == 503
        page = await response.text()
        assert ">别丢了</textarea>" in page
        assert "没存上" in page
        response = await client.post("/chat/send", data={"text": "别丢了"}, headers=OWN_SCRIPT)
        assert response.status == 503


class TestRates:
    async def test_too_many_texts_of_a_session(self, open_client, chat):
        client = await open_client(Limits(messages=2))
        await client.get("/chat")
        for _ in range(2):
            await client.post("/chat/send", data={"text": "在吗"}, headers=OWN_SCRIPT)
        response = await client.post("/chat/send", data={"text": "在吗"}, headers=OWN_SCRIPT)
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 30
        assert (await response.json())["error"] == VOICE["rate"]
        response = await client.post("/chat/send", data={"text": "第三条"}, headers=OWN_PAGE)
        page = await response.text()
        assert "框里这条还没发" in page
        assert ">第三条</textarea>" in page
        assert len(chat.received) == 3

    async def test_too_many_from_an_address(self, open_client, chat):
        client = await open_client(Limits(address=3))
        for _ in range(3):
            client.session.cookie_jar.clear()
            assert (await client.get("/chat")).status == 200
        client.session.cookie_jar.clear()
        assert (await client.get("/chat")).status == 429
        assert len(chat.received) == 3

    async def test_the_last_hop_counts_behind_a_trusted_proxy(self, open_client):
        client = await open_client(Limits(address=1), trusted_proxy=True)
        for hops, status in (
            ("9.9.9.9, 1.1.1.1", 200),
            ("9.9.9.9, 2.2.2.2", 200),
            ("8.8.8.8, 1.1.1.1", 429),
            ("2001:db8::1", 200),
            ("2001:db8::2", 429),
            ("nonsense", 200),
            ("more nonsense", 429),
        ):
            client.session.cookie_jar.clear()
            response = await client.get("/chat", headers={"X-Forwarded-For": hops})
            assert response.status == status, hops

    async def test_hops_are_ignored_without_a_proxy(self, open_client):
        client = await open_client(Limits(address=1))
        for hop, status in (("1.1.1.1", 200), ("2.2.2.2", 429)):
            client.session.cookie_jar.clear()
            response = await client.get("/chat", headers={"X-Forwarded-For": hop})
            assert response.status == status

    def test_buckets_refill_and_stay_few(self):
        now = 0.0
        buckets = Buckets(2, size=3, clock=lambda: now)
        assert [buckets.take("a") for _ in range(3)] == [0, 0, 30]
        now = 30.0
        assert buckets.take("a") == 0
        for key in "bcde":
            buckets.take(key)
        assert len(buckets) == 3
        assert buckets.take("a") == 0


class TestImages:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
    async def test_a_picture_is_kept_and_handed_in(self, client, chat, kind):
        await client.get("/chat")
        message_id = str(uuid4())
        data = picture(kind=kind)
        response = await client.post(
            "/chat/images", data=upload(data, message_id), headers=OWN_SCRIPT
        )
        assert response.status == 200
        message = chat.received[-1]
        assert (message.kind, message.message_id) == (MessageKind.IMAGE, message_id)
        assert chat.images[message.media_id] == (data, f"image/{kind.lower()}")

    async def test_a_form_leads_back_to_the_page(self, client):
        await client.get("/chat")
        response = await client.post("/chat/images", data=upload(picture()), headers=OWN_PAGE)
        assert response.status == 200
        assert 'class="picture"' in await response.text()

    @pytest.mark.parametrize(
        ("data", "status", "words"),
        [
            (b"", 400, "还没选图片"),
            (b"%PDF-1.7 " + b"x" * 100, 415, "只能发图片"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "只能发图片"),
            (picture()[:20], 400, "打不开"),
            (picture(kind="JPEG")[:30], 400, "打不开"),
            (picture(kind="GIF")[:8], 400, "打不开"),
            (bomb(100_000, 100_000), 413, "尺寸太大"),
            (bomb(10_000, 9_500), 413, "尺寸太大"),
            (bomb(6_000, 5_001), 413, "尺寸太大"),
            (b"\x89PNG\r\n\x1a\n" + b"x" * (5 * 1024 * 1024), 413, "5 MB"),
            (b"\x89PNG\r\n\x1a\n" + b"x" * (6 * 1024 * 1024), 413, "5 MB"),
        ],
        ids=lambda value: None if isinstance(value, bytes) else str(value),
    )
    async def test_refused_pictures(self, client, chat, data, status, words):
        await client.get("/chat")
        response = await client.post("/chat/images", data=upload(data), headers=OWN_SCRIPT)
        assert response.status == status
        assert words in (await response.json())["error"]
        assert chat.images == {}
        assert len(chat.received) == 1

    async def test_other_bodies(self, client):
        await client.get("/chat")
        cases: list[tuple[Any, dict[str, str], int]] = [
            ({"image": "x"}, {}, 415),
            (picture(), {"Content-Type": "image/png"}, 415),
            (b"x", {"Content-Type": "multipart/form-data"}, 400),
            (b"x", {"Content-Type": "multipart/form-data; boundary=b"}, 400),
            (upload(picture(), name="other"), {}, 400),
        ]
        for body, headers, status in cases:
            response = await client.post("/chat/images", data=body, headers=OWN_SCRIPT | headers)
            assert response.status == status

    async def test_a_body_of_unknown_length(self, client):
        async def parts():
            yield b"--b\r\n"

        headers = OWN_SCRIPT | {"Content-Type": "multipart/form-data; boundary=b"}
        response = await client.post("/chat/images", data=parts(), headers=headers)
        assert response.status == 411

    async def test_too_many_pictures(self, open_client):
        client = await open_client(Limits(pictures=1))
        await client.get("/chat")
        for status in (200, 429):
            response = await client.post("/chat/images", data=upload(picture()), headers=OWN_SCRIPT)
            assert response.status == status


async def read_event(response: Any) -> dict[str, str]:
    event: dict[str, str] = {}
    while line := (await response.content.readline()).decode().rstrip("\n"):
        name, _, value = line.partition(": ")
        event[name] = f"{event[name]}\n{value}" if name in event else value
    return event


class TestEvents:
    async def test_lines_arrive_as_they_are_said(self, client, chat):
        await client.get("/chat")
        sender = chat.received[0].sender
        async with asyncio.timeout(5):
            response = await client.get("/chat/events?after=1")
            assert response.content_type == "text/event-stream"
            assert response.headers["Cache-Control"] == "no-store"
            assert await read_event(response) == {"retry": "3000"}
            await chat.add(sender, "officer", "第一行\n第二行\u2028<b>", name="民警李强")
            event = await read_event(response)
        assert event["id"] == "2"
        assert "第一行\n第二行\u2028&lt;b&gt;" in event["data"]
        assert "民警李强" in event["data"]
        response.close()

    @pytest.mark.parametrize(
        ("headers", "query", "first"),
        [
            ({}, "", "1"),
            ({}, "?after=2", "3"),
            ({"Last-Event-ID": "2"}, "?after=0", "3"),
            ({"Last-Event-ID": "-1"}, "", "1"),
            ({"Last-Event-ID": "9" * 40}, "", "1"),
            ({"Last-Event-ID": "٣"}, "", "1"),
        ],
    )
    async def test_resumption(self, client, chat, headers, query, first):
        await client.get("/chat")
        for text in ("二", "三"):
            await chat.add(chat.received[0].sender, "bot", text)
        response = await client.get(f"/chat/events{query}", headers=headers)
        await read_event(response)
        assert (await read_event(response))["id"] == first
        response.close()

    async def test_heartbeat(self, open_client):
        client = await open_client(Limits(heartbeat_seconds=0.01))
        await client.get("/chat")
        response = await client.get("/chat/events?after=1")
        await read_event(response)
        for _ in range(2):
            assert await read_event(response) == {"event": "beat", "data": "1"}
        response.close()

    async def test_own_lines_only(self, client, chat):
        await client.get("/chat")
        client.session.cookie_jar.clear()
        await client.get("/chat")
        await chat.add(chat.received[0].sender, "bot", "不该看到")
        await chat.add(chat.received[1].sender, "bot", "该看到")
        response = await client.get("/chat/events?after=1")
        await read_event(response)
        data = (await read_event(response))["data"]
        assert "不该看到" not in data
        assert "该看到" in data
        response.close()

    async def test_without_a_session(self, client):
        assert (await client.get("/chat/events")).status == 403

    async def test_only_so_many_at_a_time(self, open_client):
        client = await open_client(Limits(streams=2))
        await client.get("/chat")
        held = [await client.get("/chat/events?after=1") for _ in range(2)]
        refused = await client.get("/chat/events?after=1")
        assert refused.status == 429
        for response in held:
            response.close()
        async with asyncio.timeout(5):
            while (again := await client.get("/chat/events?after=1")).status == 429:
                pass
        again.close()

    async def test_only_so_many_in_all(self, open_client):
        client = await open_client(Limits(all_streams=1))
        await client.get("/chat")
        held = await client.get("/chat/events")
        client.session.cookie_jar.clear()
        await client.get("/chat")
        assert (await client.get("/chat/events")).status == 429
        held.close()

    async def test_a_server_that_stops_does_not_wait(self, chat):
        server = TestServer(make_app(chat, settings_for()))
        async with TestClient(server) as client, asyncio.timeout(5):
            await client.get("/chat")
            response = await client.get("/chat/events?after=1")
            await read_event(response)
            await server.close()
            assert await response.content.read() == b""

    async def test_a_store_fault_ends_the_stream(self, client, chat, monkeypatch):
        await client.get("/chat")

        async def fail(sender: str, after: int) -> list[Line]:
            raise StoreError("the disk is full")

        monkeypatch.setattr(chat, "lines_after", fail)
        response = await client.get("/chat/events")
        assert await response.text() == "retry: 3000\n\n"


class TestScripts:
    async def test_a_message_is_answered(self, client, chat):
        response = await client.post("/chat/messages", json={"session": "a", "text": "身份证"})
        assert response.status == 200
        assert await response.json() == {
            "reply": "您说：身份证",
            "kind": "answer",
            "faq": "id-card-reissue",
            "fact": "H03",
            "options": [],
        }
        [message] = chat.received
        assert message.sender == "script:a"
        assert message.settle == 0

    async def test_options_are_told(self, client):
        response = await client.post("/chat/messages", json={"session": "a", "text": "菜单"})
        assert (await response.json())["options"] == [
            {"id": "menu", "label": "问办事"},
            {"id": "suspicious", "label": "可疑的事"},
        ]

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b"[]", 400),
            (b"\xff", 400),
            (b'"text"', 400),
            (b'{"session": "a"}', 400),
            (b'{"text": "a"}', 400),
            (b'{"session": "", "text": "a"}', 400),
            (b'{"session": 1, "text": "a"}', 400),
            (b'{"session": "a\\u0000", "text": "a"}', 400),
            (b'{"session": "' + b"a" * 65 + b'", "text": "a"}', 400),
            (b'{"session": "a", "text": " "}', 400),
            (b'{"session": "a", "text": ["x"]}', 400),
            (b'{"session": "a", "text": "\\ud800"}', 400),
            (b'{"session": "a", "text": "' + b"x" * 10_001 + b'"}', 413),
            (b'{"session": "a", "text": "' + b"x" * 300_000 + b'"}', 413),
            (b"[" * 100_000, 400),
        ],
        ids=range(17),
    )
    async def test_refusals_are_json(self, client, chat, body, status):
        response = await client.post("/chat/messages", data=body)
        assert response.status == status
        assert (await response.json())["error"]
        assert chat.received == []

    async def test_other_pages_are_refused(self, client):
        response = await client.post(
            "/chat/messages",
            json={"session": "a", "text": "在吗"},
            headers={"Sec-Fetch-Site": "cross-site"},
        )
        assert response.status == 403

    async def test_too_many(self, open_client):
        client = await open_client(Limits(script_messages=1, script_address=2))
        for session, status in (("a", 200), ("a", 429), ("b", 429)):
            response = await client.post(
                "/chat/messages", json={"session": session, "text": "在吗"}
            )
            assert response.status == status

    async def test_no_reply_in_time(self, client, chat):
        chat.answer = lambda message: None
        response = await client.post("/chat/messages", json={"session": "a", "text": "在吗"})
        assert response.status == 504
        assert "没有答复" in (await response.json())["error"]

    async def test_store_fault(self, client, chat):
        chat.broken = True
        response = await client.post("/chat/messages", json={"session": "a", "text": "在吗"})
        assert response.status == 503

    async def test_demo_mode_only(self, open_client):
        client = await open_client(mode=Mode.PRODUCTION, chat_enabled=True)
        response = await client.post("/chat/messages", json={"session": "a", "text": "在吗"})
        assert response.status == 404
