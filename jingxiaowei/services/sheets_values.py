"""What passes between a spreadsheet and the files: columns, rows as read, rows as understood."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from jingxiaowei.errors import JingxiaoweiError

Cell = str | int | float | bool | date | datetime | time | timedelta


# A cell that begins so would be run as a formula when a list is opened.
ARMED = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001


class SheetError(JingxiaoweiError):
    """The whole file cannot be used; the message says why and what to do."""


class Column(StrEnum):
    """The template's columns, by their heads."""

    WHO = "编号"
    NAME = "姓名"
    PHONE = "电话"
    AREA = "辖区"
    TAGS = "标签"
    REASON = "依据"
    UNTIL = "到期"


# What people write over a column, without spaces and in small letters.
HEADS: Mapping[str, Column] = {
    "编号": Column.WHO,
    "居民编号": Column.WHO,
    "external_userid": Column.WHO,
    "外部联系人id": Column.WHO,
    "姓名": Column.NAME,
    "名字": Column.NAME,
    "电话": Column.PHONE,
    "手机": Column.PHONE,
    "手机号": Column.PHONE,
    "手机号码": Column.PHONE,
    "联系电话": Column.PHONE,
    "辖区": Column.AREA,
    "派出所": Column.AREA,
    "标签": Column.TAGS,
    "依据": Column.REASON,
    "理由": Column.REASON,
    "到期": Column.UNTIL,
    "到期日": Column.UNTIL,
    "有效期至": Column.UNTIL,
}


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it stands in the file.

    Attributes:
        number: as the spreadsheet counts, from 1.
        faults: what is wrong with its cells, in words.
    """

    number: int
    cells: Mapping[Column, Cell]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A row understood: whom it is about and which tags they are to get.

    Attributes:
        who: a resident's id, a WeCom external_userid, or empty.
        phone: digits only, or empty.
        tags: names or slugs, each once.
        until: the last day; None where the tag's own life is meant.
        lasting: 长期 was written.
    """

    number: int
    who: str
    name: str
    phone: str
    area: str
    tags: tuple[str, ...]
    reason: str
    until: date | None = None
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that is not taken, and every reason why."""

    number: int
    why: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """How a file fared; the numbers are rows unless they say otherwise."""

    rows: int = 0
    good: int = 0
    refused: int = 0
    new_residents: int = 0
    tags: int = 0  # to be noted
    proposals: int = 0  # tags that wait for police
    already: int = 0  # tags that stand there

    def words(self) -> str:
        parts = [f"共 {self.rows} 行", f"能导入 {self.good} 行", f"不能导入 {self.refused} 行"]
        more = [f"新记标签 {self.tags} 项", f"已有、不重复记 {self.already} 项"]
        if self.proposals:
            more.append(f"提请民警确认 {self.proposals} 项")
        if self.new_residents:
            more.append(f"新建档 {self.new_residents} 人")
        return "，".join(parts) + "；" + "，".join(more) + "。"
