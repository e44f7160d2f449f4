"""Sums of money in all notations: 5万, 3w8, 伍万元, 二十来万, 27万6, 580,000."""

import re
from collections.abc import Iterator

_DIGIT = {c: i for i, c in enumerate("零一二三四五六七八九")} | {
    **{c: i for i, c in enumerate("〇壹贰叁肆伍陆柒捌玖")},
    "两": 2,
    "几": 3,
}
_UNIT = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_HAN = "零〇一二三四五六七八九壹贰叁肆伍陆柒捌玖两几十拾百佰千仟廿"
AMOUNT = re.compile(
    rf"(?P<sign>[¥$€£]|hk\$|usd|rmb)?"
    rf"(?P<number>[0-9]+(?:,[0-9]{{3}})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?"
    rf"|[{_HAN}]+(?=[来多余几个]*[万亿千百元块圆人美港]))"
    rf"[来多余几]{{0,2}}(?:个)?(?P<unit>万|w|千|k|百|亿)?"
    rf"(?P<tail>[0-9一二三四五六七八九](?![0-9]))?(?P<rest>[{_HAN}]+(?=元|块|圆))?"
    rf"[来多余]?(?P<money>元|块|圆|人民币|美金|美元|港币|usd)?"
)
# What a sum can begin with: a character for number only where a unit comes after it.
_STARTS = re.compile(
    f"[0-9{_HAN}¥$€£hur](?:(?<=[0-9¥$€£])|(?<=h)k|(?<=u)sd|(?<=r)mb"
    f"|(?<=[{_HAN}])(?=[{_HAN}来多余个]*[万亿千百元块圆人美港]))"
)
_SCALE = {"万": 10_000, "w": 10_000, "千": 1000, "k": 1000, "百": 100, "亿": 100_000_000}
_LEAST_BARE = 1000


def find_amounts(text: str) -> Iterator[re.Match[str]]:
    """What may be a sum, in the order of the text."""
    end = 0
    for start in [match.start() for match in _STARTS.finditer(text)]:
        if start >= end:
            match = AMOUNT.match(text, start)
            if match is not None:
                end = match.end()
                yield match


def yuan(match: re.Match[str]) -> int | None:
    """Whole units of money, or None where the number is none (a floor, a year, a time)."""
    number, unit = match["number"], match["unit"]
    arabic = number[0].isascii()
    value = float(number.replace(",", "")) if arabic else float(han(number))
    if unit:
        scale = _SCALE[unit]
        value *= scale
        if match["tail"]:
            tail = match["tail"]
            value += (int(tail) if tail.isascii() else _DIGIT[tail]) * scale / 10
        if match["rest"]:
            value += han(match["rest"])
    if match["money"] or match["sign"] or unit in {"万", "w", "亿"}:
        return round(value) or None
    if unit in {"k", "千"} and arabic:
        return round(value)
    bare = match.string[match.end() : match.end() + 1]
    grouped = "," in number
    if arabic and not unit and (grouped or _LEAST_BARE <= value < 10**8) and not _is_other(bare):
        return round(value) if grouped or value % 100 == 0 else None
    return None


def _is_other(after: str) -> bool:
    """What follows a number that is no money."""
    return after in set("年月日号点时分秒%人个件台次楼层室路")


def han(number: str) -> int:
    """A number in Chinese characters below 亿: 贰拾柒 → 27, 一百二 → 120."""
    total = section = 0
    last_unit = 0
    for char in number:
        if char == "廿":
            total += 20
            last_unit = 10
        elif char in _UNIT:
            total += (section or 1) * _UNIT[char]
            last_unit, section = _UNIT[char], 0
        else:
            section = section * 10 + _DIGIT[char] if not last_unit else _DIGIT[char]
    if section and last_unit > 10 and number[-2:-1] not in ("零", "〇"):
        return total + section * last_unit // 10
    return total + section
