"""Follow-ups: what was left out is put back, what is denied is not meant, and what stands alone
is left alone."""

import random
from collections.abc import Sequence
from datetime import date

import pytest

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Decision, Desk, Kind, Known
from jingxiaowei.pipeline.dialogue import parts
from jingxiaowei.services.rehearsal import Rehearsal
from tests.conftest import said

DESK = Desk(True, "", "0573-12345")
TODAY = date(2026, 11, 22)


def talk(mind: Mind, turns: Sequence[str]) -> list[Decision]:
    """The decisions of a conversation."""
    rehearsal = Rehearsal(mind)
    return [rehearsal.say(text) for text in turns]


@pytest.mark.parametrize(
    ("turns", "facts"),
    [
        (["护照丢了怎么补办", "要多少钱"], {"E04", "E08"}),
        (["电瓶车怎么上牌", "要带什么材料"], {"T61"}),
        (["驾照丢了怎么补", "身份证呢"], {"H03", "H10"}),
        (["身份证到期了怎么换", "那驾驶证呢"], {"T02"}),
        (["驾驶证快到期了怎么换", "要多久能拿到"], {"T02"}),
        (["居住证丢了怎么补", "去哪里办"], {"H57"}),
        (["闯红灯怎么罚", "那超速呢"], {"T34"}),
        (["办港澳通行证要带什么", "那我家小孩呢"], {"E66", "E17"}),
    ],
)
def test_follow_ups_are_read_on(mind: Mind, turns: list[str], facts: set[str]) -> None:
    *_, last = talk(mind, turns)
    assert last.candidates[0].fact in facts
    assert any(reason.stage == "dialogue" for reason in last.reasons)


@pytest.mark.parametrize(
    ("turns", "facts"),
    [
        (["身份证到期了怎么换", "不是到期，是丢了"], {"H03", "H10"}),
        (["身份证怎么补", "我说的是驾驶证"], {"T05"}),
        (["护照怎么换", "打错了，我要问身份证丢了怎么补"], {"H03", "H10"}),
        (["身份证丢了怎么补", "不对，是居住证丢了"], {"H57"}),
    ],
)
def test_a_correction_takes_back(mind: Mind, turns: list[str], facts: set[str]) -> None:
    *_, last = talk(mind, turns)
    assert last.candidates[0].fact in facts, last.reasons
    assert any("更正" in reason.because for reason in last.reasons)


@pytest.mark.parametrize(
    ("turns", "fact"),
    [
        (["驾照到期怎么换", "看错了 是身份证丢了怎么补"], "H03"),
        (["身份证到期了怎么换", "另外，电动自行车怎么上牌"], "T61"),
    ],
)
def test_what_turns_away_is_not_read_on(mind: Mind, turns: list[str], fact: str) -> None:
    *_, last = talk(mind, turns)
    assert last.candidates[0].fact == fact, last.reasons


def test_a_question_with_shi_bu_shi_denies_nothing(mind: Mind) -> None:
    _, last = talk(mind, ["护照丢了怎么补办", "是不是要先报案，要带什么"])
    assert not any("更正" in reason.because for reason in last.reasons)


def test_a_new_question_is_left_alone(mind: Mind) -> None:
    _, last = talk(mind, ["身份证丢了怎么补", "电动自行车上牌要带什么材料"])
    assert last.fact == "T61"
    assert not any(reason.stage == "dialogue" for reason in last.reasons)


def test_however_short_another_question_is_its_own(mind: Mind) -> None:
    for before, text in (
        ("身份证丢了怎么补", "车辆过户"),
        ("孩子要去香港读书，逗留签注怎么办", "户主变更"),
        ("电瓶车怎么上牌", "护照丢了怎么补办"),
    ):
        *_, last = talk(mind, [before, text])
        assert last.kind is Kind.ANSWER
        assert last.faq == talk(mind, [text])[0].faq


def test_what_is_nobodys_here_is_not_read_into_what_was_asked(mind: Mind) -> None:
    for before, text in (
        ("身份证丢了怎么补", "厂里三个月没给工钱了"),
        ("电瓶车怎么上牌", "离婚财产咋分"),
        ("护照丢了怎么补办", "高铁票退票扣多少手续费"),
    ):
        assert talk(mind, [before, text])[-1].kind is not Kind.ANSWER


def test_of_many_new_questions_few_are_read_on(mind: Mind) -> None:
    """Any two questions that are answered by themselves, one after the other."""
    dice = random.Random(7)
    cases = [
        (entry.id, text)
        for entry in mind.library.entries
        for text in entry.cases.hit
        if len(text) <= 20
    ]
    count, spoilt = 0, []
    while count < 60:
        (one, before), (other, text) = dice.sample(cases, 2)
        first, alone = talk(mind, [before])[0], talk(mind, [text])[0]
        if one == other or first.kind is not Kind.ANSWER or alone.faq != other:
            continue
        count += 1
        if talk(mind, [before, text])[-1].faq != other:
            spoilt.append((before, text))
    assert len(spoilt) <= 3, spoilt


def test_talk_beside_the_matter_keeps_the_topic(mind: Mind) -> None:
    first, thanks, last = talk(mind, ["护照丢了怎么补办", "好的 谢谢您", "多少钱"])
    assert first.kind is Kind.ANSWER
    assert thanks.kind is Kind.SMALLTALK
    assert last.candidates[0].fact in {"E04", "E08"}


def test_sides_asked_before_do_not_pile_up(mind: Mind) -> None:
    first, *sides = talk(mind, ["护照丢了怎么补办", "要多少钱", "去哪里办", "要多少钱"])
    assert first.topic is not None
    for side in sides:
        if side.kind is Kind.ANSWER and side.faq == first.faq:
            assert side.topic is not None
            assert side.topic.text == first.topic.text


@pytest.mark.parametrize(
    "before", ["斑马线不让行人罚多少", "外国配偶怎么留下来", "没挂牌上路扣几分"]
)
def test_a_short_question_of_the_content_is_its_own(mind: Mind, before: str) -> None:
    _, last = talk(mind, [before, "分户"])
    assert last.candidates[0].fact == "H38"


def test_once_another_thing_is_named_the_first_is_over(mind: Mind) -> None:
    *_, last = talk(mind, ["身份证丢了怎么补", "护照怎么办", "要带什么"])
    assert last.candidates[0].fact in {"E01", "E04"}  # of a passport: a first one, or one lost too


def test_entries_about_the_same_things_are_alike(mind: Mind) -> None:
    place, alike = mind.index.places, mind.index.slots.alike
    card = place["id-card-reissue"]
    assert alike(card, card) == pytest.approx(1)
    assert alike(card, place["id-card-fees"]) > 0.5
    assert alike(card, place["passport-renewal"]) < 0.3


def test_a_side_of_what_was_answered_is_said_alone(mind: Mind) -> None:
    whole, fee, both, other = talk(
        mind, ["身份证丢了怎么补", "要多少钱", "多久能好，要多少钱", "要多少钱，我家小孩的"]
    )
    assert fee.faq == both.faq == whole.faq
    assert fee.text.splitlines()[0] == "费用：补领40元"
    assert fee.text.splitlines()[-1].endswith("户籍咨询 12345。")
    assert [line.split("：")[0] for line in both.text.splitlines()[:2]] == ["费用", "时间"]
    assert "要带：" in other.text  # somebody else's may differ in more than that


@pytest.mark.parametrize("text", ["多少钱", "要带什么材料", "几天能好", "网上能办吗"])
def test_without_a_topic_nothing_is_put_back(mind: Mind, text: str) -> None:
    (decision,) = talk(mind, [text])
    assert decision.kind is not Kind.ANSWER


def test_two_questions_are_both_answered(mind: Mind) -> None:
    (decision,) = talk(mind, ["身份证丢了怎么补？还有驾照丢了怎么补？"])
    assert decision.kind is Kind.ANSWER
    assert decision.fact == "H03"
    assert [also.fact for also in decision.also] == ["T05"]
    assert "身份证丢失补领：" in decision.text
    assert len(decision.text.encode()) <= 2048


def test_two_questions_are_told_apart_by_a_space(mind: Mind) -> None:
    (decision,) = talk(mind, ["身份证丢了怎么补 驾照丢了怎么补"])
    assert {decision.fact, *(also.fact for also in decision.also)} == {"H03", "T05"}


def test_one_question_in_two_sentences_is_answered_once(mind: Mind) -> None:
    (decision,) = talk(mind, ["身份证丢了。身份证丢了怎么补？"])
    assert decision.also == ()


def test_a_story_is_not_cut_into_questions() -> None:
    story = "我去年从外地搬来。" * 12
    assert parts(story) == [story]


def test_who_did_not_understand_is_told_shortly(mind: Mind) -> None:
    first, again = talk(mind, ["身份证丢了怎么补", "没听懂"])
    assert again.fact == first.fact == "H03"
    assert len(again.text) < len(first.text)
    assert "依据" not in again.text


@pytest.mark.parametrize("text", ["没看懂 说简单点", "讲得太深了 听不懂", "还是没太明白"])
def test_not_having_understood_is_said_in_many_ways(mind: Mind, text: str) -> None:
    first, again = talk(mind, ["身份证丢了怎么补", text])
    assert again.fact == first.fact
    assert len(again.text) < len(first.text)


def test_what_was_said_clearly_was_understood(mind: Mind) -> None:
    _, last = talk(mind, ["身份证丢了怎么补", "嗯 写清楚了"])
    assert last.kind is Kind.SMALLTALK


def test_who_did_not_understand_and_asks_on_is_answered(mind: Mind) -> None:
    _, last = talk(mind, ["护照丢了怎么补办", "没听懂，到底要多少钱"])
    assert last.candidates[0].fact in {"E04", "E08"}


def test_short_answers_on_request_until_taken_back(mind: Mind) -> None:
    on, short, off, full = talk(mind, ["简单点", "身份证丢了怎么补", "详细点", "身份证丢了怎么补"])
    assert (on.brief, off.brief) == (True, False)
    assert short.fact == full.fact == "H03"
    assert "依据" not in short.text
    assert "依据" in full.text


def pressed(mind: Mind, option: str, first: Decision, code: str = "AB2C3") -> Decision:
    known = Known(TODAY, DESK, code, topic=first.topic)
    return mind.decide([said("按钮", menu_id=option)], known)


def test_thumbs_up_and_down(mind: Mind) -> None:
    first = mind.decide([said("身份证丢了怎么补")], Known(TODAY, DESK, "AB2C3"))
    good, bad = (option.id for option in first.options)
    assert pressed(mind, good, first).unhelpful == ""
    down = pressed(mind, bad, first)
    assert down.unhelpful == "id-card-reissue"
    assert [option.id for option in down.options] == ["human"]


def test_an_older_questions_button_is_stale(mind: Mind) -> None:
    first = mind.decide([said("身份证")], Known(TODAY, DESK, "AB2C3"))
    later = mind.decide([said("护照丢了怎么补办")], Known(TODAY, DESK, "ZZ9ZZ"))
    pick = "pick-AB2C3-H03"
    assert first.topic is not None
    assert pressed(mind, pick, first).fact == "H03"
    assert pressed(mind, pick, later).text == mind.speech.say("stale")
    assert pressed(mind, "pick-ZZ9ZZ-X999", later).text == mind.speech.say("stale")


@pytest.mark.parametrize("text", ["谢啦老哥", "好 我明天去跑一趟", "知道咯 收到收到", "行嘞，拜拜"])
def test_who_takes_leave_asks_nothing(mind: Mind, text: str) -> None:
    _, last = talk(mind, ["身份证丢了怎么补", text])
    assert last.kind is Kind.SMALLTALK, last.reasons


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("谢谢，那驾驶证呢", Kind.ANSWER),
        ("好的，要多少钱", None),
        ("谢谢 帮我转人工", Kind.HANDOFF),
    ],
)
def test_who_thanks_and_asks_is_answered(mind: Mind, text: str, kind: Kind | None) -> None:
    _, last = talk(mind, ["身份证丢了怎么补", text])
    assert last.kind is not Kind.SMALLTALK
    assert kind is None or last.kind is kind


def test_what_names_no_other_thing_stays_with_the_entry(mind: Mind) -> None:
    """A side of it and another person leave the topic as it was."""
    first, second = talk(mind, ["没有结婚证的宝宝怎么上户口", "他爸不在怎么弄"])
    assert first.candidates[0].faq == second.candidates[0].faq
