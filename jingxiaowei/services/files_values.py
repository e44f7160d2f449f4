"""一人一档 as an officer reads it. Everything is masked; what is careful stands apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jingxiaowei.content.tag_forbidden import Forbidden
from jingxiaowei.services.consents import Agreement
from jingxiaowei.services.notes import NoteRefusedError, require_note
from jingxiaowei.services.suggestions_waiting import Waiting
from jingxiaowei.services.tagging_values import Held, TagRefusedError
from jingxiaowei.store.file_tables import CONTACT_POINT, REQUEST, ContactKind, Minor
from jingxiaowei.store.sealed import SEALED

CONTACT = SEALED[CONTACT_POINT.c.value]
REQUEST_TEXT, ANSWER = SEALED[REQUEST.c.text], SEALED[REQUEST.c.answer]


class Purpose(StrEnum):
    """事由: why an officer opens a file. It stands in the trail for the resident to ask for."""

    SERVICE = "办事"
    DISSUADE = "劝阻"
    CARE = "关怀回访"
    OWN_REQUEST = "本人要求"
    OTHER = "其他"


@dataclass(frozen=True, slots=True)
class TagLine:
    """A tag on the file, with who noted it and on what."""

    held: Held
    name: str
    group: str
    by: str  # 民警陈国华, 居民本人
    confirmed_by: str


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened, one line of the timeline. ``id``: of its row."""

    at: datetime
    kind: str  # said, replied, alert, ticket, request
    text: str
    id: int
    conversation_id: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """谁看过: somebody read the file."""

    at: datetime
    by: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class MergedFile:
    """A file that was merged into this one; ``id``: of the merge, by which it is undone."""

    id: int
    resident_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Dossier:
    """一人一档, as of a moment.

    Attributes:
        careful_hidden: how many tags are not shown (受保护 N 项).
        contacts: masked, by kind.
        merged: what was merged into this one, the newest first.
        as_of: None for today; else a read-only look back: tags as they stood, nothing else.
    """

    resident_id: str
    area: str | None
    officer: str
    minor: Minor
    channels: tuple[str, ...]
    contacts: Mapping[ContactKind, tuple[str, ...]]
    tags: tuple[TagLine, ...]
    careful_hidden: int
    suggestions: tuple[Waiting, ...]
    timeline: tuple[Line, ...]
    consents: tuple[Agreement, ...]
    readings: tuple[Reading, ...]
    merged: tuple[MergedFile, ...]
    as_of: datetime | None = None


def reason_of(purpose: Purpose, note: str, forbidden: Forbidden) -> str:
    """事由 as it stands in the trail: never a name or a number."""
    if purpose is not Purpose.OTHER:
        return purpose.value
    try:
        return f"{purpose.value}：{require_note(note, forbidden)}"
    except NoteRefusedError:
        raise TagRefusedError("选“其他”要写一句事由，不写名字和号码。") from None
