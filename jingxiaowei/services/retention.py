"""保存期限: what residents said and sent is removed when its time is over, and that is recorded."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import Table, delete, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services.alerts_retention import remove_alerts
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.erasure import Erasure
from jingxiaowei.services.file_parts import remove_residents, with_merged
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.tag_reviews import TagReviews
from jingxiaowei.store.alert_tables import ALERT
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    IS_ASKED,
    IS_CURRENT,
    REPLY,
    REQUEST,
    Minor,
)
from jingxiaowei.store.tables import (
    CONVERSATION,
    IDENTITY,
    INBOX,
    MEDIA,
    OUTBOX,
    QUESTION,
    RESIDENT,
    TICKET,
    InboxState,
    MediaState,
    OutboxState,
)

# The welcome and the privacy page say so: at most half a year.
KEPT = timedelta(days=180)
_ROUND = timedelta(hours=6)
CHILDRENS_KEPT = timedelta(days=7)
_ALERTS = 500
_BATCH = 5000  # rows a transaction, so that nobody waits for a clean-up
log = logging.getLogger(__name__)


class Retention:
    """Removes what is older than :data:`KEPT`: messages, pictures, missed questions, closed
    tickets and alerts, and those who have not been heard of since and on whose file nothing
    stands. Tags go by their own time; a child's messages after a week."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        media: MediaKeeper,
        reviews: TagReviews,
        erasure: Erasure,
    ) -> None:
        self._database = database
        self._audit = audit
        self._media = media
        self._reviews = reviews
        self._erasure = erasure

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
        await self._reviews.expire(now)
        gone = {
            "alerts": await self._remove_alerts(before),
            "inbox": await self._remove(INBOX, "id", "received_at", before),
            "outbox": await self._remove(OUTBOX, "id", "created_at", before),
            "questions": await self._remove(QUESTION, "key", "last_at", before),
            "media": await self._remove_media(before),
            "tickets": await self._remove(TICKET, "id", "closed_at", before),
            "replies": await self._remove(REPLY, "id", "at", before),
            "residents": await self._remove_gone(before),
            "children": await self._remove_childrens(now - CHILDRENS_KEPT),
        }
        gone |= {f"file_{kind}": n for kind, n in (await self._reviews.purge(now)).items()}
        if any(gone.values()):
            counts = " ".join(f"{kind}={count}" for kind, count in gone.items())
            async with self._database.write() as connection:
                await self._audit.record(
                    connection, Event("retention", "purge", f"before:{before:%Y-%m-%d}", counts)
                )
        await self._erasure.scrub_due(now)
        return gone

    async def _remove_alerts(self, before: datetime) -> int:
        total = 0
        while True:
            async with self._database.write() as connection:
                await self._database.lock_alerts(connection)
                removed = await remove_alerts(connection, before, _ALERTS)
            total += removed
            if removed < _ALERTS:
                return total

    async def _remove_childrens(self, before: datetime) -> int:
        """Messages of those under 14: kept only as long as a person needs to help."""
        theirs = (
            select(IDENTITY.c.id)
            .join(RESIDENT, RESIDENT.c.id == IDENTITY.c.resident_id)
            .where(RESIDENT.c.minor == Minor.UNDER_14.value)
        )
        async with self._database.write() as connection:
            said = await connection.execute(
                delete(INBOX).where(
                    INBOX.c.conversation_id.in_(theirs),
                    INBOX.c.received_at < before,
                    INBOX.c.state == InboxState.DONE,
                )
            )
            replied = await connection.execute(
                delete(OUTBOX).where(
                    OUTBOX.c.conversation_id.in_(theirs),
                    OUTBOX.c.created_at < before,
                    OUTBOX.c.state != OutboxState.PENDING,
                )
            )
        return said.rowcount + replied.rowcount

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
        """Identities that have been silent for so long, with nothing open and nothing that stands
        on the file; and their residents with what is left of it."""
        total = 0
        open_work = select(TICKET.c.id).where(TICKET.c.conversation_id == CONVERSATION.c.id)
        open_alert = select(ALERT.c.id).where(ALERT.c.conversation_id == CONVERSATION.c.id)
        tags = select(ASSIGNMENT.c.id).where(
            ASSIGNMENT.c.resident_id == IDENTITY.c.resident_id, IS_CURRENT
        )
        asked = select(REQUEST.c.id).where(
            REQUEST.c.resident_id == IDENTITY.c.resident_id, IS_ASKED
        )
        silent = (
            select(CONVERSATION.c.id, IDENTITY.c.resident_id)
            .join(IDENTITY, IDENTITY.c.id == CONVERSATION.c.id)
            .where(CONVERSATION.c.heard_at < before)
            .where(*(~each.exists() for each in (open_work, open_alert, tags, asked)))
            .limit(_BATCH)
        )
        while True:
            async with self._database.write() as connection:
                rows = (await connection.execute(silent)).all()
                ids = [row.id for row in rows]
                if ids:
                    await connection.execute(delete(CONVERSATION).where(CONVERSATION.c.id.in_(ids)))
                    await connection.execute(delete(IDENTITY).where(IDENTITY.c.id.in_(ids)))
                    await self._remove_without_identity(connection, {r.resident_id for r in rows})
            total += len(ids)
            if len(ids) < _BATCH:
                return total

    async def _remove_without_identity(
        self, connection: AsyncConnection, residents: set[str]
    ) -> None:
        left = await connection.execute(
            select(IDENTITY.c.resident_id).where(IDENTITY.c.resident_id.in_(residents))
        )
        gone = residents - {row.resident_id for row in left}
        if gone:
            await remove_residents(connection, await with_merged(connection, gone))

    async def _remove_media(self, before: datetime) -> int:
        due = select(MEDIA.c.id).where(
            MEDIA.c.created_at < before, MEDIA.c.state != MediaState.PURGED
        )
        async with self._database.read() as connection:
            ids = [row.id for row in await connection.execute(due.limit(_BATCH))]
        await self._media.purge_all(ids)
        if ids:
            async with self._database.write() as connection:
                await connection.execute(
                    update(MEDIA)
                    .where(MEDIA.c.id.in_(ids))
                    .values(state=MediaState.PURGED, reading=None)
                )
            await self._media.purge_all(ids)  # a change of the data key may have put one back
        return len(ids)
