"""One person, one file: reading it, finding it, merging, handing over, and what the law asks."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from jingxiaowei.content.model import Calendar
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.files_values import Purpose
from jingxiaowei.services.requests import workdays_after
from jingxiaowei.services.retention import CHILDRENS_KEPT, KEPT
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    CONTACT_POINT,
    HANDOVER,
    REQUEST,
    SUGGESTION,
    ConsentKind,
    ContactKind,
    Ended,
    Ground,
    Minor,
    RequestKind,
    RequestState,
)
from jingxiaowei.store.tables import (
    AUDIT,
    CONVERSATION,
    IDENTITY,
    INBOX,
    RESIDENT,
    TICKET,
    Role,
    TicketState,
)
from tests.services.filing import WHY, Filing, make_filing


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


async def test_the_dossier(filing: Filing) -> None:
    police, helper = await filing.officer("陈国华"), await filing.officer("王芳", Role.AUXILIARY)
    who = await filing.resident()
    message = await filing.hear("resident-1", "我电话13800002210")
    await filing.hear("resident-1", "人工")
    await filing.agree(who, ConsentKind.CAREFUL)
    await filing.tagging.apply(police, who, "elder_alone", WHY, filing.now)
    await filing.tagging.apply(helper, who, "finance_staff", WHY, filing.now)
    files = filing.house.files
    for kind, value in (
        (ContactKind.NAME, "陈秀英"),
        (ContactKind.PHONE, "+86 138-0000-2210"),
        (ContactKind.PHONE, "13800002210"),
    ):
        await files.note_contact(helper, who, kind, value, filing.now)
    [name, phone] = await filing.spine.rows(CONTACT_POINT)
    assert (name.found, len(phone.found)) == (None, 32)
    dossier = await files.open(helper, who, Purpose.SERVICE, filing.now)
    assert [line.name for line in dossier.tags] == ["财务人员"]
    assert (dossier.careful_hidden, dossier.tags[0].by) == (1, "辅警王芳")
    assert dossier.contacts[ContactKind.PHONE] == ("138****2210",)
    assert dossier.contacts[ContactKind.NAME] == ("陈**",)
    assert any("138****2210" in line.text for line in dossier.timeline)
    assert {line.kind for line in dossier.timeline} >= {"said", "replied", "ticket"}
    assert "13800002210" not in repr(dossier)
    with pytest.raises(PermissionDeniedError, match="民警看"):
        await files.open(helper, who, Purpose.SERVICE, filing.now, careful=True)
    full = await files.open(police, who, Purpose.CARE, filing.now, careful=True)
    assert [line.name for line in full.tags] == ["独居老人", "财务人员"]
    assert [(r.by, r.reason) for r in full.readings[:2]] == [
        ("民警陈国华", "关怀回访"),
        ("辅警王芳", "办事"),
    ]
    assert (await files.original(helper, message, Purpose.SERVICE, filing.now)).startswith(
        "我电话138000"
    )
    contact = await files.contact(police, who, Purpose.CARE, filing.now)
    assert contact[ContactKind.PHONE] == ("13800002210",)
    for note in ("", "找33042419900101123X"):
        with pytest.raises(TagRefusedError, match="事由"):
            await files.open(police, who, Purpose.OTHER, filing.now, note=note)
    auditor = await filing.officer("郑明", Role.AUDITOR)
    readings = await files.readings(auditor, who, filing.now)
    assert {r.what for r in readings} >= {"file.view", "file.view_careful", "file.original"}
    with pytest.raises(PermissionDeniedError):
        await files.open(auditor, who, Purpose.SERVICE, filing.now)
    assert "13800002210" not in repr(await filing.spine.rows(AUDIT))
    assert await filing.spine.audit.verify() is None


async def test_a_file_as_of_a_day(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    await filing.tagging.apply(police, who, "need_passport", WHY, filing.now)
    first = filing.now
    filing.pass_time(days=10)
    done = await filing.tagging.apply(police, who, "finance_staff", WHY, filing.now)
    filing.pass_time(days=60)  # need_passport has run out
    assert done.id
    await filing.tagging.end(police, done.id, Ended.CORRECTED, filing.now)

    async def names(days: float) -> list[str]:
        dossier = await filing.house.files.open(
            police, who, Purpose.SERVICE, filing.now, as_of=first + timedelta(days=days)
        )
        return [line.held.tag for line in dossier.tags]

    assert await names(5) == ["need_passport"]
    assert await names(20) == ["need_passport", "finance_staff"]
    assert await names(65) == ["finance_staff"]
    # Gone after its time: the errand 30 days after it ran out, the other half a year later.
    filing.pass_time(days=21)
    await filing.retention.purge(filing.now)
    assert await names(20) == ["finance_staff"]
    filing.pass_time(days=160)
    await filing.hear("resident-1", "你好")
    await filing.retention.purge(filing.now)
    assert await names(20) == []
    assert await filing.assignments() == []


async def test_what_is_due_is_asked_and_runs_out(filing: Filing) -> None:
    police, helper = await filing.officer("陈国华"), await filing.officer("王芳", Role.AUXILIARY)
    who = await filing.resident()
    await filing.agree(who, ConsentKind.CAREFUL)
    await filing.tagging.apply(police, who, "need_passport", WHY, filing.now)
    await filing.tagging.apply(police, who, "need_home_visit", WHY, filing.now)
    await filing.choose(who, "pref_call")
    assert await filing.house.reviews.due(police, filing.now) == []
    filing.pass_time(days=54)
    assert [r.tag for r in await filing.house.reviews.due(helper, filing.now)] == ["need_passport"]
    assert len(await filing.house.reviews.due(police, filing.now)) == 2
    filing.pass_time(days=7)
    assert await filing.house.reviews.expire(filing.now) == 2
    assert await filing.house.reviews.expire(filing.now) == 0
    filing.pass_time(days=700)
    [review] = await filing.house.reviews.due(police, filing.now)
    assert (review.tag, review.ask_resident) == ("pref_call", True)


async def test_errands_and_withdrawals_leave_no_history(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    done = await filing.tagging.apply(police, who, "need_passport", WHY, filing.now)
    await filing.tagging.apply(police, who, "finance_staff", WHY, filing.now)
    await filing.tagging.apply(police, who, "young_adult", WHY, filing.now)
    assert done.id
    await filing.tagging.end(police, done.id, Ended.REMOVED, filing.now)
    await filing.choose(who, "finance_staff", on=False)
    gone = await filing.retention.purge(filing.now)
    assert gone["file_tags"] == 2
    assert [row.tag for row in await filing.assignments()] == ["young_adult"]


async def test_a_silent_resident_with_a_file_stays(filing: Filing) -> None:
    police = await filing.officer("陈国华")
    filed, bare = await filing.resident("r-1"), await filing.resident("r-2")
    await filing.tagging.apply(police, filed, "finance_staff", WHY, filing.now)
    long_ago = filing.now - KEPT - timedelta(days=1)
    async with filing.database.write() as connection:
        await connection.execute(update(CONVERSATION).values(heard_at=long_ago))
    await filing.retention.purge(filing.now)
    assert [row.id for row in await filing.spine.rows(RESIDENT)] == [filed]
    assert bare not in repr(await filing.spine.rows(IDENTITY))
    filing.pass_time(days=366)
    await filing.retention.purge(filing.now)
    assert await filing.spine.rows(RESIDENT) == []


async def test_finding_residents(filing: Filing) -> None:
    desk, local = await filing.officer("陈国华"), await filing.officer("李强一", area="wuyuan")
    helper = await filing.officer("王芳", Role.AUXILIARY)
    one, two = await filing.resident("r-1", "wuyuan"), await filing.resident("r-2", "ganpu")
    for who in (one, two):
        await filing.agree(who, ConsentKind.CAREFUL)
        await filing.tagging.apply(desk, who, "finance_staff", WHY, filing.now)
        await filing.tagging.apply(desk, who, "elder_alone", WHY, filing.now)
    await filing.house.files.note_contact(desk, two, ContactKind.PHONE, "13800002210", filing.now)

    async def find(officer: Any, **what: str) -> set[str]:
        rows = await filing.house.search.find(officer, Purpose.SERVICE, filing.now, **what)
        assert all("独居老人" not in row.tags for row in rows)
        return {row.resident_id for row in rows}

    assert await find(desk, tag="财务人员") == {one, two}
    assert await find(local, tag="财务人员") == {one}
    assert await find(helper, phone="138 0000 2210") == {two}
    assert await find(local, phone="138 0000 2210") == set()
    assert await find(desk, tag="elder_alone", area="ganpu") == {two}
    with pytest.raises(PermissionDeniedError, match="受保护"):
        await find(helper, tag="elder_alone")
    with pytest.raises(TagRefusedError, match="至少写一样"):
        await find(desk)


async def test_requests_have_deadlines(filing: Filing) -> None:
    police, helper = await filing.officer("陈国华"), await filing.officer("王芳", Role.AUXILIARY)
    who = await filing.resident()
    async with filing.database.write() as connection:
        code, due = await filing.house.requests.ask(
            connection, who, RequestKind.CORRECT, "我不是独居老人，电话13800002210", filing.now
        )
    [asked] = await filing.house.requests.open(helper, filing.now)
    assert (asked.code, asked.due_at, asked.overdue) == (code, due, False)
    assert asked.text == "我不是受保护标签，电话138****2210"
    [asked] = await filing.house.requests.open(police, filing.now)
    assert asked.text == "我不是独居老人，电话138****2210"
    assert (await filing.house.requests.open(helper, due + timedelta(days=1)))[0].overdue
    with pytest.raises(PermissionDeniedError):
        await filing.house.requests.answer(helper, asked.id, "已改", filing.now)
    with pytest.raises(TagRefusedError, match="写明理由"):
        await filing.house.requests.answer(police, asked.id, " ", filing.now, refused=True)
    await filing.house.requests.answer(police, asked.id, "已改", filing.now)
    other = await filing.officer("李强一")
    with pytest.raises(TagConflictError, match="民警陈国华答复"):
        await filing.house.requests.take(other, asked.id, filing.now)
    [row] = await filing.spine.rows(REQUEST)
    assert row.state is RequestState.ANSWERED


def test_fifteen_workdays() -> None:
    asked = datetime(2026, 9, 28, 9, 0, tzinfo=LOCAL)  # Monday; the holiday is from the 1st
    due = workdays_after(asked.astimezone(UTC), 15, Calendar())
    assert due.date() == date(2026, 10, 25) or due.date() > date(2026, 10, 19)
    plain = Calendar(extra_restdays=(date(2026, 9, 29),))
    assert workdays_after(asked, 1, plain).date() == date(2026, 9, 30)


async def test_merging_and_the_way_back(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident("r-1")
    other = await filing.resident("r-2")
    await filing.tagging.apply(police, who, "finance_staff", WHY, filing.now)
    await filing.tagging.apply(police, who, "young_adult", WHY, filing.now)
    for tag in ("finance_staff", "senior_60", "need_passport"):
        await filing.tagging.apply(police, other, tag, WHY, filing.now)
    await filing.raise_tag(who, "business_owner")
    await filing.raise_tag(other, "business_owner")
    await filing.house.files.note_contact(police, other, ContactKind.NAME, "陈秀英", filing.now)
    merging = filing.house.merging
    merge = await merging.merge(police, who, other, "同一部手机", filing.now)
    assert sorted(await filing.tags(who)) == ["finance_staff", "need_passport", "young_adult"]
    assert await filing.tags(other) == []
    assert {row.resident_id for row in await filing.spine.rows(IDENTITY)} == {who}
    dossier = await filing.house.files.open(police, other, Purpose.SERVICE, filing.now)
    assert (dossier.resident_id, [m.resident_id for m in dossier.merged]) == (who, [other])
    assert dossier.contacts[ContactKind.NAME] == ("陈**",)
    assert len(dossier.suggestions) == 1
    with pytest.raises(TagConflictError, match="已经并入"):
        await merging.merge(police, other, who, "", filing.now)
    with pytest.raises(TagRefusedError, match="同一份"):
        await merging.merge(police, who, who, "", filing.now)
    await filing.hear("r-2", "你好")
    await filing.tagging.apply(police, who, "factory_worker", WHY, filing.now)
    await merging.undo(police, merge, filing.now)
    assert sorted(await filing.tags(who)) == ["factory_worker", "finance_staff", "young_adult"]
    assert sorted(await filing.tags(other)) == ["finance_staff", "need_passport", "senior_60"]
    assert len({row.resident_id for row in await filing.spine.rows(IDENTITY)}) == 2
    with pytest.raises(TagConflictError, match="已经撤销"):
        await merging.undo(police, merge, filing.now)
    helper = await filing.officer("王芳", Role.AUXILIARY)
    with pytest.raises(PermissionDeniedError):
        await merging.merge(helper, who, other, "", filing.now)


async def test_erasing_takes_the_merged_with_it(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident("r-1")
    other = await filing.resident("r-2")
    await filing.house.merging.merge(police, who, other, "", filing.now)
    await filing.house.erasure.erase(who, "command line", filing.now)
    assert await filing.spine.rows(RESIDENT) == []
    assert await filing.spine.rows(INBOX) == []


async def test_handing_over(filing: Filing) -> None:
    giver, taker = await filing.officer("陈国华", area="wuyuan"), await filing.officer("李强一")
    helper = await filing.officer("王芳", Role.AUXILIARY, "wuyuan")
    admin = await filing.officer("赵敏", Role.ADMIN)
    who = await filing.resident("r-1", "wuyuan")
    await filing.house.files.place(giver, who, filing.now, responsible=giver.id)
    await filing.tagging.apply(giver, who, "callback_due", WHY, filing.now)
    await filing.hear("r-1", "人工")
    async with filing.database.write() as connection:
        await connection.execute(
            update(TICKET).values(officer_id=giver.id, state=TicketState.CLAIMED)
        )
        code, _ = await filing.house.requests.ask(
            connection, who, RequestKind.VIEW, "给我一份", filing.now
        )
    handing = filing.house.handing_over
    with pytest.raises(TagRefusedError, match="交给民警"):
        await handing.hand_over(admin, giver, helper, filing.now)
    with pytest.raises(PermissionDeniedError):
        await handing.hand_over(helper, giver, taker, filing.now)
    with pytest.raises(TagRefusedError, match="同一个人"):
        await handing.hand_over(admin, giver, giver, filing.now)
    handed = await handing.hand_over(admin, giver, taker, filing.now)
    assert handed.counts == {"requests": 0, "tickets": 1, "alerts": 0, "residents": 1}
    assert handed.open.residents == 1
    assert [c for c, _ in handed.open.requests] == [code]
    assert [p[1] for p in handed.open.promises] == ["callback_due"]
    assert (await handing.open_work(giver, filing.now)).residents == 0
    assert (await filing.spine.rows(HANDOVER))[0].counts["tickets"] == 1


async def test_children_and_teenagers(filing: Filing) -> None:
    police = await filing.officer("陈国华")
    child, teen = await filing.resident("r-1"), await filing.resident("r-2")
    for who in (child, teen):
        await filing.tagging.apply(police, who, "young_adult", WHY, filing.now)
        await filing.tagging.apply(police, who, "need_passport", WHY, filing.now)
        await filing.raise_tag(who, "finance_staff")
    await filing.hear("r-1", "我今年12岁")
    await filing.house.minors.note(police, teen, Minor.TEEN, filing.now)
    assert {row.id: row.minor for row in await filing.spine.rows(RESIDENT)} == {
        child: "under14",
        teen: "teen",
    }
    assert [(r.resident_id, r.tag) for r in await filing.assignments()] == [(teen, "need_passport")]
    assert await filing.spine.rows(SUGGESTION) == []
    assert len(await filing.spine.rows(TICKET)) == 1
    with pytest.raises(TagRefusedError, match="不建档"):
        await filing.tagging.apply(police, child, "need_passport", WHY, filing.now)
    with pytest.raises(TagRefusedError, match="只记办事需求和沟通偏好"):
        await filing.tagging.apply(police, teen, "young_adult", WHY, filing.now)
    with pytest.raises(TagRefusedError, match="不记联系方式"):
        await filing.house.files.note_contact(police, child, ContactKind.NAME, "小明", filing.now)
    later = filing.now + CHILDRENS_KEPT + timedelta(days=1)
    await filing.retention.purge(later)
    assert {row.conversation_id for row in await filing.spine.rows(INBOX)} == {teen}


async def test_consents_are_not_asked_for_again_and_again(filing: Filing) -> None:
    who = await filing.resident(agreed=False)
    consents = filing.house.consents

    async def may_ask() -> bool:
        async with filing.database.read() as connection:
            return await consents.may_ask(connection, who, ConsentKind.TAGS, filing.now)

    assert await may_ask()
    await filing.agree(who, ConsentKind.TAGS, given=False)
    assert not await may_ask()
    filing.pass_time(days=91)
    assert await may_ask()
    await filing.agree(who, ConsentKind.TAGS)
    assert not await may_ask()


async def test_words_in_a_message_become_a_suggestion(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    await filing.hear("resident-1", "我是公司会计")
    [waiting] = await filing.suggestions.waiting(police, filing.now)
    assert (waiting.tag, waiting.resident_id) == ("finance_staff", who)
    assert "会计" in waiting.quote
    assert await filing.suggestions.confirm(police, waiting.id, filing.now)
    assert (await filing.assignments())[0].ground is Ground.CONSENT


async def test_a_wrong_contact_is_removed_and_that_is_kept(filing: Filing) -> None:
    helper, who = await filing.officer("王芳", Role.AUXILIARY), await filing.resident("anna")
    files = filing.house.files
    await files.note_contact(helper, who, ContactKind.PHONE, "13800002210", filing.now)
    wrong = (ContactKind.PHONE, "138 0000 2210")
    for why, value in (("", wrong[1]), ("打 138 没人", wrong[1]), ("记错了", "13800002211")):
        with pytest.raises(TagRefusedError):
            await files.remove_contact(helper, who, wrong[0], value, why, filing.now)
    await files.remove_contact(helper, who, *wrong, "记错了", filing.now)
    assert await filing.spine.rows(CONTACT_POINT) == []
    last = (await filing.spine.rows(AUDIT))[-1]
    assert (last.action, last.reason) == ("file.contact", "remove phone 记错了")
