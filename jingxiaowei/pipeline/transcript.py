"""A picture's words as a text to screen, and from each place in that text back to the picture."""

import re
from dataclasses import dataclass, field

from jingxiaowei.pipeline.layout import Block, Role, arrange, clean_title
from jingxiaowei.pipeline.reading import Box, Line, Reading, around

OWN = "我"
_ANNOUNCEMENT = re.compile(r"(群公告|公告)[:：]?\s*")


@dataclass(frozen=True, slots=True)
class Span:
    """Some of a line's characters, and where they stand in the text."""

    start: int
    line: Line
    first: int
    last: int

    @property
    def end(self) -> int:
        return self.start + self.last - self.first


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a picture says: ``名字：话`` a bubble, ``我：`` for the right side, notices bare."""

    text: str = ""
    spans: tuple[Span, ...] = ()
    blocks: tuple[Block, ...] = field(default=())

    def boxes(self, start: int, end: int) -> tuple[Box, ...]:
        """Where a quote stands in the picture, a box a line (in its pixels)."""
        boxes = []
        for span in self.spans:
            first, last = max(start, span.start), min(end, span.end)
            if first < last:
                shift = span.first - span.start
                boxes.append(span.line.part(first + shift, last + shift))
        return tuple(boxes)


def transcribe(reading: Reading) -> Transcript:
    """The picture's words in the order of the conversation."""
    blocks = arrange(reading)
    pieces: list[str] = []
    spans: list[Span] = []
    at = 0

    def write(text: str, line: Line | None = None, first: int = 0) -> None:
        nonlocal at
        if line is not None:
            spans.append(Span(at, line, first, first + len(text)))
        pieces.append(text)
        at += len(text)

    for number, block in enumerate(blocks):
        if number:
            write("\n")
        if block.role is Role.TITLE:
            cut, title = clean_title(block.lines[0].text)
            write(title, block.lines[0], cut)
            continue
        if block.role is Role.OWN:
            write(f"{OWN}：")
        elif block.role is Role.OTHER:
            write(f"{block.speaker}：")
        before: Line | None = None
        for line in block.lines:
            first = 0
            if before is not None:
                write(_joint(block, before, line))
            elif block.role is Role.NOTE and (lead := _ANNOUNCEMENT.match(line.text)):
                first = lead.end()
                write(f"{lead[1]}：")
            write(line.text[first:], line, first)
            before = line
    return Transcript("".join(pieces), tuple(spans), blocks)


def as_dialogue(reading: Reading) -> str:
    """The picture's words as the screening reads them."""
    return transcribe(reading).text


def _joint(block: Block, before: Line, after: Line) -> str:
    """What stands between two lines of a block: nothing where a bubble's words only ran over."""
    if before.box.beside(after.box) or block.role not in (Role.OWN, Role.OTHER):
        return " "
    latin = re.compile(r"[A-Za-z]")
    if latin.match(before.text[-1]) and latin.match(after.text[0]):
        return " "
    edge = around([line.box for line in block.lines]).right
    # Two characters of room: Chinese rules keep a mark from beginning a line.
    full = before.box.right >= edge - 2.2 * before.box.h
    alike = abs(before.box.h - after.box.h) <= 0.35 * max(before.box.h, after.box.h)
    return "" if full and alike else " "
