"""The chat page's side of the house: a web session's lines, live, and the replies to scripts."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.mask import mask
from jingxiaowei.pipeline.messages import (
    Channel,
    Incoming,
    MessageKind,
    Option,
    Outcome,
    Outgoing,
    OutgoingKind,
    Receipt,
)
from jingxiaowei.services.bell import Bell, Stage, wait_for
from jingxiaowei.services.inbox import BODY, Inbox, conversation_id, message_key
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.purposes import DECISION, OUT_BODY
from jingxiaowei.services.transcript import Line, Reply
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import INBOX, OUTBOX, InboxState, OutboxState

ACCOUNT = "web"
BOT = "机器人"
# A missed ring (another process's, say) costs a page at most so long.
_LOOK_SECONDS = 2.0
_LINES = 100  # at once; who is further behind gets the rest with the next look


class WebSender:
    """The web's way out: a line is delivered once it is stored, the page fetches it by number."""

    async def send(self, out: Outgoing) -> Receipt:
        return Receipt(Outcome.SENT)


class ChatRoom:
    """Reads and writes the conversations of web sessions."""

    def __init__(self, database: Database, inbox: Inbox, media: MediaKeeper, bell: Bell) -> None:
        self._database = database
        self._inbox = inbox
        self._media = media
        self._bell = bell

    async def receive(self, batch: Sequence[Incoming]) -> None:
        """Take messages in; durable when it returns."""
        await self._inbox.receive(batch)

    async def keep_image(self, sender: str, data: bytes, content_type: str) -> str:
        """Keep an uploaded picture; its id."""
        return await self._media.keep(self._conversation(sender), data, content_type)

    async def history(self, sender: str, limit: int = 60) -> list[Line]:
        """Both sides' newest lines, oldest first, masked."""
        key = self._conversation(sender)
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(INBOX.c.id, INBOX.c.kind, INBOX.c.body, INBOX.c.received_at)
                .where(INBOX.c.conversation_id == key, INBOX.c.kind != MessageKind.ENTER.value)
                .order_by(INBOX.c.id.desc())
                .limit(limit)
            )
            said = [self._said(row) for row in rows]
            told = await self._told(connection, key, 0, limit)
        return sorted([*said, *told], key=lambda line: line.at)[-limit:]

    async def lines_after(self, sender: str, after: int) -> list[Line] | None:
        """The bot's lines with a number above ``after``, oldest first.

        None where the line ``after`` is no more: the conversation was erased since.
        """
        async with self._database.read() as connection:
            rows = await self._rows(connection, self._conversation(sender), after - 1, _LINES)
        if after and len(rows) < _LINES and (not rows or rows[0].id != after):
            return None
        return [self._line(row) for row in rows if row.id > after]

    async def wait(self, sender: str, seconds: float) -> None:
        """Until a line may be there, at most some seconds."""
        await self._bell.wait(Stage.CHAT, min(seconds, _LOOK_SECONDS))

    async def reply_to(self, message_id: str, sender: str, seconds: float) -> Reply | None:
        """What the bot said to one message, or None when it takes longer."""
        cipher = self._database.cipher
        key = message_key(cipher, Channel.WEB, ACCOUNT, message_id)
        try:
            async with asyncio.timeout(seconds):
                with self._bell.subscribe(Stage.CHAT) as rung:
                    while True:
                        rung.clear()
                        reply = await self._reply(key)
                        if reply is not None:
                            return reply
                        await wait_for(rung, _LOOK_SECONDS)
        except TimeoutError:
            return None

    async def _reply(self, key: str) -> Reply | None:
        async with self._database.read() as connection:
            asked = select(INBOX.c.id, INBOX.c.conversation_id, INBOX.c.state).where(
                INBOX.c.key == key
            )
            row = (await connection.execute(asked)).first()
            if row is None or row.state != InboxState.DONE:
                return None
            # A burst is decided once: the decision stands with the burst's last message.
            decided = (
                await connection.execute(
                    select(INBOX.c.id, INBOX.c.decision)
                    .where(INBOX.c.conversation_id == row.conversation_id)
                    .where(INBOX.c.id >= row.id, INBOX.c.decision.is_not(None))
                    .order_by(INBOX.c.id)
                    .limit(1)
                )
            ).first()
            if decided is None:
                return Reply("quiet", "", "", "", ())
            told = (
                await connection.execute(
                    select(OUTBOX.c.body, OUTBOX.c.state)
                    .where(OUTBOX.c.inbox_id == decided.id)
                    .where(OUTBOX.c.kind == OutgoingKind.MESSAGE.value)
                    .order_by(OUTBOX.c.id)
                )
            ).all()
        if any(line.state == OutboxState.PENDING for line in told):
            return None  # a page that is read now would not show it yet
        bodies = [self._database.cipher.open_json(OUT_BODY, line.body) for line in told]
        decision = self._database.cipher.open_json(DECISION, decided.decision)
        return Reply(
            decision["kind"],
            "\n".join(body.get("text", "") for body in bodies),
            decision.get("faq", ""),
            decision.get("fact", ""),
            tuple(Option(**option) for body in bodies for option in body.get("options", ())),
        )

    def _conversation(self, sender: str) -> str:
        return conversation_id(self._database.cipher, Channel.WEB, ACCOUNT, sender)

    def _said(self, row: Any) -> Line:
        text = self._database.cipher.open_json(BODY, row.body).get("text", "")
        picture = row.kind == MessageKind.IMAGE.value
        return Line(row.id, "resident", "您", mask(text), (), row.received_at, picture)

    async def _told(
        self, connection: AsyncConnection, key: str, after: int, limit: int
    ) -> list[Line]:
        return [self._line(row) for row in await self._rows(connection, key, after, limit)]

    async def _rows(
        self, connection: AsyncConnection, key: str, after: int, limit: int
    ) -> list[Any]:
        """The newest rows above a number, oldest first."""
        rows = await connection.execute(
            select(OUTBOX.c.id, OUTBOX.c.body, OUTBOX.c.created_at)
            .where(OUTBOX.c.conversation_id == key, OUTBOX.c.id > after)
            .where(OUTBOX.c.state == OutboxState.SENT)
            .order_by(OUTBOX.c.id.desc())
            .limit(limit)
        )
        return list(rows.all()[::-1])

    def _line(self, row: Any) -> Line:
        body = self._database.cipher.open_json(OUT_BODY, row.body)
        options = tuple(Option(**option) for option in body.get("options", ()))
        return Line(row.id, "bot", BOT, body.get("text", ""), options, row.created_at)
