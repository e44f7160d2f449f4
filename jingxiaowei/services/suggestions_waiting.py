"""Suggestions that somebody is to decide, with what each would take the place of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.services.tagging_rows import CURRENT
from jingxiaowei.services.tagging_rules import Names
from jingxiaowei.services.tagging_values import QUOTE
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.file_tables import ASSIGNMENT


@dataclass(frozen=True, slots=True)
class Waiting:
    """A suggestion that somebody is to decide.

    ``instead``: names by slug of what it would take the place of on the file; a protected tag is
    not told of here.
    """

    id: int
    resident_id: str
    tag: str
    name: str
    careful: bool
    proposed_by: str  # 辅警王芳, or empty: a cue
    source: str
    quote: str
    inbox_id: int | None
    created_at: datetime
    instead: Mapping[str, str]


async def shown(
    connection: AsyncConnection,
    cipher: Cipher,
    taxonomy: Taxonomy,
    names: Names,
    rows: Sequence[Any],
) -> list[Waiting]:
    """Rows of suggestions as they are decided upon."""
    by_slug = taxonomy.by_slug
    held = await _general(connection, taxonomy, {row.resident_id for row in rows})
    return [
        Waiting(
            row.id,
            row.resident_id,
            row.tag,
            by_slug[row.tag].name,
            by_slug[row.tag].careful,
            names(row.proposed_by) if row.proposed_by is not None else "",
            row.source,
            cipher.open(QUOTE, row.quote),
            row.inbox_id,
            row.created_at,
            {
                slug: by_slug[slug].name
                for slug in held.get(row.resident_id, ())
                if slug in taxonomy.conflicts(row.tag)
            },
        )
        for row in rows
        if row.tag in by_slug
    ]


async def _general(
    connection: AsyncConnection, taxonomy: Taxonomy, residents: Collection[str]
) -> Mapping[str, list[str]]:
    """The general tags on residents' files."""
    held: dict[str, list[str]] = {}
    if residents:
        rows = await connection.execute(
            select(ASSIGNMENT.c.resident_id, ASSIGNMENT.c.tag)
            .where(ASSIGNMENT.c.resident_id.in_(residents), CURRENT)
            .where(ASSIGNMENT.c.tag.in_([tag.slug for tag in taxonomy.tags if not tag.careful]))
            .order_by(ASSIGNMENT.c.id)
        )
        for row in rows:
            held.setdefault(row.resident_id, []).append(row.tag)
    return held
