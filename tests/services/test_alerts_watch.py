"""What happens by itself as time passes, and what officers' phones show of it."""

from datetime import timedelta

import pytest

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel, Outcome, Receipt
from jingxiaowei.pipeline.screen.values import ScamType, Transfer
from jingxiaowei.store.alert_tables import EVENT, NOTICE, AlertState, NoticeState
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import Role
from tests.services.alerting import QUIET, Alarm, boss, make_alarm


@pytest.fixture
async def alarm(database: Database, mind: Mind) -> Alarm:
    return await make_alarm(database, mind)


async def kinds(alarm: Alarm) -> list[str]:
    return [event.kind for event in await alarm.spine.rows(EVENT)]


async def test_silence_asks_then_calls_then_visits(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    await alarm.hear()
    [alert] = await alarm.alerts()
    await alarm.house.desk.claim(officer, alert.id, alarm.now)
    assert await alarm.house.watch.tick(alarm.pass_time(minutes=4)) == 0
    assert await alarm.house.watch.tick(alarm.pass_time(minutes=1)) == 1
    assert await alarm.house.watch.tick(alarm.now) == 0
    asked = (await alarm.outgoing())[-1]
    body = alarm.database.cipher.open_json(b"outbox.body", asked.body)
    assert body["text"] == "刚才那笔钱，没转吧？"
    assert [option["id"] for option in body["options"]] == ["transfer-not_yet", "transfer-done"]
    assert await alarm.house.watch.tick(alarm.pass_time(minutes=10)) == 1
    [row] = await alarm.house.book.today(officer, alarm.now)
    assert row.silence == "该打电话"
    assert await alarm.house.watch.tick(alarm.pass_time(minutes=30)) == 1
    [row] = await alarm.house.book.today(officer, alarm.now)
    assert row.silence == "该上门"
    assert await alarm.house.watch.tick(alarm.pass_time(hours=9)) == 0
    assert [n.kind for n in await alarm.spine.rows(NOTICE)][1:] == ["silent_call", "silent_visit"]


async def test_a_word_ends_the_silence(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    await alarm.hear()
    await alarm.house.watch.tick(alarm.pass_time(minutes=5))
    alarm.pass_time(minutes=1)
    await alarm.hear(text="嗯", screening=QUIET)
    [alert] = await alarm.alerts()
    assert (alert.silence, alert.silence_due) == (0, alarm.now + timedelta(minutes=5))


async def test_who_was_advised_is_not_asked_again(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    await alarm.hear()
    [alert] = await alarm.alerts()
    await alarm.house.desk.claim(officer, alert.id, alarm.now)
    await alarm.house.desk.reached(officer, alert.id, Transfer.NOT_YET, alarm.now)
    assert await alarm.house.watch.tick(alarm.pass_time(hours=2)) == 0


async def test_after_a_transfer_nobody_is_asked_whether(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    await alarm.hear(screening=boss(transfer=Transfer.DONE))
    alarm.pass_time(minutes=10)
    await alarm.house.watch.tick(alarm.now)
    assert "silent_call" in await kinds(alarm)
    assert "asked" not in await kinds(alarm)


async def test_out_of_reach_is_called_at_once(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    await alarm.hear(sender="wm", channel=Channel.WECOM_KF)
    alarm.pass_time(hours=49)
    await alarm.house.watch.tick(alarm.now)
    assert "silent_call" in await kinds(alarm)


async def test_nobody_claims(alarm: Alarm) -> None:
    wuyuan = await alarm.officer("王芳")
    chief = await alarm.officer("陈国华", Role.POLICE, on=False)
    await alarm.hear(screening=boss(transfer=Transfer.DONE))
    told = [n.officer_id for n in await alarm.spine.rows(NOTICE)]
    assert told == [wuyuan.id]
    assert await alarm.house.watch.tick(alarm.pass_time(minutes=1, seconds=59)) == 0
    assert await alarm.house.watch.tick(alarm.pass_time(seconds=1)) == 1
    assert await alarm.house.watch.tick(alarm.now) == 0
    told = [n.officer_id for n in await alarm.spine.rows(NOTICE) if n.kind == "line"]
    assert told == [wuyuan.id, chief.id]
    await alarm.house.watch.tick(alarm.pass_time(minutes=2))
    bodies = [
        alarm.database.cipher.open_json(b"outbox.body", row.body) for row in await alarm.outgoing()
    ]
    assert sum("还没人接" in body.get("text", "") for body in bodies) == 1
    [alert] = await alarm.alerts()
    assert (alert.line, alert.claim_due, alert.state) == (2, None, AlertState.NEW)
    alarm.pass_time(seconds=20)
    await alarm.house.delivery.deliver(alarm.now)
    card = alarm.phones.cards[-1][1]
    assert "打电话叫人：1 海盐县公安局值班台" in card.desc


async def test_a_burst_is_one_card(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    await alarm.hear(sender="r0")
    assert await alarm.house.delivery.deliver(alarm.now) == 1
    for number in range(1, 8):
        await alarm.hear(sender=f"r{number}", text=f"第 {number} 件事，各不相同")
    assert await alarm.house.delivery.deliver(alarm.pass_time(seconds=9)) == 0
    assert await alarm.house.delivery.deliver(alarm.pass_time(seconds=2)) == 1
    first, second = (card for _, card in alarm.phones.cards)
    assert (first.title, first.desc) == ("□未转｜冒充老板·约 5 万元", "新预警")
    assert second.title == "7 件预警，最急的 □未转"
    assert len(second.lines) == 5
    assert "另有 2 件" in second.desc
    assert await alarm.house.delivery.deliver(alarm.pass_time(minutes=1)) == 0


async def test_a_minute_has_at_most_six_cards_a_member(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    for second in range(60):
        if second % 3 == 0:
            await alarm.hear(sender=f"r{second}", text=f"{second}")
        await alarm.house.delivery.deliver(alarm.pass_time(seconds=1))
    assert len(alarm.phones.cards) <= 6


async def test_cards_tell_who_claimed(alarm: Alarm) -> None:
    one, other = await alarm.officer("王芳"), await alarm.officer("李强一")
    await alarm.hear()
    await alarm.house.delivery.deliver(alarm.now)
    [alert] = await alarm.alerts()
    task = {userid: card.task_id for userid, card in alarm.phones.cards}
    taps = alarm.desk.taps
    assert await taps.take("wx-王芳", task["wx-王芳"], f"claim-{alert.id}", "fresh-1")
    assert not await taps.take("wx-李强一", task["wx-李强一"], f"claim-{alert.id}", "fresh-2")
    assert one.id != other.id
    await alarm.house.delivery.refresh(alarm.now)
    assert sorted(alarm.phones.replaced) == sorted(
        [("wx-王芳", "fresh-1", "王芳已认领"), ("wx-李强一", "fresh-2", "王芳已认领")]
    )
    assert await alarm.house.delivery.refresh(alarm.now) == 0
    assert not await taps.take("a member", "x", f"claim-{alert.id}", "c")
    assert not await taps.take("wx-王芳", "x", "something else", "c")


async def test_what_is_left_of_a_merged_card_comes_anew(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    await alarm.hear(sender="r1")
    await alarm.hear(sender="r2", screening=boss(scam_type=ScamType.LOAN))
    await alarm.house.delivery.deliver(alarm.now)
    first, second = await alarm.alerts()
    await alarm.house.desk.claim(officer, first.id, alarm.now)
    await alarm.house.delivery.refresh(alarm.now)
    alarm.pass_time(seconds=11)
    await alarm.house.delivery.deliver(alarm.now)
    assert [line.key for line in alarm.phones.cards[-1][1].lines] == [f"claim-{second.id}"]


async def test_claimed_before_the_card_went_out(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    await alarm.hear()
    [alert] = await alarm.alerts()
    await alarm.house.desk.claim(officer, alert.id, alarm.now)
    assert await alarm.house.delivery.deliver(alarm.now) == 0
    [notice] = await alarm.spine.rows(NOTICE)
    assert notice.state is NoticeState.DROPPED


async def test_a_card_that_failed_goes_again_as_itself(alarm: Alarm) -> None:
    await alarm.officer("王芳")
    alarm.phones.receipts = [Receipt(Outcome.RETRY, "busy")]
    await alarm.hear()
    await alarm.house.delivery.deliver(alarm.now)
    [notice] = await alarm.spine.rows(NOTICE)
    assert notice.state is NoticeState.PENDING
    await alarm.hear(sender="r2", text="另外一件事情")
    await alarm.house.delivery.deliver(alarm.pass_time(seconds=5))
    [(_, card)] = alarm.phones.cards
    assert (card.task_id, card.retried) == (notice.card, True)
    alarm.phones.receipts = [Receipt(Outcome.REFUSED, "not a member")]
    await alarm.house.delivery.deliver(alarm.pass_time(seconds=11))
    assert (await alarm.spine.rows(NOTICE))[-1].state is NoticeState.REFUSED
