"""Who says what in a pasted conversation: ``名字：话``, a line each.

What the employee answers is no order of the boss's, and is not counted as one.
"""

import re
from collections.abc import Iterable

from jingxiaowei.content.scam_finder import Hit
from jingxiaowei.content.scam_model import SignalRule

_LINE = re.compile(r"^(?P<who>[^:\n,。!?]{1,14}):", re.MULTILINE)
_BOSS = re.compile("老板|总|董|领导|院长|校长|书记|局长|主任|厂长|ceo|cfo|客户|客服|法人")
_CLERK = re.compile(
    "^(?:我|本人)|财务|会计|出纳|前台|文员|人事|行政|员工|同事|助理|^小.{0,2}$|.姐$"
)


def own_spans(text: str) -> list[tuple[int, int]]:
    """The lines of those who are asked for money, in a text that is a conversation."""
    lines = list(_LINE.finditer(text))
    if len(lines) < 2:
        return []
    spans = []
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        who = line["who"]
        if _CLERK.search(who) and not _BOSS.search(who):
            spans.append((line.end(), after.start() if after else len(text)))
    return spans


def is_dialogue(text: str) -> bool:
    """Whether several lines have a speaker."""
    return text.count(":") >= 2 and len(_LINE.findall(text)) >= 2


def heard(hits: Iterable[Hit], own: list[tuple[int, int]]) -> list[Hit]:
    """The hits without the signals that only the employee's own lines show."""
    if not own:
        return list(hits)
    return [
        hit
        for hit in hits
        if not (
            isinstance(hit.rule, SignalRule)
            and any(start <= hit.start and hit.end <= end for start, end in own)
        )
    ]
