"""The import itself: every judged row in one transaction, or none.

Rows were judged without locks; here each resident's tags are read again under theirs. What
somebody noted meanwhile is left as it is; what came to contradict a row stops the whole import.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.contact_points import contact_row
from jingxiaowei.services.files_rights import Act
from jingxiaowei.services.inbox import ADDRESS
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.sheets_judging import Judged
from jingxiaowei.services.sheets_values import SheetError
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, CONTACT_POINT, ContactKind, TagSource
from jingxiaowei.store.prepared import Prepared
from jingxiaowei.store.tables import IDENTITY, RESIDENT, Role

Chunks = Callable[[], Iterator[list[Judged]]]
Moved = Callable[[int], None]
_CHANGED = "导入时有人改了这些居民的标签，一行也没有导入。请再试一次。"


class Landing:
    """Writes judged rows."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        suggestions: Suggestions,
        taxonomy: Taxonomy,
        corp_id: str,
    ) -> None:
        self._database = database
        self._audit = audit
        self._suggestions = suggestions
        self._conflicts = cache(taxonomy.conflicts)
        self._corp_id = corp_id
        insert = database.insert
        self._open = database.prepare(
            insert(RESIDENT).on_conflict_do_nothing(), ("id", "area", "officer_id", "created_at")
        )
        self._identify = database.prepare(
            insert(IDENTITY).on_conflict_do_nothing(),
            ("id", "channel", "account", "address", "resident_id", "created_at"),
        )
        self._contact = database.prepare(
            insert(CONTACT_POINT),
            ("resident_id", "kind", "value", "found", "source", "created_at"),
        )
        self._tag: Prepared | None = None

    async def land(
        self, officer: Signed, chunks: Chunks, summary: Event, now: datetime, moved: Moved
    ) -> int:
        """Write everything that ``chunks`` yields; how many tags it came to.

        Args:
            summary: the audit event of the import as a whole.
            moved: told how many rows are written, chunk by chunk.

        Raises:
            SheetError: somebody was faster; nothing is written.
        """
        noted = 0
        try:
            async with self._database.write() as connection:
                for rows in chunks():
                    noted += await self._write(connection, officer, rows, now)
                    moved(len(rows))
                await self._audit.record_many(connection, [summary])
                for rows in chunks():
                    events = [
                        Event(
                            f"officer:{officer.id}",
                            f"file.{Act.TAG.value}",
                            f"resident:{row.person.resident_id}",
                            f"{summary.object} row:{row.number}",
                        )
                        for row in rows
                        if row.rulings or row.person.new
                    ]
                    await self._audit.record_many(connection, events)
        except DBAPIError as error:
            raise SheetError(_CHANGED) from error
        return noted

    async def _write(
        self, connection: AsyncConnection, officer: Signed, rows: Sequence[Judged], now: datetime
    ) -> int:
        await self._open_files(connection, officer, rows, now)
        cipher = self._database.cipher
        known = [row.person.resident_id for row in rows if row.rulings]
        standings = await rows_of.standings(connection, cipher, known, now)
        tags: list[dict[str, Any]] = []
        proposals = 0
        for row in rows:
            for noted, ruling in row.rulings:
                standing = standings.get(row.person.resident_id)
                if standing is None:
                    raise SheetError(_CHANGED)
                if ruling.tag.slug in standing.current:
                    continue
                if self._conflicts(ruling.tag.slug) & standing.current.keys():
                    raise SheetError(_CHANGED)
                if ruling.proposal:
                    await self._suggestions.propose(connection, officer, noted, ruling, now)
                    proposals += 1
                    continue
                tags.append(
                    rows_of.assignment(cipher, noted, ruling, TagSource.IMPORT, officer.id, now)
                )
        if tags:
            if self._tag is None:
                self._tag = self._database.prepare(
                    self._database.insert(ASSIGNMENT), tuple(tags[0])
                )
            await self._tag.run(connection, tags)
        return len(tags) + proposals

    async def _open_files(
        self, connection: AsyncConnection, officer: Signed, rows: Sequence[Judged], now: datetime
    ) -> None:
        cipher = self._database.cipher
        keeper = officer.id if officer.role is Role.POLICE else None  # 责任民警
        people = [row.person for row in rows]
        new = [person for person in people if person.new]
        await self._open.run(
            connection,
            [
                {"id": p.resident_id, "area": p.area, "officer_id": keeper, "created_at": now}
                for p in new
            ],
        )
        await self._identify.run(
            connection,
            [
                {
                    "id": p.resident_id,
                    "channel": Channel.WECOM_CONTACT.value,
                    "account": self._corp_id,
                    "address": cipher.seal(ADDRESS, p.external_userid),
                    "resident_id": p.resident_id,
                    "created_at": now,
                }
                for p in new
                if p.external_userid
            ],
        )
        for person in people:
            if person.placed and not person.new:
                await connection.execute(
                    update(RESIDENT)
                    .where(RESIDENT.c.id == person.resident_id, RESIDENT.c.area.is_(None))
                    .values(area=person.area)
                )
        await self._contact.run(
            connection,
            [
                contact_row(cipher, p.resident_id, kind, value, TagSource.IMPORT, now)
                for p in people
                for kind, value in ((ContactKind.NAME, p.name), (ContactKind.PHONE, p.phone))
                if value
            ],
        )
