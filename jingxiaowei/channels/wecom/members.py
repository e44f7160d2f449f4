"""Messages to members of the corporation through the self-built app (自建应用)."""

from collections.abc import Mapping
from typing import Any

from jingxiaowei.channels.wecom.api import WeComApi, WeComError, receipt
from jingxiaowei.pipeline.messages import Outcome, Outgoing, OutgoingKind, Receipt
from jingxiaowei.pipeline.reply import clip

TEXT_BYTES = 2048
DUPLICATE_SECONDS = 1800

# The member, not the configuration, is the reason; 81013 is "none of the receivers is valid".
_NO_SUCH_MEMBER = "not a member, or outside the app's visible range (可见范围)"
_INVALID_RECEIVERS = 81013


class MemberSender:
    """Sends text to one member, and says in a Receipt what became of it. Never raises."""

    def __init__(self, api: WeComApi) -> None:
        self._api = api

    async def send(self, out: Outgoing) -> Receipt:
        """One attempt. WeCom keeps no id of ours, so a repeat is recognised by its text."""
        if out.kind is OutgoingKind.TRANSFER:
            return Receipt(Outcome.REFUSED, "a member's conversation has no servicers")
        if not out.account.isdecimal():
            return Receipt(Outcome.REFUSED, "the agent id is not a number: see JXW_WECOM_AGENT_ID")
        body: dict[str, Any] = {
            "touser": out.recipient,
            "msgtype": "text",
            "agentid": int(out.account),
            "text": {"content": _text(out)},
        }
        if out.retried:  # only then: the same answer twice may be meant
            body |= {"enable_duplicate_check": 1, "duplicate_check_interval": DUPLICATE_SECONDS}
        try:
            answer = await self._api.call("message/send", body)
        except WeComError as error:
            if error.errcode == _INVALID_RECEIVERS:
                return Receipt(Outcome.REFUSED, _NO_SUCH_MEMBER)
            return receipt(error)
        return refused(answer) or Receipt(Outcome.SENT)


def refused(answer: Mapping[str, Any]) -> Receipt | None:
    """Why a call that went well reached nobody, or None."""
    if answer.get("invaliduser"):
        return Receipt(Outcome.REFUSED, _NO_SUCH_MEMBER)
    if answer.get("unlicenseduser"):
        return Receipt(Outcome.REFUSED, "the member has no licence for this API (接口许可)")
    return None


def _text(out: Outgoing) -> str:
    """The text with the options as lines below it; the options are never cut off."""
    options = "".join(
        f"\n回复 {number}：{option.label}" for number, option in enumerate(out.options, 1)
    )
    return clip(out.text, TEXT_BYTES - len(options.encode())) + options
