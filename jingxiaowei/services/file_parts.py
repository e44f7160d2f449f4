"""A file's rows, wherever they stand: what is counted, moved and removed as one."""

from collections.abc import Collection

from sqlalchemy import Table, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    CONSENT,
    CONTACT_POINT,
    MERGE,
    REPLY,
    REQUEST,
    SUGGESTION,
)
from jingxiaowei.store.tables import RESIDENT

# Every table of files that names a resident; whoever adds one adds it here.
PARTS: dict[str, Table] = {
    "tags": ASSIGNMENT,
    "suggestions": SUGGESTION,
    "consents": CONSENT,
    "contacts": CONTACT_POINT,
    "requests": REQUEST,
    "replies": REPLY,
}


async def count_file(connection: AsyncConnection, residents: Collection[str]) -> dict[str, int]:
    """How many rows of each kind residents have."""
    counts = {}
    for kind, table in PARTS.items():
        rows = await connection.execute(
            select(func.count()).where(table.c.resident_id.in_(residents))
        )
        counts[kind] = int(rows.scalar_one())
    return counts


async def kept_of(connection: AsyncConnection, resident_id: str) -> str:
    """The resident into whom somebody was merged; themselves, if they were not."""
    while True:
        row = (
            await connection.execute(
                select(MERGE.c.kept_id).where(
                    MERGE.c.gone_id == resident_id, MERGE.c.undone_at.is_(None)
                )
            )
        ).first()
        if row is None:
            return resident_id
        resident_id = row.kept_id


async def with_merged(connection: AsyncConnection, residents: Collection[str]) -> set[str]:
    """The residents, and all that were merged into them."""
    found, new = set(residents), set(residents)
    while new:
        rows = await connection.execute(
            select(MERGE.c.gone_id).where(MERGE.c.kept_id.in_(new), MERGE.c.undone_at.is_(None))
        )
        new = {row.gone_id for row in rows} - found
        found |= new
    return found


async def remove_parts(connection: AsyncConnection, residents: Collection[str]) -> dict[str, int]:
    """Remove what is on residents' files; how many rows of each kind went."""
    gone = {}
    for kind, table in PARTS.items():
        done = await connection.execute(delete(table).where(table.c.resident_id.in_(residents)))
        gone[kind] = done.rowcount
    return gone


async def remove_residents(
    connection: AsyncConnection, residents: Collection[str]
) -> dict[str, int]:
    """Remove residents who have no identity left, with their files; how many rows went."""
    gone = await remove_parts(connection, residents)
    merges = await connection.execute(
        delete(MERGE).where(or_(MERGE.c.kept_id.in_(residents), MERGE.c.gone_id.in_(residents)))
    )
    done = await connection.execute(delete(RESIDENT).where(RESIDENT.c.id.in_(residents)))
    return gone | {"merges": merges.rowcount, "residents": done.rowcount}
