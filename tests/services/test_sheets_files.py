"""Spreadsheets that must not be read, that must be read with care, and those that we write."""

import os
import re
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.files_rights import FileRights
from jingxiaowei.services.notes import NoteRefusedError
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.sheets_export import SheetExport
from jingxiaowei.services.sheets_reading import opened_sheet
from jingxiaowei.services.sheets_values import ARMED, Column, Line, Refusal, SheetError
from jingxiaowei.services.sheets_writing import (
    CHOICES,
    LIST,
    disarmed,
    write_refusals,
    write_template,
)
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import AUDIT, Role
from tests.services.filing import Filing, make_filing
from tests.services.sheeting import HEADS, Desk, excel, person, read_back, text


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


def lines(path: Path) -> list[Line]:
    with opened_sheet(path) as sheet:
        return list(sheet.lines)


def parts(path: Path, changed: dict[str, bytes]) -> Path:
    """A good workbook with some of its parts exchanged or added."""
    good = excel(path.with_name("good.xlsx"), [person(1)])
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            if item.filename not in changed:
                new.writestr(item, old.read(item))
        for name, content in changed.items():
            new.writestr(name, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"


def rows_xml(rows: str) -> bytes:
    return (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<sheetData>{rows}</sheetData></worksheet>"
    ).encode()


def a_bomb(path: Path) -> Path:
    return parts(path, {SHEET: b"<worksheet>" + b" " * 40_000_000 + b"</worksheet>"})


def many_parts(path: Path) -> Path:
    return parts(path, {f"xl/media/{i}.txt": b"x" for i in range(600)})


def a_far_cell(path: Path) -> Path:
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    return parts(path, {SHEET: rows_xml(f'<row r="1"><c r="A1"><v>1</v></c></row>{far}')})


def entities(path: Path) -> Path:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    return parts(path, {SHEET: bomb + rows_xml("")})


def no_workbook(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("readme.txt", "hello")
    return path


def cut_off(path: Path) -> Path:
    good = excel(path.with_name("good.xlsx"), [person(1)])
    path.write_bytes(good.read_bytes()[:-200])
    return path


def a_lie(path: Path) -> Path:
    """A part that says it is small, and is not."""
    content = rows_xml('<row r="1"><c r="A1"><v>1</v></c></row>' * 20_000)
    parts(path, {SHEET: content})
    raw = bytearray(path.read_bytes())
    for at in (m.start() for m in re.finditer(re.escape(struct.pack("<I", len(content))), raw)):
        raw[at : at + 4] = struct.pack("<I", 100)
    path.write_bytes(raw)
    return path


def encrypted(path: Path) -> Path:
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000))
    return path


def a_picture(path: Path) -> Path:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + zlib.compress(bytes(500)))
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (a_bomb, "解开后太大"),
        (many_parts, "解开后太大"),
        (a_far_cell, "最多 20 万行"),
        (entities, "DOCTYPE"),
        (no_workbook, "不是 Excel 表格"),
        (cut_off, "打不开"),
        (a_lie, "打不开"),
        (encrypted, "旧格式或加了密码"),
        (a_picture, "读不出表头"),
    ],
)
def test_a_file_that_is_dangerous_or_broken_is_not_read(
    tmp_path: Path, make: Callable[[Path], Path], says: str
) -> None:
    with pytest.raises(SheetError, match=says):
        lines(make(tmp_path / "名单.xlsx"))


def test_merged_cells_and_formulas_are_told_of_by_row(tmp_path: Path) -> None:
    path = tmp_path / "名单.xlsx"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    sheet.merge_range("A1:G1", "2026 年走访名单")
    for row, values in enumerate((HEADS, *(person(i) for i in range(1, 6))), 1):
        for column, value in enumerate(values):
            if value:
                sheet.write_string(row, column, str(value))
    sheet.merge_range("F4:F5", "本人说的")
    sheet.write_formula("B6", '="陈"&"测试"', None, "陈测试")
    book.close()
    told = {line.number: "".join(line.faults) for line in lines(path)}
    assert told.keys() == {3, 4, 5, 6, 7}
    assert told[3] == told[7] == ""
    assert "合并单元格" in told[4]
    assert "合并单元格" in told[5]
    assert told[6] == "“姓名”是公式，请复制后“选择性粘贴为数值”。"


def test_columns_may_stand_anywhere_and_others_are_not_read(tmp_path: Path) -> None:
    heads = ("", "序号", "手机号码", "身份证号", "标签", "姓名", "理由")
    rows = [("", 1, 13800000001, "不读", "财务人员", "陈一", "本人说的")]
    [line] = lines(excel(tmp_path / "名单.xlsx", rows, heads))
    assert line.cells == {
        Column.PHONE: 13800000001.0,
        Column.TAGS: "财务人员",
        Column.NAME: "陈一",
        Column.REASON: "本人说的",
    }


def test_csv_with_tabs_and_lines_in_cells(tmp_path: Path) -> None:
    path = tmp_path / "名单.csv"
    path.write_bytes('编号\t标签\t依据\n\n1\t"财务人员\n青年居民"\t本人\n'.encode("gb18030"))
    [line] = lines(path)
    assert line.cells[Column.TAGS] == "财务人员\n青年居民"
    broken = text(tmp_path / "坏.csv", [person(1)], "utf-8")
    broken.write_bytes(broken.read_bytes() + b'"' + b"x" * 200_000)
    with pytest.raises(SheetError, match="引号没有配对"):
        lines(broken)


def test_unreadable_and_endless_cells_are_refused(tmp_path: Path) -> None:
    rows = [person(1, why="锟斤拷锟斤拷"), person(2, why="长" * 600), person(3, why="\ufffd")]
    told = ["".join(line.faults) for line in lines(excel(tmp_path / "名单.xlsx", rows))]
    assert "乱码" in told[0]
    assert "太长" in told[1]
    assert "乱码" in told[2]


def test_the_template_can_be_filled_in_and_read(tmp_path: Path, mind: Mind) -> None:
    path = tmp_path / "模板.xlsx"
    areas = [area for area in mind.library.areas.values() if not area.desk]
    write_template(path, mind.library.taxonomy, areas)
    assert read_back(path, LIST)[0] == list(HEADS)
    choices = read_back(path, CHOICES)
    names = {row[1] for row in choices[1:] if row[1]}
    assert "财务人员" in names
    assert not names & {"已完成答题", "大字简版", "不接收宣传"}  # nobody notes these by hand
    with zipfile.ZipFile(path) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<dataValidation ") == 3
    with opened_sheet(path) as opened:
        assert list(opened.lines) == []


@pytest.mark.parametrize("first", list(ARMED))
def test_what_would_run_is_disarmed(first: str) -> None:
    assert disarmed(f"{first}cmd|' /C calc'!A0") == f"'{first}cmd|' /C calc'!A0"
    assert disarmed(f"a{first}") == f"a{first}"


def test_the_report_has_every_refused_row(tmp_path: Path) -> None:
    path = tmp_path / "原因.xlsx"
    write_refusals(path, [Refusal(2, ("一。", "二。")), Refusal(9, ("=三。",))])
    assert read_back(path, "不能导入的行")[1:] == [[2.0, "一。二。"], [9.0, "'=三。"]]
    with pytest.raises(SheetError, match="写不了"):
        write_refusals(tmp_path / "没有这个文件夹" / "原因.xlsx", [])


# Exports


class Export:
    """An exporting officer."""

    def __init__(self, filing: Filing, mind: Mind, officer: Signed, residents: list[str]) -> None:
        async def members(
            officer: Signed, expression: str, now: datetime
        ) -> AsyncIterator[Sequence[str]]:
            for start in range(0, len(residents), 2):
                yield residents[start : start + 2]

        self.filing, self.officer = filing, officer
        self.export = SheetExport(
            filing.database, filing.spine.audit, FileRights(filing.spine.audit),
            mind.library, members,
        )  # fmt: skip

    async def __call__(self, path: Path, reason: str = "反诈讲座邀请", **more: Any) -> Any:
        now = self.filing.now
        return await self.export.export(self.officer, "财务人员", path, reason, now, **more)


async def test_an_export_bears_who_when_and_why(filing: Filing, mind: Mind, tmp_path: Path) -> None:
    police = await filing.officer("陈国华")
    desk = Desk(filing, mind, police)
    rows = [
        person(1, "财务人员、独居老人", why="走访时本人说的", area="武原"),
        person(2, "财务人员", why="本人说是会计"),
        ("wmTestContact0003", "+陈三", "13800000003", "", "财务人员", "本人说的", ""),
    ]
    await desk.take(excel(tmp_path / "名单.xlsx", rows))
    residents = [row.resident_id for row in await filing.assignments()]
    people = list(dict.fromkeys(residents))
    path = tmp_path / "导出.xlsx"
    export = Export(filing, mind, police, people)
    done = await export(path)
    assert (done.residents, done.tags) == (3, 3)
    mark, heads, *found = read_back(path, LIST)
    assert "陈国华" in mark[0]
    assert "反诈讲座邀请" in mark[0]
    assert heads[:7] == list(HEADS)
    assert [row[1] for row in found] == ["陈测试1", "陈测试2", "'+陈三"]
    assert found[0][:5] == [people[0], "陈测试1", "13800000001", "武原街道", "财务人员"]
    assert "独居老人" not in str(found)
    with zipfile.ZipFile(path) as book:
        assert "陈国华" in book.read("docProps/core.xml").decode()
        assert "反诈讲座邀请" in book.read("docProps/custom.xml").decode()
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        assert 'quotePrefix="1"' in book.read("xl/styles.xml").decode()
    assert "<f>" not in sheet
    assert "陈国华" in re.findall("<oddHeader>(.*?)</oddHeader>", sheet)[0]
    assert path.stat().st_mode & 0o077 == 0
    with_careful = await export(tmp_path / "全.xlsx", careful_too=True)
    assert with_careful.tags == 4
    trail = [r for r in await filing.spine.rows(AUDIT) if r.action == "file.export"]
    assert len(trail) == 4
    assert "general" in trail[0].reason
    assert done.digest in trail[1].reason
    # What was exported can be imported again, and changes nothing.
    again = await desk.take(path)
    assert (again.tally.good, again.tally.already, again.noted) == (3, 3, 0)


@pytest.mark.parametrize("role", [Role.AUXILIARY, Role.ADMIN, Role.AUDITOR])
async def test_only_police_export(filing: Filing, mind: Mind, tmp_path: Path, role: Role) -> None:
    export = Export(filing, mind, await filing.officer("李四", role), [])
    with pytest.raises(PermissionDeniedError):
        await export(tmp_path / "导出.xlsx")
    assert not (tmp_path / "导出.xlsx").exists()


async def test_an_export_that_fails_leaves_nothing_behind(
    filing: Filing, mind: Mind, tmp_path: Path
) -> None:
    resident = await filing.resident()
    export = Export(filing, mind, await filing.officer("陈国华"), [resident])

    def stop(rows: int) -> None:
        raise RuntimeError("the machine stops here")

    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(RuntimeError):
        await export(out / "导出.xlsx", moved=stop)
    assert os.listdir(out) == []


async def test_no_export_without_a_reason(filing: Filing, mind: Mind, tmp_path: Path) -> None:
    export = Export(filing, mind, await filing.officer("陈国华"), [])
    for reason in ("", "查一下重点人", "卡号6222020200001234567"):
        with pytest.raises(NoteRefusedError):
            await export(tmp_path / "导出.xlsx", reason)
    assert not [name for name in os.listdir(tmp_path) if name.endswith("xlsx")]
