"""The far end, and our way to it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from jingxiaowei.channels.wecom.api import WeComApi
from tests.fakes import FakeWeCom


@pytest.fixture
async def fake() -> AsyncIterator[FakeWeCom]:
    async with FakeWeCom() as wecom:
        yield wecom


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


@pytest.fixture
def api(fake: FakeWeCom, session: aiohttp.ClientSession) -> WeComApi:
    return WeComApi(session, fake.base, fake.corp_id, fake.secret)
