"""工单: what a person has to do. Listed by due time, claimed by one, closed with a note.

A step is one transaction: the gate, an UPDATE that only one of two can win, the trace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import JingxiaoweiError, PermissionDeniedError
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.conversations import Spoken, messages, spoken
from jingxiaowei.services.current import Content
from jingxiaowei.services.emergencies import URGENT, Emergencies
from jingxiaowei.services.notes import require_line
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.register import labels
from jingxiaowei.services.replies import Draft, Replies, Told
from jingxiaowei.services.residents_words import NEEDS, TICKET_STATES
from jingxiaowei.services.scopes import elsewhere, scope_of
from jingxiaowei.services.tagging_rules import Names, names_of
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ReplyKind
from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.tables import AREA, IDENTITY, TICKET, Role, TicketState

NOTE_CHARACTERS = 200
_NOTE = SEALED[TICKET.c.note]
_SHOWN, _LINES = 300, 40
_QUOTE = 40


class TicketMissingError(JingxiaoweiError):
    """There is no such ticket."""


class TicketConflictError(JingxiaoweiError):
    """The ticket is not as the step needs it; the message says who changed it."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket in the log: nothing in it identifies anybody.

    Attributes:
        quote: the resident's message, masked and short; empty: over, or none.
        who: whose it is, 辅警王芳; empty: nobody's.
    """

    id: int
    code: str
    need: str
    urgent: bool
    state: str
    state_word: str
    quote: str
    resident_id: str
    label: str
    station: str
    who: str
    mine: bool
    created_at: datetime
    due_at: datetime
    overdue: bool
    closed_at: datetime | None
    note: str


class Tickets:
    """Reads tickets and takes steps with them."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        content: Content,
        audit: Audit,
        officers: Officers,
        replies: Replies,
        emergencies: Emergencies,
    ) -> None:
        self._database = database
        self._bell = bell
        self._content = content
        self._audit = audit
        self._officers = officers
        self._replies = replies
        self._emergencies = emergencies

    async def waiting(self, officer: Signed, now: datetime) -> list[Ticket]:
        """The open ones of the officer's areas: emergencies, then overdue and mine, by due time."""
        rows = await self._list(officer, now, TICKET.c.state != TicketState.CLOSED)
        return sorted(
            rows,
            key=lambda t: (not t.urgent, not (t.overdue or t.mine), t.due_at, t.id),
        )

    async def pressing(self, officer: Signed, now: datetime) -> int:
        """How many emergencies in the officer's areas nobody has taken on. A number alone, so it
        is no look at anybody's ticket."""
        _require(officer)
        query = select(func.count()).where(
            TICKET.c.need.in_(URGENT), TICKET.c.state == TicketState.OPEN
        )
        async with self._database.read() as connection:
            scope = await scope_of(connection, officer, now)
            if not scope.everywhere:
                query = query.where(TICKET.c.area.in_(scope.areas))
            return int((await connection.execute(query)).scalar_one())

    async def closed(self, officer: Signed, now: datetime) -> list[Ticket]:
        """What was closed last."""
        return await self._list(officer, now, TICKET.c.state == TicketState.CLOSED)

    async def _list(
        self, officer: Signed, now: datetime, which: ColumnElement[bool]
    ) -> list[Ticket]:
        _require(officer)
        newest = TICKET.c.closed_at.desc()  # no order among those that are open
        pressing = TICKET.c.need.in_(URGENT).desc()
        query = select(TICKET).where(which).order_by(newest, pressing, TICKET.c.due_at, TICKET.c.id)
        async with self._database.write() as connection:
            scope = await scope_of(connection, officer, now)
            if not scope.everywhere:
                mine = TICKET.c.officer_id == officer.id
                query = query.where(TICKET.c.area.in_(scope.areas) | mine)
            rows = (await connection.execute(query.limit(_SHOWN))).all()
            await self._record(connection, officer, "list", "tickets")
            return await self._tickets(connection, officer, rows, now)

    async def look(
        self, officer: Signed, ticket_id: int, now: datetime
    ) -> tuple[Ticket, tuple[Spoken, ...]]:
        """One ticket and the masked conversation that it came from.

        Raises:
            TicketMissingError: there is none.
            PermissionDeniedError: the role or the area does not allow it.
        """
        async with self._database.write() as connection:
            row = await self._enter(connection, officer, ticket_id, now)
            await self._record(connection, officer, "view", f"ticket:{ticket_id}")
            [ticket] = await self._tickets(connection, officer, [row], now)
            lines = await spoken(connection, self._database.cipher, [row.conversation_id], _LINES)
        return ticket, lines

    async def claim(self, officer: Signed, ticket_id: int, now: datetime) -> None:
        """认领. Claimed again by whom it is theirs already, it stays theirs.

        Raises:
            TicketConflictError: somebody was faster; says who.
        """
        async with self._database.write() as connection:
            # A card may hold alerts too, and whoever claims one of those changes it as well.
            await self._database.lock_alerts(connection)
            row = await self._enter(connection, officer, ticket_id, now)
            if row.state is TicketState.CLAIMED and row.officer_id == officer.id:
                return
            free = TICKET.c.state == TicketState.OPEN
            await self._change(
                connection, ticket_id, free, state=TicketState.CLAIMED, officer_id=officer.id
            )
            await self._emergencies.taken(connection, ticket_id)
            await self._record(connection, officer, "claim", f"ticket:{ticket_id}")
            await self._bell.announce(connection, Stage.ALERTS)
        self._bell.ring(Stage.ALERTS)

    async def release(self, officer: Signed, ticket_id: int, now: datetime) -> None:
        """放回: it is nobody's again."""
        async with self._database.write() as connection:
            await self._enter(connection, officer, ticket_id, now)
            await self._change(
                connection,
                ticket_id,
                _held_by(officer),
                state=TicketState.OPEN,
                officer_id=None,
            )
            await self._emergencies.given_back(connection, ticket_id, now)
            await self._record(connection, officer, "release", f"ticket:{ticket_id}")
            await self._bell.announce(connection, Stage.ALERTS)
        self._bell.ring(Stage.ALERTS)

    async def draft(self, officer: Signed, ticket_id: int, words: str, now: datetime) -> Draft:
        """What the resident would read of words given to :meth:`close`; nothing is sent.

        Raises:
            ReplyError: the words cannot go out.
            PermissionDeniedError: the role or the area does not allow it.
        """
        async with self._database.write() as connection:
            row = await self._enter(connection, officer, ticket_id, now)
            resident = await self._resident(connection, row.conversation_id)
            return await self._replies.draft(
                connection, resident, _told(row), words, now, row.conversation_id
            )

    async def close(
        self, officer: Signed, ticket_id: int, note: str, now: datetime, words: str = ""
    ) -> None:
        """办结, with a line about what came of it.

        Args:
            words: to the resident; empty: nothing is said.

        Raises:
            NoteRefusedError: the note is empty, too long, or holds what must not be kept.
            ReplyError: the words cannot go out.
            TicketConflictError: it is not the officer's to close.
        """
        _require(officer)
        forbidden = self._content.library.forbidden
        line = require_line(
            note, forbidden, NOTE_CHARACTERS, "写一句结果，比如：已电话答复，下周一来办。"
        )
        async with self._database.write() as connection:
            row = await self._enter(connection, officer, ticket_id, now)
            await self._change(
                connection,
                ticket_id,
                _held_by(officer),
                state=TicketState.CLOSED,
                closed_at=now,
                officer_id=officer.id,
                note=self._database.cipher.seal(_NOTE, line),
            )
            if words:
                resident = await self._resident(connection, row.conversation_id)
                await self._replies.tell(
                    connection, officer, resident, _told(row), words, now, row.conversation_id
                )
            await self._record(connection, officer, "close", f"ticket:{ticket_id}")
        if words:
            self._replies.ring()

    async def _resident(self, connection: AsyncConnection, conversation: str) -> str:
        """Whose conversation it is.

        Raises:
            TicketMissingError: the resident's data is gone.
        """
        rows = await connection.execute(
            select(IDENTITY.c.resident_id).where(IDENTITY.c.id == conversation)
        )
        found: str | None = rows.scalar()
        if found is None:
            raise TicketMissingError("居民信息已清除，发不出。")
        return found

    async def _enter(
        self, connection: AsyncConnection, officer: Signed, ticket_id: int, now: datetime
    ) -> Any:
        _require(officer)
        row = (await connection.execute(select(TICKET).where(TICKET.c.id == ticket_id))).first()
        if row is None:
            raise TicketMissingError("没有这张工单。")
        scope = await scope_of(connection, officer, now)
        if not scope.covers(row.area) and row.officer_id != officer.id:
            raise PermissionDeniedError(await elsewhere(connection, "这张工单", row.area))
        return row

    async def _change(
        self,
        connection: AsyncConnection,
        ticket_id: int,
        condition: ColumnElement[bool],
        **values: object,
    ) -> None:
        changed = await connection.execute(
            update(TICKET).where(TICKET.c.id == ticket_id, condition).values(**values)
        )
        if changed.rowcount:
            return
        row = (await connection.execute(select(TICKET).where(TICKET.c.id == ticket_id))).one()
        names = names_of(await self._officers.names(connection))
        if row.state is TicketState.OPEN:
            raise TicketConflictError("先认领。")
        word = "办结" if row.state is TicketState.CLOSED else "认领"
        raise TicketConflictError(f"刚被{names(row.officer_id)}{word}。")

    async def _tickets(
        self,
        connection: AsyncConnection,
        officer: Signed,
        rows: Sequence[Any],
        now: datetime,
    ) -> list[Ticket]:
        cipher = self._database.cipher
        names = names_of(await self._officers.names(connection))
        areas = {row.slug: row.station for row in await connection.execute(select(AREA))}
        quotes = await messages(
            connection, cipher, {row.inbox_id for row in rows if row.inbox_id is not None}
        )
        ours = {row.conversation_id for row in rows}
        whose = {
            row.id: row.resident_id
            for row in await connection.execute(
                select(IDENTITY.c.id, IDENTITY.c.resident_id).where(IDENTITY.c.id.in_(ours))
            )
        }
        named = await labels(connection, cipher, set(whose.values()))
        return [
            self._ticket(
                row,
                officer,
                names,
                areas[row.area],
                quotes.get(row.inbox_id, ""),
                whose.get(row.conversation_id, ""),
                named,
                now,
            )
            for row in rows
        ]

    def _ticket(
        self,
        row: Any,
        officer: Signed,
        names: Names,
        station: str,
        quote: str,
        resident: str,
        named: dict[str, str],
        now: datetime,
    ) -> Ticket:
        over = row.state is TicketState.CLOSED
        return Ticket(
            row.id,
            row.code,
            NEEDS.get(row.need, row.need),
            row.need in URGENT,
            row.state.value,
            TICKET_STATES[row.state],
            quote[:_QUOTE] + ("…" if len(quote) > _QUOTE else ""),
            resident,
            named.get(resident, "居民信息已到期清除").split("·")[0],
            station,
            names(row.officer_id) if row.officer_id is not None else "",
            row.officer_id == officer.id and not over,
            row.created_at,
            row.due_at,
            not over and row.due_at <= now,
            row.closed_at,
            self._database.cipher.open(_NOTE, row.note) if row.note else "",
        )

    async def _record(
        self, connection: AsyncConnection, officer: Signed, act: str, about: str
    ) -> None:
        await self._audit.record(connection, Event(f"officer:{officer.id}", f"ticket.{act}", about))


def _told(row: Any) -> Told:
    return Told(ReplyKind.TICKET, row.id, row.code, "ticket_closed")


def _held_by(officer: Signed) -> ColumnElement[bool]:
    """Whoever claimed it; police may step in."""
    held = TICKET.c.state == TicketState.CLAIMED
    return held if officer.role is Role.POLICE else held & (TICKET.c.officer_id == officer.id)


def may_work(role: Role) -> bool:
    """Whether a role has to do with tickets."""
    return role in (Role.POLICE, Role.AUXILIARY)


def _require(officer: Signed) -> None:
    if not may_work(officer.role):
        raise PermissionDeniedError("工单由民警、辅警办。")
