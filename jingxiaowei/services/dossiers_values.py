"""一人一档 as its page shows it."""

from dataclasses import dataclass
from datetime import date, datetime

from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.services.conversations import Spoken
from jingxiaowei.store.file_tables import SuggestionState


class DossierMissingError(JingxiaoweiError):
    """There is no such file."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One way in which the resident came."""

    channel: str
    since: datetime
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class ContactLine:
    """A name, phone, company or address: masked unless opened with a reason."""

    kind: str
    value: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Slip:
    """A tag on the file.

    Attributes:
        soon: it ends within a week.
        evidence: the message that it rests on, masked; empty: none, or over.
    """

    id: int
    slug: str
    name: str
    careful: bool
    source: str
    who: str
    confirmed_by: str
    reason: str
    ground: str
    evidence: str
    started_at: datetime
    expires_at: datetime | None
    soon: bool


@dataclass(frozen=True, slots=True)
class SlipGroup:
    """The tags of one group."""

    name: str
    slips: tuple[Slip, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A tag that waits for somebody's word; ``before + quote + after`` is what was said.

    ``because``: what brought it up, where nothing can be quoted."""

    id: int
    slug: str
    name: str
    careful: bool
    state: SuggestionState
    proposed_by: str
    because: str
    before: str
    quote: str
    after: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Agreed:
    """The newest word on a kind of consent."""

    what: str
    given: bool
    at: datetime
    channel: str


@dataclass(frozen=True, slots=True)
class AlertLine:
    id: int
    title: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketLine:
    id: int
    code: str
    need: str
    state: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class RequestLine:
    """权利请求."""

    code: str
    kind: str
    state: str
    due_at: datetime
    open: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """Who looked at the file, and why."""

    at: datetime
    who: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything that one file's page shows.

    Attributes:
        label: 陈**, or 未留名.
        careful: how many careful tags stand there.
        careful_open: they are among ``groups``.
        original: names, phones and words stand as they are.
        readings: None: not for this role.
        as_of: the tags are those of that day, and nothing can be changed.
        merged_into: the resident that this one was merged into.
    """

    id: str
    label: str
    area: str
    station: str
    officer: str
    minor: str
    since: datetime
    identities: tuple[Identity, ...]
    contacts: tuple[ContactLine, ...]
    groups: tuple[SlipGroup, ...]
    careful: int
    careful_open: bool
    suggestions: tuple[Suggestion, ...]
    agreed: tuple[Agreed, ...]
    lines: tuple[Spoken, ...]
    alerts: tuple[AlertLine, ...]
    tickets: tuple[TicketLine, ...]
    requests: tuple[RequestLine, ...]
    readings: tuple[Reading, ...] | None
    original: bool
    as_of: date | None
    merged_into: str

    @property
    def count(self) -> int:
        """How many tags are shown."""
        return sum(len(group.slips) for group in self.groups)
