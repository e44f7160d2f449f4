"""What is written to slip past is read as what it means, and still quoted as it was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingxiaowei.pipeline.screen.screen import Screen


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("請即刻匯款", "请即刻汇款"),
        ("帮我 zhuan账", "帮我转账"),
        ("hui款给他", "汇款给他"),
        ("转 帐 一 下", "转账一下"),
        ("保.证.金", "保证金"),
        ("３８０００元", "38000元"),
        ("2️⃣8️⃣万", "28万"),
        ("3.8万", "3.8万"),
        ("我係你們老闆", "我是你们老板"),
        ("LAOBAN说", "老板说"),
        ("zhuan 5万", "转5万"),
        ("转💰账", "转账"),
        ("汇\u200b款", "汇款"),
    ],
)
def test_evasions_are_levelled(screen: Screen, written: str, read: str) -> None:
    assert screen.leveller.level(written).text == read


@pytest.mark.parametrize(
    "text", ["我老伴走丢了", "孩子领到身份证了", "失物招领的财物", "long time no see"]
)
def test_real_words_of_the_same_sound_stay(screen: Screen, text: str) -> None:
    assert screen.leveller.level(text).text == text.replace(" ", "")


def test_a_repaired_word_points_at_what_was_typed(screen: Screen) -> None:
    text = "急！zhuan 账 给他"
    levelled = screen.leveller.level(text)
    at = levelled.text.index("转账")
    start, end = levelled.origin(at, at + 2)
    assert text[start:end] == "zhuan 账"


@given(st.text())
def test_every_place_lies_in_the_original(screen: Screen, text: str) -> None:
    levelled = screen.leveller.level(text)
    assert len(levelled.text) == len(levelled.starts) == len(levelled.ends)
    for i in range(len(levelled.text)):
        start, end = levelled.origin(i, i + 1)
        assert 0 <= start < end <= len(text)


def test_a_lone_surrogate_does_no_harm(screen: Screen) -> None:
    assert screen.leveller.level("转\ud800账").text == "转账"
