"""预警: what the screening saw becomes alerts, in the turn's own transaction.

One alert stands for a conversation and a script while it is open; a unique index says so, and
each message is counted once. Alert, evidence, entities, notices and the reply commit together.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.screen.values import (
    ScamType,
    Screening,
    Transfer,
    Verdict,
)
from jingxiaowei.services import radar
from jingxiaowei.services.alerts_cases import Cases, Print
from jingxiaowei.services.alerts_speech import Speech
from jingxiaowei.services.alerts_values import (
    ENTITY_VALUE,
    EVENT_BODY,
    EVIDENCE_BODY,
    Sighting,
    sums,
)
from jingxiaowei.services.alerts_words import STEP
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.current import Content
from jingxiaowei.services.notices import Matter, Notices, in_line
from jingxiaowei.services.roster import desk_open
from jingxiaowei.services.scopes import areas_of
from jingxiaowei.store.alert_tables import (
    ALERT,
    BAND,
    ENTITY,
    EVENT,
    EVIDENCE,
    IS_OPEN,
    AlertState,
)
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import AREA, SHIFT

# How long an alert may wait for somebody to claim it before the next in line is told.
CLAIM_URGENT, CLAIM = timedelta(minutes=2), timedelta(minutes=5)
# How long a resident may be silent before anything happens; afterwards the watch goes on.
SILENCE, SILENCE_DONE = timedelta(minutes=5), timedelta(minutes=10)
_MONEY_MOVES = frozenset({Transfer.DONE, Transfer.IN_PROGRESS})
_VAGUE = frozenset({ScamType.OTHER, ScamType.NONE})


class Alerts:
    """Writes alerts for the ledger. Reads no clock."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        content: Content,
        speech: Speech,
        notices: Notices,
        cases: Cases,
    ) -> None:
        self._database = database
        self._bell = bell
        self._content = content
        self._speech = speech
        self._notices = notices
        self._cases = cases

    async def record(
        self, connection: AsyncConnection, sightings: Sequence[Sighting], now: datetime
    ) -> bool:
        """Insert or update alerts, in the caller's transaction.

        Takes every turn, alarming or not: a resident who speaks again ends a silence, and a tap
        moves the transfer clock. Returns whether anything changed, so that the caller rings
        ``Stage.ALERTS`` once the transaction is committed.
        """
        if not sightings:
            return False
        opened = await self._open(connection, sightings)
        sightings = [s for s in sightings if _concerns(s, opened)]
        if not sightings:
            return False
        await self._database.lock_alerts(connection)
        opened = await self._open(connection, sightings)
        sightings = await self._unseen(connection, sightings)
        fresh = [s for s in sightings if _alarming(s) and _home(s, opened) is None]
        if fresh:
            await self._insert(connection, fresh, now)
            known = {row.id for rows in opened.values() for row in rows}
            opened = await self._open(connection, sightings)
            born = [r for rows in opened.values() for r in rows if r.id not in known]
            await self._announce(connection, born, now)
        prints = []
        for sighting in sightings:
            home = _home(sighting, opened)
            if home is None:
                continue
            await self._update(connection, home, sighting, opened, now)
            if _telling(sighting.screening):
                prints.append(await self._keep(connection, home, sighting))
        await self._cases.join(connection, prints, now)
        await self._bell.announce(connection, Stage.ALERTS)
        return bool(sightings)

    async def _open(
        self, connection: AsyncConnection, sightings: Sequence[Sighting]
    ) -> dict[tuple[str, str], list[Any]]:
        """The open alerts of these conversations, newest first."""
        rows = await connection.execute(
            select(ALERT)
            .where(ALERT.c.conversation_id.in_({s.conversation_id for s in sightings}), IS_OPEN)
            .order_by(ALERT.c.id.desc())
        )
        found = defaultdict(list)
        for row in rows:
            found[row.conversation_id, row.subject].append(row)
        return found

    async def _unseen(
        self, connection: AsyncConnection, sightings: Sequence[Sighting]
    ) -> list[Sighting]:
        rows = await connection.execute(
            select(EVIDENCE.c.inbox_id).where(
                EVIDENCE.c.inbox_id.in_([s.inbox_id for s in sightings])
            )
        )
        seen = {row.inbox_id for row in rows}
        return [s for s in sightings if s.inbox_id not in seen]

    async def _insert(
        self, connection: AsyncConnection, fresh: Sequence[Sighting], now: datetime
    ) -> None:
        desk = (await connection.execute(select(AREA.c.slug).where(AREA.c.desk))).scalar_one()
        areas = await areas_of(connection, [s.conversation_id for s in fresh])
        put = self._database.insert(ALERT).on_conflict_do_nothing(
            index_elements=["conversation_id", "subject", "scam_type"],
            index_where=_OPEN,
        )
        await connection.execute(
            put,
            [
                {
                    "conversation_id": s.conversation_id,
                    "subject": s.subject,
                    "scam_type": s.screening.scam_type.value,
                    "area": areas.get(s.conversation_id, desk),
                    "state": AlertState.NEW,
                    "specimen": s.screening.specimen.value,
                    "stage": s.screening.stage.value,
                    "next_stage": s.screening.next_stage.value,
                    "score": s.screening.score,
                    "transfer": Transfer.UNKNOWN.value,
                    "forwarded_by": s.forwarded_by,
                    "created_at": now,
                    "updated_at": now,
                    "heard_at": s.at,
                    "claim_due": now + CLAIM,
                    "line": 0,
                    "silence": 0,
                    "lost_pending": False,
                }
                for s in fresh
            ],
        )

    async def _announce(
        self, connection: AsyncConnection, born: Sequence[Any], now: datetime
    ) -> None:
        """The timeline's first line, the cards to officers, an honest word at night."""
        for row in born:
            people = await in_line(connection, row.area, 0, now)
            await self._notices.enqueue(connection, Matter.alert(row.id), "new", people, now)
            await self.note(connection, row.id, "raised", now)
            await self.note(connection, row.id, "told", now, n=len(people))
        if born and not await self._staffed(connection, now):
            await self._speech.send(
                connection,
                [
                    self._speech.words(r.conversation_id, token("night", r.id), "night")
                    for r in born
                    if r.forwarded_by is None
                ],
                now,
            )

    async def _staffed(self, connection: AsyncConnection, now: datetime) -> bool:
        if desk_open(now, self._content.library.calendar):
            return True
        rows = await connection.execute(
            select(SHIFT.c.id).where(SHIFT.c.starts_at <= now, SHIFT.c.ends_at > now).limit(1)
        )
        return rows.first() is not None

    async def _update(
        self,
        connection: AsyncConnection,
        row: Any,
        sighting: Sighting,
        opened: dict[tuple[str, str], list[Any]],
        now: datetime,
    ) -> None:
        """What the new message changes: the clock, the stage, the amount, the silence."""
        screening = sighting.screening
        # Several sightings of a batch may be one alert's: read what the last one left.
        row = (await connection.execute(select(ALERT).where(ALERT.c.id == row.id))).one()
        values: dict[str, Any] = {
            "updated_at": now,
            "heard_at": max(row.heard_at, sighting.at),
            "score": max(row.score, screening.score),
            "silence": 0,
        }
        siblings = opened[sighting.conversation_id, sighting.subject]
        taken = any(r.scam_type == screening.scam_type for r in siblings)
        if row.scam_type in _VAGUE and screening.scam_type not in _VAGUE and not taken:
            values["scam_type"] = screening.scam_type.value
        if STEP.get(screening.stage, 0) > STEP.get(row.stage, 0):
            values["stage"] = screening.stage.value
        if screening.next_stage in STEP:
            values["next_stage"] = screening.next_stage.value
        amounts = sums(screening)
        if amounts:
            values["amount"] = max([*amounts, row.amount or 0])
        transfer = advance(Transfer(row.transfer), screening.transfer)
        if transfer != row.transfer:
            values |= {"transfer": transfer.value, "transfer_at": now}
        if row.state in _SILENCE_COUNTS:
            wait = SILENCE_DONE if transfer is Transfer.DONE else SILENCE
            values["silence_due"] = None if row.forwarded_by else now + wait
        if row.state is AlertState.NEW and transfer in _MONEY_MOVES and row.claim_due:
            values["claim_due"] = min(row.claim_due, now + CLAIM_URGENT)
        await connection.execute(update(ALERT).where(ALERT.c.id == row.id).values(**values))
        if transfer != row.transfer:
            await self.note(connection, row.id, "transfer", now, to=transfer.value)
            # The first card shows it already; after that only a turn for the worse is news.
            if row.created_at < now and transfer in _MONEY_MOVES:
                people = [row.claimed_by] if row.claimed_by else None
                people = people or await in_line(connection, row.area, row.line, now)
                await self._notices.enqueue(
                    connection, Matter.alert(row.id), "transfer", people, now, transfer.value
                )
        elif row.created_at < now:
            kind = "more" if _alarming(sighting) else "heard"
            await self.note(connection, row.id, kind, now)

    async def _keep(self, connection: AsyncConnection, row: Any, sighting: Sighting) -> Print:
        """The message as evidence, its entities and its sketch."""
        cipher, screening = self._database.cipher, sighting.screening
        body = {"text": sighting.text, "screening": dataclasses.replace(screening, trace=None)}
        drawn = radar.sketch(cipher, sighting.text) if _alarming(sighting) else radar.EMPTY
        put = self._database.insert
        await connection.execute(
            put(EVIDENCE).on_conflict_do_nothing(index_elements=["inbox_id"]),
            [
                {
                    "alert_id": row.id,
                    "inbox_id": sighting.inbox_id,
                    "at": sighting.at,
                    "score": screening.score,
                    "body": cipher.seal_json(EVIDENCE_BODY, body),
                    "sketch": drawn.to_bytes(),
                    "shingles": drawn.shingles,
                }
            ],
        )
        entities = {
            (e.kind.value, radar.match_key(cipher, e.kind, e.value)): e.value
            for e in screening.entities
        }
        if entities:
            await connection.execute(
                put(ENTITY).on_conflict_do_nothing(),
                [
                    {
                        "alert_id": row.id,
                        "kind": kind,
                        "hash": key,
                        "value": cipher.seal(ENTITY_VALUE, value),
                    }
                    for (kind, key), value in entities.items()
                ],
            )
        bands = tuple(radar.bands(cipher, drawn))
        if bands:
            await connection.execute(
                put(BAND).on_conflict_do_nothing(),
                [{"hash": key, "alert_id": row.id} for key in sorted(set(bands))],
            )
        marks = tuple(key for kind, key in entities if kind in radar.STRONG)
        return Print(row.id, screening.scam_type.value, marks, bands, drawn)

    async def note(
        self,
        connection: AsyncConnection,
        alert_id: int,
        kind: str,
        now: datetime,
        officer: int | None = None,
        **details: object,
    ) -> None:
        """A line of the alert's timeline."""
        body = self._database.cipher.seal_json(EVENT_BODY, details) if details else None
        await connection.execute(
            insert(EVENT),
            [{"alert_id": alert_id, "at": now, "kind": kind, "officer_id": officer, "body": body}],
        )


def advance(old: Transfer, new: Transfer) -> Transfer:
    """The transfer clock after a further message: money that has gone does not come back by
    being talked of; only an officer sets it back."""
    if new is Transfer.UNKNOWN or old is Transfer.DONE:
        return old
    return new


def _alarming(sighting: Sighting) -> bool:
    return sighting.screening.verdict is Verdict.ALERT


def _telling(screening: Screening) -> bool:
    """Whether a message says something that an officer should read."""
    return bool(
        screening.verdict is Verdict.ALERT
        or screening.signals
        or screening.exemptions
        or screening.entities
        or screening.transfer is not Transfer.UNKNOWN
    )


def _concerns(sighting: Sighting, opened: dict[tuple[str, str], list[Any]]) -> bool:
    return _alarming(sighting) or bool(opened[sighting.conversation_id, sighting.subject])


def _home(sighting: Sighting, opened: dict[tuple[str, str], list[Any]]) -> Any | None:
    """The open alert that a sighting belongs to: of its script, or where one of the two does not
    say which script it is, the newest."""
    rows = opened[sighting.conversation_id, sighting.subject]
    kind = sighting.screening.scam_type
    for row in rows:
        if row.scam_type == kind:
            return row
    vague = kind in _VAGUE or not _alarming(sighting)
    return next((row for row in rows if vague or row.scam_type in _VAGUE), None)


_SILENCE_COUNTS = frozenset({AlertState.NEW, AlertState.CLAIMED})
_OPEN = text("state <> 'closed'")  # the unique index's own words
