"""The screening as a resident and an officer meet it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingxiaowei.pipeline.screen.answer import answer_line
from jingxiaowei.pipeline.screen.screen import Screen
from jingxiaowei.pipeline.screen.values import (
    ScamType,
    Screening,
    Specimen,
    Stage,
    Trace,
    Transfer,
    Verdict,
)

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
ORDER = (
    "小叶，我是你们孙总，这是我新号。我在开会不方便接电话，"
    "先转18万到这个账户，手续后补，转好截图给我"
)


def fake_boss(screening: Screening) -> bool:
    return screening.verdict is Verdict.ALERT and screening.scam_type is ScamType.BOSS


@pytest.mark.parametrize(
    "text",
    [
        ORDER,
        "我是厂里的出纳，老板微信上让我打12万给客户，我打他电话他说没说过，怎么办",
        "警察同志，会计刚把30万汇出去，群里那个老总是冒充的",
        "孙总：账上还有多少\n出纳小叶：四十多万\n孙总：先打20万到这个私人户，手续后补\n出纳小叶：好",
        "財務，董事長話即刻 zhuan 账 五十萬 去呢個戶口，唔好打電話",
        "警官你好，我们公司管账的好像碰到骗子了",
        "我们厂会计怕是被诈骗了",
    ],
)
def test_a_fake_boss_is_seen(screen: Screen, text: str) -> None:
    assert fake_boss(screen.look(text))


@pytest.mark.parametrize(
    "text",
    [
        "身份证丢了怎么补办",
        "老板让我去办护照，要带什么",
        "老板拖欠工资半年了，能报警吗",
        "什么是冒充老板诈骗",
        "报销的发票贴好交到财务室",
        "违章罚款在手机上怎么交",
        "你好",
        "下班前把各户的余额表导给我，明早例会要用",
        "尾款照合同那个户付，我跟他们会计座机核对过，复核后再付",
        "接派出所通知，有人冒充领导建群催款，凡没有审批单的一律不予办理",
        "Can I renew my driving licence here?",
        "Sorry, I lost my residence permit, what should I do now?",
        "wo de huzhao kuai daoqi le zenme ban",
        "drop table inbox",
    ],
)
def test_ordinary_talk_raises_nothing(screen: Screen, text: str) -> None:
    assert screen.look(text).verdict is Verdict.NONE


@given(st.text(), st.integers(0, 60))
def test_quotes_point_at_the_very_text(screen: Screen, noise: str, at: int) -> None:
    text = ORDER[:at] + noise + ORDER[at:]
    screening = screen.look(text)
    for said in (*screening.signals, *screening.exemptions, *screening.entities):
        assert text[said.start : said.end] == said.quote
        assert said.quote
    assert 0 <= screening.score <= 1


def test_a_verdict_always_has_a_quote(screen: Screen) -> None:
    screening = screen.look(ORDER)
    assert screening.signals
    assert {s.signal for s in screening.signals} >= {"boss-no-call", "boss-paperwork-later"}
    assert screening.stage is not Stage.NONE
    assert screening.next_stage is not Stage.NONE


def test_the_employee_is_not_the_boss(screen: Screen) -> None:
    text = "孙总：你来一趟\n出纳小叶：先转18万到这个账户，手续后补\n孙总：什么账户"
    orders = [hit for hit in screen.find(text).hits if hit.rule.id.startswith("boss-order")]
    assert orders == []


def test_a_negation_lowers_only_its_own_clause(screen: Screen) -> None:
    screening = screen.look("我不会转账给他五万。老板又让我转账八万到私人户")
    assert [e.exemption for e in screening.exemptions] == ["negation"]
    orders = [s.quote for s in screening.signals if s.stage is Stage.ORDER]
    assert orders
    assert all("五万" not in quote for quote in orders)


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("老板让我转20万，我还没转", Transfer.NOT_YET),
        ("我已经转了20万给那个假老板", Transfer.DONE),
        ("同事正在银行给假老板汇款，快拦住", Transfer.IN_PROGRESS),
        ("我是你们孙总，加一下新号", Transfer.UNKNOWN),
        # Of several instalments one that is out is enough; what waits for a check can be stopped.
        ("孙总：分四笔走，别声张\n我：首笔26万已提交", Transfer.DONE),
        ("孙总：到哪步了\n我：前两笔都付好了，还有一笔", Transfer.DONE),
        ("网银提交了，等主管复核，孙总一直在催", Transfer.IN_PROGRESS),
        # Whoever only asks tells nothing; who tells it after being asked does.
        ("第一笔提交了吗", Transfer.UNKNOWN),
        ("孙总：那二十万转了没，客户在等", Transfer.UNKNOWN),
        ("第一笔已经提交了", Transfer.DONE),
        ("孙总：第一笔提交了吗\n我：第一笔已经提交了", Transfer.DONE),
        ("钱刚转了没几分钟就觉得不对，二十万给了假老板", Transfer.DONE),
    ],
)
def test_the_transfer_clock_is_read(screen: Screen, text: str, clock: Transfer) -> None:
    assert screen.look(text).transfer is clock


def test_stages_add_up_over_a_conversation_and_fade(screen: Screen) -> None:
    first = screen.look("在公司吗？我是孙总，这是我新号", now=NOW)
    assert first.trace is not None
    alone = screen.look("他又让我打钱", now=NOW)
    soon = screen.look("他又让我打钱", [first.trace], NOW + timedelta(minutes=5))
    late = screen.look("他又让我打钱", [first.trace], NOW + timedelta(days=30))
    assert soon.score > alone.score
    assert late.score == pytest.approx(alone.score)


def test_what_is_too_little_alone_is_remembered(screen: Screen) -> None:
    steps = ["我是你们孙总", "账上还有多少钱", "别打电话，我在开会", "手续后补，先转十八万"]
    traces: list[Trace] = []
    scores = []
    for number, step in enumerate(steps):
        seen = screen.look(step, traces, NOW + timedelta(minutes=number))
        scores.append(seen.score)
        if seen.trace is not None:
            traces.append(seen.trace)
    assert len(traces) == len(steps)
    assert scores[-1] > screen.look(steps[-1]).score
    assert fake_boss(seen)


def test_what_was_said_before_does_not_stain_an_ordinary_question(screen: Screen) -> None:
    first = screen.look(ORDER, now=NOW)
    assert first.trace is not None
    later = screen.look("身份证丢了怎么补办", [first.trace], NOW + timedelta(minutes=1))
    assert later.verdict is Verdict.NONE


def test_other_scams_are_named(screen: Screen) -> None:
    told = screen.look("我在一个炒股平台充了五万，现在提现要先交个人所得税，是不是被骗了")
    assert told.scam_type is ScamType.INVESTMENT
    assert told.verdict is not Verdict.NONE
    told = screen.look("客服说我误开了百万保障，要我下载会议软件开共享屏幕取消")
    assert told.scam_type is ScamType.CUSTOMER_SERVICE


def test_each_matter_has_its_own_line(screen: Screen) -> None:
    book = screen.book

    def line(text: str) -> str | None:
        found = answer_line(book, screen.look(text))
        return found.key if found else None

    assert line("老板微信上让我打12万给客户，真老板说没说过，我还没转") == "fraud_boss_not_yet"
    assert line("我刚给假老板转了12万，怎么办") == "fraud_done"
    assert line("身份证丢了怎么补办") is None
    done = Screening(Verdict.ALERT, ScamType.BOSS, transfer=Transfer.IN_PROGRESS)
    assert answer_line(book, done).key == "fraud_in_progress"  # type: ignore[union-attr]
    spread = Screening(Verdict.ADVISE, ScamType.LOAN, specimen=Specimen.PUBLICITY)
    said = answer_line(book, spread)
    assert said is not None
    assert said.key == "fraud_publicity"
    assert set(said.fields) == {"type", "one", "two", "three", "motto"}
