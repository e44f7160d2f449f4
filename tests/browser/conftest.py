"""A real Chromium, and the chat page on a real server that runs in the test's own loop."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from tests.channels.chatting import FakeChat, make_app, settings_for

MISSING = "no Chromium found: apt-get install chromium fonts-noto-cjk"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

OpenPage = Callable[..., Awaitable[Page]]


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = (shutil.which(name) for name in names)
    return os.environ.get("CHROMIUM") or next(filter(None, found), None)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    path = find_chromium()
    if path is None:
        if os.environ.get("JXW_REQUIRE_BROWSER") == "1":
            pytest.fail(MISSING)
        pytest.skip(MISSING)  # a developer without a browser; CI sets the variable and fails
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def chat() -> FakeChat:
    return FakeChat()


@pytest.fixture
async def site(chat: FakeChat) -> AsyncIterator[str]:
    """The address of a server with the chat page."""
    async with TestServer(make_app(chat, settings_for())) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def open_page(browser: Browser, site: str) -> AsyncIterator[OpenPage]:
    """Opens the chat page in a browser of its own; any fault of its script fails the test."""
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "Failed to load" not in message.text:
            faults.append(message.text)

    async def open_page(path: str = "/chat", width: int = 360, **options: Any) -> Page:
        options.setdefault("viewport", {"width": width, "height": 740})
        context = await browser.new_context(base_url=site, **options)
        context.set_default_timeout(10_000)
        page = await context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(path)
        return page

    yield open_page
    assert faults == []
