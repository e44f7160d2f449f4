"""权利请求: to view, correct, object, delete, export, erase; answered within 15 workdays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.model import Calendar
from jingxiaowei.pipeline.mask import mask
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.codes import new_code
from jingxiaowei.services.current import Content
from jingxiaowei.services.files_rights import ALLOWED, Act, FileRights, Subject, require
from jingxiaowei.services.files_values import ANSWER, REQUEST_TEXT
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.replies import Draft, Replies, ReplyError, Told
from jingxiaowei.services.roster import LOCAL, is_workday
from jingxiaowei.services.tagging_rules import names_of
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    IS_ASKED,
    REQUEST,
    ReplyKind,
    RequestKind,
    RequestState,
)
from jingxiaowei.store.tables import RESIDENT

WORKDAYS = 15
WORDS = {
    RequestKind.VIEW: "查阅",
    RequestKind.CORRECT: "更正",
    RequestKind.OBJECT: "异议",
    RequestKind.DELETE: "删除标签",
    RequestKind.EXPORT: "复制一份",
    RequestKind.ERASE: "全部删除",
}
# The same, to the resident.
REQUESTS: Mapping[RequestKind, str] = {
    RequestKind.VIEW: "查阅请求",
    RequestKind.CORRECT: "更正请求",
    RequestKind.OBJECT: "反对意见",
    RequestKind.DELETE: "删除请求",
    RequestKind.EXPORT: "复制请求",
    RequestKind.ERASE: "注销请求",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that somebody is to answer."""

    id: int
    code: str
    resident_id: str
    kind: RequestKind
    text: str
    created_at: datetime
    due_at: datetime
    overdue: bool
    officer: str  # who has it, or empty


class Requests:
    """Takes requests, lists them by their deadline, and records the answers."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        content: Content,
        officers: Officers,
        rights: FileRights,
        replies: Replies,
    ) -> None:
        self._database = database
        self._audit = audit
        self._content = content
        self._officers = officers
        self._rights = rights
        self._replies = replies

    async def ask(
        self,
        connection: AsyncConnection,
        resident_id: str,
        kind: RequestKind,
        text: str,
        now: datetime,
        confirmed: bool = False,
    ) -> tuple[str, datetime]:
        """Take a request in the caller's transaction (the turn's); its code and deadline.

        ``confirmed``: an erasure that the resident has confirmed; it is done within seconds.
        """
        code = new_code()
        due = workdays_after(now, WORKDAYS, self._content.library.calendar)
        at_once = confirmed and kind is RequestKind.ERASE
        row = {
            "code": code,
            "resident_id": resident_id,
            "kind": kind,
            "text": self._database.cipher.seal(REQUEST_TEXT, mask(text)[:500]),
            "state": RequestState.CONFIRMED if at_once else RequestState.OPEN,
            "created_at": now,
            "due_at": due,
        }
        await connection.execute(insert(REQUEST), [row])
        who = f"resident:{resident_id}"
        await self._audit.record(connection, Event(who, "file.request", who, f"{kind} {code}"))
        return code, due

    async def open(self, officer: Signed, now: datetime, limit: int = 100) -> list[Asked]:
        """What waits in the officer's area, the nearest deadline first."""
        require(officer.role, Act.REQUESTS)
        cipher = self._database.cipher
        query = (
            select(REQUEST)
            .join(RESIDENT, RESIDENT.c.id == REQUEST.c.resident_id)
            .where(IS_ASKED)
            .order_by(REQUEST.c.due_at)
            .limit(limit)
        )
        async with self._database.read() as connection:
            scope = await self._rights.scope(connection, officer, now)
            if not scope.everywhere:
                mine = or_(RESIDENT.c.officer_id == officer.id, REQUEST.c.officer_id == officer.id)
                query = query.where(or_(RESIDENT.c.area.in_(scope.areas), mine))
            rows = (await connection.execute(query)).all()
            names = names_of(await self._officers.names(connection))
        return [
            Asked(
                row.id,
                row.code,
                row.resident_id,
                row.kind,
                self._shown(officer, cipher.open(REQUEST_TEXT, row.text)),
                row.created_at,
                row.due_at,
                row.due_at < now,
                names(row.officer_id) if row.officer_id is not None else "",
            )
            for row in rows
        ]

    def _shown(self, officer: Signed, text: str) -> str:
        """A request's words; what they say of careful tags is for police."""
        if Act.VIEW_CAREFUL not in ALLOWED[officer.role]:
            for tag in self._content.library.taxonomy.tags:
                if tag.careful:
                    text = text.replace(tag.name, "受保护标签")
        return text

    async def take(self, officer: Signed, request_id: int, now: datetime) -> None:
        """认领: the officer will answer it.

        Raises:
            TagConflictError: somebody else has it, or it is answered.
        """
        async with self._database.write() as connection:
            await self._enter(connection, officer, Act.ANSWER, request_id, now)
            taken = await connection.execute(
                update(REQUEST)
                .where(REQUEST.c.id == request_id, IS_ASKED)
                .where(or_(REQUEST.c.officer_id.is_(None), REQUEST.c.officer_id == officer.id))
                .values(officer_id=officer.id)
            )
            if not taken.rowcount:
                raise TagConflictError(await self._whose(connection, request_id))

    async def draft(
        self, officer: Signed, request_id: int, text: str, now: datetime, refused: bool = False
    ) -> Draft:
        """The answer as the resident would read it; nothing is sent or changed.

        Raises:
            TagRefusedError: no words, or words that cannot go out.
            PermissionDeniedError: not police, or not their area.
        """
        words = _words(text, refused)
        async with self._database.write() as connection:
            row = await self._enter(connection, officer, Act.ANSWER, request_id, now, "draft ")
            told = _told(row, refused)
            try:
                return await self._replies.draft(connection, row.resident_id, told, words, now)
            except ReplyError as refusal:
                raise TagRefusedError(str(refusal)) from None

    async def answer(
        self, officer: Signed, request_id: int, text: str, now: datetime, refused: bool = False
    ) -> Draft:
        """Record the answer and tell the resident. A refusal gives its reason (拒绝要说明理由).

        Whom no message can reach is listed for a call.

        Raises:
            TagRefusedError: no words, or words that cannot go out.
            TagConflictError: somebody has answered it.
            PermissionDeniedError: not police, or not their area.
        """
        words = _words(text, refused)
        async with self._database.write() as connection:
            row = await self._enter(connection, officer, Act.ANSWER, request_id, now)
            done = await connection.execute(
                update(REQUEST)
                .where(REQUEST.c.id == request_id, IS_ASKED)
                .values(
                    state=RequestState.REFUSED if refused else RequestState.ANSWERED,
                    answer=self._database.cipher.seal(ANSWER, words),
                    answered_at=now,
                    officer_id=officer.id,
                )
            )
            if not done.rowcount:
                raise TagConflictError(await self._whose(connection, request_id))
            told = _told(row, refused)
            try:
                draft = await self._replies.tell(
                    connection, officer, row.resident_id, told, words, now
                )
            except ReplyError as refusal:
                raise TagRefusedError(str(refusal)) from None
        self._replies.ring()
        return draft

    async def _enter(
        self,
        connection: AsyncConnection,
        officer: Signed,
        act: Act,
        request_id: int,
        now: datetime,
        what: str = "",
    ) -> Any:
        """The request's row, let through the gate."""
        row = (
            await connection.execute(
                select(REQUEST, RESIDENT.c.area, RESIDENT.c.officer_id.label("responsible"))
                .join(RESIDENT, RESIDENT.c.id == REQUEST.c.resident_id)
                .where(REQUEST.c.id == request_id)
            )
        ).first()
        if row is None:
            raise TagRefusedError("没有这条请求。")
        subject = Subject(row.resident_id, row.area, row.responsible)
        await self._rights.allow(connection, officer, act, subject, now, what + row.code)
        return row

    async def _whose(self, connection: AsyncConnection, request_id: int) -> str:
        row = (await connection.execute(select(REQUEST).where(REQUEST.c.id == request_id))).one()
        names = names_of(await self._officers.names(connection))
        did = "认领" if row.state is RequestState.OPEN else "答复"
        return f"这条已由{names(row.officer_id)}{did}。"


def _words(text: str, refused: bool) -> str:
    words = text.strip()
    if not words:
        raise TagRefusedError("不同意要写明理由。" if refused else "写上答复。")
    return words


def _told(row: Any, refused: bool) -> Told:
    line = "request_refused" if refused else "request_answered"
    return Told(ReplyKind.REQUEST, row.id, row.code, line, REQUESTS[row.kind])


def workdays_after(now: datetime, days: int, calendar: Calendar) -> datetime:
    """The end of the last of so many workdays, the day of asking not counted."""
    day = now.astimezone(LOCAL).date()
    while days:
        day += timedelta(days=1)
        days -= is_workday(day, calendar)
    return datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=LOCAL)
