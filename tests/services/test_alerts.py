"""Alerts from the turn: one a script and conversation, with what it rests on."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.screen.values import (
    Entity,
    EntityKind,
    ScamType,
    Screening,
    Transfer,
    Verdict,
)
from jingxiaowei.services.alerts import advance
from jingxiaowei.services.alerts_values import Sighting
from jingxiaowei.store.alert_tables import (
    CONTACT,
    ENTITY,
    EVENT,
    EVIDENCE,
    NOTICE,
    AlertState,
)
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import Role
from tests.services.alerting import QUIET, SCRIPT, Alarm, boss, make_alarm


@pytest.fixture
async def alarm(database: Database, mind: Mind) -> Alarm:
    return await make_alarm(database, mind)


async def test_one_alert_whatever_is_tried_again(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    sighting = await alarm.hear()
    await alarm.record(sighting)
    await alarm.record(sighting, sighting)
    [alert] = await alarm.alerts()
    assert (alert.state, alert.area, alert.amount) == (AlertState.NEW, "county-desk", 50_000)
    assert (alert.transfer, alert.score) == (Transfer.NOT_YET, 0.94)
    assert len(await alarm.spine.rows(EVIDENCE)) == 1
    assert len(await alarm.spine.rows(NOTICE)) == 1
    assert len(await alarm.spine.rows(ENTITY)) == 2


async def test_what_is_on_the_account_is_not_what_was_asked_for(alarm: Alarm) -> None:
    text = "账上还有32万。先打5万"
    balance = Entity(EntityKind.AMOUNT, "320000", "32万", 4, 7)
    screening = boss(text)
    await alarm.hear(
        text=text, screening=replace(screening, entities=(balance, *screening.entities))
    )
    [alert] = await alarm.alerts()
    assert alert.amount == 50_000


async def test_two_at_once_make_one(alarm: Alarm) -> None:
    first = await alarm.hear(screening=QUIET)
    assert await alarm.alerts() == []
    one = Sighting(first.conversation_id, first.inbox_id, boss(), SCRIPT, alarm.now)
    await asyncio.gather(*(alarm.record(one) for _ in range(4)))
    assert len(await alarm.alerts()) == 1
    assert len(await alarm.spine.rows(EVIDENCE)) == 1


async def test_what_is_stored_can_not_be_read_without_the_key(alarm: Alarm) -> None:
    await alarm.hear()
    for table in (EVIDENCE, ENTITY):
        for row in await alarm.spine.rows(table):
            assert "王总".encode() not in b"".join(v for v in row if isinstance(v, bytes))
            assert not any("6222" in str(v) for v in row)


async def test_a_second_script_is_a_second_alert_and_a_vague_word_is_not(alarm: Alarm) -> None:
    await alarm.hear()
    await alarm.hear(text="还有人让我刷单", screening=boss("x", scam_type=ScamType.TASK_REBATE))
    await alarm.hear(text="又来催了", screening=boss("x", scam_type=ScamType.OTHER))
    kinds = [alert.scam_type for alert in await alarm.alerts()]
    assert kinds == ["boss_impersonation", "task_rebate"]


async def test_a_vague_alert_gets_its_script_later(alarm: Alarm) -> None:
    await alarm.hear(text="被骗了怎么办", screening=boss("x", scam_type=ScamType.OTHER))
    await alarm.hear()
    assert [alert.scam_type for alert in await alarm.alerts()] == ["boss_impersonation"]


async def test_the_clock_goes_on_by_text_and_tap(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    await alarm.hear()
    alarm.pass_time(seconds=30)
    await alarm.hear(text="转了", screening=Screening(transfer=Transfer.DONE))
    [alert] = await alarm.alerts()
    assert (alert.transfer, alert.transfer_at) == (Transfer.DONE, alarm.now)
    assert alert.claim_due == alarm.now + timedelta(minutes=2)
    kinds = [notice.kind for notice in await alarm.spine.rows(NOTICE)]
    assert kinds == ["new", "transfer"]
    alarm.pass_time(seconds=30)
    await alarm.hear(text="没转", screening=Screening(transfer=Transfer.NOT_YET))
    [alert] = await alarm.alerts()
    assert alert.transfer == Transfer.DONE


@pytest.mark.parametrize(
    ("old", "new", "then"),
    [
        (Transfer.UNKNOWN, Transfer.NOT_YET, Transfer.NOT_YET),
        (Transfer.IN_PROGRESS, Transfer.NOT_YET, Transfer.NOT_YET),
        (Transfer.NOT_YET, Transfer.UNKNOWN, Transfer.NOT_YET),
        (Transfer.DONE, Transfer.NOT_YET, Transfer.DONE),
    ],
)
def test_the_clocks_rule(old: Transfer, new: Transfer, then: Transfer) -> None:
    assert advance(old, new) is then


async def test_ordinary_talk_raises_nothing(alarm: Alarm) -> None:
    assert not await alarm.record()
    await alarm.hear(text="身份证怎么办", screening=QUIET)
    await alarm.hear(text="什么是刷单", screening=Screening(verdict=Verdict.ADVISE))
    assert await alarm.alerts() == []
    assert await alarm.spine.rows(EVENT) == []


async def test_an_officer_forwards_two_residents(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    for subject in ("a", "b"):
        await alarm.hear(sender="wx", subject=subject, forwarded_by=officer.id)
    alerts = await alarm.alerts()
    assert [alert.subject for alert in alerts] == ["a", "b"]
    assert [alert.silence_due for alert in alerts] == [None, None]


async def test_a_town_moves_the_alert(alarm: Alarm) -> None:
    wuyuan = await alarm.officer("武原王芳", area="wuyuan")
    sighting = await alarm.hear()
    async with alarm.database.write() as connection:
        assert await alarm.house.contacts.give(
            connection, sighting.conversation_id, alarm.now, phone="13800002210", town="武原镇上"
        )
        assert await alarm.house.contacts.give(
            connection, sighting.conversation_id, alarm.now, company="甲公司"
        )
        assert not await alarm.house.contacts.give(connection, "nobody", alarm.now, phone="1")
    [alert] = await alarm.alerts()
    assert alert.area == "wuyuan"
    [contact] = await alarm.spine.rows(CONTACT)
    given = alarm.database.cipher.open_json(b"alert_contact.body", contact.body)
    assert given == {"phone": "13800002210", "town": "武原镇上", "company": "甲公司"}
    assert wuyuan.id in {notice.officer_id for notice in await alarm.spine.rows(NOTICE)}


async def test_at_night_the_resident_is_told_honestly(alarm: Alarm) -> None:
    alarm.now = night(alarm)
    await alarm.hear()
    await alarm.spine.settle()
    texts = alarm.spine.far.texts("resident-1")
    assert any("夜里值班人员可能晚些看到" in text for text in texts)


async def test_on_duty_nobody_is_told_of_the_night(alarm: Alarm) -> None:
    alarm.now = night(alarm)
    await alarm.officer("王芳", Role.POLICE)
    await alarm.hear()
    await alarm.spine.settle()
    assert not any("夜里" in text for text in alarm.spine.far.texts("resident-1"))


def night(alarm: Alarm) -> datetime:
    """Half past two last night, on China's clock."""
    return (alarm.now - timedelta(days=1)).replace(hour=18, minute=30)
