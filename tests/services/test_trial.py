"""A text tried out: the reply, the words that counted, and what the screening makes of it."""

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.trial import try_out


def test_an_answer_and_its_reasons(mind: Mind) -> None:
    trial = try_out(mind, "户口簿不见了要怎么补")
    assert (trial.kind, trial.decision.fact) == ("直接答", "H40")
    assert trial.title == trial.best[0].title
    assert trial.why is not None
    assert "户口簿" in [one.word for one in trial.why.counted]
    assert trial.why.runner_up == trial.best[1]
    assert (trial.scam.kind, trial.scam.reasons) == ("", ())
    assert trial.scam.verdict == "没看出来，不等于没事"


def test_a_script_with_its_quotes(mind: Mind) -> None:
    text = "董事长叫我进一个新群，让我马上打二十六万到一张私人卡，说在开会不方便接电话"
    trial = try_out(mind, text)
    assert trial.kind == "像骗局，先劝阻"
    assert trial.scam.verdict == "会报预警，要人马上看"
    assert trial.scam.kind.startswith("冒充")
    assert "".join(piece.text for piece in trial.scam.pieces) == text
    assert all(reason.quote in text for reason in trial.scam.reasons)
    assert trial.why is None  # the entries had no say


def test_what_lowers_a_score_is_shown(mind: Mind) -> None:
    trial = try_out(mind, "老板让我付货款五万，我当面跟他核实过了，合同账户没有变")
    assert any(reason.lowers for reason in trial.scam.reasons)
    assert any(piece.exemption for piece in trial.scam.pieces)


def test_words_that_nothing_fits(mind: Mind) -> None:
    trial = try_out(mind, "今天菜场的鲫鱼多少钱一斤")
    assert trial.title == ""
    assert trial.decision.faq == ""
