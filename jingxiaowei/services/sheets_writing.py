"""Writing spreadsheets: the template, the report of what was refused, and exports.

Rows go to disk as they come. Every text is written as text: what would be run as a formula gets
an apostrophe before it, which also holds where somebody saves the list as CSV.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.exceptions import XlsxWriterException
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from jingxiaowei.content.model import Area
from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.services.sheets_values import ARMED, Column, Refusal, SheetError

LIST, NOTES, CHOICES = "居民标签", "填写说明", "选项"
DETAILS = "各标签依据和到期"
_WIDTHS = {
    Column.WHO: 36,
    Column.NAME: 12,
    Column.PHONE: 16,
    Column.AREA: 12,
    Column.TAGS: 30,
    Column.REASON: 40,
    Column.UNTIL: 14,
}
_TEMPLATE_ROWS = 5000
_CELL_CHARACTERS = 32_000  # Excel's own limit is 32,767


def disarmed(text: str) -> str:
    """The text so that no spreadsheet runs it."""
    return f"'{text}" if text[:1] and text[0] in ARMED else text


class Book:
    """A workbook under way."""

    def __init__(self, path: Path, properties: Mapping[str, str]) -> None:
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "tmpdir": str(path.parent),
        }
        self._book = xlsxwriter.Workbook(str(path), options)
        self._book.set_properties(dict(properties))
        self.head = self._book.add_format({"bold": True, "bottom": 1, "bg_color": "#ECE9E1"})
        # quotePrefix: the cell stays a text also after somebody has edited it.
        self.text = self._book.add_format({"num_format": "@", "quote_prefix": True})
        self.mark = self._book.add_format({"font_color": "#B3261E", "bold": True})
        self.wrapped = self._book.add_format({"text_wrap": True, "valign": "top"})

    def sheet(self, name: str) -> Worksheet:
        return self._book.add_worksheet(name)

    def define(self, name: str, where: str) -> None:
        self._book.define_name(name, where)

    def note(self, name: str, text: str) -> None:
        """A document property of our own."""
        self._book.set_custom_property(name, text[:255])

    def close(self) -> None:
        self._book.close()


def put(sheet: Worksheet, row: int, values: Iterable[str], style: Format | None = None) -> None:
    """A row of texts; rows must come in order."""
    for column, value in enumerate(values):
        if value:
            sheet.write_string(row, column, disarmed(value)[:_CELL_CHARACTERS], style)


@contextmanager
def new_book(path: Path, properties: Mapping[str, str]) -> Iterator[Book]:
    """A workbook that is there whole at the end, or not at all; only its owner may read it.

    Raises:
        SheetError: the file cannot be written.
    """
    try:
        # Rows wait in files of their own until the book is closed: in a folder that nobody else
        # may enter, and that goes whatever happens.
        with tempfile.TemporaryDirectory(prefix=".sheet-", dir=path.parent) as folder:
            part = Path(folder) / path.name
            part.touch(mode=0o600)
            book = Book(part, properties)
            try:
                yield book
            finally:
                book.close()
            os.replace(part, path)
    except (OSError, XlsxWriterException) as error:
        raise SheetError(f"写不了 {path}：{getattr(error, 'strerror', error)}。") from None


def write_template(path: Path, taxonomy: Taxonomy, areas: Sequence[Area]) -> None:
    """An empty list with heads, drop-down lists, and a page that says how to fill it in.

    Raises:
        SheetError: the file cannot be written.
    """
    tags = [
        (group.name, tag)
        for group in taxonomy.groups
        for tag in group.tags
        if {"police", "auxiliary"} & set(tag.applied_by)
    ]
    with new_book(path, {"title": "居民标签导入模板"}) as book:
        sheet = book.sheet(LIST)
        for place, column in enumerate(Column):
            sheet.set_column(place, place, _WIDTHS[column], book.text)
        sheet.freeze_panes(1, 0)
        put(sheet, 0, [column.value for column in Column], book.head)
        last = _TEMPLATE_ROWS
        places = {column: place for place, column in enumerate(Column)}
        sheet.data_validation(
            1,
            places[Column.AREA],
            last,
            places[Column.AREA],
            {
                "validate": "list",
                "source": f"={CHOICES}!$A$2:$A${len(areas) + 1}",
                "error_title": "没有这个辖区",
                "error_message": "请从下拉列表里选。",
            },
        )
        sheet.data_validation(
            1,
            places[Column.TAGS],
            last,
            places[Column.TAGS],
            {
                "validate": "list",
                "source": f"={CHOICES}!$B$2:$B${len(tags) + 1}",
                # Several tags in one cell are no choice of the list, and allowed.
                "show_error": False,
                "input_title": "标签",
                "input_message": "选一个；要记几个，用“、”隔开写在一格里。",
            },
        )
        sheet.data_validation(
            1,
            places[Column.UNTIL],
            last,
            places[Column.UNTIL],
            {
                "validate": "any",
                "input_title": "到期",
                "input_message": "可以不填，按标签自己的期限。要填写成 2027-03-01。",
            },
        )
        _write_notes(book)
        choices = book.sheet(CHOICES)
        put(choices, 0, ["辖区", "标签", "标签组", "最长天数", "由谁记", "说明"], book.head)
        for i in range(max(len(areas), len(tags))):
            area = areas[i].name if i < len(areas) else ""
            group, tag = tags[i] if i < len(tags) else ("", None)
            row = [area]
            if tag is not None:
                days = "长期" if tag.expires_days is None else str(tag.expires_days)
                row += [tag.name, group, days, _by(tag), tag.definition]
            put(choices, i + 1, row)
        for place, width in enumerate((14, 18, 16, 10, 24, 60)):
            choices.set_column(place, place, width)


def _by(tag: Any) -> str:
    if tag.sensitivity == "careful":
        return "民警（辅警可提请）" if "auxiliary" in tag.applied_by else "民警"
    return "民警、辅警" if "auxiliary" in tag.applied_by else "民警"


def _write_notes(book: Book) -> None:
    sheet = book.sheet(NOTES)
    sheet.set_column(0, 0, 14)
    sheet.set_column(1, 1, 90)
    put(sheet, 0, ["怎么填", "一行一位居民，从“居民标签”那页的第 2 行开始。"], book.head)
    for row, (column, text) in enumerate(_NOTES, 1):
        put(sheet, row, [column, text], book.wrapped)


_NOTES = (
    ("编号", "系统里的居民编号，或企业微信的 external_userid（wm 开头）。不是身份证号。"),
    ("姓名", "没有建过档的人要填。"),
    ("电话", "没有编号时按电话找人；几位家人共用一个电话的，请填编号。"),
    ("辖区", "从下拉列表里选。已有辖区的人可以不填。"),
    ("标签", "只能用“选项”那页里的，写名称；几个标签用“、”隔开。"),
    ("依据", "一句话，60 个字以内，比如：走访时本人说是公司会计。"),
    ("到期", "可以不填，按标签自己的期限；要填写成 2027-03-01，不能比期限长。"),
    ("不要写", "证件号、银行卡号、病情、家庭矛盾、违法内容、民族、宗教、收入，以及任何贬义的话。"),
    ("未成年人", "未满 14 周岁不建档、不记标签。"),
    ("格式", "不要合并单元格，不要用公式。同一个人只写一行。"),
    ("导入", "先不加 --apply 看一遍哪些行不行，改好再导入；重复导入不会记两遍。"),
)


def write_refusals(path: Path, refusals: Iterable[Refusal]) -> None:
    """Every refused row and why, as a list to work through.

    Raises:
        SheetError: the file cannot be written.
    """
    with new_book(path, {"title": "不能导入的行"}) as book:
        sheet = book.sheet("不能导入的行")
        sheet.set_column(0, 0, 8)
        sheet.set_column(1, 1, 100)
        put(sheet, 0, ["行号", "为什么"], book.head)
        for row, refusal in enumerate(refusals, 1):
            sheet.write_number(row, 0, refusal.number)
            sheet.write_string(row, 1, disarmed("".join(refusal.why)), book.wrapped)
