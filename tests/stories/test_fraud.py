"""The fake boss from the first message to the verdict: a clerk, two officers, a second company."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jingxiaowei.app import House, open_house
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.alerts_closing import Closing
from jingxiaowei.services.officers import Signed
from jingxiaowei.serving import running
from jingxiaowei.settings import Settings
from jingxiaowei.store.alert_tables import ALERT, EVIDENCE, AlertState, AlertVerdict
from jingxiaowei.store.tables import TICKET, Role
from tests.fakes import Delivered, FakeWeCom
from tests.pictures import STYLES, Chat, draw_chat, saved
from tests.services.test_reading import needs_chinese
from tests.stories.conftest import Town, connected, until

REPORT = "民警您好，我在厂里管人事，我们会计好像碰上骗子了，有人装成老板在群里叫她汇十八万"
ACCOUNT_NUMBER = "6222020200001234567"
ORDER = (
    f"我是张总，微信换号了，你进下这个群。马上给对方打18万，账号{ACCOUNT_NUMBER}，"
    "我在开会，别打电话"
)


@dataclass
class Shift:
    """The product with an auxiliary on duty."""

    town: Town
    auxiliary: Signed

    @property
    def house(self) -> House:
        return self.town.house

    async def alert(self, **wanted: Any) -> Any:
        """The newest alert, once it is as wanted."""

        async def look() -> Any:
            rows = sorted(await self.town.rows(ALERT), key=lambda row: row.id)
            new = rows and all(getattr(rows[-1], k) == v for k, v in wanted.items())
            return rows[-1] if new else None

        return await until(look, f"an alert with {wanted}")

    async def card(self, count: int) -> Delivered:
        """The newest of so many cards on the auxiliary's phone."""

        def cards() -> list[Delivered]:
            return [m for m in self.town.phone("wangfang") if m.msgtype == "template_card"]

        await until(lambda: len(cards()) >= count, f"card {count}")
        return cards()[-1]


@pytest.fixture
async def shift(settings: Settings, fake: FakeWeCom, mind: Mind) -> AsyncIterator[Shift]:
    fake.members |= {"wangfang"}
    async with open_house(settings) as house:
        await house.officers.sync_areas(mind.library)
        officer = await house.officers.add(
            "wangfang", Role.AUXILIARY, "a password that is long", "county-desk", "王芳", "wangfang"
        )
        now = datetime.now(UTC)
        await house.roster.add_shift(officer, "county-desk", now, now + timedelta(hours=8))
        auxiliary = await house.officers.find("wangfang")
    async with running(connected(settings, fake)) as (house, address):
        yield Shift(Town(house, fake, address), auxiliary)


def forward_xml(fake: FakeWeCom, text: str) -> str:
    return (
        f"<xml><ToUserName><![CDATA[{fake.corp_id}]]></ToUserName>"
        "<FromUserName><![CDATA[wangfang]]></FromUserName>"
        f"<CreateTime>{int(fake.time())}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        f"<Content><![CDATA[{text}]]></Content><MsgId>900{len(text)}</MsgId>"
        f"<AgentID>{fake.agent_id}</AgentID></xml>"
    )


async def test_from_the_first_word_to_the_verdict(shift: Shift) -> None:
    town, house, now = shift.town, shift.house, datetime.now(UTC)
    await town.says("wmClerk", REPORT)
    told = await town.hears("wmClerk")
    assert "千万不要转账，先截图留证，再退群" in told.text or "请现在就打电话告诉本人" in told.text
    alert = await shift.alert(state=AlertState.NEW, scam_type="boss_impersonation")
    # One tap on the card claims it, and the card says so.
    card = await shift.card(1)
    (button,) = card.body["button_list"]
    tap = town.fake.card_tap_xml("wangfang", card.body["task_id"], button["key"])
    assert await town.fake.callback_request(town.callback, tap) == 200
    claimed = await shift.alert(id=alert.id, state=AlertState.CLAIMED)
    assert claimed.claimed_by == shift.auxiliary.id
    await until(lambda: town.fake.buttons.get(("wangfang", card.body["task_id"])), "a grey button")
    # The money has gone: 110 first, on the clerk's phone and on the clock.
    await town.says("wmClerk", "完了，她刚才已经把钱转过去了，18万")
    assert "110" in (await town.hears("wmClerk", 2)).text
    gone = await shift.alert(id=alert.id, transfer="done")
    assert gone.amount == 180000
    # The officer's words reach the clerk in the officer's name, then the matter is closed.
    assert await house.alerts.desk.advise(shift.auxiliary, alert.id, now) == ""
    assert "辅警王芳" in (await town.hears("wmClerk", 3)).text
    closing = Closing(AlertVerdict.ATTEMPT, prevented=180000, note="钱追回，已上门")
    await house.alerts.closing.close(shift.auxiliary, alert.id, closing, now)
    await shift.alert(id=alert.id, state=AlertState.CLOSED)


async def test_an_emergency_is_claimed_from_the_phone(shift: Shift) -> None:
    town = shift.town
    await town.says("wmWife", "我老公喝多了在打我，孩子吓得直哭")
    assert "110" in (await town.hears("wmWife")).text
    card = await shift.card(1)
    (button,) = card.body["button_list"]
    tap = town.fake.card_tap_xml("wangfang", card.body["task_id"], button["key"])
    assert await town.fake.callback_request(town.callback, tap) == 200
    await until(lambda: town.fake.buttons.get(("wangfang", card.body["task_id"])), "a grey button")
    (ticket,) = await town.rows(TICKET, TICKET.c.need == "emergency")
    assert (ticket.state, ticket.officer_id) == ("claimed", shift.auxiliary.id)
    assert "打" not in json.dumps(card.body, ensure_ascii=False)


async def test_an_officer_passes_on_what_reached_somebody_else(shift: Shift) -> None:
    town = shift.town
    xml = forward_xml(town.fake, ORDER)
    for _ in range(2):  # WeCom repeats what it thinks was lost
        assert await town.fake.callback_request(town.callback, xml) == 200
    alert = await shift.alert(scam_type="boss_impersonation")
    assert (alert.forwarded_by, alert.specimen) == (shift.auxiliary.id, "message")
    assert alert.silence_due is None  # nobody there whose silence could be worrying
    assert len(await town.rows(EVIDENCE)) == 1

    def replies() -> list[Delivered]:
        return [m for m in town.phone("wangfang") if m.msgtype != "template_card"]

    (reply,) = await until(replies, "the officer is answered")
    assert "请现在就打电话告诉本人" in reply.text  # the officer is not the victim
    # The same script reaches a company: the two are one case.
    await town.says("wmFirm", f"帮我看看这是真的吗：{ORDER}")
    await town.hears("wmFirm")
    other = await shift.alert(forwarded_by=None)
    assert other.case_id is not None
    (first,) = await town.rows(ALERT, ALERT.c.id == alert.id)
    assert first.case_id == other.case_id


async def test_what_an_officer_found_harmless_alarms_no_more(shift: Shift) -> None:
    town, house, now = shift.town, shift.house, datetime.now(UTC)
    await town.says("wmFirst", ORDER)
    await town.hears("wmFirst")
    alert = await shift.alert(state=AlertState.NEW)
    await house.alerts.desk.claim(shift.auxiliary, alert.id, now)
    closing = Closing(AlertVerdict.FALSE_ALARM, note="老板本人当面确认过")
    await house.alerts.closing.close(shift.auxiliary, alert.id, closing, now)
    await town.says("wmSecond", ORDER)
    await town.hears("wmSecond")
    assert len(await town.rows(ALERT)) == 1
    # Opened again, it alarms as before.
    await house.alerts.closing.reopen(shift.auxiliary, alert.id, now)
    await town.says("wmThird", ORDER)
    await town.hears("wmThird")
    assert len(await town.rows(ALERT)) == 2


async def test_a_forwarded_conversation_is_screened_too(shift: Shift) -> None:
    def merged(*lines: tuple[str, str]) -> dict[str, Any]:
        items = [
            {"sender_name": name, "msgtype": "text", "msg_content": json.dumps({"content": text})}
            for name, text in lines
        ]
        return {"title": "群聊的聊天记录", "item": items}

    town = shift.town
    await town.sends("wmLunch", "merged_msg", merged(("小李", "中午吃啥"), ("小王", "食堂")))
    assert (await town.hears("wmLunch")).text.endswith(town.line("merged_read"))
    assert not await town.rows(ALERT)
    await town.sends("wmMerged", "merged_msg", merged(("张总", ORDER), ("会计", "好的张总")))
    await town.hears("wmMerged")
    assert (await shift.alert(scam_type="boss_impersonation")).state is AlertState.NEW


@needs_chinese
async def test_a_screenshot_is_read_and_raises_the_alert(shift: Shift) -> None:
    town = shift.town
    chat = Chat(
        [
            ("张总", "我是张总，新微信，先别跟别人说"),
            ("张总", "账上还有多少钱"),
            ("我", "还有六十多万"),
            ("张总", "今天打18万到这个账户，急，我在开会别打电话"),
        ],
        title="内部工作群(3)",
    )
    town.fake.media["SHOT"] = (saved(draw_chat(chat, STYLES["wecom"], 720)), "image/png")
    await town.sends("wmShot", "image", {"media_id": "SHOT"})
    alert = await shift.alert(scam_type="boss_impersonation", specimen="message")
    reply = (await town.hears("wmShot", 2)).text
    assert "不要转账" in reply or "很像" in reply
    review = await shift.house.alerts.reviews.review(shift.auxiliary, alert.id, datetime.now(UTC))
    (said,) = review.said
    assert said.picture is not None
    assert said.picture.boxes
