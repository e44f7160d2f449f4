"""What is checked of an Excel file before anything reads it: is it a bomb, and what does the
reader not tell.

A workbook is a zip of XML: a few kilobytes can unpack to gigabytes, and one cell far away makes a
reader lay out the whole area. The reader also hands on a formula's last result as if somebody had
typed it, so formulas are found here.
"""

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from jingxiaowei.services.sheets_values import SheetError

FILE_BYTES = 50 * 1024 * 1024
UNPACKED_BYTES = 300 * 1024 * 1024
PARTS = 500
# Rows of a list resemble each other and pack to a tenth or a thirtieth; a bomb to a thousandth.
RATIO, RATIO_BYTES = 200, 10 * 1024 * 1024
ROWS, COLUMNS, AREA = 200_000, 64, 4_000_000
_CHUNK = 256 * 1024
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_LARGE = f"表格最多 {ROWS // 10_000} 万行、{COLUMNS} 列"


@dataclass(slots=True)
class Survey:
    """What a sheet holds beside its values; rows and columns count from 1."""

    rows: int = 0
    columns: int = 0
    formulas: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)  # rows, then columns

    def merged_rows(self) -> set[int]:
        """The rows that merged cells touch."""
        return {row for first, last, *_ in self.merged for row in range(first, last + 1)}


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The workbook's zip, once its sizes are harmless.

    Raises:
        SheetError: broken, encrypted, or too large when unpacked.
    """
    try:
        with zipfile.ZipFile(path) as book:
            _check_sizes(path, book.infolist())
            yield book
    # NotImplementedError: zipfile does not know the compression, or the version needed.
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError):
        raise SheetError("文件坏了，打不开。请在 Excel 或 WPS 里另存为 .xlsx 再试。") from None
    except RuntimeError as error:
        if "encrypted" not in str(error) and "password" not in str(error):
            raise
        raise SheetError("文件加了密码，请去掉密码再试。") from None


def _check_sizes(path: Path, parts: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(part.file_size for part in parts)
    bomb = any(
        part.file_size > RATIO_BYTES and part.file_size > RATIO * max(part.compress_size, 1)
        for part in parts
    )
    if bomb or unpacked > UNPACKED_BYTES or len(parts) > PARTS:
        raise SheetError(
            f"文件解开后太大（{unpacked // 1024 // 1024} MB），不像居民表，没有读。"
            "只留要导入的那张表再试。"
        )


def surveys(book: zipfile.ZipFile) -> dict[str, Survey]:
    """Every worksheet by its name.

    Raises:
        SheetError: no workbook, or a sheet that is too large.
    """
    names = {}
    try:
        targets = _relations(book)
        with book.open("xl/workbook.xml") as part:
            for tag, given in _elements(part):
                if tag == "sheet":
                    names[given["name"]] = targets.get(_relation(given), "")
        found = {}
        for name, target in names.items():
            if "worksheets/" in target and target in book.namelist():
                with book.open(target) as part:
                    found[name] = _survey(part)
    except (KeyError, expat.ExpatError):
        raise SheetError("这不是 Excel 表格。请在 Excel 或 WPS 里另存为 .xlsx 再试。") from None
    return found


def _relations(book: zipfile.ZipFile) -> dict[str, str]:
    targets = {}
    with book.open("xl/_rels/workbook.xml.rels") as part:
        for tag, given in _elements(part):
            if tag == "Relationship":
                target = given["Target"].lstrip("/")
                targets[given["Id"]] = target if target.startswith("xl/") else f"xl/{target}"
    return targets


def _relation(given: dict[str, str]) -> str:
    return next((value for name, value in given.items() if name.endswith(":id")), "")


def _survey(part: IO[bytes]) -> Survey:
    survey, row, column = Survey(), 0, 0
    for tag, given in _elements(part):
        if tag == "row":
            row, column = int(given.get("r", row + 1)), 0
        elif tag == "c":
            place = _PLACE.fullmatch(given.get("r", ""))
            column = _number(place[1]) if place else column + 1
        elif tag in ("v", "is", "f"):
            survey.rows, survey.columns = max(survey.rows, row), max(survey.columns, column)
            if row > ROWS or column > COLUMNS or survey.rows * survey.columns > AREA:
                raise SheetError(f"{_LARGE}，第 {row} 行第 {column} 列还有内容。请删掉多余的。")
            if tag == "f":
                survey.formulas[row].append(column)
        elif tag == "mergeCell":
            ends = [_PLACE.fullmatch(end) for end in given.get("ref", "").split(":")]
            if len(ends) == 2 and ends[0] and ends[1]:
                rows = int(ends[0][2]), min(int(ends[1][2]), ROWS)
                survey.merged.append((*rows, _number(ends[0][1]), _number(ends[1][1])))
    return survey


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _elements(part: IO[bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """The start of each element, without its namespace; a file with entities is refused."""
    found: list[tuple[str, dict[str, str]]] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, given: found.append((tag.rpartition(":")[2], given))
    parser.StartDoctypeDeclHandler = _refuse_doctype
    while chunk := part.read(_CHUNK):
        parser.Parse(chunk, False)
        yield from found
        found.clear()
    parser.Parse(b"", True)


def _refuse_doctype(*_: Any) -> None:
    raise SheetError("文件里有不该有的内容（DOCTYPE），没有读。")
