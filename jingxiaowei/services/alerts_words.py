"""What officers call things: the Chinese words for types, stages, states, in one place."""

from collections.abc import Mapping
from datetime import datetime

from jingxiaowei.pipeline.screen.values import EntityKind, ScamType, Specimen, Stage, Transfer
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.store.alert_tables import AlertState, AlertVerdict
from jingxiaowei.store.tables import Role

TYPES: Mapping[str, str] = {
    ScamType.BOSS: "冒充老板",
    ScamType.ACQUAINTANCE: "冒充熟人",
    ScamType.TASK_REBATE: "刷单返利",
    ScamType.INVESTMENT: "虚假投资理财",
    ScamType.SHOPPING: "虚假购物服务",
    ScamType.CUSTOMER_SERVICE: "冒充客服",
    ScamType.LOAN: "虚假贷款",
    ScamType.CREDIT: "虚假征信",
    ScamType.AUTHORITY: "冒充公检法",
    ScamType.MILITARY: "冒充军警购物",
    ScamType.ROMANCE: "网络交友",
    ScamType.GAME: "游戏交易",
    ScamType.OTHER: "其他诈骗",
    ScamType.NONE: "可疑情况",
}
STAGES: Mapping[str, str] = {
    Stage.APPROACH: "接近",
    Stage.NEW_CHANNEL: "换渠道",
    Stage.STAGING: "做戏",
    Stage.PROBE: "摸底",
    Stage.PRETEXT: "找由头",
    Stage.ORDER: "下指令",
    Stage.BYPASS: "绕流程",
    Stage.NO_VOICE: "不让核实",
    Stage.PRESSURE: "催逼",
    Stage.REPEAT: "再要",
}
LADDER: tuple[Stage, ...] = tuple(stage for stage in Stage if stage is not Stage.NONE)
STEP: Mapping[str, int] = {stage: number for number, stage in enumerate(LADDER, 1)}
TRANSFERS: Mapping[str, str] = {
    Transfer.DONE: "已转",
    Transfer.IN_PROGRESS: "正在转",
    Transfer.UNKNOWN: "不清楚",
    Transfer.NOT_YET: "未转",
}
# Readable without colour: a shape each.
SHAPES: Mapping[str, str] = {
    Transfer.DONE: "■",
    Transfer.IN_PROGRESS: "◧",
    Transfer.UNKNOWN: "?",
    Transfer.NOT_YET: "□",
}
# The money clock comes first.
URGENCY: Mapping[str, int] = {
    Transfer.DONE: 0,
    Transfer.IN_PROGRESS: 1,
    Transfer.UNKNOWN: 2,
    Transfer.NOT_YET: 3,
}
STATES: Mapping[str, str] = {
    AlertState.NEW: "待认领",
    AlertState.CLAIMED: "已认领",
    AlertState.ADVISED: "已劝阻",
    AlertState.VISITED: "已上门",
    AlertState.CLOSED: "已办结",
}
VERDICTS: Mapping[str, str] = {
    AlertVerdict.ATTEMPT: "诈骗未遂",
    AlertVerdict.LOST: "已被骗",
    AlertVerdict.FALSE_ALARM: "虚惊",
    AlertVerdict.DRILL: "演练",
    AlertVerdict.OTHER: "其他",
}
SPECIMENS: Mapping[str, str] = {
    Specimen.MESSAGE: "转来的诈骗原话",
    Specimen.REPORT: "说的是发生的事",
    Specimen.QUESTION: "在问",
    Specimen.PUBLICITY: "防骗宣传",
    Specimen.NONE: "",
}
ENTITIES: Mapping[str, str] = {
    EntityKind.ACCOUNT: "账号",
    EntityKind.PHONE: "电话",
    EntityKind.QQ: "QQ",
    EntityKind.WECHAT: "微信号",
    EntityKind.GROUP: "群名",
    EntityKind.URL: "网址",
    EntityKind.AMOUNT: "金额",
    EntityKind.COMPANY: "单位",
}
ROLES: Mapping[str, str] = {
    Role.POLICE: "民警",
    Role.AUXILIARY: "辅警",
    Role.ADMIN: "管理员",
    Role.AUDITOR: "审计员",
}
CHANNELS: Mapping[str, str] = {
    "wecom_kf": "微信客服",
    "wecom_app": "企业微信应用",
    "web": "网页",
}
EVENTS: Mapping[str, str] = {
    "raised": "预警",
    "more": "又说",
    "heard": "居民回话",
    "transfer": "转账情况",
    "told": "已通知",
    "line": "没人认领，通知下一位",
    "asked": "机器人再问一次",
    "silent_call": "沉默，该打电话",
    "silent_visit": "沉默，该上门",
    "claimed": "认领",
    "released": "放回",
    "called": "打电话",
    "advised": "劝阻",
    "visited": "上门",
    "closed": "办结",
    "lost_pending": "待民警确认已被骗",
    "confirmed": "确认已被骗",
    "declined": "退回",
    "reopened": "重新打开",
    "linked": "并入同话术",
    "detached": "移出同话术",
    "contact": "留了联系方式",
    "verdict_sent": "已告知结论",
}


def money(yuan: int | None) -> str:
    """约 5 万元, 约 3000 元; empty where nothing was named."""
    if not yuan:
        return ""
    if yuan >= 10_000:
        return f"约 {yuan / 10_000:.1f}".removesuffix(".0") + " 万元"
    return f"约 {yuan} 元"


def waited(since: datetime, now: datetime) -> str:
    """How long ago, on a clock: 07:12, or 3 小时 05 分, or 2 天."""
    seconds = max(0, int((now - since).total_seconds()))
    if seconds < 3600:
        return f"{seconds // 60:02}:{seconds % 60:02}"
    if seconds < 86_400:
        hours, minutes = seconds // 3600, seconds % 3600 // 60
        return f"{hours}\xa0小时 {minutes:02}\xa0分"  # a narrow margin breaks it in the middle
    return f"{seconds // 86_400} 天"


def day(at: datetime) -> str:
    """6月2日, on China's calendar."""
    local = at.astimezone(LOCAL)
    return f"{local.month}月{local.day}日"


def mask_name(name: str) -> str:
    """陈**: the family name only."""
    return name[:1] + "**" if name else ""


def mask_value(kind: str, value: str) -> str:
    """An account, phone … as lists show it. Amounts are nobody's secret."""
    if kind == EntityKind.AMOUNT:
        return money(int(value)) if value.isdecimal() else value
    if kind in {EntityKind.GROUP, EntityKind.COMPANY}:
        return value[:2] + "**" if len(value) > 2 else value[:1] + "*"
    if kind == EntityKind.URL:
        return value[:12] + "…" if len(value) > 12 else value
    if kind == EntityKind.PHONE and len(value) >= 11:
        return f"{value[:3]}****{value[-4:]}"
    return f"****{value[-4:]}" if len(value) > 5 else f"****{value[-2:]}"
