"""Template cards (模板卡片) to officers, their taps, and changing them afterwards."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jingxiaowei.channels.wecom.api import WeComApi, WeComError, receipt
from jingxiaowei.channels.wecom.members import DUPLICATE_SECONDS, refused
from jingxiaowei.pipeline.messages import Outcome, Receipt
from jingxiaowei.services.notice_cards import Card
from jingxiaowei.services.notice_delivery import Told

EVENT = "template_card_event"
# WeCom cuts longer texts on the phone.
TITLE, DESC, LABEL, VALUE, BUTTON = 26, 112, 5, 26, 10
_TASK_ID = re.compile(r"[0-9A-Za-z_@-]{1,128}")

OnTap = Callable[[str, str, str, str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Tap:
    """A member pressed a card's button; the code lets the card be changed once."""

    userid: str
    card: str
    key: str
    response_code: str


class CardTeller:
    """Shows cards to members. Never raises.

    Args:
        console_url: where a tap on the card itself leads; without one it leads nowhere.
    """

    def __init__(self, api: WeComApi, agent_id: str, console_url: str = "") -> None:
        self._api = api
        self._agent_id = agent_id
        self._console_url = console_url

    async def tell(self, userid: str, card: Card) -> Told:
        """One attempt to show a card."""
        if not self._agent_id.isdecimal():
            reason = "the agent id is not a number: see JXW_WECOM_AGENT_ID"
            return Told(Receipt(Outcome.REFUSED, reason))
        body = {"touser": userid, "agentid": int(self._agent_id)} | self._content(card)
        if card.retried:  # a card that arrived, whose answer was lost, is not shown twice
            body |= {"enable_duplicate_check": 1, "duplicate_check_interval": DUPLICATE_SECONDS}
        try:
            answer = await self._api.call("message/send", body)
        except WeComError as error:
            return Told(receipt(error))
        refusal = refused(answer)
        if refusal is not None:
            return Told(refusal)
        code = answer.get("response_code")
        return Told(Receipt(Outcome.SENT), code if isinstance(code, str) else "")

    async def replace(self, userid: str, response_code: str, text: str) -> Receipt:
        """Grey a card's buttons: one is left, and says what has become of it."""
        body = {
            "userids": [userid],
            "agentid": int(self._agent_id),
            "response_code": response_code,
            "button": {"replace_name": text[:BUTTON]},
        }
        try:
            await self._api.call("message/update_template_card", body)
        except WeComError as error:
            return receipt(error)
        return Receipt(Outcome.SENT)

    def _content(self, card: Card) -> dict[str, Any]:
        """The card; a plain text where there is neither a button nor a page to lead to."""
        claimable = [(number, line) for number, line in enumerate(card.lines, 1) if line.claimable]
        if not claimable and not self._console_url:
            lines = [card.title, card.desc, *(f"{line.mark} {line.title}" for line in card.lines)]
            return {"msgtype": "text", "text": {"content": "\n".join(lines)}}
        body: dict[str, Any] = {
            "main_title": {"title": card.title[:TITLE], "desc": card.desc[:DESC]},
            "horizontal_content_list": [
                {"keyname": line.mark[:LABEL], "value": line.title[:VALUE]} for line in card.lines
            ],
        }
        if self._console_url:
            body["card_action"] = {"type": 1, "url": self._console_url}
        if not claimable:
            body["card_type"] = "text_notice"
        else:
            several = len(claimable) > 1
            body |= {
                "card_type": "button_interaction",
                "task_id": card.task_id,
                "button_list": [
                    {
                        "text": f"认领 {number}" if several else "认领",
                        "style": 1,
                        "key": line.key,
                    }
                    for number, line in claimable
                ],
            }
        return {"msgtype": "template_card", "template_card": body}


def parse_tap(fields: Mapping[str, Any]) -> Tap | None:
    """The tap of a ``template_card_event``; None where it is broken or no button's."""
    names = ("FromUserName", "TaskId", "EventKey", "ResponseCode")
    values = [fields.get(name) for name in names]
    userid, card, key, code = (value if isinstance(value, str) else "" for value in values)
    if not userid or not key or not _TASK_ID.fullmatch(card):
        return None
    return Tap(userid, card, key, code)


def on_event(on_tap: OnTap) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """The ``on_event`` of :func:`.callback.routes`: hands the taps on, and nothing else.

    A tap is stored before it is acknowledged: what raises makes WeCom bring it again.
    """

    async def take(name: str, fields: Mapping[str, Any]) -> None:
        tap = parse_tap(fields) if name == EVENT else None
        if tap is not None:
            await on_tap(tap.userid, tap.card, tap.key, tap.response_code)

    return take
