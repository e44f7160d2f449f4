"""A resident's own file in the conversation: seen, mended, taken along, taken back, erased."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Need
from jingxiaowei.pipeline.messages import Channel, MessageKind, Option, Outgoing
from jingxiaowei.services import files_house, own_house
from jingxiaowei.services.consent_asking import NotAskedError
from jingxiaowei.services.files_house import FileHouse
from jingxiaowei.services.inbox import conversation_id
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.own_house import OwnHouse
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    CONSENT,
    REQUEST,
    SUGGESTION,
    ConsentKind,
    Ground,
    RequestKind,
    RequestState,
    SuggestionState,
)
from jingxiaowei.store.tables import CONVERSATION, INBOX, RESIDENT, TICKET, Role
from tests.conftest import said
from tests.services.conftest import Spine, make_spine

PASSWORD = "a password of ours"


@dataclass
class Home:
    """A spine, the files behind it, and one resident with a phone."""

    spine: Spine
    files: FileHouse
    own: OwnHouse
    police: Signed
    channel: Channel = Channel.WEB
    name: str = "resident-1"
    number: int = 0

    @property
    def database(self) -> Database:
        return self.spine.database

    @property
    def resident(self) -> str:
        account = "web" if self.channel is Channel.WEB else "wk1"
        return conversation_id(self.database.cipher, self.channel, account, self.name)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def says(self, text: str, tap: str = "", **more: Any) -> Outgoing:
        """A message or a tap; the answer to it."""
        self.number += 1
        account = "web" if self.channel is Channel.WEB else "wk1"
        values = {"message_id": f"m{self.number}", "menu_id": tap, "sender": self.name} | more
        message = said(text, channel=self.channel, account=account, **values)
        before = len(self.spine.far.calls)
        await self.spine.inbox.receive([message])
        await self.spine.settle()
        assert len(self.spine.far.calls) == before + 1, "one answer to each"
        return self.spine.far.calls[-1]

    async def taps(self, shown: Outgoing, label: str) -> Outgoing:
        """A tap on one of the buttons that stand there."""
        return await self.says(label, option(shown, label).id)

    async def note(self, tag: str, ground: Ground = Ground.DUTY, reason: str = "走访登记") -> None:
        await self.files.tagging.apply(
            self.police, self.resident, tag, reason, self.now, ground=ground
        )

    async def tags(self) -> list[str]:
        return [h.tag for h in await self.files.tagging.tags_of(self.resident, self.now)]

    async def rows(self, table: Any) -> list[Any]:
        return await self.spine.rows(table)

    async def consents(self) -> dict[ConsentKind, bool]:
        async with self.database.read() as connection:
            found = await self.files.consents.newest(connection, self.resident)
        return {each.kind: each.given for each in found}


def option(shown: Outgoing, label: str) -> Option:
    return next(each for each in shown.options if each.label.endswith(label))


def labels(shown: Outgoing) -> list[str]:
    return [each.label for each in shown.options]


async def make_home(database: Database, mind: Mind, folder: Path) -> Home:
    spine = make_spine(database, mind, folder)
    await spine.officers.sync_areas(mind.library)
    files = files_house.build(
        database, spine.bell, spine.content, spine.audit, spine.officers, spine.media
    )
    own = own_house.build(database, spine.content, spine.audit, spine.officers, files)
    await spine.officers.add("laoli", Role.POLICE, PASSWORD, "county-desk", "李强", "wx-li")
    return Home(spine, files, own, await spine.officers.find("laoli"))


@pytest.fixture
async def home(database: Database, mind: Mind, tmp_path: Path) -> Home:
    return await make_home(database, mind, tmp_path)


async def test_the_file_is_told_in_plain_words(home: Home) -> None:
    empty = await home.says("看看我的资料")
    assert "没有给您记标签" in empty.text
    await home.note("finance_staff")
    await home.note("elder_alone")
    shown = await home.says("你们都记了我什么")
    assert "记着您 1 项" in shown.text
    assert "1 财务人员，民警李强" in shown.text
    assert "依据法定职责" in shown.text
    assert "到20" in shown.text
    assert "走访登记" not in shown.text  # an officer's own words may tell of others
    # On a shared phone careful tags are counted; a tap shows them.
    assert "还有 1 项较私密" in shown.text
    assert "独居老人" not in shown.text
    assert "独居老人" not in " ".join(labels(shown))
    private = await home.taps(shown, "现在看")
    assert "2 独居老人" in private.text
    assert labels(private)[-4:] == ["都对", "给我一份", "全部删除", "谁看过"]
    item = await home.says("第1条")
    assert item.text.startswith("财务人员：会计、出纳")
    assert "防骗提醒" in item.text
    assert "1、" not in item.text


async def test_a_number_reaches_only_what_was_shown(home: Home) -> None:
    await home.says("你好")
    await home.note("finance_staff")
    await home.note("elder_alone")
    await home.says("我的档案")
    assert "不在您的档案里" in (await home.says("2")).text
    await home.says("现在看", "file-private")
    assert (await home.says("2")).text.startswith("独居老人")
    # Somebody else's tag is out of reach, whatever button is forged.
    [first, _] = await home.rows(ASSIGNMENT)
    home.name = "resident-2"
    for deed in ("item", "delete", "correct", "object"):
        forged = await home.says("删掉", f"tag-{deed}-{first.id}")
        assert "不在您的档案里" in forged.text
    home.name = "resident-1"
    assert await home.tags() == ["finance_staff", "elder_alone"]


async def test_a_tag_is_deleted_corrected_and_objected_to(home: Home) -> None:
    await home.says("你好")
    for tag in ("finance_staff", "renter", "new_resident"):
        await home.note(tag)
    item = await home.taps(await home.says("我的档案"), "财务人员")
    assert labels(item) == ["要改", "删掉", "不同意记", "回到清单"]
    gone = await home.taps(item, "删掉")
    assert gone.text == "好，“财务人员”删掉了。答复照常。"
    assert await home.tags() == ["renter", "new_resident"]
    assert "不在您的档案里" in (await home.taps(item, "删掉")).text  # an old button
    # By its name, in one sentence.
    assert "删掉了" in (await home.says("把租房居住这个标签删掉")).text
    assert await home.tags() == ["new_resident"]
    # Correcting is a person's work: a code, a day, and what is wrong.
    item = await home.taps(await home.says("我的档案"), "新居民")
    request = await home.taps(item, "要改")
    assert "更正" in request.text
    [row] = await home.rows(REQUEST)
    assert row.code in request.text
    assert row.kind is RequestKind.CORRECT
    assert timedelta(days=15) < row.due_at - home.now < timedelta(days=40)
    more = await home.says("我上个月搬走了")
    assert more.text == f"补上了，编号 {row.code}。"
    waiting = await home.files.requests.open(home.police, home.now)
    assert waiting[0].text == "“新居民”不对\n我上个月搬走了"
    # A question is answered as ever, not taken for more of the request.
    assert "补领" in (await home.says("身份证丢了怎么补办")).text
    again = await home.taps(item, "要改")
    assert row.code in again.text
    assert len(await home.rows(REQUEST)) == 1
    assert f"在办：更正请求，{row.due_at.month}月" in (await home.says("我的档案")).text
    # Who objects is not asked again.
    refused = await home.taps(item, "不同意记")
    assert "停用" in refused.text
    assert await home.tags() == []
    states = {row.tag: row.state for row in await home.rows(SUGGESTION)}
    assert states["new_resident"] is SuggestionState.DECLINED


async def test_what_a_duty_holds_goes_to_police(home: Home) -> None:
    await home.says("你好")
    await home.note("dissuaded_followup")
    private = await home.taps(await home.says("我的档案"), "现在看")
    item = await home.taps(private, "劝阻后回访")
    held = await home.taps(item, "删掉")
    assert "按法定职责记的" in held.text
    [row] = await home.rows(REQUEST)
    assert (row.kind, row.code in held.text) == (RequestKind.DELETE, True)
    assert await home.tags() == ["dissuaded_followup"]


@pytest.mark.parametrize(
    ("words", "tag", "back"),
    [
        ("退订", "opt_out", "恢复提醒"),
        ("别老发", "pref_low_freq", "恢复正常推送"),
        ("大字", "pref_large_text", "普通版"),
        ("听不懂普通话", "pref_dialect", "讲普通话就行"),
    ],
)
async def test_own_choices_act_at_once(home: Home, words: str, tag: str, back: str) -> None:
    await home.says(words)
    assert await home.tags() == [tag]
    [row] = await home.rows(ASSIGNMENT)
    assert row.ground is Ground.OWN_CHOICE
    assert row.evidence_id is not None
    await home.says(words)  # once more is no fault
    assert len(await home.rows(ASSIGNMENT)) == 1
    [place] = await home.rows(CONVERSATION)
    assert place.brief == (tag == "pref_large_text")
    await home.says(back)
    assert await home.tags() == []
    assert (await home.consents()) == {}


async def test_a_careful_choice_asks_for_separate_consent(home: Home) -> None:
    asked = await home.says("我要无障碍服务")
    assert "单独问您" in asked.text
    assert await home.tags() == []
    assert (await home.taps(asked, "不用")).text.startswith("好，不记")
    assert await home.consents() == {}
    await home.says("我要无障碍服务")
    assert "记下“无障碍服务”" in (await home.says("同意")).text
    assert await home.tags() == ["accessible_service"]
    assert await home.consents() == {ConsentKind.CAREFUL: True}
    # What officers keep is not for residents to choose.
    assert "要由民警、辅警来记" in (await home.says("记下近期已预警")).text


async def test_an_officer_has_consent_asked_for(home: Home) -> None:
    await home.says("你好")
    far = home.spine.far
    await home.own.asking.ask(home.police, home.resident, "财务人员", home.now)
    await home.spine.settle()
    question = far.calls[-1]
    assert question.text == "想记下“财务人员”，用来防骗提醒，365 天后自动删。可以吗？不记也照样答。"
    refused = await home.taps(question, "不用")
    assert "不再问" in refused.text
    with pytest.raises(NotAskedError, match="90 天"):
        await home.own.asking.ask(home.police, home.resident, "renter", home.now)
    # Answers go on all the same.
    assert "补领" in (await home.says("身份证丢了怎么补办")).text
    async with home.database.write() as connection:
        long_ago = home.now - timedelta(days=91)
        await connection.execute(update(CONSENT).values(said_at=long_ago))
    await home.own.asking.ask(home.police, home.resident, "elder_alone", home.now)
    await home.spine.settle()
    assert "单独问您" in far.calls[-1].text
    assert "记下您的同意" in (await home.says("可以")).text
    assert await home.consents() == {ConsentKind.TAGS: True, ConsentKind.CAREFUL: True}
    await home.note("elder_alone", Ground.CONSENT)
    with pytest.raises(NotAskedError, match="已经同意"):
        await home.own.asking.ask(home.police, home.resident, "elder_couple", home.now)
    back = await home.says("撤回同意")
    assert "停掉 1 项" in back.text
    assert await home.tags() == []
    assert await home.consents() == {ConsentKind.TAGS: False, ConsentKind.CAREFUL: False}


async def test_who_read_the_file_is_told(home: Home) -> None:
    await home.says("你好")
    assert "没有人打开" in (await home.says("谁看过我的档案")).text
    await home.note("finance_staff")
    from jingxiaowei.services.files_values import Purpose

    await home.files.files.open(home.police, home.resident, Purpose.CARE, home.now)
    read = await home.says("谁看过我的档案")
    assert "民警李强，为了关怀回访" in read.text


async def test_a_download_works_once(home: Home) -> None:
    await home.says("我的电话是13812342210")
    await home.note("elder_alone")
    offered = await home.says("导出我的信息")
    assert labels(offered) == ["下载文字版", "下载数据版"]
    name = offered.options[0].id.removeprefix("download-")
    take = home.own.exports.take
    assert await take("resident-2", name, home.now) is None
    assert await take(home.name, name, home.now + timedelta(hours=3)) is None
    download = await take(home.name, name, home.now)
    assert download is not None
    text = download.data.decode()
    assert "独居老人" in text
    assert "您：我的电话是138****2210" in text
    assert await take(home.name, name, home.now) is None
    assert await home.files.requests.open(home.police, home.now) == []  # nothing for an officer


async def test_on_wechat_the_file_comes_as_a_message(home: Home) -> None:
    home.channel = Channel.WECOM_KF
    first = await home.says("你好")
    assert "只用来答复办事" in first.text
    assert first.text.endswith(home.spine.content.mind.speech.say("hello"))
    await home.note("finance_staff")
    await home.note("elder_alone")
    sent = await home.says("给我一份")
    assert "1 财务人员" in sent.text
    assert "独居老人" not in sent.text
    assert "独居老人" in (await home.taps(sent, "现在看")).text


async def test_the_rules_are_told_once_and_help_comes_first(home: Home) -> None:
    home.channel = Channel.WECOM_KF
    urgent = await home.says("有人受伤了")
    assert urgent.text.startswith("先打 120")
    assert "只用来答复办事" in urgent.text
    assert "只用来答复办事" not in (await home.says("护照多少钱")).text
    home.name = "resident-2"
    welcomed = await home.says(
        "", kind=MessageKind.ENTER, data={"welcome_code": "code"}, message_id="enter"
    )
    assert "我的档案" in welcomed.text
    assert "（我是机器人" not in (await home.says("护照多少钱")).text


async def test_everything_is_erased_after_a_second_question(home: Home) -> None:
    await home.says("身份证丢了怎么补办")
    await home.note("finance_staff")
    asked = await home.says("把我的信息删了")
    assert "找不回" in asked.text
    assert "只封存" in asked.text
    assert "没有删" in (await home.taps(asked, "先不删")).text
    assert "前面问题" in (await home.taps(asked, "确定删除")).text  # that question is over
    assert await home.tags() == ["finance_staff"]
    asked = await home.says("注销")
    doing = await home.taps(asked, "确定删除")
    assert "正在删除" in doing.text
    assert await home.files.erasure.erase_confirmed(home.now) == 1
    await home.spine.outbox.drain()
    assert "回执" in home.spine.far.calls[-1].text
    await home.files.erasure.erase_confirmed(home.now)
    for table in (RESIDENT, ASSIGNMENT, INBOX, REQUEST):
        assert await home.rows(table) == []
    # The conversation goes on as a new one.
    assert "没有给您记标签" in (await home.says("我的档案")).text


async def test_a_child_is_answered_and_nothing_is_kept(home: Home) -> None:
    await home.says("你好")
    await home.note("finance_staff")
    told = await home.says("我今年12岁，身份证丢了怎么补办")
    assert told.text.startswith("小朋友你好，我不记你的信息")
    assert "补领" in told.text
    assert await home.tags() == []
    [ticket] = await home.rows(TICKET)
    assert ticket.need == Need.HUMAN.value
    assert "我不记你的信息" in (await home.says("大字")).text
    assert await home.rows(ASSIGNMENT) == []


async def test_a_guardian_speaks_for_a_child(home: Home) -> None:
    asked = await home.says("我儿子12岁，第一次办身份证要带什么")
    assert "孩子的信息不记" not in asked.text
    told = await home.says("是我儿子在用这个微信，他才12岁")
    assert "孩子的信息不记" in told.text
    [resident] = await home.rows(RESIDENT)
    assert resident.minor == "under14"


async def test_of_a_teenager_two_groups_are_kept(home: Home) -> None:
    await home.says("你好")
    await home.note("renter")
    told = await home.says("我今年16岁")
    assert "没满 18 岁" in told.text
    assert await home.tags() == []
    await home.says("晚上联系我")
    assert await home.tags() == ["pref_evening"]
    assert "没满 18 岁" in (await home.says("记下新居民")).text
    assert await home.tags() == ["pref_evening"]


async def test_a_right_that_fails_goes_to_a_person(home: Home) -> None:
    await home.says("你好")
    await home.note("finance_staff")
    async with home.database.write() as connection:
        # A row that cannot be opened: what a wrong key or a broken disk would leave.
        await connection.execute(update(ASSIGNMENT).values(reason=b"broken"))
    failed = await home.says("我的档案")
    assert failed.text == home.spine.content.mind.speech.say("failed")
    [ticket] = await home.rows(TICKET)
    assert ticket.need == Need.FAILURE.value
    async with home.database.read() as connection:
        rows = await connection.execute(select(INBOX.c.state))
        assert {row.state.value for row in rows} == {"done"}
    states = {row.state for row in await home.rows(REQUEST)}
    assert RequestState.OPEN not in states
