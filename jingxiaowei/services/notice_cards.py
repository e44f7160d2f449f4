"""What a card shows: the alerts and emergencies that it is about, the most urgent first.

No name, no number and no word of the resident's stands on a card: WeCom keeps it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services.alerts_words import SHAPES, TRANSFERS, TYPES, URGENCY, money
from jingxiaowei.services.notices import HEADS, About, Matter
from jingxiaowei.services.residents_words import NEEDS
from jingxiaowei.store.alert_tables import ALERT
from jingxiaowei.store.tables import AREA, TICKET, TicketState

SHOWN = 5  # lines and buttons of one card
MARK = "▲求助"
_NOBODY_YET = {"line", "emergency_line"}


@dataclass(frozen=True, slots=True)
class CardLine:
    """One matter on a card.

    Attributes:
        key: what a tap on its button brings back.
    """

    key: str
    mark: str  # ■已转
    title: str  # 冒充老板·约 5 万元
    claimable: bool


@dataclass(frozen=True, slots=True)
class Card:
    """What an officer is shown."""

    task_id: str
    title: str
    desc: str
    lines: tuple[CardLine, ...]
    retried: bool = False


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line, and where one rings when nobody claims it."""

    line: CardLine
    station: str
    phone: str


async def draw(
    connection: AsyncConnection, task_id: str, kinds: Mapping[Matter, str], retried: bool
) -> Card:
    """The card of some matters, each with the kind of news that is told of it."""
    tickets = await _tickets(connection, _numbers(kinds, About.TICKET))
    alerts = await _alerts(connection, _numbers(kinds, About.ALERT))
    entries = [*tickets, *alerts]
    lines = tuple(entry.line for entry in entries[:SHOWN])
    news = set(kinds.values())
    if len(entries) == 1:
        title, desc = f"{lines[0].mark}｜{lines[0].title}", HEADS[next(iter(news))]
    else:
        what = "预警" if not tickets else "求助" if not alerts else "求助和预警"
        title = f"{len(entries)} 件{what}"
        title += f"，最急的 {lines[0].mark}" if lines else ""
        desc = "、".join(HEADS[kind] for kind in HEADS if kind in news)
        if len(entries) > SHOWN:
            desc += f"；另有 {len(entries) - SHOWN} 件，到网页上看"
    if entries and news & _NOBODY_YET:
        desc += "。" + await _phone_tree(connection, entries[0])
    return Card(task_id, title, desc, lines, retried)


def _numbers(matters: Collection[Matter], about: About) -> list[int]:
    return [matter.id for matter in matters if matter.about is about]


async def _tickets(connection: AsyncConnection, ids: Collection[int]) -> list[_Entry]:
    """The longest waiting first."""
    if not ids:
        return []
    rows = await connection.execute(
        select(
            TICKET.c.id, TICKET.c.code, TICKET.c.need, TICKET.c.state, AREA.c.station, AREA.c.phone
        )
        .join(AREA, AREA.c.slug == TICKET.c.area)
        .where(TICKET.c.id.in_(ids))
        .order_by(TICKET.c.id)
    )
    return [
        _Entry(
            CardLine(
                Matter.ticket(row.id).key,
                MARK,
                f"{NEEDS[row.need]}·工单 {row.code}",
                row.state is TicketState.OPEN,
            ),
            row.station,
            row.phone,
        )
        for row in rows
    ]


async def _alerts(connection: AsyncConnection, ids: Collection[int]) -> list[_Entry]:
    """By what has become of the money."""
    if not ids:
        return []
    rows = await connection.execute(
        select(
            ALERT.c.id,
            ALERT.c.scam_type,
            ALERT.c.transfer,
            ALERT.c.amount,
            ALERT.c.claimed_by,
            AREA.c.station,
            AREA.c.phone,
        )
        .join(AREA, AREA.c.slug == ALERT.c.area)
        .where(ALERT.c.id.in_(ids))
    )
    return [
        _Entry(
            CardLine(
                Matter.alert(row.id).key,
                SHAPES[row.transfer] + TRANSFERS[row.transfer],
                "·".join(filter(None, (TYPES[row.scam_type], money(row.amount)))),
                row.claimed_by is None,
            ),
            row.station,
            row.phone,
        )
        for row in sorted(rows.all(), key=lambda row: (URGENCY.get(row.transfer, 9), row.id))
    ]


async def _phone_tree(connection: AsyncConnection, first: _Entry) -> str:
    """Whom to ring, when the cards wake nobody."""
    desk: Any = (
        await connection.execute(select(AREA.c.station, AREA.c.phone).where(AREA.c.desk))
    ).one()
    steps = list(dict.fromkeys(((first.station, first.phone), (desk.station, desk.phone))))
    return "打电话叫人：" + "，".join(
        f"{number} {station} {phone}" for number, (station, phone) in enumerate(steps, 1)
    )
