"""Same-script cases: alerts of different residents that the radar joins, kept in step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services import radar
from jingxiaowei.services.notices import Matter, Notices, in_line
from jingxiaowei.store.alert_tables import ALERT, BAND, CASE, ENTITY, EVENT, EVIDENCE
from jingxiaowei.store.engine import Database

# What is older tells no running script; three reports within a day make it everybody's.
LOOK_BACK = timedelta(days=14)
RAISED_BY, RAISED_WITHIN = 3, timedelta(hours=24)
# A band that many alerts share is a common phrase, not a script.
_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class Print:
    """What an alert's newest message can be matched by."""

    alert_id: int
    scam_type: str
    marks: tuple[str, ...]  # keyed hashes of its strong entities
    bands: tuple[str, ...]
    sketch: radar.Sketch


class Cases:
    """Joins alerts, in the transaction that stores them."""

    def __init__(self, database: Database, notices: Notices) -> None:
        self._database = database
        self._notices = notices

    async def join(
        self, connection: AsyncConnection, prints: Sequence[Print], now: datetime
    ) -> None:
        """Look for the same script elsewhere, and join what tells it."""
        for each in prints:
            others = await self._alike(connection, each, now)
            if others:
                await self._unite(connection, each, others, now)

    async def _alike(self, connection: AsyncConnection, each: Print, now: datetime) -> list[Any]:
        """Recent alerts of other conversations that share a number or the wording."""
        own = await connection.execute(
            select(ALERT.c.conversation_id, ALERT.c.subject).where(ALERT.c.id == each.alert_id)
        )
        mine = own.one()
        elsewhere = or_(
            ALERT.c.conversation_id != mine.conversation_id, ALERT.c.subject != mine.subject
        )
        recent = (elsewhere, ALERT.c.created_at > now - LOOK_BACK)
        columns = (ALERT.c.id, ALERT.c.case_id)
        found: dict[int, Any] = {}
        if each.marks:
            rows = await connection.execute(
                select(*columns)
                .distinct()
                .join(ENTITY, ENTITY.c.alert_id == ALERT.c.id)
                .where(ENTITY.c.hash.in_(each.marks), *recent)
                .limit(_CANDIDATES)
            )
            found |= {row.id: row for row in rows}
        if each.bands:
            candidates = select(BAND.c.alert_id).distinct().where(BAND.c.hash.in_(each.bands))
            rows = await connection.execute(
                select(*columns, EVIDENCE.c.sketch, EVIDENCE.c.shingles)
                .join(EVIDENCE, EVIDENCE.c.alert_id == ALERT.c.id)
                .where(ALERT.c.id.in_(candidates), ALERT.c.scam_type == each.scam_type, *recent)
                .order_by(ALERT.c.id.desc())
                .limit(_CANDIDATES)
            )
            for row in rows:
                if radar.alike(each.sketch, radar.from_bytes(row.sketch, row.shingles)):
                    found.setdefault(row.id, row)
        return list(found.values())

    async def _unite(
        self, connection: AsyncConnection, each: Print, others: list[Any], now: datetime
    ) -> None:
        own: int | None = (
            await connection.execute(select(ALERT.c.case_id).where(ALERT.c.id == each.alert_id))
        ).scalar_one()
        cases = {row.case_id for row in others} | {own}
        known = sorted(case for case in cases if case is not None)
        if known:
            case = known[0]
        else:
            made = await connection.execute(
                insert(CASE).returning(CASE.c.id),
                [{"scam_type": each.scam_type, "created_at": now}],
            )
            case = made.scalar_one()
        joined = {row.id for row in others if row.case_id != case}
        joined |= {each.alert_id} if own != case else set()
        if not joined and len(known) < 2:
            return
        await connection.execute(
            update(ALERT)
            .where(or_(ALERT.c.id.in_(joined), ALERT.c.case_id.in_(known[1:])))
            .values(case_id=case, updated_at=now)
        )
        if known[1:]:
            await connection.execute(delete(CASE).where(CASE.c.id.in_(known[1:])))
        await connection.execute(
            insert(EVENT), [{"alert_id": id_, "at": now, "kind": "linked"} for id_ in joined]
        )
        await self._raise(connection, case, now)

    async def _raise(self, connection: AsyncConnection, case: int, now: datetime) -> None:
        """Three residents within a day: told once, to everybody next in line."""
        count = func.count(func.distinct(ALERT.c.conversation_id + ALERT.c.subject))
        recent: int = (
            await connection.execute(
                select(count).where(
                    ALERT.c.case_id == case, ALERT.c.created_at > now - RAISED_WITHIN
                )
            )
        ).scalar_one()
        if recent < RAISED_BY:
            return
        raised = await connection.execute(
            update(CASE).where(CASE.c.id == case, CASE.c.raised_at.is_(None)).values(raised_at=now)
        )
        if not raised.rowcount:
            return
        newest = (
            await connection.execute(
                select(ALERT.c.id, ALERT.c.area)
                .where(ALERT.c.case_id == case)
                .order_by(ALERT.c.id.desc())
                .limit(1)
            )
        ).one()
        people = await in_line(connection, newest.area, 1, now)
        await self._notices.enqueue(connection, Matter.alert(newest.id), "case", people, now, case)

    async def members(self, connection: AsyncConnection, alert_id: int) -> list[int]:
        """The alerts of the same case, the alert itself included."""
        case: int | None = (
            await connection.execute(select(ALERT.c.case_id).where(ALERT.c.id == alert_id))
        ).scalar_one_or_none()
        if case is None:
            return [alert_id]
        rows = await connection.execute(
            select(ALERT.c.id).where(ALERT.c.case_id == case).order_by(ALERT.c.id)
        )
        return [row.id for row in rows]

    async def detach(self, connection: AsyncConnection, alert_id: int, now: datetime) -> None:
        """An officer says that this alert is another script. A case of one is none."""
        members = await self.members(connection, alert_id)
        leave = members if len(members) <= 2 else [alert_id]
        await connection.execute(
            update(ALERT).where(ALERT.c.id.in_(leave)).values(case_id=None, updated_at=now)
        )
