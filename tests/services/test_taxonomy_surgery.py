"""Surgery on the taxonomy: previewed, done to all files at once, undone."""

import shutil
from pathlib import Path

import pytest

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.surgery_files import TagFiles
from jingxiaowei.services.surgery_rules import rewritten
from jingxiaowei.services.surgery_values import Kind, Plan
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.services.taxonomy_surgery import TaxonomySurgery
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import SUGGESTION, Ended, Minor
from jingxiaowei.store.tables import Role
from tests.conftest import ROOT
from tests.services.filing import WHY, Filing, make_filing


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


async def test_merging_tags_and_back(filing: Filing) -> None:
    police, admin = await filing.officer("陈国华"), await filing.officer("赵敏", Role.ADMIN)
    one, two, three = [await filing.resident(f"r-{i}") for i in range(3)]
    for who, tags in (
        (one, ("ebike_user", "motorcycle_user")),
        (two, ("motorcycle_user", "car_owner")),
        (three, ("finance_staff",)),
    ):
        for tag in tags:
            await filing.tagging.apply(police, who, tag, WHY, filing.now)
    await filing.raise_tag(three, "ebike_user")
    await filing.house.audiences.save(police, "骑行", "ebike_user OR motorcycle_user", filing.now)
    await filing.house.audiences.save(police, "财务", "finance_staff", filing.now)
    plan = Plan(Kind.MERGE, ("ebike_user", "motorcycle_user"), "car_owner")
    surgery = filing.house.surgery
    with pytest.raises(PermissionDeniedError, match="管理员"):
        await surgery.preview(police, plan, filing.now)
    effect = await surgery.preview(admin, plan, filing.now)
    assert (effect.residents, effect.already, effect.barred) == (2, 1, 0)
    assert (effect.suggestions, effect.audiences) == (1, ("骑行",))
    assert len(await filing.assignments()) == 5
    filing.pass_time(days=1)
    id_, done = await surgery.apply(admin, plan, filing.now)
    assert done == effect
    assert await filing.tags(one) == ["car_owner"]
    assert await filing.tags(two) == ["car_owner"]
    assert await filing.tags(three) == ["finance_staff"]
    [new] = [row for row in await filing.assignments() if row.surgery_id == id_]
    assert (new.resident_id, new.officer_id) == (one, police.id)
    [held] = await filing.tagging.tags_of(one, filing.now)
    assert held.reason == WHY
    [waiting] = await filing.suggestions.waiting(police, filing.now)
    assert waiting.tag == "car_owner"
    assert (await filing.house.audiences.saved(police))["骑行"] == "car_owner OR car_owner"
    await surgery.undo(admin, id_, filing.now)
    assert sorted(await filing.tags(one)) == ["ebike_user", "motorcycle_user"]
    assert sorted(await filing.tags(two)) == ["car_owner", "motorcycle_user"]
    assert (await filing.spine.rows(SUGGESTION))[0].tag == "ebike_user"
    assert (await filing.house.audiences.saved(police))["骑行"] == "ebike_user OR motorcycle_user"
    with pytest.raises(TagConflictError, match="已经撤销"):
        await surgery.undo(admin, id_, filing.now)
    with pytest.raises(TagRefusedError, match="没有这次"):
        await surgery.undo(admin, 99, filing.now)


async def test_what_people_decided_since_stays(filing: Filing) -> None:
    police, admin = await filing.officer("陈国华"), await filing.officer("赵敏", Role.ADMIN)
    who = await filing.resident()
    await filing.tagging.apply(police, who, "ebike_user", WHY, filing.now)
    id_, _ = await filing.house.surgery.apply(
        admin, Plan(Kind.RENAME, ("ebike_user",), "motorcycle_user"), filing.now
    )
    await filing.choose(who, "motorcycle_user", on=False)
    await filing.house.surgery.undo(admin, id_, filing.now)
    assert await filing.tags(who) == []


async def test_splitting_and_retiring(filing: Filing) -> None:
    police, admin = await filing.officer("陈国华"), await filing.officer("赵敏", Role.ADMIN)
    one, two = [await filing.resident(f"r-{i}") for i in range(2)]
    for who in (one, two):
        await filing.tagging.apply(police, who, "business_owner", WHY, filing.now)
    await filing.tagging.apply(police, one, "landlord", WHY, filing.now)
    plan = Plan(Kind.SPLIT, ("business_owner",), "lodging_host", "landlord")
    assert (await filing.house.surgery.preview(admin, plan, filing.now)).residents == 1
    await filing.house.surgery.apply(admin, plan, filing.now)
    assert sorted(await filing.tags(one)) == ["landlord", "lodging_host"]
    assert await filing.tags(two) == ["business_owner"]
    id_, effect = await filing.house.surgery.apply(
        admin, Plan(Kind.RETIRE, ("business_owner",)), filing.now
    )
    assert effect.residents == 1
    assert await filing.tags(two) == []
    ended = [r for r in await filing.assignments() if r.ended_surgery_id == id_]
    assert [r.ended_because for r in ended] == [Ended.RETIRED]


async def test_moving_ends_what_may_not_stand_there(filing: Filing) -> None:
    police, admin = await filing.officer("陈国华"), await filing.officer("赵敏", Role.ADMIN)
    teen, adult = [await filing.resident(f"r-{i}") for i in range(2)]
    for who in (teen, adult):
        await filing.tagging.apply(police, who, "need_passport", WHY, filing.now)
    await filing.house.minors.note(police, teen, Minor.TEEN, filing.now)
    plan = Plan(Kind.MOVE, ("need_passport",))
    assert (await filing.house.surgery.preview(admin, plan, filing.now)).residents == 0


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (Plan(Kind.RENAME, ("ebike_user",), "no_such_tag"), "还不在标签表里"),
        (Plan(Kind.RENAME, ("ebike_user",), "ebike_user"), "不能相同"),
        (Plan(Kind.RENAME, ("ebike_user", "car_owner"), "landlord"), "一次只调整一个"),
        (Plan(Kind.RETIRE, ("ebike_user",), "car_owner"), "不写新标签"),
        (Plan(Kind.SPLIT, ("ebike_user",), "car_owner"), "哪些人用新标签"),
        (Plan(Kind.MOVE, ("no_such_tag",)), "没有“no_such_tag”"),
        (Plan(Kind.RETIRE, ("opt_out",)), "程序认得"),
    ],
)
async def test_plans_that_make_no_sense(filing: Filing, plan: Plan, says: str) -> None:
    admin = await filing.officer("赵敏", Role.ADMIN)
    with pytest.raises(TagRefusedError, match=says):
        await filing.house.surgery.preview(admin, plan, filing.now)


def test_slugs_are_exchanged_and_nothing_else() -> None:
    found = rewritten(
        "(a_b OR b) AND area:b AND NOT area:county-b AND contacted_within:3d", {"b": "c"}
    )
    assert found.text == "(a_b OR c) AND area:b AND NOT area:county-b AND contacted_within:3d"
    assert found.tags == ("a_b", "b")


@pytest.fixture
def files(tmp_path: Path) -> TagFiles:
    shutil.copytree(ROOT / "tags", tmp_path / "tags")
    return TagFiles(tmp_path / "tags", ROOT / "jingxiaowei" / "content" / "lexicon")


def surgery_on(filing: Filing, files: TagFiles) -> TaxonomySurgery:
    house, content = filing.house, filing.spine.content
    return TaxonomySurgery(filing.database, content, house.rights, files)


def texts(files: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in files.glob("*")}


async def test_a_rename_goes_into_the_tags_files_and_back(
    filing: Filing, files: TagFiles, tmp_path: Path
) -> None:
    police, admin = await filing.officer("陈国华"), await filing.officer("赵敏", Role.ADMIN)
    who, surgery = await filing.resident(), surgery_on(filing, files)
    await filing.tagging.apply(police, who, "renter", WHY, filing.now)
    before = texts(tmp_path / "tags")
    plan = Plan(Kind.RENAME, ("renter",), "tenant")
    with pytest.raises(TagRefusedError, match="还不在标签表里"):
        await filing.house.surgery.preview(admin, plan, filing.now)  # no files at hand
    assert (await surgery.preview(admin, plan, filing.now)).residents == 1
    with pytest.raises(PermissionDeniedError):
        await surgery.proposal(police, plan)
    proposal = await surgery.proposal(admin, plan)
    assert "-  - slug: renter\n+  - slug: tenant\n" in proposal.patch
    assert (proposal.faults, proposal.writable) == ((), True)
    assert texts(tmp_path / "tags") == before
    id_, _ = await surgery.apply(admin, plan, filing.now)
    assert [row.tag for row in await filing.assignments() if row.ended_at is None] == ["tenant"]
    written = texts(tmp_path / "tags")
    assert {name for name in before if written[name] != before[name]} == {"02-residence.yaml"}
    assert [one.wrote for one in await surgery.past(admin)] == [True]
    assert await surgery.undo(admin, id_, filing.now)
    assert texts(tmp_path / "tags") == before
    assert await filing.tags(who) == ["renter"]


async def test_files_that_would_break_or_are_being_edited_are_left_alone(
    filing: Filing, files: TagFiles, tmp_path: Path
) -> None:
    admin, surgery = await filing.officer("赵敏", Role.ADMIN), surgery_on(filing, files)
    plan = Plan(Kind.RETIRE, ("renter",))
    proposal = await surgery.proposal(admin, plan)
    assert any("101 个标签" in note for note in proposal.notes)
    path = tmp_path / "tags" / "02-residence.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "# 刚写的\n", encoding="utf-8")
    assert not files.write(proposal)
    id_, _ = await surgery.apply(admin, plan, filing.now, write=True)
    assert "renter" not in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8") + "# 又写了\n", encoding="utf-8")
    assert not await surgery.undo(admin, id_, filing.now)  # the files, that is
    assert path.read_text(encoding="utf-8").endswith("# 又写了\n")
    wanted = await surgery.proposal(admin, Plan(Kind.RETIRE, ("pref_call",)))
    assert "rights.yaml" in wanted.faults[0]
    path.write_text("tags: 乱写\nslug: [", encoding="utf-8")
    assert "读不出来" in (await surgery.proposal(admin, plan)).faults[0]
    with pytest.raises(TagRefusedError, match="文件改不了"):
        await surgery.apply(admin, Plan(Kind.RETIRE, ("landlord",)), filing.now, write=True)


async def test_a_move_follows_the_groups_rule(
    filing: Filing, files: TagFiles, tmp_path: Path
) -> None:
    police, admin = await filing.officer("陈国华"), await filing.officer("赵敏", Role.ADMIN)
    teen, surgery = await filing.resident(), surgery_on(filing, files)
    await filing.tagging.apply(police, teen, "need_passport", WHY, filing.now)
    await filing.house.minors.note(police, teen, Minor.TEEN, filing.now)
    for same in (
        Plan(Kind.MOVE, ("renter",)),
        Plan(Kind.SPLIT, ("renter",), "landlord", "farmer_fisher"),
    ):
        assert (await surgery.proposal(admin, same)).patch == ""
    plan = Plan(Kind.MOVE, ("need_passport",), "care")
    assert (await surgery.preview(admin, plan, filing.now)).residents == 1
    await surgery.apply(admin, plan, filing.now, write=True)
    assert await filing.tags(teen) == []
    assert "need_passport" in (tmp_path / "tags" / "10-care.yaml").read_text(encoding="utf-8")
    with pytest.raises(TagRefusedError, match="这个组"):
        await surgery.preview(admin, Plan(Kind.MOVE, ("renter",), "nowhere"), filing.now)
