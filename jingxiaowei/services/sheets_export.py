"""导出: a list of residents leaves the house. Police approve it; it bears who, when and why, on
every page and in the file's properties, and the trail keeps its fingerprint.
"""

import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.model import Library
from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.alerts_words import ROLES
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.contact_points import VALUE
from jingxiaowei.services.files_rights import Act, FileRights, require
from jingxiaowei.services.notes import require_note
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.sheets_values import Column
from jingxiaowei.services.sheets_writing import DETAILS, LIST, Book, new_book, put
from jingxiaowei.services.tagging_values import Held
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, CONTACT_POINT, ContactKind
from jingxiaowei.store.tables import RESIDENT

SHEET_ROWS = 1_000_000  # Excel has 1,048,576
_HEADER_CHARACTERS = 200  # Excel takes 255, its own codes included


class Members(Protocol):
    """Who is in an audience, for an officer: ids of residents they may see, in pieces."""

    def __call__(
        self, officer: Signed, expression: str, now: datetime
    ) -> AsyncIterator[Sequence[str]]: ...


@dataclass(frozen=True, slots=True)
class Exported:
    """What left the house."""

    residents: int
    tags: int
    digest: str  # SHA-256 of the file


class SheetExport:
    """Writes lists of residents."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        rights: FileRights,
        library: Library,
        members: Members,
    ) -> None:
        self._database = database
        self._audit = audit
        self._rights = rights
        self._library = library
        self._members = members

    @property
    def _taxonomy(self) -> Taxonomy:
        return self._library.taxonomy

    async def export(
        self,
        officer: Signed,
        expression: str,
        path: Path,
        reason: str,
        now: datetime,
        *,
        careful_too: bool = False,
        moved: Callable[[int], None] = lambda rows: None,
    ) -> Exported:
        """Write the audience of an expression to an Excel file.

        Args:
            careful_too: protected tags as well; without it they are left out.
            moved: told how many residents are written, piece by piece.

        Raises:
            PermissionDeniedError: not an officer who may approve it.
            NoteRefusedError: no reason, or one that must not be kept.
            SheetError: the file cannot be written.
        """
        require(officer.role, Act.EXPORT)
        reason = require_note(reason, self._library.forbidden)
        scope = "with careful" if careful_too else "general"
        async with self._database.write() as connection:
            # Before anything is read: an export that fails half way has left its trace.
            await self._rights.allow(
                connection, officer, Act.EXPORT, None, now, f"begin {scope}: {reason}"
            )
        mark = self._mark(officer, reason, now)
        residents = tags = 0
        properties = {
            "title": "居民标签",
            "author": f"{ROLES[officer.role]}{officer.name}",
            "company": self._library.unit_name,
            "comments": mark,
        }
        with new_book(path, properties) as book:
            book.note("导出", mark)
            sheet, row = self._sheet(book, 1, mark), 2
            async for ids in self._members(officer, expression, now):
                async with self._database.read() as connection:
                    people = await self._people(connection, ids, now, careful_too)
                for values, held in people:
                    if row >= SHEET_ROWS:
                        sheet, row = self._sheet(book, residents // SHEET_ROWS + 2, mark), 2
                    put(sheet, row, values, book.text)
                    row += 1
                    residents += 1
                    tags += held
                moved(len(people))
        digest = _digest(path)
        async with self._database.write() as connection:
            done = f"residents={residents} tags={tags} sha256={digest}"
            event = Event(f"officer:{officer.id}", f"file.{Act.EXPORT.value}", "residents", done)
            await self._audit.record(connection, event)
        return Exported(residents, tags, digest)

    def _mark(self, officer: Signed, reason: str, now: datetime) -> str:
        station = self._library.areas[officer.area].station
        when = now.astimezone(LOCAL)
        return (
            f"{station}{ROLES[officer.role]}{officer.name}（{officer.account}）"
            f"{when:%Y-%m-%d %H:%M} 导出，用于：{reason}。只用于这件事，不外传，用完删除。"
        )

    def _sheet(self, book: Book, number: int, mark: str) -> Any:
        sheet = book.sheet(LIST if number == 1 else f"{LIST}{number}")
        for place, width in enumerate((36, 12, 16, 12, 30, 40, 14, 80)):
            sheet.set_column(place, place, width)
        # A single & begins one of Excel's codes.
        printed = mark.replace("&", "&&")[:_HEADER_CHARACTERS]
        sheet.set_header(f"&C{printed}")
        sheet.set_footer(f"&C{printed}")
        sheet.freeze_panes(2, 0)
        put(sheet, 0, [mark], book.mark)
        put(sheet, 1, [*(column.value for column in Column), DETAILS], book.head)
        return sheet

    async def _people(
        self, connection: AsyncConnection, ids: Sequence[str], now: datetime, careful_too: bool
    ) -> list[tuple[list[str], int]]:
        """The rows of some residents, and how many tags each holds."""
        cipher = self._database.cipher
        rows = await connection.execute(
            select(RESIDENT.c.id, RESIDENT.c.area).where(RESIDENT.c.id.in_(ids))
        )
        areas = {row.id: row.area for row in rows}
        points = await connection.execute(
            select(CONTACT_POINT)
            .where(
                CONTACT_POINT.c.resident_id.in_(ids),
                CONTACT_POINT.c.kind.in_((ContactKind.NAME, ContactKind.PHONE)),
            )
            .order_by(CONTACT_POINT.c.id)
        )
        contact = {
            (row.resident_id, row.kind): cipher.open(VALUE, row.value) for row in points
        }  # the newest counts
        current = await connection.execute(
            select(ASSIGNMENT)
            .where(ASSIGNMENT.c.resident_id.in_(ids), rows_of.standing_at(now))
            .order_by(ASSIGNMENT.c.id)
        )
        tags: dict[str, list[Held]] = defaultdict(list)
        for row in current:
            tag = self._taxonomy.by_slug.get(row.tag)
            if tag is not None and (careful_too or not tag.careful):
                tags[row.resident_id].append(rows_of.held(cipher, row))
        return [
            (
                [
                    one,
                    contact.get((one, ContactKind.NAME), ""),
                    contact.get((one, ContactKind.PHONE), ""),
                    self._library.areas[areas[one]].name if areas[one] else "",
                    *self._tags(tags[one]),
                ],
                len(tags[one]),
            )
            for one in ids
            if one in areas
        ]

    def _tags(self, tags: Sequence[Held]) -> list[str]:
        if not tags:
            return ["", "", "", ""]
        names = [self._taxonomy.by_slug[held.tag].name for held in tags]
        ends = sorted(held.expires_at for held in tags if held.expires_at is not None)
        details = [
            f"{name}：{held.reason}（{_day(held.expires_at)}）"
            for name, held in zip(names, tags, strict=True)
        ]
        first = _day(ends[0]) if ends else "长期"
        return ["、".join(names), tags[-1].reason, first, "；".join(details)]


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(LOCAL):%Y-%m-%d}" if moment else "长期"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
