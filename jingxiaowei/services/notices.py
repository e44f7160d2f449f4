"""Telling officers: who is next in line, and what they are to be told, written as notices.

A notice is written in the transaction of what it tells of; :mod:`.notice_delivery` sends it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services.alerts_words import ROLES
from jingxiaowei.store.alert_tables import IS_WAITING, NOTICE, NoticeState
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import AREA, OFFICER, SHIFT, Role

HEADS = {
    "new": "新预警",
    "transfer": "转账情况有变",
    "line": "还没人认领",
    "silent_call": "居民沉默，该打电话",
    "silent_visit": "居民还是沉默，该上门",
    "lost_pending": "已被骗，待民警确认",
    "case": "同一话术，一天三起",
    "emergency": "新的紧急求助，居民已看到 110 提示",
    "emergency_line": "紧急求助还没人认领",
}
_ASKING = ("new", "line", "emergency", "emergency_line")  # what a claim answers
LAST_IN_LINE = 2  # the last place that :func:`in_line` knows
_WORKERS = (Role.POLICE, Role.AUXILIARY)
_KEY = re.compile(r"(claim|ticket)-([0-9]{1,18})", re.ASCII)


class About(StrEnum):
    """The beginning of a button's key."""

    ALERT = "claim"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Matter:
    """What officers are told of: an alert (预警), or the ticket of an emergency (紧急求助)."""

    about: About
    id: int

    @classmethod
    def alert(cls, number: int) -> "Matter":
        return cls(About.ALERT, number)

    @classmethod
    def ticket(cls, number: int) -> "Matter":
        return cls(About.TICKET, number)

    @classmethod
    def of(cls, row: Any) -> "Matter":
        """What a notice's row is about."""
        return cls.ticket(row.ticket_id) if row.alert_id is None else cls.alert(row.alert_id)

    @classmethod
    def parse(cls, key: str) -> "Matter | None":
        """The matter of a button; None where the key is not one of ours."""
        found = _KEY.fullmatch(key)
        return cls(About(found[1]), int(found[2])) if found else None

    @property
    def key(self) -> str:
        """The key of a card's button: claim-7, ticket-7."""
        return f"{self.about}-{self.id}"


async def in_line(connection: AsyncConnection, area: str, line: int, now: datetime) -> list[int]:
    """Who is told at this place of the line.

    0: on duty for the area, else on duty at the county desk. 1: both, and the area's police.
    2: the county desk's police as well. At a place where nobody stands the next one is asked.
    """
    on_shift = select(SHIFT.c.officer_id).where(SHIFT.c.starts_at <= now, SHIFT.c.ends_at > now)
    desk = select(AREA.c.slug).where(AREA.c.desk).scalar_subquery()
    here = OFFICER.c.id.in_(on_shift.where(SHIFT.c.area == area))
    at_desk = OFFICER.c.id.in_(on_shift.where(SHIFT.c.area == desk))
    areas_police = (OFFICER.c.area == area) & (OFFICER.c.role == Role.POLICE)
    desk_police = (OFFICER.c.area == desk) & (OFFICER.c.role == Role.POLICE)
    places = (
        (here,),
        (at_desk,),
        (here | at_desk | areas_police,),
        (here | at_desk | areas_police | desk_police,),
    )
    first = {0: 0, 1: 2}.get(line, 3)
    for (condition,) in places[first:]:
        rows = await connection.execute(
            select(OFFICER.c.id)
            .where(
                condition,
                OFFICER.c.active,
                OFFICER.c.role.in_(_WORKERS),
                OFFICER.c.wecom_userid.is_not(None),
            )
            .order_by(OFFICER.c.id)
        )
        found = [row.id for row in rows]
        if found:
            return found
    return []


class Notices:
    """Writes notices, in the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enqueue(
        self,
        connection: AsyncConnection,
        matter: Matter,
        kind: str,
        officers: Sequence[int],
        now: datetime,
        step: object = "",
    ) -> None:
        """Have officers told, in the caller's transaction; a retry adds nothing."""
        rows = [
            {
                "key": token("notice", matter.id, kind, step, officer),
                "officer_id": officer,
                "alert_id": matter.id if matter.about is About.ALERT else None,
                "ticket_id": matter.id if matter.about is About.TICKET else None,
                "kind": kind,
                "state": NoticeState.PENDING,
                "reason": "",
                "attempts": 0,
                "card": "",
                "response_code": "",
                "outdated": False,
                "created_at": now,
                "not_before": now,
            }
            for officer in officers
        ]
        if rows:
            put = self._database.insert(NOTICE).on_conflict_do_nothing(index_elements=["key"])
            await connection.execute(put, rows)

    async def retire(self, connection: AsyncConnection, matters: Sequence[Matter]) -> None:
        """They were claimed: what waits to ask for that is dropped, sent cards change."""
        alerts = [matter.id for matter in matters if matter.about is About.ALERT]
        tickets = [matter.id for matter in matters if matter.about is About.TICKET]
        of_these = NOTICE.c.alert_id.in_(alerts) | NOTICE.c.ticket_id.in_(tickets)
        await connection.execute(
            update(NOTICE)
            .where(of_these, IS_WAITING, NOTICE.c.kind.in_(_ASKING))
            .values(state=NoticeState.DROPPED)
        )
        cards = select(NOTICE.c.card).where(of_these, NOTICE.c.card != "")
        await connection.execute(
            update(NOTICE)
            .where(NOTICE.c.card.in_(cards), NOTICE.c.response_code != "")
            .values(outdated=True, attempts=0, leased_until=None)
        )

    async def note_code(
        self, connection: AsyncConnection, card: str, userid: str, response_code: str
    ) -> None:
        """A tap on a card brought a fresh code for it, and used up the old one."""
        if not response_code:
            return
        mine = select(OFFICER.c.id).where(OFFICER.c.wecom_userid == userid).scalar_subquery()
        await connection.execute(
            update(NOTICE)
            .where(NOTICE.c.card == card, NOTICE.c.officer_id == mine)
            .values(response_code=response_code, outdated=True, attempts=0, leased_until=None)
        )


def said_by(role: Role, name: str) -> str:
    """辅警王芳."""
    return f"{ROLES[role]}{name}"
