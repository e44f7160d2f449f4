"""Ages by word: whose, which band, and no number kept."""

import pytest

from jingxiaowei.content.tag_finder import CueFinder
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.minors import UNSAID, Band, Person, read_minor


@pytest.fixture(scope="module")
def finder(mind: Mind) -> CueFinder:
    return CueFinder(mind.library.taxonomy)


@pytest.mark.parametrize(
    ("text", "whose", "band", "quote"),
    [
        ("我今年13岁", Person.SELF, Band.UNDER14, "我今年13岁"),
        ("你好，我十三岁，想办身份证", Person.SELF, Band.UNDER14, "我十三岁"),
        ("我上初二", Person.SELF, Band.UNDER14, "我上初二"),
        ("我读七年级", Person.SELF, Band.UNDER14, "我读七年级"),
        ("我是小学生", Person.SELF, Band.UNDER14, "我是小学"),
        ("今年12岁可以办护照吗", Person.SELF, Band.UNDER14, "今年12岁"),
        ("我快14岁了", Person.SELF, Band.UNDER14, "我快14岁"),
        ("我满14岁了", Person.SELF, Band.TEEN, "我满14岁"),
        ("我今年１６岁", Person.SELF, Band.TEEN, "我今年１６岁"),
        ("我还没满18岁", Person.SELF, Band.TEEN, "我还没满18岁"),
        ("我高一", Person.SELF, Band.TEEN, "我高一"),
        ("我18岁", Person.SELF, Band.ADULT, "我18岁"),
        ("我今年六十多了", Person.SELF, Band.ADULT, "我今年六十多"),
        ("我读大学", Person.SELF, Band.ADULT, "我读大学"),
        ("我儿子15岁", Person.CHILD, Band.TEEN, "我儿子15岁"),
        ("我女儿才3岁", Person.CHILD, Band.UNDER14, "我女儿才3岁"),
        ("孩子上初一了", Person.CHILD, Band.UNDER14, "孩子上初一"),
        ("我有个15岁的女儿", Person.CHILD, Band.TEEN, "15岁的"),
        ("我女儿二十岁了", Person.CHILD, Band.ADULT, "我女儿二十岁"),
        ("朋友的儿子15岁", Person.OTHER, Band.TEEN, "儿子15岁"),
        ("我弟弟今年12岁", Person.OTHER, Band.UNDER14, "我弟弟今年12岁"),
        ("我妈七十三岁", Person.OTHER, Band.ADULT, "我妈七十三岁"),
        ("我40岁，儿子13岁", Person.SELF, Band.ADULT, "我40岁"),
        ("儿子13岁，女儿16岁", Person.CHILD, Band.UNDER14, "儿子13岁"),
    ],
)
def test_an_age_is_read(
    finder: CueFinder, text: str, whose: Person, band: Band, quote: str
) -> None:
    minor = read_minor(finder, text)
    assert (minor.whose, minor.band, minor.quote) == (whose, band, quote)
    assert text[minor.start : minor.end] == quote


@pytest.mark.parametrize(
    "text",
    [
        "16岁以下怎么办身份证",
        "满70岁要体检吗",
        "我想问16岁能不能办身份证",
        "我初二去派出所行吗",
        "我上高中的时候办的",
        "我小学文化",
        "我是小学老师",
        "我在初中门口",
        "我在小学上班",
        "我今年52次违章",
        "我60多块钱",
        "我驾照12分扣完了",
        "我开车12年了",
        "我今年12月到期",
        "我今年20号去",
        "我不是13岁",
        "几岁能骑电动车",
        "他说：我今年13岁",
        "对方发来“我今年13岁”",
        "如果我13岁呢",
        "我16岁就出来打工了",
        "我十六岁被带来海盐",
        "我13岁时办的",
        "",
        "未满十四周岁",
    ],
)
def test_what_is_no_age_of_anybodys_is_none(finder: CueFinder, text: str) -> None:
    assert read_minor(finder, text) == UNSAID


def test_no_number_is_shown_or_kept(finder: CueFinder) -> None:
    text = "我今年13岁"
    ages = finder.ages(finder.scan(text))
    assert "13" not in repr(ages)
    assert set(read_minor(finder, text).__dataclass_fields__) == {
        "whose",
        "band",
        "quote",
        "start",
        "end",
    }
