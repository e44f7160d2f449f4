"""微信客服: what residents get is sent, idempotently, and a person takes over where asked."""

import hashlib
import logging
from collections.abc import Iterator
from typing import Any

from jingxiaowei.channels.wecom.api import CONFIGURATION, STALE_TOKEN, WeComApi, WeComError, receipt
from jingxiaowei.pipeline.messages import Option, Outcome, Outgoing, OutgoingKind, Receipt
from jingxiaowei.pipeline.reply import clip

WRONG_STATE = 95018
TEXT_BYTES, HEAD_BYTES, LABEL_BYTES = 2048, 1024, 128
MENU_ITEMS = 10
KEY_CHARACTERS = 32
STATE_RETRY = 1.0
POOL, HUMAN, ENDED = 2, 3, 4
_TOO_LATE = {
    95001: "5 messages since the resident's last",
    95002: "48 hours since the resident's last message",
    95013: "the conversation has ended",
}

_log = logging.getLogger(__name__)


class KfSender:
    """Sends to residents on WeChat, and says in a Receipt what became of it. Never raises.

    Args:
        already_sent: errcodes that mean "this msgid was sent before". WeCom does not document what
            微信客服 answers; 45065 is what 公众号 answers to a repeated clientmsgid.
    """

    def __init__(self, api: WeComApi, already_sent: frozenset[int] = frozenset({45065})) -> None:
        self._api = api
        self._already_sent = already_sent

    async def send(self, out: Outgoing) -> Receipt:
        """One attempt. The same key never reaches the resident twice."""
        try:
            if out.kind is OutgoingKind.TRANSFER:
                return await self._transfer(out)
            if out.kind is OutgoingKind.WELCOME:
                body = {"code": out.code, "msgid": out.key} | _content(out.text, out.options)
                await self._put("kf/send_msg_on_event", body)
            else:
                for key, content in _messages(out):
                    address = {"touser": out.recipient, "open_kfid": out.account, "msgid": key}
                    await self._put("kf/send_msg", address | content)
        except WeComError as error:
            return await self._failed(out, error)
        return Receipt(Outcome.SENT)

    async def _put(self, path: str, body: dict[str, Any]) -> None:
        try:
            await self._api.call(path, body)
        except WeComError as error:
            if error.errcode not in self._already_sent:
                raise

    async def _failed(self, out: Outgoing, error: WeComError) -> Receipt:
        if error.errcode in _TOO_LATE:
            return Receipt(Outcome.EXPIRED, _TOO_LATE[error.errcode])
        if error.errcode == WRONG_STATE:
            return await self._by_state(out)
        if out.kind is OutgoingKind.WELCOME and not _general(error):
            return Receipt(Outcome.EXPIRED, f"the welcome code is used or over ({error.errcode})")
        return receipt(error)

    async def _by_state(self, out: Outgoing) -> Receipt:
        try:
            state = await self._state(out)
        except WeComError as error:
            return receipt(error)
        if state == HUMAN:
            return Receipt(Outcome.HUMAN, "a human has the conversation")
        if state == POOL:
            return Receipt(Outcome.REFUSED, "waiting pool")
        if state == ENDED:
            return Receipt(Outcome.EXPIRED, "the conversation has ended")
        return Receipt(Outcome.RETRY, "the conversation's state is changing", STATE_RETRY)

    async def _state(self, out: Outgoing) -> object:
        who = {"open_kfid": out.account, "external_userid": out.recipient}
        return (await self._api.call("kf/service_state/get", who)).get("service_state")

    async def _transfer(self, out: Outgoing) -> Receipt:
        """To the first servicer who can take it, else to the pool; never away from a human."""
        state = await self._state(out)
        if state == HUMAN:
            return Receipt(Outcome.SENT, "a human has the conversation already")
        who = {"open_kfid": out.account, "external_userid": out.recipient}
        for number, servicer in enumerate(out.servicers, 1):
            target = {"service_state": HUMAN, "servicer_userid": servicer}
            try:
                await self._api.call("kf/service_state/trans", who | target)
            except WeComError as error:
                if _general(error):
                    raise
                _log.info("servicer %d cannot take a conversation: %d", number, error.errcode)
            else:
                return Receipt(Outcome.SENT, f"servicer {number} of {len(out.servicers)}")
        if state != POOL:
            await self._api.call("kf/service_state/trans", who | {"service_state": POOL})
        return Receipt(Outcome.SENT, "waiting pool")


def _general(error: WeComError) -> bool:
    """Whether the fault lies with the network or the configuration, not with this one request."""
    return error.retryable or error.errcode in STALE_TOKEN or error.errcode in CONFIGURATION


def _messages(out: Outgoing) -> Iterator[tuple[str, dict[str, Any]]]:
    """The bodies with their keys. Text too long for a menu's head goes ahead as a text message,
    all but its last lines.
    """
    text = clip(out.text, TEXT_BYTES)
    if out.options and len(text.encode()) > HEAD_BYTES:
        ahead, _, text = text.rpartition("\n")
        if not ahead or len(text.encode()) > HEAD_BYTES:
            ahead, text = f"{ahead}\n{text}".lstrip("\n"), ""
        key = f"{out.key}a"
        if len(key) > KEY_CHARACTERS:
            key = hashlib.sha256(key.encode()).hexdigest()[:KEY_CHARACTERS]
        yield key, _content(ahead, ())
    yield out.key, _content(text, out.options)


def _content(text: str, options: tuple[Option, ...]) -> dict[str, Any]:
    if not options:
        return {"msgtype": "text", "text": {"content": clip(text, TEXT_BYTES)}}
    items = [
        {"type": "click", "click": {"id": option.id, "content": clip(option.label, LABEL_BYTES)}}
        for option in options[:MENU_ITEMS]
    ]
    head = {"head_content": clip(text, HEAD_BYTES)} if text else {}
    return {"msgtype": "msgmenu", "msgmenu": head | {"list": items}}
