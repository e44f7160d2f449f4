"""到期与复核: tags run out by themselves, officers are asked before, and what is over is purged."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Table, delete, func, or_, select, update

from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.current import Content
from jingxiaowei.services.files_rights import ALLOWED, Act, FileRights, require
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.services.tagging_rows import CURRENT
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    CONSENT,
    ERASURE_RECEIPT,
    REQUEST,
    SUGGESTION,
    Ended,
    RequestState,
    SuggestionState,
    TagSource,
)
from jingxiaowei.store.tables import RESIDENT

EXPIRED_KEPT = timedelta(days=30)
ENDED_KEPT = timedelta(days=180)
RECEIPTS_KEPT = timedelta(days=3 * 365)
_BATCH = 5000
_DECIDED = (SuggestionState.CONFIRMED, SuggestionState.LAPSED)


@dataclass(frozen=True, slots=True)
class Review:
    """A tag about which somebody is to be asked: does it still hold?

    ``ask_resident``: it is the resident's own choice, so the resident is asked.
    """

    assignment_id: int
    resident_id: str
    tag: str
    name: str
    expires_at: datetime | None
    ask_resident: bool


class TagReviews:
    """Expires, asks and purges."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        content: Content,
        rights: FileRights,
        suggestions: Suggestions,
    ) -> None:
        self._database = database
        self._audit = audit
        self._content = content
        self._rights = rights
        self._suggestions = suggestions

    async def due(self, officer: Signed, now: datetime, limit: int = 200) -> list[Review]:
        """Tags in the officer's area that end within a week, or that nobody has looked at for
        two years; the most urgent first. Careful ones for police only."""
        require(officer.role, Act.TAG)
        by_slug = self._content.library.taxonomy.by_slug
        query = (
            select(
                ASSIGNMENT.c.id,
                ASSIGNMENT.c.resident_id,
                ASSIGNMENT.c.tag,
                ASSIGNMENT.c.expires_at,
                ASSIGNMENT.c.source,
            )
            .join(RESIDENT, RESIDENT.c.id == ASSIGNMENT.c.resident_id)
            .where(CURRENT, ASSIGNMENT.c.review_at <= now)
            .where(or_(ASSIGNMENT.c.expires_at.is_(None), ASSIGNMENT.c.expires_at > now))
            .order_by(func.coalesce(ASSIGNMENT.c.expires_at, ASSIGNMENT.c.review_at))
            .limit(limit)
        )
        if Act.TAG_CAREFUL not in ALLOWED[officer.role]:
            general = [tag.slug for tag in by_slug.values() if not tag.careful]
            query = query.where(ASSIGNMENT.c.tag.in_(general))
        async with self._database.read() as connection:
            scope = await self._rights.scope(connection, officer, now)
            if not scope.everywhere:
                mine = RESIDENT.c.officer_id == officer.id
                query = query.where(or_(RESIDENT.c.area.in_(scope.areas), mine))
            rows = (await connection.execute(query)).all()
        return [
            Review(
                row.id,
                row.resident_id,
                row.tag,
                by_slug[row.tag].name if row.tag in by_slug else row.tag,
                row.expires_at,
                row.source is TagSource.RESIDENT,
            )
            for row in rows
        ]

    async def expire(self, now: datetime) -> int:
        """End what has run out, as of the moment it did; how many."""
        total = 0
        due = select(ASSIGNMENT.c.id).where(CURRENT, ASSIGNMENT.c.expires_at <= now).limit(_BATCH)
        while True:
            async with self._database.write() as connection:
                done = await connection.execute(
                    update(ASSIGNMENT)
                    .where(ASSIGNMENT.c.id.in_(due), CURRENT)
                    .values(ended_at=ASSIGNMENT.c.expires_at, ended_because=Ended.EXPIRED)
                )
                total += done.rowcount
                if done.rowcount:
                    event = Event("retention", "tags.expire", "residents", f"tags={done.rowcount}")
                    await self._audit.record(connection, event)
            if done.rowcount < _BATCH:
                return total

    async def purge(self, now: datetime) -> dict[str, int]:
        """Remove what is over: how many rows of each kind went."""
        gone = {
            "tags": await self._remove_tags(now),
            "suggestions": await self._remove(
                SUGGESTION,
                "id",
                SUGGESTION.c.state.in_(_DECIDED) & (SUGGESTION.c.decided_at < now - EXPIRED_KEPT),
            ),
            "consents": await self._remove_superseded(now - ENDED_KEPT),
            "requests": await self._remove(
                REQUEST,
                "id",
                (REQUEST.c.state != RequestState.OPEN) & (REQUEST.c.answered_at < now - ENDED_KEPT),
            ),
            "receipts": await self._remove(
                ERASURE_RECEIPT, "code", ERASURE_RECEIPT.c.at < now - RECEIPTS_KEPT
            ),
        }
        async with self._database.write() as connection:
            gone["lapsed"] = await self._suggestions.lapse(connection, now)
        return gone

    async def _remove_tags(self, now: datetime) -> int:
        """到期 30 日后清除; what a resident took back and errands that are done go at once."""
        errands = [slug for slug in self._content.library.taxonomy.by_slug if is_errand(slug)]
        at_once = (ASSIGNMENT.c.ended_because == Ended.WITHDRAWN) | (
            ASSIGNMENT.c.tag.in_(errands) & (ASSIGNMENT.c.ended_because != Ended.EXPIRED)
        )
        expired = (ASSIGNMENT.c.ended_because == Ended.EXPIRED) & (
            ASSIGNMENT.c.ended_at < now - EXPIRED_KEPT
        )
        over = at_once | expired | (ASSIGNMENT.c.ended_at < now - ENDED_KEPT)
        return await self._remove(ASSIGNMENT, "id", ASSIGNMENT.c.ended_at.is_not(None) & over)

    async def _remove_superseded(self, before: datetime) -> int:
        newer = CONSENT.alias()
        later = select(newer.c.id).where(
            newer.c.resident_id == CONSENT.c.resident_id,
            newer.c.kind == CONSENT.c.kind,
            newer.c.id > CONSENT.c.id,
        )
        return await self._remove(CONSENT, "id", (CONSENT.c.said_at < before) & later.exists())

    async def _remove(self, table: Table, key: str, over: ColumnElement[bool]) -> int:
        total = 0
        due = select(table.c[key]).where(over).limit(_BATCH)
        while True:
            async with self._database.write() as connection:
                done = await connection.execute(delete(table).where(table.c[key].in_(due)))
            total += done.rowcount
            if done.rowcount < _BATCH:
                return total


def is_errand(slug: str) -> bool:
    """A short task (办事需求, 待换证 …): done with, it leaves no history."""
    return slug.startswith("need_") or slug.endswith("_due")
