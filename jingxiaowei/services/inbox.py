"""收件: every message is durable before its channel acknowledges it, and counted once."""

from collections import Counter as Counts
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import Counter
from sqlalchemy import String, bindparam, exists, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import StoreError
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.engine import Database
from jingxiaowei.store.group import GroupCommit
from jingxiaowei.store.prepared import Script
from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.tables import (
    CONVERSATION,
    IDENTITY,
    INBOX,
    KF_ACCOUNT,
    RESIDENT,
    Holder,
    InboxState,
    UTCDateTime,
)

BODY, ADDRESS = SEALED[INBOX.c.body], SEALED[IDENTITY.c.address]
RECEIVED = Counter("jxw_inbox_messages_total", "Messages taken in", ["channel"])

_MESSAGE = ("key", "conversation_id", "kind", "body", "sent_at", "received_at", "ready_at")

Row = dict[str, Any]
_MOVE = (
    update(KF_ACCOUNT)
    .where(KF_ACCOUNT.c.open_kfid == bindparam("account"))
    .values(cursor=bindparam("to"))
)


# Who was never here, and not whoever was and is one with somebody else today.
_UNKNOWN = select(
    bindparam("id", type_=String()), bindparam("created_at", type_=UTCDateTime())
).where(~exists().where(IDENTITY.c.id == bindparam("id", type_=String())))


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as rows, ready to be written."""

    identity: Row
    message: Row


@dataclass(frozen=True, slots=True)
class KfAccount:
    """客服账号: how far it has been pulled, and its newest notice's token, got at ``token_at``."""

    open_kfid: str
    cursor: str = ""
    token: str = ""
    token_at: datetime | None = None


def conversation_id(cipher: Cipher, channel: Channel, account: str, sender: str) -> str:
    """The conversation of a sender: a keyed hash, so that a new one needs no look-up."""
    return cipher.find("identity", channel, account, sender)


def message_key(cipher: Cipher, channel: Channel, account: str, message_id: str) -> str:
    """The unique key of a channel's message."""
    return cipher.find("message", channel, account, message_id)


def to_body(message: Incoming) -> Row:
    """What is encrypted of a message: all that the resident said or sent."""
    body: Row = {}
    if message.text:
        # A lone surrogate, which JSON can carry, is no text: it must not cost the message.
        body["text"] = message.text.encode(errors="replace").decode()
    if message.menu_id:
        body["menu_id"] = message.menu_id
    if message.media_id:
        body["media_id"] = message.media_id
    if message.data:
        body["data"] = dict(message.data)
    return body


class Inbox:
    """Takes messages in. One instance a process."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        insert = database.insert
        self._put_resident = database.prepare(
            insert(RESIDENT)
            .from_select(["id", "created_at"], _UNKNOWN, include_defaults=False)
            .on_conflict_do_nothing()
        )
        self._put_identity = database.prepare(
            insert(IDENTITY).on_conflict_do_nothing(),
            ("id", "channel", "account", "address", "resident_id", "created_at"),
        )
        self._put_conversation = database.prepare(
            insert(CONVERSATION).on_conflict_do_nothing(),
            ("id",),
            {"holder": Holder.BOT, "sent_since": 0, "brief": False},
        )
        self._put_message = database.prepare(
            insert(INBOX).on_conflict_do_nothing(index_elements=["key"]),
            _MESSAGE,
            {"state": InboxState.NEW, "decided": "", "recalled": False},
        )
        self._move = database.prepare(_MOVE)
        self._group: GroupCommit[Incoming] = GroupCommit(self._take)
        self._notices: GroupCommit[tuple[str, str]] = GroupCommit(self._flush_notices)
        self._received = {channel: RECEIVED.labels(channel) for channel in Channel}

    async def receive(self, batch: Sequence[Incoming]) -> None:
        """Store a batch; when this returns it is durable. A repeated message is dropped.

        Raises:
            StoreError: the database did not take it; the channel must not acknowledge.
        """
        if not batch:
            return
        try:
            await self._group.add(batch)
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(f"the inbox did not take a message: {type(error).__name__}") from error
        self._bell.ring(Stage.INBOX)

    async def receive_page(self, open_kfid: str, cursor: str, messages: Sequence[Incoming]) -> None:
        """Store a pulled page and how far it reaches, both or neither."""
        try:
            await self._take(messages, [{"account": open_kfid, "to": cursor}])
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(f"the inbox did not take a page: {type(error).__name__}") from error
        if messages:
            self._bell.ring(Stage.INBOX)

    async def note_account(self, open_kfid: str, token: str) -> None:
        """Remember that an account has something, and the token to fetch it with."""
        try:
            await self._notices.add([(open_kfid, token)])
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(f"a notice was not stored: {type(error).__name__}") from error

    async def _flush_notices(self, notices: list[tuple[str, str]]) -> None:
        now = datetime.now(UTC)
        newest = dict(notices)  # of one account's tokens only the last is of use
        insert = self._database.insert(KF_ACCOUNT)
        newer = {"token": insert.excluded.token, "token_at": insert.excluded.token_at}
        async with self._database.write() as connection:
            await connection.execute(
                insert.on_conflict_do_update(index_elements=["open_kfid"], set_=newer),
                [
                    {"open_kfid": key, "cursor": "", "token": newest[key], "token_at": now}
                    for key in sorted(newest)
                ],
            )

    async def accounts(self) -> list[KfAccount]:
        """All 微信客服 accounts that were ever heard of."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(
                    KF_ACCOUNT.c.open_kfid,
                    KF_ACCOUNT.c.cursor,
                    KF_ACCOUNT.c.token,
                    KF_ACCOUNT.c.token_at,
                )
            )
            return [KfAccount(*row) for row in rows]

    def _arrival(self, message: Incoming, now: datetime, ready: datetime) -> Arrival:
        cipher = self._database.cipher
        identity = conversation_id(cipher, message.channel, message.account, message.sender)
        return Arrival(
            {
                "id": identity,
                "channel": message.channel.value,
                "account": message.account,
                "address": cipher.seal(ADDRESS, message.sender),
                "resident_id": identity,
                "created_at": now,
            },
            {
                "key": message_key(cipher, message.channel, message.account, message.message_id),
                "conversation_id": identity,
                "kind": message.kind.value,
                "body": cipher.seal_json(BODY, to_body(message)),
                "sent_at": message.sent_at,
                "received_at": now,
                "ready_at": ready,
            },
        )

    async def _take(self, messages: Sequence[Incoming], moved: Sequence[Row] = ()) -> None:
        # All of a group at once: its code stays at hand, and its moments are few.
        now = datetime.now(UTC)
        ready = {s: now + timedelta(seconds=s) for s in {message.settle for message in messages}}
        arrivals = [self._arrival(message, now, ready[message.settle]) for message in messages]

        async def announce(connection: AsyncConnection) -> None:
            if arrivals:
                await self._bell.announce(connection, Stage.INBOX)

        await self._database.write_rows(self._script(arrivals, moved), last=announce)
        for channel, count in Counts(message.channel for message in messages).items():
            self._received[channel].inc(count)

    def _script(self, arrivals: list[Arrival], moved: Sequence[Row]) -> Script:
        # In one order everywhere: two processes with the same residents must not deadlock.
        identities = {a.identity["id"]: a.identity for a in arrivals}
        ordered = [identities[key] for key in sorted(identities)]
        # A conversation and its identity come and go together; most have been here before.
        (opened,) = yield self._put_conversation, ordered
        if opened:
            yield self._put_resident, ordered
            yield self._put_identity, ordered
        yield self._put_message, [a.message for a in arrivals]
        yield self._move, moved


def from_row(row: Any, cipher: Cipher, channel: Channel, account: str, sender: str) -> Incoming:
    """A stored message as the pipeline reads it."""
    body = cipher.open_json(BODY, row.body)
    kind = MessageKind(row.kind)
    return Incoming(
        channel,
        account,
        sender,
        row.key,
        kind,
        row.sent_at,
        text=body.get("text", ""),
        menu_id=body.get("menu_id", ""),
        media_id=body.get("media_id", ""),
        data=body.get("data", {}),
    )
