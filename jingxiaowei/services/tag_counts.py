"""How many residents have each tag. Small numbers are not told: they point at people."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.files_rights import ALLOWED, Act
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.tagging_rows import standing_at
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT

SMALLEST = 20


class TagCounts:
    """Counts for the page of the taxonomy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, officer: Signed, now: datetime) -> Mapping[str, int]:
        """Residents by tag, of the whole county; tags of fewer than :data:`SMALLEST` left out."""
        if not {Act.COUNT, Act.SURGERY} & ALLOWED[officer.role]:
            raise PermissionDeniedError("审计员只看操作留痕。")
        n = func.count()
        query = (
            select(ASSIGNMENT.c.tag, n.label("n"))
            .where(standing_at(now))
            .group_by(ASSIGNMENT.c.tag)
            .having(n >= SMALLEST)
        )
        async with self._database.survey() as connection:
            return {row.tag: row.n for row in await connection.execute(query)}
