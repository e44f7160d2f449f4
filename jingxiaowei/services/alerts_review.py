"""The review of one alert: what was said, how far the script is, why, and whom it touches.

Words are shown with numbers veiled; the original takes a reason of the officer's own. Every look
is let in by the gate, which records it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.screen.values import (
    EntityKind,
    Screening,
    Stage,
    Transfer,
)
from jingxiaowei.services.alerts_pictures import Picture, pictures_of
from jingxiaowei.services.alerts_rights import Act
from jingxiaowei.services.alerts_rows import Row, make_rows, open_evidence
from jingxiaowei.services.alerts_steps import Steps
from jingxiaowei.services.alerts_text import Piece, pieces, veil
from jingxiaowei.services.alerts_values import (
    CONTACT_BODY,
    ENTITY_VALUE,
    EVENT_BODY,
    NOTE,
    AlertConflictError,
)
from jingxiaowei.services.alerts_words import (
    CHANNELS,
    ENTITIES,
    EVENTS,
    LADDER,
    SPECIMENS,
    STAGES,
    STEP,
    TRANSFERS,
    TYPES,
    VERDICTS,
    mask_value,
    money,
)
from jingxiaowei.services.notices import said_by
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.store.alert_tables import ALERT, CONTACT, ENTITY, EVENT, EVIDENCE
from jingxiaowei.store.tables import AREA, IDENTITY


@dataclass(frozen=True, slots=True)
class Step:
    """A rung of the ladder."""

    number: int
    stage: str
    seen: bool
    furthest: bool
    likely: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """为什么: words that counted, for or against, and how much."""

    quote: str
    what: str  # a stage, or why it lowered the score
    weight: float
    lowers: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A message that the alert rests on."""

    at: datetime
    pieces: tuple[Piece, ...]
    reasons: tuple[Reason, ...]
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """An entity, masked, and how many other alerts name it."""

    kind: str
    value: str
    elsewhere: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the timeline."""

    at: datetime
    what: str
    who: str


@dataclass(frozen=True, slots=True)
class Review:
    """Everything that one alert's page shows."""

    row: Row
    said: tuple[Said, ...]
    ladder: tuple[Step, ...]
    marks: tuple[Mark, ...]
    same: tuple[Row, ...]
    moments: tuple[Moment, ...]
    channel: str
    specimen: str
    score: float
    note: str
    prevented: int | None
    loss: int | None
    original: bool

    @property
    def lowered(self) -> bool:
        """Whether anything lowered the score."""
        return any(reason.lowers for said in self.said for reason in said.reasons)


class AlertReviews:
    """Reads one alert for the console."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def review(
        self, officer: Signed, alert_id: int, now: datetime, reason: str = ""
    ) -> Review:
        """One alert in full, numbers veiled; with a reason, unveiled (看原文)."""
        act = Act.ORIGINAL if reason else Act.VIEW
        async with self._steps.database.write() as connection:
            row = await self._steps.enter(connection, officer, act, alert_id, now, reason)
            return await self._review(connection, row, officer, now, bool(reason))

    async def _review(
        self,
        connection: AsyncConnection,
        row: Any,
        officer: Signed,
        now: datetime,
        original: bool,
    ) -> Review:
        evidence = (
            await connection.execute(
                select(EVIDENCE).where(EVIDENCE.c.alert_id == row.id).order_by(EVIDENCE.c.id)
            )
        ).all()
        cipher = self._steps.database.cipher
        opened = [(each, *open_evidence(cipher, each)) for each in evidence]
        seen = {signal.stage for _, _, screening in opened for signal in screening.signals}
        pictures = await pictures_of(
            connection, cipher, [(each.inbox_id, text, found) for each, text, found in opened]
        )
        said = [
            Said(
                each.at,
                pieces(text, screening, original),
                reasons_of(text, screening, original),
                pictures.get(each.inbox_id),
            )
            for each, text, screening in opened
        ]
        same: Sequence[Any] = ()
        if row.case_id is not None:
            scope = await self._steps.rights.scope(connection, officer, now)
            rows = await connection.execute(
                select(ALERT).where(ALERT.c.case_id == row.case_id, ALERT.c.id != row.id)
            )
            same = [r for r in rows.all() if scope.covers(r.area)]
        channel = (
            await connection.execute(
                select(IDENTITY.c.channel).where(IDENTITY.c.id == row.conversation_id)
            )
        ).scalar()
        return Review(
            (await self._rows(connection, [row], officer))[0],
            tuple(said),
            _ladder(seen, row.next_stage),
            await self._marks(connection, row.id, original),
            tuple(await self._rows(connection, same, officer)),
            await self._moments(connection, row.id),
            CHANNELS.get(channel or "", ""),
            SPECIMENS.get(row.specimen, ""),
            row.score,
            cipher.open(NOTE, row.note) if row.note else "",
            row.prevented,
            row.loss,
            original,
        )

    async def _rows(
        self, connection: AsyncConnection, found: Sequence[Any], officer: Signed
    ) -> list[Row]:
        steps = self._steps
        return await make_rows(connection, steps.database.cipher, steps.officers, found, officer)

    async def _marks(
        self, connection: AsyncConnection, alert_id: int, original: bool
    ) -> tuple[Mark, ...]:
        rows = (
            await connection.execute(
                select(ENTITY).where(ENTITY.c.alert_id == alert_id).order_by(ENTITY.c.id)
            )
        ).all()
        counts = await connection.execute(
            select(ENTITY.c.hash, func.count(func.distinct(ENTITY.c.alert_id)).label("n"))
            .where(ENTITY.c.hash.in_([row.hash for row in rows]))
            .group_by(ENTITY.c.hash)
        )
        others = {row.hash: row.n - 1 for row in counts}
        found = []
        for row in rows:
            value = self._steps.database.cipher.open(ENTITY_VALUE, row.value)
            shown = value if original and row.kind != EntityKind.AMOUNT else None
            elsewhere = 0 if row.kind == EntityKind.AMOUNT else others[row.hash]
            found.append(Mark(ENTITIES[row.kind], shown or mask_value(row.kind, value), elsewhere))
        return tuple(found)

    async def _moments(self, connection: AsyncConnection, alert_id: int) -> tuple[Moment, ...]:
        people = await self._steps.officers.names(connection)
        rows = await connection.execute(
            select(EVENT).where(EVENT.c.alert_id == alert_id).order_by(EVENT.c.id)
        )
        moments = []
        for row in rows:
            sealed = row.body
            body = self._steps.database.cipher.open_json(EVENT_BODY, sealed) if sealed else {}
            who = people.get(row.officer_id)
            moments.append(
                Moment(
                    row.at,
                    _in_words(row.kind, body),
                    said_by(who.role, who.name) if who else "机器人",
                )
            )
        return tuple(moments)

    async def handover(self, officer: Signed, alert_id: int, now: datetime) -> str:
        """110 交接单: what 110 asks for, as text to copy. For 已转 only."""
        async with self._steps.step(officer, Act.HANDOVER, alert_id, now) as (connection, row):
            if row.transfer != Transfer.DONE:
                raise AlertConflictError("钱没有转出，不用交接单。")
            review = await self._review(connection, row, officer, now, original=True)
            sealed = (
                await connection.execute(
                    select(CONTACT.c.body).where(CONTACT.c.alert_id == alert_id)
                )
            ).scalar()
            given = self._steps.database.cipher.open_json(CONTACT_BODY, sealed) if sealed else {}
            station = (
                await connection.execute(select(AREA).where(AREA.c.slug == officer.area))
            ).one()
        return _sheet(review, row, given, officer, station)


def reasons_of(text: str, screening: Screening, original: bool) -> tuple[Reason, ...]:
    """What raised and what lowered the score of a text, in this order."""
    shown = text if original else veil(text, screening)
    raised = [
        Reason(shown[s.start : s.end], STAGES.get(s.stage, "其他"), s.weight)
        for s in screening.signals
    ]
    lowered = [
        Reason(shown[e.start : e.end], f"降分：{e.because}", e.weight, lowers=True)
        for e in screening.exemptions
    ]
    return (*raised, *lowered)


def _ladder(seen: set[Stage], next_stage: str) -> tuple[Step, ...]:
    """The script's ten stages in its own order."""
    furthest = max((STEP[stage] for stage in seen if stage in STEP), default=0)
    return tuple(
        Step(
            STEP[stage],
            STAGES[stage],
            stage in seen,
            STEP[stage] == furthest,
            stage == next_stage and stage not in seen,
        )
        for stage in LADDER
    )


def _in_words(kind: str, body: Mapping[str, Any]) -> str:
    """A line of the timeline."""
    text = EVENTS.get(kind, kind)
    if kind == "transfer":
        return f"{text}：{TRANSFERS[body['to']]}"
    if kind == "told":
        return f"{text} {body['n']} 位值班人员" if body["n"] else "没有值班人员可通知"
    if kind == "line":
        return f"{text}（{body['n']} 位）" if body["n"] else "没人认领，没有下一位可通知"
    if kind == "advised":
        return f"{text}（{'打电话' if body.get('how') == 'call' else '发消息'}）"
    if kind == "closed":
        return f"{text}：{VERDICTS[body['verdict']]}"
    if kind == "verdict_sent":
        return f"{text}（{body['n']} 位问过的人）"
    return text


def _sheet(
    review: Review, row: Any, given: Mapping[str, str], officer: Signed, station: Any
) -> str:
    """The hand-over sheet, a line each, what is unknown left to be asked."""
    named: dict[str, list[str]] = {}
    for mark in review.marks:
        named.setdefault(mark.kind, []).append(mark.value)
    moved = row.transfer_at.astimezone(LOCAL)
    ask = "（待问）"
    lines = [
        "110 交接单（要紧急止付）",
        f"编号：预警 {row.id}",
        f"类型：{TYPES[row.scam_type]}",
        f"转账：{moved:%Y-%m-%d %H:%M} 得知已转；实际时间{ask}",
        f"金额：{money(row.amount) or given.get('sum') or ask}",
        f"谁要求：{given.get('who') or ask}，在哪里：{given.get('where') or ask}",
        f"对方账号：{'、'.join(named.pop('账号', [])) or ask}",
    ]
    named.pop("金额", None)
    lines += [f"对方{kind}：{'、'.join(values)}" for kind, values in named.items()]
    lines += [
        f"报警人：{given.get('name') or ask}，电话 {given.get('phone') or ask}",
        f"单位：{given.get('company') or ask}，所在镇 {given.get('town') or ask}",
        f"移交：{station.station}{said_by(officer.role, officer.name)}，电话 {station.phone}",
    ]
    return "\n".join(lines)
