"""The chat page over real HTTP, with the services behind it held in memory."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from jingxiaowei.channels.web import Limits
from tests.channels.chatting import FakeChat, Open, make_app, settings_for


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
