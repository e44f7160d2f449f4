"""Officers, roster, calendar, audit, retention, media: the parts beside the spine."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update

from jingxiaowei.content.model import Calendar
from jingxiaowei.errors import JingxiaoweiError, StoreError
from jingxiaowei.services import files_house
from jingxiaowei.services.audit import Event
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.officers import OfficerError
from jingxiaowei.services.retention import KEPT, Retention
from jingxiaowei.services.roster import (
    LOCAL,
    ShiftError,
    desk_open,
    in_words,
    is_workday,
    next_opening,
)
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import INBOX, MEDIA, OUTBOX, MediaState, Role
from tests.conftest import SECRET, said
from tests.services.conftest import Spine

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=LOCAL)
CALENDAR = Calendar()


def test_workdays_follow_the_national_calendar() -> None:
    assert is_workday(date(2026, 11, 23), CALENDAR)
    assert not is_workday(date(2026, 11, 22), CALENDAR)
    assert not is_workday(date(2026, 10, 1), CALENDAR)


def test_a_year_without_a_calendar_falls_back_to_weekdays() -> None:
    assert is_workday(date(2050, 1, 3), CALENDAR)
    assert not is_workday(date(2050, 1, 2), CALENDAR)


def test_the_countys_own_days_win() -> None:
    own = Calendar(extra_workdays=(date(2026, 11, 22),), extra_restdays=(date(2026, 11, 23),))
    assert is_workday(date(2026, 11, 22), own)
    assert not is_workday(date(2026, 11, 23), own)


def test_the_desks_hours() -> None:
    assert desk_open(MONDAY, CALENDAR)
    assert not desk_open(MONDAY.replace(hour=12, minute=30), CALENDAR)
    assert not desk_open(MONDAY - timedelta(days=1), CALENDAR)
    night = Calendar(workday=("20:00-24:00",))
    assert desk_open(MONDAY.replace(hour=23, minute=59), night)
    assert not desk_open(MONDAY.replace(hour=19), night)


def test_the_next_opening_in_words() -> None:
    noon = MONDAY.replace(hour=12, minute=30)
    assert in_words(next_opening(noon, CALENDAR), noon) == "今天 14:00"
    evening = MONDAY.replace(hour=20)
    assert in_words(next_opening(evening, CALENDAR), evening) == "明天 08:30"
    friday = datetime(2026, 11, 27, 20, 0, tzinfo=LOCAL)
    assert in_words(next_opening(friday, CALENDAR), friday) == "周一（11月30日）08:30"
    never = Calendar(workday=())
    assert next_opening(evening, never) > evening


async def test_who_is_on_duty(spine: Spine) -> None:
    sunday = datetime(2026, 11, 22, 21, 0, tzinfo=LOCAL)
    assert not (await spine.roster.duty(sunday)).desk.staffed
    officer = await spine.officers.add(
        "wang.fang", Role.AUXILIARY, "long enough pw", "wuyuan", "王芳", "WangFang"
    )
    await spine.roster.add_shift(
        officer, "wuyuan", sunday - timedelta(hours=1), sunday + timedelta(hours=9)
    )
    duty = await spine.roster.duty(sunday)
    assert duty.desk.staffed
    assert duty.servicers == ("WangFang",)
    later = await spine.roster.duty(sunday - timedelta(hours=2))
    assert later.desk.opens == "今天 20:00"
    with pytest.raises(ShiftError, match="先开始"):
        await spine.roster.add_shift(officer, "wuyuan", sunday, sunday)
    with pytest.raises(ShiftError, match="atlantis"):
        await spine.roster.add_shift(officer, "atlantis", sunday, sunday + timedelta(hours=1))


async def test_officers_sign_in(spine: Spine) -> None:
    await spine.officers.add("li.ming", Role.POLICE, "a good password", "county-desk", "李明")
    signed = await spine.officers.sign_in("li.ming", "a good password")
    assert signed is not None
    assert (signed.name, signed.role) == ("李明", Role.POLICE)
    assert await spine.officers.sign_in("li.ming", "another password") is None
    assert await spine.officers.sign_in("nobody", "a good password") is None
    assert "李明" not in repr(await spine.rows(INBOX))


@pytest.mark.parametrize(
    ("account", "password", "area", "says"),
    [
        ("x", "a good password", "county-desk", "账号"),
        ("zhang.san", "short", "county-desk", "密码"),
        ("zhang.san", "zhang.san1", "county-desk", "密码"),
        ("zhang.san", "aaaaaaaaaaaa", "county-desk", "密码"),
        ("zhang.san", "a good password", "atlantis", "辖区"),
        ("taken", "a good password", "county-desk", "已经有人用"),
    ],
)
async def test_bad_accounts(
    spine: Spine, account: str, password: str, area: str, says: str
) -> None:
    await spine.officers.add("taken", Role.ADMIN, "a good password", "county-desk")
    with pytest.raises(OfficerError, match=says):
        await spine.officers.add(account, Role.POLICE, password, area)


async def test_the_audit_trail_shows_tampering(spine: Spine) -> None:
    for n in range(5):
        async with spine.database.write() as connection:
            await spine.audit.record(connection, Event("a", "view", f"resident:{n}", "because"))
    assert await spine.audit.verify() is None
    async with spine.database.write() as connection:
        await connection.execute(text("UPDATE audit_event SET object='resident:9' WHERE id=3"))
    assert await spine.audit.verify() == 3
    async with spine.database.write() as connection:
        await connection.execute(text("UPDATE audit_event SET object='resident:2' WHERE id=3"))
        await connection.execute(text("DELETE FROM audit_event WHERE id=2"))
    assert await spine.audit.verify() == 3


async def test_what_is_too_old_is_removed(spine: Spine, tmp_path: Path) -> None:
    media = MediaKeeper(spine.database, spine.bell, tmp_path, None)
    files = files_house.build(
        spine.database, spine.bell, spine.content, spine.audit, spine.officers, media
    )
    retention = Retention(spine.database, spine.audit, media, files.reviews, files.erasure)
    await spine.inbox.receive([said("明天天气如何"), said("你好", sender="r2", message_id="m2")])
    await spine.settle()
    kept = await media.keep("c1", b"picture", "image/png")
    old = datetime.now(UTC) - KEPT - timedelta(days=1)
    async with spine.database.write() as connection:
        for table, column in ((INBOX, "received_at"), (OUTBOX, "created_at")):
            await connection.execute(update(table).where(table.c.id == 1).values({column: old}))
        await connection.execute(update(MEDIA).values(created_at=old))
    gone = await retention.purge(datetime.now(UTC))
    assert (gone["inbox"], gone["outbox"], gone["media"]) == (1, 1, 1)
    assert len(await spine.rows(INBOX)) == 1
    with pytest.raises(FileNotFoundError):
        media.open(kept)
    assert await spine.audit.verify() is None


async def test_pictures_are_fetched_and_kept_encrypted(spine: Spine, tmp_path: Path) -> None:
    from jingxiaowei.pipeline.messages import Channel, MessageKind

    class LaterError(JingxiaoweiError):
        retryable = True

    asked: list[str] = []

    async def fetch(media_id: str, limit: int) -> tuple[bytes, str]:
        asked.append(media_id)
        if len(asked) == 1:
            raise LaterError("busy")
        return b"the picture's bytes", "image/jpeg"

    media = MediaKeeper(spine.database, spine.bell, tmp_path, fetch)
    picture = said(
        "", kind=MessageKind.IMAGE, channel=Channel.WECOM_KF, account="wk1", media_id="far-1"
    )
    await spine.inbox.receive([picture])
    await spine.settle()
    await media.fetch_due(fetch)
    async with spine.database.write() as connection:
        await connection.execute(update(MEDIA).values(not_before=datetime.now(UTC)))
    await media.fetch_due(fetch)
    (row,) = await spine.rows(MEDIA)
    assert row.state is MediaState.KEPT
    assert asked == ["far-1", "far-1"]
    assert media.open(row.id) == b"the picture's bytes"
    assert b"picture" not in media.path(row.id).read_bytes()


async def test_the_wrong_secret_is_refused(database: Database) -> None:
    other = Database(database.url.render_as_string(hide_password=False))
    with pytest.raises(StoreError, match="JXW_SECRET_KEY"):
        await other.open("another secret, also long enough to pass")
    await other.open(SECRET)
    assert other.cipher.find("a") == database.cipher.find("a")
    await other.close()


async def test_an_old_schema_is_refused(empty_url: str) -> None:
    database = Database(empty_url)
    with pytest.raises(StoreError, match="db upgrade"):
        await database.open(SECRET)
    await database.upgrade()
    await database.upgrade()
    await database.open(SECRET)
    await database.close()
