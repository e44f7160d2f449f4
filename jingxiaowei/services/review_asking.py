"""本人自选的到期前问本人: a choice of one's own that runs out, or has stood for two years.

Asked once for each time it falls due, by day, in a conversation that a message can reach now;
whoever has not been heard of meanwhile is asked when they next come. Protected tags are not named
to whoever holds the phone: they stand in 我的档案, behind a tap.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError

from jingxiaowei.pipeline.messages import Option
from jingxiaowei.services.alerts_speech import Speech, Words
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.own_view import life_of
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.tagging_rows import CURRENT
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, Minor, TagSource
from jingxiaowei.store.tables import CONVERSATION, IDENTITY, OUTBOX, RESIDENT

_ROUND = 1800.0
_MOST = 500  # a round
_HEARD = timedelta(hours=48)  # 微信客服 lets nothing through after that
_DAY = range(8, 20)  # nobody is woken for it
log = logging.getLogger(__name__)


class ReviewAsking:
    """Asks residents whether what they chose still holds."""

    def __init__(self, database: Database, bell: Bell, content: ContentAndMind) -> None:
        self._database = database
        self._bell = bell
        self._content = content
        self._speech = Speech(database, content)

    async def run(self) -> None:
        """Ask now and then, for as long as the task lives."""
        while True:
            try:
                await self.ask_due(datetime.now(UTC))
            except (SQLAlchemyError, OSError):
                log.exception("a round of asking residents failed, again later")
            await asyncio.sleep(_ROUND)

    async def ask_due(self, now: datetime) -> int:
        """Ask those who can be asked at this moment; how many questions went out."""
        if now.astimezone(LOCAL).hour not in _DAY:
            return 0
        mind = self._content.mind
        by_slug = mind.library.taxonomy.by_slug
        due = (
            select(
                ASSIGNMENT.c.id, ASSIGNMENT.c.resident_id, ASSIGNMENT.c.tag, ASSIGNMENT.c.review_at
            )
            .join(RESIDENT, RESIDENT.c.id == ASSIGNMENT.c.resident_id)
            .join(IDENTITY, IDENTITY.c.resident_id == ASSIGNMENT.c.resident_id)
            .join(CONVERSATION, CONVERSATION.c.id == IDENTITY.c.id)
            .where(CURRENT, ASSIGNMENT.c.review_at <= now)
            .where(ASSIGNMENT.c.source == TagSource.RESIDENT)
            .where(or_(ASSIGNMENT.c.expires_at.is_(None), ASSIGNMENT.c.expires_at > now))
            .where(ASSIGNMENT.c.tag.in_([tag.slug for tag in by_slug.values() if not tag.careful]))
            .where(RESIDENT.c.minor != Minor.UNDER_14.value)
            .where(CONVERSATION.c.heard_at > now - _HEARD)
            .distinct()
            .order_by(ASSIGNMENT.c.review_at, ASSIGNMENT.c.id)
            .limit(_MOST)
        )
        async with self._database.write() as connection:
            keys = {
                token("keep", row.id, row.review_at): row for row in await connection.execute(due)
            }
            before = await connection.execute(select(OUTBOX.c.key).where(OUTBOX.c.key.in_(keys)))
            for asked in before.scalars():
                del keys[asked]
            words: list[Words] = []
            for key, row in keys.items():
                conversation = await self._speech.last_used(connection, row.resident_id)
                if conversation is None or await self._speech.unreachable(
                    connection, [conversation], now, urgent=False
                ):
                    continue
                tag = by_slug[row.tag]
                text = mind.speech.say("keep_ask", name=tag.name, until=life_of(tag))
                keep, drop = f"keep-{tag.slug}", f"tag-delete-{row.id}"
                options = (Option(keep, "留着"), Option(drop, "不要了"))
                words.append(Words(conversation, key, text, options))
            await self._speech.send(connection, words, now, urgent=False)
        if words:
            self._bell.ring(Stage.OUTBOX)
        return len(words)
