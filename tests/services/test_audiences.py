"""Audiences in SQL: as the pipeline says, within the officer's areas, and never too precise."""

from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy import text as sql

from jingxiaowei.errors import AudienceError, PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.audience_query import residents_of
from jingxiaowei.services.audiences import OTHERS, broken_down, person_of, telling
from jingxiaowei.services.scopes import Scope
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, Ground, Minor, TagSource
from jingxiaowei.store.tables import CONVERSATION, RESIDENT, Role
from tests.services.filing import WHY, Filing, make_filing

EXPRESSIONS = (
    "finance_staff",
    "finance_staff OR business_owner",
    "(finance_staff OR business_owner) AND NOT face_talked",
    "NOT finance_staff",
    "area:wuyuan AND NOT (finance_staff AND face_talked)",
    "NOT area:wuyuan",
    "contacted_within:30d",
    "finance_staff AND NOT contacted_within:30d",
    "finance_staff OR area:ganpu OR NOT contacted_within:3d",
    "财务人员 且 非 已当面宣防",
    "senior_60 AND area:wuyuan",
    "NOT senior_60",
)


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


async def a_town(filing: Filing) -> list[str]:
    """Twelve residents, each with tags, area and last contact of their own."""
    police = await filing.officer("陈国华")
    people = []
    for i in range(12):
        who = await filing.resident(f"r-{i}", ("wuyuan", "ganpu", None)[i % 3])
        people.append(who)
        for n, tag in enumerate(("finance_staff", "business_owner", "face_talked")):
            if i >> n & 1:
                await filing.tagging.apply(police, who, tag, WHY, filing.now)
    for who, tag in ((people[0], "senior_60"), (people[3], "senior_70")):
        await filing.tagging.apply(police, who, tag, WHY, filing.now)
    await filing.choose(people[7], "opt_out")
    async with filing.database.write() as connection:
        for i, who in enumerate(people):
            heard = filing.now.replace(year=filing.now.year - (i % 2))
            await connection.execute(
                update(CONVERSATION).where(CONVERSATION.c.id == who).values(heard_at=heard)
            )
    return people


async def test_sql_says_what_the_pipeline_says(filing: Filing) -> None:
    people = await a_town(filing)
    everywhere = Scope(frozenset(), True)
    async with filing.database.read() as connection:
        rows = (await connection.execute(select(RESIDENT))).all()
        persons = {row.id: await person_of(connection, row, filing.now) for row in rows}
        for text in EXPRESSIONS:
            audience = filing.house.audiences.read(text)
            found = await connection.execute(residents_of(audience, everywhere, filing.now))
            expected = {who for who in people if audience.holds(persons[who])}
            assert {row.id for row in found} == expected, text
            assert people[7] not in expected


async def test_who_may_ask_what(filing: Filing) -> None:
    people = await a_town(filing)
    police, local = await filing.officer("李强一"), await filing.officer("赵敏敏", area="ganpu")
    helper = await filing.officer("王芳", Role.AUXILIARY)
    audiences = filing.house.audiences
    assert (await audiences.count(police, "finance_staff", filing.now)).total == 5
    assert (await audiences.count(local, "finance_staff", filing.now)).total == 1
    assert (await audiences.count(helper, "finance_staff", filing.now)).by_area == {}
    for text in ("elder_alone", "finance_staff AND NOT warned_recently"):
        with pytest.raises(PermissionDeniedError, match="受保护"):
            await audiences.count(helper, text, filing.now)
    with pytest.raises(PermissionDeniedError, match="看人数"):
        await audiences.members(helper, "finance_staff", filing.now, reason="宣防")
    with pytest.raises(TagRefusedError, match="用途"):
        await audiences.members(police, "finance_staff", filing.now, reason=" ")
    with pytest.raises(AudienceError):
        await audiences.count(police, "finance_staff AND", filing.now)
    first = await audiences.members(police, "finance_staff", filing.now, reason="宣防", limit=3)
    rest = await audiences.members(
        police, "finance_staff", filing.now, reason="宣防", after=first[-1]
    )
    assert len({*first, *rest}) == 5
    inside, lines = await audiences.explain(police, "finance_staff", people[1], filing.now)
    assert inside
    assert "财务人员" in lines[-1].says
    assert not (await audiences.explain(police, "finance_staff", people[7], filing.now))[0]
    with pytest.raises(PermissionDeniedError):
        await audiences.explain(local, "finance_staff", people[0], filing.now)


async def test_postgresql_plans_each_count_for_its_own_values(filing: Filing) -> None:
    if filing.database.sqlite:
        return  # it always does
    police = await filing.officer("李强一")
    audience = residents_of(
        filing.house.audiences.read("finance_staff"), Scope(frozenset(), True), filing.now
    )
    plans = sql(
        "SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements "
        "WHERE statement LIKE 'SELECT resident.id%'"
    )
    async with filing.database.survey() as connection:
        for _ in range(7):  # from the sixth on it would have one plan for all
            await connection.execute(audience)
        assert (await connection.execute(plans)).one() == (0, 7)
    assert (await filing.house.audiences.count(police, "finance_staff", filing.now)).total == 0
    async with filing.database.read() as connection:
        assert (await connection.execute(sql("SHOW plan_cache_mode"))).scalar() == "auto"


async def test_nobody_and_why(filing: Filing) -> None:
    await a_town(filing)
    police = await filing.officer("李强一")
    count = await filing.house.audiences.count(
        police, "finance_staff AND ebike_user AND area:wuyuan", filing.now
    )
    assert (count.total, count.emptied_by) == (0, "电动车骑行")


async def test_children_and_the_merged_are_never_counted(filing: Filing) -> None:
    police = await filing.officer("李强一")
    one, two, child = [await filing.resident(f"r-{i}", "wuyuan") for i in range(3)]
    await filing.house.minors.note(police, child, Minor.UNDER_14, filing.now)
    await filing.house.merging.merge(police, one, two, "", filing.now)
    assert (await filing.house.audiences.count(police, "area:wuyuan", filing.now)).total == 1


async def test_saved_audiences(filing: Filing) -> None:
    police = await filing.officer("李强一")
    audiences = filing.house.audiences
    await audiences.save(police, "财务", "财务人员 或 企业负责人", filing.now)
    with pytest.raises(TagConflictError, match="已经有"):
        await audiences.save(police, "财务", "财务人员", filing.now)
    assert await audiences.saved(police) == {"财务": "finance_staff OR business_owner"}


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({"a": 19}, {}),
        ({"a": 12, None: 7}, {}),
        ({"a": 25, "b": 30}, {"a": 25, "b": 30}),
        ({"a": 25, "b": 30, "c": 3}, {"b": 30, OTHERS: 28}),
        ({"a": 25, "b": 12, "c": 13}, {"a": 25, OTHERS: 25}),
        ({"a": 19, "b": 18}, {OTHERS: 37}),
    ],
)
def test_small_counts_are_not_broken_down(
    counts: dict[str | None, int], shown: dict[str, int]
) -> None:
    assert broken_down(counts) == shown


async def test_large_counts_are(filing: Filing) -> None:
    police = await filing.officer("李强一")
    rows = [{"id": f"{i:032x}", "area": "wuyuan", "created_at": filing.now} for i in range(30)]
    tags = [
        {
            "resident_id": row["id"],
            "tag": tag,
            "source": TagSource.IMPORT,
            "reason": b"sealed",
            "ground": Ground.CONSENT,
            "started_at": filing.now,
        }
        # A protected tag stays out of the chart, and so does what only few have.
        for tag, these in (("finance_staff", 30), ("elder_alone", 30), ("ebike_user", 5))
        for row in rows[:these]
    ]
    async with filing.database.write() as connection:
        await connection.execute(insert(RESIDENT), rows)
        await connection.execute(insert(ASSIGNMENT), tags)
    count = await filing.house.audiences.count(police, "finance_staff", filing.now)
    assert (count.total, count.by_area, count.by_group) == (30, {"wuyuan": 30}, {})
    count = await filing.house.audiences.count(police, "finance_staff", filing.now, grouped=True)
    group = filing.spine.content.library.taxonomy.group_of("finance_staff").slug
    assert count.by_group == {group: 30}


def test_a_group_singles_nobody_out() -> None:
    assert telling({"a": 100, "b": 81, "c": 80, "d": 20, "e": 19}, 100) == {
        "a": 100,
        "c": 80,
        "d": 20,
    }
