"""识图: what was read from a picture, as frozen values. Who read it, and how, is no matter here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Refusal(StrEnum):
    """Why a picture is not read, ever."""

    NOT_A_PICTURE = "not_a_picture"  # by its first bytes
    TOO_LARGE = "too_large"  # bytes
    TOO_MANY_PIXELS = "too_many_pixels"
    BROKEN = "broken"  # cut off, or not what its first bytes say


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in the picture's pixels, as the picture is seen (turned by its EXIF note)."""

    x: int
    y: int
    w: int
    h: int

    @property
    def right(self) -> int:
        return self.x + self.w

    @property
    def bottom(self) -> int:
        return self.y + self.h

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.w / 2, self.y + self.h / 2

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        return self.x <= x <= self.right and self.y <= y <= self.bottom

    def beside(self, other: "Box") -> bool:
        """Whether the two stand in one row: they share half the lower one's height."""
        shared = min(self.bottom, other.bottom) - max(self.y, other.y)
        return shared * 2 >= min(self.h, other.h)

    def grown(self, by: float) -> "Box":
        """The box with a margin of so many pixels, as far as coordinates go."""
        x, y = max(0, round(self.x - by)), max(0, round(self.y - by))
        return Box(x, y, round(self.right + by) - x, round(self.bottom + by) - y)


def around(boxes: "list[Box] | tuple[Box, ...]") -> Box:
    """The smallest box that holds all of them (at least one)."""
    x, y = min(b.x for b in boxes), min(b.y for b in boxes)
    return Box(x, y, max(b.right for b in boxes) - x, max(b.bottom for b in boxes) - y)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text.

    Attributes:
        panel: the plain-coloured area the line stands on, if one was made out: a chat bubble, a
            card, or as much as the whole page.
    """

    text: str
    box: Box
    confidence: float
    panel: Box | None = None

    def part(self, start: int, end: int) -> Box:
        """Where some of its characters stand, by their usual widths."""
        widths = [_width(character) for character in self.text]
        unit = self.box.w / (sum(widths) or 1)
        left = self.box.x + sum(widths[:start]) * unit
        width = max(1.0, sum(widths[start:end]) * unit)
        return Box(round(left), self.box.y, round(width), self.box.h)


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was read, from top to bottom; no lines is a picture without text."""

    width: int
    height: int
    lines: tuple[Line, ...] = ()

    @property
    def tall(self) -> bool:
        """Whether it has a phone's shape."""
        return self.height > self.width * 1.2


def restore(value: Mapping[str, Any]) -> Reading:
    """A reading from its JSON form."""
    lines = [
        Line(
            line["text"],
            Box(**line["box"]),
            line["confidence"],
            Box(**line["panel"]) if line["panel"] else None,
        )
        for line in value["lines"]
    ]
    return Reading(value["width"], value["height"], tuple(lines))


def _width(character: str) -> float:
    """How wide a character is printed: Chinese ones are square, digits and letters half of it."""
    if character in " ,.:;!|'iIlj1":
        return 0.4
    return 0.55 if character < "\u0250" else 1.0
