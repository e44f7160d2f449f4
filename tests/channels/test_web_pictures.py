"""Pictures sent on the chat page."""

from typing import Any
from uuid import uuid4

import pytest

from jingxiaowei.channels.web import Limits
from jingxiaowei.pipeline.messages import MessageKind
from tests.channels.chatting import OWN_PAGE, OWN_SCRIPT, bomb, picture, upload


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
