"""The import itself. Every judged row gets into the files, or none does.

Until it is decided a list only lies beside the files, and is dropped if anything goes wrong. The
decision is one small transaction; from then on the list is written piece by piece, each with its
traces in a transaction of its own, so that residents' messages are not kept waiting. A process that
ends meanwhile leaves the rest to the service, or to the next import. Rows were judged without
locks; here each resident's tags are read again under theirs, and what somebody has noted since
stands: it is the newer word.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.contact_points import contact_row
from jingxiaowei.services.current import Content
from jingxiaowei.services.files_rights import Act
from jingxiaowei.services.inbox import ADDRESS
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.sheets_judging import Judged
from jingxiaowei.services.sheets_staging import Staging
from jingxiaowei.services.sheets_values import SheetError
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.services.tagging_values import Standing
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, CONTACT_POINT, ContactKind, TagSource
from jingxiaowei.store.prepared import Prepared
from jingxiaowei.store.sheet_tables import LIST_IMPORT, LIST_PIECE
from jingxiaowei.store.tables import IDENTITY, RESIDENT, Role

Moved = Callable[[int], None]
_CHANGED = "导入时有人改了这些居民的标签，一行也没有导入。请再试一次。"
_LEFT = "数据库正忙，导入还没写完。剩下的由服务接着写，不用再导一次。"
_LEASE = timedelta(seconds=60)
_PAUSE, _LONGEST_PAUSE = 0.05, 0.15  # seconds
_TRIES = 6
_ROUND = 30.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Landed:
    """How a list went: tags noted or proposed, and tags that somebody was faster with."""

    noted: int
    overtaken: int


class Landing:
    """Writes judged rows."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        officers: Officers,
        suggestions: Suggestions,
        content: Content,
        corp_id: str,
    ) -> None:
        self._database = database
        self._audit = audit
        self._officers = officers
        self._suggestions = suggestions
        self._content = content
        self._staging = Staging(database)
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

    @property
    def _taxonomy(self) -> Taxonomy:
        return self._content.library.taxonomy

    async def verify(self, number: int, now: datetime) -> None:
        """See that nothing has come to contradict a judged row since.

        Raises:
            SheetError: something has.
        """
        against = _quarrels(self._taxonomy)
        async for rows in self._staging.pieces(number, self._taxonomy):
            known = [row.person.resident_id for row in rows if row.rulings and not row.person.new]
            async with self._database.read() as connection:
                standings = await rows_of.standings(
                    connection, self._database.cipher, known, now, lock=False
                )
            for row in rows:
                standing = standings.get(row.person.resident_id)
                if standing is None:
                    if row.rulings and not row.person.new:
                        raise SheetError(_CHANGED)
                    continue
                for _, ruling in row.rulings:
                    slug = ruling.tag.slug
                    if slug not in standing.current and against(slug, standing):
                        raise SheetError(_CHANGED)

    async def decide(self, number: int, summary: Event, now: datetime) -> None:
        """From here on every row gets into the files, whatever happens to this process."""
        async with self._database.write() as connection:
            await connection.execute(
                update(LIST_IMPORT)
                .where(LIST_IMPORT.c.id == number)
                .values(decided_at=now, leased_until=_lease())
            )
            await self._audit.record(connection, summary)

    async def land(self, officer: Signed, number: int, moved: Moved) -> Landed:
        """Write a decided list, some rows a transaction, with pauses for others.

        Args:
            moved: told how many rows are written, piece by piece.

        Raises:
            SheetError: the database did not let it; the service goes on with it later.
        """
        tries = 0
        while True:
            began = time.monotonic()
            try:
                done = await self._land_piece(officer, number)
            except DBAPIError as error:
                tries += 1
                if tries == _TRIES:
                    raise SheetError(_LEFT) from error
                await asyncio.sleep(_PAUSE * 2**tries)
                continue
            tries = 0
            if isinstance(done, Landed):
                return done
            moved(done)
            # Others write too, and on SQLite look for their turn only now and then: every tenth
            # of a second at the least.
            held = time.monotonic() - began
            pause = min(max(_PAUSE, held), _LONGEST_PAUSE)
            await asyncio.sleep(pause if self._database.sqlite else 0)

    async def _land_piece(self, officer: Signed, number: int) -> int | Landed:
        """The next piece: how many rows; or how the whole went, when there is none."""
        async with self._database.write() as connection:
            head = (
                await connection.execute(
                    update(LIST_IMPORT)
                    .where(LIST_IMPORT.c.id == number)
                    .values(leased_until=_lease())
                    .returning(
                        LIST_IMPORT.c.mark,
                        LIST_IMPORT.c.decided_at,
                        LIST_IMPORT.c.noted,
                        LIST_IMPORT.c.overtaken,
                    )
                )
            ).first()
            if head is None:
                return Landed(0, 0)
            found = await self._staging.next_piece(connection, number, self._taxonomy)
            if found is None:
                await connection.execute(delete(LIST_IMPORT).where(LIST_IMPORT.c.id == number))
                return Landed(head.noted, head.overtaken)
            piece, rows = found
            noted, overtaken = await self._write(connection, officer, rows, head.decided_at)
            await connection.execute(delete(LIST_PIECE).where(LIST_PIECE.c.id == piece))
            await connection.execute(
                update(LIST_IMPORT)
                .where(LIST_IMPORT.c.id == number)
                .values(noted=head.noted + noted, overtaken=head.overtaken + overtaken)
            )
            await self._audit.record_many(
                connection,
                [
                    Event(
                        f"officer:{officer.id}",
                        f"file.{Act.TAG.value}",
                        f"resident:{row.person.resident_id}",
                        f"{head.mark} row:{row.number}",
                    )
                    for row in rows
                    if row.rulings or row.person.new
                ],
            )
            return len(rows)

    async def run(self) -> None:
        """Finish lists whose process has ended, for as long as the task lives."""
        while True:
            try:
                await self.finish_left(datetime.now(UTC))
            except (SQLAlchemyError, OSError, SheetError):
                log.exception("a list could not be finished, again soon")
            await asyncio.sleep(_ROUND)

    async def finish_left(self, now: datetime) -> int:
        """Finish what was decided and nobody writes any more; how many lists."""
        await self._staging.drop_forgotten(now)
        left = LIST_IMPORT.c.decided_at.is_not(None) & (LIST_IMPORT.c.leased_until < now)
        async with self._database.read() as connection:
            rows = (await connection.execute(select(LIST_IMPORT).where(left))).all()
        done = 0
        for row in rows:
            async with self._database.write() as connection:
                taken = await connection.execute(
                    update(LIST_IMPORT)
                    .where(LIST_IMPORT.c.id == row.id, left)
                    .values(leased_until=_lease())
                )
                names = await self._officers.names(connection)
            if taken.rowcount:
                await self.land(names[row.officer_id], row.id, lambda _rows: None)
                done += 1
        return done

    async def _write(
        self, connection: AsyncConnection, officer: Signed, rows: Sequence[Judged], now: datetime
    ) -> tuple[int, int]:
        """How many tags were noted, and how many not, because somebody was faster."""
        await self._open_files(connection, officer, rows, now)
        cipher, against = self._database.cipher, _quarrels(self._taxonomy)
        known = [row.person.resident_id for row in rows]
        standings = await rows_of.standings(connection, cipher, known, now)
        tags: list[dict[str, Any]] = []
        proposals = overtaken = 0
        for row in rows:
            standing = standings.get(row.person.resident_id)
            for noted, ruling in row.rulings:
                if standing is None or against(ruling.tag.slug, standing):
                    overtaken += 1
                    continue
                if ruling.tag.slug in standing.current:
                    continue
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
        return len(tags) + proposals, overtaken

    async def _open_files(
        self, connection: AsyncConnection, officer: Signed, rows: Sequence[Judged], now: datetime
    ) -> None:
        cipher = self._database.cipher
        keeper = officer.id if officer.role is Role.POLICE else None  # 责任民警
        gone = await self._gone(connection, rows)
        people = [row.person for row in rows if row.person.resident_id not in gone]
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

    async def _gone(self, connection: AsyncConnection, rows: Sequence[Judged]) -> set[str]:
        """Residents whose files were there when the rows were judged, and are erased."""
        known = {row.person.resident_id for row in rows if not row.person.new}
        there = await connection.execute(select(RESIDENT.c.id).where(RESIDENT.c.id.in_(known)))
        return known - {row.id for row in there}


def _quarrels(taxonomy: Taxonomy) -> Callable[[str, Standing], bool]:
    """Whether something stands on a file that a tag cannot stand beside."""
    conflicts = cache(taxonomy.conflicts)
    return lambda slug, standing: bool(conflicts(slug) & standing.current.keys())


def _lease() -> datetime:
    return datetime.now(UTC) + _LEASE
