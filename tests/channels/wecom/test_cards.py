"""Cards to officers, from the send to the tap and what the card says afterwards."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from jingxiaowei.channels.wecom import callback
from jingxiaowei.channels.wecom.api import WeComApi
from jingxiaowei.channels.wecom.cards import EVENT, CardTeller, Tap, on_event, parse_tap
from jingxiaowei.channels.wecom.codec import Codec
from jingxiaowei.pipeline.messages import Outcome
from jingxiaowei.services.notice_cards import Card, CardLine
from tests.fakes import FakeWeCom

LINE = CardLine("claim-7", "■已转", "冒充老板·约 5 万元", claimable=True)
CARD = Card("task-7", "■已转｜冒充老板·约 5 万元", "新预警", (LINE,))


@pytest.fixture
def teller(api: WeComApi, fake: FakeWeCom) -> CardTeller:
    return CardTeller(api, fake.agent_id)


async def test_a_card_with_its_button(fake: FakeWeCom, teller: CardTeller) -> None:
    told = await teller.tell("officer-1", CARD)
    assert (told.receipt.outcome, bool(told.response_code)) == (Outcome.SENT, True)
    [sent] = fake.delivered["officer-1"]
    assert sent.body["card_type"] == "button_interaction"
    assert sent.body["button_list"] == [{"text": "认领", "style": 1, "key": "claim-7"}]
    assert sent.body["horizontal_content_list"] == [
        {"keyname": "■已转", "value": "冒充老板·约 5 万元"}
    ]
    assert "card_action" not in sent.body


async def test_several_on_one_card(fake: FakeWeCom, api: WeComApi) -> None:
    lines = (
        LINE,
        CardLine("claim-8", "□未转", "虚假贷款", False),
        CardLine("ticket-9", "□未转", "其他诈骗", True),
    )
    teller = CardTeller(api, fake.agent_id, "https://console.example/console/")
    await teller.tell("officer-1", Card("t", "3 件预警", "新预警", lines))
    [sent] = fake.delivered["officer-1"]
    assert [(b["text"], b["key"]) for b in sent.body["button_list"]] == [
        ("认领 1", "claim-7"),
        ("认领 3", "ticket-9"),
    ]
    assert sent.body["card_action"]["url"] == "https://console.example/console/"


@pytest.mark.parametrize(
    ("url", "kind"), [("", "text"), ("https://console.example/", "template_card")]
)
async def test_nothing_left_to_claim(fake: FakeWeCom, api: WeComApi, url: str, kind: str) -> None:
    taken = Card("t", "居民沉默", "该打电话", (CardLine("claim-7", "■已转", "冒充老板", False),))
    told = await CardTeller(api, fake.agent_id, url).tell("officer-1", taken)
    assert (told.receipt.outcome, told.response_code) == (Outcome.SENT, "")
    [sent] = fake.delivered["officer-1"]
    assert sent.msgtype == kind


async def test_a_lost_answer_shows_one_card(fake: FakeWeCom, teller: CardTeller) -> None:
    fake.cut_next("message/send", after=True)
    assert (await teller.tell("officer-1", CARD)).receipt.outcome is Outcome.RETRY
    again = Card(CARD.task_id, CARD.title, CARD.desc, CARD.lines, retried=True)
    assert (await teller.tell("officer-1", again)).receipt.outcome is Outcome.SENT
    assert len(fake.delivered["officer-1"]) == 1


async def test_refusals(fake: FakeWeCom, api: WeComApi, teller: CardTeller) -> None:
    assert (await teller.tell("stranger", CARD)).receipt.outcome is Outcome.REFUSED
    fake.fail_next("message/send", 45009)
    assert (await teller.tell("officer-1", CARD)).receipt.outcome is Outcome.RETRY
    told = await CardTeller(api, "the-app").tell("officer-1", CARD)
    assert "JXW_WECOM_AGENT_ID" in told.receipt.reason


async def test_a_code_changes_a_card_once(fake: FakeWeCom, teller: CardTeller) -> None:
    code = (await teller.tell("officer-1", CARD)).response_code
    assert (await teller.replace("officer-1", code, "王芳已认领")).outcome is Outcome.SENT
    assert fake.buttons["officer-1", "task-7"] == "王芳已认领"
    assert (await teller.replace("officer-1", code, "王芳已认领")).outcome is Outcome.REFUSED


class Taps:
    def __init__(self) -> None:
        self.taken: list[tuple[str, ...]] = []
        self.broken = False

    async def take(self, *tap: str) -> None:
        if self.broken:
            raise RuntimeError("the database is away")
        self.taken.append(tap)


@pytest.fixture
async def door(fake: FakeWeCom) -> AsyncIterator[tuple[Taps, str]]:
    taps = Taps()

    async def nothing(*_: Any) -> None:
        return None

    codec = Codec(fake.callback_token, fake.aes_key, fake.corp_id)
    app = web.Application()
    app.add_routes(callback.routes(codec, nothing, nothing, on_event(taps.take)))
    async with TestServer(app) as server:
        yield taps, str(server.make_url(callback.PATH))


async def test_a_tap_comes_through_the_callback(
    fake: FakeWeCom, teller: CardTeller, door: tuple[Taps, str]
) -> None:
    taps, url = door
    await teller.tell("officer-1", CARD)
    xml = fake.card_tap_xml("officer-1", "task-7", "claim-7")
    assert await fake.callback_request(url, xml) == 200
    [(userid, card, key, code)] = taps.taken
    assert (userid, card, key) == ("officer-1", "task-7", "claim-7")
    assert (await teller.replace(userid, code, "王芳已认领")).outcome is Outcome.SENT


async def test_a_tap_that_is_not_stored_comes_again(
    fake: FakeWeCom, door: tuple[Taps, str]
) -> None:
    taps, url = door
    taps.broken = True
    xml = fake.card_tap_xml("officer-1", "task-7", "claim-7")
    assert await fake.callback_request(url, xml) == 503
    taps.broken = False
    assert await fake.callback_request(url, xml) == 200
    assert len(taps.taken) == 1


async def test_other_events_and_broken_taps_are_left_out(session: aiohttp.ClientSession) -> None:
    taps = Taps()
    take = on_event(taps.take)
    good = {"FromUserName": "u", "TaskId": "t-1", "EventKey": "claim-1", "ResponseCode": "c"}
    await take("subscribe", good)
    for broken in (
        {"TaskId": "不是"},
        {"TaskId": ["a", "b"]},
        {"FromUserName": ""},
        {"EventKey": None},
    ):
        await take(EVENT, good | broken)
    assert taps.taken == []
    assert parse_tap(good | {"ResponseCode": None}) == Tap("u", "t-1", "claim-1", "")
