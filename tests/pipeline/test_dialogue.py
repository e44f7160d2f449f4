"""Follow-ups: what was left out is put back, and what stands alone is left alone."""

from collections.abc import Sequence
from datetime import date

import pytest

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Decision, Desk, Kind, Known
from tests.conftest import said

DESK = Desk(True, "", "0573-12345")


def talk(mind: Mind, turns: Sequence[str]) -> list[Decision]:
    """The decisions of a conversation."""
    topic, decisions = None, []
    for text in turns:
        known = Known(date(2026, 11, 22), DESK, "AB2C3", topic=topic)
        decision = mind.decide([said(text)], known)
        topic = decision.topic or topic
        decisions.append(decision)
    return decisions


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
    ],
)
def test_follow_ups_are_read_on(mind: Mind, turns: list[str], facts: set[str]) -> None:
    *_, last = talk(mind, turns)
    assert last.candidates[0].fact in facts
    assert any(reason.stage == "dialogue" for reason in last.reasons)


def test_a_new_question_is_left_alone(mind: Mind) -> None:
    _, last = talk(mind, ["身份证丢了怎么补", "电动自行车上牌要带什么材料"])
    assert last.fact == "T61"
    assert not any(reason.stage == "dialogue" for reason in last.reasons)


def test_talk_beside_the_matter_keeps_the_topic(mind: Mind) -> None:
    first, thanks, last = talk(mind, ["护照丢了怎么补办", "谢谢", "多少钱"])
    assert first.kind is Kind.ANSWER
    assert thanks.kind is Kind.SMALLTALK
    assert last.candidates[0].fact in {"E04", "E08"}


def test_without_a_topic_nothing_is_put_back(mind: Mind) -> None:
    (decision,) = talk(mind, ["多少钱"])
    assert decision.kind is not Kind.ANSWER
