"""圈人: how many, who, and why somebody is in or out. Small numbers are never broken down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.audience import AllOf, Audience, Line, Person
from jingxiaowei.pipeline.audience_parser import parse
from jingxiaowei.services.audience_query import residents_of, residents_where
from jingxiaowei.services.current import Content
from jingxiaowei.services.files_rights import Act, FileRights, Subject, require
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.scopes import Scope
from jingxiaowei.services.tagging_rows import standing_at
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, AUDIENCE
from jingxiaowei.store.tables import CONVERSATION, IDENTITY, RESIDENT

SMALLEST = 20  # fewer are not broken down: a small group is a person
OTHERS = "其他"


@dataclass(frozen=True, slots=True)
class Count:
    """How many belong to an audience.

    Attributes:
        by_area: by area slug, small ones together as :data:`OTHERS`; empty below 20.
        by_group: how many have a general tag of a tag group, by its slug, where that was asked;
            see :func:`telling`.
        emptied_by: for nobody at all: the condition with which the last one was lost.
    """

    total: int
    by_area: dict[str, int] = field(default_factory=dict)
    by_group: dict[str, int] = field(default_factory=dict)
    emptied_by: str = ""


class Audiences:
    """Counts, lists, explains and saves audiences.

    Raises, throughout: AudienceError (pipeline) for an expression that cannot be read;
    PermissionDeniedError where the role may not, or not by careful tags.
    """

    def __init__(self, database: Database, content: Content, rights: FileRights) -> None:
        self._database = database
        self._content = content
        self._rights = rights

    def read(self, text: str) -> Audience:
        """An expression as an audience of the taxonomy in force."""
        library = self._content.library
        return parse(text, library.taxonomy, library.areas)

    async def count(
        self, officer: Signed, text: str, now: datetime, *, grouped: bool = False
    ) -> Count:
        """How many, within the officer's areas.

        Args:
            grouped: by tag group too, which reads all tags of all members.
        """
        audience = self.read(text)
        async with self._database.write() as connection:
            scope = await self._enter(connection, officer, Act.COUNT, audience, now, str(audience))
        async with self._database.survey() as connection:
            found = residents_of(audience, scope, now).subquery()
            rows = await connection.execute(
                select(found.c.area, func.count().label("n")).group_by(found.c.area)
            )
            counts = {row.area: int(row.n) for row in rows}
            total = sum(counts.values())
            if not total:
                return Count(0, emptied_by=await self._emptied_by(connection, audience, scope, now))
            groups: dict[str, int] = {}
            if grouped and total >= SMALLEST:
                groups = await self._by_group(connection, select(found.c.id), now)
        return Count(total, broken_down(counts), telling(groups, total))

    async def _by_group(
        self, connection: AsyncConnection, members: Select[tuple[str]], now: datetime
    ) -> dict[str, int]:
        """Members with a general tag of each group; protected tags stay out of it."""
        groups = {
            tag.slug: tag.group for tag in self._content.library.taxonomy.tags if not tag.careful
        }
        group = case(groups, value=ASSIGNMENT.c.tag)
        rows = await connection.execute(
            select(
                group.label("of"), func.count(func.distinct(ASSIGNMENT.c.resident_id)).label("n")
            )
            .where(
                ASSIGNMENT.c.resident_id.in_(members),
                ASSIGNMENT.c.tag.in_(groups),
                standing_at(now),
            )
            .group_by(group)
        )
        return {row.of: int(row.n) for row in rows}

    async def members(
        self,
        officer: Signed,
        text: str,
        now: datetime,
        *,
        reason: str,
        after: str = "",
        limit: int = 1000,
    ) -> list[str]:
        """Residents' ids in order, a page at a time; for police, with a reason."""
        if not reason.strip():
            raise TagRefusedError("写明用途。")
        audience = self.read(text)
        async with self._database.write() as connection:
            scope = await self._enter(
                connection, officer, Act.LIST_AUDIENCE, audience, now, f"{reason[:40]} {audience}"
            )
        async with self._database.survey() as connection:
            found = residents_of(audience, scope, now).subquery()
            rows = await connection.execute(
                select(found.c.id).where(found.c.id > after).order_by(found.c.id).limit(limit)
            )
            return [row.id for row in rows]

    async def explain(
        self, officer: Signed, text: str, resident_id: str, now: datetime
    ) -> tuple[bool, tuple[Line, ...]]:
        """Whether one resident belongs, and why or why not, line by line."""
        audience = self.read(text)
        async with self._database.write() as connection:
            row = (
                await connection.execute(select(RESIDENT).where(RESIDENT.c.id == resident_id))
            ).first()
            if row is None:
                raise TagRefusedError("没有这位居民。")
            await self._rights.inside(
                connection, officer, Subject(row.id, row.area, row.officer_id), now
            )
            await self._enter(
                connection, officer, Act.COUNT, audience, now, str(audience), resident_id
            )
            person = await person_of(connection, row, now)
        return audience.holds(person), audience.explain(person)

    async def save(self, officer: Signed, name: str, text: str, now: datetime) -> int:
        """Keep an expression under a name; its id."""
        if not 0 < len(name.strip()) <= 40:
            raise TagRefusedError("起个名字，最多 40 个字。")
        audience = self.read(text)
        try:
            async with self._database.write() as connection:
                await self._enter(connection, officer, Act.SAVE_AUDIENCE, audience, now, "")
                row = {
                    "name": name.strip(),
                    "expression": str(audience),
                    "officer_id": officer.id,
                    "created_at": now,
                }
                made = await connection.execute(insert(AUDIENCE).returning(AUDIENCE.c.id), [row])
                id_: int = made.scalar_one()
                return id_
        except IntegrityError:
            raise TagConflictError(f"已经有叫“{name.strip()}”的受众。") from None

    async def saved(self, officer: Signed) -> dict[str, str]:
        """Names and expressions of what was saved."""
        require(officer.role, Act.COUNT)
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(AUDIENCE.c.name, AUDIENCE.c.expression).order_by(AUDIENCE.c.id)
            )
            return {row.name: row.expression for row in rows}

    async def _enter(
        self,
        connection: AsyncConnection,
        officer: Signed,
        act: Act,
        audience: Audience,
        now: datetime,
        reason: str,
        resident_id: str = "",
    ) -> Scope:
        require(officer.role, act)
        by_slug = audience.taxonomy.by_slug
        if any(by_slug[slug].careful for slug in audience.tags() if slug in by_slug):
            require(officer.role, Act.SEARCH_CAREFUL)
        await self._rights.record(connection, officer, act, [resident_id], reason)
        return await self._rights.scope(connection, officer, now)

    async def _emptied_by(
        self, connection: AsyncConnection, audience: Audience, scope: Scope, now: datetime
    ) -> str:
        """The part of the expression with which the last resident was lost, in its own words."""
        clause = audience.to_clauses()
        parts = clause.of if isinstance(clause, AllOf) else (clause,)
        for i, part in enumerate(parts, 1):
            some = residents_where(AllOf(tuple(parts[:i])), scope, now).limit(1)
            if (await connection.execute(some)).first() is None:
                return in_words(part, audience)
        return ""


def in_words(clause: Any, audience: Audience) -> str:
    """A part of the normal form as an officer reads it."""
    if hasattr(clause, "of"):
        joint = "且" if isinstance(clause, AllOf) else "或"
        return joint.join(in_words(part, audience) for part in clause.of)
    tag = audience.taxonomy.by_slug.get(str(clause.value))
    words = {
        "tag": tag.name if tag else str(clause.value),
        "area": f"辖区 {clause.value}",
        "contacted": f"{clause.value} 天内联系过",
    }[clause.kind]
    return words if clause.wanted else f"非{words}"


async def person_of(connection: AsyncConnection, resident: Any, now: datetime) -> Person:
    """A resident as an audience asks about them."""
    tags = await connection.execute(
        select(ASSIGNMENT.c.tag).where(ASSIGNMENT.c.resident_id == resident.id, standing_at(now))
    )
    heard = await connection.execute(
        select(CONVERSATION.c.heard_at)
        .join(IDENTITY, IDENTITY.c.id == CONVERSATION.c.id)
        .where(IDENTITY.c.resident_id == resident.id, CONVERSATION.c.heard_at.is_not(None))
        .order_by(CONVERSATION.c.heard_at.desc())
        .limit(1)
    )
    last: datetime | None = heard.scalar()
    days = (now - last).total_seconds() / 86_400 if last is not None else None
    return Person(frozenset(row.tag for row in tags), resident.area or "", days)


def telling(groups: Mapping[str, int], total: int) -> dict[str, int]:
    """Of the groups those that single nobody out: neither few have them, nor few lack them."""
    return {
        group: n
        for group, n in groups.items()
        if n >= SMALLEST and (n == total or total - n >= SMALLEST)
    }


def broken_down(counts: dict[str | None, int]) -> dict[str, int]:
    """Counts by area, the small ones together, so that no small one can be worked out."""
    if sum(counts.values()) < SMALLEST:
        return {}
    shown = {area: n for area, n in counts.items() if area is not None and n >= SMALLEST}
    rest = sum(counts.values()) - sum(shown.values())
    while 0 < rest < SMALLEST and shown:
        least = min(shown, key=lambda area: shown[area])
        rest += shown.pop(least)
    return shown | ({OTHERS: rest} if rest else {})
