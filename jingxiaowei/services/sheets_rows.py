"""A row understood, or every reason why it is not: pure, without the database."""

import re
import unicodedata
from datetime import date, datetime, timedelta

from jingxiaowei.pipeline.mask import holds_number
from jingxiaowei.services.sheets_values import ARMED, Cell, Column, Entry, Line, Refusal

RESIDENT_ID = re.compile(r"[0-9a-f]{32}")
EXTERNAL_USERID = re.compile(r"w[mo][0-9A-Za-z_-]{8,62}")
NAME_CHARACTERS, TAGS_A_ROW = 30, 20
_BETWEEN_TAGS = re.compile(r"[、,，;；/\s]+")
_PHONE = re.compile(r"(?:\+?86)?(1[3-9]\d{9}|0\d{2,3}\d{7,8})")
_DAY = re.compile(
    r"(?P<year>20\d{2})(?:年|[-/.])(?P<month>\d{1,2})(?:月|[-/.])(?P<day>\d{1,2})(?:日|号)?"
    r"|(?P<y>20\d{2})(?P<m>\d{2})(?P<d>\d{2})"
)
# Day and month can be told apart only where one of them is more than twelve.
_TURNED = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](20\d{2})")
_MIDNIGHT = re.compile(r"[ T]0{1,2}:00(:00)?$")
# An id of ours or WeCom's may hold as many digits as a card has.
_CHECKED_APART = frozenset({Column.UNTIL, Column.WHO})
_LASTING = frozenset({"长期", "永久", "不限"})
_HOW = "请写成 2027-03-01 这样。"
_DISARMED = re.compile(rf"^'(?=[{re.escape(ARMED)}])")


def understand(line: Line) -> Entry | Refusal:
    """What a row asks for, or why it cannot be read."""
    faults = list(line.faults)
    if faults:  # what stands in such cells is not what was meant
        return Refusal(line.number, tuple(faults))
    values = {column: _text(value) for column, value in line.cells.items()}
    for column, value in values.items():
        if column not in _CHECKED_APART and holds_number(value):
            faults.append(f"“{column.value}”里像有证件号或卡号，删掉再导入。")
    if faults:
        return Refusal(line.number, tuple(faults))
    who = values.get(Column.WHO, "")
    phone = _phone(values.get(Column.PHONE, ""), faults)
    name = values.get(Column.NAME, "")
    if len(name) > NAME_CHARACTERS:
        faults.append(f"“姓名”最多 {NAME_CHARACTERS} 个字。")
    if who and not (RESIDENT_ID.fullmatch(who) or EXTERNAL_USERID.fullmatch(who)):
        if holds_number(who):
            faults.append("“编号”里像有证件号或卡号，删掉再导入。")
        else:
            faults.append("“编号”看不懂：填系统里的编号（32 位），或企业微信的 external_userid。")
    if not who and not phone and Column.PHONE not in values:
        faults.append("“编号”和“电话”至少填一个，不然不知道是谁。")
    tags = tuple(dict.fromkeys(filter(None, _BETWEEN_TAGS.split(values.get(Column.TAGS, "")))))
    if not tags:
        faults.append("“标签”没有填。")
    elif len(tags) > TAGS_A_ROW:
        faults.append(f"一行最多 {TAGS_A_ROW} 个标签，这行有 {len(tags)} 个。")
    reason = values.get(Column.REASON, "")
    if not reason:
        faults.append("“依据”没有填。写一句，比如：本人说是公司会计。")
    until, lasting = None, False
    given = line.cells.get(Column.UNTIL)
    if isinstance(given, str):
        given = values[Column.UNTIL]
    if given is not None and given != "":
        lasting = given in _LASTING
        until = None if lasting else read_day(given, faults)
    if faults:
        return Refusal(line.number, tuple(faults))
    area = values.get(Column.AREA, "")
    return Entry(line.number, who, name, phone, area, tags, reason, until, lasting)


def read_day(value: Cell, faults: list[str]) -> date | None:
    """The day that a cell means, if it can mean only one; else a fault."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = _MIDNIGHT.sub("", value.strip()) if isinstance(value, str) else str(value)
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    parts = _DAY.fullmatch(re.sub(r"\s", "", text))
    turned = _TURNED.fullmatch(text)
    try:
        if parts:
            year, month = parts["year"] or parts["y"], parts["month"] or parts["m"]
            return date(int(year), int(month), int(parts["day"] or parts["d"]))
        if turned:
            first, second, in_year = (int(part) for part in turned.groups())
            if first > 12 >= second:
                return date(in_year, second, first)
            if second > 12 >= first:
                return date(in_year, first, second)
            if first == second:
                return date(in_year, first, second)
            faults.append(f"“到期”里“{text}”分不清哪个是月、哪个是日，{_HOW}")
            return None
    except ValueError:
        faults.append(f"“到期”里“{text}”没有这一天，{_HOW}")
        return None
    faults.append(f"“到期”里“{text[:20]}”看不懂，{_HOW}")
    return None


def _text(value: Cell) -> str:
    """A cell as its text: full-width letters made plain, one space where many stood."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | date | datetime | timedelta):
        return str(value)
    text = _DISARMED.sub("", str(value))
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _phone(text: str, faults: list[str]) -> str:
    digits = re.sub(r"[\s\-()]", "", text)
    if not digits:
        return ""
    found = _PHONE.fullmatch(digits)
    if found is None:
        faults.append("“电话”不像电话号码，写 11 位手机号，或带区号的座机。")
        return ""
    return found[1]
