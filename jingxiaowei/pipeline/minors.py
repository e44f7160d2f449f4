"""未成年人: who is under age, by their own or a guardian's word. The age itself is never kept.

Under 14 no file is opened; from 14 to 17 two groups of tags are allowed.
"""

from dataclasses import dataclass
from enum import StrEnum

from jingxiaowei.content.tag_ages import SaidAge
from jingxiaowei.content.tag_finder import CueFinder, Scan

_CHILDHOOD, _MAJORITY = 14, 18  # 周岁


class Band(StrEnum):
    """How old, as far as the law asks."""

    UNDER14 = "under14"
    TEEN = "teen"
    ADULT = "adult"
    NONE = "none"  # nothing was said


class Person(StrEnum):
    """Whose age it is."""

    SELF = "self"
    CHILD = "child"
    OTHER = "other"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Minor:
    """What a text says of an age: whose and which band, and the words it was read from.

    ``quote`` is ``text[start:end]``. Keep ``whose`` and ``band``; the quote tells the age.
    """

    whose: Person = Person.NONE
    band: Band = Band.NONE
    quote: str = ""
    start: int = 0
    end: int = 0


UNSAID = Minor()
_WHOSE = {"me": Person.SELF, "child": Person.CHILD}


def read_minor(finder: CueFinder, text: str) -> Minor:
    """The age that matters most: the resident's own before a child's, a child's before others'.

    Of several that are the resident's the youngest counts, for it binds the most.
    """
    return minor_of(finder, text, finder.scan(text))


def minor_of(finder: CueFinder, text: str, scan: Scan) -> Minor:
    """The same from a scan that was made already."""
    ages = finder.ages(scan)
    if not ages:
        return UNSAID
    order = {"me": 0, "child": 1}
    age = min(ages, key=lambda age: (order.get(age.who, 2), age.low))
    start, end = scan.origin(age.start, age.end)
    return Minor(_WHOSE.get(age.who, Person.OTHER), _band(age), text[start:end], start, end)


def _band(age: SaidAge) -> Band:
    """By the youngest age that the words allow: 初二 may be 13."""
    if age.low < _CHILDHOOD:
        return Band.UNDER14
    return Band.TEEN if age.low < _MAJORITY else Band.ADULT
