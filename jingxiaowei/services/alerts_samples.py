"""Sample alerts for the demo, from made-up messages, so that the console has something to show."""

import secrets
from datetime import UTC, datetime, timedelta

from jingxiaowei.pipeline.messages import Channel
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
from jingxiaowei.services.alerts_house import AlertHouse
from jingxiaowei.services.alerts_values import Sighting
from jingxiaowei.services.inbox import conversation_id
from jingxiaowei.services.officers import OfficerError, Officers, Signed
from jingxiaowei.services.roster import Roster
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import Role

_PEOPLE = (
    ("demo-police", Role.POLICE, "county-desk", "陈国华"),
    ("demo-auxiliary", Role.AUXILIARY, "county-desk", "王芳"),
)
_SHIFT = timedelta(hours=12)
# Each alert: who, how long ago, the money, and the message with the quotes that count in it.
_BOSS_DONE = (
    "昨天有人加我说是王总，拉我进了新群，问公司账上还有多少。"
    "今天让我先打5万到6222020200001234567，手续后补，他在开会别打电话。已经转过去了，怎么办"
)
_BOSS = (
    "群里有人说是王总，问公司账上还有多少，让我先付一笔合同款，手续后补，他在开会别打电话。"
    "我说要走OA审批，他不回了"
)
_SERVICE = "客服说我开通了会员要扣钱，让我下载软件共享屏幕，正在输银行卡密码"
_STAGES = {
    "加我说是王总": (Stage.APPROACH, 0.12),
    "群里有人说是王总": (Stage.APPROACH, 0.12),
    "拉我进了新群": (Stage.NEW_CHANNEL, 0.15),
    "账上还有多少": (Stage.PROBE, 0.22),
    "先打5万": (Stage.ORDER, 0.28),
    "先付一笔合同款": (Stage.ORDER, 0.24),
    "手续后补": (Stage.BYPASS, 0.18),
    "在开会别打电话": (Stage.NO_VOICE, 0.21),
    "客服说我开通了会员": (Stage.PRETEXT, 0.2),
    "下载软件共享屏幕": (Stage.NEW_CHANNEL, 0.3),
    "输银行卡密码": (Stage.ORDER, 0.3),
}
_SAMPLES = (
    ("sample-hu", 7, _BOSS_DONE, ScamType.BOSS, Transfer.DONE, 0.97, Stage.REPEAT),
    ("sample-zhou", 2, _SERVICE, ScamType.CUSTOMER_SERVICE, Transfer.IN_PROGRESS, 0.91, Stage.NONE),
    ("sample-wu", 24, _BOSS, ScamType.BOSS, Transfer.NOT_YET, 0.83, Stage.PRESSURE),
)


async def seed_officers(officers: Officers, roster: Roster, on_duty: bool = True) -> list[Signed]:
    """The demo's police and auxiliary; their passwords are nobody's.

    ``on_duty``: from now on. Not where real residents write, who would be promised a person.
    """
    now = datetime.now(UTC)
    people = []
    for account, role, area, name in _PEOPLE:
        try:
            person = await officers.find(account)  # a later start: they are there
        except OfficerError:
            await officers.add(account, role, secrets.token_urlsafe(24), area, name)
            person = await officers.find(account)
        if on_duty:
            await roster.add_shift(person.id, area, now, now + _SHIFT)
        people.append(person)
    return people


async def seed_alerts(database: Database, alerts: AlertHouse) -> None:
    """Three open alerts of sample residents. A later start adds nothing to them."""
    now = datetime.now(UTC)
    for number, (who, minutes, text, *_) in enumerate(_SAMPLES, 1):
        moment = now - timedelta(minutes=minutes)
        sighting = Sighting(
            conversation_id(database.cipher, Channel.WEB, "web", who),
            -number,  # no message of the inbox has such an id
            _screening(*_SAMPLES[number - 1][2:]),
            text,
            moment,
        )
        async with database.write() as connection:
            if await alerts.alerts.record(connection, [sighting], moment) and number == 1:
                await alerts.contacts.give(
                    connection,
                    sighting.conversation_id,
                    moment,
                    name="胡敏",
                    phone="13800002210",
                    company="海盐某某五金厂",
                )


def _screening(
    text: str,
    scam_type: ScamType,
    transfer: Transfer,
    score: float,
    next_stage: Stage,
) -> Screening:
    signals = [
        Signal(
            f"sample-{stage}", stage, quote, text.index(quote), text.index(quote) + len(quote), w
        )
        for quote, (stage, w) in _STAGES.items()
        if quote in text
    ]
    order = list(Stage)
    exemptions = []
    if "OA审批" in text:
        start = text.index("要走OA审批")
        exemptions = [Exemption("approval", "说了要走审批", "要走OA审批", start, start + 6, -0.15)]
    return Screening(
        Verdict.ALERT,
        scam_type,
        score,
        max((s.stage for s in signals), key=order.index),
        transfer,
        Specimen.REPORT,
        tuple(signals),
        tuple(exemptions),
        tuple(_entities(text)),
        next_stage,
    )


def _entities(text: str) -> list[Entity]:
    found = []
    for kind, quote, value in (
        (EntityKind.ACCOUNT, "6222020200001234567", "6222020200001234567"),
        (EntityKind.AMOUNT, "5万", "50000"),
    ):
        start = text.find(quote)
        if start >= 0:
            found.append(Entity(kind, value, quote, start, start + len(quote)))
    return found
