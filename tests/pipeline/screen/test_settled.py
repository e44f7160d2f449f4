"""What an officer closed as no fraud raises nothing the second time, and nothing else with it."""

from jingxiaowei.pipeline.screen.screen import SETTLED, Screen
from jingxiaowei.pipeline.screen.values import Verdict

CLOSED = (
    "小叶，我是你们孙总，先转18万到这个私人账户，手续后补，别打电话。转好了截图给我，今天必须办完"
)


def test_a_settled_wording_raises_nothing(screen: Screen) -> None:
    assert screen.look(CLOSED).verdict is Verdict.ALERT
    again = screen.look(CLOSED, settled=screen.fingerprints(CLOSED))
    assert again.verdict is Verdict.NONE
    assert [e.exemption for e in again.exemptions] == [SETTLED, SETTLED]
    for exemption in again.exemptions:
        assert CLOSED[exemption.start : exemption.end] == exemption.quote
        assert exemption.weight < 0


def test_spelling_and_marks_do_not_matter(screen: Screen) -> None:
    other = CLOSED.replace("转18万", " 轉 18 萬").replace("，", ",")
    assert screen.look(other, settled=screen.fingerprints(CLOSED)).verdict is Verdict.NONE


def test_another_sum_is_another_wording(screen: Screen) -> None:
    other = CLOSED.replace("18万", "38万")
    assert screen.look(other, settled=screen.fingerprints(CLOSED)).verdict is Verdict.ALERT


def test_what_is_added_still_counts(screen: Screen) -> None:
    notice = "各位家长，春游费用由学校从餐卡里统一扣。"
    text = notice + "我是你们孙总，换了新号，先转18万到这个私人账户，手续后补"
    seen = screen.look(text, settled=screen.fingerprints(notice))
    assert seen.verdict is Verdict.ALERT
    assert seen.exemptions[0].exemption == SETTLED
    for said in (*seen.signals, *seen.exemptions, *seen.entities):
        assert text[said.start : said.end] == said.quote


def test_what_everybody_says_has_no_fingerprint(screen: Screen) -> None:
    assert screen.fingerprints("你好。老板让我转账") == frozenset()
