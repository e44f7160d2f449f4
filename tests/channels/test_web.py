"""The chat page over real HTTP: what it shows, what it takes, and how fast."""

import asyncio
from uuid import uuid4

import pytest

from jingxiaowei.channels.web import Limits
from jingxiaowei.channels.web.rates import Buckets
from jingxiaowei.channels.web.sessions import COOKIE
from jingxiaowei.pipeline.messages import Channel, MessageKind, Option
from jingxiaowei.settings import Mode
from tests.channels.chatting import OWN_PAGE, OWN_SCRIPT, VOICE, WELCOME, cookie_of, text_of


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
