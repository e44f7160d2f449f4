"""What a correction means and denies, and what only looks like one."""

import pytest

from jingxiaowei.pipeline.correcting import Correction, amend, correction

BEFORE = "身份证快到期了怎么换"


@pytest.mark.parametrize(
    ("text", "meant", "denied"),
    [
        ("不是换证，是补办", "补办", "换证"),
        ("哦不对 不是到期 是丢了", "丢了", "到期"),
        ("打错字了，我要办护照", "办护照", ""),
        ("看岔了 是居住证", "居住证", ""),
        ("说反了 我问的是行驶证", "行驶证", ""),
        ("错了错了 我说的是驾照", "驾照", ""),
        ("搞错他办过 是丢了", "他办过 是丢了", ""),
        ("我说的是居住证，不是身份证", "居住证", "身份证"),
        ("我说的不是换，是补一张", "补一张", "换"),
        ("弄错了，没丢，是洗烂了", "洗烂了", "丢"),
        ("记错了 是摩托不是汽车 怎么上牌", "摩托 怎么上牌", "汽车"),
        ("不是香港的 打错 是台湾的", "是台湾的", "香港的"),
        ("我不是到期，我是弄丢了", "弄丢了", "到期"),
    ],
)
def test_what_is_taken_back(text: str, meant: str, denied: str) -> None:
    assert correction(text, BEFORE) == Correction(meant, denied)


@pytest.mark.parametrize(
    "text",
    [
        "是不是要先报案，要带什么",
        "我不是本地人，怎么办身份证",
        "填错名字怎么改",
        "看错红灯了怎么办",
        "打错电话给110了怎么办",
        "不是本人去可以吗",
        "多少钱",
    ],
)
def test_what_corrects_nothing(text: str) -> None:
    assert correction(text, BEFORE) is None


def test_what_is_denied_goes_from_the_text_before() -> None:
    assert amend("身份证到期怎么换", Correction("丢了", "到期")) == "身份证怎么换"
    assert amend("身份证到期怎么换", Correction("丢了")) == "身份证到期怎么换"
