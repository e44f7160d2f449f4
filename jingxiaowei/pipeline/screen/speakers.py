"""Who says what in a pasted conversation: ``名字：话``, a line each.

What the employee answers is no order of the boss's, and is not counted as one.
"""

import re
from collections.abc import Iterable, Sequence

from jingxiaowei.content.scam_finder import Hit
from jingxiaowei.content.scam_model import SignalRule

_LONGEST_NAME, _NO_NAME = 14, frozenset(",。!?")
_BOSS = re.compile("老板|总|董|领导|院长|校长|书记|局长|主任|厂长|ceo|cfo|客户|客服|法人")
_CLERK = re.compile(
    "^(?:我|本人)|财务|会计|出纳|前台|文员|人事|行政|员工|同事|助理|^小.{0,2}$|.姐$"
)


def speakers(text: str) -> list[tuple[int, int]]:
    """Where each line that has a speaker begins, and where the speaker's name ends."""
    if text.count(":") < 2:
        return []
    lines = []
    start = 0
    for line in text.split("\n"):
        colon = line.find(":", 0, _LONGEST_NAME + 1)
        if colon > 0 and _NO_NAME.isdisjoint(line[:colon]):
            lines.append((start, start + colon))
        start += len(line) + 1
    return lines if len(lines) > 1 else []


def own_spans(text: str, lines: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The lines of those who are asked for money, in a text that is a conversation."""
    spans = []
    ends = [*(start for start, _ in lines[1:]), len(text)]
    for (start, colon), end in zip(lines, ends, strict=True):
        who = text[start:colon]
        if _CLERK.search(who) and not _BOSS.search(who):
            spans.append((colon + 1, end))
    return spans


def heard(hits: Iterable[Hit], own: list[tuple[int, int]]) -> list[Hit]:
    """The hits without the signals that only the employee's own lines show."""
    if not own:
        return list(hits)
    return [
        hit
        for hit in hits
        if not (
            type(hit.rule) is SignalRule
            and any(start <= hit.start and hit.end <= end for start, end in own)
        )
    ]
