"""The callback through a real server: what is stored, what is acknowledged, what is refused."""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha1
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from wechatpy.work.crypto import PrpCrypto, WeChatCrypto
from yarl import URL

from jingxiaowei.channels.wecom.callback import PATH, routes
from jingxiaowei.channels.wecom.codec import Codec
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind
from tests.fakes import FakeWeCom

Serve = Callable[[web.Application], Awaitable[TestServer]]


class Inbox:
    """Where the callback hands things on to; ``broken`` is a full disk."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, str]] = []
        self.messages: list[Incoming] = []
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.broken = False

    def check(self) -> None:
        if self.broken:
            raise OSError("no space left for: 我叫张三")

    async def on_notice(self, open_kfid: str, token: str) -> None:
        self.check()
        self.notices.append((open_kfid, token))

    async def receive(self, batch: list[Incoming]) -> None:
        self.check()
        self.messages += batch

    async def on_event(self, name: str, fields: Mapping[str, Any]) -> None:
        self.check()
        self.events.append((name, fields))


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def url(fake: FakeWeCom, inbox: Inbox, aiohttp_server: Serve) -> str:
    app = web.Application()
    codec = Codec(fake.callback_token, fake.aes_key, fake.corp_id)
    app.add_routes(routes(codec, inbox.on_notice, inbox.receive, inbox.on_event))
    return str((await aiohttp_server(app)).make_url(PATH))


def member_xml(msgtype: str, body: str, msgid: str = "<MsgId>1234567890123456</MsgId>") -> str:
    return (
        "<xml><ToUserName><![CDATA[ww]]></ToUserName><FromUserName><![CDATA[officer-1]]>"
        "</FromUserName><CreateTime>1348831860</CreateTime>"
        f"<MsgType><![CDATA[{msgtype}]]></MsgType>{body}{msgid}<AgentID>1000002</AgentID></xml>"
    )


def event_xml(name: str, body: str = "") -> str:
    return (
        "<xml><ToUserName><![CDATA[ww]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
        "<CreateTime>1348831860</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[{name}]]></Event>{body}</xml>"
    )


async def test_the_address_is_verified_with_the_bare_echo(
    fake: FakeWeCom, session: aiohttp.ClientSession, url: str
) -> None:
    crypto = WeChatCrypto(fake.callback_token, fake.aes_key, fake.corp_id)
    echo = PrpCrypto(crypto.key).encrypt("1616140317555161061", fake.corp_id).decode()
    codec_query = {"timestamp": "1", "nonce": "n", "echostr": echo}
    signed = "".join(sorted([fake.callback_token, "1", "n", echo]))
    codec_query["msg_signature"] = sha1(signed.encode()).hexdigest()  # noqa: S324
    async with session.get(url, params=codec_query) as answer:
        assert (answer.status, await answer.read()) == (200, b"1616140317555161061")
    async with session.get(url, params=codec_query | {"nonce": "m"}) as answer:
        assert answer.status == 403
    async with session.get(url) as answer:
        assert answer.status == 403


async def test_a_notice_is_stored_and_acknowledged(fake: FakeWeCom, inbox: Inbox, url: str) -> None:
    assert await fake.notify(url, "wk1") == 200
    [(open_kfid, token)] = inbox.notices
    assert open_kfid == "wk1"
    assert token in fake.accounts["wk1"].tokens


async def test_the_acknowledgement_is_empty(
    fake: FakeWeCom, session: aiohttp.ClientSession, url: str
) -> None:
    query, body = fake.sealed(fake.notice_xml("wk1"))
    async with session.post(url, params=query, data=body) as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_a_members_text(fake: FakeWeCom, inbox: Inbox, url: str) -> None:
    text = "<Content><![CDATA[今天值班几点<换>班？]]></Content>"
    assert await fake.callback_request(url, member_xml("text", text)) == 200
    assert inbox.messages == [
        Incoming(
            channel=Channel.WECOM_APP,
            account="1000002",
            sender="officer-1",
            message_id="1234567890123456",
            kind=MessageKind.TEXT,
            sent_at=datetime(2012, 9, 28, 11, 31, tzinfo=UTC),
            text="今天值班几点<换>班？",
        )
    ]


@pytest.mark.parametrize(
    ("msgtype", "body", "kind", "media_id", "data"),
    [
        ("image", "<PicUrl>u</PicUrl><MediaId>m1</MediaId>", MessageKind.IMAGE, "m1", {}),
        ("voice", "<MediaId>m2</MediaId><Format>amr</Format>", MessageKind.VOICE, "m2", {}),
        ("video", "<MediaId>m3</MediaId>", MessageKind.VIDEO, "m3", {}),
        ("file", "<MediaId>m4</MediaId>", MessageKind.FILE, "m4", {}),
        (
            "location",
            "<Location_X>30.5</Location_X><Location_Y>120.9</Location_Y><Label>武原街道</Label>",
            MessageKind.LOCATION,
            "",
            {"latitude": 30.5, "longitude": 120.9, "address": "武原街道"},
        ),
        (
            "link",
            "<Title>t</Title><Description>d</Description><Url>https://x</Url>",
            MessageKind.LINK,
            "",
            {"title": "t", "desc": "d", "url": "https://x"},
        ),
        ("hologram", "<Beam>1</Beam>", MessageKind.OTHER, "", {"msgtype": "hologram"}),
    ],
)
async def test_other_messages_of_a_member(
    fake: FakeWeCom,
    inbox: Inbox,
    url: str,
    msgtype: str,
    body: str,
    kind: MessageKind,
    media_id: str,
    data: dict[str, Any],
) -> None:
    assert await fake.callback_request(url, member_xml(msgtype, body)) == 200
    [message] = inbox.messages
    assert (message.kind, message.media_id, message.data) == (kind, media_id, data)


async def test_a_message_without_an_id_gets_its_digest(
    fake: FakeWeCom, inbox: Inbox, url: str
) -> None:
    for content in ("a", "a", "b"):
        xml = member_xml("text", f"<Content>{content}</Content>", msgid="")
        assert await fake.callback_request(url, xml) == 200
    first, second, third = (message.message_id for message in inbox.messages)
    assert first == second != third
    assert len(first) == 64


async def test_endless_text_is_cut(fake: FakeWeCom, inbox: Inbox, url: str) -> None:
    xml = member_xml("text", f"<Content>{'警' * 12_000}</Content>")
    assert await fake.callback_request(url, xml) == 200
    assert len(inbox.messages[0].text) == 10_000


@pytest.mark.parametrize(
    "name",
    [
        "subscribe",
        "enter_agent",
        "click",
        "template_card_event",
        "change_external_contact",
        "change_external_tag",
        "something_new\n2012 forged line",
    ],
)
async def test_other_events_are_logged_by_name_and_acknowledged(
    fake: FakeWeCom, inbox: Inbox, url: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    body = "<UserID>officer-1</UserID><State>secret words</State>"
    assert await fake.callback_request(url, event_xml(name, body)) == 200
    assert inbox.events[0][0] == name
    assert inbox.events[0][1]["UserID"] == "officer-1"
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("jingxiaowei")]
    assert lines == [f"event {name!r} acknowledged"]


async def test_events_without_a_hook_are_acknowledged(
    fake: FakeWeCom, inbox: Inbox, aiohttp_server: Serve
) -> None:
    app = web.Application()
    codec = Codec(fake.callback_token, fake.aes_key, fake.corp_id)
    app.add_routes(routes(codec, inbox.on_notice, inbox.receive))
    address = str((await aiohttp_server(app)).make_url(PATH))
    assert await fake.callback_request(address, event_xml("subscribe")) == 200


async def test_what_cannot_be_stored_is_asked_for_again(
    fake: FakeWeCom, inbox: Inbox, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.broken = True
    assert await fake.notify(url, "wk1") == 503
    assert await fake.callback_request(url, member_xml("text", "<Content>x</Content>")) == 503
    assert await fake.callback_request(url, event_xml("subscribe")) == 503
    assert "张三" not in caplog.text
    inbox.broken = False
    assert await fake.notify(url, "wk1") == 200


async def test_a_stranger_is_refused(
    fake: FakeWeCom, session: aiohttp.ClientSession, inbox: Inbox, url: str
) -> None:
    query, body = fake.sealed(fake.notice_xml("wk1"))
    async with session.post(url, params=query | {"msg_signature": "0" * 40}, data=body) as answer:
        assert answer.status == 403
    query, body = fake.sealed(fake.notice_xml("wk1"), receive_id="wwsomeoneelse")
    async with session.post(url, params=query, data=body) as answer:
        assert answer.status == 403
    assert inbox.notices == []


@pytest.mark.parametrize(
    "xml",
    [
        "<xml></xml>",
        "<xml><a>1</a></xml>",
        "no xml",
        "<!DOCTYPE xml><xml><MsgType>text</MsgType></xml>",
        "<xml><MsgType>event</MsgType></xml>",
        "<xml><MsgType>a</MsgType><MsgType>b</MsgType></xml>",
        "<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event><Token>t</Token></xml>",
        "<xml><MsgType>text</MsgType><Content>x</Content></xml>",
        member_xml("text", "<Content>x</Content>").replace("1348831860", "yesterday"),
        member_xml("text", "<Content>x</Content>").replace("1348831860", "9" * 30),
        member_xml("text", "<Content>x</Content>").replace("AgentID", "Agent"),
        member_xml("text", "<FromUserName>second</FromUserName>"),
        member_xml("text", "", msgid="<MsgId>1</MsgId><MsgId>2</MsgId>"),
        member_xml("location", "<Location_X>north</Location_X><Location_Y>1</Location_Y>"),
        member_xml("location", ""),
    ],
)
async def test_a_signed_callback_that_cannot_be_read(
    fake: FakeWeCom, inbox: Inbox, url: str, xml: str
) -> None:
    assert await fake.callback_request(url, xml) == 400
    assert inbox.messages == inbox.notices == inbox.events == []


async def test_bodies_that_are_no_envelope(session: aiohttp.ClientSession, url: str) -> None:
    for body in (b"", b"{}", b"\xff" * 100, b"<xml><Encrypt></Encrypt></xml>"):
        async with session.post(url, data=body) as answer:
            assert answer.status == 400


async def test_a_body_beyond_64_kib(session: aiohttp.ClientSession, url: str) -> None:
    async with session.post(url, data=b"x" * 65_537) as answer:
        assert answer.status == 413
    async with session.post(url, data=b"x" * 65_536) as answer:
        assert answer.status == 400

    async def endless() -> Any:
        for _ in range(70):
            yield b"x" * 1000

    async with session.post(url, data=endless()) as answer:
        assert answer.status == 413


async def test_a_compressed_body(
    fake: FakeWeCom, session: aiohttp.ClientSession, inbox: Inbox, url: str
) -> None:
    async with session.post(url, data=io.BytesIO(b"0" * 5_000_000), compress="gzip") as answer:
        assert answer.status == 413
    query, body = fake.sealed(fake.notice_xml("wk1"))
    async with session.post(url, params=query, data=body, compress="deflate") as answer:
        assert answer.status == 200


async def test_a_body_that_only_claims_to_be_compressed(url: str) -> None:
    """aiohttp closes the line at once, so a client that is still writing may not see the 400."""
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n"
    writer.write(head.encode() + b"\r\nnot gzip at all")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    await writer.wait_closed()


async def test_a_line_that_breaks_stores_nothing(fake: FakeWeCom, inbox: Inbox, url: str) -> None:
    query, body = fake.sealed(fake.notice_xml("wk1"))
    head = f"POST {PATH}?{urlencode(query)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
    writer.write(head.encode() + b"\r\n" + body[:100])
    writer.close()
    await writer.wait_closed()
    assert await fake.notify(url, "wk2") == 200
    assert [open_kfid for open_kfid, _ in inbox.notices] == ["wk2"]


async def test_without_an_account_the_answer_says_so(
    session: aiohttp.ClientSession, inbox: Inbox, aiohttp_server: Serve
) -> None:
    app = web.Application()
    app.add_routes(routes(None, inbox.on_notice, inbox.receive))
    address = (await aiohttp_server(app)).make_url(PATH)
    for method in ("GET", "POST"):
        async with session.request(method, address) as answer:
            assert answer.status == 503
            assert "no WeCom account is configured" in await answer.text()
