"""待办: what waits for an officer, from wherever it stands."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from jingxiaowei.services.files_rights import ALLOWED, Act, FileRights
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.register import labels
from jingxiaowei.services.residents_words import REQUESTS
from jingxiaowei.services.suggestions import Suggestions, Waiting
from jingxiaowei.services.tag_reviews import Review, TagReviews
from jingxiaowei.services.tickets import Ticket, Tickets
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import IS_ASKED, REQUEST
from jingxiaowei.store.tables import RESIDENT


@dataclass(frozen=True, slots=True)
class Asked:
    """权利请求: what a resident asked for, by when it is answered."""

    code: str
    resident_id: str
    kind: str
    due_at: datetime
    overdue: bool


@dataclass(frozen=True, slots=True)
class Work:
    """Everything that waits. ``labels``: 陈**·武原街道 by resident."""

    proposals: tuple[Waiting, ...]
    suggestions: tuple[Waiting, ...]
    reviews: tuple[Review, ...]
    requests: tuple[Asked, ...]
    tickets: tuple[Ticket, ...]
    labels: dict[str, str]

    def __len__(self) -> int:
        parts = (self.proposals, self.suggestions, self.reviews, self.requests, self.tickets)
        return sum(map(len, parts))


class Worklist:
    """Gathers what waits, each part through its own gate."""

    def __init__(
        self,
        database: Database,
        rights: FileRights,
        suggestions: Suggestions,
        reviews: TagReviews,
        tickets: Tickets,
    ) -> None:
        self._database = database
        self._rights = rights
        self._suggestions = suggestions
        self._reviews = reviews
        self._tickets = tickets

    async def waiting(self, officer: Signed, now: datetime) -> Work:
        """What waits for this officer; lists are recorded by their own services.

        Raises:
            PermissionDeniedError: the role has no such work.
        """
        raised = await self._suggestions.waiting(officer, now)
        reviews = await self._reviews.due(officer, now)
        tickets = await self._tickets.waiting(officer, now)
        requests = await self._requests(officer, now)
        whose = {each.resident_id for part in (raised, reviews, requests) for each in part}
        async with self._database.read() as connection:
            named = await labels(connection, self._database.cipher, whose)
        return Work(
            tuple(each for each in raised if each.proposed_by),
            tuple(each for each in raised if not each.proposed_by),
            tuple(reviews),
            tuple(requests),
            tuple(tickets),
            named,
        )

    async def _requests(self, officer: Signed, now: datetime) -> list[Asked]:
        if Act.REQUESTS not in ALLOWED[officer.role]:
            return []
        query = (
            select(REQUEST.c.code, REQUEST.c.resident_id, REQUEST.c.kind, REQUEST.c.due_at)
            .join(RESIDENT, RESIDENT.c.id == REQUEST.c.resident_id)
            .where(IS_ASKED)
            .order_by(REQUEST.c.due_at)
            .limit(100)
        )
        async with self._database.write() as connection:
            await self._rights.allow(connection, officer, Act.REQUESTS, None, now)
            scope = await self._rights.scope(connection, officer, now)
            if not scope.everywhere:
                mine = RESIDENT.c.officer_id == officer.id
                query = query.where(or_(RESIDENT.c.area.in_(scope.areas), mine))
            rows = (await connection.execute(query)).all()
        return [
            Asked(row.code, row.resident_id, REQUESTS[row.kind], row.due_at, row.due_at <= now)
            for row in rows
        ]
