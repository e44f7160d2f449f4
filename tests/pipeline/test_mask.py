"""Numbers that identify are hidden wherever a text is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingxiaowei.pipeline.mask import holds_number, mask


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("电话13800138000", "电话138****8000"),
        ("打 138 0013 8000 给我", "打 138****8000 给我"),
        ("+8613800138000", "138****8000"),
        ("证号11010119900307001X。", "证号11**************1X。"),
        ("卡号6222 0212 3456 7890 123", "卡号****0123"),
        ("护照E12345678到期", "护照E*******到期"),
        ("拨 0573-12345 或 96110", "拨 0573-12345 或 96110"),
        ("2026年11月22日 罚款200元", "2026年11月22日 罚款200元"),
    ],
)
def test_masking(text: str, shown: str) -> None:
    assert mask(text) == shown


@given(st.text())
def test_masking_twice_changes_nothing(text: str) -> None:
    assert mask(mask(text)) == mask(text)


def test_holds_number() -> None:
    assert holds_number("6222021234567890123")
    assert not holds_number("电话 13800138000")
