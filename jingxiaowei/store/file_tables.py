"""The tables of one person's file (一人一档): tags and where they came from, consents, contact,
merges, requests, and what is left of an erased file.

An officer's words, a resident's words and whatever reaches a person stand encrypted; a phone that
must be found again stands beside it as a keyed hash. There is no column for a birth date, a
number plate, an identity or a card number.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, LargeBinary, text
from sqlmodel import Field

from jingxiaowei.store.columns import TableModel, choice, core, moment, reference, serial


class Minor(StrEnum):
    """What is known of a resident's being under age, by word alone: no age, no birth date."""

    NONE = "none"
    UNDER_14 = "under14"
    TEEN = "teen"


class TagSource(StrEnum):
    """How a tag came onto a file."""

    OFFICER = "officer"
    RESIDENT = "resident"  # 本人自选
    SUGGESTION = "suggestion"  # confirmed by an officer
    IMPORT = "import"
    WECOM = "wecom"
    SYSTEM = "system"  # a plain fact, quiz_done


class Ground(StrEnum):
    """合法性基础: what PIPL 13 allows the tag by."""

    CONSENT = "consent"
    DUTY = "duty"  # 法定职责
    EMERGENCY = "emergency"  # 紧急情况下保护生命健康财产
    OWN_CHOICE = "own_choice"


class Ended(StrEnum):
    """Why a tag is no longer on a file."""

    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"  # the resident wants it gone, or took a consent back
    CORRECTED = "corrected"
    REMOVED = "removed"  # by an officer: done with, or wrong
    REPLACED = "replaced"  # by another of a one-choice group, or by its own renewal
    REWORDED = "reworded"  # the tag goes on in a row with another note
    RETIRED = "retired"  # the taxonomy has changed
    PURGED = "purged"  # with the whole file, of a child


class SuggestionState(StrEnum):
    OPEN = "open"
    PROPOSED = "proposed"  # 提请: an auxiliary's, of a careful tag
    CONFIRMED = "confirmed"
    DECLINED = "declined"  # keeps the same from being raised until it lapses
    LAPSED = "lapsed"


class ConsentKind(StrEnum):
    TAGS = "tags"
    CAREFUL = "careful"  # 单独同意


class ContactKind(StrEnum):
    NAME = "name"
    PHONE = "phone"
    COMPANY = "company"
    ADDRESS = "address"


class RequestKind(StrEnum):
    """What a resident may ask for (PIPL 44-50)."""

    VIEW = "view"
    CORRECT = "correct"
    OBJECT = "object"
    DELETE = "delete"
    EXPORT = "export"
    ERASE = "erase"


class RequestState(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"  # an erasure that the resident has confirmed: done by the next round
    ANSWERED = "answered"
    REFUSED = "refused"  # with a reason


class ReplyKind(StrEnum):
    """What an officer's words answer."""

    REQUEST = "request"
    TICKET = "ticket"


_CURRENT = "ended_at IS NULL"
# A declined suggestion still takes the place of the next one.
_STANDING = "state IN ('open', 'proposed', 'declined')"
_WAITING = "state IN ('open', 'proposed')"


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


class TagAssignment(TableModel, table=True):
    """打标记录: a tag on a file. It is ended, never overwritten."""

    __tablename__ = "tag_assignment"
    __table_args__ = (
        _partial("uq_tag_assignment_current", "resident_id", "tag", where=_CURRENT, unique=True),
        _partial("ix_tag_assignment_tag", "tag", "resident_id", "expires_at", where=_CURRENT),
        _partial("ix_tag_assignment_expires", "expires_at", where=_CURRENT),
        _partial("ix_tag_assignment_review", "review_at", where=_CURRENT),
        Index("ix_tag_assignment_ended", "ended_at"),
        # The trail and a resident's buttons name it: its number must not become another's.
        {"sqlite_autoincrement": True},
    )
    id: int | None = serial()
    resident_id: str = Field(foreign_key="resident.id", max_length=32, index=True)
    tag: str
    source: TagSource = Field(sa_type=choice(TagSource))
    officer_id: int | None = reference()  # who noted it; none: the resident or the system
    confirmed_by: int | None = reference()
    reason: bytes = Field(sa_type=LargeBinary)
    evidence_id: int | None = reference()  # the message that it rests on
    ground: Ground = Field(sa_type=choice(Ground))
    started_at: datetime = moment()
    review_at: datetime | None = moment(default=None)  # from here on an officer is asked
    expires_at: datetime | None = moment(default=None)
    ended_at: datetime | None = moment(default=None)
    ended_by: int | None = reference()  # none: the resident, or the clock
    ended_because: Ended | None = Field(default=None, sa_type=choice(Ended))
    surgery_id: int | None = Field(default=None, sa_type=BigInteger, index=True)  # made by it
    ended_surgery_id: int | None = Field(default=None, sa_type=BigInteger, index=True)


class TagSuggestion(TableModel, table=True):
    """标签建议: a tag that a cue, an auxiliary or WeCom brings up. An officer decides."""

    __tablename__ = "tag_suggestion"
    __table_args__ = (
        _partial("uq_tag_suggestion_standing", "resident_id", "tag", where=_STANDING, unique=True),
        _partial("ix_tag_suggestion_waiting", "id", where=_WAITING),
    )
    id: int | None = serial()
    resident_id: str = Field(foreign_key="resident.id", max_length=32, index=True)
    tag: str
    state: SuggestionState = Field(default=SuggestionState.OPEN, sa_type=choice(SuggestionState))
    source: str  # the cue's fact or words, wecom, or officer
    quote: bytes = Field(sa_type=LargeBinary)
    inbox_id: int | None = reference()
    ground: Ground = Field(default=Ground.CONSENT, sa_type=choice(Ground))  # as proposed
    proposed_by: int | None = reference()
    decided_by: int | None = reference()
    created_at: datetime = moment()
    decided_at: datetime | None = moment(default=None)


class Consent(TableModel, table=True):
    """同意: given, refused or taken back. The newest of a kind counts."""

    __tablename__ = "consent"
    id: int | None = serial()
    resident_id: str = Field(foreign_key="resident.id", max_length=32, index=True)
    kind: ConsentKind = Field(sa_type=choice(ConsentKind))
    given: bool
    said_at: datetime = moment()
    inbox_id: int | None = reference()
    channel: str = ""


class ContactPoint(TableModel, table=True):
    """How a resident is called and reached, as far as they said so."""

    __tablename__ = "contact"
    id: int | None = serial()
    resident_id: str = Field(foreign_key="resident.id", max_length=32, index=True)
    kind: ContactKind = Field(sa_type=choice(ContactKind))
    value: bytes = Field(sa_type=LargeBinary)
    found: str | None = Field(default=None, max_length=32, index=True)  # never of a name
    source: TagSource = Field(sa_type=choice(TagSource))
    created_at: datetime = moment()


class Merge(TableModel, table=True):
    """合并: two residents were one person. ``moved`` names the rows that changed hands."""

    __tablename__ = "merge"
    id: int | None = serial()
    kept_id: str = Field(foreign_key="resident.id", max_length=32, index=True)
    gone_id: str = Field(foreign_key="resident.id", max_length=32, index=True)
    by: int = Field(sa_type=BigInteger)
    at: datetime = moment()
    undone_at: datetime | None = moment(default=None)
    moved: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class RightsRequest(TableModel, table=True):
    """权利请求: what a resident asks for, and by when it is answered."""

    __tablename__ = "rights_request"
    __table_args__ = (_partial("ix_rights_request_open", "due_at", where="state = 'open'"),)
    id: int | None = serial()
    code: str = Field(unique=True, max_length=8)
    resident_id: str = Field(foreign_key="resident.id", max_length=32, index=True)
    kind: RequestKind = Field(sa_type=choice(RequestKind))
    text: bytes = Field(sa_type=LargeBinary)
    state: RequestState = Field(default=RequestState.OPEN, sa_type=choice(RequestState))
    created_at: datetime = moment()
    due_at: datetime = moment()
    answered_at: datetime | None = moment(default=None)
    answer: bytes | None = Field(default=None, sa_type=LargeBinary)
    officer_id: int | None = reference()


class OfficerReply(TableModel, table=True):
    """答复: an officer's words to a resident, and the call where no message reached them."""

    __tablename__ = "officer_reply"
    id: int | None = serial()
    kind: ReplyKind = Field(sa_type=choice(ReplyKind))
    about_id: int = Field(sa_type=BigInteger)  # the request's or the ticket's row
    code: str
    resident_id: str = Field(foreign_key="resident.id", max_length=32, index=True)
    text: bytes = Field(sa_type=LargeBinary)
    outbox_key: str = ""  # empty: it never went out
    reason: str = ""  # why not
    officer_id: int = Field(sa_type=BigInteger)
    at: datetime = moment()
    called_at: datetime | None = moment(default=None)
    called_by: int | None = reference()


class Receipt(TableModel, table=True):
    """回执: that something was done, how much of it, and nothing of whom.

    ``resident_id`` stands only until the resident has been told; then the last row of theirs goes.
    """

    __tablename__ = "receipt"
    code: str = Field(primary_key=True, max_length=8)
    kind: str
    at: datetime = moment()
    counts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    resident_id: str | None = Field(default=None, max_length=32)
    scrubbed_at: datetime | None = moment(default=None)  # no trace in the raw files from then on


class Handover(TableModel, table=True):
    """交接: one officer's residents and open work became another's."""

    __tablename__ = "handover"
    id: int | None = serial()
    giver_id: int = Field(sa_type=BigInteger)
    taker_id: int = Field(sa_type=BigInteger)
    area: str | None = Field(default=None, foreign_key="area.slug")
    by: int = Field(sa_type=BigInteger)
    at: datetime = moment()
    counts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class SavedAudience(TableModel, table=True):
    """受众: a named expression over tags."""

    __tablename__ = "audience"
    id: int | None = serial()
    name: str = Field(unique=True, max_length=40)
    expression: str
    officer_id: int = Field(sa_type=BigInteger)
    created_at: datetime = moment()


class Surgery(TableModel, table=True):
    """标签调整: a change of the taxonomy that files followed. ``before``: what undoing needs."""

    __tablename__ = "taxonomy_surgery"
    id: int | None = serial()
    kind: str
    plan: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    before: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    counts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    by: int = Field(sa_type=BigInteger)
    at: datetime = moment()
    undone_at: datetime | None = moment(default=None)


ASSIGNMENT = core(TagAssignment)
SUGGESTION = core(TagSuggestion)
CONSENT = core(Consent)
CONTACT_POINT = core(ContactPoint)
MERGE = core(Merge)
REQUEST = core(RightsRequest)
REPLY = core(OfficerReply)
ERASURE_RECEIPT = core(Receipt)
HANDOVER = core(Handover)
AUDIENCE = core(SavedAudience)
SURGERY = core(Surgery)

# The partial indexes' conditions, in the index's own words (see tables.py).
IS_CURRENT = text("tag_assignment.ended_at IS NULL")
IS_SUGGESTED = text("tag_suggestion.state IN ('open', 'proposed')")
IN_PLACE = text(_STANDING)  # as ON CONFLICT names the index
IS_ASKED = text("rights_request.state = 'open'")
