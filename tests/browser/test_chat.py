"""The chat page in a real browser, as a resident uses it."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Route, expect

from jingxiaowei.pipeline.messages import Incoming, Option
from jingxiaowei.services.transcript import Reply
from tests.browser.conftest import OpenPage
from tests.channels.chatting import WELCOME, FakeChat, picture

pytestmark = pytest.mark.browser

LONG_OPTIONS = (
    Option("a", "身份证丢了怎么补办"),
    Option("b", "已经转了"),
    Option("c", "不清楚"),
    Option("d", "十六个字的选项到底有多么长呀呀"),
)


async def write(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def test_send_and_read_the_reply(open_page: OpenPage, chat: FakeChat, site: str) -> None:
    page = await open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await expect(page.locator(".bot")).to_contain_text(WELCOME)
    await write(page, "身份证丢了")
    await expect(page.locator(".resident .text")).to_have_text("身份证丢了")
    await expect(page.locator(".resident .word")).to_have_text("已发")
    await expect(page.locator(".bot").last).to_contain_text("您说：身份证丢了")
    await expect(page.locator("#text")).to_have_value("")
    await page.wait_for_timeout(900)
    await expect(page.locator("#waiting")).to_be_empty()
    await page.reload()
    assert all(url.startswith(site) for url in asked)


async def test_enter_never_sends_what_is_being_composed(
    open_page: OpenPage, chat: FakeChat
) -> None:
    page = await open_page()
    await page.fill("#text", "shen fen")
    for more in ({"isComposing": True}, {"keyCode": 229}, {"shiftKey": True}):
        event = {"key": "Enter", "bubbles": True, "cancelable": True, **more}
        await page.evaluate(
            "e => document.getElementById('text').dispatchEvent(new KeyboardEvent('keydown', e))",
            event,
        )
    await expect(page.locator(".resident")).to_have_count(0)
    await expect(page.locator("#text")).to_have_value("shen fen")


async def test_tap_an_option(open_page: OpenPage, chat: FakeChat) -> None:
    page = await open_page()
    await page.get_by_role("button", name="问办事").click()
    await expect(page.locator(".resident .text")).to_have_text("问办事")
    await expect(page.locator(".bot")).to_have_count(2)
    assert (chat.received[-1].text, chat.received[-1].menu_id) == ("问办事", "menu")
    await expect(page.get_by_role("button", name="问办事")).to_be_disabled()
    await expect(page.get_by_role("button", name="可疑的事")).to_be_disabled()
    await page.reload()
    await expect(page.get_by_role("button", name="问办事")).to_be_disabled()


async def test_what_could_not_be_sent_is_sent_again(open_page: OpenPage, chat: FakeChat) -> None:
    page = await open_page()
    await page.context.set_offline(True)
    await write(page, "老板让我转 5 万")
    await expect(page.locator(".resident .word")).to_have_text("没发出去")
    await page.fill("#text", "还没写完")
    await page.context.set_offline(False)
    await page.reload()
    await expect(page.locator("#text")).to_have_value("还没写完")
    await expect(page.locator(".resident .word")).to_have_text("没发出去")
    await page.get_by_role("button", name="重发").click()
    await expect(page.locator(".resident .word")).to_have_text("已发")
    await expect(page.locator(".bot").last).to_contain_text("您说：老板让我转 5 万")
    await page.reload()
    await expect(page.locator(".resident")).to_have_count(1)
    assert len(chat.received) == 2


async def test_sending_again_what_had_arrived_counts_once(
    open_page: OpenPage, chat: FakeChat
) -> None:
    page = await open_page()

    async def lose_the_answer(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/chat/send", lose_the_answer, times=1)
    await write(page, "在吗")
    await expect(page.locator(".resident .word")).to_have_text("没发出去")
    await page.get_by_role("button", name="重发").click()
    await expect(page.locator(".resident .word")).to_have_text("已发")
    assert [m.text for m in chat.received[1:]] == ["在吗"]


async def test_too_fast_is_sent_again_by_itself(open_page: OpenPage, chat: FakeChat) -> None:
    page = await open_page()

    async def too_fast(route: Route) -> None:
        await route.fulfill(status=429, headers={"Retry-After": "1"}, json={"error": "都收到了"})

    await page.route("**/chat/send", too_fast, times=1)
    await write(page, "一")
    await write(page, "二")
    await expect(page.locator(".resident .word").first).to_have_text("都收到了")
    await expect(page.locator(".resident .word").last).to_have_text("已发")
    assert [m.text for m in chat.received[1:]] == ["一", "二"]


async def test_a_refused_text_stays(open_page: OpenPage, chat: FakeChat) -> None:
    page = await open_page()
    text = "长" * 10_001
    await page.fill("#text", text)
    await page.click("#send")
    await expect(page.get_by_role("alert")).to_contain_text("10,000 字")
    await expect(page.locator("#text")).to_have_value(text)
    await page.fill("#text", text[:-1])
    await page.click("#send")
    await expect(page.locator(".resident summary")).to_contain_text("还有 9700 字")
    await expect(page.locator(".bot")).to_have_count(2)


async def test_reload_keeps_the_conversation(open_page: OpenPage, chat: FakeChat) -> None:
    page = await open_page()
    await write(page, "在吗")
    await expect(page.locator(".bot")).to_have_count(2)
    await page.reload()
    await expect(page.locator(".line")).to_have_count(3)
    await page.wait_for_timeout(300)
    await expect(page.locator(".line")).to_have_count(3)


async def test_a_picture(open_page: OpenPage, chat: FakeChat) -> None:
    page = await open_page()
    data = picture(40, 40)
    file = {"name": "截图.png", "mimeType": "image/png", "buffer": data}
    await page.set_input_files("#picture", files=[file])
    await expect(page.locator(".resident .picture")).to_be_visible()
    await expect(page.locator(".bot").last).to_contain_text("图收到了")
    assert list(chat.images.values()) == [(data, "image/png")]
    broken = {"name": "x.png", "mimeType": "image/png", "buffer": b"not a picture"}
    await page.set_input_files("#picture", files=[broken])
    await expect(page.locator(".resident .word").last).to_contain_text("只能发图片")
    huge = {"name": "x.png", "mimeType": "image/png", "buffer": b"x" * (5 * 1024 * 1024 + 1)}
    await page.set_input_files("#picture", files=[huge])
    await expect(page.get_by_role("alert")).to_contain_text("5 MB")


async def test_an_officer_joins(open_page: OpenPage, chat: FakeChat) -> None:
    page = await open_page()
    await expect(page.locator(".bot")).to_have_count(1)
    await chat.add(chat.received[0].sender, "officer", "我来办。\n<b>稍等</b>", name="辅警王芳")
    await expect(page.locator(".officer .name")).to_have_text("辅警王芳")
    await expect(page.locator(".officer .text")).to_have_text("我来办。\n<b>稍等</b>")


async def test_a_new_line_does_not_move_what_is_being_read(
    open_page: OpenPage, chat: FakeChat
) -> None:
    page = await open_page()
    for number in range(8):
        await write(page, f"第 {number} 句")
    await expect(page.locator(".bot")).to_have_count(9)
    await page.evaluate("window.scrollTo(0, 0)")
    await chat.add(chat.received[0].sender, "bot", "新的一句")
    await page.get_by_role("button", name="有新回复").click()
    await expect(page.locator(".bot").last).to_be_in_viewport()
    await expect(page.locator("#newer")).to_be_hidden()


async def test_waiting_is_said_after_a_moment(open_page: OpenPage, chat: FakeChat) -> None:
    page = await open_page()
    chat.answer = lambda message: None
    await write(page, "在吗")
    await expect(page.get_by_role("status").filter(has_text="正在看…")).to_be_visible()
    await chat.add(chat.received[0].sender, "bot", "在")
    await expect(page.locator("#waiting")).to_be_empty()


async def test_silence_is_said_and_ends(open_page: OpenPage) -> None:
    page = await open_page("/privacy")
    await page.clock.install()
    await page.goto("/chat")
    await expect(page.locator("#offline")).to_be_empty()
    await page.context.set_offline(True)
    await page.wait_for_timeout(300)  # a beat that is under way would begin the silence anew
    await page.clock.fast_forward(31_000)
    await expect(page.locator("#offline")).to_contain_text("网断了")
    await page.context.set_offline(False)
    await page.clock.fast_forward(6_000)
    await expect(page.locator("#offline")).to_be_empty()


@pytest.mark.parametrize("path", ["/chat", "/privacy"])
async def test_every_size_fits_a_small_phone(
    open_page: OpenPage, chat: FakeChat, path: str
) -> None:
    def answer(message: Incoming) -> Reply:
        return Reply("clarify", "您问的是哪一种？" + "长" * 200, "", "", LONG_OPTIONS)

    chat.answer = answer
    page = await open_page(path)
    if path == "/chat":
        await write(page, "没有空格的一长串" + "a" * 80)
        await expect(page.locator(".bot")).to_have_count(2)
    for size in (18, 22, 26, 30):
        await page.get_by_text("字号").click()
        await page.check(f"[value='{size}']", force=True)
        await page.keyboard.press("Escape")
        await page.reload()
        await fits(page, size)


async def fits(page: Page, size: int) -> None:
    """Nothing is cut off, too small to tap or wider than the phone, in a size of letters."""
    measured = await page.evaluate(
        """() => ({
            width: document.documentElement.scrollWidth,
            font: parseFloat(getComputedStyle(document.body).fontSize),
            small: [...document.querySelectorAll("button, summary, .filled, textarea, .say label")]
                .filter((e) => e.offsetParent && !e.classList.contains("unseen"))
                .filter((e) => e.offsetHeight < 60 || e.offsetWidth < 60)
                .map((e) => e.outerHTML),
            cut: [...document.querySelectorAll(".button")]
                .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML),
        })"""
    )
    assert measured == {"width": 360, "font": float(size), "small": [], "cut": []}


async def test_quick_leave(open_page: OpenPage) -> None:
    page = await open_page("/privacy")
    await page.goto("/chat")
    await page.fill("#text", "他打我")
    await page.get_by_text("字号").click()
    await page.get_by_role("link", name="快速离开").click()
    await page.wait_for_url("about:blank")
    await page.go_back()
    assert page.url.endswith("/privacy")
    assert await page.evaluate("sessionStorage.length") == 0


async def test_reading_aloud_needs_a_voice_on_the_device(open_page: OpenPage) -> None:
    page = await open_page()
    await expect(page.locator("#read")).to_be_hidden()
    await page.add_init_script(
        """window.spoken = [];
        speechSynthesis.getVoices = () => [
            {lang: "zh-CN", localService: false, name: "far"},
            {lang: "zh-CN", localService: true, name: "near"},
        ];
        window.SpeechSynthesisUtterance = function (text) { this.text = text; };
        speechSynthesis.speak = (u) => window.spoken.push([u.voice.name, u.text]);"""
    )
    await page.reload()
    await page.get_by_role("button", name="朗读").click()
    await expect(page.get_by_role("button", name="朗读")).to_have_attribute("aria-pressed", "true")
    await write(page, "在吗")
    await expect(page.locator(".bot")).to_have_count(2)
    spoken = await page.evaluate("window.spoken")
    assert [voice for voice, _ in spoken] == ["near", "near"]
    assert spoken[0][1].startswith(WELCOME)
    assert spoken[1][1] == "您说：在吗"


async def test_dark(open_page: OpenPage) -> None:
    page = await open_page(color_scheme="dark")
    style = "getComputedStyle(document.body).backgroundColor"
    assert await page.evaluate(style) == "rgb(18, 22, 28)"


async def test_without_script_the_forms_work(open_page: OpenPage, chat: FakeChat) -> None:
    page = await open_page(java_script_enabled=False)
    await expect(page.locator("#read")).to_be_hidden()
    await page.fill("#text", "身份证丢了")
    await page.click("#send")
    await expect(page.locator(".bot").last).to_contain_text("您说：身份证丢了")
    await page.fill("#text", "菜单")
    await page.click("#send")
    await page.get_by_role("button", name="问办事").last.click()
    await expect(page.locator(".resident")).to_have_count(3)
    assert chat.received[-1].menu_id == "menu"
    file = {"name": "a.png", "mimeType": "image/png", "buffer": picture()}
    await page.set_input_files("[name=image]", files=[file])
    await page.get_by_role("button", name="发图片").click()
    await expect(page.locator(".picture")).to_have_count(1)
    chat.broken = True
    await page.fill("#text", "别丢了")
    await page.click("#send")
    await expect(page.get_by_role("alert")).to_contain_text("没存上")
    await expect(page.locator("#text")).to_have_value("别丢了")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/chat", "/privacy"])
async def test_accessible(open_page: OpenPage, chat: FakeChat, path: str, scheme: str) -> None:
    # axe is evaluated as a string, which our own policy would forbid.
    page = await open_page(path, color_scheme=scheme, bypass_csp=True)
    if path == "/chat":
        await chat.add(chat.received[0].sender, "officer", "我来办。", name="辅警王芳")
        await write(page, "菜单")
        await expect(page.locator(".bot")).to_have_count(2)
        await write(page, "长" * 700)
        await expect(page.locator(".bot")).to_have_count(3)
    await page.get_by_text("字号").click()
    results = await Axe().run(page)
    print(
        [(v["id"], v["impact"]) for v in results.response["violations"]],
        len(results.response["passes"]),
    )
    assert results.response["violations"] == []
