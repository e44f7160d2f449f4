"""Suggested tags: raised once, decided once, not raised again after a no."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.tagging_values import TagConflictError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    SUGGESTION,
    ConsentKind,
    Minor,
    SuggestionState,
    TagSource,
)
from jingxiaowei.store.tables import RESIDENT, Role
from tests.services.filing import WHY, Filing, make_filing


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


async def states(filing: Filing) -> list[SuggestionState]:
    return [row.state for row in sorted(await filing.spine.rows(SUGGESTION), key=lambda r: r.id)]


async def test_raised_once_and_confirmed_by_one(filing: Filing) -> None:
    people = [await filing.officer("陈国华"), await filing.officer("王芳", Role.AUXILIARY)]
    who = await filing.resident()
    message = await filing.hear("resident-1", "我是会计")
    await filing.raise_tag(who, "finance_staff", inbox_id=message)
    await filing.raise_tag(who, "finance_staff")
    [waiting] = await filing.suggestions.waiting(people[1], filing.now)
    assert (waiting.name, waiting.quote, waiting.inbox_id) == ("财务人员", "我是会计", message)
    done = await asyncio.gather(
        *(filing.suggestions.confirm(o, waiting.id, filing.now) for o in people),
        return_exceptions=True,
    )
    [lost] = [each for each in done if isinstance(each, TagConflictError)]
    [row] = await filing.assignments()
    winner = next(o for o in people if o.id == row.confirmed_by)
    assert str(lost) == f"刚被{'民警' if winner is people[0] else '辅警'}{winner.name}记下。"
    assert (row.source, row.evidence_id) == (TagSource.SUGGESTION, message)
    await filing.raise_tag(who, "finance_staff")  # it is on the file
    assert await states(filing) == [SuggestionState.CONFIRMED]


async def test_a_declined_one_does_not_nag(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    await filing.raise_tag(who, "finance_staff")
    [waiting] = await filing.suggestions.waiting(police, filing.now)
    await filing.suggestions.decline(police, waiting.id, filing.now)
    with pytest.raises(TagConflictError, match="刚被民警陈国华标为不合适"):
        await filing.suggestions.confirm(police, waiting.id, filing.now)
    for days in (1, 180):
        filing.pass_time(days=days)
        async with filing.database.write() as connection:
            await filing.suggestions.lapse(connection, filing.now)
        await filing.raise_tag(who, "finance_staff")
        assert len(await filing.suggestions.waiting(police, filing.now)) == (days == 180)


async def test_what_is_not_raised(filing: Filing) -> None:
    police = await filing.officer("陈国华")
    refused, child, teen = [await filing.resident(f"r-{i}") for i in range(3)]
    await filing.agree(refused, ConsentKind.TAGS, given=False)
    async with filing.database.write() as connection:
        for who, minor in ((child, Minor.UNDER_14), (teen, Minor.TEEN)):
            await connection.execute(
                update(RESIDENT).where(RESIDENT.c.id == who).values(minor=minor.value)
            )
    for who in (refused, child, teen):
        for tag in ("finance_staff", "need_passport", "no_such_tag"):
            await filing.raise_tag(who, tag)
    waiting = await filing.suggestions.waiting(police, filing.now)
    assert [(w.resident_id, w.tag) for w in waiting] == [(teen, "need_passport")]


async def test_an_auxiliary_confirming_a_careful_one_proposes_it(filing: Filing) -> None:
    police, helper = await filing.officer("陈国华"), await filing.officer("王芳", Role.AUXILIARY)
    who = await filing.resident()
    await filing.agree(who, ConsentKind.CAREFUL)
    await filing.raise_tag(who, "need_home_visit", "能不能上门给我妈办")
    [waiting] = await filing.suggestions.waiting(police, filing.now)
    assert await filing.suggestions.confirm(helper, waiting.id, filing.now) == 0
    with pytest.raises(TagConflictError, match="已经提请"):
        await filing.suggestions.confirm(helper, waiting.id, filing.now)
    [again] = await filing.suggestions.waiting(police, filing.now)
    assert again.proposed_by == "辅警王芳"
    assert await filing.suggestions.confirm(police, again.id, filing.now)


async def test_it_gives_way_to_what_the_resident_says(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    await filing.raise_tag(who, "finance_staff")
    await filing.choose(who, "finance_staff")
    assert await states(filing) == [SuggestionState.LAPSED]
    await filing.tagging.apply(police, who, "young_adult", WHY, filing.now)
    await filing.raise_tag(who, "senior_60", "我今年六十多")
    [waiting] = await filing.suggestions.waiting(police, filing.now)
    with pytest.raises(TagConflictError, match="只能留一个"):
        await filing.suggestions.confirm(police, waiting.id, filing.now)
    assert waiting.instead == {"young_adult": "青年居民"}  # said before the tap, and then done
    await filing.suggestions.confirm(
        police, waiting.id, filing.now, replace_tags=frozenset(waiting.instead)
    )
    assert await filing.tags(who) == ["finance_staff", "senior_60"]


async def test_of_two_that_cannot_stand_together_the_newer_word_counts(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    for tag in ("middle_aged", "senior_60", "finance_staff", "senior_70"):
        await filing.raise_tag(who, tag, "我七十三了")
    waiting = {each.tag: each for each in await filing.suggestions.waiting(police, filing.now)}
    await filing.suggestions.confirm(police, waiting["senior_70"].id, filing.now)
    left = await filing.suggestions.waiting(police, filing.now)
    assert [each.tag for each in left] == ["finance_staff"]
    await filing.raise_tag(who, "senior_60", "我年纪大了")  # the narrower one says so already
    assert len(await filing.suggestions.waiting(police, filing.now)) == 1
