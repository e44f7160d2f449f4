"""Who is in an audience, for an export: looked through in pieces, so that a county fits."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.model import Library
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.audience import Person
from jingxiaowei.pipeline.audience_parser import parse
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.files_rights import ALLOWED, Act
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.scopes import Scope, scope_of
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT
from jingxiaowei.store.tables import CONVERSATION, IDENTITY, RESIDENT

_PIECE = 500
_DAY = 86_400


class Members:
    """The residents of an audience that an officer may see."""

    def __init__(self, database: Database, library: Library) -> None:
        self._database = database
        self._library = library

    async def __call__(
        self, officer: Signed, expression: str, now: datetime
    ) -> AsyncIterator[Sequence[str]]:
        """Ids in pieces, in one order at every call.

        Raises:
            AudienceError: the expression says where it cannot be read.
            PermissionDeniedError: it asks for protected tags, and the role may not.
        """
        audience = parse(expression, self._library.taxonomy, self._library.areas.keys())
        by_slug = self._library.taxonomy.by_slug
        careful = any(by_slug[slug].careful for slug in audience.tags())
        if careful and Act.SEARCH_CAREFUL not in ALLOWED[officer.role]:
            raise PermissionDeniedError("不能按受保护的标签查名单，请找民警。")
        async with self._database.read() as connection:
            scope = await scope_of(connection, officer, now)
        after = ""
        while True:
            async with self._database.read() as connection:
                ids, people = await self._piece(connection, officer, scope, after, now)
            if not ids:
                return
            after = ids[-1]
            found = [one for one in ids if audience.holds(people[one])]
            if found:
                yield found

    async def _piece(
        self,
        connection: AsyncConnection,
        officer: Signed,
        scope: Scope,
        after: str,
        now: datetime,
    ) -> tuple[list[str], dict[str, Person]]:
        query = select(RESIDENT.c.id, RESIDENT.c.area).where(RESIDENT.c.id > after)
        if not scope.everywhere:
            mine = RESIDENT.c.officer_id == officer.id
            query = query.where(or_(RESIDENT.c.area.in_(scope.areas), mine))
        rows = (await connection.execute(query.order_by(RESIDENT.c.id).limit(_PIECE))).all()
        ids = [row.id for row in rows]
        tags: dict[str, set[str]] = {one: set() for one in ids}
        for row in await connection.execute(
            select(ASSIGNMENT.c.resident_id, ASSIGNMENT.c.tag).where(
                ASSIGNMENT.c.resident_id.in_(ids), rows_of.standing_at(now)
            )
        ):
            tags[row.resident_id].add(row.tag)
        heard = {
            row.resident_id: row.heard_at
            for row in await connection.execute(
                select(IDENTITY.c.resident_id, func.max(CONVERSATION.c.heard_at).label("heard_at"))
                .join(CONVERSATION, CONVERSATION.c.id == IDENTITY.c.id)
                .where(IDENTITY.c.resident_id.in_(ids))
                .group_by(IDENTITY.c.resident_id)
            )
            if row.heard_at is not None
        }
        return ids, {
            row.id: Person(
                frozenset(tags[row.id]),
                row.area or "",
                (now - heard[row.id]).total_seconds() / _DAY if row.id in heard else None,
            )
            for row in rows
        }
