"""标签调整: what is to be done to the taxonomy, what it touches, and what was done."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    RENAME = "rename"
    MERGE = "merge"
    SPLIT = "split"  # who fits an expression gets the new tag, the others keep the old one
    MOVE = "move"  # into another group: what may no longer stand there ends
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: ``sources`` become ``target`` (empty: nothing, they are retired).

    A move's target is the slug of a group; empty where the files say so already.
    """

    kind: Kind
    sources: tuple[str, ...]
    target: str = ""
    expression: str = ""  # of a split


@dataclass(frozen=True, slots=True)
class Effect:
    """What a plan touches, or has touched.

    Attributes:
        residents: whose tags change.
        already: of these, who have the target already; the old one only ends.
        barred: of these, who have something that shuts the target out; likewise.
        rules: what the taxonomy still says of the sources, to be mended in the YAML.
    """

    residents: int
    already: int = 0
    barred: int = 0
    suggestions: int = 0
    audiences: tuple[str, ...] = ()
    rules: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Done:
    """A surgery that was done: what, by whom, and how many residents it touched."""

    id: int
    plan: Plan
    residents: int
    by: int
    at: datetime
    undone_at: datetime | None
    wrote: bool  # the tags' files too
