"""The tables of the mirror in WeCom (客户联系): which corp tag stands for which of ours, and who
has whom as a contact.

Only general tags have a row here: what is careful has no counterpart outside this house.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, LargeBinary, String, text
from sqlmodel import Field

from jingxiaowei.store.columns import KEYED, TableModel, choice, core, moment


class ContactState(StrEnum):
    HALF = "half"  # the resident added the member, who has not agreed yet
    ADDED = "added"
    ENDED = "ended"  # one of the two deleted the other: nothing can be mirrored
    ERASED = "erased"  # the file was erased: our tags go there too, and it opens not by itself


class OfferState(StrEnum):
    """The card that offers an officer the tags for a new contact."""

    NONE = "none"
    PENDING = "pending"
    SENT = "sent"
    TAKEN = "taken"
    REFUSED = "refused"


class CorpTag(TableModel, table=True):
    """企业标签: WeCom's counterpart of one of our tags."""

    __tablename__ = "wecom_tag"
    slug: str = Field(primary_key=True)
    tag_id: str = Field(unique=True)
    name: str
    made_at: datetime = moment()  # what was mirrored before knows nothing of it


class WeComContact(TableModel, table=True):
    """客户: one member's relation to one resident; the key is a keyed hash of both ids.

    ``base``: the slugs that both sides had when they were last compared. ``due_at``: compare
    again, not before then.
    """

    __tablename__ = "wecom_contact"
    __table_args__ = (
        Index(
            "ix_wecom_contact_due",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_wecom_contact_offer",
            "offer_due",
            sqlite_where=text("offer = 'pending'"),
            postgresql_where=text("offer = 'pending'"),
        ),
        KEYED,
    )
    id: str = Field(primary_key=True, max_length=32)
    userid: str = Field(index=True)
    external: bytes | None = Field(default=None, sa_type=LargeBinary)  # external_userid
    # By whom the resident is found, also after files were merged; with it goes the relation.
    identity_id: str | None = Field(
        default=None,
        sa_column=Column(
            String(32),
            ForeignKey("channel_identity.id", ondelete="CASCADE"),
            index=True,
            nullable=True,
        ),
    )
    state: ContactState = Field(sa_type=choice(ContactState))
    created_at: datetime = moment()
    base: list[Any] = Field(default_factory=list, sa_type=JSON)
    mirrored_at: datetime | None = moment(default=None)
    due_at: datetime | None = moment(default=None)
    attempts: int = 0
    offer: OfferState = Field(default=OfferState.NONE, sa_type=choice(OfferState))
    offer_due: datetime | None = moment(default=None)
    offer_attempts: int = 0
    card: str | None = Field(default=None, unique=True)


CORP_TAG = core(CorpTag)
WECOM_CONTACT = core(WeComContact)

# The partial indexes' conditions, in the index's own words (see tables.py).
IS_DUE = text("wecom_contact.due_at IS NOT NULL")
IS_OFFERED = text("wecom_contact.offer = 'pending'")
