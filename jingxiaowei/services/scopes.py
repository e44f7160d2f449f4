"""辖区: whose alerts and files an officer sees."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services.officers import Signed
from jingxiaowei.store.tables import AREA, IDENTITY, RESIDENT, SHIFT


@dataclass(frozen=True, slots=True)
class Scope:
    """The areas that an officer sees; the county desk sees all, and what has no area yet."""

    areas: frozenset[str]
    everywhere: bool

    def covers(self, area: str | None) -> bool:
        return self.everywhere or area in self.areas


async def areas_of(connection: AsyncConnection, conversations: Collection[str]) -> dict[str, str]:
    """The areas of those whose conversations these are, where they are known."""
    rows = await connection.execute(
        select(IDENTITY.c.id, RESIDENT.c.area)
        .join(RESIDENT, RESIDENT.c.id == IDENTITY.c.resident_id)
        .where(IDENTITY.c.id.in_(conversations), RESIDENT.c.area.is_not(None))
    )
    return {row.id: row.area for row in rows}


async def elsewhere(connection: AsyncConnection, what: str, area: str | None) -> str:
    """Whom to ask about something of another area: ``what`` is its subject, 这位居民."""
    if area is None:
        return f"{what}还没分辖区，要看找县局值班台。"
    row = (
        await connection.execute(select(AREA.c.station, AREA.c.phone).where(AREA.c.slug == area))
    ).one()
    return f"{what}在{row.station}辖区，要看找那里，电话 {row.phone}。"


async def scope_of(connection: AsyncConnection, officer: Signed, now: datetime) -> Scope:
    """The officer's own area, and those they are on duty for now."""
    shifts = await connection.execute(
        select(SHIFT.c.area).where(
            SHIFT.c.officer_id == officer.id, SHIFT.c.starts_at <= now, SHIFT.c.ends_at > now
        )
    )
    areas = {officer.area, *(row.area for row in shifts)}
    desk = (await connection.execute(select(AREA.c.slug).where(AREA.c.desk))).scalar_one()
    return Scope(frozenset(areas), desk in areas)
