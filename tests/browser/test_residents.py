"""Residents' pages in a real browser: readable, whole on a phone, usable by keys and by none."""

from typing import Any

import pytest
from playwright.async_api import expect

from jingxiaowei.store.file_tables import RequestKind
from jingxiaowei.store.tables import Role
from tests.browser.test_console import Console, check, console, database_url  # noqa: F401
from tests.conftest import said
from tests.console.test_residents import file_of
from tests.services.alerting import PASSWORD

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark")])
async def test_every_page(console: Console, scheme: Any, width: int) -> None:  # noqa: F811
    spine = console.site.alarm.spine
    await spine.inbox.receive([said("人工，我电话 13900001234", sender="sample-shen")])
    await spine.settle()
    async with spine.database.write() as connection:
        whose = file_of(console.site, "ma")[-32:]
        await console.site.desk.files.requests.ask(
            connection, whose, RequestKind.CORRECT, "我不开店了", console.site.alarm.now
        )
    page = await console.open(width, police=True, color_scheme=scheme)
    path = file_of(console.site, "shen")
    for each in ("residents", "work", "tickets", "audience", "tags", "ask", "handover"):
        await page.goto(f"/console/{each}")
        await check(page)
    await page.goto(path)
    await check(page)
    await page.get_by_label("关怀回访").check()
    await page.get_by_role("button", name="看档案").click()
    await check(page)
    for fold in await page.locator("details").all():
        await fold.evaluate("(e) => (e.open = true)")
    await check(page)
    await page.get_by_role("link", name="看原文").click()
    await check(page)
    await page.goto(f"{path}/merge?for=care")
    await page.locator("#whom").fill("13800000311")
    await page.get_by_role("button", name="先看影响").click()
    await expect(page.get_by_role("button", name="合并")).to_be_visible()
    await check(page)
    await page.goto(f"{path}/tag?for=care")
    await page.locator("#sieve").fill("租房")
    await check(page)
    await page.goto("/console/work")
    await page.locator("summary").filter(has_text="答复").click()
    await page.locator("textarea").fill("改好了")
    await page.get_by_role("button", name="答复，先看要发的").click()
    await expect(page.get_by_text("本人会收到")).to_be_visible()
    await check(page)
    await page.goto("/console/work")
    await page.locator(".row h3 a").first.click()
    await check(page)
    await page.goto("/console/audience")
    await page.locator("#expression").fill("企业负责人 或 没有的")
    await page.get_by_role("button", name="看人数").click()
    await check(page)


@pytest.mark.parametrize(
    ("role", "paths"),
    [(Role.ADMIN, ("questions", "tags/surgery")), (Role.AUDITOR, ("trail",))],
)
async def test_pages_of_admins_and_auditors(
    console: Console,  # noqa: F811
    role: Role,
    paths: tuple[str, ...],
) -> None:
    spine = console.site.alarm.spine
    await spine.inbox.receive([said("天上的星星归哪个所管呀", sender="asks")])
    await spine.settle()
    await spine.officers.add("someone", role, PASSWORD, "county-desk", "某某")
    page = await console.open(360)
    await page.context.clear_cookies()
    await page.goto(await console.site.link(await spine.officers.find("someone")))
    await check(page)
    for path in paths:
        await page.goto(f"/console/{path}")
        await check(page)


async def test_a_tag_by_keys_alone(console: Console) -> None:  # noqa: F811
    page = await console.open()
    await page.goto("/console/residents")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{console.site.url}{file_of(console.site, 'yang')}")
    await page.get_by_label("办事").focus()
    await page.keyboard.press("Space")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="记一笔")).to_be_visible()
    await page.keyboard.press("t")
    await expect(page.locator("#sieve")).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type("电动车")
    await expect(page.locator("#sieved")).to_contain_text("剩")
    await expect(page.locator(".picker label:visible")).to_have_count(1)
    await page.locator(".picker label:visible input").focus()
    await page.keyboard.press("Space")
    await page.locator("#reason").focus()
    await page.keyboard.type("本人说骑电动车")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").filter(has_text="记下了")).to_be_visible()


async def test_without_a_script(console: Console) -> None:  # noqa: F811
    page = await console.open(java_script_enabled=False)
    await page.goto("/console/work")
    await page.get_by_role("button", name="记下").first.click()
    await expect(page.get_by_text("记下了")).to_be_visible()
    await page.goto(f"{file_of(console.site, 'ma')}/tag?for=service")
    await page.get_by_text("车辆与出行").click()
    await page.get_by_label("电动车骑行").first.check()
    await page.locator("#reason").fill("本人说骑电动车")
    await page.get_by_role("button", name="记下").click()
    await expect(page.get_by_text("记下了")).to_be_visible()
