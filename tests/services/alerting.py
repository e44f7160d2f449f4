"""A house of alerts on a real database, with screenings of our own making."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from jingxiaowei.content.scam_model import Fusion, Wording
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel, Outcome, Receipt
from jingxiaowei.pipeline.screen.values import (
    Entity,
    EntityKind,
    Exemption,
    ScamType,
    Screening,
    Signal,
    Specimen,
    Stage,
    Transfer,
    Verdict,
)
from jingxiaowei.services import desk_house, files_house
from jingxiaowei.services.alerts_house import AlertHouse, build
from jingxiaowei.services.alerts_values import Sighting
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.notice_cards import Card
from jingxiaowei.services.notice_delivery import Told
from jingxiaowei.services.officers import Signed
from jingxiaowei.store.alert_tables import ALERT
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import OUTBOX, SHIFT, Role
from tests.conftest import said
from tests.services.conftest import Content, Spine, make_spine

PASSWORD = "a password of ours"
SCRIPT = "我是王总，新建了群你进来。账上还有多少？先打5万到6222020200001234567，我在开会别打电话"


@dataclass
class Phones:
    """The officers' phones: keeps the cards, and can be told to fail."""

    cards: list[tuple[str, Card]] = field(default_factory=list)
    replaced: list[tuple[str, str, str]] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)

    async def tell(self, userid: str, card: Card) -> Told:
        receipt = self.receipts.pop(0) if self.receipts else Receipt(Outcome.SENT)
        if receipt.outcome is Outcome.SENT:
            self.cards.append((userid, card))
        return Told(receipt, f"code-{userid}-{len(self.cards)}")

    async def replace(self, userid: str, response_code: str, text: str) -> Receipt:
        self.replaced.append((userid, response_code, text))
        return Receipt(Outcome.SENT)


def hit(text: str, quote: str, stage: Stage, weight: float = 0.3) -> Signal:
    start = text.index(quote)
    return Signal(f"boss-{stage.value}", stage, quote, start, start + len(quote), weight)


def boss(text: str = SCRIPT, **changed: Any) -> Screening:
    """A screening of the fake boss, its quotes taken from the text where they stand in it."""
    quotes = (
        ("我是王总", Stage.APPROACH),
        ("新建了群", Stage.NEW_CHANNEL),
        ("账上还有多少", Stage.PROBE),
        ("先打5万", Stage.ORDER),
        ("我在开会别打电话", Stage.NO_VOICE),
    )
    signals = tuple(hit(text, quote, stage) for quote, stage in quotes if quote in text)
    entities = []
    account = "6222020200001234567"
    if account in text:
        start = text.index(account)
        entities.append(Entity(EntityKind.ACCOUNT, account, account, start, start + len(account)))
    if "5万" in text:
        start = text.index("5万")
        entities.append(Entity(EntityKind.AMOUNT, "50000", "5万", start, start + 2))
    values: dict[str, Any] = {
        "verdict": Verdict.ALERT,
        "scam_type": ScamType.BOSS,
        "score": 0.94,
        "stage": Stage.NO_VOICE,
        "transfer": Transfer.NOT_YET,
        "specimen": Specimen.REPORT,
        "signals": signals,
        "entities": tuple(entities),
        "next_stage": Stage.PRESSURE,
    }
    if "OA批过" in text:
        start = text.index("OA批过")
        values["exemptions"] = (
            Exemption("verified", "已走 OA 审批", "OA批过", start, start + 4, -0.4),
        )
    return Screening(**values | changed)


QUIET = Screening()


@dataclass
class Alarm:
    """A spine with alerts beside it."""

    spine: Spine
    house: AlertHouse
    phones: Phones
    desk: DeskHouse
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _next: int = 0

    @property
    def database(self) -> Database:
        return self.spine.database

    async def hear(
        self,
        sender: str = "resident-1",
        text: str = SCRIPT,
        screening: Screening | None = None,
        channel: Channel = Channel.WEB,
        **more: Any,
    ) -> Sighting:
        """A resident says something; the turn commits it, and the alert with it."""
        self._next += 1
        message = said(
            text, sender=sender, message_id=f"m{self._next}", channel=channel, sent_at=self.now
        )
        await self.spine.inbox.receive([message])
        await self.spine.settle()
        async with self.database.read() as connection:
            from jingxiaowei.store.tables import INBOX

            row = (
                await connection.execute(select(INBOX).order_by(INBOX.c.id.desc()).limit(1))
            ).one()
        sighting = Sighting(
            row.conversation_id,
            row.id,
            boss(text) if screening is None else screening,
            text,
            self.now,
            **more,
        )
        await self.record(sighting)
        return sighting

    async def record(self, *sightings: Sighting) -> bool:
        async with self.database.write() as connection:
            return await self.house.alerts.record(connection, sightings, self.now)

    async def officer(
        self, name: str, role: Role = Role.AUXILIARY, area: str = "county-desk", on: bool = True
    ) -> Signed:
        """An officer, on duty from an hour ago for a day."""
        account = f"acc-{len(name)}-{sum(map(ord, name)) % 9973}"
        id_ = await self.spine.officers.add(account, role, PASSWORD, area, name, f"wx-{name}")
        if on:
            row = {
                "officer_id": id_,
                "area": area,
                "starts_at": self.now - timedelta(hours=1),
                "ends_at": self.now + timedelta(hours=23),
            }
            async with self.database.write() as connection:
                await connection.execute(insert(SHIFT), [row])
        return await self.spine.officers.find(account)

    async def alerts(self) -> list[Any]:
        async with self.database.read() as connection:
            return list((await connection.execute(select(ALERT).order_by(ALERT.c.id))).all())

    async def outgoing(self) -> list[Any]:
        async with self.database.read() as connection:
            return list((await connection.execute(select(OUTBOX).order_by(OUTBOX.c.id))).all())

    def pass_time(self, **delta: float) -> datetime:
        self.now += timedelta(**delta)
        return self.now


@cache
def _deaf(mind: Mind) -> Mind:
    """One that screens nothing: these tests bring screenings of their own making."""
    fusion = Fusion(scale=1.0, shift=0.0, moving={"bias": 0.0}, alert=2.0, advise=2.0)
    nothing = replace(mind.library.scams, scripts=(), exemptions=(), readings=(), fusion=fusion)
    return Mind(replace(mind.library, scams=replace(nothing, wording=Wording())))


async def make_alarm(database: Database, mind: Mind, folder: Path = Path("unused")) -> Alarm:
    mind = _deaf(mind)
    spine, phones = make_spine(database, mind, folder), Phones()
    await spine.officers.sync_areas(mind.library)
    content = Content(mind)
    house = build(database, spine.bell, content, spine.audit, spine.officers, phones, spine.media)
    files = files_house.build(
        database, spine.bell, content, spine.audit, spine.officers, spine.media
    )
    desk = desk_house.build(
        database, spine.bell, content, spine.audit, spine.officers, files, house
    )
    return Alarm(spine, house, phones, desk)
