"""客户联系: the corp tags, whose contact a resident is, and the events about both."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jingxiaowei.channels.wecom.api import WeComApi, WeComError, receipt
from jingxiaowei.channels.wecom.cards import BUTTON, DESC, TITLE, parse_tap
from jingxiaowei.channels.wecom.members import DUPLICATE_SECONDS, refused
from jingxiaowei.errors import BadMessageError
from jingxiaowei.pipeline.messages import Outcome, Receipt
from jingxiaowei.services.contact_offers import OfferCard
from jingxiaowei.services.mirror_values import (
    ContactChange,
    ContactEvent,
    CorpTag,
    Fault,
    Follower,
    MirrorFault,
)

EVENT = "change_external_contact"
QUESTION, SUBMIT = "tags", "note"
NAME_CHARACTERS = 30  # of a tag, of a group
TAGS_A_CALL = 100
# WeCom allows 10,000 calls a minute and corporation; this leaves most of it to others.
INTERVAL = 0.05

_CHANGES = {
    "add_external_contact": ContactChange.ADDED,
    "add_half_external_contact": ContactChange.HALF,
    "edit_external_contact": ContactChange.EDITED,
    "del_external_contact": ContactChange.ENDED,
    "del_follow_user": ContactChange.ENDED,
}
_FAULTS = {
    84061: Fault.NO_RELATION,
    40096: Fault.NO_RELATION,
    40068: Fault.NO_TAG,
    40071: Fault.TAKEN,
    81011: Fault.NOT_OURS,
    60111: Fault.NO_MEMBER,
}

# Not valid (any more), or another app's turn came first: 41050 while it is sending, 41051 when a
# member's conversation is old, 41096 when somebody else has sent.
_CODE_OVER = (40029, 41050, 41051, 41096)

OnContact = Callable[[ContactEvent], Awaitable[object]]
OnChoice = Callable[[str, str, Sequence[str], str], Awaitable[object]]


class Contacts:
    """Calls of 客户联系, no faster than one an interval.

    Args:
        interval: seconds between two calls.
    """

    def __init__(self, api: WeComApi, interval: float = INTERVAL) -> None:
        self._api = api
        self._interval = interval
        self._next = 0.0

    async def tags(self) -> list[CorpTag]:
        """All corp tags. Raises as :meth:`mark`."""
        answer = await self._call("get_corp_tag_list", {})
        return [
            CorpTag(tag["id"], tag["name"], group["group_id"], group["group_name"])
            for group in answer.get("tag_group", ())
            for tag in group.get("tag", ())
            if not tag.get("deleted")
        ]

    async def add_tags(self, group_id: str, group_name: str, names: Sequence[str]) -> list[CorpTag]:
        """Make tags, in a group that is there (``group_id``) or in a new one.

        Raises as :meth:`mark`.
        """
        group = {"group_id": group_id} if group_id else {"group_name": group_name}
        made: list[CorpTag] = []
        for start in range(0, len(names), TAGS_A_CALL):
            tags = [{"name": name} for name in names[start : start + TAGS_A_CALL]]
            answer = (await self._call("add_corp_tag", {**group, "tag": tags}))["tag_group"]
            group = {"group_id": answer["group_id"]}
            made += [
                CorpTag(tag["id"], tag["name"], answer["group_id"], group_name)
                for tag in answer["tag"]
            ]
        return made

    async def rename_tag(self, tag_id: str, name: str) -> None:
        """Raises as :meth:`mark`."""
        await self._call("edit_corp_tag", {"id": tag_id, "name": name})

    async def delete_tags(self, tag_ids: Sequence[str]) -> None:
        """Take tags away from the corporation and all contacts. Raises as :meth:`mark`."""
        await self._call("del_corp_tag", {"tag_id": list(tag_ids)})

    async def mark(
        self, userid: str, external_userid: str, add: Sequence[str], remove: Sequence[str]
    ) -> None:
        """Put tags on a member's contact and take others off.

        Raises:
            MirrorFault: WeCom refused, or could not be reached.
        """
        body: dict[str, Any] = {"userid": userid, "external_userid": external_userid}
        if add:
            body["add_tag"] = list(add)
        if remove:
            body["remove_tag"] = list(remove)
        await self._call("mark_tag", body)

    async def followers(self, external_userid: str) -> list[Follower]:
        """The members whose contact a resident is, each with the corp tags they gave.

        Raises as :meth:`mark`.
        """
        answer = await self._get("get", {"external_userid": external_userid})
        return [
            Follower(
                follow["userid"],
                frozenset(tag["tag_id"] for tag in follow.get("tags", ()) if tag.get("tag_id")),
            )
            for follow in answer.get("follow_user", ())
        ]

    async def welcome(self, code: str, text: str) -> Receipt:
        """Say the first words to a new contact; once a code, within 20 seconds. Never raises.

        Not paced: the code would run out while it waits.
        """
        body = {"welcome_code": code, "text": {"content": text}}
        try:
            await self._api.call("externalcontact/send_welcome_msg", body)
        except WeComError as error:
            if error.errcode in _CODE_OVER:
                said = f"the welcome code is used or over ({error.errcode})"
                return Receipt(Outcome.EXPIRED, said)
            return receipt(error)
        return Receipt(Outcome.SENT)

    async def of_member(self, userid: str) -> list[str]:
        """The external_userids of a member's contacts; none where the member has none.

        Raises as :meth:`mark`.
        """
        try:
            answer = await self._get("list", {"userid": userid})
        except MirrorFault as fault:
            if fault.kind in (Fault.NO_RELATION, Fault.NO_MEMBER):
                return []
            raise
        return [str(each) for each in answer.get("external_userid", ())]

    async def _call(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._paced(lambda: self._api.call(f"externalcontact/{name}", body))

    async def _get(self, name: str, params: Mapping[str, str]) -> dict[str, Any]:
        return await self._paced(lambda: self._api.get(f"externalcontact/{name}", params))

    async def _paced(self, call: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        now = time.monotonic()
        wait, self._next = self._next - now, max(now, self._next) + self._interval
        if wait > 0:
            await asyncio.sleep(wait)
        try:
            return await call()
        except WeComError as error:
            said = receipt(error)
            kind = _FAULTS.get(error.errcode, Fault.OTHER)
            if said.outcome is Outcome.RETRY:
                kind = Fault.PASSING
            raise MirrorFault(kind, said.reason, said.retry_after) from None


class OfferTeller:
    """Shows an officer the tags for a new contact as a card to tick. Never raises."""

    def __init__(self, api: WeComApi, agent_id: str) -> None:
        self._api = api
        self._agent_id = agent_id

    async def offer(self, userid: str, card: OfferCard) -> Receipt:
        """One attempt to show the card."""
        if not self._agent_id.isdecimal():
            return Receipt(Outcome.REFUSED, "the agent id is not a number: see JXW_WECOM_AGENT_ID")
        options = [{"id": o.slug, "text": o.name, "is_checked": False} for o in card.options]
        body: dict[str, Any] = {
            "touser": userid,
            "agentid": int(self._agent_id),
            "msgtype": "template_card",
            "template_card": {
                "card_type": "vote_interaction",
                "main_title": {"title": card.title[:TITLE], "desc": card.desc[:DESC]},
                "task_id": card.task_id,
                "checkbox": {"question_key": QUESTION, "mode": 1, "option_list": options},
                "submit_button": {"text": "记下", "key": SUBMIT},
            },
        }
        if card.retried:
            body |= {"enable_duplicate_check": 1, "duplicate_check_interval": DUPLICATE_SECONDS}
        try:
            answer = await self._api.call("message/send", body)
        except WeComError as error:
            return receipt(error)
        return refused(answer) or Receipt(Outcome.SENT)

    async def settle(self, userid: str, response_code: str, text: str) -> Receipt:
        """Grey the card: its button says what has become of it."""
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


def parse_event(fields: Mapping[str, Any]) -> ContactEvent | None:
    """What a ``change_external_contact`` tells; None for a change that concerns nobody's file.

    Raises:
        BadMessageError: it does not say who and when.
    """
    change = _CHANGES.get(str(fields.get("ChangeType")))
    if change is None:
        return None
    userid, external = fields.get("UserID"), fields.get("ExternalUserID")
    if not isinstance(userid, str) or not isinstance(external, str):
        raise BadMessageError("the event lacks exactly one UserID or ExternalUserID")
    try:
        at = datetime.fromtimestamp(int(str(fields.get("CreateTime"))), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadMessageError("the event's time cannot be read") from None
    code = fields.get("WelcomeCode")
    return ContactEvent(change, userid, external, at, code if isinstance(code, str) else "")


def chosen(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """What was ticked on a card; WeCom also writes ``OpitonIds``."""
    ids: list[str] = []
    for item in _list(_inside(fields.get("SelectedItems"), "SelectedItem")):
        if not isinstance(item, Mapping) or item.get("QuestionKey") != QUESTION:
            continue
        for name in ("OptionIds", "OpitonIds"):
            found = _list(_inside(item.get(name), "OptionId"))
            ids += [each for each in found if isinstance(each, str)]
    return tuple(dict.fromkeys(ids))


def _inside(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def on_event(
    on_contact: OnContact, on_choice: OnChoice, on_other: Callable[..., Awaitable[None]]
) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """The ``on_event`` of :func:`.callback.routes`: contacts and ticked cards; what is neither
    goes on to the next.
    """

    async def take(name: str, fields: Mapping[str, Any]) -> None:
        if name == EVENT:
            event = parse_event(fields)
            if event is not None:
                await on_contact(event)
            return
        tap = parse_tap(fields) if name == "template_card_event" else None
        if tap is not None and tap.key == SUBMIT:
            await on_choice(tap.userid, tap.card, chosen(fields), tap.response_code)
            return
        await on_other(name, fields)

    return take
