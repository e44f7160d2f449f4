"""Ages as people say them: 我今年六十多了, 我儿子15岁, 我上初二. None outlives its call."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_NUMBER = r"(?:\d{1,3}|[一二两三四五六七八九]?十[一二三四五六七八九]?|[一二两三四五六七八九])"
# What may stand between the person and the number: nothing else makes the number theirs.
_FILLER = (
    r"(?:今年|现在|目前|已经|已|都|才|刚刚|刚|虚岁|周岁|实岁|是|就|也|还|差不多|大概|大约|马上|有|个|到|过|满|"
    r"的|年龄|年纪|岁数|这个|一个|在|正在|吧)*"
)
_SHORT_OF = r"(?P<short>快|快要|马上|还没|没|不到|未满|未|还差点|就要)?"
_AGE = re.compile(
    rf"(?P<fill>{_FILLER}){_SHORT_OF}(?:满|到|有)?(?P<number>{_NUMBER})"
    r"(?:(?P<more>多|几|出头|来)?(?P<unit>周?岁)(?!以上|以下|以内|之前|之后|以前|以后|的?时|那年|那会|生日|就(?!能|可以|要|想|办)|被|起|开始|出来|结婚|当兵|的儿|的女儿|的孩|的小孩|的娃|的囡)|"
    r"(?P<loose>多|几|出头)?(?=了|啦|咯|$|[,。!?;\n]|还|的人|的老))"
)
_STAGES = {
    "幼儿园": (3, 6), "大班": (5, 6), "中班": (4, 5), "小班": (3, 4),
    "小学": (6, 12), "一年级": (6, 7), "二年级": (7, 8), "三年级": (8, 9), "四年级": (9, 10),
    "五年级": (10, 11), "六年级": (11, 12), "七年级": (12, 13), "八年级": (13, 14),
    "九年级": (14, 15), "初一": (12, 13), "初二": (13, 14), "初三": (14, 15), "初中": (12, 15),
    "高一": (15, 16), "高二": (16, 17), "高三": (17, 17), "高中": (15, 17), "职高": (15, 17),
    "中专": (15, 17), "技校": (15, 17), "大一": (18, 20), "大二": (19, 21), "大三": (20, 22),
    "大四": (21, 23), "大学": (18, 23), "研究生": (22, 27),
}  # fmt: skip
_NO_STAGE = (
    r"(?!的?时|的?那年|那会|毕业|文化|学历|老师|教师|同学|门口|旁边|附近|对面|食堂|保安|校长|后勤|上班|工作|"
    r"当|教|做|里当|里做|里教|家长|的|要|为什么|收|招|就|起|后|前|期间)"
)
_NAMES = "|".join(_STAGES)
_STAGE = re.compile(
    rf"(?P<fill>{_FILLER})(?:(?:上|读|念|升|在上|在读|在念)(?:了)?(?P<stage>{_NAMES}){_NO_STAGE}|"
    # Without such a verb 初二 may be a day of the year's first month, and 幼儿园 where one works.
    rf"(?P<pupil>{_NAMES})(?=学生|生|[一二三四五六]年级|的学生)|"
    rf"(?P<bare>初[一二三]|高[一二三]|大[一二三四]|[一二三四五六七八九]年级)(?=了|下|上学期|$|[,。!?;\n]))"
)
_OF_CHILD = re.compile(rf"(?P<number>{_NUMBER})周?岁的(?=儿子|女儿|孩子|小孩|娃|宝宝|囡)")
_TODAY = re.compile(r"(?:(?<![^,。!?;\n]))(?:今年|现在|目前)")

TRIGGERS = (
    "岁", "今年", "年级", "初一", "初二", "初三", "高一", "高二", "高三", "小学", "初中", "高中",
    "幼儿园", "大班", "中班", "小班", "职高", "中专", "技校", "大一", "大二", "大三", "大四",
    "大学", "十", "0多", "0几", "0出头",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mention:
    """A person that a text names: ``me``, ``child``, ``family`` or ``others``, and where."""

    start: int
    end: int
    who: str


@dataclass(frozen=True, slots=True)
class SaidAge:
    """An age that somebody is said to have. Lives as long as the call that reads it.

    Attributes:
        who: whose it is: ``me``, ``child``, ``family``, ``others``; empty where nobody is named.
        low, high: years, both included; not shown, so that no log can hold them.
    """

    who: str
    low: int = field(repr=False)
    high: int = field(repr=False)
    start: int
    end: int


def said_ages(plain: str, mentions: list[Mention]) -> Iterator[SaidAge]:
    """The ages in a normalised text; ``mentions`` are its persons in order of their place."""
    for at, mention in enumerate(mentions):
        follows = at + 1 < len(mentions) and mentions[at + 1].start == mention.end
        if follows:
            continue  # 我儿子: the age behind it is the son's
        for pattern in (_AGE, _STAGE):
            found = pattern.match(plain, mention.end)
            years = _years(found) if found else None
            if found and years:
                yield SaidAge(mention.who, *years, _first(mentions, at).start, found.end())
                break
    for found in _OF_CHILD.finditer(plain):
        before = [m.who for m in mentions if m.end <= found.start()]
        who = "others" if before and before[-1] not in {"me", "child"} else "child"
        low = _value(found["number"])
        yield SaidAge(who, low, low, found.start(), found.end())
    for today in _TODAY.finditer(plain):
        # 今年13岁 with nobody named before it is the writer's own age.
        if not any(mention.end <= today.start() for mention in mentions):
            found = _AGE.match(plain, today.end()) or _STAGE.match(plain, today.end())
            years = _years(found) if found else None
            if found and years:
                yield SaidAge("me", *years, today.start(), found.end())


def _first(mentions: list[Mention], at: int) -> Mention:
    while at and mentions[at - 1].end == mentions[at].start:
        at -= 1
    return mentions[at]


def _years(found: re.Match[str]) -> tuple[int, int] | None:
    groups = found.groupdict()
    stage = groups.get("stage") or groups.get("pupil") or groups.get("bare")
    if stage:
        return _STAGES[stage]
    number = groups.get("number")
    if not number:
        return None
    low = _value(number)
    loose = groups.get("loose") or groups.get("more")
    if not groups.get("unit") and low < 10:
        return None  # 我3了
    high = low + 9 if loose in {"多", "几"} and low % 10 == 0 and low >= 10 else low
    if loose == "出头":
        high = low + 3
    if groups.get("short"):
        low, high = low - 1, low - 1
    return (low, high) if 0 <= low <= 120 else None


def _value(number: str) -> int:
    if number.isdigit():
        return int(number)
    tens, ten, ones = number.partition("十")
    if not ten:
        return _DIGITS[number]
    return 10 * (_DIGITS[tens] if tens else 1) + (_DIGITS[ones] if ones else 0)
