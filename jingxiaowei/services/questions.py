"""未答问题: what the bot could not answer, counted, for whoever keeps the content."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from jingxiaowei.errors import JingxiaoweiError, PermissionDeniedError
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.current import Content
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.purposes import QUESTION_TEXT
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import QUESTION, QuestionState, Role

_SHOWN = 100
_CHARACTERS = 200
_OPEN = (QuestionState.NEW, QuestionState.PENDING)
_SETTABLE = frozenset({QuestionState.NEW, QuestionState.DONE, QuestionState.IGNORED})


class QuestionMissingError(JingxiaoweiError):
    """There is no such question any more."""


@dataclass(frozen=True, slots=True)
class Near:
    """An entry that came close."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Missed:
    """A question that was not answered, or whose answer did not help (``unhelpful``)."""

    key: str
    text: str
    times: int
    last_at: datetime
    unhelpful: Near | None
    nearest: tuple[Near, ...]
    state: str


class Questions:
    """Lists and settles missed questions; for admins, who write the answers."""

    def __init__(self, database: Database, audit: Audit, content: Content) -> None:
        self._database = database
        self._audit = audit
        self._content = content

    async def missed(self, officer: Signed, settled: bool = False) -> list[Missed]:
        """The open ones, the most asked first; or those that are settled, the newest first."""
        _require(officer)
        query = select(QUESTION).where(QUESTION.c.state.in_(_OPEN))
        order = (QUESTION.c.times.desc(), QUESTION.c.last_at.desc())
        if settled:
            query = select(QUESTION).where(QUESTION.c.state.not_in(_OPEN))
            order = order[::-1]
        async with self._database.write() as connection:
            rows = (await connection.execute(query.order_by(*order).limit(_SHOWN))).all()
            event = Event(f"officer:{officer.id}", "question.list", "questions")
            await self._audit.record(connection, event)
        cipher = self._database.cipher
        return [
            Missed(
                row.key,
                cipher.open(QUESTION_TEXT, row.text)[:_CHARACTERS],
                row.times,
                row.last_at,
                self._near(row.faq) if row.faq else None,
                tuple(self._near(id_) for id_ in row.nearest.split(",") if id_),
                row.state.value,
            )
            for row in rows
        ]

    async def settle(self, officer: Signed, key: str, state: QuestionState, now: datetime) -> None:
        """补好了, 不用答, or back into the list.

        Raises:
            QuestionMissingError: it is gone.
        """
        _require(officer)
        if state not in _SETTABLE:
            raise QuestionMissingError("没有这一步。")
        async with self._database.write() as connection:
            done = await connection.execute(
                update(QUESTION).where(QUESTION.c.key == key).values(state=state)
            )
            if not done.rowcount:
                raise QuestionMissingError("这个问题已经到期清除。")
            event = Event(f"officer:{officer.id}", f"question.{state.value}", f"question:{key[:8]}")
            await self._audit.record(connection, event)

    def _near(self, id_: str) -> Near:
        entry = self._content.library.by_id.get(id_)
        return Near(id_, entry.title if entry else "（已经没有的条目）")


def may_keep(role: Role) -> bool:
    """Whether a role keeps the content."""
    return role is Role.ADMIN


def _require(officer: Signed) -> None:
    if not may_keep(officer.role):
        raise PermissionDeniedError("未答问题由管理员补答案。")
