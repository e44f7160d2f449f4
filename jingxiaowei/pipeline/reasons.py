"""Why: what a decision rests on. Frozen values that every stage shares."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that counted. ``quote`` is the resident's own text, or empty."""

    stage: str
    because: str
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that might be meant, with a probability 0 to 1."""

    faq: str
    fact: str
    score: float
    title: str = ""
