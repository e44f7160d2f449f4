"""微信客服: one item of ``sync_msg``'s list, read into the shared values. Pure."""

import itertools
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind

TEXT_LIMIT = 10_000
CUSTOMER, SYSTEM, SERVICER = 3, 4, 5

_log = logging.getLogger(__name__)
_broken = itertools.count(1)

_Types = type | tuple[type, ...]
_Shape = tuple[MessageKind, dict[str, _Types]]
_NUMBER = (int, float)
_MEDIA: dict[str, _Types] = {"media_id": str}
_MESSAGES: dict[str, _Shape] = {
    "text": (MessageKind.TEXT, {"content": str, "menu_id": str}),
    "image": (MessageKind.IMAGE, _MEDIA),
    "voice": (MessageKind.VOICE, _MEDIA),
    "video": (MessageKind.VIDEO, _MEDIA),
    "file": (MessageKind.FILE, _MEDIA),
    "location": (
        MessageKind.LOCATION,
        {"latitude": _NUMBER, "longitude": _NUMBER, "name": str, "address": str},
    ),
    "link": (MessageKind.LINK, {"title": str, "desc": str, "url": str, "pic_url": str}),
    "business_card": (MessageKind.BUSINESS_CARD, {"userid": str}),
    "miniprogram": (
        MessageKind.MINIPROGRAM,
        {"title": str, "appid": str, "pagepath": str, "thumb_media_id": str},
    ),
    "merged_msg": (MessageKind.MERGED, {"title": str, "item": list}),
}
_EVENTS: dict[str, _Shape] = {
    "enter_session": (
        MessageKind.ENTER,
        {"scene": str, "scene_param": str, "welcome_code": str, "wechat_channels": dict},
    ),
    "session_status_change": (
        MessageKind.SESSION,
        {
            "change_type": int,
            "old_servicer_userid": str,
            "new_servicer_userid": str,
            "msg_code": str,
        },
    ),
    "user_recall_msg": (MessageKind.RECALL, {"recall_msgid": str}),
    "msg_send_fail": (MessageKind.SEND_FAILED, {"fail_msgid": str, "fail_type": int}),
}


def parse(msg: object) -> Incoming | None:
    """One item; None, and a line in the log, if it is nothing for us or broken.

    Whatever WeCom sends, one item never stops the page that it came with.
    """
    try:
        return _parse(_mapping(msg))
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        _log.warning("broken kf item left out, no. %d: %s", next(_broken), type(error).__name__)
        return None


def _parse(msg: Mapping[str, Any]) -> Incoming | None:
    msgtype, origin = _text("msgtype", msg), msg["origin"]
    if origin == SYSTEM or msgtype == "event":
        return _event(msg, _mapping(msg["event"]))
    if origin not in (CUSTOMER, SERVICER):
        _log.info("kf item of origin %.64r left out", origin)
        return None
    kind, types = _MESSAGES.get(msgtype, (MessageKind.OTHER, {}))
    data = _known(_mapping(msg[msgtype]), types) if types else {"msgtype": msgtype}
    text = data.pop("content") if kind is MessageKind.TEXT else ""
    if kind is MessageKind.MERGED:
        text = _dialogue(data.get("item", []))
    media_id = data.pop("media_id") if types is _MEDIA else ""
    menu_id = data.pop("menu_id", "")
    if origin == SERVICER:
        kind, data = MessageKind.SERVICER, _known(msg, {"servicer_userid": str})
    return _incoming(kind, data, msg, text=text, menu_id=menu_id, media_id=media_id)


def _dialogue(items: Any) -> str:
    """聊天记录 that somebody forwarded, ``名字：话`` a line, as far as it is text."""
    lines = []
    for item in items:
        try:
            content = json.loads(item["msg_content"])
            content = content.get(item.get("msgtype"), content)
            lines.append(f"{item['sender_name']}：{_clean_text(content['content'])}")
        except (KeyError, TypeError, ValueError, AttributeError):
            continue  # a picture or a file among the lines
    return "\n".join(lines)[:TEXT_LIMIT]


def _event(msg: Mapping[str, Any], event: Mapping[str, Any]) -> Incoming | None:
    event_type = _text("event_type", event)
    if event_type not in _EVENTS:
        _log.info("kf event %.64r left out", event_type)
        return None
    kind, types = _EVENTS[event_type]
    at_once = {"settle": 0.0} if kind is MessageKind.ENTER else {}
    return _incoming(kind, _known(event, types), msg, event, **at_once)


def _incoming(
    kind: MessageKind, data: dict[str, Any], *places: Mapping[str, Any], **further: Any
) -> Incoming:
    """The message or event. The ids of an event may stand in either place."""
    return Incoming(
        channel=Channel.WECOM_KF,
        account=_text("open_kfid", *places),
        sender=_text("external_userid", *places),
        message_id=_text("msgid", places[0]),
        kind=kind,
        sent_at=datetime.fromtimestamp(places[0]["send_time"], UTC),
        data=data,
        **further,
    )


def _known(body: Mapping[str, Any], types: Mapping[str, _Types]) -> dict[str, Any]:
    """The fields that we know and that stand there, of the right type."""
    fields = {}
    for name, expected in types.items():
        value = body.get(name)
        if value is not None:
            if not isinstance(value, expected):
                raise TypeError(name)
            fields[name] = _clean(value)
    return fields


def _text(name: str, *places: Mapping[str, Any]) -> str:
    for place in places:
        value = place.get(name)
        if value and isinstance(value, str):
            return _clean_text(value)
    raise KeyError(name)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def _clean_text(value: str) -> str:
    """Without NUL and lone surrogates, which databases refuse, and without an endless tail."""
    if value.isascii() and "\0" not in value:
        return value[:TEXT_LIMIT]
    return value[:TEXT_LIMIT].replace("\0", "").encode(errors="replace").decode()
