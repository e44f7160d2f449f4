"""Messages to members through the self-built app."""

from typing import Any

import aiohttp
import pytest
from aiohttp import web

from jingxiaowei.channels.wecom.api import WeComApi
from jingxiaowei.channels.wecom.members import MemberSender
from jingxiaowei.pipeline.messages import Channel, Option, Outcome, Outgoing, OutgoingKind
from tests.fakes import FakeWeCom


def out(**changed: Any) -> Outgoing:
    whole: dict[str, Any] = {
        "key": "k1",
        "channel": Channel.WECOM_APP,
        "account": "1000002",
        "recipient": "officer-1",
        "kind": OutgoingKind.MESSAGE,
        "text": "有一条新预警。",
    }
    return Outgoing(**whole | changed)


@pytest.fixture
def sender(api: WeComApi) -> MemberSender:
    return MemberSender(api)


@pytest.mark.parametrize("kind", [OutgoingKind.MESSAGE, OutgoingKind.WELCOME])
async def test_a_text(fake: FakeWeCom, sender: MemberSender, kind: OutgoingKind) -> None:
    assert (await sender.send(out(kind=kind))).outcome is Outcome.SENT
    [sent] = fake.delivered["officer-1"]
    assert (sent.text, sent.account) == ("有一条新预警。", "1000002")
    assert "enable_duplicate_check" not in fake.requests[-1][1]


async def test_options_are_lines_and_never_cut_off(fake: FakeWeCom, sender: MemberSender) -> None:
    options = (Option("ack", "接警"), Option("later", "稍后"))
    assert (await sender.send(out(options=options))).outcome is Outcome.SENT
    assert (await sender.send(out(options=options, text="长" * 900))).outcome is Outcome.SENT
    short, long = fake.delivered["officer-1"]
    assert short.text == "有一条新预警。\n回复 1：接警\n回复 2：稍后"
    assert long.text.endswith("长\n回复 1：接警\n回复 2：稍后")


async def test_only_a_repeat_is_checked_for_duplicates(
    fake: FakeWeCom, sender: MemberSender
) -> None:
    fake.cut_next("message/send", after=True)
    assert (await sender.send(out())).outcome is Outcome.RETRY
    before = len(fake.delivered["officer-1"])
    assert (await sender.send(out(retried=True))).outcome is Outcome.SENT
    assert len(fake.delivered["officer-1"]) == before
    checked = fake.requests[-1][1]
    assert (checked["enable_duplicate_check"], checked["duplicate_check_interval"]) == (1, 1800)
    assert (await sender.send(out())).outcome is Outcome.SENT
    assert len(fake.delivered["officer-1"]) == before + 1


async def test_someone_who_is_no_member(fake: FakeWeCom, sender: MemberSender) -> None:
    receipt = await sender.send(out(recipient="stranger"))
    assert (receipt.outcome, "可见范围" in receipt.reason) == (Outcome.REFUSED, True)
    fake.fail_next("message/send", 81013)
    assert (await sender.send(out())).reason == receipt.reason


async def test_someone_without_a_licence(
    session: aiohttp.ClientSession, aiohttp_server: Any
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "unlicenseduser": "officer-1"})

    app = web.Application()
    app.router.add_route("*", "/cgi-bin/{path:.*}", answer)
    api = WeComApi(session, str((await aiohttp_server(app)).make_url("/")), "ww", "s")
    receipt = await MemberSender(api).send(out())
    assert (receipt.outcome, "接口许可" in receipt.reason) == (Outcome.REFUSED, True)


async def test_what_members_do_not_have(sender: MemberSender) -> None:
    assert (await sender.send(out(kind=OutgoingKind.TRANSFER))).outcome is Outcome.REFUSED
    receipt = await sender.send(out(account="the-app"))
    assert (receipt.outcome, "JXW_WECOM_AGENT_ID" in receipt.reason) == (Outcome.REFUSED, True)


@pytest.mark.parametrize(
    ("errcode", "outcome"),
    [
        (-1, Outcome.RETRY),
        (45009, Outcome.RETRY),
        (60020, Outcome.REFUSED),
        (40056, Outcome.REFUSED),
    ],
)
async def test_errors(
    fake: FakeWeCom, sender: MemberSender, errcode: int, outcome: Outcome
) -> None:
    fake.fail_next("message/send", errcode)
    receipt = await sender.send(out())
    assert (receipt.outcome, bool(receipt.reason)) == (outcome, True)
