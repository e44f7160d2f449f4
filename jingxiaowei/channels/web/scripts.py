"""``POST /chat/messages``: the chat page for scripts, in demo mode only."""

from typing import Any

import orjson
from aiohttp import web

from jingxiaowei.channels.web.intake import Gate, clean_text, make_message
from jingxiaowei.channels.web.port import Chat
from jingxiaowei.channels.web.rates import Buckets
from jingxiaowei.channels.web.refusals import OTHER_SITE, RefusedError, json_response, not_stored
from jingxiaowei.channels.web.sessions import same_origin
from jingxiaowei.channels.web.uploads import read_body
from jingxiaowei.errors import StoreError
from jingxiaowei.pipeline.messages import MessageKind

SESSION_CHARACTERS = 64
REPLY_SECONDS = 10.0


class Scripts:
    def __init__(self, chat: Chat, gate: Gate, senders: Buckets) -> None:
        self._chat = chat
        self._gate = gate
        self._senders = senders

    async def messages(self, request: web.Request) -> web.Response:
        """A script's text, answered in the same response."""
        try:
            if same_origin(request) is False:
                raise RefusedError(403, OTHER_SITE)
            sender, text = _read(await read_body(request))
            self._gate.admit(request, self._senders, sender)
            message = make_message(sender, MessageKind.TEXT, text=text, settle=0.0)
            await self._chat.receive([message])
            reply = await self._chat.reply_to(message.message_id, sender, REPLY_SECONDS)
            if reply is None:
                raise RefusedError(504, f"{REPLY_SECONDS:.0f} 秒内没有答复，消息已收下。")
        except RefusedError as refusal:
            return refusal.as_json()
        except StoreError:
            return not_stored().as_json()
        data: dict[str, Any] = {"reply": reply.text, "kind": reply.kind}
        if reply.faq:
            data |= {"faq": reply.faq, "fact": reply.fact}
        data["options"] = [{"id": o.id, "label": o.label} for o in reply.options]
        return json_response(data)


def _read(body: bytes) -> tuple[str, str]:
    """The sender and the text of a script's message.

    Raises:
        RefusedError: it is not such an object.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RefusedError(400, '正文要是 JSON：{"session": "…", "text": "…"}。') from None
    if not isinstance(data, dict):
        raise RefusedError(400, '正文要是一个对象：{"session": "…", "text": "…"}。')
    session, text = data.get("session"), data.get("text")
    if not isinstance(session, str) or not isinstance(text, str):
        raise RefusedError(400, "session 和 text 都要有，都要是文字。")
    if not 0 < len(session) <= SESSION_CHARACTERS or not session.isprintable():
        raise RefusedError(400, f"session 要有 1 到 {SESSION_CHARACTERS} 个看得见的字符。")
    return f"script:{session}", clean_text(text)
