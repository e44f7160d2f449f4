"""What nobody needs to see in a picture: identity cards, bank cards, identity numbers.

A suspect's account in a chat bubble is what officers work with and stays readable. Hidden are an
identity number wherever it stands, and what is printed on a card that somebody photographed.
"""

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from jingxiaowei.pipeline.layout import Role, arrange
from jingxiaowei.pipeline.reading import Box, Line, Reading, around


class SecretKind(StrEnum):
    """What is hidden."""

    ID_NUMBER = "id_number"
    ID_CARD = "id_card"
    BANK_CARD = "bank_card"


@dataclass(frozen=True, slots=True)
class Secret:
    """A place that must not be seen."""

    kind: SecretKind
    box: Box


_ID_NUMBER = re.compile(r"(?<!\d)\d(?:[ \-]?\d){16}[ \-]?[\dXx](?!\d)")
_CARD_NUMBER = re.compile(r"(?<!\d)\d(?:[ \-]?\d){15,18}(?!\d)")
_LABELS = ("公民身份号码", "姓名", "性别", "民族", "出生", "住址")
# With a colon it is a form that somebody filled in, not a card.
_LABEL = re.compile(rf"({'|'.join(_LABELS)})(?![:：])")
_ISSUED = re.compile(
    r"银行|信用社|借记卡|储蓄卡|信用卡|贷记卡|银联|BANK|CREDIT CARD|DEBIT", re.IGNORECASE
)
_FACE = re.compile(
    r"union ?pay|银联|借记卡|信用卡|贷记卡|VALID|THRU|MONTH|\bATM\b|mastercard", re.IGNORECASE
)
# These words stand around an account that somebody is told to pay to, never on a card.
_ACCOUNT = re.compile(r"户名|账户|帐户|账号|帐号|开户|收款|付款|卡号|转账|转帐|汇款|打到|打款")
_HOLDER = re.compile(r"[A-Z]{2,}([ /.][A-Z]{2,}){1,3}")
_DATES = re.compile(r"\d{2}/\d{2}")


def is_id_number(text: str) -> bool:
    """公民身份号码: whether 18 characters hold a birth date and end with the right check digit."""
    digits = re.sub(r"[ \-]", "", text).upper()
    try:
        born = date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    except ValueError:
        return False
    if not 1900 <= born.year <= 2100:
        return False
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(digits[:17]))
    return "10X98765432"[total % 11] == digits[17]


def is_card_number(text: str) -> bool:
    """Whether a run of digits can be a bank card's number (Luhn's check digit)."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 16 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def find_secrets(reading: Reading) -> tuple[Secret, ...]:
    """Every place to hide, with a margin for strokes that stand out of their box."""
    found = [*_id_numbers(reading.lines), *_id_card(reading), *_bank_card(reading)]
    size = statistics.median(line.box.h for line in reading.lines) if reading.lines else 0
    return tuple(
        Secret(s.kind, _within(reading, s.box.grown(min(s.box.h, size) * 0.12))) for s in found
    )


def _within(reading: Reading, box: Box) -> Box:
    width, height = reading.width, reading.height
    x, y = min(box.x, width), min(box.y, height)
    return Box(x, y, min(box.right, width) - x, min(box.bottom, height) - y)


def _runs(lines: Sequence[Line]) -> Iterator[tuple[Line, ...]]:
    """Each line, and each two of which the second goes on where digits broke off."""
    for number, line in enumerate(lines):
        yield (line,)
        if not line.text[-1:].isdigit():
            continue
        for after in lines[number + 1 : number + 4]:
            gap = after.box.y - line.box.bottom
            below = abs(gap) <= line.box.h and abs(after.box.x - line.box.x) <= 2 * line.box.h
            beside = after.box.beside(line.box) and after.box.x >= line.box.centre[0]
            if after.text[:1].isdigit() and (below or beside):
                yield (line, after)


def _matches(pattern: re.Pattern[str], run: tuple[Line, ...]) -> Iterator[tuple[str, list[Box]]]:
    """What the pattern finds in the lines read as one, and where it stands."""
    for match in pattern.finditer("".join(line.text for line in run)):
        boxes, at = [], 0
        for line in run:
            first, last = max(match.start(), at) - at, min(match.end(), at + len(line.text)) - at
            if first < last:
                boxes.append(line.part(first, last))
            at += len(line.text)
        yield match[0], boxes


def _id_numbers(lines: Sequence[Line]) -> Iterator[Secret]:
    for run in _runs(lines):
        for text, boxes in _matches(_ID_NUMBER, run):
            if is_id_number(text):
                yield from (Secret(SecretKind.ID_NUMBER, box) for box in boxes)


def _id_card(reading: Reading) -> Iterator[Secret]:
    """Everything on a card's face but its labels, and the side with the portrait."""
    labelled = [(line, labels) for line in reading.lines if (labels := _labels(line))]
    names = {name for _, labels in labelled for name in labels}
    if len(names) < 3 or not names & {"公民身份号码", "住址"}:
        return
    face = around([line.box for line, _ in labelled])
    top = min(line.box.y for line, _ in labelled)
    numbered = next((line for line, labels in labelled if _LABELS[0] in labels), None)
    if numbered is not None:
        beside = [n.box for n in reading.lines if n.box.beside(numbered.box)]
        base = around([numbered.box, *(box for box in beside if box.x >= numbered.box.x)])
        # On the printed card, by its millimetres: the number line spans 5 to 75, the portrait
        # stands between 54 and 80, down to just above the number.
        portrait = Box(
            round(base.x + base.w * 0.66),
            round(top - base.w * 0.08),
            round(base.w * 0.48),
            round(base.y - top + base.w * 0.06),
        )
        face = around([face, base])
    else:
        portrait = Box(face.right, round(top - face.h * 0.1), round(face.w * 0.7), face.h)
    yield Secret(SecretKind.ID_CARD, _inside_picture(portrait))
    for line in reading.lines:
        if not face.grown(line.box.h).holds(*line.box.centre):
            continue
        at = 0
        for match in [*_LABEL.finditer(line.text), None]:
            until = match.start() if match else len(line.text)
            if line.text[at:until].strip():
                yield Secret(SecretKind.ID_CARD, line.part(at, until))
            at = match.end() if match else until


def _labels(line: Line) -> list[str]:
    """The card labels a line begins with or, for two short ones in a row, holds."""
    text = line.text.replace(" ", "")
    return _LABEL.findall(text) if _LABEL.match(text) else []


def _inside_picture(box: Box) -> Box:
    x, y = max(0, box.x), max(0, box.y)
    return Box(x, y, max(0, box.right - x), max(0, box.bottom - y))


def _bank_card(reading: Reading) -> Iterator[Secret]:
    """A card's number, its holder and its dates, where the words around it are a card's face."""
    spoken = [b.box for b in arrange(reading) if b.role in (Role.OWN, Role.OTHER)]
    for run in _runs(reading.lines):
        for text, boxes in _matches(_CARD_NUMBER, run):
            if not is_card_number(text) or len(text) < sum(len(n.text) for n in run) - 2:
                continue
            place = around(boxes)
            near = [line for line in reading.lines if _is_near(line, place) and line not in run]
            in_bubble = any(box.holds(*place.centre) for box in spoken)
            words = [line for line in near if (_FACE if in_bubble else _ISSUED).search(line.text)]
            words += [line for line in near if _FACE.search(line.text)]
            if not words or any(_ACCOUNT.search(line.text) for line in (*near, *run)):
                continue
            yield from (Secret(SecretKind.BANK_CARD, box) for box in boxes)
            for line in near:
                if _DATES.search(line.text) or _is_holder(line.text):
                    yield Secret(SecretKind.BANK_CARD, line.box)


def _is_holder(text: str) -> bool:
    """Whether it is a name in capitals, and not the bank's or the scheme's."""
    return bool(_HOLDER.fullmatch(text)) and not _ISSUED.search(text) and not _FACE.search(text)


def _is_near(line: Line, place: Box) -> bool:
    """Whether a line can stand on the same card: a card is .63 as high as wide."""
    x, y = line.box.centre
    reach = place.w * 0.6
    return place.y - reach <= y <= place.bottom + reach and (
        place.x - place.w * 0.2 <= x <= place.right + place.w * 0.25
    )
