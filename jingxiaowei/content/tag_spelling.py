"""One spelling for cues and for what residents write, with the way back to their own text."""

import re
from collections.abc import Sequence
from functools import cache

from jingxiaowei.content.normalise import normalise, simplified

_SPACES = re.compile(r"(?<![\x00-\x7f])[ \t\u3000]+|[ \t\u3000]+(?![\x00-\x7f])")


@cache
def _odd() -> re.Pattern[str]:
    """Whatever levelling changes beyond the few marks that are replaced one by one."""
    traditional = "".join(map(chr, simplified()))
    return re.compile(f"[^\n0-9a-z\u4e00-\u9fff,.!?:;，。！？：；、“”…]|[{traditional}]")


def level(text: str) -> tuple[str, Sequence[int] | None]:
    """A text in one spelling, without spaces between Chinese characters, and the way back.

    The common text, plain already, passes at C speed and keeps its places.
    """
    if _odd().search(text) is None:
        plain = text.replace("，", ",").replace("？", "?").replace("！", "!")
        return plain.replace("：", ":").replace("；", ";"), None
    chars: list[str] = []
    places: list[int] = []
    for at, char in enumerate(text):
        for one in normalise(char):
            chars.append(one)
            places.append(at)
    plain = "".join(chars)
    for spaces in reversed(list(_SPACES.finditer(plain))):
        plain = plain[: spaces.start()] + plain[spaces.end() :]
        del places[spaces.start() : spaces.end()]
    return plain, places
