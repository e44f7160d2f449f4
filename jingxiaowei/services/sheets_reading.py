"""Reading a spreadsheet row by row: Excel's .xlsx, or CSV in whatever encoding it came."""

import csv
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from python_calamine import CalamineError, CalamineWorkbook

from jingxiaowei.services.sheets_guard import FILE_BYTES, ROWS, Survey, opened, surveys
from jingxiaowei.services.sheets_values import HEADS, Cell, Column, Line, SheetError

CELL_CHARACTERS = 500
_HEAD_ROWS = 20  # a title and some notes may stand above the heads
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"  # .xls, and also an .xlsx with a password
_NEEDED = "表头要有“标签”，还要有“编号”或“电话”。用 jingxiaowei resident template 生成模板。"


class _Reader(Protocol):
    """What the csv module hands out."""

    @property
    def line_num(self) -> int: ...

    def __next__(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Sheet:
    """An opened list: how many rows it may have, for a progress bar, and the rows themselves."""

    total: int
    lines: Iterator[Line]


@contextmanager
def opened_sheet(path: Path) -> Iterator[Sheet]:
    """The list of a file. Empty rows are left out.

    Raises:
        SheetError: the file is none that can be read; the message says what to do.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise SheetError(f"打不开 {path}：{error.strerror}。") from None
    if size > FILE_BYTES:
        raise SheetError(f"文件超过 {FILE_BYTES // 1024 // 1024} MB，请分成几份。")
    if start == _OLD_EXCEL:
        raise SheetError("这是旧格式或加了密码的表格，请另存为不加密的 .xlsx 再试。")
    if start.startswith(b"PK"):
        yield _excel(path)
    else:
        with _text(path, size) as sheet:
            yield sheet


# Excel


def _excel(path: Path) -> Sheet:
    with opened(path) as book:
        known = surveys(book)
    try:
        workbook = CalamineWorkbook.from_path(path)
        for name, survey in known.items():
            if not survey.rows:
                continue
            found = workbook.get_sheet_by_name(name)
            # Rows come from the sheet's first one on, columns from the first that is used.
            first_column = (found.start or (0, 0))[1]
            rows = enumerate(found.iter_rows(), 1)
            heads = _find_heads(rows, first_column)
            if heads is not None:
                number, columns = heads
                lines = _excel_lines(rows, columns, first_column, survey)
                return Sheet(max(survey.rows - number, 0), lines)
    except CalamineError:
        raise SheetError("文件坏了，打不开。请在 Excel 或 WPS 里另存为 .xlsx 再试。") from None
    raise SheetError(f"没找到居民名单。{_NEEDED}")


def _excel_lines(
    rows: Iterator[tuple[int, Sequence[Cell]]],
    columns: Mapping[Column, int],
    first: int,
    survey: Survey,
) -> Iterator[Line]:
    merged = survey.merged_rows()
    for number, values in rows:
        cells = {
            column: values[place - first]
            for column, place in columns.items()
            if 0 <= place - first < len(values) and values[place - first] != ""
        }
        formulas = []
        if number in survey.formulas:
            places = {place - 1 for place in survey.formulas[number]}
            formulas = [column.value for column, place in columns.items() if place in places]
        if not cells and not formulas:
            continue
        faults = []
        if number in merged:
            faults.append("这一行有合并单元格，请取消合并，每格填上内容。")
        if formulas:
            faults.append(f"“{'、'.join(formulas)}”是公式，请复制后“选择性粘贴为数值”。")
        yield _line(number, cells, faults)


# CSV


@contextmanager
def _text(path: Path, size: int) -> Iterator[Sheet]:
    encoding = _encoding(path)
    # A byte that does not fit becomes a lone surrogate: its row is refused, the others are read.
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        sample = file.readline()
        delimiter = max(",\t;", key=sample.count)
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter)
        rows = _csv_rows(reader)
        heads = _find_heads(rows, 0)
        if heads is None:
            raise SheetError(f"没找到居民名单。{_NEEDED}")
        per_row = max(len(sample.encode(errors="replace")), 40)
        yield Sheet(size // per_row, _csv_lines(rows, heads[1]))


def _encoding(path: Path) -> str:
    """By the byte order mark, else by what makes sense of the heads, which are Chinese."""
    with path.open("rb") as file:
        start = file.read(64 * 1024)
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if start.startswith(mark):
            return encoding
    for encoding in ("utf-8", "gb18030"):
        if Column.TAGS.value.encode(encoding) in start:
            return encoding
    raise SheetError(f"读不出表头，文件要是 .xlsx，或 UTF-8、GBK 的 CSV。{_NEEDED}")


def _csv_rows(reader: "_Reader") -> Iterator[tuple[int, Sequence[Cell]]]:
    while True:
        number = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise SheetError(f"第 {number} 行引号没有配对，或一格太长，没法读。") from None
        if number > ROWS:
            raise SheetError(f"表格最多 {ROWS // 10_000} 万行，请分成几份。")
        yield number, values


def _csv_lines(
    rows: Iterator[tuple[int, Sequence[Cell]]], columns: Mapping[Column, int]
) -> Iterator[Line]:
    for number, values in rows:
        cells = {
            column: values[place]
            for column, place in columns.items()
            if place < len(values) and str(values[place]).strip()
        }
        if cells:
            yield _line(number, cells, [])


# Both


def _find_heads(
    rows: Iterator[tuple[int, Sequence[Cell]]], first: int
) -> tuple[int, dict[Column, int]] | None:
    """The row of heads and where each column stands, counted from 0."""
    for number, values in rows:
        columns: dict[Column, int] = {}
        for place, value in enumerate(values, first):
            column = HEADS.get(_head(value))
            if column is not None and column in columns:
                raise SheetError(f"表头里“{column.value}”有两列，留一列。")
            if column is not None:
                columns[column] = place
        if Column.TAGS in columns and (Column.WHO in columns or Column.PHONE in columns):
            return number, columns
        if number >= _HEAD_ROWS:
            break
    return None


def _head(value: Cell) -> str:
    text = unicodedata.normalize("NFKC", str(value)).lower()
    return "".join(text.split()).split("(")[0].rstrip("*:")


def _line(number: int, cells: dict[Column, Cell], faults: list[str]) -> Line:
    for column, value in cells.items():
        if not isinstance(value, str):
            continue
        if any("\udc80" <= letter <= "\udcff" for letter in value):
            faults.append(f"“{column.value}”的编码和文件其他行不一样，请统一存成 UTF-8。")
        elif "\ufffd" in value or "锟斤拷" in value:
            faults.append(f"“{column.value}”是乱码，请从原表重新复制。")
        elif len(value) > CELL_CHARACTERS:
            faults.append(f"“{column.value}”太长，最多 {CELL_CHARACTERS} 个字。")
    return Line(number, cells, tuple(faults))
