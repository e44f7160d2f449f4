"""The console by its forms alone, as a browser without a script uses it."""

import io
import re
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image
from sqlalchemy import update

from jingxiaowei.console.guard import safe_path
from jingxiaowei.console.streams import Streams
from jingxiaowei.pipeline.reading import Box, Line, Reading
from jingxiaowei.pipeline.transcript import as_dialogue
from jingxiaowei.services.alerts_samples import seed_alerts, seed_officers
from jingxiaowei.services.alerts_values import Sighting
from jingxiaowei.services.media_reading import READING, Seen
from jingxiaowei.services.picture_mail import PictureMail
from jingxiaowei.services.signins import ABSOLUTE, FAILURES, IDLE
from jingxiaowei.store.alert_tables import ALERT, EVENT, SESSION, AlertState, AlertVerdict
from jingxiaowei.store.tables import AUDIT, INBOX, MEDIA, Role
from tests.console.conftest import OURS, Hands, Site, both
from tests.pictures import saved
from tests.services.alerting import PASSWORD, QUIET, boss


async def test_nobody_comes_in_unasked(hands: Hands) -> None:
    for path in ("/console/", "/console/alerts/1", "/console/history", "/console/alerts/1/verdict"):
        page = await hands.get(path)
        assert hands.at.startswith("/console/sign-in"), path
        assert "登录" in page
        assert "王总" not in page
    for path in ("/console/log", "/console/events"):
        await hands.get(path)
        assert hands.status == 401
    await hands.post("/console/alerts/1/claim")
    assert hands.at.startswith("/console/sign-in")


async def test_account_and_password(hands: Hands) -> None:
    officers = hands.site.alarm.spine.officers
    await officers.add("li.qiang", Role.POLICE, PASSWORD, "county-desk", "李强")
    await hands.get("/console/alerts/2")
    page = await hands.post("/console/sign-in", account="li.qiang", password="wrong password")
    assert (hands.status, "账号或密码不对" in page) == (401, True)
    page = await hands.post(
        "/console/sign-in", account="li.qiang", password=PASSWORD, next="/console/alerts/2"
    )
    assert hands.at == "/console/alerts/2"
    assert "民警<bdi>李强</bdi>" in page
    cookie = next(iter(hands.session.cookie_jar))
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/console")
    await hands.post("/console/sign-out")
    await hands.get("/console/")
    assert hands.at.startswith("/console/sign-in")


@both
async def test_five_wrong_passwords_lock(hands: Hands) -> None:
    await hands.site.alarm.spine.officers.add("li.qiang", Role.POLICE, PASSWORD, "county-desk")
    for _ in range(FAILURES):
        page = await hands.post("/console/sign-in", account="li.qiang", password="x")
    assert "连错 5 次，15 分钟后再试" in page
    page = await hands.post("/console/sign-in", account="li.qiang", password=PASSWORD)
    assert (hands.status, "15 分钟" in page) == (401, True)
    sign_ins, later = hands.site.sign_ins, hands.site.alarm.now + timedelta(minutes=16)
    assert (await sign_ins.sign_in("li.qiang", PASSWORD, later)).token
    assert "sign_in.locked" in [e.action for e in await hands.site.alarm.spine.rows(AUDIT)]


@both
async def test_a_one_time_link_works_once(hands: Hands) -> None:
    link = await hands.site.link(hands.site.police)
    await hands.get(link)
    assert hands.at == "/console/"
    hands.session.cookie_jar.clear()
    page = await hands.get(link)
    assert (hands.status, "用过了" in page) == (401, True)
    code = await hands.site.sign_ins.one_time(hands.site.police.id, hands.site.alarm.now)
    assert await hands.site.sign_ins.enter(code, hands.site.alarm.now + timedelta(hours=2)) == ""


async def test_sessions_end(site: Site) -> None:
    sign_ins, now = site.sign_ins, site.alarm.now
    code = await sign_ins.one_time(site.police.id, now)
    token = await sign_ins.enter(code, now)
    assert await sign_ins.whose(token, now + IDLE + timedelta(seconds=1)) is None
    for minutes in range(20, 12 * 60, 20):
        assert await sign_ins.whose(token, now + timedelta(minutes=minutes)), minutes
    assert await sign_ins.whose(token, now + ABSOLUTE + timedelta(seconds=1)) is None
    listening = await sign_ins.enter(await sign_ins.one_time(site.police.id, now), now)
    await sign_ins.whose(listening, now + timedelta(minutes=25), by_hand=False)
    assert await sign_ins.whose(listening, now + timedelta(minutes=31)) is None
    assert all(token not in str(row) for row in await site.alarm.spine.rows(SESSION))


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://elsewhere.example"},
        {},
    ],
)
async def test_a_form_from_elsewhere_does_nothing(at_work: Hands, headers: dict[str, str]) -> None:
    await at_work.get("/console/")
    await at_work.post("/console/alerts/1/claim", headers=headers)
    assert at_work.status == 403
    [first, *_] = await at_work.site.alarm.alerts()
    assert first.state is AlertState.NEW


async def test_a_form_without_its_token_does_nothing(at_work: Hands) -> None:
    await at_work.post("/console/alerts/1/claim", csrf="0" * 64)
    assert at_work.status == 403
    assert (await at_work.site.alarm.alerts())[0].state is AlertState.NEW


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/form-data", b"no form", 400),
        ("multipart/form-data; boundary=x", b"no form\r\n", 400),
        ("application/x-www-form-urlencoded; charset=none", b"account=a", 400),
        ("application/x-www-form-urlencoded; charset=utf-8", b"account=\xff", 400),
        ("application/x-www-form-urlencoded", b"account=" + b"a" * 2_000_000, 413),
    ],
    ids=range(5),
)
async def test_a_form_that_cannot_be_read_is_refused(
    site: Site, kind: str, body: bytes, status: int
) -> None:
    url, headers = f"{site.url}/console/sign-in", OURS | {"Content-Type": kind}
    async with aiohttp.request("POST", url, data=io.BytesIO(body), headers=headers) as answer:
        assert answer.status == status
        assert "再试" in await answer.text()


@both
async def test_the_whole_way_by_forms(at_work: Hands) -> None:
    page = await at_work.get("/console/")
    order = re.findall(r'id="alert-(\d)"', page)
    assert order == ["1", "2", "3"]
    assert "13800002210" not in page
    page = await at_work.post("/console/alerts/1/claim", **{"from": "today"})
    assert "我已认领" in page
    page = await at_work.post("/console/alerts/1/call")
    assert 'href="tel:13800002210"' in page
    page = await at_work.post("/console/alerts/1/reached", transfer="done")
    assert "电话结果记下了" in page
    page = await at_work.post("/console/alerts/1/handover")
    assert "6222020200001234567" in page
    await at_work.get("/console/alerts/1")
    page = await at_work.post("/console/alerts/1/visit")
    assert "已上门" in page
    page = await at_work.post("/console/alerts/1/close")
    assert (at_work.status, "先选结论" in page) == (409, True)
    page = await at_work.post(
        "/console/alerts/1/close", verdict="attempt", prevented="五万", note="写了半天的备注"
    )
    assert (at_work.status, "写了半天的备注" in page) == (409, True)
    page = await at_work.post("/console/alerts/1/close", verdict="attempt", prevented="50,000")
    assert (at_work.at, "撤销" in page) == ("/console/?closed=1", True)
    alert = (await at_work.site.alarm.alerts())[0]
    assert (alert.verdict, alert.prevented) == (AlertVerdict.ATTEMPT, 50_000)
    page = await at_work.post("/console/alerts/1/reopen")
    assert "已重新打开" in page
    assert (await at_work.site.alarm.alerts())[0].state is AlertState.CLAIMED


@both
async def test_police_confirm_tell_and_search(at_work: Hands) -> None:
    await at_work.get("/console/alerts/1")
    await at_work.post("/console/alerts/1/claim")
    page = await at_work.post("/console/alerts/1/close", verdict="lost", loss="50000")
    assert "待民警确认" in page
    for path in ("/console/alerts/1/confirm", "/console/alerts/1/detach"):
        await at_work.post(path)
        assert at_work.status == 403
    await at_work.get("/console/history")
    assert at_work.status == 403
    at_work.session.cookie_jar.clear()
    await at_work.get(await at_work.site.link(at_work.site.police))
    await at_work.get("/console/alerts/1")
    page = await at_work.post("/console/alerts/1/confirm")
    assert "已办结：已被骗" in page
    page = await at_work.get("/console/history")
    assert "已被骗" in page
    page = await at_work.post("/console/history", word="6222020200001234567")
    assert page.count('<article class="row') == 1
    page = await at_work.post("/console/history", word="没有的账号")
    assert "没找到" in page
    page = await at_work.get("/console/alerts/1/verdict")
    assert "把结论告诉问过的 1 位" in page
    await at_work.post("/console/alerts/1/verdict", verdict="attempt")
    assert at_work.status == 409
    await at_work.get("/console/alerts/1/verdict")
    page = await at_work.post("/console/alerts/1/verdict", verdict="lost")
    assert "回执" in page


async def test_the_original_takes_a_reason(at_work: Hands) -> None:
    page = await at_work.get("/console/alerts/1")
    assert "6222020200001234567" not in page
    page = await at_work.post("/console/alerts/1/original", reason=" ")
    assert (at_work.status, "事由" in page) == (400, True)
    page = await at_work.post("/console/alerts/1/original", reason="报 110 止付")
    assert "6222020200001234567" in page
    trail = [(e.action, e.reason) for e in await at_work.site.alarm.spine.rows(AUDIT)]
    assert ("alert.original", "报 110 止付") in trail


async def test_what_is_lost_says_who_won(at_work: Hands) -> None:
    await at_work.get("/console/")
    desk, now = at_work.site.alarm.house.desk, at_work.site.alarm.now
    await desk.claim(at_work.site.police, 1, now)
    page = await at_work.post("/console/alerts/1/claim")
    assert (at_work.status, "刚被民警陈国华认领" in page) == (409, True)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
async def test_who_has_no_business_with_alerts(hands: Hands, role: Role) -> None:
    officers = hands.site.alarm.spine.officers
    await officers.add("someone", role, PASSWORD, "county-desk", "某某")
    await hands.get(await hands.site.link(await officers.find("someone")))
    assert "不看预警" in hands.page
    for path in ("/console/log", "/console/alerts/1", "/console/history"):
        await hands.get(path)
        assert hands.status == 403, path
        assert "王总" not in hands.page


async def test_what_is_not_there(at_work: Hands) -> None:
    for path in ("/console/alerts/999", "/console/alerts/999999999999999999"):
        await at_work.get(path)
        assert at_work.status == 404
    page = await at_work.get("/console/nowhere")
    assert (at_work.status, "没有这一页" in page, "这一步没有做" in page) == (404, True, False)
    await at_work.get("/console/")
    await at_work.post("/console/alerts/1/nothing")
    assert at_work.status == 404


async def test_words_of_residents_are_text(at_work: Hands) -> None:
    alarm = at_work.site.alarm
    await alarm.hear(text="<script>alert(1)</script>我是王总，先打5万")
    page = await at_work.get("/console/alerts/4")
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


async def test_a_second_start_adds_no_samples(site: Site) -> None:
    alarm = site.alarm
    before = (await alarm.spine.rows(EVENT), len(await alarm.alerts()))
    people = await seed_officers(alarm.spine.officers, alarm.spine.roster)
    await seed_alerts(alarm.database, alarm.house)
    assert (await alarm.spine.rows(EVENT), len(await alarm.alerts())) == before
    assert people == [site.police, site.auxiliary]


async def test_an_empty_log_says_what_was_last(at_work: Hands) -> None:
    alarm = at_work.site.alarm
    async with alarm.database.write() as connection:
        await connection.execute(
            update(ALERT).values(
                state=AlertState.CLOSED, verdict=AlertVerdict.DRILL, closed_at=alarm.now
            )
        )
    page = await at_work.get("/console/")
    assert "没有要马上办的" in page
    assert "办结" in page


@pytest.mark.parametrize(
    ("given", "goes"),
    [
        ("/console/alerts/2?said=x", "/console/alerts/2?said=x"),
        ("https://elsewhere.example/", "/console/"),
        ("//elsewhere.example", "/console/"),
        ("/console//elsewhere", "/console/"),
        ("/console/\\elsewhere", "/console/"),
        ("/console/\r\nSet-Cookie: x", "/console/"),
        ("", "/console/"),
    ],
)
def test_where_a_sign_in_leads(given: str, goes: str) -> None:
    assert safe_path(given) == goes


# --- the picture behind an alert -----------------------------------------------------------


async def picture_alert(site: Site) -> tuple[int, str, bytes]:
    """An alert that rests on a screenshot: its id, the picture's id, the picture as shown."""
    alarm, database = site.alarm, site.alarm.database
    first = await alarm.hear(sender="with-picture", text="看看这个", screening=QUIET)
    bell, media = alarm.spine.bell, alarm.spine.media
    media_id = await media.keep(first.conversation_id, saved(Image.new("RGB", (400, 300))), "")
    shown = saved(Image.new("RGB", (400, 300), "white"))
    media.keep_shown(media_id, shown)
    lines = tuple(
        Line(text, Box(20, 40 + 60 * row, 14 * len(text), 24), 0.99)
        for row, text in enumerate(("我是王总", "先打5万到6222020200001234567"))
    )
    seen = Seen(media_id, first.conversation_id, Reading(400, 300, lines))
    async with database.write() as connection:
        sealed = database.cipher.seal_json(READING, seen.reading)
        await connection.execute(update(MEDIA).values(reading=sealed))
        await PictureMail(database, bell).seen(connection, seen)
    await alarm.spine.settle()
    row = (await alarm.spine.rows(INBOX))[-1]
    text = as_dialogue(seen.reading)
    await alarm.record(
        Sighting(first.conversation_id, row.id, boss(text), text, alarm.now),
    )
    return (await alarm.alerts())[-1].id, media_id, shown


async def test_the_picture_is_seen_with_its_quotes_and_a_reason(at_work: Hands) -> None:
    alert, media_id, shown = await picture_alert(at_work.site)
    await at_work.get(f"/console/alerts/{alert}")
    assert "和原图" in at_work.page
    assert "/pictures/" not in at_work.page
    await at_work.post(f"/console/alerts/{alert}/original", reason="劝阻，要核对账号")
    assert 'viewBox="0 0 400 300"' in at_work.page
    assert at_work.page.count("<rect ") == 2
    address = re.search(r'href="(/console/alerts/\d+/pictures/[^"]+)"', at_work.page)
    assert address
    async with at_work.session.get(at_work.site.url + address[1]) as answer:
        assert answer.content_type == "image/jpeg"
        assert await answer.read() == shown
    events = await at_work.site.alarm.spine.rows(AUDIT)
    assert [event.reason for event in events[-1:]] == ["劝阻，要核对账号"]
    # Without a reason, of another alert, or of none: not shown.
    for path, status in (
        (f"/console/alerts/{alert}/pictures/{media_id}", 400),
        (f"/console/alerts/{alert - 1}/pictures/{media_id}?for=复核", 404),
        (f"/console/alerts/{alert}/pictures/{'a' * 26}?for=复核", 404),
    ):
        await at_work.get(path)
        assert at_work.status == status, path


async def test_a_server_that_stops_opens_no_stream(site: Site) -> None:
    """One that came in at that moment would keep it from stopping for two minutes."""
    streams = Streams(site.alarm.spine.bell, site.sign_ins)
    app = web.Application()
    app.router.add_get("/events", streams.events)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        await streams.close(app)
        async with session.get(server.make_url("/events")) as answer:
            assert answer.status == 503
