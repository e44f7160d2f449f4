"""Lists of residents: read, judged row by row, taken whole or not at all."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.inbox import Inbox, conversation_id
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.sheets import Progress
from jingxiaowei.services.sheets_landing import Landing
from jingxiaowei.services.sheets_staging import Staging
from jingxiaowei.services.sheets_values import SheetError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import CONTACT_POINT, SUGGESTION, ConsentKind, Ground, TagSource
from jingxiaowei.store.sheet_tables import LIST_IMPORT, LIST_PIECE
from jingxiaowei.store.tables import AUDIT, KF_ACCOUNT, RESIDENT, Role
from tests.conftest import SECRET, said
from tests.services.filing import Filing, make_filing
from tests.services.sheeting import CORP, WHO, Desk, excel, person, text


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


@pytest.fixture
async def desk(filing: Filing, mind: Mind, tmp_path: Path) -> Desk:
    return Desk(filing, mind, await filing.officer("陈国华"))


def contact(filing: Filing, number: int) -> str:
    cipher = filing.database.cipher
    return conversation_id(cipher, Channel.WECOM_CONTACT, CORP, WHO.format(number))


async def count(filing: Filing, table: object) -> int:
    return len(await filing.spine.rows(table))


async def test_a_preview_writes_nothing(filing: Filing, desk: Desk, tmp_path: Path) -> None:
    path = excel(tmp_path / "名单.xlsx", [person(1), person(2, "没有的标签")])
    before = await count(filing, AUDIT)
    went = await desk.preview(path)
    assert (went.tally.rows, went.tally.good, went.tally.refused) == (2, 1, 1)
    assert not went.applied
    assert "没有“没有的标签”这个标签" in desk.why()[3]
    assert await count(filing, RESIDENT) == 0
    assert await count(filing, AUDIT) == before
    assert "能导入 1 行，不能导入 1 行" in went.tally.words()


async def test_one_refused_row_holds_all_back_unless_told_otherwise(
    filing: Filing, desk: Desk, tmp_path: Path
) -> None:
    path = excel(tmp_path / "名单.xlsx", [person(1), person(2, "没有的标签"), person(3)])
    assert not (await desk.take(path)).applied
    assert await filing.assignments() == []
    assert await count(filing, RESIDENT) == 0
    went = await desk.take(path, good_rows=True)
    assert went.applied
    assert went.noted == 2
    assert await filing.tags(contact(filing, 3)) == ["finance_staff"]


async def test_a_second_run_changes_nothing(filing: Filing, desk: Desk, tmp_path: Path) -> None:
    rows = [person(1, "财务人员、青年居民"), person(2)]
    path = excel(tmp_path / "名单.xlsx", rows)
    first = await desk.take(path)
    assert (first.applied, first.noted, first.tally.new_residents) == (True, 3, 2)
    before = [await filing.assignments(), await filing.spine.rows(CONTACT_POINT)]
    second = await desk.take(path)
    assert (second.tally.good, second.tally.already, second.tally.tags) == (2, 3, 0)
    assert second.tally.new_residents == second.noted == 0
    assert [await filing.assignments(), await filing.spine.rows(CONTACT_POINT)] == before


async def test_what_is_noted_says_who_when_why_and_until(
    filing: Filing, desk: Desk, tmp_path: Path
) -> None:
    until = (filing.now + timedelta(days=60)).date()
    rows = [person(1, until=until, area="武原"), person(2, until=f"{until:%Y年%m月%d日}")]
    await desk.take(excel(tmp_path / "名单.xlsx", rows))
    for held in await filing.assignments():
        assert held.source is TagSource.IMPORT
        assert held.officer_id == desk.officer.id
        assert held.ground is Ground.DUTY
        assert held.expires_at.astimezone(LOCAL).date() == until
    [one] = await filing.tagging.tags_of(contact(filing, 1), filing.now)
    assert one.reason == "本人说是会计"
    residents = {row.id: row.area for row in await filing.spine.rows(RESIDENT)}
    assert residents[contact(filing, 1)] == "wuyuan"
    assert residents[contact(filing, 2)] is None
    keepers = {row.officer_id for row in await filing.spine.rows(RESIDENT)}
    assert keepers == {desk.officer.id}
    trail = [row for row in await filing.spine.rows(AUDIT) if "sheet:" in row.object + row.reason]
    assert [row.action for row in trail] == ["file.import", "file.tag", "file.tag"]
    assert await filing.spine.audit.verify() is None
    assert "陈测试" not in " ".join(f"{row.object}{row.reason}" for row in trail)


async def test_whom_a_row_is_about(filing: Filing, desk: Desk, tmp_path: Path) -> None:
    """By id; by the contact's id, also through 微信客服; by phone, where one person has it."""
    known = await filing.resident("resident-1")
    async with filing.database.write() as connection:
        await connection.execute(
            filing.database.insert(KF_ACCOUNT), [{"open_kfid": "wkDesk", "cursor": "", "token": ""}]
        )
    came = said("你好", channel=Channel.WECOM_KF, account="wkDesk", sender=WHO.format(7))
    await filing.spine.inbox.receive([came])
    through_kf = conversation_id(filing.database.cipher, Channel.WECOM_KF, "wkDesk", WHO.format(7))
    rows = [
        (known, "王一", "13900000001", "", "财务人员", "本人说的", ""),
        (WHO.format(7), "王二", "", "", "财务人员", "本人说的", ""),
        ("", "王三", "0573-86000003", "", "财务人员", "本人说的", ""),
        ("f" * 32, "王四", "", "", "财务人员", "本人说的", ""),
        ("", "", "13900000005", "", "财务人员", "本人说的", ""),
        ("", "王六", "", "", "财务人员", "本人说的", ""),
        ("330424199001011234", "王七", "", "", "财务人员", "本人说的", ""),
    ]
    went = await desk.take(excel(tmp_path / "名单.xlsx", rows), good_rows=True)
    assert went.noted == 3
    assert await filing.tags(known) == await filing.tags(through_kf) == ["finance_staff"]
    why = desk.why()
    assert "系统里没有这个编号" in why[5]
    assert "要建档请填“姓名”" in why[6]
    assert "“编号”和“电话”至少填一个" in why[7]
    assert "像有证件号或卡号" in why[8]
    # The phone leads back to the same person, and no second file is opened.
    again = [("", "王一", "139 0000 0001", "", "青年居民", "本人说的", "")]
    went = await desk.take(excel(tmp_path / "再来.xlsx", again))
    assert went.tally.new_residents == 0
    assert set(await filing.tags(known)) == {"finance_staff", "young_adult"}
    wrong = [("", "张三", "13900000001", "", "青年居民", "本人说的", "")]
    await desk.preview(excel(tmp_path / "错.xlsx", wrong))
    assert "不叫这个名字" in desk.why()[2]


async def test_one_person_stands_on_one_row(filing: Filing, desk: Desk, tmp_path: Path) -> None:
    rows = [person(1), person(2), person(1, "青年居民")]
    await desk.preview(excel(tmp_path / "名单.xlsx", rows))
    assert desk.why() == {4: "和第 2 行是同一个人，请并成一行，标签用“、”隔开。"}


async def test_what_the_rules_refuse(filing: Filing, desk: Desk, tmp_path: Path) -> None:
    held = await filing.resident("resident-1")
    await filing.tagging.apply(desk.officer, held, "senior_60", "本人说的", filing.now)
    day = filing.now.date()
    rows = [
        person(1, "青年居民、六十岁以上"),
        (held, "", "", "", "青年居民", "本人说的", ""),
        person(3, "大字简版"),
        person(4, "已完成答题"),
        person(5, until=day - timedelta(days=1)),
        person(6, until=day + timedelta(days=800)),
        person(7, until="长期"),
        person(8, until="03/04/2027"),
        person(9, until="2027-02-30"),
        person(10, until=46387),
        person(11, why="他有糖尿病"),
        person(12, why="卡号6222020200001234567"),
        person(13, area="月球"),
        person(14, why=""),
        person(15, tags=""),
        person(16, why="=HYPERLINK"),
    ]
    await desk.preview(excel(tmp_path / "名单.xlsx", rows))
    why = desk.why()
    assert why[2] == "“青年居民”和“六十岁以上”只能留一个。"
    assert "和已有的“六十岁以上”" in why[3]
    assert "由居民本人选" in why[4]
    assert "由系统自动记" in why[5]
    assert "到期要在今天以后" in why[6]
    assert "最长 365 天" in why[7]
    assert "不能写长期" in why[8]
    assert "分不清哪个是月" in why[9]
    assert "没有这一天" in why[10]
    assert "看不懂" in why[11]
    assert "糖尿病" in why[12]
    assert "像有证件号或卡号" in why[13]
    assert "没有“月球”这个辖区" in why[14]
    assert "“依据”没有填" in why[15]
    assert "“标签”没有填" in why[16]
    assert "是公式" in why[17]
    assert len(why) == 16


async def test_dates_that_can_mean_only_one_day(filing: Filing, desk: Desk, tmp_path: Path) -> None:
    day = date(filing.now.year + 1, 1, 31)
    written = (
        day,
        f"{day:%Y-%m-%d}",
        f"{day:%Y/%m/%d}",
        f"{day.year}.1.31",
        f"{day.year}年1月31日",
        f"{day:%Y%m%d}",
        f"31/1/{day.year}",
        f"1/31/{day.year}",
        f"{day:%Y-%m-%d} 00:00:00",
        int(f"{day:%Y%m%d}"),
    )
    rows = [person(i, until=value) for i, value in enumerate(written, 1)]
    went = await desk.take(excel(tmp_path / "名单.xlsx", rows))
    assert went.noted == len(written)
    ends = {row.expires_at.astimezone(LOCAL).date() for row in await filing.assignments()}
    assert ends == {day}


async def test_an_auxiliary_proposes_and_stays_at_home(
    filing: Filing, mind: Mind, tmp_path: Path
) -> None:
    helper = Desk(filing, mind, await filing.officer("王芳", Role.AUXILIARY, "wuyuan"))
    there = await filing.resident("resident-1", area="qinshan")
    rows = [
        person(1, "财务人员、上门办证需求"),
        (there, "", "", "", "财务人员", "本人说的", ""),
        person(3, area="秦山"),
        person(4, "独居老人"),
    ]
    went = await helper.take(excel(tmp_path / "名单.xlsx", rows), good_rows=True)
    assert (went.tally.tags, went.tally.proposals) == (1, 2)
    assert await filing.tags(contact(filing, 1)) == ["finance_staff"]
    assert {row.tag for row in await filing.spine.rows(SUGGESTION)} == {
        "need_home_visit",
        "elder_alone",
    }
    assert "辖区" in helper.why()[3]
    assert helper.why()[4] == "只能给自己辖区的人建档。"
    residents = {row.id: row.area for row in await filing.spine.rows(RESIDENT)}
    assert residents[contact(filing, 1)] == "wuyuan"


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
async def test_who_keeps_no_files_imports_none(
    filing: Filing, mind: Mind, tmp_path: Path, role: Role
) -> None:
    other = Desk(filing, mind, await filing.officer("李四", role))
    with pytest.raises(PermissionDeniedError):
        await other.preview(excel(tmp_path / "名单.xlsx", [person(1)]))


class Stops(Progress):
    """The machine stops at a stage, after some rows of it."""

    def __init__(self, stage: str, rows: int = 0) -> None:
        self._stage, self._rows, self._now = stage, rows, ""

    def begin(self, what: str, total: int) -> None:
        self._now = what

    def move(self, rows: int) -> None:
        self._rows -= rows if self._now == self._stage else 0
        if self._rows < 0:
            raise RuntimeError("the machine stops here")


async def test_what_came_between_stops_everything(
    filing: Filing, desk: Desk, mind: Mind, tmp_path: Path
) -> None:
    """Judged, then somebody notes what contradicts it, then decided: nothing is written."""
    resident = await filing.resident("resident-1")
    rows = [person(1), (resident, "", "", "", "青年居民", "本人说的", "")]
    path = excel(tmp_path / "名单.xlsx", rows)
    with pytest.raises(RuntimeError):
        await desk.take(path, progress=Stops("核对"))
    assert await filing.assignments() == []
    assert [await count(filing, each) for each in (LIST_IMPORT, LIST_PIECE)] == [0, 0]

    class Overtaken(Landing):
        async def verify(self, number: int, now: datetime) -> None:
            """Between judging and deciding another officer notes something."""
            await filing.tagging.apply(desk.officer, resident, "senior_60", "本人说的", now)
            await super().verify(number, now)

    slow = Desk(filing, mind, desk.officer, Overtaken)
    with pytest.raises(SheetError, match="一行也没有导入"):
        await slow.take(path)
    assert [row.tag for row in await filing.assignments()] == ["senior_60"]
    assert [await count(filing, each) for each in (LIST_IMPORT, LIST_PIECE)] == [0, 0]


async def test_what_is_decided_is_finished_by_somebody(
    filing: Filing, desk: Desk, tmp_path: Path
) -> None:
    """A process that ends in the middle of writing leaves the rest; nothing of it is lost."""
    resident = await filing.resident("resident-1")
    rows = [person(n) for n in range(1, 251)]
    rows.append((resident, "", "", "", "青年居民", "本人说的", ""))
    path = excel(tmp_path / "名单.xlsx", rows)
    with pytest.raises(RuntimeError):
        await desk.take(path, progress=Stops("导入", 100))
    assert 0 < len(await filing.assignments()) < 251
    later = datetime.now(UTC)
    assert await desk.landing.finish_left(later) == 0  # it may be writing still
    # Somebody's newer word on one of them stands.
    await filing.tagging.apply(desk.officer, resident, "senior_60", "本人说的", filing.now)
    assert await desk.landing.finish_left(later + timedelta(minutes=2)) == 1
    held = await filing.assignments()
    assert len(held) == 251
    assert await filing.tags(resident) == ["senior_60"]
    assert [await count(filing, each) for each in (LIST_IMPORT, LIST_PIECE)] == [0, 0]
    trail = await filing.trail()
    assert (trail.count("file.import"), trail.count("file.tag")) == (1, 252)
    again = await desk.take(path, good_rows=True)
    assert (again.noted, again.tally.already) == (0, 250)


async def test_a_list_that_nobody_decided_is_forgotten(
    filing: Filing, desk: Desk, tmp_path: Path
) -> None:
    staging = Staging(filing.database)
    await staging.begin(desk.officer, "sheet:x", filing.now)
    await desk.landing.finish_left(filing.now + timedelta(hours=1))
    assert await count(filing, LIST_IMPORT) == 1
    await desk.landing.finish_left(filing.now + timedelta(days=2))
    assert await count(filing, LIST_IMPORT) == 0


async def test_a_message_is_acknowledged_within_a_second_meanwhile(
    filing: Filing, desk: Desk, tmp_path: Path
) -> None:
    path = excel(tmp_path / "名单.xlsx", [person(n, "财务人员、青年居民") for n in range(1, 1001)])
    taking = asyncio.create_task(desk.take(path))
    waits = await asyncio.to_thread(
        lambda: asyncio.run(_acknowledge(filing.database.url, taking.done))
    )
    assert taking.result().noted == 2000
    assert len(waits) > 20
    assert sorted(waits)[len(waits) * 95 // 100] < 1  # the machine itself may stand still


async def _acknowledge(url: URL, done: Callable[[], bool]) -> list[float]:
    """Take messages in, as the service beside the command does; how long each took, in seconds."""
    database = Database(url.render_as_string(hide_password=False))
    await database.open(SECRET)
    inbox, waits = Inbox(database, Bell(database)), []
    while not done():
        began = time.monotonic()
        await inbox.receive([said("身份证怎么换", message_id=f"m{len(waits)}")])
        waits.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    await database.close()
    return waits


async def test_consent_where_that_is_the_ground(filing: Filing, desk: Desk, tmp_path: Path) -> None:
    agreed = await filing.resident("resident-1")
    silent = await filing.resident("resident-2", agreed=False)
    rows = [(who, "", "", "", "财务人员", "本人说的", "") for who in (agreed, silent)]
    went = await desk.take(
        excel(tmp_path / "名单.xlsx", rows), good_rows=True, ground=Ground.CONSENT
    )
    assert went.noted == 1
    assert "还没征得本人同意" in desk.why()[3]
    # Without a word of it: consent where there is one, duty where nobody asked, no against a no.
    said_no = await filing.resident("resident-3", agreed=False)
    await filing.agree(said_no, ConsentKind.TAGS, given=False)
    rows = [(who, "", "", "", "租房居住", "本人说的", "") for who in (agreed, silent, said_no)]
    await desk.take(excel(tmp_path / "再来.xlsx", rows), good_rows=True)
    grounds = {r.resident_id: r.ground for r in await filing.assignments() if r.tag == "renter"}
    assert grounds == {agreed: Ground.CONSENT, silent: Ground.DUTY}
    assert "本人不同意" in desk.why()[4]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
async def test_csv_in_every_encoding(
    filing: Filing, desk: Desk, tmp_path: Path, encoding: str
) -> None:
    went = await desk.take(text(tmp_path / "名单.csv", [person(1), person(2)], encoding))
    assert went.noted == 2
    [one] = await filing.tagging.tags_of(contact(filing, 1), filing.now)
    assert one.reason == "本人说是会计"


async def test_a_line_in_another_encoding_is_refused_alone(
    filing: Filing, desk: Desk, tmp_path: Path
) -> None:
    path = text(tmp_path / "名单.csv", [person(1)], "utf-8")
    odd = ",".join(map(str, person(2))) + "\r\n"
    good = ",".join(map(str, person(3))) + "\r\n"
    path.write_bytes(path.read_bytes() + odd.encode("gb18030") + good.encode())
    went = await desk.take(path, good_rows=True)
    assert went.noted == 2
    assert "编码和文件其他行不一样" in desk.why()[3]


async def test_a_file_that_is_no_list_says_what_to_do(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(SheetError, match="名单是空的"):
        await desk.preview(excel(tmp_path / "空.xlsx", []))
    with pytest.raises(SheetError, match="表头要有“标签”"):
        await desk.preview(excel(tmp_path / "乱.xlsx", [("a", "b")], heads=("甲", "乙")))
    with pytest.raises(SheetError, match="有两列"):
        await desk.preview(excel(tmp_path / "重.xlsx", [], heads=("编号", "标签", "标签")))
    with pytest.raises(SheetError, match="打不开"):
        await desk.preview(tmp_path / "没有.xlsx")
