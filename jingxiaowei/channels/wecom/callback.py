"""The callback's two handlers: store first, then acknowledge with an empty 200."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from jingxiaowei.channels.wecom.codec import Codec, Sealed
from jingxiaowei.errors import BadMessageError, BadSignatureError
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind

PATH = "/wecom/callback"
BODY_LIMIT = 64 * 1024
TEXT_LIMIT = 10_000

OnNotice = Callable[[str, str], Awaitable[object]]
Receive = Callable[[list[Incoming]], Awaitable[object]]
OnEvent = Callable[[str, Mapping[str, Any]], Awaitable[object]]

_NOTICE = "kf_msg_or_event"
_KINDS = {
    kind.value: kind
    for kind in (
        MessageKind.TEXT,
        MessageKind.IMAGE,
        MessageKind.VOICE,
        MessageKind.VIDEO,
        MessageKind.FILE,
        MessageKind.LOCATION,
        MessageKind.LINK,
    )
}
# What a message carries beside text and medium, in the names that 微信客服 uses for it.
_DATA: dict[MessageKind, dict[str, str]] = {
    MessageKind.LOCATION: {
        "latitude": "Location_X",
        "longitude": "Location_Y",
        "address": "Label",
    },
    MessageKind.LINK: {"title": "Title", "desc": "Description", "url": "Url"},
}

_log = logging.getLogger(__name__)


def routes(
    codec: Codec | None,
    on_notice: OnNotice,
    receive: Receive,
    on_event: OnEvent | None = None,
) -> list[web.RouteDef]:
    """The routes of the callback.

    Args:
        codec: None when no WeCom account is configured: every request gets a 503 that says so.
        on_notice: stores durably that an account (open_kfid) has something, and its token.
        receive: stores messages of members durably.
        on_event: takes the name and the fields of any other event.
    """
    door = _Door(codec, on_notice, receive, on_event)
    return [web.get(PATH, door.verify), web.post(PATH, door.deliver)]


class _Door:
    def __init__(
        self,
        codec: Codec | None,
        on_notice: OnNotice,
        receive: Receive,
        on_event: OnEvent | None,
    ) -> None:
        self._codec = codec
        self._on_notice = on_notice
        self._receive = receive
        self._on_event = on_event

    async def verify(self, request: web.Request) -> web.Response:
        """GET: an admin saves the callback's address in WeCom's console."""
        if self._codec is None:
            return _not_configured()
        try:
            return web.Response(text=self._codec.verify_url(request.query))
        except (BadSignatureError, BadMessageError) as error:
            return _refused(error)

    async def deliver(self, request: web.Request) -> web.Response:
        """POST: something happened. WeCom waits 5 seconds and tries three times."""
        if self._codec is None:
            return _not_configured()
        try:
            body = await _read(request)
            if body is None:
                return web.Response(status=413, text="the body is larger than 64 KiB")
            await self._take(self._codec.open(request.query, body))
        except (BadSignatureError, BadMessageError) as error:
            return _refused(error)
        except Exception as error:  # whatever it is, WeCom must bring it again
            _log.error("a callback could not be stored: %s", type(error).__name__)
            return web.Response(status=503, text="the message could not be stored: try again")
        return web.Response()

    async def _take(self, sealed: Sealed) -> None:
        kind = _field(sealed.fields, "MsgType")
        if kind != "event":
            await self._receive([_message(sealed, kind)])
            return
        name = _field(sealed.fields, "Event")
        if name == _NOTICE:
            token = sealed.fields.get("Token")
            await self._on_notice(
                _field(sealed.fields, "OpenKfId"), token if isinstance(token, str) else ""
            )
            return
        _log.info("event %.64r acknowledged", name)
        if self._on_event is not None:
            await self._on_event(name, sealed.fields)


async def _read(request: web.Request) -> bytes | None:
    """The body, or None if it is larger than the limit, also after decompression."""
    if (request.content_length or 0) > BODY_LIMIT:
        return None
    body = bytearray()
    try:
        while chunk := await request.content.readany():
            body += chunk
            if len(body) > BODY_LIMIT:
                return None
    except (ClientPayloadError, HttpProcessingError, RequestPayloadError):
        raise BadMessageError("the callback's body cannot be read") from None
    return bytes(body)


def _message(sealed: Sealed, msgtype: str) -> Incoming:
    """A member's message to the self-built app (自建应用)."""
    fields = sealed.fields
    kind = _KINDS.get(msgtype, MessageKind.OTHER)
    data: dict[str, Any] = {
        ours: fields[theirs] for ours, theirs in _DATA.get(kind, {}).items() if fields.get(theirs)
    }
    try:
        sent_at = datetime.fromtimestamp(int(_field(fields, "CreateTime")), UTC)
        if kind is MessageKind.LOCATION:
            data |= {name: float(data[name]) for name in ("latitude", "longitude")}
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise BadMessageError("the message's time or place cannot be read") from None
    if kind is MessageKind.OTHER:
        data["msgtype"] = msgtype
    content, media_id = fields.get("Content"), fields.get("MediaId")
    return Incoming(
        channel=Channel.WECOM_APP,
        account=_field(fields, "AgentID"),
        sender=_field(fields, "FromUserName"),
        message_id=_field(fields, "MsgId") if "MsgId" in fields else sealed.digest,
        kind=kind,
        sent_at=sent_at,
        text=content[:TEXT_LIMIT] if isinstance(content, str) else "",
        media_id=media_id if isinstance(media_id, str) else "",
        data=data,
    )


def _field(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise BadMessageError(f"the callback lacks exactly one {name}")
    return value


def _refused(error: BadSignatureError | BadMessageError) -> web.Response:
    _log.warning("callback refused: %s", error)
    return web.Response(
        status=403 if isinstance(error, BadSignatureError) else 400, text=str(error)
    )


def _not_configured() -> web.Response:
    return web.Response(
        status=503, text="no WeCom account is configured: set JXW_WECOM_… in .env and restart"
    )
