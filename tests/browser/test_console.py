"""The console in a real browser: readable, usable by keys, live, and whole without a script."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.screen.values import Transfer
from jingxiaowei.services.bell import Stage
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import Role
from tests.conftest import migrated_url, said
from tests.console.conftest import Site, open_site
from tests.services.alerting import PASSWORD, boss

pytestmark = pytest.mark.browser


class Console:
    """Opens the console for an officer; any fault of its script fails the test."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser, self.site = browser, site
        self.faults: list[str] = []

    async def open(self, width: int = 1280, police: bool = False, **options: Any) -> Page:
        context = await self._browser.new_context(
            base_url=self.site.url, viewport={"width": width, "height": 800}, **options
        )
        context.set_default_timeout(10_000)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.faults.append(message.text)
                if message.type == "error" and "Failed to load" not in message.text
                else None
            ),
        )
        officer = self.site.police if police else self.site.auxiliary
        await page.goto(await self.site.link(officer))
        return page


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite alone: what a browser shows does not depend on it."""
    return migrated_url(request, "sqlite", tmp_path)


@pytest.fixture
async def console(
    browser: Browser, database: Database, mind: Mind, tmp_path: Path
) -> AsyncIterator[Console]:
    async for site in open_site(database, mind, tmp_path):
        console = Console(browser, site)
        yield console
        for context in browser.contexts:
            await context.close()  # before the server, which would wait for what is still asked
    assert console.faults == []


async def check(page: Page) -> None:
    """No fault that axe finds, no sideways scroll, no target that is too small."""
    results = await Axe().run(page)
    assert results.response["violations"] == []
    measured = await page.evaluate(
        """() => ({
            over: document.documentElement.scrollWidth - window.innerWidth,
            small: [...document.querySelectorAll("button, .button, .filled, summary, nav a, .back")]
                .filter((e) => e.offsetParent && !e.classList.contains("unseen"))
                .filter((e) => e.offsetHeight < 44 || e.offsetWidth < 44).map((e) => e.outerHTML),
            filled: [...document.querySelectorAll("main .filled")]
                .filter((e) => e.offsetParent).length,
        })"""
    )
    assert measured["over"] <= 0
    assert measured["small"] == []
    assert measured["filled"] <= 1


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (390, "light"), (1280, "light")])
async def test_every_page(console: Console, scheme: Any, width: int) -> None:
    page = await console.open(width, police=True, color_scheme=scheme)
    await check(page)
    await page.goto("/console/alerts/1")
    await check(page)
    await page.get_by_role("button", name="打电话").click()
    await check(page)
    await page.get_by_role("button", name="110 交接单").click()
    await check(page)
    await page.goto("/console/alerts/1")
    await page.locator("[data-open]").click()
    await check(page)
    await page.get_by_label("1 诈骗未遂").check()
    await page.locator("#closing").get_by_role("button", name="办结").click()
    await expect(page.get_by_role("button", name="撤销")).to_be_visible()
    await check(page)
    await page.goto("/console/alerts/1")
    await check(page)
    await page.goto("/console/alerts/1/verdict")
    await check(page)
    await page.goto("/console/history")
    await check(page)
    await page.context.clear_cookies()
    await page.goto("/console/")
    await check(page)


async def test_three_alerts_fit_a_phone(console: Console) -> None:
    page = await console.open(360)
    await page.set_viewport_size({"width": 360, "height": 740})
    third = await page.locator(".row").nth(2).bounding_box()
    assert third
    assert third["y"] + 60 < 740  # its state, its clock and its title


async def test_urgency_without_colour(console: Console) -> None:
    page = await console.open(forced_colors="active")
    marks = await page.locator(".row .mark").all_inner_texts()
    assert marks == ["■ 已转", "◧ 正在转", "□ 未转"]
    widths = [
        await row.evaluate("(e) => getComputedStyle(e).borderLeftWidth")
        for row in await page.locator(".row").all()
    ]
    assert widths == ["8px", "5px", "2px"]


async def test_by_keys_alone(console: Console) -> None:
    page = await console.open()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{console.site.url}/console/alerts/1")
    await page.wait_for_load_state()  # the keys are the script's
    await page.keyboard.press("c")
    await expect(page.get_by_role("status").filter(has_text="我已认领")).to_be_visible()
    await page.keyboard.press("p")
    await expect(page.get_by_text("通话提纲")).to_be_visible()
    await page.keyboard.press("e")
    await expect(page.locator("#closing")).to_have_attribute("open", "")
    await page.keyboard.press("3")
    await expect(page.get_by_label("3 虚惊")).to_be_checked()
    await page.locator("#note").click()
    await page.keyboard.type("cpaej?")
    await expect(page.locator("#note")).to_have_value("cpaej?")
    await page.locator("body").click(position={"x": 2, "y": 2})
    await page.keyboard.press("?")
    await expect(page.locator("#help")).to_be_visible()
    await page.get_by_label("用单个字母按键").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await expect(page).to_have_url(f"{console.site.url}/console/alerts/1/call")


async def test_new_alerts_come_by_themselves(console: Console) -> None:
    page = await console.open()
    await expect(page.locator("#live")).to_be_visible()
    alarm = console.site.alarm
    await alarm.hear(sender="r9", text="我是王总，先打5万")
    alarm.spine.bell.ring(Stage.ALERTS)
    await expect(page.locator(".row")).to_have_count(4)
    await expect(page).to_have_title("(4) 今天·警小微")
    await page.locator(".row h2 a").first.focus()
    await alarm.hear(sender="r10", text="另一件事，没转的")
    alarm.spine.bell.ring(Stage.ALERTS)
    await expect(page.get_by_role("button", name="新预警 1 条")).to_be_visible()
    await expect(page.locator(".row")).to_have_count(4)
    await alarm.hear(sender="r11", text="转出去了", screening=boss(transfer=Transfer.DONE))
    alarm.spine.bell.ring(Stage.ALERTS)
    await expect(page.locator(".row").first).to_contain_text("■ 已转")
    await expect(page.locator(".row")).to_have_count(5)
    await expect(page.get_by_role("alert")).to_contain_text("已转")
    await page.get_by_role("button", name="新预警").click()
    await expect(page.locator(".row")).to_have_count(6)


async def test_a_new_alert_sounds_unless_muted(console: Console) -> None:
    page = await console.open()
    sound = page.locator("#sound")
    await page.goto("/console/tickets")
    await expect(page).to_have_title("(3) 工单·警小微")
    await page.locator("h1").click()
    await expect(sound).to_have_text("声音开")
    await console.site.alarm.hear(sender="r9", text="我是王总，先打5万")
    console.site.alarm.spine.bell.ring(Stage.ALERTS)
    await expect(page).to_have_title("(4) 工单·警小微")
    await expect(sound).to_have_attribute("data-rung", "1")
    await sound.click()
    await expect(sound).to_have_text("声音关")
    await page.reload()
    await page.locator("h1").click()
    await expect(sound).to_have_text("声音关")


async def test_an_emergency_calls_by_itself(console: Console) -> None:
    page, spine = await console.open(), console.site.alarm.spine
    await expect(page.locator("#pressing")).to_be_hidden()
    await page.locator("#sum").click()
    await spine.inbox.receive([said("我老公又打我了，我躲在厕所里", sender="in-need")])
    await spine.settle()
    await expect(page.locator("#pressing")).to_have_text("1 件紧急求助没人认领")
    await expect(page.locator("#sound")).to_have_attribute("data-rung", "1")


async def test_what_was_typed_outlives_the_session(console: Console) -> None:
    page, site = await console.open(), console.site
    officers = site.alarm.spine.officers
    await officers.add("zhou.min", Role.AUXILIARY, PASSWORD, "county-desk", "周敏")
    await page.goto(await site.link(await officers.find("zhou.min")))
    await page.goto("/console/alerts/1")
    await page.get_by_role("button", name="认领").first.click()
    await page.locator("#closing summary").click()
    await page.get_by_label("3 虚惊").check()
    await page.locator("#note").fill("打过电话，是误会")
    await page.context.clear_cookies()
    await page.locator("#closing").get_by_role("button", name="办结").click()
    await page.get_by_label("账号").fill("zhou.min")
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_role("button", name="登录").click()
    await expect(page).to_have_url(f"{site.url}/console/alerts/1?said=claimed")
    await expect(page.locator("#note")).to_have_value("打过电话，是误会")
    await expect(page.get_by_text("登录过期前写的还在")).to_be_visible()
    await page.goto("/console/alerts/1")  # a reload would have the browser's own memory
    await page.locator("#closing summary").click()
    await expect(page.locator("#note")).to_have_value("")


async def test_a_claim_elsewhere_shows_at_once(console: Console) -> None:
    page = await console.open()
    alarm = console.site.alarm
    await expect(page.locator("#live")).to_be_visible()
    await alarm.house.desk.claim(console.site.police, 1, alarm.now)
    await expect(page.locator("#alert-1")).to_contain_text("民警陈国华")
    await expect(page.locator("#alert-1").get_by_role("link", name="打开")).to_be_visible()


async def test_two_tabs_share_one_stream(console: Console) -> None:
    page = await console.open()
    await expect(page.locator("#live")).to_be_visible()
    other = await page.context.new_page()
    asked: list[str] = []
    other.on("request", lambda request: asked.append(request.url))
    await other.goto("/console/")
    await console.site.alarm.hear(sender="r9", text="我是王总，先打5万")
    console.site.alarm.spine.bell.ring(Stage.ALERTS)
    await expect(other.locator(".row")).to_have_count(4)
    assert not any(url.endswith("/events") for url in asked)


async def test_silence_is_said(console: Console) -> None:
    page = await console.open()
    await page.clock.install()
    await page.reload()
    await expect(page.locator("#live")).to_be_visible()
    await page.context.set_offline(True)
    await page.clock.fast_forward(31_000)
    await expect(page.locator("#offline")).to_contain_text("实时断了")


async def test_without_a_script(console: Console) -> None:
    page = await console.open(java_script_enabled=False)
    await page.get_by_role("button", name="认领").first.click()
    await expect(page.get_by_text("我已认领")).to_be_visible()
    await page.locator("#closing summary").click()
    await page.get_by_label("4 演练").check()
    await page.locator("#closing").get_by_role("button", name="办结").click()
    await expect(page.get_by_role("button", name="撤销")).to_be_visible()
