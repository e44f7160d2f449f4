"""From WeCom's callback to what stands on the resident's phone, and in the database."""

import asyncio
import io
import shutil
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from jingxiaowei.app import open_house
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.roster import in_words
from jingxiaowei.serving import running
from jingxiaowei.settings import PACKAGE, Settings
from jingxiaowei.store.tables import (
    CONVERSATION,
    INBOX,
    KF_ACCOUNT,
    MEDIA,
    OUTBOX,
    TICKET,
    Holder,
    MediaState,
    OutboxState,
    Role,
    TicketState,
)
from tests.conftest import bring, make_settings
from tests.fakes import FakeWeCom
from tests.stories.conftest import ACCOUNT, Town, connected, until

QUESTION, ANSWER = "身份证丢了怎么补", "补领"
OTHER_QUESTION, OTHER_ANSWER = "第一次办护照要带什么", "工本费 120 元"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


async def test_residents_are_answered(town: Town) -> None:
    await the_address_is_verified(town)
    await a_resident_is_welcomed(town)
    await a_replayed_callback_changes_nothing(town)
    await a_burst_is_answered_once(town)
    await a_menu_leads_to_an_answer(town)
    await two_accounts_are_kept_apart(town)
    await an_empty_page_is_not_the_end(town)
    await what_is_recalled_before_it_is_read_stays_unanswered(town)
    await a_very_long_message_is_answered(town)


async def the_address_is_verified(town: Town) -> None:
    query, body = town.fake.sealed("1616140317555161061")
    echo = body.decode().split("<Encrypt><![CDATA[")[1].split("]]>")[0]
    query["echostr"] = echo
    async with aiohttp.ClientSession() as session:
        async with session.get(town.callback, params=query) as answer:
            assert (answer.status, await answer.read()) == (200, b"1616140317555161061")
        async with session.get(town.callback, params=query | {"nonce": "other"}) as answer:
            assert answer.status == 403


async def a_resident_is_welcomed(town: Town) -> None:
    entered = town.fake.time()
    assert town.fake.enters_session(ACCOUNT, "wmNew")
    await town.notify()
    welcome = await town.hears("wmNew")
    assert welcome.at - entered < 20
    assert "我是警小微" in welcome.text
    assert ("human", "转人工") in welcome.options
    assert town.fake.calls["kf/send_msg_on_event"] == 1
    # WeCom gives no second code within 48 hours: the resident is not greeted twice.
    assert town.fake.enters_session(ACCOUNT, "wmNew") == ""
    await town.notify()
    await town.says("wmNew", QUESTION)
    assert ANSWER in (await town.hears("wmNew", 2)).text


async def a_replayed_callback_changes_nothing(town: Town) -> None:
    town.fake.customer_says(ACCOUNT, "wmReplay", QUESTION)
    query, body = town.fake.sealed(town.fake.notice_xml(ACCOUNT))
    async with aiohttp.ClientSession() as session:
        for _ in range(4):
            async with session.post(town.callback, params=query, data=body) as answer:
                assert (answer.status, await answer.read()) == (200, b"")
    assert ANSWER in (await town.hears("wmReplay")).text
    await town.caught_up()
    await town.hears("wmReplay")
    assert len(await town.about(INBOX, "wmReplay")) == 1
    assert len(await town.about(OUTBOX, "wmReplay")) == 1


async def a_burst_is_answered_once(town: Town) -> None:
    last = await town.says("wmBurst", "你好", "我身份证丢了", "怎么补")
    await town.handled(last)
    assert ANSWER in (await town.hears("wmBurst")).text
    assert [row.decided for row in await town.about(INBOX, "wmBurst")] == ["answer"] * 3


async def a_menu_leads_to_an_answer(town: Town) -> None:
    await town.says("wmMenu", "菜单")
    menu = await town.hears("wmMenu")
    option, label = next(pair for pair in menu.options if pair[0] == "domain-hukou")
    await town.says("wmMenu", label, menu_id=option)
    topics = await town.hears("wmMenu", 2)
    option, label = next(pair for pair in topics.options if pair[0].startswith("faq-"))
    await town.says("wmMenu", label, menu_id=option)
    answer = await town.hears("wmMenu", 3)
    assert answer.text.startswith(
        town.house.content.library.by_id[option.removeprefix("faq-")].answer.split("{")[0]
    )
    await town.says("wmMenu", "点了旧的", menu_id="faq-gone-since")
    assert (await town.hears("wmMenu", 4)).text == town.line("stale")


async def two_accounts_are_kept_apart(town: Town) -> None:
    await asyncio.gather(
        town.says("wmBoth", QUESTION), town.says("wmBoth", OTHER_QUESTION, account="wkOther")
    )
    await town.hears("wmBoth", 2)
    said = {message.account: message.text for message in town.phone("wmBoth")}
    assert ANSWER in said[ACCOUNT]
    assert OTHER_ANSWER in said["wkOther"]
    assert {row.open_kfid for row in await town.rows(KF_ACCOUNT)} == {ACCOUNT, "wkOther"}


async def an_empty_page_is_not_the_end(town: Town) -> None:
    town.fake.empty_pages, town.fake.page_size = 2, 3
    for number in range(7):
        town.fake.customer_says(ACCOUNT, f"wmPage{number}", QUESTION)
    await town.notify()
    for number in range(7):
        assert ANSWER in (await town.hears(f"wmPage{number}")).text
    assert town.fake.empty_pages == 0
    town.fake.page_size = 1000


async def what_is_recalled_before_it_is_read_stays_unanswered(town: Town) -> None:
    said = town.fake.customer_says(ACCOUNT, "wmRecall", QUESTION)
    town.fake.system_event(ACCOUNT, "wmRecall", "user_recall_msg", recall_msgid=said)
    await town.notify()
    assert (await town.handled(said)).recalled
    assert not town.phone("wmRecall")
    await town.says("wmRecall", OTHER_QUESTION)
    assert OTHER_ANSWER in (await town.hears("wmRecall")).text


async def a_very_long_message_is_answered(town: Town) -> None:
    await town.says("wmLong", (QUESTION + "，我很着急，") * 769 + "啊" * 3)
    reply = await town.hears("wmLong")
    assert "只看了前" in reply.text
    (row,) = await town.about(INBOX, "wmLong")
    assert len(row.body) > 10_000


async def test_whatever_is_sent_gets_a_fitting_reaction(town: Town) -> None:
    bodies = {
        "voice": {"media_id": "VOICE"},
        "video": {"media_id": "VIDEO"},
        "file": {"media_id": "FILE"},
        "location": {"latitude": 30.5, "longitude": 120.9, "name": "家", "address": "武原街道"},
        "link": {"title": "大奖", "desc": "点我", "url": "https://prize.example"},
        "merged_msg": {"title": "聊天记录", "item": [{"sender_name": "他", "msg_content": "{}"}]},
        "business_card": {"userid": "zhou"},
        "hologram": {"beam": 1},
    }
    for kind, body in bodies.items():
        town.fake.customer_sends(ACCOUNT, f"wm-{kind}", kind, body)
    await town.notify()
    for kind in bodies:
        expected = kind if kind in {"voice", "video", "file", "location", "link"} else "other_kind"
        reply = await town.hears(f"wm-{kind}")
        assert reply.text.endswith(town.line(expected))
        assert ("human", "转人工") in reply.options
    await a_picture_is_kept_for_a_person(town)
    await a_picture_right_after_entering_is_not_lost(town)


async def a_picture_is_kept_for_a_person(town: Town) -> None:
    town.fake.media["PICTURE"] = (PNG, "image/png")
    town.fake.fail_next("media/get", -1)
    await town.sends("wmPicture", "image", {"media_id": "PICTURE"})
    assert (await town.hears("wmPicture")).text.endswith(town.line("image"))

    async def tried() -> bool:
        return (await town.rows(MEDIA))[0].attempts > 0

    await until(tried, "the first attempt at the picture")
    async with town.house.database.write() as connection:
        await connection.execute(MEDIA.update().values(not_before=datetime.now(UTC)))
    await town.caught_up()  # anything that is answered also wakes the fetching

    async def kept() -> bool:
        return (await town.rows(MEDIA))[0].state is MediaState.KEPT

    await until(kept, "the picture is kept")
    (media,) = await town.about(MEDIA, "wmPicture")
    assert (media.content_type, media.size) == ("image/png", len(PNG))
    assert town.house.media.open(media.id) == PNG
    folder = town.house.settings.data_dir / "media"
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert PNG[:8] not in files[0]
    assert PNG[1000:1100] not in files[0]
    # It is no whole PNG: what cannot be read goes to a person, and the resident is told.
    assert (await town.hears("wmPicture", 2)).text == town.line("image_unreadable")
    (ticket,) = await town.about(TICKET, "wmPicture")
    assert (ticket.need, ticket.state, ticket.area) == ("image", TicketState.OPEN, "county-desk")


async def a_picture_right_after_entering_is_not_lost(town: Town) -> None:
    """Both come in one page where the process was away: the picture counts, not the welcome."""
    town.fake.enters_session(ACCOUNT, "wmHasty")
    await town.sends("wmHasty", "image", {"media_id": "PICTURE"})
    await until(lambda: town.phone("wmHasty"), "the picture is acknowledged")
    assert town.phone("wmHasty")[0].text.endswith(town.line("image"))
    assert (await town.hears("wmHasty", 2)).text == town.line("image_unreadable")
    (ticket,) = await town.about(TICKET, "wmHasty")
    assert ticket.need == "image"


async def put_on_duty(settings: Settings, mind: Mind, userid: str, starts: datetime) -> None:
    """An officer with a shift of eight hours."""
    async with open_house(settings) as house:
        await house.officers.sync_areas(mind.library)
        officer = await house.officers.add(
            userid, Role.POLICE, "a password that is long", "county-desk", wecom_userid=userid
        )
        await house.roster.add_shift(officer, "county-desk", starts, starts + timedelta(hours=8))


async def test_a_person_takes_over_and_leaves(
    settings: Settings, fake: FakeWeCom, mind: Mind
) -> None:
    await put_on_duty(settings, mind, "zhou", datetime.now(UTC) - timedelta(hours=1))
    fake.accounts[ACCOUNT].on_duty["zhou"] = True
    async with running(connected(settings, fake)) as (house, address):
        town = Town(house, fake, address)
        await on_request_a_servicer_takes_over(town)
        await when_the_servicer_leaves_the_bot_is_back(town)
        await who_only_speaks_has_taken_over_too(town)
        await a_takeover_that_nobody_told_of_is_found_out(town)
        await only_residents_are_answered(town)


async def on_request_a_servicer_takes_over(town: Town) -> None:
    asked = await town.says("wmHuman", "人工")
    assert (await town.hears("wmHuman")).text.endswith(town.line("handoff"))
    await town.handled(asked)
    conversation = town.fake.accounts[ACCOUNT].conversations["wmHuman"]
    assert (conversation.state, conversation.servicer) == (3, "zhou")
    calls = [path for path, payload in town.fake.requests if payload.get("open_kfid") == ACCOUNT]
    assert calls.index("kf/send_msg") < calls.index("kf/service_state/trans")
    (ticket,) = await town.about(TICKET, "wmHuman")
    assert ticket.need == "human"
    for words in (QUESTION, "在吗", "人工"):
        await town.handled(await town.says("wmHuman", words))
    await town.hears("wmHuman")
    assert [row.decided for row in await town.about(INBOX, "wmHuman")][1:] == ["quiet"] * 3


async def when_the_servicer_leaves_the_bot_is_back(town: Town) -> None:
    town.fake.session_changes(ACCOUNT, "wmHuman", 3, old="zhou")
    await town.says("wmHuman", QUESTION)
    assert ANSWER in (await town.hears("wmHuman", 2)).text
    (conversation,) = await town.about(CONVERSATION, "wmHuman")
    assert conversation.holder is Holder.BOT


async def who_only_speaks_has_taken_over_too(town: Town) -> None:
    await town.says("wmSpoken", QUESTION)
    await town.hears("wmSpoken")
    town.fake.servicer_says(ACCOUNT, "wmSpoken", "我来帮您看看")
    await town.handled(await town.says("wmSpoken", OTHER_QUESTION))
    await town.hears("wmSpoken")
    (conversation,) = await town.about(CONVERSATION, "wmSpoken")
    assert conversation.holder is Holder.HUMAN


async def a_takeover_that_nobody_told_of_is_found_out(town: Town) -> None:
    town.fake.accounts[ACCOUNT].conversations["wmTaken"].state = 3
    await town.handled(await town.says("wmTaken", QUESTION))
    (row,) = await town.about(OUTBOX, "wmTaken")
    assert (row.state, row.reason) == (OutboxState.REFUSED, "a human has the conversation")
    tried = town.fake.calls["kf/send_msg"]
    await town.handled(await town.says("wmTaken", OTHER_QUESTION))
    assert town.fake.calls["kf/send_msg"] == tried
    assert not town.phone("wmTaken")


async def only_residents_are_answered(town: Town) -> None:
    fake = town.fake
    fake.system_event(ACCOUNT, "wmSystem", "servicer_status_change", servicer_userid="zhou")
    fake.system_event(ACCOUNT, "wmSystem", "servicer_recall_msg", recall_msgid="m", note=QUESTION)
    fake.system_event(ACCOUNT, "wmSystem", "msg_send_fail", fail_msgid="none", fail_type=4)
    fake.system_event(ACCOUNT, "wmSystem", "something_new", text=QUESTION)
    fake.servicer_says(ACCOUNT, "wmSystem", QUESTION)
    fake.servicer_says(ACCOUNT, "wmSystem", "人工")
    await town.caught_up()
    assert not town.phone("wmSystem")
    assert not await town.about(OUTBOX, "wmSystem")


async def test_nobody_is_on_duty(
    settings: Settings, fake: FakeWeCom, mind: Mind, tmp_path: Path
) -> None:
    county = tmp_path / "county"
    shutil.copytree(PACKAGE / "content" / "county", county)
    (county / "calendar.yaml").write_text("workday: []\nrestday: []\n", encoding="utf-8")
    settings = settings.model_copy(update={"county_dir": county})
    starts = datetime.now(UTC) + timedelta(hours=3)
    await put_on_duty(settings, mind, "zhou", starts)
    fake.accounts[ACCOUNT].on_duty["zhou"] = False
    async with running(connected(settings, fake)) as (house, address):
        town = Town(house, fake, address)
        before = datetime.now(UTC)
        await town.handled(await town.says("wmNight", "我要找民警"))
        reply = (await town.hears("wmNight")).text
        (ticket,) = await town.about(TICKET, "wmNight")
        # Two times of day, for a test that runs over midnight.
        possible = {
            town.line(
                "after_hours",
                time=in_words(starts, now),
                code=ticket.code,
                phone=house.content.library.desk().phone,
            )
            for now in (before, datetime.now(UTC))
        }
        assert reply.splitlines()[-1] in possible  # the rules stand before a first answer
        assert (ticket.need, ticket.state, ticket.area) == (
            "human",
            TicketState.OPEN,
            "county-desk",
        )
        assert "kf/service_state/trans" not in fake.calls
        # Asking again opens no second ticket, and the bot goes on answering meanwhile.
        await town.says("wmNight", "人工")
        assert ticket.code in (await town.hears("wmNight", 2)).text
        await town.says("wmNight", QUESTION)
        assert ANSWER in (await town.hears("wmNight", 3)).text
        assert len(await town.about(TICKET, "wmNight")) == 1


async def test_what_goes_wrong_at_the_far_end(town: Town) -> None:
    await a_revoked_token_is_renewed(town)
    await a_rate_limit_is_waited_out(town)
    await a_reply_that_waits_keeps_only_its_resident_waiting(town)
    for errcode in (0, 45065):
        await a_lost_answer_does_not_send_twice(town, errcode)
    await the_last_of_five_is_kept_for_an_emergency(town)
    await five_at_the_far_end_are_not_argued_with(town)
    await a_message_that_failed_later_is_marked(town)


async def a_revoked_token_is_renewed(town: Town) -> None:
    await town.says("wmToken", QUESTION)
    await town.hears("wmToken")
    tokens = town.fake.calls["gettoken"]
    town.fake.revoke_tokens()
    await town.says("wmToken", OTHER_QUESTION)
    assert OTHER_ANSWER in (await town.hears("wmToken", 2)).text
    assert town.fake.calls["gettoken"] == tokens + 1


async def a_rate_limit_is_waited_out(town: Town) -> None:
    town.fake.fail_next("kf/send_msg", 45009)
    asked = await town.says("wmRate", QUESTION)
    row = await town.waits("wmRate", "45009")
    assert row.not_before > datetime.now(UTC) + timedelta(seconds=30)
    assert not town.phone("wmRate")
    await town.time_passes()
    assert ANSWER in (await town.hears("wmRate")).text
    await town.handled(asked)
    (row,) = await town.about(OUTBOX, "wmRate")
    assert (row.state, row.attempts) == (OutboxState.SENT, 2)


async def a_reply_that_waits_keeps_only_its_resident_waiting(town: Town) -> None:
    """And an emergency not even that."""
    town.fake.fail_next("kf/send_msg", 45009)
    await town.says("wmBlocked", QUESTION)
    await town.waits("wmBlocked", "45009")
    last = await town.says("wmBlocked", OTHER_QUESTION)

    async def both() -> bool:
        return len(await town.about(OUTBOX, "wmBlocked")) == 2

    await until(both, "both replies are decided")
    await town.caught_up()  # somebody else, behind both, is answered meanwhile
    assert not town.phone("wmBlocked")
    await town.says("wmBlocked", "我撞到人了，人受伤了")
    assert (await town.hears("wmBlocked")).text == town.line("injury")
    await town.time_passes()
    await town.handled(last)
    await town.hears("wmBlocked", 3)
    order = [(ANSWER in one.text, OTHER_ANSWER in one.text) for one in town.phone("wmBlocked")]
    assert order[1:] == [(True, False), (False, True)]


async def a_lost_answer_does_not_send_twice(town: Town, errcode: int) -> None:
    who = f"wmCut{errcode}"
    town.fake.duplicate_errcode = errcode
    town.fake.cut_next("kf/send_msg", after=True)
    asked = await town.says(who, QUESTION)
    await town.hears(who)
    await town.waits(who, "kf/send_msg")
    await town.time_passes()
    await town.handled(asked)
    await town.hears(who)
    (row,) = await town.about(OUTBOX, who)
    assert (row.state, row.attempts) == (OutboxState.SENT, 2)
    ids = [
        payload["msgid"]
        for path, payload in town.fake.requests
        if path == "kf/send_msg" and payload["touser"] == who
    ]
    assert ids == [row.key, row.key]


async def the_last_of_five_is_kept_for_an_emergency(town: Town) -> None:
    for who, words in (("wmFour", QUESTION), ("wmUrgent", "我撞到人了，人受伤了")):
        town.fake.fail_next("kf/send_msg", -1)
        asked = await town.says(who, words)
        await town.waits(who, "-1")
        async with town.house.database.write() as connection:  # as if four had gone meanwhile
            await connection.execute(CONVERSATION.update().values(sent_since=4))
        await town.time_passes()
        await town.handled(asked)
    (row,) = await town.about(OUTBOX, "wmFour")
    assert (row.state, row.urgent) == (OutboxState.REFUSED, False)
    assert "five" in row.reason
    assert not town.phone("wmFour")
    # Help first, the rules behind it.
    assert (await town.hears("wmUrgent")).text.startswith(town.line("injury"))
    # Their next message makes room again.
    await town.says("wmFour", QUESTION)
    assert ANSWER in (await town.hears("wmFour")).text


async def five_at_the_far_end_are_not_argued_with(town: Town) -> None:
    asked = town.fake.customer_says(ACCOUNT, "wmFive", QUESTION)
    town.fake.accounts[ACCOUNT].conversations["wmFive"].sent_since = 5
    await town.notify()
    await town.handled(asked)
    (row,) = await town.about(OUTBOX, "wmFive")
    assert (row.state, row.attempts) == (OutboxState.EXPIRED, 1)


async def a_message_that_failed_later_is_marked(town: Town) -> None:
    await town.handled(await town.says("wmFailed", QUESTION))
    msgid = (await town.hears("wmFailed")).msgid
    town.fake.system_event(ACCOUNT, "wmFailed", "msg_send_fail", fail_msgid=msgid, fail_type=10)
    await town.notify()

    async def marked() -> bool:
        (row,) = await town.about(OUTBOX, "wmFailed")
        return row.state is OutboxState.REFUSED and "fail_type 10" in row.reason

    await until(marked, "the row says that WeCom could not deliver")
    await town.caught_up()
    await town.hears("wmFailed")


def member_xml(text: str, msgid: str) -> str:
    return (
        "<xml><ToUserName><![CDATA[ww]]></ToUserName><FromUserName><![CDATA[officer-1]]>"
        f"</FromUserName><CreateTime>{int(datetime.now(UTC).timestamp())}</CreateTime>"
        f"<MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{text}]]></Content>"
        f"<MsgId>{msgid}</MsgId><AgentID>1000002</AgentID></xml>"
    )


async def test_the_callbacks_door(town: Town) -> None:
    await a_member_is_answered_through_the_app(town)
    await what_is_no_callback_is_refused_and_not_stored(town)


async def a_member_is_answered_through_the_app(town: Town) -> None:
    for _ in range(3):
        message = member_xml(QUESTION, "7001")
        assert await town.fake.callback_request(town.callback, message) == 200
    assert ANSWER in (await town.hears("officer-1")).text
    sent = [payload for path, payload in town.fake.requests if path == "message/send"]
    assert [(one["touser"], str(one["agentid"])) for one in sent] == [("officer-1", "1000002")]
    await town.fake.callback_request(town.callback, member_xml("菜单", "7002"))
    assert "回复 1：" in (await town.hears("officer-1", 2)).text


async def what_is_no_callback_is_refused_and_not_stored(town: Town) -> None:
    async def counts() -> list[int]:
        return [len(await town.rows(table)) for table in (INBOX, KF_ACCOUNT, CONVERSATION)]

    async def post(query: dict[str, str], body: bytes) -> int:
        async with aiohttp.ClientSession() as session:
            stream = io.BytesIO(body)
            async with session.post(town.callback, params=query, data=stream) as answer:
                assert b"Traceback" not in await answer.read()
                return answer.status

    before = await counts()
    fake = town.fake
    query, body = fake.sealed(fake.notice_xml("wkForged"))
    assert await post(query | {"msg_signature": "0" * 40}, body) == 403
    assert await post(query | {"timestamp": "1"}, body) == 403
    assert await post({}, body) == 403
    assert await post(query, body.replace(b"<Encrypt><![CDATA[", b"<Encrypt><![CDATA[AAAA")) == 403
    assert await post(*fake.sealed(fake.notice_xml("wkForged"), "ww-of-somebody-else")) == 403
    assert await post(query, b"\x00\xff junk") == 400
    assert await post(query, b"") == 400
    assert await post(query, b'{"msgtype": "text"}') == 400
    assert await post(query, body.replace(b"</xml>", b"<Encrypt>A</Encrypt></xml>")) == 400
    assert await post(query, b"<xml>" + b"x" * 2_000_000 + b"</xml>") == 413
    bomb = '<!DOCTYPE x [<!ENTITY a "a"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    assert await post(query, bomb.encode() + body.replace(b"<![CDATA[", b"<![CDATA[&b;")) == 400
    inner = member_xml(QUESTION, "8001").replace("<![CDATA[" + QUESTION + "]]>", "&b;")
    assert await post(*fake.sealed(bomb + inner)) == 400
    assert await post(*fake.sealed("<xml><MsgType>text</MsgType>")) == 400
    assert await post(*fake.sealed("not even XML")) == 400
    unknown = fake.notice_xml("wkForged").replace("kf_msg_or_event", "event_of_next_year")
    assert await post(*fake.sealed(unknown)) == 200
    assert await counts() == before


@pytest.fixture
def sqlite_settings(tmp_path: Path, kept: Path) -> Settings:
    settings = make_settings(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/data/test.db")
    bring(kept, settings.data_dir)
    return settings


async def test_nothing_that_a_resident_said_is_readable_on_the_disk(
    sqlite_settings: Settings, fake: FakeWeCom
) -> None:
    """Texts, replies, pictures and ids, in the database, its log and every other file."""
    who, words = "wmOpenIdOfOnePerson", "我是怪兽甲，帮我算一下下周的彩票号码"
    fake.media["PICTURE"] = (PNG, "image/png")
    async with running(connected(sqlite_settings, fake)) as (house, address):
        town = Town(house, fake, address)
        fake.enters_session(ACCOUNT, who)
        await town.notify()
        await town.hears(who)
        await town.handled(await town.says(who, words))
        await town.handled(await town.says(who, QUESTION))
        await town.handled(await town.sends(who, "image", {"media_id": "PICTURE"}))
        # Last: in the desk's hours a person has the conversation from here on, the bot is silent.
        await town.handled(await town.says(who, "人工"))

        async def kept() -> bool:
            return any(row.state is MediaState.KEPT for row in await town.rows(MEDIA))

        await until(kept, "the picture is kept")
        # One more where the picture has been read by then.
        await until(lambda: len(town.phone(who)) >= 5, "five messages")
        replies = [message.text[:12] for message in town.phone(who)]
        folder = sqlite_settings.data_dir
        files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert folder / "test.db-wal" in files
    files |= {path: path.read_bytes() for path in folder.rglob("*.db") if path.is_file()}
    secrets = [who, words, "怪兽甲", QUESTION, *replies, "PICTURE"]
    for path, content in files.items():
        if path.name in {"jieba.cache", "content.kept"}:  # made before anybody spoke
            continue
        for secret in secrets:
            for hidden in (secret.encode(), quote(secret).encode(), secret.encode("utf-16-le")):
                assert hidden not in content, f"{secret} stands in {path.name}"
        assert sha1(who.encode()).hexdigest().encode() not in content  # noqa: S324
        assert PNG[:64] not in content
