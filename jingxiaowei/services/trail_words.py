"""The trail's acts, as an auditor reads them."""

import re
from collections.abc import Mapping

_FILES: Mapping[str, str] = {
    "view": "看档案",
    "view_careful": "看受保护标签",
    "original": "看原文或联系方式",
    "notes": "看改过的依据",
    "reads": "看查阅记录",
    "search": "查名单",
    "search_careful": "按受保护标签查名单",
    "tag": "改标签",
    "tag_careful": "改受保护标签",
    "propose": "提请",
    "contact": "记联系方式",
    "minor": "记未成年",
    "place": "改辖区或责任民警",
    "merge": "合并",
    "handover": "移交",
    "requests": "看权利请求",
    "answer": "答复权利请求",
    "export": "导出",
    "erase": "删除",
    "count": "看人数",
    "list_audience": "看受众名单",
    "save_audience": "存受众",
    "surgery": "调整标签表",
    "choose": "本人选标签",
    "withdraw": "本人去掉标签",
    "request": "本人提出请求",
    "fact": "系统记标签",
}
_ALERTS: Mapping[str, str] = {
    "list": "看今天的预警",
    "view": "看一条预警",
    "original": "看预警原文",
    "claim": "认领预警",
    "release": "放回预警",
    "call": "打电话",
    "advise": "发劝阻",
    "visit": "上门",
    "transfer": "改转账情况",
    "handover": "110 交接单",
    "close": "办结预警",
    "confirm_lost": "确认或退回已被骗",
    "undo": "撤销办结",
    "reopen": "重新打开预警",
    "history": "查已办结预警",
    "detach": "移出同话术",
    "correct": "告知问过的人",
}
_TICKETS: Mapping[str, str] = {
    "list": "看工单",
    "view": "看一张工单",
    "claim": "认领工单",
    "release": "放回工单",
    "close": "办结工单",
}
_QUESTIONS: Mapping[str, str] = {
    "list": "看未答问题",
    "done": "未答问题：补好了",
    "ignored": "未答问题：不用答",
    "new": "未答问题：放回",
}
_KINDS: Mapping[str, Mapping[str, str]] = {
    "file": _FILES,
    "alert": _ALERTS,
    "ticket": _TICKETS,
    "question": _QUESTIONS,
    "audit": {"view": "看留痕", "verify": "核验留痕"},
    "consent": {"say": "本人说同意或不同意"},
    "officer": {"add": "加账号"},
    "tags": {"expire": "标签到期"},
    "sign_in": {"": "登录", "locked": "连错锁住"},
    "purge": {"": "到期清除"},
}
# What an auditor may narrow the trail to.
TOPICS: Mapping[str, str] = {
    "file": "居民档案",
    "alert": "预警",
    "ticket": "工单",
    "question": "未答问题",
    "sign_in": "登录",
    "audit": "留痕",
}


def act_word(action: str) -> str:
    """An act in words; one that has none is shown as it is called."""
    kind, _, rest = action.partition(".")
    return _KINDS.get(kind, {}).get(rest, action)


_WHYS: Mapping[str, str] = {
    "password": "密码",
    "one-time": "一次性链接",
    "recent": "最近来过的",
    "police": "民警",
    "auxiliary": "辅警",
    "admin": "管理员",
    "auditor": "审计员",
    "ok": "未发现断链",
}
_NUMBERED: Mapping[str, str] = {
    "assignment": "标签记录",
    "suggestion": "建议",
    "receipt": "回执",
    "message": "消息",
}
_NUMBER = re.compile(rf"\b({'|'.join(_NUMBERED)}):(\w+)")


def why_word(reason: str) -> str:
    """A reason in words: what the program wrote itself, translated; what a person wrote, as it is.

    标签记录 3 for ``assignment:3``; 关怀回访 消息 9 for ``关怀回访 message:9``.
    """
    if reason in _WHYS:
        return _WHYS[reason]
    return _NUMBER.sub(lambda found: f"{_NUMBERED[found[1]]} {found[2]}", reason)
