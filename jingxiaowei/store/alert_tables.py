"""The tables of alerts (预警), of telling officers, and of their sign-ins to the console.

What a resident said, is called or can be reached by stands encrypted; accounts and phones that
must be matched across alerts stand beside it as keyed hashes. A score belongs to a message or to
an alert: no table adds anything up on a person.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from jingxiaowei.store.columns import KEYED, TableModel, choice, core, moment, reference, serial


class AlertState(StrEnum):
    """待认领 → 已认领 → 已劝阻 → 已上门 → 已办结."""

    NEW = "new"
    CLAIMED = "claimed"
    ADVISED = "advised"
    VISITED = "visited"
    CLOSED = "closed"


class AlertVerdict(StrEnum):
    """What an officer found."""

    ATTEMPT = "attempt"  # 诈骗未遂
    LOST = "lost"  # 已被骗, by police only
    FALSE_ALARM = "false_alarm"  # 虚惊
    DRILL = "drill"  # 演练
    OTHER = "other"


class NoticeState(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    REFUSED = "refused"
    DROPPED = "dropped"  # overtaken: the alert was claimed before the card went out


_OPEN = "state <> 'closed'"


class Alert(TableModel, table=True):
    """预警: one per conversation and script while it is open.

    ``subject`` tells apart what one conversation reports of several residents: an officer's
    forwards. It is empty in a resident's own conversation.
    """

    __tablename__ = "alert"
    __table_args__ = (
        Index(
            "uq_alert_open",
            "conversation_id",
            "subject",
            "scam_type",
            unique=True,
            sqlite_where=text(_OPEN),
            postgresql_where=text(_OPEN),
        ),
        Index("ix_alert_open", "id", sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
        Index("ix_alert_closed_at", "closed_at"),
    )
    id: int | None = serial()
    conversation_id: str = Field(index=True, max_length=32)
    subject: str = Field(default="", max_length=32)
    scam_type: str
    area: str = Field(foreign_key="area.slug")
    state: AlertState = Field(default=AlertState.NEW, sa_type=choice(AlertState))
    specimen: str
    stage: str  # the furthest that was seen
    next_stage: str
    score: float  # the highest of its messages
    transfer: str
    transfer_at: datetime | None = moment(default=None)  # when that became known
    amount: int | None = reference()  # the largest that was named, in yuan
    forwarded_by: int | None = reference()  # the officer who passed it on
    created_at: datetime = moment()
    updated_at: datetime = moment()
    heard_at: datetime = moment()  # the resident's last word
    claimed_by: int | None = reference()
    claimed_at: datetime | None = moment(default=None)
    claim_due: datetime | None = moment(default=None)  # then the next in line is told
    line: int = 0  # how far along the line it has been told
    silence_due: datetime | None = moment(default=None)  # then the silence is acted on
    silence: int = 0  # 1 asked again, 2 to be called, 3 to be visited
    closed_at: datetime | None = moment(default=None)
    closed_by: int | None = reference()
    verdict: AlertVerdict | None = Field(default=None, sa_type=choice(AlertVerdict))
    lost_pending: bool = False  # an auxiliary says 已被骗: police must confirm
    prevented: int | None = reference()  # yuan
    loss: int | None = reference()
    note: bytes | None = Field(default=None, sa_type=LargeBinary)
    case_id: int | None = Field(default=None, sa_type=BigInteger, index=True)


class AlertEvidence(TableModel, table=True):
    """A message that the alert rests on: its text and its screening, encrypted, and a sketch of
    its wording that can be compared without reading it."""

    __tablename__ = "alert_evidence"
    id: int | None = serial()
    alert_id: int = Field(foreign_key="alert.id", sa_type=BigInteger, index=True)
    inbox_id: int = Field(sa_type=BigInteger, unique=True)
    at: datetime = moment()
    score: float
    body: bytes = Field(sa_type=LargeBinary)
    sketch: bytes = Field(sa_type=LargeBinary)
    shingles: int


class AlertEntity(TableModel, table=True):
    """An account, phone, group …: a keyed hash to match by, the value itself encrypted."""

    __tablename__ = "alert_entity"
    __table_args__ = (UniqueConstraint("alert_id", "kind", "hash"),)
    id: int | None = serial()
    alert_id: int = Field(foreign_key="alert.id", sa_type=BigInteger)
    kind: str
    hash: str = Field(index=True, max_length=32)
    value: bytes = Field(sa_type=LargeBinary)


class AlertBand(TableModel, table=True):
    """A part of a message's sketch: alerts that share one may have the same wording."""

    __tablename__ = "alert_band"
    __table_args__ = KEYED
    hash: str = Field(primary_key=True, max_length=32)
    alert_id: int = Field(primary_key=True, foreign_key="alert.id", sa_type=BigInteger, index=True)


class AlertCase(TableModel, table=True):
    """同话术: alerts of different residents that tell one script.

    ``raised_at``: when the third within a day made it everybody's business.
    """

    __tablename__ = "alert_case"
    id: int | None = serial()
    scam_type: str
    created_at: datetime = moment()
    raised_at: datetime | None = moment(default=None)


class AlertEvent(TableModel, table=True):
    """What happened to an alert, who did it, and when."""

    __tablename__ = "alert_event"
    id: int | None = serial()
    alert_id: int = Field(foreign_key="alert.id", sa_type=BigInteger, index=True)
    at: datetime = moment()
    kind: str
    officer_id: int | None = reference()
    body: bytes | None = Field(default=None, sa_type=LargeBinary)


class AlertContact(TableModel, table=True):
    """How the resident can be reached, given for this alert and used for nothing else."""

    __tablename__ = "alert_contact"
    alert_id: int = Field(primary_key=True, foreign_key="alert.id", sa_type=BigInteger)
    body: bytes = Field(sa_type=LargeBinary)
    at: datetime = moment()


class AlertReceipt(TableModel, table=True):
    """One reporter's verdict message: the outbox row that carries it, or why there is none."""

    __tablename__ = "alert_receipt"
    __table_args__ = (UniqueConstraint("batch", "conversation_id"),)
    id: int | None = serial()
    batch: str = Field(max_length=32)
    alert_id: int = Field(foreign_key="alert.id", sa_type=BigInteger, index=True)
    conversation_id: str = Field(max_length=32)
    outbox_key: str = Field(default="", max_length=32)
    reason: str = ""
    officer_id: int = Field(sa_type=BigInteger)
    at: datetime = moment()


class Notice(TableModel, table=True):
    """An officer is to be told of an alert, or of an emergency's ticket. Several that wait together
    go out on one card."""

    __tablename__ = "notice"
    __table_args__ = (
        Index(
            "ix_notice_waiting",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_notice_outdated",
            "id",
            sqlite_where=text("outdated"),
            postgresql_where=text("outdated"),
        ),
        CheckConstraint("(alert_id IS NULL) <> (ticket_id IS NULL)", name="ck_notice_of_one"),
    )
    id: int | None = serial()
    key: str = Field(unique=True, max_length=32)
    officer_id: int = Field(foreign_key="officer.id", sa_type=BigInteger, index=True)
    alert_id: int | None = Field(
        default=None, foreign_key="alert.id", sa_type=BigInteger, index=True
    )
    ticket_id: int | None = Field(  # it goes with its ticket
        default=None,
        foreign_key="ticket.id",
        sa_type=BigInteger,
        index=True,
        ondelete="CASCADE",
    )
    kind: str
    state: NoticeState = Field(default=NoticeState.PENDING, sa_type=choice(NoticeState))
    reason: str = ""
    attempts: int = 0
    created_at: datetime = moment()
    not_before: datetime = moment()
    leased_until: datetime | None = moment(default=None)
    sent_at: datetime | None = moment(default=None)
    card: str = Field(default="", max_length=40, index=True)  # WeCom's task_id
    response_code: str = ""  # lets the card be changed once
    outdated: bool = False  # the card must be changed: somebody has claimed


class ConsoleSession(TableModel, table=True):
    """A sign-in to the console. The cookie holds the token, the table only its hash."""

    __tablename__ = "console_session"
    id: str = Field(primary_key=True, max_length=64)
    officer_id: int = Field(foreign_key="officer.id", sa_type=BigInteger, index=True)
    created_at: datetime = moment()
    seen_at: datetime = moment()


class SignInLock(TableModel, table=True):
    """Wrong passwords in a row for one account, and until when it is locked."""

    __tablename__ = "sign_in_lock"
    key: str = Field(primary_key=True, max_length=32)
    failures: int
    last_at: datetime = moment()
    until: datetime | None = moment(default=None)


class OneTimeEntry(TableModel, table=True):
    """A link that signs an officer in once."""

    __tablename__ = "one_time_entry"
    id: str = Field(primary_key=True, max_length=64)
    officer_id: int = Field(foreign_key="officer.id", sa_type=BigInteger)
    expires_at: datetime = moment()


class SettledWording(TableModel, table=True):
    """本处已核实: a sentence of an alert that was closed as 虚惊, by its fingerprint."""

    __tablename__ = "settled_wording"
    mark: str = Field(primary_key=True, max_length=16)
    alert_id: int = Field(primary_key=True, foreign_key="alert.id", sa_type=BigInteger, index=True)
    at: datetime = moment()


ALERT = core(Alert)
EVIDENCE = core(AlertEvidence)
ENTITY = core(AlertEntity)
BAND = core(AlertBand)
CASE = core(AlertCase)
EVENT = core(AlertEvent)
CONTACT = core(AlertContact)
RECEIPT = core(AlertReceipt)
NOTICE = core(Notice)
SETTLED = core(SettledWording)
SESSION = core(ConsoleSession)
LOCK = core(SignInLock)
ENTRY = core(OneTimeEntry)

# The partial indexes' conditions, in the index's own words (see tables.py).
IS_OPEN = text("alert.state <> 'closed'")
IS_WAITING = text("notice.state = 'pending'")
IS_OUTDATED = text("notice.outdated")
