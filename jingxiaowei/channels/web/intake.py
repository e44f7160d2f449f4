"""From a request to an :class:`Incoming`: whose it is, how often, and whether it can be taken."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from jingxiaowei.channels.web.port import Say
from jingxiaowei.channels.web.rates import Buckets
from jingxiaowei.channels.web.refusals import TEXT_CHARACTERS, TOO_LONG, RefusedError
from jingxiaowei.channels.web.sessions import address
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind

ACCOUNT = "web"
_MESSAGE_ID = re.compile(r"[0-9a-f-]{36}")


class Gate:
    """Lets requests through at a pace: so many a minute from an address, and from a sender."""

    def __init__(self, addresses: Buckets, say: Say, trusted_proxy: bool) -> None:
        self._addresses = addresses
        self._say = say
        self._trusted_proxy = trusted_proxy

    def admit(self, request: web.Request, senders: Buckets | None = None, sender: str = "") -> None:
        """Count a request.

        Raises:
            RefusedError: too many; it says when to come again.
        """
        wait = self._addresses.take(address(request, self._trusted_proxy))
        if not wait and senders is not None:
            wait = senders.take(sender)
        if wait:
            raise RefusedError(429, self._say("rate"), wait)


def clean_text(text: str) -> str:
    """A text as it is stored: one kind of line end, nothing that a database refuses.

    Raises:
        RefusedError: nothing is left, or it is too long.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip()
    if not text:
        raise RefusedError(400, "还没有写字。请先打字，再按发送。")
    if len(text) > TEXT_CHARACTERS:
        raise RefusedError(413, TOO_LONG)
    return text


def make_message(sender: str, kind: MessageKind, message_id: str = "", **fields: Any) -> Incoming:
    """A message of a browser's. Its own id is kept, so that sending it again counts once."""
    if not _MESSAGE_ID.fullmatch(message_id):
        message_id = str(uuid.uuid4())
    now = datetime.now(UTC)
    return Incoming(Channel.WEB, ACCOUNT, sender, message_id, kind, now, **fields)


def make_enter(sender: str) -> Incoming:
    """The event that a resident came in, once a session."""
    now = datetime.now(UTC)
    message_id = f"enter-{sender}"
    return Incoming(Channel.WEB, ACCOUNT, sender, message_id, MessageKind.ENTER, now, settle=0.0)
