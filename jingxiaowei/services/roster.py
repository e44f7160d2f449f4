"""值班: who is there now, and when else somebody will be. The one place that knows the hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone

import chinese_calendar
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.model import Calendar
from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.decision import Desk
from jingxiaowei.services.current import Content
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import OFFICER, SHIFT

LOCAL = timezone(timedelta(hours=8), "CST")  # China has one time zone and no summer time
_WEEKDAYS = "一二三四五六日"
_HORIZON = 15  # days ahead; no holiday is longer


class ShiftError(JingxiaoweiError):
    """The shift cannot be; the text says why."""


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is there now: the desk's state, and the servicers to hand a conversation to."""

    desk: Desk
    servicers: tuple[str, ...]
    officers: Mapping[str, int] = field(default_factory=dict)  # userid → officer, all active ones


def is_workday(day: date, calendar: Calendar) -> bool:
    """By the county's own days, else the national calendar, else Monday to Friday."""
    if day in calendar.extra_workdays:
        return True
    if day in calendar.extra_restdays:
        return False
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:  # what the library raises for a year it does not hold
        return day.weekday() < 5


def _spans(day: date, calendar: Calendar) -> list[tuple[datetime, datetime]]:
    """When the desk is staffed on a day."""
    hours = calendar.workday if is_workday(day, calendar) else calendar.restday
    return [(_at(day, span.split("-")[0]), _at(day, span.split("-")[1])) for span in hours]


def _at(day: date, clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    extra, hour = divmod(hour, 24)  # 24:00 is the next day's midnight
    return datetime.combine(day, time(hour, minute), LOCAL) + timedelta(days=extra)


def in_words(moment: datetime, now: datetime) -> str:
    """今天 14:00, 明天 08:30, 周一（11月23日）08:30."""
    moment, now = moment.astimezone(LOCAL), now.astimezone(LOCAL)
    days = (moment.date() - now.date()).days
    clock = f"{moment:%H:%M}"
    if days < 2:
        return f"{('今天', '明天')[days]} {clock}"
    return f"周{_WEEKDAYS[moment.weekday()]}（{moment.month}月{moment.day}日）{clock}"


def next_opening(now: datetime, calendar: Calendar, shifts: Sequence[datetime] = ()) -> datetime:
    """When somebody will be there next: the desk's hours or a rostered shift, whichever is first.

    Without either within two weeks: tomorrow at half past eight, so that nobody is told "never".
    """
    today = now.astimezone(LOCAL).date()
    starts = list(shifts)
    for ahead in range(_HORIZON):
        starts += [start for start, _ in _spans(today + timedelta(days=ahead), calendar)]
    later = [start for start in starts if start > now]
    return min(later) if later else _at(today + timedelta(days=1), "08:30")


def desk_open(now: datetime, calendar: Calendar) -> bool:
    """Whether the desk's hours are running."""
    day = now.astimezone(LOCAL).date()
    # The day before counts for a span that ends at midnight or later.
    spans = [*_spans(day - timedelta(days=1), calendar), *_spans(day, calendar)]
    return any(start <= now < end for start, end in spans)


class Roster:
    """Reads and keeps the duty roster."""

    def __init__(self, database: Database, content: Content) -> None:
        self._database = database
        self._content = content

    async def duty(self, now: datetime) -> Duty:
        """Who is there at a moment."""
        library = self._content.library
        async with self._database.read() as connection:
            servicers = await self._servicers(connection, now)
            coming = await connection.execute(
                select(SHIFT.c.starts_at).where(SHIFT.c.starts_at > now).order_by(SHIFT.c.starts_at)
            )
            starts = [row.starts_at for row in coming.fetchmany(1)]
            members = await connection.execute(
                select(OFFICER.c.wecom_userid, OFFICER.c.id).where(
                    OFFICER.c.active, OFFICER.c.wecom_userid.is_not(None)
                )
            )
            officers = {row.wecom_userid: row.id for row in members}
        staffed = bool(servicers) or desk_open(now, library.calendar)
        opens = "" if staffed else in_words(next_opening(now, library.calendar, starts), now)
        return Duty(
            Desk(staffed, opens, library.desk().phone),
            tuple(userid for userid in servicers if userid),
            officers,
        )

    async def _servicers(self, connection: AsyncConnection, now: datetime) -> list[str]:
        """The userids on duty, whoever has waited longest for work first; empty where unknown."""
        rows = await connection.execute(
            select(OFFICER.c.wecom_userid)
            .join(SHIFT, SHIFT.c.officer_id == OFFICER.c.id)
            .where(OFFICER.c.active, SHIFT.c.starts_at <= now, SHIFT.c.ends_at > now)
            .order_by(SHIFT.c.starts_at, OFFICER.c.id)
        )
        return [row.wecom_userid or "" for row in rows]

    async def add_shift(self, officer: int, area: str, starts: datetime, ends: datetime) -> None:
        """Put an officer on duty for an area.

        Raises:
            ShiftError: it ends before it starts, or there is no such area.
        """
        if ends <= starts:
            raise ShiftError("班要先开始再结束：--to 要晚于 --from")
        row = {
            "officer_id": officer,
            "area": area,
            "starts_at": starts.astimezone(UTC),
            "ends_at": ends.astimezone(UTC),
        }
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(SHIFT), [row])
        except IntegrityError:
            raise ShiftError(f"没有“{area}”这个辖区，见 areas.yaml") from None
