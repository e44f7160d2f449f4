"""Wrong words beside a tag: corrected or taken back, and the old ones sealed until their time."""

from pathlib import Path

import pytest
from sqlalchemy import select

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.files_values import Purpose
from jingxiaowei.services.note_changes import TAKEN_BACK
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, Ended, Ground
from jingxiaowei.store.tables import AUDIT, Role
from tests.services.filing import WHY, Filing, make_filing


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


async def test_a_note_is_corrected_and_the_old_one_is_for_police(filing: Filing) -> None:
    police, helper = await filing.officer("陈国华"), await filing.officer("王芳", Role.AUXILIARY)
    who, notes = await filing.resident(), filing.house.notes
    first = await filing.tagging.apply(helper, who, "finance_staff", "邻居说的", filing.now)
    ends = (await filing.tagging.tags_of(who, filing.now))[0].expires_at
    assert first.id is not None
    written = filing.now
    filing.pass_time(days=1)
    second = await notes.correct(helper, first.id, WHY, filing.now)
    [held] = await filing.tagging.tags_of(who, filing.now)
    assert (held.id, held.reason, held.officer_id) == (second, WHY, helper.id)
    assert held.expires_at == ends  # no day longer than before
    with pytest.raises(TagConflictError):
        await notes.correct(police, first.id, WHY, filing.now)
    then = await filing.house.files.open(helper, who, Purpose.SERVICE, filing.now, as_of=written)
    assert [line.held.reason for line in then.tags] == ["后来改过，原话封存"]
    [former] = await notes.former(police, who, Purpose.OWN_REQUEST, filing.now)
    assert (former.name, former.text, former.by) == ("财务人员", "邻居说的", "辅警王芳")
    with pytest.raises(PermissionDeniedError):
        await notes.former(helper, who, Purpose.OWN_REQUEST, filing.now)
    told = [row.reason for row in await filing.spine.rows(AUDIT)]
    assert f"改依据 assignment:{first.id} assignment:{second}" in told
    assert not [reason for reason in told if "邻居" in reason]
    filing.pass_time(days=181)
    await filing.retention.purge(filing.now)
    assert await notes.former(police, who, Purpose.OWN_REQUEST, filing.now) == ()


async def test_one_taken_back_is_asked_about(filing: Filing) -> None:
    police, who = await filing.officer("陈国华"), await filing.resident()
    first = await filing.tagging.apply(police, who, "finance_staff", "记错人了", filing.now)
    assert await filing.house.reviews.due(police, filing.now) == []
    assert first.id is not None
    second = await filing.house.notes.take_back(police, first.id, filing.now)
    [due] = await filing.house.reviews.due(police, filing.now)
    assert due.assignment_id == second
    assert [held.reason for held in await filing.tagging.tags_of(who, filing.now)] == [TAKEN_BACK]
    await filing.house.erasure.erase(who, "test", filing.now)
    async with filing.database.read() as connection:
        assert not (await connection.execute(select(ASSIGNMENT))).all()


async def test_who_may_change_what(filing: Filing) -> None:
    police, helper = await filing.officer("陈国华"), await filing.officer("王芳", Role.AUXILIARY)
    other, far = (
        await filing.officer("赵敏", Role.AUXILIARY),
        await filing.officer("李强一", area="ganpu"),
    )
    who, notes = await filing.resident(area="wuyuan"), filing.house.notes
    noted = await filing.tagging.apply(helper, who, "finance_staff", WHY, filing.now)
    careful = await filing.tagging.apply(
        police, who, "elder_alone", WHY, filing.now, ground=Ground.DUTY
    )
    chosen = await filing.choose(who, "renter")
    assert noted.id is not None
    assert careful.id is not None
    with pytest.raises(PermissionDeniedError, match="辅警王芳或民警"):
        await notes.correct(other, noted.id, WHY, filing.now)
    with pytest.raises(PermissionDeniedError):
        await notes.correct(helper, careful.id, WHY, filing.now)
    with pytest.raises(PermissionDeniedError):
        await notes.correct(far, noted.id, WHY, filing.now)
    with pytest.raises(TagRefusedError, match="没有可改的"):
        await notes.take_back(police, chosen.id, filing.now)
    for wrong in ("", "有病史", "证件 330424199001011234"):
        with pytest.raises(TagRefusedError):
            await notes.correct(police, noted.id, wrong, filing.now)
    assert await notes.correct(police, noted.id, "本人来电更正", filing.now)
    assert [row.ended_because for row in await filing.assignments() if row.ended_at] == [
        Ended.REWORDED
    ]
