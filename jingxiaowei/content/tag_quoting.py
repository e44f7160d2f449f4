"""Whose words these are: quoted, passed on or pasted, they say nothing of the resident."""

import re

_QUOTED = re.compile(r"“[^”]*”|「[^」]*」|『[^』]*』|\"[^\"\n]*\"|《[^》]*》")
_RELAYED = re.compile(r"(?:说|问|讲|回|写|叫我|让我|发来|转发|原话|消息)[:“\"「]")
# What a company sends, passed on as it came.
_FORWARDED = re.compile(
    r"^\s*【|尊敬的(?:用户|客户|会员|车主|家长|市民)|退订回|拒收请?回.{0,3}退订|回复?[tq复].{0,3}退订"
)
_SPEAKER = re.compile(r"^([^\n:,。!?]{1,14}):", re.MULTILINE)


def foreign_spans(plain: str) -> list[tuple[int, int]]:
    """Where somebody else's words stand: in quotation marks, after 他说：, in a pasted talk."""
    if ("退订" in plain or "【" in plain or "尊敬的" in plain) and _FORWARDED.search(plain):
        return [(0, len(plain))]
    spans = [found.span() for found in _QUOTED.finditer(plain)] if _marked(plain) else []
    if ":" in plain:
        for found in _RELAYED.finditer(plain):
            line = plain.find("\n", found.end())
            spans.append((found.end(), line if line >= 0 else len(plain)))
        lines = list(_SPEAKER.finditer(plain))
        if len(lines) > 1:
            ends = [line.start() for line in lines[1:]] + [len(plain)]
            spans += [
                (line.start(), end)
                for line, end in zip(lines, ends, strict=True)
                if line[1] not in {"我", "本人"}
            ]
    return spans


def _marked(plain: str) -> bool:
    return any(mark in plain for mark in '“「『"《')
