"""A resident's own file on the chat page of the whole product, by its buttons."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from jingxiaowei.serving import running
from tests.conftest import bring, make_settings

pytestmark = pytest.mark.browser


@pytest.fixture
async def product(tmp_path: Path, kept: Path) -> AsyncIterator[str]:
    """The address of the whole product."""
    settings = make_settings(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/test.db")
    bring(kept, settings.data_dir)
    async with running(settings) as (_, address):
        yield address


@pytest.fixture
async def page(browser: Browser, product: str) -> Page:
    context = await browser.new_context(
        base_url=product, viewport={"width": 360, "height": 740}, bypass_csp=True
    )
    context.set_default_timeout(20_000)
    page = await context.new_page()
    await page.goto("/chat")
    return page


async def write(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def newest(page: Page, words: str) -> None:
    await expect(page.locator(".bot").last.locator(".text")).to_contain_text(words)


async def tap(page: Page, label: str) -> None:
    await page.locator(".bot").last.get_by_role("button", name=label).click()


async def test_the_file_by_its_buttons(page: Page) -> None:
    await expect(page.locator(".bot").first).to_contain_text("回“我的档案”可查改删")
    await write(page, "退订")
    await newest(page, "已停发宣传")
    await write(page, "我的档案")
    await newest(page, "1 不接收宣传，")
    await tap(page, "1 不接收宣传")
    await newest(page, "拒收定向宣传")
    results = await Axe().run(page)
    assert results.response["violations"] == []
    await tap(page, "删掉")
    await newest(page, "删掉了")
    await write(page, "我的档案")
    await newest(page, "没有给您记标签")
    # The copy: a link that works once, and says so when it no longer does.
    await tap(page, "给我一份")
    await newest(page, "只能下一次")
    link = page.locator(".bot").last.get_by_role("link", name="下载数据版")
    box = await link.bounding_box()
    assert box is not None
    assert box["height"] >= 60
    async with page.expect_download() as started:
        await link.click()
    download = await started.value
    path = await download.path()
    whole = json.loads(await asyncio.to_thread(path.read_text, "utf-8"))
    assert {"标签", "同意", "对话"} < set(whole)
    assert whole["对话"][1]["内容"] == "退订"
    await link.click()
    await expect(page.locator("#error")).to_contain_text("已经下载过")
    # Erasing asks once more; the conversation goes on as a new one.
    await write(page, "注销")
    await newest(page, "找不回")
    await tap(page, "确定删除")
    await newest(page, "正在删除")
    await expect(page.locator(".bot").last).to_contain_text("已删除，回执", timeout=40_000)
    await page.reload()
    await expect(page.locator(".resident")).to_have_count(0)
    await write(page, "在吗")
    await newest(page, "我是警小微")


async def test_the_rules_list_every_tag(page: Page) -> None:
    await page.goto("/privacy")
    await expect(page.locator("main")).to_contain_text("12 类 102 项")
    await page.get_by_text("沟通偏好，9 项").click()
    await expect(page.get_by_text("不接收宣传（防骗提醒，到您取消）")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    results = await Axe().run(page)
    assert results.response["violations"] == []
