"""A WeCom on loopback: a real server with WeCom's rules, on a clock that a test can advance.

Everything here is written from WeCom's documents, and encrypts with Tencent's own code, so that
it can disagree with ours.
"""

import asyncio
import itertools
import re
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode
from xml.etree import ElementTree

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from wework_callback.WXBizMsgCrypt3 import WXBizMsgCrypt

from tests.fake_contacts import FakeContacts, RefusedError

Json = dict[str, Any]

HOUR = 3600
BOT_STATES = (0, 1)


@dataclass(frozen=True)
class Delivered:
    """One message that a resident or a member has on the phone."""

    account: str
    recipient: str
    msgid: str
    msgtype: str
    body: Json
    at: float

    @property
    def text(self) -> str:
        return str(self.body.get("content", self.body.get("head_content", "")))

    @property
    def options(self) -> list[tuple[str, str]]:
        clicks = [item["click"] for item in self.body.get("list", []) if item["type"] == "click"]
        return [(click["id"], click["content"]) for click in clicks]


@dataclass
class Conversation:
    state: int = 0
    servicer: str = ""
    last_said: float = float("-inf")
    last_greeted: float = float("-inf")
    sent_since: int = 0


@dataclass
class Account:
    """客服账号: ``items`` is what sync_msg pages through, ``on_duty`` its servicers."""

    items: list[Json] = field(default_factory=list)
    on_duty: dict[str, bool] = field(default_factory=dict)
    conversations: defaultdict[str, Conversation] = field(
        default_factory=lambda: defaultdict(Conversation)
    )
    msgids: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, float] = field(default_factory=dict)


@dataclass
class Fault:
    """One scripted fault: an errcode, a wait, or a cut connection before or after the effect."""

    errcode: int = 0
    seconds: float = 0.0
    cut: str = ""


class FakeWeCom:
    """``async with FakeWeCom() as fake``: ``fake.base`` is its address."""

    def __init__(self) -> None:
        self.corp_id, self.agent_id = "ww0000fake0000corp", "1000002"
        self.secret, self.kf_secret = "app-secret-of-the-fake", "kf-secret-of-the-fake"
        self.callback_token = "callbackTokenOfFake"
        self.aes_key = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aQ"
        self.members = {"officer-1", "officer-2"}
        self.accounts: defaultdict[str, Account] = defaultdict(Account)
        self.delivered: defaultdict[str, list[Delivered]] = defaultdict(list)
        self.media: dict[str, tuple[bytes, str]] = {}
        self.calls: Counter[str] = Counter()
        self.requests: list[tuple[str, Json]] = []
        self.page_size = 1000
        self.empty_pages = 0  # how many pages with has_more=1 and nothing in them come next
        self.duplicate_errcode = 0  # what a repeated msgid is answered with
        self.token_life = 7200
        self._skipped = 0.0
        self._numbers = itertools.count(1)
        self._access_tokens: dict[str, float] = {}
        self._codes: dict[str, tuple[str, str, float]] = {}
        # response_code → whose card, of which task, until when; each works once.
        self._card_codes: dict[str, tuple[str, str, float]] = {}
        self.buttons: dict[tuple[str, str], str] = {}  # (member, task) → what a card says now
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self.contacts = FakeContacts(self.corp_id, self.members, self.time)
        self._handlers: dict[str, Callable[[Json], Json]] = {
            "gettoken": self._gettoken,
            "kf/sync_msg": self._sync_msg,
            "kf/send_msg": self._send_msg,
            "kf/send_msg_on_event": self._send_msg_on_event,
            "kf/service_state/get": self._state_get,
            "kf/service_state/trans": self._state_trans,
            "kf/servicer/list": self._servicers,
            "message/send": self._message_send,
            "message/update_template_card": self._update_template_card,
            **self.contacts.handlers(),
        }
        app = web.Application(client_max_size=2**25)
        app.router.add_route("*", "/cgi-bin/{path:.+}", self._answer)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server(access_log=None)  # it would show our secrets
        self.base = str(self._server.make_url("")).rstrip("/")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    # The clock and the faults

    def time(self) -> float:
        return time.time() + self._skipped

    def advance(self, seconds: float) -> None:
        self._skipped += seconds

    def fail_next(self, path: str, errcode: int, times: int = 1) -> None:
        self._faults[path].extend(Fault(errcode=errcode) for _ in range(times))

    def delay_next(self, path: str, seconds: float, times: int = 1) -> None:
        self._faults[path].extend(Fault(seconds=seconds) for _ in range(times))

    def cut_next(self, path: str, times: int = 1, *, after: bool = False) -> None:
        """Drop the connection; ``after``: the call has its effect and only the answer is lost."""
        cut = "after" if after else "before"
        self._faults[path].extend(Fault(cut=cut) for _ in range(times))

    def mend(self) -> None:
        """Forget every scripted fault."""
        self._faults.clear()

    def revoke_tokens(self) -> None:
        """Every access token given out so far gets 40014 from now on."""
        self._access_tokens.clear()

    # What residents, servicers and the system do

    def customer_says(self, open_kfid: str, user: str, text: str, menu_id: str = "") -> str:
        body = {"content": text} | ({"menu_id": menu_id} if menu_id else {})
        return self.customer_sends(open_kfid, user, "text", body)

    def customer_sends(self, open_kfid: str, user: str, kind: str, body: Json) -> str:
        """A message of any msgtype; its msgid."""
        conversation = self.accounts[open_kfid].conversations[user]
        conversation.last_said, conversation.sent_since = self.time(), 0
        if conversation.state == 4:
            conversation.state = 0
        who = {"open_kfid": open_kfid, "external_userid": user}
        return self._append(open_kfid, {**who, "origin": 3, "msgtype": kind, kind: body})

    def enters_session(self, open_kfid: str, user: str, scene: str = "oauth") -> str:
        """A resident opens the conversation; the welcome code, or "" if none is due."""
        conversation, now, code = self.accounts[open_kfid].conversations[user], self.time(), ""
        if now - max(conversation.last_greeted, conversation.last_said) > 48 * HOUR:
            code = f"CODE{next(self._numbers)}"
            self._codes[code] = (open_kfid, user, now)
        extra = {"welcome_code": code} if code else {}
        self.system_event(open_kfid, user, "enter_session", scene=scene, scene_param="", **extra)
        return code

    def servicer_says(self, open_kfid: str, user: str, text: str, servicer: str = "zhou") -> str:
        who = {"open_kfid": open_kfid, "external_userid": user, "servicer_userid": servicer}
        body = {"msgtype": "text", "text": {"content": text}}
        return self._append(open_kfid, {**who, "origin": 5, **body})

    def session_changes(
        self, open_kfid: str, user: str, change_type: int, old: str = "", new: str = ""
    ) -> str:
        conversation = self.accounts[open_kfid].conversations[user]
        conversation.state, conversation.servicer = (4, "") if change_type == 3 else (3, new)
        fields = {"change_type": change_type, "msg_code": f"MC{next(self._numbers)}"}
        servicers = {"old_servicer_userid": old, "new_servicer_userid": new}
        event = fields | {name: value for name, value in servicers.items() if value}
        return self.system_event(open_kfid, user, "session_status_change", **event)

    def system_event(self, open_kfid: str, user: str, event_type: str, **fields: Any) -> str:
        """Any event; as with WeCom, the ids stand inside it."""
        who = {"open_kfid": open_kfid, "external_userid": user}
        event = {"event_type": event_type, **who, **fields}
        return self._append(open_kfid, {"origin": 4, "msgtype": "event", "event": event})

    def _append(self, open_kfid: str, item: Json) -> str:
        msgid = f"msg{next(self._numbers):08d}"
        item = {"msgid": msgid, "send_time": int(self.time()), **item}
        self.accounts[open_kfid].items.append(item)
        return msgid

    # The callback

    def new_notice_token(self, open_kfid: str) -> str:
        token = f"ENC{next(self._numbers)}"
        self.accounts[open_kfid].tokens[token] = self.time()
        return token

    def notice_xml(self, open_kfid: str) -> str:
        return (
            f"<xml><ToUserName><![CDATA[{self.corp_id}]]></ToUserName>"
            f"<CreateTime>{int(self.time())}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
            "<Event><![CDATA[kf_msg_or_event]]></Event>"
            f"<Token><![CDATA[{self.new_notice_token(open_kfid)}]]></Token>"
            f"<OpenKfId><![CDATA[{open_kfid}]]></OpenKfId></xml>"
        )

    def sealed(self, plaintext: str, receive_id: str = "") -> tuple[dict[str, str], bytes]:
        """Query and body of a callback, encrypted and signed by Tencent's own code."""
        peer = WXBizMsgCrypt(self.callback_token, self.aes_key, receive_id or self.corp_id)
        nonce, timestamp = f"n{next(self._numbers)}", str(int(self.time()))
        code, reply = peer.EncryptMsg(plaintext, nonce, timestamp)
        assert code == 0
        fields = {child.tag: child.text or "" for child in ElementTree.fromstring(reply)}  # noqa: S314
        query = {"msg_signature": fields["MsgSignature"], "timestamp": timestamp, "nonce": nonce}
        body = (
            f"<xml><ToUserName><![CDATA[{self.corp_id}]]></ToUserName>"
            f"<Encrypt><![CDATA[{fields['Encrypt']}]]></Encrypt>"
            f"<AgentID><![CDATA[{self.agent_id}]]></AgentID></xml>"
        )
        return query, body.encode()

    async def callback_request(self, url: str, plaintext_xml: str) -> int:
        """POST a callback to the product; its HTTP status."""
        query, body = self.sealed(plaintext_xml)
        address = f"{url}?{urlencode(query)}"
        async with aiohttp.ClientSession() as session, session.post(address, data=body) as answer:
            await answer.read()
            return answer.status

    async def notify(self, callback_url: str, open_kfid: str) -> int:
        """Tell the product that an account has something; its HTTP status."""
        return await self.callback_request(callback_url, self.notice_xml(open_kfid))

    # The API

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.calls[path] += 1
        queue = self._faults[path]
        fault = queue.popleft() if queue else Fault()
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault.cut == "before":
            return _cut(request)
        try:
            if fault.errcode:
                raise RefusedError(fault.errcode)
            self._authorise(path, request.query.get("access_token", ""))
            answer = await self._handle(path, request)
        except RefusedError as refusal:
            answer = web.json_response({"errcode": refusal.errcode, "errmsg": "refused by fake"})
        return _cut(request) if fault.cut == "after" else answer

    async def _handle(self, path: str, request: web.Request) -> web.Response:
        if path == "media/get":
            content, content_type = self._found(self.media, request.query["media_id"], 40007)
            disposition = {"Content-Disposition": 'attachment; filename="medium"'}
            return web.Response(body=content, content_type=content_type, headers=disposition)
        if path == "media/upload":
            upload = (await request.post())["media"]
            assert isinstance(upload, web.FileField)
            media_id = f"MEDIA{next(self._numbers)}"
            self.media[media_id] = (upload.file.read(), upload.content_type)
            upload.file.close()
            kind, now = request.query["type"], str(int(self.time()))
            result = {"type": kind, "media_id": media_id, "created_at": now}
            return web.json_response({"errcode": 0, "errmsg": "ok", **result})
        payload = dict(request.query) if request.method == "GET" else await request.json()
        self.requests.append((path, payload))
        result = self._found(self._handlers, path, 404)(payload)
        return web.json_response({"errcode": 0, "errmsg": "ok", **result})

    @staticmethod
    def _found(where: Any, key: str, errcode: int) -> Any:
        if key not in where:
            raise RefusedError(errcode)
        return where[key]

    def _authorise(self, path: str, token: str) -> None:
        if path == "gettoken":
            return
        if not token:
            raise RefusedError(41001)
        if self._found(self._access_tokens, token, 40014) < self.time():
            raise RefusedError(42001)

    def _gettoken(self, query: Json) -> Json:
        if query["corpid"] != self.corp_id:
            raise RefusedError(40013)
        if query["corpsecret"] not in (self.secret, self.kf_secret):
            raise RefusedError(40001)
        token = f"ACCESS{next(self._numbers)}"
        self._access_tokens[token] = self.time() + self.token_life
        return {"access_token": token, "expires_in": self.token_life}

    def _sync_msg(self, payload: Json) -> Json:
        account: Account = self._found(self.accounts, payload["open_kfid"], 95000)
        token = payload.get("token")
        if token and self.time() - account.tokens.get(token, float("-inf")) > 600:
            raise RefusedError(95007)
        first = int(payload.get("cursor", "c0").lstrip("c").split("e")[0])
        if self.empty_pages:
            self.empty_pages -= 1
            cursor = f"c{first}e{next(self._numbers)}"
            return {"next_cursor": cursor, "has_more": 1, "msg_list": []}
        end = first + min(int(payload["limit"]), self.page_size)
        oldest = self.time() - 72 * HOUR
        page = [item for item in account.items[first:end] if item["send_time"] >= oldest]
        more = int(end < len(account.items))
        next_cursor = f"c{min(end, len(account.items))}"
        return {"next_cursor": next_cursor, "has_more": more, "msg_list": page}

    def _send_msg(self, payload: Json) -> Json:
        open_kfid, user, msgid = payload["open_kfid"], payload["touser"], payload["msgid"]
        account: Account = self._found(self.accounts, open_kfid, 95000)
        conversation: Conversation = self._found(account.conversations, user, 40096)
        if msgid in account.msgids:
            if self.duplicate_errcode:
                raise RefusedError(self.duplicate_errcode)
            return {"msgid": msgid}
        if conversation.state not in BOT_STATES:
            raise RefusedError(95018)
        if self.time() - conversation.last_said > 48 * HOUR:
            raise RefusedError(95002)
        if conversation.sent_since >= 5:
            raise RefusedError(95001)
        self._deliver(account, open_kfid, user, payload)
        conversation.sent_since += 1
        return {"msgid": msgid}

    def _send_msg_on_event(self, payload: Json) -> Json:
        open_kfid, user, given_at = self._found(self._codes, payload["code"], 40029)
        if self.time() - given_at > 20:
            raise RefusedError(40029)
        account = self.accounts[open_kfid]
        self._deliver(account, open_kfid, user, payload)
        del self._codes[payload["code"]]
        account.conversations[user].last_greeted = self.time()
        return {"msgid": payload.get("msgid", "")}

    def _deliver(self, account: Account, open_kfid: str, user: str, payload: Json) -> None:
        msgid, msgtype = payload["msgid"], payload["msgtype"]
        body = payload[msgtype]
        if not re.fullmatch(r"[0-9a-zA-Z_-]{1,32}", msgid):
            raise RefusedError(40058)
        if msgtype == "text" and not 0 < len(body["content"].encode()) <= 2048:
            raise RefusedError(45002)
        if msgtype == "msgmenu":
            _check_menu(body)
        account.msgids[msgid] = user
        sent = Delivered(open_kfid, user, msgid, msgtype, body, self.time())
        self.delivered[user].append(sent)

    def _conversation(self, payload: Json) -> Conversation:
        account: Account = self._found(self.accounts, payload["open_kfid"], 95000)
        return account.conversations[payload["external_userid"]]

    def _state_get(self, payload: Json) -> Json:
        conversation = self._conversation(payload)
        return {"service_state": conversation.state, "servicer_userid": conversation.servicer}

    def _state_trans(self, payload: Json) -> Json:
        conversation, state = self._conversation(payload), payload["service_state"]
        servicer = payload.get("servicer_userid", "")
        if conversation.state == 4:
            raise RefusedError(95013)
        if state not in (1, 2, 3, 4):
            raise RefusedError(95016)
        if state == 3:
            on_duty = self.accounts[payload["open_kfid"]].on_duty
            if not self._found(on_duty, servicer, 95014):
                raise RefusedError(95019)
        conversation.state, conversation.servicer = state, servicer if state == 3 else ""
        return {"msg_code": f"MC{next(self._numbers)}"}

    def _servicers(self, query: Json) -> Json:
        account: Account = self._found(self.accounts, query["open_kfid"], 95000)
        rows = [{"userid": name, "status": int(not on)} for name, on in account.on_duty.items()]
        return {"servicer_list": rows}

    def _message_send(self, payload: Json) -> Json:
        if str(payload["agentid"]) != self.agent_id:
            raise RefusedError(40056)
        msgtype, now = payload["msgtype"], self.time()
        body, unknown = payload[msgtype], []
        if msgtype == "text" and len(body["content"].encode()) > 2048:
            raise RefusedError(45002)
        if msgtype == "template_card":
            _check_card(body)
        since = now - payload.get("duplicate_check_interval", 1800)
        for userid in payload["touser"].split("|"):
            if userid not in self.members:
                unknown.append(userid)
                continue
            earlier = [sent for sent in self.delivered[userid] if sent.at > since]
            repeated = any(sent.body == body for sent in earlier)
            if not (payload.get("enable_duplicate_check") and repeated):
                sent = Delivered(self.agent_id, userid, "", msgtype, body, now)
                self.delivered[userid].append(sent)
        answer = {"invaliduser": "|".join(unknown), "msgid": f"MEMBER{next(self._numbers)}"}
        if body.get("card_type") in ("button_interaction", "vote_interaction"):
            known = [user for user in payload["touser"].split("|") if user not in unknown]
            if known:
                answer["response_code"] = self._card_code(known[0], body["task_id"])
        return answer

    def _card_code(self, userid: str, task_id: str) -> str:
        code = f"CARD{next(self._numbers)}"
        self._card_codes[code] = (userid, task_id, self.time() + 72 * HOUR)
        return code

    def _update_template_card(self, payload: Json) -> Json:
        userid, task_id, until = self._found(self._card_codes, payload["response_code"], 40161)
        if self.time() > until or payload["userids"] != [userid]:
            raise RefusedError(40161)
        del self._card_codes[payload["response_code"]]
        self.buttons[userid, task_id] = payload["button"]["replace_name"]
        return {"invaliduser": []}

    def card_tap_xml(
        self, userid: str, task_id: str, key: str, chosen: tuple[str, ...] = ()
    ) -> str:
        """A member presses a card's button, with what is ticked on a vote's: the event that the
        callback gets."""
        code = self._card_code(userid, task_id)
        ids = "".join(f"<OptionId><![CDATA[{option}]]></OptionId>" for option in chosen)
        ticked = (
            "<SelectedItems><SelectedItem><QuestionKey><![CDATA[tags]]></QuestionKey>"
            f"<OptionIds>{ids}</OptionIds></SelectedItem></SelectedItems>"
            if chosen
            else ""
        )
        return (
            f"<xml><ToUserName><![CDATA[{self.corp_id}]]></ToUserName>"
            f"<FromUserName><![CDATA[{userid}]]></FromUserName>"
            f"<CreateTime>{int(self.time())}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
            "<Event><![CDATA[template_card_event]]></Event>"
            f"<EventKey><![CDATA[{key}]]></EventKey><TaskId><![CDATA[{task_id}]]></TaskId>"
            "<CardType><![CDATA[button_interaction]]></CardType>"
            f"<ResponseCode><![CDATA[{code}]]></ResponseCode>"
            f"{ticked}<AgentID>{self.agent_id}</AgentID></xml>"
        )


def _check_card(card: Json) -> None:
    """WeCom's rules for the two kinds of card that are used."""
    if not card["main_title"].get("title") or len(card.get("horizontal_content_list", [])) > 6:
        raise RefusedError(40058)
    if card["card_type"] == "text_notice":
        if not card.get("card_action"):
            raise RefusedError(40058)
        return
    if not re.fullmatch(r"[0-9A-Za-z_@-]{1,128}", card["task_id"]):
        raise RefusedError(40058)
    if card["card_type"] == "vote_interaction":
        options, submit = card["checkbox"]["option_list"], card["submit_button"]
        if not 1 <= len(options) <= 20 or not submit["text"] or not submit["key"]:
            raise RefusedError(40058)
        if len({option["id"] for option in options}) < len(options):
            raise RefusedError(40058)
        return
    if not 1 <= len(card["button_list"]) <= 6:
        raise RefusedError(40058)
    for button in card["button_list"]:
        if not button["text"] or not button["key"] or len(button["key"].encode()) > 1024:
            raise RefusedError(40058)


def _check_menu(menu: Json) -> None:
    if len(menu["list"]) > 10:
        raise RefusedError(95008)
    if any(len(menu.get(part, "").encode()) > 1024 for part in ("head_content", "tail_content")):
        raise RefusedError(45002)
    for item in menu["list"]:
        click = item.get("click", {})
        if len(click.get("id", "").encode()) > 64 or len(click.get("content", "").encode()) > 128:
            raise RefusedError(45002)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.close()
    return web.Response()
