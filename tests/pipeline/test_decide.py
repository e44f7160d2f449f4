"""What is said to what: the order of the promises, and the honesty of the answers."""

import re
from datetime import date

import pytest

from jingxiaowei.content.model import Certainty
from jingxiaowei.pipeline.contact import read_contact
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Decision, Desk, Kind, Known, Need
from jingxiaowei.pipeline.emergency import Watch
from jingxiaowei.pipeline.messages import MessageKind
from jingxiaowei.pipeline.screen.values import Verdict
from tests.conftest import said

DESK = Desk(True, "", "0573-12345")
CLOSED = Desk(False, "明天 08:30", "0573-12345")
TODAY = date(2026, 11, 22)


def decide(mind: Mind, *texts: str, desk: Desk = DESK, **known: object) -> Decision:
    facts = {"today": TODAY, "desk": desk, "code": "AB2C3"} | known
    return mind.decide([said(text) for text in texts], Known(**facts))  # type: ignore[arg-type]


def tap(mind: Mind, option: str) -> Decision:
    return mind.decide([said("按钮", menu_id=option)], Known(TODAY, DESK, "AB2C3"))


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("身份证丢了怎么补", "H03"),
        ("第一次办护照要带什么材料", "E01"),
        ("驾照快到期了去哪里换", "T02"),
        ("电瓶车上牌要带什么材料", "T61"),
        ("居住证怎么办理要什么条件", "H54|H55"),
        ("酒驾会怎么处罚", "T28"),
    ],
)
def test_plain_questions_are_answered(mind: Mind, text: str, fact: str) -> None:
    decision = decide(mind, text)
    assert decision.kind is Kind.ANSWER
    assert decision.fact in fact.split("|")
    assert decision.reasons
    assert "核对" in decision.text


def test_check_topics_leave_it_to_the_window(mind: Mind) -> None:
    hints = {"hukou": "12345", "traffic": "12123", "exit_entry": "12367"}
    for entry in mind.library.entries:
        text = mind.speech.answer(entry, TODAY)
        assert len(text.encode()) <= 2048, entry.id
        assert ("以海盐当地窗口为准" in text) == (entry.certainty is Certainty.CHECK), entry.id
        assert hints[entry.domain.value] in text.splitlines()[-1], entry.id
        assert "{" not in text, entry.id
        assert not re.search(r"https?://|www\.|！|立案|请勿|一定追回", text), entry.id


def test_stale_answers_say_so(mind: Mind) -> None:
    entry = mind.library.entries[0]
    assert "请向窗口核实" not in mind.speech.answer(entry, TODAY)
    assert "请向窗口核实" in mind.speech.answer(entry, date(2099, 1, 1))


def test_emergencies_come_before_everything(mind: Mind) -> None:
    for kind in mind.library.emergencies:
        for text in kind.cases.hit:
            decision = decide(mind, text)
            if kind.card == "transferring" and decision.kind is Kind.FRAUD:
                # A script that the screening knows: its own line, and an alert instead of a ticket.
                assert decision.screening is not None
                assert decision.screening.verdict is Verdict.ALERT
                continue
            assert decision.kind is Kind.EMERGENCY, text
            assert re.search("110|119|120", decision.text)
            assert decision.need is Need.EMERGENCY
            assert decision.urgent
        for text in kind.cases.miss:
            assert decide(mind, text).kind is not Kind.EMERGENCY, text


def test_no_shipped_question_is_taken_for_an_emergency(mind: Mind) -> None:
    watch = Watch(mind.library.emergencies)
    wrongly = [
        text
        for entry in mind.library.entries
        for text in (*entry.phrasings, *entry.cases.hit)
        if watch.look(text) is not None
    ]
    assert len(wrongly) <= 5, wrongly  # some do describe one: a stolen car, a swindled relative


def test_an_emergency_in_a_burst_is_not_lost(mind: Mind) -> None:
    decision = decide(mind, "护照多少钱", "快，有人受伤了", "在路口")
    assert decision.kind is Kind.EMERGENCY


@pytest.mark.parametrize("text", ["人工", "转人工！", "我要找民警", "帮我转人工", "请转人工服务"])
def test_a_person_on_request(mind: Mind, text: str) -> None:
    decision = decide(mind, text)
    assert decision.kind is Kind.HANDOFF
    assert decision.transfer
    assert decision.need is Need.HUMAN
    closed = decide(mind, text, desk=CLOSED)
    assert "明天 08:30" in closed.text
    assert "AB2C3" in closed.text
    assert not closed.transfer


def test_small_talk_says_that_it_is_a_machine(mind: Mind) -> None:
    decision = decide(mind, "你是真人吗？")
    assert decision.kind is Kind.SMALLTALK
    assert "机器人" in decision.text
    assert "不是民警" in decision.text
    assert decide(mind, "你好").kind is Kind.SMALLTALK


@pytest.mark.parametrize("text", ["明天会下雨吗", "红烧肉怎么做好吃", "推荐一部电影", "1+1等于几"])
def test_what_it_does_not_know_it_says(mind: Mind, text: str) -> None:
    decision = decide(mind, text)
    assert decision.kind is Kind.UNKNOWN
    assert decision.missed
    assert any(option.id == "human" for option in decision.options)


def test_other_agencies_matters_are_signposted(mind: Mind) -> None:
    decision = decide(mind, "老板拖欠工资三个月了怎么办")
    assert decision.kind is Kind.UNKNOWN
    assert decision.signpost == "12333"


def test_anothers_word_in_a_story_points_nowhere_while_an_entry_comes_near(mind: Mind) -> None:
    story = (
        "我是前年从外省来的，在开发区一家纺织厂上班，厂里给我交着社保和医保，上回住院报销也顺利。"
        "今年夏天我和爱人商量以后就不回去了，孩子也准备接过来读书，像我这种情况，"
        "想把自己的户口落到县里来行不行？"
    )
    told = decide(mind, story)
    assert told.signpost == ""
    assert told.candidates[0].fact in {"H31", "H80"}
    assert decide(mind, "医保断了怎么补").signpost == "12393"


def test_a_firm_word_points_away_even_from_a_likely_entry(mind: Mind) -> None:
    asked = decide(mind, "户口本丢了可以离婚吗")
    assert (asked.kind, asked.faq) == (Kind.UNKNOWN, "")
    assert "婚姻登记" in asked.text


def test_menus_lead_to_answers(mind: Mind) -> None:
    menu = decide(mind, "菜单")
    for option in menu.options:
        chosen = tap(mind, option.id)
        assert chosen.text, option
        for deeper in chosen.options:
            if deeper.id.startswith("faq-"):
                assert tap(mind, deeper.id).kind is Kind.ANSWER
    assert "前面" in tap(mind, "faq-long-gone").text


def test_every_option_fits_wecom(mind: Mind) -> None:
    for text in ("菜单", "人工", "你好", "护照", "天气"):
        decision = decide(mind, text)
        assert len(decision.options) <= 10
        for option in decision.options:
            assert len(option.label) <= 16
            assert len(option.id.encode()) <= 64


@pytest.mark.parametrize("kind", list(MessageKind))
def test_every_kind_gets_a_fitting_reaction(mind: Mind, kind: MessageKind) -> None:
    decision = mind.decide([said("", kind=kind)], Known(TODAY, DESK, "AB2C3"))
    assert decision.text
    if kind is MessageKind.IMAGE:
        assert decision.text == mind.speech.say("image")
    if kind is MessageKind.ENTER:
        assert decision.kind is Kind.WELCOME
        assert "机器人" in decision.text


def test_a_human_is_never_talked_over(mind: Mind) -> None:
    assert decide(mind, "身份证丢了怎么补", handed_over=True).kind is Kind.QUIET


def test_long_texts_are_cut_and_said_so(mind: Mind) -> None:
    decision = decide(mind, "身份证丢了怎么补" + "我家住在村里" * 2000)
    assert "300" in decision.text
    assert len(decision.text.encode()) <= 2048


def test_numbers_are_not_wanted(mind: Mind) -> None:
    decision = decide(mind, "我的身份证号是110101199003070011，丢了怎么补")
    assert "已打码" in decision.text
    assert "110101199003070011" not in decision.text


@pytest.mark.parametrize(
    ("text", "town"),
    [
        ("武原街道", "武原"),
        ("我在百步，你们什么时候来", "百步"),
        ("13800001234 武原，百步也有店", "武原"),
        ("户口从百步迁到武原", None),
        ("百步派出所在哪里", None),
    ],
)
def test_a_question_with_a_town_is_no_address(text: str, town: str | None) -> None:
    given = read_contact(text, ["武原", "武原街道", "百步"])
    assert (given and given.town) == town
