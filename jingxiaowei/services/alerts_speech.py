"""What alerts have the bot say to residents: through the ordinary outbox, or why it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.messages import Channel, Option, OutgoingKind
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.outbox import KF_MESSAGES, KF_RESERVED, KF_WINDOW
from jingxiaowei.services.purposes import OUT_BODY
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import CONVERSATION, IDENTITY, OUTBOX, Holder, OutboxState

_LIFE = timedelta(hours=48)
NO_CHANNEL = "没有会话，发不出，请打电话。"
HELD = "真人正在会话里，请在会话里说。"
SILENT = "居民 48 小时没说话，微信发不出，请打电话。"
FIVE = "微信不让再发（居民没回话前最多 5 条），请打电话。"
FOUR = "微信只还能发 1 条，留给紧急的事，请打电话。"


@dataclass(frozen=True, slots=True)
class Words:
    """A message to one conversation. ``key``: equal keys reach the resident once."""

    conversation_id: str
    key: str
    text: str
    options: tuple[Option, ...] = ()


class Speech:
    """Enqueues words in the caller's transaction."""

    def __init__(self, database: Database, content: ContentAndMind) -> None:
        self._database = database
        self._content = content

    def words(self, conversation_id: str, key: str, line: str, **fields: object) -> Words:
        """A line of the voice, for a conversation."""
        speech = self._content.mind.speech
        return Words(conversation_id, key, speech.say(line, **fields), speech.options(line))

    async def send(
        self,
        connection: AsyncConnection,
        words: Sequence[Words],
        now: datetime,
        urgent: bool = True,
    ) -> None:
        """Put words into the outbox. Urgent ones go out first, and in the slot kept for them."""
        rows = [
            {
                "key": each.key,
                "conversation_id": each.conversation_id,
                "kind": OutgoingKind.MESSAGE.value,
                "body": self._database.cipher.seal_json(
                    OUT_BODY, {"text": each.text, "options": each.options}
                ),
                "urgent": urgent,
                "state": OutboxState.PENDING,
                "reason": "",
                "attempts": 0,
                "created_at": now,
                "not_before": now,
                "expires_at": now + _LIFE,
            }
            for each in words
        ]
        if rows:
            put = self._database.insert(OUTBOX).on_conflict_do_nothing(index_elements=["key"])
            await connection.execute(put, rows)

    async def last_used(self, connection: AsyncConnection, resident_id: str) -> str | None:
        """The conversation in which the resident spoke last."""
        rows = await connection.execute(
            select(CONVERSATION.c.id)
            .join(IDENTITY, IDENTITY.c.id == CONVERSATION.c.id)
            .where(IDENTITY.c.resident_id == resident_id, CONVERSATION.c.heard_at.is_not(None))
            .order_by(CONVERSATION.c.heard_at.desc())
            .limit(1)
        )
        found: str | None = rows.scalar()
        return found

    async def unreachable(
        self,
        connection: AsyncConnection,
        conversations: Sequence[str],
        now: datetime,
        urgent: bool = True,
    ) -> dict[str, str]:
        """The conversations that no message of ours can reach now, each with the reason."""
        rows = await connection.execute(
            select(
                CONVERSATION.c.id,
                CONVERSATION.c.holder,
                CONVERSATION.c.heard_at,
                CONVERSATION.c.sent_since,
                IDENTITY.c.channel,
            )
            .join(IDENTITY, IDENTITY.c.id == CONVERSATION.c.id)
            .where(CONVERSATION.c.id.in_(conversations))
        )
        found = {row.id: row for row in rows}
        barred = {}
        for key in conversations:
            row = found.get(key)
            if row is None:
                barred[key] = NO_CHANNEL
            elif row.channel == Channel.WECOM_KF:
                if row.holder is Holder.HUMAN:
                    barred[key] = HELD
                elif row.heard_at is None or now - row.heard_at > KF_WINDOW:
                    barred[key] = SILENT
                elif row.sent_since >= KF_MESSAGES:
                    barred[key] = FIVE
                elif not urgent and row.sent_since >= KF_MESSAGES - KF_RESERVED:
                    barred[key] = FOUR
        return barred
