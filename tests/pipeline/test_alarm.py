"""The taps by which a resident fills in what a report left open."""

import pytest

from jingxiaowei.pipeline.alarm import Alarm
from jingxiaowei.pipeline.contact import Contact
from jingxiaowei.pipeline.decide import Mind


@pytest.fixture
def alarm(mind: Mind) -> Alarm:
    return mind.alarm


def test_four_taps_are_offered_once_money_is_held_back(alarm: Alarm) -> None:
    held = alarm.tapped("transfer-not_yet")
    assert held is not None
    assert [option.label for option in held.options] == [
        "谁要求的",
        "在哪个群",
        "多少钱",
        "转了没有",
    ]
    for option in held.options:
        asked = alarm.tapped(option.id)
        assert asked is not None
        assert len(asked.options) == 4
        assert asked.contact is None


@pytest.mark.parametrize(
    ("tap", "contact"),
    [
        ("told-who-boss", Contact(who="老板、领导")),
        ("told-where-wechat_group", Contact(where="微信群")),
        ("told-sum-20", Contact(sum="5 万到 20 万")),
    ],
)
def test_what_is_tapped_is_kept_with_the_alert(alarm: Alarm, tap: str, contact: Contact) -> None:
    told = alarm.tapped(tap)
    assert told is not None
    assert told.contact == contact
    assert told.text.startswith("记下了")
    assert told.options[0].id == "facts-who"


@pytest.mark.parametrize("tap", ["facts-", "facts-all", "told-who-", "told-who-nobody", "told-"])
def test_a_button_that_is_none(alarm: Alarm, tap: str) -> None:
    assert alarm.tapped(tap) is None
