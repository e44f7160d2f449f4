"""待办: what waits for an officer, from wherever it stands."""

from dataclasses import dataclass
from datetime import datetime

from jingxiaowei.services.officers import Signed
from jingxiaowei.services.register import labels
from jingxiaowei.services.replies import Replies, Unreached
from jingxiaowei.services.requests import Asked, Requests
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.services.suggestions_waiting import Waiting
from jingxiaowei.services.tag_reviews import Review, TagReviews
from jingxiaowei.services.tickets import Ticket, Tickets
from jingxiaowei.store.engine import Database


@dataclass(frozen=True, slots=True)
class Work:
    """Everything that waits. ``labels``: 陈**·武原街道 by resident; ``calls``: 需电话联系."""

    proposals: tuple[Waiting, ...]
    suggestions: tuple[Waiting, ...]
    reviews: tuple[Review, ...]
    requests: tuple[Asked, ...]
    tickets: tuple[Ticket, ...]
    calls: tuple[Unreached, ...]
    labels: dict[str, str]

    def __len__(self) -> int:
        asked = (self.requests, self.tickets, self.calls)
        return sum(map(len, (self.proposals, self.suggestions, self.reviews, *asked)))


class Worklist:
    """Gathers what waits, each part through its own gate."""

    def __init__(
        self,
        database: Database,
        suggestions: Suggestions,
        reviews: TagReviews,
        requests: Requests,
        replies: Replies,
        tickets: Tickets,
    ) -> None:
        self._database = database
        self._suggestions = suggestions
        self._reviews = reviews
        self._requests = requests
        self._replies = replies
        self._tickets = tickets

    async def waiting(self, officer: Signed, now: datetime) -> Work:
        """What waits for this officer; lists are recorded by their own services.

        Raises:
            PermissionDeniedError: the role has no such work.
        """
        raised = await self._suggestions.waiting(officer, now)
        reviews = await self._reviews.due(officer, now)
        tickets = await self._tickets.waiting(officer, now)
        requests = await self._requests.open(officer, now)
        calls = await self._replies.unreached(officer, now)
        parts = (raised, reviews, requests, calls)
        whose = {each.resident_id for part in parts for each in part}
        async with self._database.read() as connection:
            named = await labels(connection, self._database.cipher, whose)
        return Work(
            tuple(each for each in raised if each.proposed_by),
            tuple(each for each in raised if not each.proposed_by),
            tuple(reviews),
            tuple(requests),
            tuple(tickets),
            tuple(calls),
            named,
        )
