"""An erasure told in words: what goes, what stays."""

from jingxiaowei.services.erasure import KEPT_WORDS, Erased

_WORDS = {
    "identities": "渠道身份",
    "inbox": "来信",
    "outbox": "回复",
    "media": "图片",
    "tickets": "工单",
    "questions": "未答问题",
    "tags": "标签（含历史）",
    "suggestions": "标签建议",
    "consents": "同意记录",
    "contacts": "联系方式",
    "requests": "权利请求",
    "replies": "答复",
    "alerts": "已办结预警（只留数字和可疑账号）",
}


def in_words(erased: Erased) -> str:
    """Several lines, for a terminal."""
    lines = [
        f"  {word} {erased.gone[kind]}" for kind, word in _WORDS.items() if erased.gone.get(kind)
    ]
    kept = f"依法留存：{KEPT_WORDS}（预警 {erased.kept.get('alerts', 0)} 条封存）。"
    return "\n".join(["要删除：", *(lines or ["  没有可删的记录"]), kept])
