"""What comes in and what goes out: frozen values that all channels and stages share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Channel(StrEnum):
    """渠道: a door through which residents (or officers) reach the bot."""

    WECOM_KF = "wecom_kf"  # 微信客服: residents on WeChat
    WECOM_APP = "wecom_app"  # 自建应用: members of the corporation
    WECOM_CONTACT = "wecom_contact"  # 客户联系: residents that an officer added in WeCom
    WEB = "web"  # the chat page


class MessageKind(StrEnum):
    """What a resident sent. The names are WeCom's msgtypes; ``OTHER`` is any that we don't know."""

    TEXT = "text"
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    FILE = "file"
    LOCATION = "location"
    LINK = "link"
    BUSINESS_CARD = "business_card"
    MINIPROGRAM = "miniprogram"
    MERGED = "merged_msg"
    OTHER = "other"
    ENTER = "enter_session"  # the resident opened the conversation
    RECALL = "user_recall_msg"  # the resident took a message back
    SESSION = "session_status_change"  # a human took over, passed on, or ended
    SERVICER = "servicer_message"  # a human wrote: the bot is quiet
    READING = "reading"  # ours: what was read from a picture that the resident sent
    SEND_FAILED = "msg_send_fail"  # WeCom could not deliver what it had accepted


# Kinds that carry something a resident said or sent, and so deserve an answer.
SPOKEN = frozenset(MessageKind) - {
    MessageKind.ENTER,
    MessageKind.READING,
    MessageKind.RECALL,
    MessageKind.SESSION,
    MessageKind.SERVICER,
    MessageKind.SEND_FAILED,
}


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message or event as a channel hands it to the inbox.

    Attributes:
        account: the channel's own account: open_kfid, agent id, or ``web``.
        sender: the resident's id in that channel: external_userid, userid, or the web session.
        message_id: the channel's id of the message, unique within channel and account; for an
            event without one, a hash of its plaintext. A repeated id is dropped.
        text: what was written, at most some thousand characters; empty for other kinds.
        menu_id: the id of the menu option that was tapped, if the text came from a tap.
        media_id: the channel's id of the attached medium.
        sent_at: when the resident sent it (UTC, aware).
        settle: seconds to wait for more from this resident before answering.
        data: the few further fields that an event carries (welcome_code, change_type, …).
    """

    channel: Channel
    account: str
    sender: str
    message_id: str
    kind: MessageKind
    sent_at: datetime
    text: str = ""
    menu_id: str = ""
    media_id: str = ""
    settle: float = 0.4
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Option:
    """A button. ``id``: at most 64 bytes, comes back as menu_id; ``label``: at most 16 letters."""

    id: str
    label: str


class OutgoingKind(StrEnum):
    """How an outbox row leaves the house."""

    MESSAGE = "message"  # a text, with options as a menu
    WELCOME = "welcome"  # a text on a welcome code, which lives 20 seconds
    TRANSFER = "transfer"  # hand the conversation to a servicer


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One thing to send. Sending it twice with the same ``key`` must reach the resident once.

    Attributes:
        key: idempotent id, at most 32 of ``[0-9a-zA-Z_-]``.
        recipient: the resident's id in the channel.
        code: the welcome code, for ``WELCOME``.
        servicers: userids to try in turn, for ``TRANSFER``; empty means the waiting pool.
        retried: an earlier attempt may have reached the far end.
    """

    key: str
    channel: Channel
    account: str
    recipient: str
    kind: OutgoingKind
    text: str = ""
    options: tuple[Option, ...] = ()
    code: str = ""
    servicers: tuple[str, ...] = ()
    retried: bool = False


class Outcome(StrEnum):
    """What became of a sending attempt."""

    SENT = "sent"
    RETRY = "retry"  # a passing fault: try again later, with the same key
    REFUSED = "refused"  # the far end will never take it
    EXPIRED = "expired"  # too late: the welcome code or the 48 hours are over
    HUMAN = "human"  # a human has the conversation: the bot is quiet


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome, and why, in words for a log: never a name or a message text."""

    outcome: Outcome
    reason: str = ""
    retry_after: float = 0.0
