"""Every table. Rows are written in bulk as dicts (``insert(Table)``); the models are the schema.

What a resident said or is called stands in ``bytes`` columns, encrypted by :mod:`.cipher`; what
must be found again stands beside it as a keyed hash. Times are aware and in UTC.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, text
from sqlmodel import Field

from jingxiaowei.store.columns import KEYED as _KEYED
from jingxiaowei.store.columns import TableModel
from jingxiaowei.store.columns import UTCDateTime as UTCDateTime
from jingxiaowei.store.columns import choice as _choice
from jingxiaowei.store.columns import core as core
from jingxiaowei.store.columns import moment as _moment
from jingxiaowei.store.columns import reference as _reference
from jingxiaowei.store.columns import serial as _serial


class InboxState(StrEnum):
    NEW = "new"
    DONE = "done"


class OutboxState(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    REFUSED = "refused"
    EXPIRED = "expired"


class Holder(StrEnum):
    """Who speaks in a conversation."""

    BOT = "bot"
    HUMAN = "human"


class TicketState(StrEnum):
    OPEN = "open"
    CLAIMED = "claimed"
    CLOSED = "closed"


class QuestionState(StrEnum):
    NEW = "new"
    PENDING = "pending"
    DONE = "done"
    IGNORED = "ignored"


class MediaState(StrEnum):
    WANTED = "wanted"
    KEPT = "kept"
    FAILED = "failed"
    PURGED = "purged"


class Role(StrEnum):
    POLICE = "police"
    AUXILIARY = "auxiliary"
    ADMIN = "admin"
    AUDITOR = "auditor"


class DataKey(TableModel, table=True):
    """A random key of this database, wrapped with the operator's secret."""

    __tablename__ = "data_key"
    purpose: str = Field(primary_key=True)
    wrapped: bytes
    created_at: datetime = _moment()


class Area(TableModel, table=True):
    """辖区, kept in step with areas.yaml at each start."""

    __tablename__ = "area"
    slug: str = Field(primary_key=True)
    name: str
    station: str
    phone: str
    desk: bool = False


class Resident(TableModel, table=True):
    """居民: one person, whatever the channels. Nothing that identifies stands here.

    The key is that of the identity by which the person first came, so that a new resident needs
    no look-up; identities that turn out to be one person point at one resident.
    """

    __tablename__ = "resident"
    __table_args__ = _KEYED
    id: str = Field(primary_key=True, max_length=32)
    area: str | None = Field(default=None, foreign_key="area.slug", index=True)
    officer_id: int | None = Field(default=None, sa_type=BigInteger, index=True)  # 责任民警
    # The database's default, not Python's: the inbox writes residents without knowing of it.
    minor: str = Field(
        default="none", sa_column=Column(String(20), server_default="none", nullable=False)
    )
    created_at: datetime = _moment()


class ChannelIdentity(TableModel, table=True):
    """A resident's id in one channel account; the primary key is the keyed hash of both."""

    __tablename__ = "channel_identity"
    __table_args__ = _KEYED
    id: str = Field(primary_key=True, max_length=32)
    channel: str
    account: str
    address: bytes = Field(sa_type=LargeBinary)  # the channel's own id, encrypted
    resident_id: str = Field(foreign_key="resident.id", max_length=32, index=True)
    created_at: datetime = _moment()


class Conversation(TableModel, table=True):
    """会话: where one identity's dialogue stands. Its key is the identity's."""

    __tablename__ = "conversation"
    __table_args__ = _KEYED
    id: str = Field(primary_key=True, max_length=32)
    holder: Holder = Field(default=Holder.BOT, sa_type=_choice(Holder))
    heard_at: datetime | None = _moment(default=None)  # the resident's last message
    sent_since: int = 0  # messages sent since then, of WeCom's five
    held_at: datetime | None = _moment(default=None)  # a human's last sign of life
    topic: bytes | None = Field(default=None, sa_type=LargeBinary)  # what a follow-up follows
    topic_at: datetime | None = _moment(default=None)
    traces: bytes | None = Field(default=None, sa_type=LargeBinary)  # of a script, over messages
    brief: bool = False  # the resident asked for short answers
    leased_by: str | None = None
    leased_until: datetime | None = _moment(default=None)


class InboxMessage(TableModel, table=True):
    """An incoming message, durable before it is acknowledged."""

    __tablename__ = "inbox"
    __table_args__ = (
        Index(
            "ix_inbox_waiting",
            "id",
            sqlite_where=text("state = 'new'"),
            postgresql_where=text("state = 'new'"),
        ),
        # A file's evidence names a message: an erased one's number must not become another's.
        {"sqlite_autoincrement": True},
    )
    id: int | None = _serial()
    key: str = Field(unique=True, max_length=32)
    conversation_id: str = Field(index=True, max_length=32)
    kind: str
    body: bytes = Field(sa_type=LargeBinary)
    sent_at: datetime = _moment()
    received_at: datetime = _moment()
    ready_at: datetime = _moment()
    state: InboxState = Field(default=InboxState.NEW, sa_type=_choice(InboxState))
    decided: str = ""  # the decision's kind
    decision: bytes | None = Field(default=None, sa_type=LargeBinary)  # in full, encrypted
    recalled: bool = False


class OutboxMessage(TableModel, table=True):
    """An outgoing message, written in the transaction that decided it."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_waiting",
            text("urgent DESC"),
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )
    id: int | None = _serial()
    key: str = Field(unique=True, max_length=32)
    conversation_id: str = Field(index=True, max_length=32)
    inbox_id: int | None = _reference()  # the last message that it answers
    kind: str
    body: bytes = Field(sa_type=LargeBinary)
    urgent: bool = False
    state: OutboxState = Field(default=OutboxState.PENDING, sa_type=_choice(OutboxState))
    reason: str = ""
    attempts: int = 0
    created_at: datetime = _moment()
    not_before: datetime = _moment()
    expires_at: datetime = _moment()
    leased_by: str | None = None
    leased_until: datetime | None = _moment(default=None)
    finished_at: datetime | None = _moment(default=None)


class KfAccount(TableModel, table=True):
    """A 微信客服 account: how far it was read, and the newest token to read on with."""

    __tablename__ = "kf_account"
    open_kfid: str = Field(primary_key=True)
    cursor: str = ""
    token: str = ""
    token_at: datetime | None = _moment(default=None)


class Media(TableModel, table=True):
    """A picture or file that a resident sent; the bytes lie encrypted in the data folder.

    A picture that is kept is read once: ``read_at`` is set in the transaction that reports it,
    with the reading, or with the reason in ``unread`` why there is none.
    """

    __tablename__ = "media"
    __table_args__ = (
        Index(
            "ix_media_unread",
            "created_at",
            sqlite_where=text("state = 'kept' AND read_at IS NULL"),
            postgresql_where=text("state = 'kept' AND read_at IS NULL"),
        ),
    )
    id: str = Field(primary_key=True, max_length=32)
    conversation_id: str = Field(index=True, max_length=32)
    far_id: bytes | None = Field(default=None, sa_type=LargeBinary)  # WeCom's media_id
    state: MediaState = Field(sa_type=_choice(MediaState))
    content_type: str = ""
    size: int = 0
    reason: str = ""
    attempts: int = 0
    not_before: datetime = _moment()
    created_at: datetime = _moment()
    read_at: datetime | None = _moment(default=None)
    read_due: datetime | None = _moment(default=None)  # not before: somebody reads it, or a retry
    read_attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    reading: bytes | None = Field(default=None, sa_type=LargeBinary)  # lines and boxes, encrypted
    unread: str = Field(default="", sa_column_kwargs={"server_default": ""})
    hidden: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  # places blurred


class Ticket(TableModel, table=True):
    """工单: something that a person has to do.

    ``line`` and ``claim_due`` are an emergency's: who has been told, and until when somebody
    should have taken it.
    """

    __tablename__ = "ticket"
    __table_args__ = (
        Index(
            "ix_ticket_unclaimed",
            "claim_due",
            sqlite_where=text("claim_due IS NOT NULL"),
            postgresql_where=text("claim_due IS NOT NULL"),
        ),
    )
    id: int | None = _serial()
    code: str = Field(unique=True, max_length=8)
    need: str
    conversation_id: str = Field(index=True, max_length=32)
    inbox_id: int | None = _reference()
    area: str = Field(foreign_key="area.slug")
    state: TicketState = Field(default=TicketState.OPEN, sa_type=_choice(TicketState))
    officer_id: int | None = _reference()
    created_at: datetime = _moment()
    due_at: datetime = _moment()
    closed_at: datetime | None = _moment(default=None)
    note: bytes | None = Field(default=None, sa_type=LargeBinary)  # what came of it
    line: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    claim_due: datetime | None = _moment(default=None)


class UnansweredQuestion(TableModel, table=True):
    """A question that the bot could not answer, or whose answer did not help (``faq``), masked,
    counted, waiting for an admin."""

    __tablename__ = "unanswered_question"
    __table_args__ = _KEYED
    key: str = Field(primary_key=True, max_length=32)
    text: bytes = Field(sa_type=LargeBinary)
    faq: str = ""  # the entry whose answer did not help
    nearest: str = ""  # entry ids, best first
    times: int = 1
    first_at: datetime = _moment()
    last_at: datetime = _moment()
    state: QuestionState = Field(default=QuestionState.NEW, sa_type=_choice(QuestionState))


class Officer(TableModel, table=True):
    """民警 or 辅警 (or an admin, or an auditor) with a console account."""

    __tablename__ = "officer"
    id: int | None = _serial()
    account: str = Field(unique=True, max_length=64)
    name: bytes = Field(sa_type=LargeBinary)
    role: Role = Field(sa_type=_choice(Role))
    area: str = Field(foreign_key="area.slug")
    password_hash: str
    wecom_userid: str | None = Field(default=None, unique=True)
    active: bool = True
    created_at: datetime = _moment()


class DutyShift(TableModel, table=True):
    """值班: an officer is there for an area from one moment to another."""

    __tablename__ = "duty_shift"
    id: int | None = _serial()
    officer_id: int = Field(foreign_key="officer.id", sa_type=BigInteger)
    area: str = Field(foreign_key="area.slug")
    starts_at: datetime = _moment(index=True)
    ends_at: datetime = _moment(index=True)


class AuditEvent(TableModel, table=True):
    """操作留痕: who did what to what, chained so that a change or a gap shows."""

    __tablename__ = "audit_event"
    id: int | None = _serial()
    at: datetime = _moment()
    actor: str
    action: str
    object: str = Field(index=True)
    reason: str = ""
    previous: str
    digest: str = Field(unique=True)


AREA = core(Area)
RESIDENT = core(Resident)
IDENTITY = core(ChannelIdentity)
CONVERSATION = core(Conversation)
INBOX = core(InboxMessage)
OUTBOX = core(OutboxMessage)
KF_ACCOUNT = core(KfAccount)
MEDIA = core(Media)
TICKET = core(Ticket)
QUESTION = core(UnansweredQuestion)
OFFICER = core(Officer)
SHIFT = core(DutyShift)
AUDIT = core(AuditEvent)
DATA_KEY = core(DataKey)

# The partial indexes' conditions, in the index's own words: SQLite does not see that a bound
# parameter is the constant, and would read the whole table.
IS_NEW = text("inbox.state = 'new'")
IS_PENDING = text("outbox.state = 'pending'")
IS_UNREAD = text("media.state = 'kept' AND media.read_at IS NULL")
