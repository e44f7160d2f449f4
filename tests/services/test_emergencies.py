"""An emergency reaches officers' phones, and the next in line while nobody takes it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Outcome, Receipt
from jingxiaowei.services.notice_cards import draw
from jingxiaowei.services.notices import Matter
from jingxiaowei.services.tickets import TicketConflictError
from jingxiaowei.store.alert_tables import NOTICE, NoticeState
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import RESIDENT, TICKET, Role, TicketState
from tests.services.alerting import QUIET, Alarm, make_alarm


@pytest.fixture
async def alarm(database: Database, mind: Mind) -> Alarm:
    return await make_alarm(database, mind)


async def cry(alarm: Alarm, text: str = "救命啊有人拿刀追我", sender: str = "resident-1") -> None:
    await alarm.hear(sender, text, QUIET)
    alarm.now = max(alarm.now, datetime.now(UTC))  # the turn has a clock of its own


async def test_who_is_on_duty_has_it_on_the_phone(alarm: Alarm) -> None:
    one, other = await alarm.officer("王芳"), await alarm.officer("李强一")
    await cry(alarm)
    [ticket] = await alarm.spine.rows(TICKET)
    assert ticket.claim_due is not None
    assert await alarm.house.delivery.deliver(alarm.now) == 2
    cards = dict(alarm.phones.cards)
    card = cards["wx-王芳"]
    assert card.title == f"▲求助｜紧急·工单 {ticket.code}"
    assert card.desc == "新的紧急求助，居民已看到 110 提示"
    assert "刀" not in f"{card}"  # nothing of what was said leaves for the phone
    [line] = card.lines
    assert (line.key, line.claimable) == (f"ticket-{ticket.id}", True)

    taps = alarm.desk.taps
    assert await taps.take("wx-王芳", card.task_id, line.key, "fresh-1")
    assert await taps.take("wx-王芳", card.task_id, line.key, "fresh-2")  # brought again
    assert not await taps.take("wx-李强一", cards["wx-李强一"].task_id, line.key, "fresh-3")
    [ticket] = await alarm.spine.rows(TICKET)
    assert (ticket.state, ticket.officer_id, ticket.claim_due) == ("claimed", one.id, None)
    await alarm.house.delivery.refresh(alarm.now)
    assert sorted(alarm.phones.replaced) == [
        ("wx-李强一", "fresh-3", "王芳已认领"),
        ("wx-王芳", "fresh-2", "王芳已认领"),
    ]
    with pytest.raises(TicketConflictError, match="王芳认领"):
        await alarm.desk.tickets.claim(other, ticket.id, alarm.now)


@pytest.mark.parametrize("key", ["ticket-999", "ticket-", "ticket-1x", "claim-999", "shut-1", ""])
async def test_a_button_that_is_none(alarm: Alarm, key: str) -> None:
    await alarm.officer("王芳")
    assert not await alarm.desk.taps.take("wx-王芳", "a card", key, "code")


async def test_nobody_takes_it(alarm: Alarm) -> None:
    on_duty = await alarm.officer("王芳")
    chief = await alarm.officer("陈国华", Role.POLICE, on=False)
    await cry(alarm)
    watch = alarm.house.watch
    assert await watch.tick(alarm.pass_time(minutes=1, seconds=50)) == 0
    assert await watch.tick(alarm.pass_time(seconds=15)) == 1
    assert await watch.tick(alarm.now) == 0
    told = [(n.kind, n.officer_id) for n in await alarm.spine.rows(NOTICE)]
    assert told == [
        ("emergency", on_duty.id),
        ("emergency_line", on_duty.id),
        ("emergency_line", chief.id),
    ]
    assert await watch.tick(alarm.pass_time(minutes=2)) == 1
    await alarm.house.delivery.deliver(alarm.pass_time(seconds=20))
    assert "紧急求助还没人认领。打电话叫人：1 海盐县公安局值班台" in alarm.phones.cards[-1][1].desc
    bodies = [
        alarm.database.cipher.open_json(b"outbox.body", row.body)["text"]
        for row in await alarm.outgoing()
    ]
    assert sum("还没有民警接到" in body for body in bodies) == 1
    assert await watch.tick(alarm.pass_time(hours=1)) == 0


async def test_taken_in_time_it_goes_no_further_until_given_back(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    await cry(alarm)
    [ticket] = await alarm.spine.rows(TICKET)
    await alarm.desk.tickets.claim(officer, ticket.id, alarm.now)
    [notice] = await alarm.spine.rows(NOTICE)
    assert notice.state is NoticeState.DROPPED  # the card had not gone out yet
    assert await alarm.house.watch.tick(alarm.pass_time(hours=1)) == 0
    await alarm.desk.tickets.release(officer, ticket.id, alarm.now)
    assert await alarm.house.watch.tick(alarm.now) == 1
    assert [n.kind for n in await alarm.spine.rows(NOTICE)] == ["emergency", "emergency_line"]


async def test_further_cries_are_the_same_emergency(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    await cry(alarm)
    await cry(alarm, "快来人 他要杀人了")
    await cry(alarm, sender="resident-2")
    assert [t.conversation_id for t in await alarm.spine.rows(TICKET)] == [
        row.conversation_id
        for row in (await alarm.outgoing())[::2]  # the first and the third
    ]
    async with alarm.database.write() as connection:
        earlier = alarm.now - timedelta(minutes=31)
        await connection.execute(update(TICKET).values(created_at=earlier))
    await cry(alarm, "他又来打我了救命")
    assert len(await alarm.spine.rows(TICKET)) == 3


async def test_the_residents_own_area_is_told(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    there = await alarm.officer("沈建", area="qinshan")
    await alarm.hear("resident-1", "你好", QUIET)
    async with alarm.database.write() as connection:
        await connection.execute(update(RESIDENT).values(area="qinshan"))
    await cry(alarm)
    [ticket] = await alarm.spine.rows(TICKET)
    assert ticket.area == "qinshan"
    assert [n.officer_id for n in await alarm.spine.rows(NOTICE)] == [there.id]


async def test_one_card_for_an_alert_and_an_emergency(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    await alarm.hear("resident-2")
    await cry(alarm)
    await alarm.house.delivery.deliver(alarm.now)
    [(_, card)] = alarm.phones.cards
    assert card.title == "2 件求助和预警，最急的 ▲求助"
    assert [line.mark for line in card.lines] == ["▲求助", "□未转"]
    # One of the two is claimed: the other comes on a card of its own.
    await alarm.desk.taps.take("wx-王芳", card.task_id, card.lines[1].key, "fresh")
    await alarm.house.delivery.refresh(alarm.now)
    await alarm.house.delivery.deliver(alarm.pass_time(seconds=11))
    assert [line.mark for line in alarm.phones.cards[-1][1].lines] == ["▲求助"]


async def test_a_card_that_fails_is_tried_again(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    alarm.phones.receipts = [Receipt(Outcome.RETRY, "busy")]
    await cry(alarm)
    await alarm.house.delivery.deliver(alarm.now)
    await alarm.house.delivery.deliver(alarm.pass_time(seconds=5))
    [(_, card)] = alarm.phones.cards
    assert card.retried


async def test_what_is_no_emergency_rings_nobody(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    await alarm.hear(text="转人工", screening=QUIET)
    [ticket] = await alarm.spine.rows(TICKET)
    assert (ticket.need, ticket.claim_due) == ("human", None)
    assert await alarm.spine.rows(NOTICE) == []
    assert await alarm.house.watch.tick(alarm.pass_time(hours=1)) == 0


async def test_a_notice_goes_with_its_ticket_and_is_of_one_thing(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    await cry(alarm)
    [notice] = await alarm.spine.rows(NOTICE)
    matter = Matter.of(notice)
    neither = notice._asdict() | {"id": None, "key": "x", "alert_id": None, "ticket_id": None}
    del neither["id"]
    with pytest.raises(IntegrityError):
        async with alarm.database.write() as connection:
            await connection.execute(insert(NOTICE), [neither])
    async with alarm.database.write() as connection:
        await connection.execute(delete(TICKET).where(TICKET.c.state == TicketState.OPEN))
    assert await alarm.spine.rows(NOTICE) == []
    async with alarm.database.read() as connection:
        assert (await draw(connection, "a card", {matter: "emergency"}, False)).lines == ()
