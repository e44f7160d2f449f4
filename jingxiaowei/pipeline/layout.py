"""Whose bubble is whose: the lines of a chat screenshot by where they stand.

Chat apps differ in colours, not in manners: one's own words stand at the right, the others' at the
left with a small name above them, times and notices in the middle, the title in the bar on top.
What is no chat comes out as plain lines.
"""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from jingxiaowei.pipeline.reading import Box, Line, Reading, around


class Role(StrEnum):
    """What a block of lines is."""

    TITLE = "title"  # the group's or the other one's name
    NOTE = "note"  # a time, a system's notice, an announcement
    OTHER = "other"
    OWN = "own"
    PLAIN = "plain"  # what stands in no bubble


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together, from top to bottom; ``speaker`` as the layout names them."""

    role: Role
    lines: tuple[Line, ...]
    box: Box
    speaker: str = ""


# The phone's own bar: the time, the network, the battery.
_CLOCK = re.compile(r"(上午|下午)?\d{1,2}[:：]\d{2}")
_BADGE = re.compile(r"群主|管理员|LV\.?\d+|Lv\.?\d+|活跃|冒泡|吐槽|潜水|机器人|外部|官方|全员|部门")
_WORN = re.compile(rf"[\s·]*({_BADGE.pattern})$")  # a badge read as one with the name
# What an empty input bar says, and its signs as they are misread.
_INPUT = re.compile(r"按住.?说话|发消息.*|发送.*|请输入.*|说点什么.*|输入.*|\W*|[\w+()（）@]{1,2}")
_SIGNS = re.compile(r"[^\u4e00-\u9fff]{0,2}")
# The arrow that leads back, as it is read, and the unread messages that wait there.
_BACK = re.compile(r"[<\u2039\u3008\u304f\uff1c\u300a\u2190]\s*(\d{1,3}(?=[^\d.:])\s*)?")
_SIZE = re.compile(r"\d+(\.\d+)?\s?([KMG]B?|字节)", re.IGNORECASE)
_KIND = re.compile(r"PDF|DOCX?|XLSX?|PPTX?|ZIP|RAR|TXT|[WXP]", re.IGNORECASE)


@dataclass(slots=True)
class _Bubble:
    """Lines on one plain area."""

    panel: Box
    lines: list[Line] = field(default_factory=list)
    role: Role = Role.PLAIN
    name: Line | None = None


def arrange(reading: Reading) -> tuple[Block, ...]:
    """The picture's blocks from top to bottom; what only belongs to the phone or app is left out.

    A reading in which no bubbles stand is one plain block a row.
    """
    left = _column(reading)
    if left:
        inner = arrange(_moved(reading, -left))
        return tuple(_block_moved(block, left) for block in inner)
    lines = [line for line in reading.lines if line.text]
    bubbles = _bubbles(reading, lines)
    _take_sides(reading, bubbles)
    bubbles += _without_panel(reading, bubbles, lines)
    spoken = [b for b in bubbles if b.role in (Role.OWN, Role.OTHER)]
    if not spoken:
        return tuple(_plain(row) for row in _rows(lines))
    inside = {id(line) for bubble in spoken for line in bubble.lines}
    rest = [line for line in lines if id(line) not in inside]
    rest = [line for line in rest if not _in_margin(line, spoken)]
    names = _names(reading, spoken, rest)
    rest = [line for line in rest if id(line) not in names]
    blocks = [*_speeches(spoken), *_surroundings(reading, spoken, rest)]
    blocks.sort(key=lambda block: (block.box.y, block.box.x))
    return _with_speakers(tuple(blocks))


def _column(reading: Reading) -> int:
    """Where, on a computer's screen, the conversation begins, right of the list of them: where
    the areas begin on which its title and times stand, which reach to the window's right edge."""
    if reading.width < reading.height:
        return 0
    edge = reading.width * 0.012
    begins = [
        line.panel.x
        for line in reading.lines
        if line.panel
        and line.panel.right >= reading.width - edge
        and reading.width * 0.12 < line.panel.x < reading.width * 0.6
    ]
    shared = [x for x in begins if sum(abs(x - other) <= edge for other in begins) >= 2]
    return min(shared, default=0)


def _moved(reading: Reading, by: int) -> Reading:
    """Only what stands right of a place, as if the picture began there."""
    kept = [line for line in reading.lines if line.box.centre[0] + by > 0]
    lines = tuple(_line_moved(line, by) for line in kept)
    return Reading(reading.width + by, reading.height, lines)


def _line_moved(line: Line, by: int) -> Line:
    panel = replace(line.panel, x=line.panel.x + by) if line.panel else None
    return replace(line, box=replace(line.box, x=line.box.x + by), panel=panel)


def _block_moved(block: Block, by: int) -> Block:
    lines = tuple(_line_moved(line, by) for line in block.lines)
    return replace(block, lines=lines, box=replace(block.box, x=block.box.x + by))


def _bubbles(reading: Reading, lines: Sequence[Line]) -> list[_Bubble]:
    """Lines grouped by the area they stand on, where that area can be a bubble."""
    close = reading.width * 0.015
    bubbles: list[_Bubble] = []
    for line in lines:
        panel = line.panel
        if panel is None or not _may_be_bubble(reading, line, panel):
            continue
        for bubble in bubbles:
            same = (
                abs(bubble.panel.x - panel.x) <= close
                and abs(bubble.panel.right - panel.right) <= close
                and panel.y < bubble.panel.bottom
                and bubble.panel.y < panel.bottom
            )
            around_it = bubble.panel.holds(*line.box.centre)
            if same or around_it:
                bubble.lines.append(line)
                bubble.panel = around([bubble.panel, panel]) if same else bubble.panel
                break
        else:
            bubbles.append(_Bubble(panel, [line]))
    fitting = [bubble for bubble in bubbles if _fits(bubble)]
    return [bubble for bubble in fitting if not _is_portrait(reading, bubble, fitting)]


def _may_be_bubble(reading: Reading, line: Line, panel: Box) -> bool:
    """A bubble ends before the picture does, and keeps some air around its words."""
    edge, size = reading.width * 0.008, line.box.h
    beside = sorted((line.box.x - panel.x, panel.right - line.box.right))
    return (
        panel.x > edge
        and panel.right < reading.width - edge
        and panel.y > 0
        and panel.bottom < reading.height - 1
        and beside[0] >= 0
        and sum(beside) >= size * 0.08
        # No air at one side alone is no bubble but a name, its badge right behind it.
        and (beside[0] >= size * 0.03 or beside[1] <= size * 0.3)
    )


def _fits(bubble: _Bubble) -> bool:
    """Whether the words fill the area from top to bottom: a page does not, a bubble does."""
    words, size = around([line.box for line in bubble.lines]), bubble.lines[0].box.h
    above, below = words.y - bubble.panel.y, bubble.panel.bottom - words.bottom
    # Next to a portrait the page too is closed in at the left: but its lines are few and far.
    return max(above, below) <= size * 2.2 and abs(above - below) <= size * 1.6


def _is_portrait(reading: Reading, bubble: _Bubble, others: Sequence[_Bubble]) -> bool:
    """Whether it is a portrait with letters in it: small, in the margin right beside a bubble."""
    small, text = bubble.panel, bubble.lines[0].text
    if small.w > reading.width * 0.16 or len(text) > 3 or len(bubble.lines) > 1:
        return False
    return any(
        other.panel.beside(small)
        and (
            small.x > other.panel.right > reading.width * 0.7
            or small.right < other.panel.x < reading.width * 0.3
        )
        for other in others
    )


def _take_sides(reading: Reading, bubbles: list[_Bubble]) -> None:
    """Each bubble's side: nearer to one edge, or, where the gaps are alike, flush with others."""
    width = reading.width
    close = width * 0.012
    unsure = []
    for bubble in bubbles:
        left, right = bubble.panel.x, width - bubble.panel.right
        if left > width * 0.2 and right > width * 0.2:
            bubble.role = Role.NOTE
        elif abs(left - right) <= width * 0.045:
            unsure.append(bubble)
        else:
            bubble.role = Role.OTHER if left < right else Role.OWN
    lefts = [b.panel.x for b in bubbles if b.role is Role.OTHER]
    rights = [b.panel.right for b in bubbles if b.role is Role.OWN]
    for bubble in unsure:
        flush_left = sum(abs(x - bubble.panel.x) <= close for x in lefts)
        flush_right = sum(abs(x - bubble.panel.right) <= close for x in rights)
        if flush_left != flush_right:
            bubble.role = Role.OTHER if flush_left > flush_right else Role.OWN
        elif lefts or rights:
            bubble.role = Role.OTHER if bubble.panel.x < width - bubble.panel.right else Role.OWN


def _without_panel(
    reading: Reading, bubbles: Sequence[_Bubble], lines: Sequence[Line]
) -> list[_Bubble]:
    """Bubbles whose area was not made out (a photo of a screen, a pattern behind the chat): lines
    in a bubble's letters that begin where the others' words begin, or end where one's own end.

    Where not one bubble was made out, these places are those that chat apps have in common.
    """
    width = reading.width
    spoken = [b for b in bubbles if b.role in (Role.OWN, Role.OTHER)]
    inside = {id(line) for bubble in bubbles for line in bubble.lines}
    free = [line for line in lines if id(line) not in inside and line.panel is None]
    if not spoken and not (reading.tall and len(free) * 2 > len(lines)):
        return []
    known = [line for bubble in spoken for line in bubble.lines]
    letters = statistics.median(line.box.h for line in known or free)
    begins = [line.box.x for b in spoken if b.role is Role.OTHER for line in b.lines]
    ends = [max(n.box.right for n in b.lines) for b in spoken if b.role is Role.OWN]
    begin = statistics.median(begins) if begins else width * 0.175
    end = statistics.median(ends) if ends else width * 0.825
    close = width * (0.025 if spoken else 0.05)
    found: list[_Bubble] = []
    for line in free:
        if line.box.h < letters * 0.8 or (len(line.text) < 2 and not found):
            continue
        before = found[-1] if found else None
        if before is not None and _goes_on(before.lines[-1], line):
            before.lines.append(line)
            before.panel = around([before.panel, line.box])
            continue
        bubble = _Bubble(line.box, [line])
        if abs(line.box.right - end) <= close and line.box.x > begin + close:
            bubble.role = Role.OWN
        elif abs(line.box.x - begin) <= close:
            bubble.role = Role.OTHER
        else:
            continue
        found.append(bubble)
    return found


def _goes_on(before: Line, after: Line) -> bool:
    """Whether a line is the next one of the same bubble."""
    size = before.box.h
    return -0.3 * size <= after.box.y - before.box.bottom <= 0.45 * size and (
        abs(after.box.x - before.box.x) <= 0.6 * size
    )


def _in_margin(line: Line, spoken: Sequence[_Bubble]) -> bool:
    """Whether it is the writing on a portrait: beside a bubble, where no text of a chat stands."""
    x, y = line.box.centre
    for bubble in spoken:
        level = bubble.panel.y - line.box.h * 2 <= y <= bubble.panel.bottom
        outside = x < bubble.panel.x if bubble.role is Role.OTHER else x > bubble.panel.right
        if level and outside and len(line.text) <= 3 and line.panel is not None:
            small = line.panel.w < line.box.h * 4 and line.panel.h < line.box.h * 4
            if small:
                return True
    return False


def _names(reading: Reading, spoken: list[_Bubble], rest: list[Line]) -> set[int]:
    """Give each bubble the name that stands right above it; the lines that names took up."""
    taken: set[int] = set()
    for bubble in spoken:
        size = min(line.box.h for line in bubble.lines)
        row = []
        for line in rest:
            gap = bubble.panel.y - line.box.bottom
            flush = abs(line.box.x - bubble.panel.x) <= reading.width * 0.06
            if bubble.role is Role.OWN:
                flush = abs(line.box.right - bubble.panel.right) <= reading.width * 0.06
            if flush and -0.4 * size <= gap <= 0.9 * size and line.box.h <= size * 1.3:
                row.append(line)
        if not row:
            continue
        row = [line for line in rest if line.box.beside(row[0].box)]
        row.sort(key=lambda line: line.box.x)
        named = [line for line in row if not _BADGE.fullmatch(line.text)]
        if bubble.role is Role.OTHER and named and not _CLOCK.search(named[0].text):
            bubble.name = replace(named[0], text=_WORN.sub("", named[0].text))
        elif bubble.role is Role.OTHER:
            continue
        taken.update(id(line) for line in row)
    return taken


def _speeches(spoken: Sequence[_Bubble]) -> list[Block]:
    blocks = []
    for bubble in spoken:
        lines = sorted(bubble.lines, key=lambda line: (line.box.y, line.box.x))
        said = [line for line in lines if not (_SIZE.fullmatch(line.text))]
        if len(said) > 1:  # a file's sign stands beside its name
            said = [line for line in said if not _KIND.fullmatch(line.text)]
        if said or lines:
            name = bubble.name.text if bubble.name else ""
            blocks.append(Block(bubble.role, tuple(said or lines), bubble.panel, name))
    return blocks


def _surroundings(reading: Reading, spoken: Sequence[_Bubble], rest: list[Line]) -> list[Block]:
    """The title, the notices and what else stands around the bubbles."""
    first = min(bubble.panel.y for bubble in spoken)
    last = max(bubble.panel.bottom for bubble in spoken)
    blocks: list[Block] = []
    titled = False
    for row in _rows(rest):
        box = around([line.box for line in row])
        if _is_status(reading, row, box):
            continue
        if box.y > last and (box.y > reading.height * 0.85 or _is_input(row)):
            if _is_input(row):
                continue
        elif box.bottom <= first and not titled:
            words = [line for line in row if not _SIGNS.fullmatch(line.text)]
            if not words:
                continue
            titled = True
            if box.y < reading.width * 0.3 and not _CLOCK.search(words[0].text):
                blocks.append(Block(Role.TITLE, (max(words, key=_size),), box))
                continue
        words = [line for line in row if not _SIGNS.fullmatch(line.text)]
        if words:
            middle = abs(box.centre[0] - reading.width / 2) < reading.width * 0.12
            role = Role.NOTE if middle or box.bottom <= first else Role.PLAIN
            blocks.append(Block(role, tuple(words), around([w.box for w in words])))
    return blocks


def _size(line: Line) -> tuple[int, int]:
    return line.box.h, line.box.w


def _is_status(reading: Reading, row: Sequence[Line], box: Box) -> bool:
    """Whether this is the phone's own bar at the top."""
    if box.bottom > reading.width * 0.11:
        return False
    beside = min(line.box.x for line in row) < reading.width * 0.3 or len(row) > 1
    return beside and any(_CLOCK.match(line.text) for line in row)


def _is_input(row: Sequence[Line]) -> bool:
    return all(_INPUT.fullmatch(line.text) for line in row)


def _rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines that stand beside each other, from left to right; rows from top to bottom."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.box.centre[1]):
        if rows and rows[-1][0].box.beside(line.box):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.box.x) for row in rows]


def _plain(row: Sequence[Line]) -> Block:
    return Block(Role.PLAIN, tuple(row), around([line.box for line in row]))


def _with_speakers(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Who speaks where no name stands: in a group who spoke last, in a dialogue the title's one."""
    named = any(block.speaker for block in blocks)
    title = next((b.lines[0].text for b in blocks if b.role is Role.TITLE), "")
    title = clean_title(title)[1]
    last = "" if named else re.sub(r"[(（]\d+[)）]$", "", title)
    result = []
    for block in blocks:
        if block.role is Role.OTHER:
            last = block.speaker or last
            block = Block(block.role, block.lines, block.box, last or "对方")
        result.append(block)
    return tuple(result)


def clean_title(text: str) -> tuple[int, str]:
    """A title without the arrow and the count of unread messages before it; and how much went."""
    lead = _BACK.match(text)
    cut = lead.end() if lead and lead.end() < len(text) else 0
    return cut, text[cut:].rstrip(" .·…")
