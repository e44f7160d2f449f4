"""Officers and alerts: who wins a claim, who may do what, and what each step leaves."""

import asyncio
from typing import Any

import pytest

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.pipeline.screen.values import Transfer
from jingxiaowei.services.alerts_closing import Closing
from jingxiaowei.services.alerts_retention import remove_alerts
from jingxiaowei.services.alerts_rights import ALLOWED, Act, require
from jingxiaowei.services.alerts_values import AlertConflictError, AlertMissingError
from jingxiaowei.services.officers import Signed
from jingxiaowei.store.alert_tables import EVENT, AlertState, AlertVerdict
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import AUDIT, OUTBOX, Role
from tests.services.alerting import Alarm, boss, make_alarm


@pytest.fixture
async def alarm(database: Database, mind: Mind) -> Alarm:
    alarm = await make_alarm(database, mind)
    await alarm.hear()
    return alarm


async def the_alert(alarm: Alarm) -> Any:
    [alert] = await alarm.alerts()
    return alert


async def test_two_taps_at_once_one_wins(alarm: Alarm) -> None:
    people = [await alarm.officer(name) for name in ("王芳", "李强一", "赵敏敏敏")]
    alert = await the_alert(alarm)
    claims = await asyncio.gather(
        *(alarm.house.desk.claim(officer, alert.id, alarm.now) for officer in people)
    )
    [winner] = [o for o, claim in zip(people, claims, strict=True) if claim.won]
    assert {claim.officer for claim in claims} == {f"辅警{winner.name}"}
    assert (await the_alert(alarm)).claimed_by == winner.id
    again = await alarm.house.desk.claim(winner, alert.id, alarm.now)
    assert (again.won, again.alert_ids) == (True, ())
    events = [event.kind for event in await alarm.spine.rows(EVENT)]
    assert events.count("claimed") == 1


async def test_the_whole_way(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    id_ = (await the_alert(alarm)).id
    with pytest.raises(AlertConflictError, match="先认领"):
        await alarm.house.desk.visit(officer, id_, alarm.now)
    sheet = await alarm.house.desk.call(officer, id_, alarm.now)
    assert "打 96110" in sheet.outline[0]
    assert (await the_alert(alarm)).state is AlertState.CLAIMED
    assert await alarm.house.desk.advise(officer, id_, alarm.now) == ""
    await alarm.spine.settle()
    assert any("值班辅警王芳看过了" in t for t in alarm.spine.far.texts("resident-1"))
    await alarm.house.desk.visit(officer, id_, alarm.now)
    closing = Closing(AlertVerdict.ATTEMPT, prevented=50_000, note="当面劝住了")
    state = await alarm.house.closing.close(officer, id_, closing, alarm.now)
    alert = await the_alert(alarm)
    assert (state, alert.state, alert.verdict) == (
        AlertState.CLOSED,
        AlertState.CLOSED,
        AlertVerdict.ATTEMPT,
    )
    assert "当面" not in str(alert.note)
    await alarm.house.closing.reopen(officer, id_, alarm.now)
    assert (await the_alert(alarm)).state is AlertState.CLAIMED
    with pytest.raises(AlertMissingError):
        await alarm.house.desk.claim(officer, 99, alarm.now)


async def test_an_auxiliarys_loss_waits_for_police(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    police = await alarm.officer("陈国华", Role.POLICE)
    id_ = (await the_alert(alarm)).id
    await alarm.house.desk.claim(officer, id_, alarm.now)
    lost = Closing(AlertVerdict.LOST, loss=50_000)
    assert await alarm.house.closing.close(officer, id_, lost, alarm.now) is AlertState.CLAIMED
    alert = await the_alert(alarm)
    assert (alert.lost_pending, alert.verdict) == (True, None)
    with pytest.raises(PermissionDeniedError, match="这一步要民警确认"):
        await alarm.house.closing.confirm_lost(officer, id_, alarm.now)
    await alarm.house.closing.decline_lost(police, id_, alarm.now)
    with pytest.raises(AlertConflictError):
        await alarm.house.closing.confirm_lost(police, id_, alarm.now)
    await alarm.house.closing.close(officer, id_, lost, alarm.now)
    await alarm.house.closing.confirm_lost(police, id_, alarm.now)
    alert = await the_alert(alarm)
    assert (alert.verdict, alert.loss, alert.closed_by) == (AlertVerdict.LOST, 50_000, police.id)


async def test_two_close_at_once(alarm: Alarm) -> None:
    one = await alarm.officer("王建国", Role.POLICE)
    other = await alarm.officer("陈国华", Role.POLICE)
    id_ = (await the_alert(alarm)).id
    await alarm.house.desk.claim(one, id_, alarm.now)
    results = await asyncio.gather(
        alarm.house.closing.close(one, id_, Closing(AlertVerdict.ATTEMPT), alarm.now),
        alarm.house.closing.close(other, id_, Closing(AlertVerdict.DRILL), alarm.now),
        return_exceptions=True,
    )
    assert sum(isinstance(result, AlertConflictError) for result in results) == 1


async def test_a_number_in_a_note_is_refused(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    id_ = (await the_alert(alarm)).id
    await alarm.house.desk.claim(officer, id_, alarm.now)
    for closing, words in (
        (Closing(AlertVerdict.OTHER, note="身份证 330424199001011234"), "证件号"),
        (Closing(AlertVerdict.OTHER, loss=-1), "正数"),
    ):
        with pytest.raises(AlertConflictError, match=words):
            await alarm.house.closing.close(officer, id_, closing, alarm.now)


async def test_advice_that_cannot_go_out_says_so(alarm: Alarm) -> None:
    await alarm.hear(sender="wm-1", channel=Channel.WECOM_KF)
    alert = (await alarm.alerts())[-1]
    officer = await alarm.officer("王芳")
    await alarm.house.desk.claim(officer, alert.id, alarm.now)
    late = alarm.pass_time(hours=49)
    refusal = await alarm.house.desk.advise(officer, alert.id, late)
    assert "请打电话" in refusal
    assert (await alarm.alerts())[-1].state is AlertState.CLAIMED


async def test_another_areas_alert(alarm: Alarm) -> None:
    stranger = await alarm.officer("钱小明", area="wuyuan")
    id_ = (await the_alert(alarm)).id
    with pytest.raises(PermissionDeniedError, match="县公安局值班台辖区"):
        await alarm.house.reviews.review(stranger, id_, alarm.now)
    assert await alarm.house.book.today(stranger, alarm.now) == []


async def test_an_auxiliary_sees_alerts_only_while_they_are_worked_on(alarm: Alarm) -> None:
    one, other = await alarm.officer("王芳"), await alarm.officer("李强一")
    id_ = (await the_alert(alarm)).id
    await alarm.house.desk.claim(one, id_, alarm.now)
    with pytest.raises(PermissionDeniedError, match="别人认领"):
        await alarm.house.desk.visit(other, id_, alarm.now)
    await alarm.house.closing.close(one, id_, Closing(AlertVerdict.FALSE_ALARM), alarm.now)
    with pytest.raises(PermissionDeniedError, match="已经办结"):
        await alarm.house.reviews.review(other, id_, alarm.now)
    later = alarm.pass_time(minutes=11)
    with pytest.raises(PermissionDeniedError, match="民警确认"):
        await alarm.house.closing.reopen(one, id_, later)


WORK = {
    Act.LIST, Act.VIEW, Act.ORIGINAL, Act.CLAIM, Act.RELEASE, Act.CALL, Act.ADVISE, Act.VISIT,
    Act.TRANSFER, Act.HANDOVER, Act.CLOSE, Act.UNDO,
}  # fmt: skip
TABLE = {
    Role.POLICE: set(Act),
    Role.AUXILIARY: WORK,
    Role.ADMIN: set(),
    Role.AUDITOR: set(),
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("act", list(Act))
def test_roles_and_acts(role: Role, act: Act) -> None:
    if act in TABLE[role]:
        require(role, act)
    else:
        with pytest.raises(PermissionDeniedError):
            require(role, act)


def test_the_table_is_whole() -> None:
    assert set(ALLOWED) == set(Role)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
async def test_who_has_no_business_with_alerts_sees_none(alarm: Alarm, role: Role) -> None:
    officer = await alarm.officer("管理员甲", role)
    id_ = (await the_alert(alarm)).id
    desk, closing = alarm.house.desk, alarm.house.closing
    steps = [
        alarm.house.book.today(officer, alarm.now),
        alarm.house.book.history(officer, alarm.now),
        alarm.house.reviews.review(officer, id_, alarm.now),
        alarm.house.reviews.handover(officer, id_, alarm.now),
        alarm.house.verdicts.recipients(officer, id_, alarm.now),
        desk.claim(officer, id_, alarm.now),
        desk.call(officer, id_, alarm.now),
        desk.advise(officer, id_, alarm.now),
        closing.close(officer, id_, Closing(AlertVerdict.OTHER), alarm.now),
        closing.detach(officer, id_, alarm.now),
    ]
    for step in steps:
        with pytest.raises(PermissionDeniedError):
            await step
    assert [e for e in await alarm.spine.rows(AUDIT) if e.action.startswith("alert.")] == []


async def trail(alarm: Alarm, officer: Signed) -> list[tuple[str, str]]:
    rows = await alarm.spine.rows(AUDIT)
    return [(e.action, e.reason) for e in rows if e.actor == f"officer:{officer.id}"]


async def test_every_look_leaves_a_trace(alarm: Alarm) -> None:
    officer = await alarm.officer("陈国华", Role.POLICE)
    id_ = (await the_alert(alarm)).id
    await alarm.house.book.today(officer, alarm.now)
    await alarm.house.book.today(officer, alarm.now, glance=True)
    await alarm.house.reviews.review(officer, id_, alarm.now)
    await alarm.house.reviews.review(officer, id_, alarm.now, reason="要回拨核对账号")
    await alarm.house.book.history(officer, alarm.now, "6222020200001234567")
    await alarm.house.desk.claim(officer, id_, alarm.now)
    assert await trail(alarm, officer) == [
        ("alert.list", ""),
        ("alert.view", ""),
        ("alert.original", "要回拨核对账号"),
        ("alert.history", "search"),
        ("alert.claim", ""),
    ]
    assert await alarm.spine.audit.verify() is None


async def test_what_is_shown_is_veiled_until_a_reason_is_given(alarm: Alarm) -> None:
    officer = await alarm.officer("陈国华", Role.POLICE)
    id_ = (await the_alert(alarm)).id
    review = await alarm.house.reviews.review(officer, id_, alarm.now)
    text = "".join(piece.text for piece in review.said[0].pieces)
    assert "6222020200001234567" not in text
    assert "***************4567" in text
    assert [mark.value for mark in review.marks] == ["****4567", "约 5 万元"]
    assert [step.number for step in review.ladder if step.seen] == [1, 2, 4, 6, 8]
    assert [step.number for step in review.ladder if step.furthest] == [8]
    assert [step.number for step in review.ladder if step.likely] == [9]
    quotes = [piece.text for piece in review.said[0].pieces if piece.signal]
    assert quotes == ["我是王总", "新建了群", "账上还有多少", "先打5万", "我在开会别打电话"]
    original = await alarm.house.reviews.review(officer, id_, alarm.now, reason="核对")
    assert "6222020200001234567" in "".join(p.text for p in original.said[0].pieces)


async def test_the_hand_over_sheet(alarm: Alarm) -> None:
    officer = await alarm.officer("陈国华", Role.POLICE)
    id_ = (await the_alert(alarm)).id
    with pytest.raises(AlertConflictError, match="没有转出"):
        await alarm.house.reviews.handover(officer, id_, alarm.now)
    await alarm.house.desk.claim(officer, id_, alarm.now)
    await alarm.house.desk.set_transfer(officer, id_, Transfer.DONE, alarm.now)
    sheet = await alarm.house.reviews.handover(officer, id_, alarm.now)
    assert "对方账号：6222020200001234567" in sheet
    assert "金额：约 5 万元" in sheet
    assert "立案" not in sheet


async def test_the_log_puts_the_money_first(alarm: Alarm) -> None:
    officer = await alarm.officer("陈国华", Role.POLICE)
    alarm.pass_time(minutes=1)
    await alarm.hear(sender="r2", screening=boss(transfer=Transfer.DONE))
    await alarm.hear(sender="r3", screening=boss(transfer=Transfer.IN_PROGRESS))
    rows = await alarm.house.book.today(officer, alarm.now)
    assert [row.mark for row in rows] == ["■ 已转", "◧ 正在转", "□ 未转"]
    assert rows[0].title == "冒充老板·约 5 万元"
    found = await alarm.house.book.history(officer, alarm.now, "6222 0202 0000 1234 567")
    assert len(found) == 3
    assert await alarm.house.book.history(officer, alarm.now) == []


async def test_release_starts_the_line_anew(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    id_ = (await the_alert(alarm)).id
    await alarm.house.desk.claim(officer, id_, alarm.now)
    await alarm.house.desk.release(officer, id_, alarm.now)
    alert = await the_alert(alarm)
    assert (alert.state, alert.claimed_by, alert.claim_due) == (AlertState.NEW, None, alarm.now)
    with pytest.raises(AlertConflictError, match="现在是待认领"):
        await alarm.house.desk.release(officer, id_, alarm.now)
    assert await alarm.spine.rows(OUTBOX)


async def test_a_closed_alert_goes_when_its_time_is_over(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    await alarm.hear(sender="r2")
    first, second = await alarm.alerts()
    assert first.case_id is not None
    await alarm.house.desk.claim(officer, first.id, alarm.now)
    await alarm.house.closing.close(officer, first.id, Closing(AlertVerdict.DRILL), alarm.now)
    async with alarm.database.write() as connection:
        assert await remove_alerts(connection, alarm.now, 10) == 0
        assert await remove_alerts(connection, alarm.pass_time(days=181), 10) == 1
    assert [alert.id for alert in await alarm.alerts()] == [second.id]
    assert {event.alert_id for event in await alarm.spine.rows(EVENT)} == {second.id}


async def test_what_was_told_by_taps_is_on_the_sheets(alarm: Alarm) -> None:
    officer = await alarm.officer("王芳")
    await alarm.hear(screening=boss(transfer=Transfer.DONE))
    [alert] = await alarm.alerts()
    async with alarm.database.write() as connection:
        told = {"who": "老板、领导", "where": "微信群", "sum": "20 万以上"}
        assert await alarm.house.contacts.give(connection, alert.conversation_id, alarm.now, **told)
    call = await alarm.house.desk.call(officer, alert.id, alarm.now)
    assert call.told == ("老板、领导", "微信群", "20 万以上")
    sheet = await alarm.house.reviews.handover(officer, alert.id, alarm.now)
    assert "谁要求：老板、领导，在哪里：微信群" in sheet
    assert "金额：约 5 万元" in sheet  # the message's own sum is the better one
