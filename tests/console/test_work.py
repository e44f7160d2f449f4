"""Tickets, missed questions and the trail, by forms alone."""

import re

import pytest
from sqlalchemy import delete, update

from jingxiaowei.services.bell import Stage
from jingxiaowei.store.tables import AUDIT, QUESTION, TICKET, QuestionState, Role, TicketState
from tests.conftest import said
from tests.console.conftest import Hands, Site, both
from tests.console.test_residents import as_police, somebody, trail


@pytest.fixture
async def ticketed(site: Site) -> int:
    """A resident asks for a person; the ticket's number."""
    spine = site.alarm.spine
    await spine.inbox.receive([said("人工", sender="wants-a-person")])
    await spine.settle()
    ids: list[int] = [row.id for row in await spine.rows(TICKET)]
    return max(ids)


@both
async def test_an_emergency_stands_above_the_alerts(at_work: Hands) -> None:
    assert "0 件紧急求助" in await at_work.get("/console/")  # hidden
    spine = at_work.site.alarm.spine
    with spine.bell.subscribe(Stage.ALERTS) as rung:
        await spine.inbox.receive([said("我老公又打我了，我躲在厕所里", sender="in-need")])
        await spine.settle()
        assert rung.is_set()
    for path in ("/console/", "/console/log"):
        assert "1 件紧急求助没人认领" in await at_work.get(path)
    [ticket] = [row for row in await spine.rows(TICKET) if row.need in {"emergency", "harm"}]
    await at_work.get(f"/console/tickets/{ticket.id}")
    await at_work.post(f"/console/tickets/{ticket.id}/claim")
    assert 'data-count="0" hidden' in await at_work.get("/console/")


@both
async def test_a_ticket_from_claim_to_note(at_work: Hands, ticketed: int) -> None:
    page = await at_work.get("/console/tickets")
    assert "没人认领" in page
    page = await at_work.post(f"/console/tickets/{ticketed}/claim")
    assert (at_work.at, "我已认领" in page) == (f"/console/tickets/{ticketed}?said=claimed", True)
    assert "人工" in page
    page = await at_work.post(f"/console/tickets/{ticketed}/close", note=" ")
    assert (at_work.status, "写一句结果" in page) == (400, True)
    page = await at_work.post(f"/console/tickets/{ticketed}/close", note="号 330424199001011234")
    assert (at_work.status, "证件号" in page, "330424199001011234" in page) == (400, True, True)
    form = {"note": "已电话答复，周一来办", "words": "周一带身份证来窗口"}
    page = await at_work.post(f"/console/tickets/{ticketed}/close", **form)
    assert ("办结：周一带身份证来窗口。" in page, "发出并办结" in page) == (True, True)
    page = await at_work.post(f"/console/tickets/{ticketed}/close", **form, seen=form["words"])
    assert (at_work.at, "办结了" in page) == ("/console/tickets?said=told", True)
    page = await at_work.get("/console/tickets?closed=1")
    assert "已电话答复，周一来办" in page
    row = next(r for r in await at_work.site.alarm.spine.rows(TICKET) if r.id == ticketed)
    assert row.state is TicketState.CLOSED
    assert "周一".encode() not in row.note
    assert [act for act, _ in await trail(at_work.site) if act.startswith("ticket.c")] == [
        "ticket.claim",
        "ticket.close",
    ]
    spine = at_work.site.alarm.spine
    await spine.settle()
    assert any("周一带身份证来窗口" in text for text in spine.far.texts("wants-a-person"))


async def test_what_is_lost_says_who_won(hands: Hands, at_work: Hands, ticketed: int) -> None:
    site = at_work.site
    await at_work.get("/console/tickets")
    await site.desk.tickets.claim(site.police, ticketed, site.alarm.now)
    page = await at_work.post(f"/console/tickets/{ticketed}/claim")
    assert (at_work.status, "刚被民警陈国华认领" in page) == (409, True)
    page = await at_work.post(f"/console/tickets/{ticketed}/close", note="写了半天的结果")
    assert (at_work.status, "刚被民警陈国华认领" in page) == (409, True)
    await as_police(hands)
    await hands.get(f"/console/tickets/{ticketed}")
    page = await hands.post(f"/console/tickets/{ticketed}/release")
    assert "已放回" in page
    page = await hands.post(f"/console/tickets/{ticketed}/close", note="没认领就办结")
    assert (hands.status, "先认领" in page) == (409, True)


async def test_tickets_of_another_area(hands: Hands, ticketed: int) -> None:
    await somebody(hands, Role.AUXILIARY, "qinshan")
    page = await hands.get("/console/tickets")
    assert f"/console/tickets/{ticketed}" not in page
    page = await hands.get(f"/console/tickets/{ticketed}")
    assert (hands.status, "值班台辖区" in page) == (403, True)
    await hands.post(f"/console/tickets/{ticketed}/claim")
    assert hands.status == 403
    await hands.get("/console/tickets/999999999999999999")
    assert hands.status == 404


async def test_an_overdue_ticket_stands_first(at_work: Hands, ticketed: int) -> None:
    async with at_work.site.alarm.database.write() as connection:
        await connection.execute(
            update(TICKET).where(TICKET.c.id == ticketed).values(due_at=at_work.site.alarm.now)
        )
    page = await at_work.get("/console/tickets")
    assert "1 张过期" in page
    assert "■ 过期" in page
    # An emergency stands before what has waited longer.
    spine = at_work.site.alarm.spine
    await spine.inbox.receive([said("我老公又打我了", sender="at-home")])
    await spine.settle()
    page = await at_work.get("/console/tickets")
    assert page.index("老公又打我") < page.index(f"/console/tickets/{ticketed}")
    page = await at_work.get("/console/work")
    assert "■ 过期" in page


@both
async def test_missed_questions_are_counted_and_settled(hands: Hands, site: Site) -> None:
    spine = site.alarm.spine
    words = "天上的星星归哪个所管呀"
    for number in range(2):
        message = said(words, sender=f"asks-{number}", message_id=f"asks-{number}")
        await spine.inbox.receive([message])
        await spine.settle()
    await somebody(hands, Role.ADMIN)
    page = await hands.get("/console/questions")
    assert words in page
    assert "2 次" in page
    key = next(row.key for row in await spine.rows(QUESTION) if row.times == 2)
    page = await hands.post(f"/console/questions/{key}/done")
    assert "标为补好了" in page
    assert words not in page
    page = await hands.get("/console/questions?settled=1")
    assert words in page
    page = await hands.post(f"/console/questions/{key}/new")
    row = next(row for row in await spine.rows(QUESTION) if row.key == key)
    assert row.state is QuestionState.NEW
    await hands.post(f"/console/questions/{key}/nothing")
    assert hands.status == 404
    await hands.get("/console/questions")
    await hands.post(f"/console/questions/{'0' * 32}/done")
    assert hands.status == 404


@both
async def test_the_auditor_reads_and_verifies_the_trail(hands: Hands) -> None:
    await somebody(hands, Role.AUDITOR)
    page = await hands.get("/console/trail")
    assert "民警陈国华" in page
    page = await hands.get("/console/trail?topic=file")
    assert "改标签" in page
    assert "加账号" not in page.split("<table")[1]
    assert "标签记录 1" in page
    assert "assignment:" not in page
    assert "一次性链接" in await hands.get("/console/trail?topic=sign_in")
    page = await hands.get(f"/console/trail?who={hands.site.auxiliary.id}&topic=file")
    assert "提请" in page
    page = await hands.post("/console/trail/verify")
    assert "未发现断链" in page
    rows = sorted(row.id for row in await hands.site.alarm.spine.rows(AUDIT))
    async with hands.site.alarm.database.write() as connection:
        await connection.execute(delete(AUDIT).where(AUDIT.c.id == rows[2]))
    page = await hands.post("/console/trail/verify")
    assert f"第 {rows[3]} 条和前一条接不上" in page


async def test_the_table_of_tags(at_work: Hands) -> None:
    page = await at_work.get("/console/tags")
    assert "12 大项，102 小项" in page
    assert len(re.findall(r'<th scope="row">', page)) == 102
