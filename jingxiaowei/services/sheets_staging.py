"""Where judged rows wait until the whole file is judged, and then until all of them are written:
in the database, encrypted, some rows a transaction.

What is imported must all come or none, a long list must not be held in memory, and nobody else may
be kept from writing for long.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.sheets_judging import Judged
from jingxiaowei.services.sheets_people import Person
from jingxiaowei.services.tagging_rules import Ruling
from jingxiaowei.services.tagging_values import Noted
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import Ground
from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.sheet_tables import LIST_IMPORT, LIST_PIECE

PIECE = 100  # rows that are written in one transaction: about a tenth of a second on SQLite
_BODY = SEALED[LIST_PIECE.c.body]
_FORGOTTEN = timedelta(days=1)


class Staging:
    """Keeps the judged rows of lists."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, officer: Signed, mark: str, now: datetime) -> int:
        """A list that is nothing yet; its number."""
        row = {
            "officer_id": officer.id,
            "mark": mark,
            "created_at": now,
            "noted": 0,
            "overtaken": 0,
        }
        async with self._database.write() as connection:
            made = await connection.execute(insert(LIST_IMPORT).returning(LIST_IMPORT.c.id), [row])
            number: int = made.scalar_one()
            return number

    async def put(self, number: int, rows: Sequence[Judged]) -> None:
        """Keep some more rows."""
        seal = self._database.cipher.seal_json
        pieces = [
            {
                "import_id": number,
                "body": seal(_BODY, [_packed(row) for row in rows[at : at + PIECE]]),
            }
            for at in range(0, len(rows), PIECE)
        ]
        if pieces:
            async with self._database.write() as connection:
                await connection.execute(insert(LIST_PIECE), pieces)

    async def pieces(self, number: int, taxonomy: Taxonomy) -> AsyncIterator[list[Judged]]:
        """What was put, piece by piece."""
        after = 0
        while True:
            async with self._database.read() as connection:
                found = await self.next_piece(connection, number, taxonomy, after)
            if found is None:
                return
            after, rows = found
            yield rows

    async def next_piece(
        self, connection: AsyncConnection, number: int, taxonomy: Taxonomy, after: int = 0
    ) -> tuple[int, list[Judged]] | None:
        """The first piece behind another: its own number and its rows."""
        query = (
            select(LIST_PIECE.c.id, LIST_PIECE.c.body)
            .where(LIST_PIECE.c.import_id == number, LIST_PIECE.c.id > after)
            .order_by(LIST_PIECE.c.id)
            .limit(1)
        )
        row = (await connection.execute(query)).first()
        if row is None:
            return None
        packed: Any = self._database.cipher.open_json(_BODY, row.body)
        return row.id, [_unpacked(each, taxonomy) for each in packed]

    async def drop(self, number: int) -> None:
        """Forget a list that was not decided."""
        async with self._database.write() as connection:
            await self._drop(connection, number)

    async def drop_forgotten(self, now: datetime) -> None:
        """Forget lists whose process ended before they were decided."""
        async with self._database.write() as connection:
            rows = await connection.execute(
                select(LIST_IMPORT.c.id).where(
                    LIST_IMPORT.c.decided_at.is_(None),
                    LIST_IMPORT.c.created_at < now - _FORGOTTEN,
                )
            )
            for row in rows.all():
                await self._drop(connection, row.id)

    async def _drop(self, connection: AsyncConnection, number: int) -> None:
        undecided = select(LIST_IMPORT.c.id).where(
            LIST_IMPORT.c.id == number, LIST_IMPORT.c.decided_at.is_(None)
        )
        await connection.execute(delete(LIST_PIECE).where(LIST_PIECE.c.import_id.in_(undecided)))
        await connection.execute(
            delete(LIST_IMPORT).where(
                LIST_IMPORT.c.id == number, LIST_IMPORT.c.decided_at.is_(None)
            )
        )


def _unpacked(row: Any, taxonomy: Taxonomy) -> Judged:
    person = Person(**row["person"])
    rulings = []
    for tag in row["tags"]:
        if tag["slug"] not in taxonomy.by_slug:
            continue  # retired since
        expires, review = _moment(tag["expires"]), _moment(tag["review"])
        noted = Noted(
            person.resident_id, tag["slug"], tag["reason"], Ground(tag["ground"]),
            expires_at=expires,
        )  # fmt: skip
        rulings.append(
            (
                noted,
                Ruling(
                    taxonomy.by_slug[tag["slug"]],
                    tag["reason"],
                    tag["proposal"],
                    (),
                    expires,
                    review,
                ),
            )
        )
    return Judged(row["number"], person, tuple(rulings), row["already"])


def _packed(row: Judged) -> dict[str, Any]:
    return {
        "number": row.number,
        "person": asdict(row.person),
        "already": row.already,
        "tags": [
            {
                "slug": ruling.tag.slug,
                "reason": ruling.reason,
                "ground": noted.ground,
                "proposal": ruling.proposal,
                "expires": ruling.expires_at,
                "review": ruling.review_at,
            }
            for noted, ruling in row.rulings
        ],
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
