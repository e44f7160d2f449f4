"""What residents chose for themselves: asked about before it ends, once, by day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, ConsentKind
from jingxiaowei.store.tables import CONVERSATION
from tests.conftest import said
from tests.services.filing import Filing, make_filing

# In China, and not in the future, where nothing would be sent yet.
NOON = datetime.now(UTC).replace(hour=4, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    filing = await make_filing(database, mind, tmp_path)
    filing.now = NOON
    return filing


async def fall_due(filing: Filing, tag: str, **times: datetime) -> None:
    async with filing.database.write() as connection:
        await connection.execute(update(ASSIGNMENT).where(ASSIGNMENT.c.tag == tag).values(**times))


async def tap(filing: Filing, name: str, option: str) -> None:
    message = said(
        "按钮", sender=name, message_id=f"tap-{option}", menu_id=option, sent_at=filing.now
    )
    await filing.spine.inbox.receive([message])
    await filing.spine.settle()


async def test_a_choice_is_asked_about_once_and_kept_or_not(filing: Filing) -> None:
    asking, far = filing.house.asking, filing.spine.far
    keeps, drops, away = [await filing.resident(name) for name in ("keeps", "drops", "away")]
    for who in (keeps, drops, away):
        await filing.choose(who, "pref_large_text")
        await filing.choose(who, "renter")
    assert await asking.ask_due(filing.now) == 0
    await fall_due(filing, "pref_large_text", review_at=filing.now - timedelta(hours=1))
    over = filing.now - timedelta(days=1)
    await fall_due(filing, "renter", review_at=over, expires_at=over)
    async with filing.database.write() as connection:
        silent = update(CONVERSATION).where(CONVERSATION.c.id == away)
        await connection.execute(silent.values(heard_at=filing.now - timedelta(days=3)))
    assert await asking.ask_due(filing.now + timedelta(hours=12)) == 0  # midnight
    assert await asking.ask_due(filing.now) == 2  # what ran out by itself is not asked about
    assert await asking.ask_due(filing.now) == 0
    await filing.spine.settle()
    [asked] = [out for out in far.calls if out.recipient == "keeps" and "还要留着" in out.text]
    assert "大字简版" in asked.text
    taps = {option.label: option.id for option in asked.options}
    await tap(filing, "keeps", taps["留着"])
    assert "记下“大字简版”" in far.texts("keeps")[-1]
    [other] = [out for out in far.calls if out.recipient == "drops" and "还要留着" in out.text]
    await tap(filing, "drops", {o.label: o.id for o in other.options}["不要了"])
    now = datetime.now(UTC)
    assert await filing.tags(drops, now) == []
    assert await filing.tags(keeps, now) == ["pref_large_text"]
    assert await filing.tags(away, now) == ["pref_large_text"]


async def test_what_is_protected_is_not_named(filing: Filing) -> None:
    who = await filing.resident("somebody")
    await filing.agree(who, ConsentKind.CAREFUL)
    await filing.choose(who, "accessible_service")
    await fall_due(filing, "accessible_service", review_at=filing.now)
    assert await filing.house.asking.ask_due(filing.now) == 0
