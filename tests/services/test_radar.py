"""The same script in other words, the case that it makes, and the verdict to who reported it."""

import pytest

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services import radar
from jingxiaowei.services.alerts_closing import Closing
from jingxiaowei.services.alerts_values import AlertConflictError
from jingxiaowei.store.alert_tables import CASE, NOTICE, RECEIPT, AlertState, AlertVerdict
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import Role
from tests.services.alerting import Alarm, make_alarm

CIPHER = Cipher(b"d" * 32, b"i" * 32)
SCRIPT = (
    "小陈，我是王总，你到这个新群里来。公司账上余额还有多少，"
    "先付一笔合同款，手续回头补，我在开会不方便接电话"
)
REWORDED = (
    "小李你好，我是王总。你到新群里来一下。账上余额还有多少？"
    "先付一笔合同款 86000，手续回头再补，我在开会，不方便接电话！"
)
OTHERS = (
    "您好，我是快递客服，您的包裹丢了，我们三倍赔偿，请下载这个软件共享屏幕办理",
    "老师我孩子的学费怎么交，群里通知说今天截止，要不要先付一部分",
    "兼职做任务点赞返佣金，前三单都到账了，现在要垫付大单才能提现",
    "王总说下周开会要用的材料放在公司共享盘里，合同款的手续财务在走流程",
)


@pytest.fixture
async def alarm(database: Database, mind: Mind) -> Alarm:
    return await make_alarm(database, mind)


def test_reworded_is_alike_and_other_talk_is_not() -> None:
    one = radar.sketch(CIPHER, SCRIPT)
    assert radar.alike(one, radar.sketch(CIPHER, REWORDED))
    assert radar.alike(one, radar.sketch(CIPHER, "别人转给我看的：" + SCRIPT + "这是不是骗子啊"))
    for text in OTHERS:
        assert not radar.alike(one, radar.sketch(CIPHER, text)), text


def test_alike_sketches_share_a_band() -> None:
    bands = [set(radar.bands(CIPHER, radar.sketch(CIPHER, t))) for t in (SCRIPT, REWORDED)]
    assert bands[0] & bands[1]


def test_short_texts_have_no_sketch() -> None:
    assert radar.sketch(CIPHER, "转了") == radar.EMPTY
    assert not radar.alike(radar.EMPTY, radar.EMPTY)
    assert radar.bands(CIPHER, radar.EMPTY) == []


def test_another_key_another_sketch() -> None:
    other = Cipher(b"d" * 32, b"j" * 32)
    one, two = radar.sketch(CIPHER, SCRIPT), radar.sketch(other, SCRIPT)
    assert not radar.alike(one, two)
    again = radar.from_bytes(one.to_bytes(), one.shingles)
    assert radar.alike(one, again)


async def test_three_of_one_script_are_one_case_and_one_claim(alarm: Alarm) -> None:
    chief = await alarm.officer("陈国华", Role.POLICE)
    await alarm.hear(sender="r1", text=SCRIPT)
    assert [a.case_id for a in await alarm.alerts()] == [None]
    await alarm.hear(sender="r2", text=REWORDED)
    first, second = await alarm.alerts()
    assert first.case_id == second.case_id is not None
    [case] = await alarm.spine.rows(CASE)
    assert case.raised_at is None
    await alarm.hear(sender="r3", text=SCRIPT + "快点")
    [case] = await alarm.spine.rows(CASE)
    assert case.raised_at == alarm.now
    assert [n.kind for n in await alarm.spine.rows(NOTICE)].count("case") == 1
    await alarm.hear(sender="r4", text=OTHERS[0])
    claim = await alarm.house.desk.claim(chief, first.id, alarm.now)
    assert len(claim.alert_ids) == 3
    states = [a.state for a in await alarm.alerts()]
    assert states == [AlertState.CLAIMED] * 3 + [AlertState.NEW]
    review = await alarm.house.reviews.review(chief, first.id, alarm.now)
    assert len(review.same) == 2
    await alarm.house.closing.detach(chief, first.id, alarm.now)
    assert [a.case_id is None for a in await alarm.alerts()] == [True, False, False, True]


async def test_one_resident_twice_is_no_case(alarm: Alarm) -> None:
    officer = await alarm.officer("陈国华", Role.POLICE)
    await alarm.hear(text=SCRIPT)
    [alert] = await alarm.alerts()
    await alarm.house.desk.claim(officer, alert.id, alarm.now)
    await alarm.house.closing.close(officer, alert.id, Closing(AlertVerdict.ATTEMPT), alarm.now)
    await alarm.hear(text=REWORDED)
    assert [a.case_id for a in await alarm.alerts()] == [None, None]


async def test_a_shared_account_joins_two_cases(alarm: Alarm) -> None:
    account = "6222020200001234567"
    await alarm.hear(sender="r1", text=SCRIPT)
    await alarm.hear(sender="r2", text=REWORDED)
    await alarm.hear(sender="r3", text=f"客服让我把钱打到 {account}，说是退款")
    await alarm.hear(sender="r4", text=f"转到这个卡 {account} 我有点怕")
    cases = [a.case_id for a in await alarm.alerts()]
    assert (cases[0] == cases[1], cases[2] == cases[3], cases[0] == cases[2]) == (True, True, False)
    await alarm.hear(sender="r5", text=SCRIPT + f"打到 {account}")
    assert len({a.case_id for a in await alarm.alerts()}) == 1
    assert len(await alarm.spine.rows(CASE)) == 1


async def test_the_verdict_reaches_exactly_those_who_reported(alarm: Alarm) -> None:
    chief = await alarm.officer("陈国华", Role.POLICE)
    aux = await alarm.officer("王芳")
    await alarm.hear(sender="r1", text=SCRIPT)
    await alarm.hear(sender="wm2", text=REWORDED, channel=Channel.WECOM_KF)
    await alarm.hear(sender="r3", text=OTHERS[0])
    first, second, other = await alarm.alerts()
    verdicts = alarm.house.verdicts
    with pytest.raises(PermissionDeniedError, match="民警确认"):
        await verdicts.send(aux, first.id, AlertVerdict.ATTEMPT, alarm.now)
    with pytest.raises(AlertConflictError, match="先办结"):
        await verdicts.send(chief, first.id, AlertVerdict.ATTEMPT, alarm.now)
    await alarm.house.desk.claim(chief, first.id, alarm.now)
    await alarm.house.closing.close(chief, first.id, Closing(AlertVerdict.ATTEMPT), alarm.now)
    with pytest.raises(AlertConflictError, match="没有可以告知"):
        await verdicts.send(chief, first.id, AlertVerdict.OTHER, alarm.now)
    late = alarm.pass_time(hours=49)
    listed = await verdicts.recipients(chief, first.id, late)
    assert [bool(each.barred) for each in listed] == [False, True]
    await verdicts.send(chief, first.id, AlertVerdict.ATTEMPT, late)
    await verdicts.send(chief, first.id, AlertVerdict.ATTEMPT, late)
    told = [
        (row.conversation_id, alarm.database.cipher.open_json(b"outbox.body", row.body)["text"])
        for row in await alarm.outgoing()
        if row.created_at == late
    ]
    [(who, text)] = told
    assert who == first.conversation_id
    assert "民警核过，是诈骗。" in text
    assert not any(word in text for word in ("王总", "小陈", "小李", "账上", "立案"))
    assert other.conversation_id not in {r.conversation_id for r in await alarm.spine.rows(RECEIPT)}
    lines = await verdicts.receipts(chief, first.id, late)
    assert [(line.alert_id, line.reached) for line in lines] == [
        (second.id, False),
        (first.id, True),
    ]
    assert "请打电话" in lines[0].outcome
