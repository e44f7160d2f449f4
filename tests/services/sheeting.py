"""Lists as officers bring them, and the import beside a filing."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xlsxwriter
from python_calamine import CalamineWorkbook

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.sheets import Imported, SheetImport
from jingxiaowei.services.sheets_landing import Landing
from jingxiaowei.services.sheets_values import Refusal
from tests.services.filing import Filing

HEADS = ("编号", "姓名", "电话", "辖区", "标签", "依据", "到期")
CORP = "ww0000fake0000corp"
WHO = "wmTestContact{:04}"


def person(
    number: int,
    tags: str = "财务人员",
    why: str = "本人说是会计",
    until: Any = "",
    area: str = "",
) -> tuple[Any, ...]:
    """A good row: a WeCom contact that nobody has heard of yet."""
    return (WHO.format(number), f"陈测试{number}", f"138{number:08}", area, tags, why, until)


def excel(path: Path, rows: Iterable[Sequence[Any]], heads: Sequence[str] = HEADS) -> Path:
    book = xlsxwriter.Workbook(str(path), {"default_date_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet("名单")
    for i, row in enumerate((heads, *rows)):
        for column, value in enumerate(row):
            if value != "":
                sheet.write(i, column, value)
    book.close()
    return path


def text(
    path: Path, rows: Iterable[Sequence[Any]], encoding: str, heads: Sequence[str] = HEADS
) -> Path:
    out = io.StringIO()
    csv.writer(out).writerows((heads, *rows))
    path.write_bytes(out.getvalue().encode(encoding))
    return path


def read_back(path: Path, sheet: str) -> list[list[Any]]:
    return list(CalamineWorkbook.from_path(path).get_sheet_by_name(sheet).iter_rows())


class Desk:
    """An officer at the command line, with lists to import."""

    def __init__(
        self, filing: Filing, mind: Mind, officer: Signed, landing: type[Landing] = Landing
    ) -> None:
        self.filing = filing
        self.officer = officer
        self.refusals: list[Refusal] = []
        self.landing = landing(
            filing.database,
            filing.spine.audit,
            filing.spine.officers,
            filing.suggestions,
            filing.spine.content,
            CORP,
        )
        self.sheets = SheetImport(
            filing.database,
            filing.spine.officers,
            self.landing,
            replace(mind.library, taxonomy=filing.tagging.taxonomy),
            CORP,
        )

    async def preview(self, path: Path, **more: Any) -> Imported:
        self.refusals = []
        return await self.sheets.run(
            path, self.officer, self.filing.now, on_refusal=self.refusals.append, **more
        )

    async def take(self, path: Path, **more: Any) -> Imported:
        return await self.preview(path, apply=True, **more)

    def why(self) -> dict[int, str]:
        """By row: why it was refused."""
        return {refusal.number: "".join(refusal.why) for refusal in self.refusals}
