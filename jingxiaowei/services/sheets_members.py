"""Who is in an audience, for an export: looked through in pieces, so that a county fits."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from sqlalchemy import select

from jingxiaowei.content.model import Library
from jingxiaowei.pipeline.audience_parser import parse
from jingxiaowei.services.audience_query import residents_of
from jingxiaowei.services.files_rights import Act, require
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.scopes import scope_of
from jingxiaowei.store.engine import Database

_PIECE = 500


class Members:
    """The residents of an audience that an officer may see. The export leaves the trace."""

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
        taxonomy = self._library.taxonomy
        audience = parse(expression, taxonomy, self._library.areas)
        if any(taxonomy.by_slug[slug].careful for slug in audience.tags()):
            require(officer.role, Act.SEARCH_CAREFUL)
        async with self._database.read() as connection:
            scope = await scope_of(connection, officer, now)
        found = residents_of(audience, scope, now).subquery()
        after = ""
        while True:
            query = select(found.c.id).where(found.c.id > after).order_by(found.c.id).limit(_PIECE)
            async with self._database.survey() as connection:
                ids = [row.id for row in await connection.execute(query)]
            if not ids:
                return
            yield ids
            after = ids[-1]
