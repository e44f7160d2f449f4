"""Tags onto files and off them: who may, what stands in the way, what is left behind."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.tagging_values import (
    ConsentNeededError,
    Did,
    HeldByLawError,
    Noted,
    TagConflictError,
    TagRefusedError,
)
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, ConsentKind, Ended, Ground, TagSource
from jingxiaowei.store.tables import AUDIT, Role
from tests.services.filing import WHY, Filing, make_filing


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


async def test_a_tag_is_noted_with_everything_about_it(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    message = await filing.hear("resident-1", "我是公司会计")
    outcome = await filing.tagging.apply(
        police, who, "财务人员", "本人说是会计，电话13800002210", filing.now, evidence_id=message
    )
    [row] = await filing.assignments()
    assert (outcome.did, outcome.id) == (Did.APPLIED, row.id)
    assert (row.tag, row.source, row.officer_id) == ("finance_staff", TagSource.OFFICER, police.id)
    assert (row.evidence_id, row.ground) == (message, Ground.CONSENT)
    assert row.expires_at - row.started_at == timedelta(days=365)
    assert row.expires_at - row.review_at == timedelta(days=7)
    assert "会计" not in str(row.reason)
    [held] = await filing.tagging.tags_of(who, filing.now)
    assert held.reason == "本人说是会计，电话138****2210"
    assert (await filing.trail())[-1] == "file.tag"
    assert await filing.spine.audit.verify() is None


@pytest.mark.parametrize(
    ("tag", "reason", "says"),
    [
        ("财务", WHY, "没有“财务”这个标签，是不是“财务人员”"),
        ("zzz", WHY, "没有“zzz”这个标签，只能用标签表里的"),
        ("finance_staff", " ", "写一句依据"),
        ("finance_staff", "字" * 61, "最多写 60 个字，现在 61 个"),
        ("finance_staff", "身份证33042419900101123X", "证件号或卡号"),
        ("finance_staff", "有抑郁症", "不能写“抑郁”"),
        ("pref_large_text", WHY, "由居民本人选"),
        ("quiz_done", WHY, "由系统自动记"),
    ],
)
async def test_what_cannot_be_noted(filing: Filing, tag: str, reason: str, says: str) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    with pytest.raises(TagRefusedError, match=says):
        await filing.tagging.apply(police, who, tag, reason, filing.now)
    assert await filing.assignments() == []
    assert "file.tag" not in await filing.trail()


async def test_evidence_must_be_theirs_and_still_kept(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    others = await filing.hear("resident-2", "我是会计")
    for evidence in (others, 9_999):
        with pytest.raises(TagRefusedError, match="不能作依据"):
            await filing.tagging.apply(
                police, who, "finance_staff", WHY, filing.now, evidence_id=evidence
            )


async def test_the_time_that_is_asked_for(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    for days, says in ((-1, "今天以后"), (400, "最长 365 天")):
        until = filing.now + timedelta(days=days)
        with pytest.raises(TagRefusedError, match=says):
            await filing.tagging.apply(
                police, who, "finance_staff", WHY, filing.now, expires_at=until
            )
    until = filing.now + timedelta(days=10)
    await filing.tagging.apply(police, who, "finance_staff", WHY, filing.now, expires_at=until)
    assert (await filing.assignments())[0].expires_at == until


async def test_consent_or_another_ground(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident(agreed=False)

    async def note(tag: str, ground: Ground = Ground.CONSENT) -> Did:
        return (await filing.tagging.apply(police, who, tag, WHY, filing.now, ground=ground)).did

    with pytest.raises(ConsentNeededError, match="还没征得本人同意"):
        await note("finance_staff")
    with pytest.raises(TagRefusedError, match="本人自选"):
        await note("finance_staff", Ground.OWN_CHOICE)
    assert await note("finance_staff", Ground.DUTY) is Did.APPLIED
    await filing.agree(who, ConsentKind.TAGS)
    assert await note("business_owner") is Did.APPLIED
    with pytest.raises(ConsentNeededError, match="单独同意"):
        await note("elder_alone")
    await filing.agree(who, ConsentKind.CAREFUL)
    assert await note("elder_alone") is Did.APPLIED
    # Taken back: what rested on it ends, what rests on a duty stays.
    assert await filing.agree(who, ConsentKind.TAGS, given=False) == 2
    assert await filing.tags(who) == ["finance_staff"]
    with pytest.raises(ConsentNeededError, match="本人不同意"):
        await note("business_owner")


async def test_one_choice_is_replaced_only_when_that_is_said(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    await filing.tagging.apply(police, who, "young_adult", WHY, filing.now)
    with pytest.raises(TagConflictError, match=r"“六十岁以上”和已有的“青年居民”（民警陈国华"):
        await filing.tagging.apply(police, who, "senior_60", WHY, filing.now)
    filing.pass_time(days=1)
    outcome = await filing.tagging.apply(
        police, who, "senior_60", WHY, filing.now, replace=frozenset({"young_adult"})
    )
    assert outcome.replaced == ("young_adult",)
    await filing.tagging.apply(
        police, who, "senior_70", WHY, filing.now, replace=frozenset({"senior_60"})
    )
    assert await filing.tags(who) == ["senior_70"]
    assert await filing.tags(who, filing.now - timedelta(hours=1)) == ["young_adult"]
    ended = [(r.tag, r.ended_because) for r in await filing.assignments() if r.ended_at]
    assert ended == [("young_adult", Ended.REPLACED), ("senior_60", Ended.REPLACED)]


async def test_two_officers_at_once_one_wins(filing: Filing) -> None:
    people = [await filing.officer(name) for name in ("陈国华", "李强一")]
    who = await filing.resident()
    done = await asyncio.gather(
        *(filing.tagging.apply(o, who, "finance_staff", WHY, filing.now) for o in people),
        return_exceptions=True,
    )
    [lost] = [each for each in done if isinstance(each, TagConflictError)]
    [row] = await filing.assignments()
    [winner] = [o for o in people if o.id == row.officer_id]
    assert f"民警{winner.name}" in str(lost)
    assert "已经记过“财务人员”" in str(lost)


async def test_two_officers_at_once_one_choice(filing: Filing) -> None:
    people = [await filing.officer(name) for name in ("陈国华", "李强一")]
    who = await filing.resident()
    done = await asyncio.gather(
        *(
            filing.tagging.apply(officer, who, tag, WHY, filing.now)
            for officer, tag in zip(people, ("young_adult", "senior_60"), strict=True)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(each, TagConflictError) for each in done) == 1
    assert len(await filing.tags(who)) == 1


async def test_an_auxiliary_proposes_careful_tags(filing: Filing) -> None:
    police, helper = await filing.officer("陈国华"), await filing.officer("王芳", Role.AUXILIARY)
    who = await filing.resident()
    await filing.agree(who, ConsentKind.CAREFUL)
    for tag in ("elder_alone", "need_home_visit"):
        outcome = await filing.tagging.apply(helper, who, tag, "上门看过", filing.now)
        assert (outcome.did, outcome.words) == (Did.PROPOSED, "已提请，等民警确认。")
    assert await filing.tags(who) == []
    assert await filing.suggestions.waiting(helper, filing.now) == []
    waiting = await filing.suggestions.waiting(police, filing.now)
    assert [(w.tag, w.proposed_by, w.quote) for w in waiting] == [
        ("elder_alone", "辅警王芳", "上门看过"),
        ("need_home_visit", "辅警王芳", "上门看过"),
    ]
    await filing.suggestions.confirm(police, waiting[0].id, filing.now)
    [row] = await filing.assignments()
    assert (row.officer_id, row.confirmed_by) == (helper.id, police.id)
    with pytest.raises(PermissionDeniedError, match="民警确认"):
        await filing.tagging.end(helper, row.id, Ended.REMOVED, filing.now)
    with pytest.raises(PermissionDeniedError, match="民警确认"):
        await filing.suggestions.decline(helper, waiting[1].id, filing.now)
    await filing.suggestions.decline(police, waiting[1].id, filing.now)
    assert "elder_alone" not in repr(await filing.spine.rows(AUDIT))


async def test_areas(filing: Filing) -> None:
    local = await filing.officer("陈国华", area="wuyuan")
    desk = await filing.officer("李强一")
    mine, other, none = (
        await filing.resident("r-1", "wuyuan"),
        await filing.resident("r-2", "ganpu"),
        await filing.resident("r-3"),
    )
    await filing.tagging.apply(local, mine, "finance_staff", WHY, filing.now)
    with pytest.raises(PermissionDeniedError, match="澉浦派出所辖区"):
        await filing.tagging.apply(local, other, "finance_staff", WHY, filing.now)
    with pytest.raises(PermissionDeniedError, match="值班台"):
        await filing.tagging.apply(local, none, "finance_staff", WHY, filing.now)
    for who in (other, none):
        await filing.tagging.apply(desk, who, "finance_staff", WHY, filing.now)


async def test_many_rows_each_with_its_own_outcome(filing: Filing) -> None:
    police = await filing.officer("陈国华", area="wuyuan")
    one, two = await filing.resident("r-1", "wuyuan"), await filing.resident("r-2", "ganpu")
    rows = [
        Noted(one, "财务人员", WHY),
        Noted(one, "财务人员", WHY),
        Noted(one, "青年居民", WHY),
        Noted(one, "六十岁以上", WHY),
        Noted(one, "六十岁以上", WHY, replace=frozenset({"young_adult"})),
        Noted(two, "财务人员", WHY),
        Noted("0" * 32, "财务人员", WHY),
        Noted(one, "没有的", WHY),
    ]
    tried = await filing.tagging.apply_many(police, rows, filing.now, dry_run=True)
    assert await filing.assignments() == []
    done = await filing.tagging.apply_many(police, rows, filing.now)
    assert [o.did for o in tried] == [o.did for o in done]
    assert [o.did.value[:3] for o in done] == "app alr app ref ref ref ref ref".split()
    assert "只能留一个" in done[3].words
    assert "这一次里" in done[4].words
    assert "没有这位居民" in done[6].words
    assert await filing.tags(one) == ["finance_staff", "young_adult"]
    again = await filing.tagging.apply_many(police, rows[:3], filing.now)
    assert {o.did for o in again} == {Did.ALREADY}
    assert len(await filing.assignments()) == 2
    assert await filing.spine.audit.verify() is None


async def test_too_many_at_once(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    outcomes = await filing.tagging.apply_many(
        police, [Noted(who, "finance_staff", WHY)] * 500, filing.now
    )
    assert {o.words for o in outcomes} == {"一个人一次最多记 30 项，这次 500 项，分几次。"}
    with pytest.raises(TagRefusedError, match="一次最多 1000 行，这次 1001 行"):
        await filing.tagging.apply_many(
            police, [Noted(who, "finance_staff", WHY)] * 1001, filing.now
        )


async def test_residents_choose_for_themselves(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident(agreed=False)
    assert (await filing.choose(who, "opt_out")).did is Did.APPLIED
    assert (await filing.choose(who, "opt_out")).did is Did.ALREADY
    with pytest.raises(ConsentNeededError):
        await filing.choose(who, "accessible_service")
    await filing.agree(who, ConsentKind.TAGS)
    await filing.agree(who, ConsentKind.CAREFUL)
    assert (await filing.choose(who, "accessible_service")).did is Did.APPLIED
    with pytest.raises(TagRefusedError, match="民警、辅警"):
        await filing.choose(who, "face_talked")
    await filing.tagging.apply(police, who, "young_adult", WHY, filing.now)
    assert (await filing.choose(who, "senior_60")).replaced == ("young_adult",)
    await filing.tagging.apply(police, who, "finance_staff", WHY, filing.now, ground=Ground.DUTY)
    await filing.choose(who, "finance_staff", on=False)
    await filing.tagging.apply(
        police, who, "theme_dating_fraud", WHY, filing.now, ground=Ground.DUTY
    )
    with pytest.raises(HeldByLawError, match="由民警答复"):
        await filing.choose(who, "theme_dating_fraud", on=False)
    assert await filing.tags(who) == [
        "opt_out",
        "accessible_service",
        "senior_60",
        "theme_dating_fraud",
    ]
    lasting = next(r for r in await filing.assignments() if r.tag == "opt_out")
    assert lasting.expires_at is None
    assert lasting.review_at - lasting.started_at == timedelta(days=730)


async def test_a_fact_is_recorded_by_itself(filing: Filing) -> None:
    who = await filing.resident(agreed=False)
    async with filing.database.write() as connection:
        assert await filing.house.choices.note_fact(connection, who, "quiz_done", filing.now)
        assert not await filing.house.choices.note_fact(connection, who, "quiz_done", filing.now)
        with pytest.raises(TagRefusedError, match="不是系统"):
            await filing.house.choices.note_fact(connection, who, "finance_staff", filing.now)


async def test_ending_and_renewing(filing: Filing) -> None:
    police, helper = await filing.officer("陈国华"), await filing.officer("王芳", Role.AUXILIARY)
    who = await filing.resident()
    first = await filing.tagging.apply(helper, who, "finance_staff", WHY, filing.now)
    assert first.id
    filing.pass_time(days=300)
    again = await filing.tagging.renew(helper, first.id, "还在做会计", filing.now)
    rows = {row.id: row for row in await filing.assignments()}
    assert rows[first.id].ended_because is Ended.REPLACED
    assert rows[again].expires_at == filing.now + timedelta(days=365)
    await filing.tagging.end(helper, again, Ended.CORRECTED, filing.now)
    with pytest.raises(TagConflictError, match="刚被辅警王芳去掉"):
        await filing.tagging.end(police, again, Ended.REMOVED, filing.now)
    with pytest.raises(TagRefusedError, match="没有这条"):
        await filing.tagging.end(police, 99, Ended.REMOVED, filing.now)
    with pytest.raises(TagRefusedError, match="要选"):
        await filing.tagging.end(police, again, Ended.PURGED, filing.now)
    assert await filing.tags(who) == []


async def test_what_ran_out_makes_room(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    await filing.tagging.apply(police, who, "need_passport", WHY, filing.now)
    filing.pass_time(days=61)
    assert await filing.tags(who) == []
    await filing.tagging.apply(police, who, "need_passport", WHY, filing.now)
    first, second = await filing.assignments()
    assert (first.ended_because, first.ended_at) == (Ended.EXPIRED, first.expires_at)
    assert second.ended_at is None


async def test_a_lasting_choice_is_kept_when_asked(filing: Filing) -> None:
    who = await filing.resident()
    await filing.choose(who, "pref_call")
    filing.pass_time(days=731)
    assert (await filing.choose(who, "pref_call")).did is Did.APPLIED
    old, new = await filing.assignments()
    assert (old.ended_because, new.ended_at) == (Ended.REPLACED, None)
    assert (await filing.choose(who, "pref_call")).did is Did.ALREADY


async def test_an_error_of_the_database_names_no_tag(filing: Filing) -> None:
    row = {"resident_id": "nobody", "tag": "elder_alone", "source": TagSource.OFFICER}
    row |= {"reason": b"", "ground": Ground.DUTY, "started_at": filing.now}
    with pytest.raises(IntegrityError) as error:
        async with filing.database.write() as connection:
            await connection.execute(insert(ASSIGNMENT), [row])
    assert "elder_alone" not in str(error.value)
