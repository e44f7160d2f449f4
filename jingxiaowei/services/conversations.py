"""What residents and the bot said, as officers read it: masked, unless a reason opens it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.mask import mask
from jingxiaowei.pipeline.messages import MessageKind, OutgoingKind
from jingxiaowei.services.inbox import BODY
from jingxiaowei.services.purposes import OUT_BODY
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.tables import INBOX, OUTBOX

_CHARACTERS = 2000
_PICTURE, _EMPTY = "（发来一张图）", "（没有文字）"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A line of a conversation. ``message_id``: of the resident's message, else None."""

    at: datetime
    who: Literal["居民", "机器人"]
    text: str
    message_id: int | None = None


async def spoken(
    connection: AsyncConnection,
    cipher: Cipher,
    conversations: Collection[str],
    limit: int,
    original: bool = False,
) -> tuple[Spoken, ...]:
    """The newest lines of some conversations, oldest first."""
    if not conversations:
        return ()
    heard = await connection.execute(
        select(INBOX.c.id, INBOX.c.kind, INBOX.c.body, INBOX.c.received_at)
        .where(
            INBOX.c.conversation_id.in_(conversations),
            INBOX.c.kind.in_((MessageKind.TEXT.value, MessageKind.IMAGE.value)),
            INBOX.c.recalled.is_(False),
        )
        .order_by(INBOX.c.id.desc())
        .limit(limit)
    )
    lines = [
        Spoken(row.received_at, "居民", heard_text(cipher, row, original), row.id) for row in heard
    ]
    told = await connection.execute(
        select(OUTBOX.c.body, OUTBOX.c.created_at)
        .where(
            OUTBOX.c.conversation_id.in_(conversations),
            OUTBOX.c.kind.in_((OutgoingKind.MESSAGE.value, OutgoingKind.WELCOME.value)),
        )
        .order_by(OUTBOX.c.id.desc())
        .limit(limit)
    )
    for row in told:
        text = str(cipher.open_json(OUT_BODY, row.body).get("text", ""))
        lines.append(Spoken(row.created_at, "机器人", text[:_CHARACTERS] or _EMPTY))
    return tuple(sorted(lines, key=lambda line: line.at)[-limit:])


def heard_text(cipher: Cipher, row: Any, original: bool = False) -> str:
    """A message of the resident's, masked unless ``original``."""
    text = str(cipher.open_json(BODY, row.body).get("text", ""))[:_CHARACTERS]
    if not original:
        text = mask(text)
    if row.kind == MessageKind.IMAGE.value:
        return f"{_PICTURE}{text}"
    return text or _EMPTY


async def messages(
    connection: AsyncConnection, cipher: Cipher, ids: Collection[int]
) -> dict[int, str]:
    """Messages that something rests on, masked, by id; what is over is not there."""
    if not ids:
        return {}
    rows = await connection.execute(
        select(INBOX.c.id, INBOX.c.kind, INBOX.c.body).where(INBOX.c.id.in_(ids))
    )
    return {row.id: heard_text(cipher, row) for row in rows}
