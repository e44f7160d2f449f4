"""What passes between officers, imports and the tags on files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    SUGGESTION,
    ConsentKind,
    Ended,
    Ground,
    Minor,
    TagSource,
)
from jingxiaowei.store.sealed import SEALED

REASON, QUOTE = SEALED[ASSIGNMENT.c.reason], SEALED[SUGGESTION.c.quote]


class TagRefusedError(JingxiaoweiError):
    """A tag cannot be noted as asked; the message says why and what to do."""


class TagConflictError(TagRefusedError):
    """Somebody was faster, or another tag stands in the way."""


class ConsentNeededError(TagRefusedError):
    """The resident has not agreed yet: ask, then try again."""


class HeldByLawError(TagRefusedError):
    """The tag serves a duty that is not done: taking it off is decided by an officer."""


class Did(StrEnum):
    """What became of a row."""

    APPLIED = "applied"
    PROPOSED = "proposed"  # 提请: it waits for police
    ALREADY = "already"  # it stands there: nothing was done, and nothing is wrong
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Noted:
    """A tag that somebody wants on a file.

    Attributes:
        tag: a slug, or the Chinese name.
        replace: slugs that may be ended for it; what is not named stands in its way.
        expires_at: sooner than the tag's own life; None: its whole life.
        note: where the row stands (``第 12 行``), handed back in the outcome.
    """

    resident_id: str
    tag: str
    reason: str
    ground: Ground = Ground.CONSENT
    evidence_id: int | None = None
    replace: frozenset[str] = frozenset()
    expires_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a :class:`Noted`, in words where it is not as asked.

    ``id``: of the assignment, or of the suggestion where it is a proposal.
    """

    noted: Noted
    did: Did
    words: str = ""
    id: int | None = None
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A tag as it stands, or stood, on a file."""

    id: int
    resident_id: str
    tag: str
    source: TagSource
    officer_id: int | None
    confirmed_by: int | None
    reason: str
    evidence_id: int | None
    ground: Ground
    started_at: datetime
    review_at: datetime | None = None
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: int | None = None
    ended_because: Ended | None = None


@dataclass(slots=True)
class Standing:
    """What must be known of a resident before a tag is noted; kept in step row by row."""

    resident_id: str
    area: str | None
    officer_id: int | None
    minor: Minor
    consents: Mapping[ConsentKind, bool] = field(default_factory=dict)
    current: dict[str, Held] = field(default_factory=dict)
