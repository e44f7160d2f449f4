"""标签建议: which tags a resident's own words bring up, and by which of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suggested:
    """A tag that a cue brings up; ``quote`` is the text between ``start`` and ``end``."""

    slug: str
    because: str
    quote: str
    start: int
    end: int
