"""The chat page's stream of events, and its script."""

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from jingxiaowei.channels.web import Limits
from jingxiaowei.errors import StoreError
from jingxiaowei.services.transcript import Line
from jingxiaowei.settings import Mode
from tests.channels.chatting import make_app, settings_for


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
