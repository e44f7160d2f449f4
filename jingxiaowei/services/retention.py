"""保存期限: what residents said and sent is removed when its time is over, and that is recorded."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import Table, delete, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import (
    CONVERSATION,
    IDENTITY,
    INBOX,
    MEDIA,
    OUTBOX,
    QUESTION,
    RESIDENT,
    TICKET,
    MediaState,
)

# The welcome and the privacy page say so: at most half a year.
KEPT = timedelta(days=180)
_ROUND = timedelta(hours=6)
_BATCH = 5000  # rows a transaction, so that nobody waits for a clean-up
log = logging.getLogger(__name__)


class Retention:
    """Removes what is older than :data:`KEPT`: messages, pictures, missed questions, closed
    tickets, and the identities of those who have not been heard of since."""

    def __init__(self, database: Database, audit: Audit, media: MediaKeeper) -> None:
        self._database = database
        self._audit = audit
        self._media = media

    async def run(self) -> None:
        """Clean up now and then, for as long as the task lives."""
        while True:
            try:
                await self.purge(datetime.now(UTC))
            except (SQLAlchemyError, OSError):
                log.exception("a clean-up failed, the next one makes up for it")
            await asyncio.sleep(_ROUND.total_seconds())

    async def purge(self, now: datetime) -> dict[str, int]:
        """Remove what is due; how many rows of each kind went."""
        before = now - KEPT
        gone = {
            "inbox": await self._remove(INBOX, "id", "received_at", before),
            "outbox": await self._remove(OUTBOX, "id", "created_at", before),
            "questions": await self._remove(QUESTION, "key", "last_at", before),
            "media": await self._remove_media(before),
            "tickets": await self._remove(TICKET, "id", "closed_at", before),
            "residents": await self._remove_gone(before),
        }
        if any(gone.values()):
            counts = " ".join(f"{kind}={count}" for kind, count in gone.items())
            async with self._database.write() as connection:
                await self._audit.record(
                    connection, Event("retention", "purge", f"before:{before:%Y-%m-%d}", counts)
                )
        return gone

    async def _remove(self, table: Table, key: str, moment: str, before: datetime) -> int:
        total = 0
        while True:
            async with self._database.write() as connection:
                removed = await self._remove_batch(connection, table, key, moment, before)
            total += removed
            if removed < _BATCH:
                return total

    async def _remove_batch(
        self, connection: AsyncConnection, table: Table, key: str, moment: str, before: datetime
    ) -> int:
        due = select(table.c[key]).where(table.c[moment] < before).limit(_BATCH)
        result = await connection.execute(delete(table).where(table.c[key].in_(due)))
        return result.rowcount

    async def _remove_gone(self, before: datetime) -> int:
        """Identities that have been silent for so long, with nothing open; and their residents."""
        total = 0
        open_work = select(TICKET.c.id).where(TICKET.c.conversation_id == CONVERSATION.c.id)
        silent = (
            select(CONVERSATION.c.id)
            .where(CONVERSATION.c.heard_at < before, ~open_work.exists())
            .limit(_BATCH)
        )
        others = select(IDENTITY.c.id).where(IDENTITY.c.resident_id == RESIDENT.c.id)
        while True:
            async with self._database.write() as connection:
                ids = [row.id for row in await connection.execute(silent)]
                if ids:
                    residents = await connection.execute(
                        select(IDENTITY.c.resident_id).where(IDENTITY.c.id.in_(ids))
                    )
                    whose = {row.resident_id for row in residents}
                    await connection.execute(delete(CONVERSATION).where(CONVERSATION.c.id.in_(ids)))
                    await connection.execute(delete(IDENTITY).where(IDENTITY.c.id.in_(ids)))
                    await connection.execute(
                        delete(RESIDENT).where(RESIDENT.c.id.in_(whose), ~others.exists())
                    )
            total += len(ids)
            if len(ids) < _BATCH:
                return total

    async def _remove_media(self, before: datetime) -> int:
        due = select(MEDIA.c.id).where(
            MEDIA.c.created_at < before, MEDIA.c.state != MediaState.PURGED
        )
        async with self._database.read() as connection:
            ids = [row.id for row in await connection.execute(due.limit(_BATCH))]
        for media_id in ids:
            await asyncio.to_thread(self._media.purge, media_id)
        if ids:
            async with self._database.write() as connection:
                await connection.execute(
                    update(MEDIA)
                    .where(MEDIA.c.id.in_(ids))
                    .values(state=MediaState.PURGED, reading=None)
                )
        return len(ids)
