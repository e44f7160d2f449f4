"""What officers call the things on a resident's file, in one place."""

from collections.abc import Mapping

from jingxiaowei.store.file_tables import (
    ConsentKind,
    ContactKind,
    Ground,
    Minor,
    TagSource,
)
from jingxiaowei.store.tables import TicketState

# 事由: why somebody looks at a file. The code stands in addresses, the words in the trail.
PURPOSES: Mapping[str, str] = {
    "service": "办事",
    "dissuade": "劝阻",
    "care": "关怀回访",
    "own": "本人要求",
    "review": "标签复核",
    "ticket": "办工单",
}
SOURCES: Mapping[str, str] = {
    TagSource.OFFICER: "警方记",
    TagSource.RESIDENT: "本人自选",
    TagSource.SUGGESTION: "建议确认",
    TagSource.IMPORT: "表格导入",
    TagSource.WECOM: "企业微信",
    TagSource.SYSTEM: "系统记录",
}
GROUNDS: Mapping[str, str] = {
    Ground.CONSENT: "本人同意",
    Ground.DUTY: "法定职责",
    Ground.EMERGENCY: "紧急情况",
    Ground.OWN_CHOICE: "本人自选",
}
# What an officer may rest a tag on.
OFFICERS_GROUNDS = (Ground.CONSENT, Ground.DUTY, Ground.EMERGENCY)
MINORS: Mapping[str, str] = {
    Minor.NONE: "",
    Minor.UNDER_14: "未满 14 周岁，不建档",
    Minor.TEEN: "14 到 17 周岁",
}
CONSENTS: Mapping[str, str] = {ConsentKind.TAGS: "记标签", ConsentKind.CAREFUL: "记受保护标签"}
CONTACTS: Mapping[str, str] = {
    ContactKind.NAME: "姓名",
    ContactKind.PHONE: "电话",
    ContactKind.COMPANY: "单位",
    ContactKind.ADDRESS: "住处",
}
NEEDS: Mapping[str, str] = {
    "human": "要真人",
    "emergency": "紧急",
    "image": "图没读出来",
    "failure": "没处理好",
    "harm": "可能受伤害",
}
TICKET_STATES: Mapping[str, str] = {
    TicketState.OPEN: "待认领",
    TicketState.CLAIMED: "在办",
    TicketState.CLOSED: "已办结",
}
