"""微信客服: what becomes of sending."""

from typing import Any

import pytest

from jingxiaowei.channels.wecom.api import WeComApi
from jingxiaowei.channels.wecom.kf import KfSender
from jingxiaowei.pipeline.messages import Channel, Option, Outcome, Outgoing, OutgoingKind
from tests.fakes import HOUR, FakeWeCom


def out(kind: OutgoingKind = OutgoingKind.MESSAGE, **changed: Any) -> Outgoing:
    whole: dict[str, Any] = {
        "key": "k1",
        "channel": Channel.WECOM_KF,
        "account": "wk1",
        "recipient": "wm1",
        "kind": kind,
        "text": "带上户口簿到窗口补办。",
    }
    return Outgoing(**whole | changed)


@pytest.fixture
def sender(api: WeComApi) -> KfSender:
    return KfSender(api)


@pytest.fixture(autouse=True)
def conversation_is_open(fake: FakeWeCom) -> None:
    fake.customer_says("wk1", "wm1", "你好")


OPTIONS = (Option("faq:id-card", "补办身份证"), Option("human", "找人工"))


async def test_a_text_reaches_the_resident_once(fake: FakeWeCom, sender: KfSender) -> None:
    for _ in range(2):
        assert (await sender.send(out())).outcome is Outcome.SENT
    [sent] = fake.delivered["wm1"]
    assert (sent.text, sent.msgid, sent.msgtype) == ("带上户口簿到窗口补办。", "k1", "text")


async def test_options_are_a_menu(fake: FakeWeCom, sender: KfSender) -> None:
    assert (await sender.send(out(options=OPTIONS))).outcome is Outcome.SENT
    [sent] = fake.delivered["wm1"]
    assert sent.text == "带上户口簿到窗口补办。"
    assert sent.options == [("faq:id-card", "补办身份证"), ("human", "找人工")]


async def test_a_menu_has_at_most_ten_short_items(fake: FakeWeCom, sender: KfSender) -> None:
    options = tuple(Option(f"o{number}", "办" * 60) for number in range(12))
    assert (await sender.send(out(options=options, text=""))).outcome is Outcome.SENT
    [sent] = fake.delivered["wm1"]
    assert len(sent.options) == 10
    assert "head_content" not in sent.body


@pytest.mark.parametrize(
    ("text", "first", "head"),
    [
        ("长" * 400 + "\n最后一行", "长" * 400, "最后一行"),
        ("长" * 400, "长" * 400, ""),
        ("短\n" + "长" * 400, "短\n" + "长" * 400, ""),
        ("\n" + "长" * 400, "长" * 400, ""),
        ("长" * 900 + "\n尾", "长" * 682, ""),
    ],
)
async def test_long_text_goes_ahead_of_its_menu(
    fake: FakeWeCom, sender: KfSender, text: str, first: str, head: str
) -> None:
    for _ in range(2):
        receipt = await sender.send(out(text=text, options=OPTIONS))
        assert receipt.outcome is Outcome.SENT
    ahead, menu = fake.delivered["wm1"]
    assert (ahead.msgid, ahead.msgtype, ahead.text) == ("k1a", "text", first)
    assert (menu.msgid, menu.text, len(menu.options)) == ("k1", head, 2)


async def test_a_long_key_keeps_both_parts_apart(fake: FakeWeCom, sender: KfSender) -> None:
    keys = ["k" * 31 + "1", "k" * 31 + "2"]
    for key in keys:
        receipt = await sender.send(out(key=key, text="长" * 400, options=OPTIONS))
        assert receipt.outcome is Outcome.SENT
    msgids = {sent.msgid for sent in fake.delivered["wm1"]}
    assert len(msgids) == 4
    assert msgids >= set(keys)


async def test_text_is_cut_at_a_character(fake: FakeWeCom, sender: KfSender) -> None:
    assert (await sender.send(out(text="警" * 1000))).outcome is Outcome.SENT
    assert fake.delivered["wm1"][0].text == "警" * 682


async def test_an_answer_that_was_lost_on_the_way(fake: FakeWeCom, sender: KfSender) -> None:
    fake.cut_next("kf/send_msg", after=True)
    first = await sender.send(out())
    assert (first.outcome, first.retry_after > 0) == (Outcome.RETRY, True)
    assert (await sender.send(out(retried=True))).outcome is Outcome.SENT
    assert len(fake.delivered["wm1"]) == 1


async def test_a_repeat_that_is_refused_was_sent(fake: FakeWeCom, sender: KfSender) -> None:
    fake.duplicate_errcode = 45065
    long = out(text="长" * 400 + "\n尾", options=OPTIONS)
    fake.fail_next("kf/send_msg", 0)
    fake.fail_next("kf/send_msg", 45009)
    assert (await sender.send(long)).outcome is Outcome.RETRY
    assert (await sender.send(long)).outcome is Outcome.SENT
    assert [sent.msgid for sent in fake.delivered["wm1"]] == ["k1a", "k1"]


async def test_the_sixth_message(fake: FakeWeCom, sender: KfSender) -> None:
    receipts = [await sender.send(out(key=f"k{number}")) for number in range(6)]
    assert [receipt.outcome for receipt in receipts] == [Outcome.SENT] * 5 + [Outcome.EXPIRED]
    assert receipts[5].reason.startswith("5 messages")
    fake.customer_says("wk1", "wm1", "还在")
    assert (await sender.send(out(key="k9"))).outcome is Outcome.SENT


async def test_after_48_hours(fake: FakeWeCom, sender: KfSender) -> None:
    fake.advance(49 * HOUR)
    receipt = await sender.send(out())
    assert receipt.outcome is Outcome.EXPIRED
    assert receipt.reason.startswith("48 hours")


@pytest.mark.parametrize(
    ("state", "outcome", "reason"),
    [
        (2, Outcome.REFUSED, "waiting pool"),
        (3, Outcome.HUMAN, "a human has the conversation"),
        (4, Outcome.EXPIRED, "the conversation has ended"),
    ],
)
async def test_the_conversation_is_not_the_bots(
    fake: FakeWeCom, sender: KfSender, state: int, outcome: Outcome, reason: str
) -> None:
    fake.accounts["wk1"].conversations["wm1"].state = state
    receipt = await sender.send(out())
    assert (receipt.outcome, receipt.reason) == (outcome, reason)
    assert fake.delivered["wm1"] == []


async def test_a_state_that_changed_back_or_cannot_be_read(
    fake: FakeWeCom, sender: KfSender
) -> None:
    fake.fail_next("kf/send_msg", 95018, times=2)
    assert (await sender.send(out())).outcome is Outcome.RETRY
    fake.fail_next("kf/service_state/get", 45009)
    assert (await sender.send(out())).outcome is Outcome.RETRY


@pytest.mark.parametrize(
    ("errcode", "outcome"),
    [
        (-1, Outcome.RETRY),
        (45009, Outcome.RETRY),
        (45033, Outcome.RETRY),
        (95001, Outcome.EXPIRED),
        (95002, Outcome.EXPIRED),
        (95013, Outcome.EXPIRED),
        (40001, Outcome.REFUSED),
        (40013, Outcome.REFUSED),
        (60020, Outcome.REFUSED),
        (48002, Outcome.REFUSED),
        (95000, Outcome.REFUSED),
        (95012, Outcome.REFUSED),
        (95017, Outcome.REFUSED),
        (40096, Outcome.REFUSED),
        (99999, Outcome.REFUSED),
    ],
)
async def test_errors_of_sending(
    fake: FakeWeCom, sender: KfSender, errcode: int, outcome: Outcome
) -> None:
    fake.fail_next("kf/send_msg", errcode)
    receipt = await sender.send(out())
    assert receipt.outcome is outcome
    assert receipt.reason
    assert (receipt.retry_after > 0) == (outcome is Outcome.RETRY)
    assert "带上" not in receipt.reason


async def test_a_token_that_stays_bad_is_tried_later(fake: FakeWeCom, sender: KfSender) -> None:
    fake.fail_next("kf/send_msg", 40014, times=2)
    receipt = await sender.send(out())
    assert (receipt.outcome, receipt.retry_after) == (Outcome.RETRY, 30)


async def test_a_welcome(fake: FakeWeCom, sender: KfSender) -> None:
    code = fake.enters_session("wk1", "wm9")
    welcome = out(OutgoingKind.WELCOME, recipient="wm9", code=code, options=OPTIONS)
    assert (await sender.send(welcome)).outcome is Outcome.SENT
    [sent] = fake.delivered["wm9"]
    assert (sent.text, len(sent.options)) == ("带上户口簿到窗口补办。", 2)
    assert fake.enters_session("wk1", "wm9") == ""
    again = await sender.send(welcome)
    assert (again.outcome, "used or over" in again.reason) == (Outcome.EXPIRED, True)


async def test_a_welcome_after_20_seconds(fake: FakeWeCom, sender: KfSender) -> None:
    code = fake.enters_session("wk1", "wm9")
    fake.advance(21)
    receipt = await sender.send(out(OutgoingKind.WELCOME, recipient="wm9", code=code))
    assert receipt.outcome is Outcome.EXPIRED


async def test_a_welcome_meets_a_passing_fault(fake: FakeWeCom, sender: KfSender) -> None:
    code = fake.enters_session("wk1", "wm9")
    fake.fail_next("kf/send_msg_on_event", 45009)
    welcome = out(OutgoingKind.WELCOME, recipient="wm9", code=code)
    assert (await sender.send(welcome)).outcome is Outcome.RETRY
    assert (await sender.send(welcome)).outcome is Outcome.SENT


def conversation(fake: FakeWeCom) -> tuple[int, str]:
    talk = fake.accounts["wk1"].conversations["wm1"]
    return talk.state, talk.servicer


async def test_a_transfer_to_the_first_servicer_on_duty(fake: FakeWeCom, sender: KfSender) -> None:
    fake.accounts["wk1"].on_duty = {"zhou": False, "wu": True, "zheng": True}
    transfer = out(OutgoingKind.TRANSFER, servicers=("nobody", "zhou", "wu", "zheng"))
    receipt = await sender.send(transfer)
    assert (receipt.outcome, receipt.reason) == (Outcome.SENT, "servicer 3 of 4")
    assert conversation(fake) == (3, "wu")


@pytest.mark.parametrize("servicers", [(), ("nobody", "zhou")])
async def test_a_transfer_to_the_pool(
    fake: FakeWeCom, sender: KfSender, servicers: tuple[str, ...]
) -> None:
    fake.accounts["wk1"].on_duty = {"zhou": False}
    transfer = out(OutgoingKind.TRANSFER, servicers=servicers)
    for _ in range(2):
        receipt = await sender.send(transfer)
        assert (receipt.outcome, receipt.reason) == (Outcome.SENT, "waiting pool")
        assert conversation(fake) == (2, "")


async def test_a_transfer_never_takes_a_conversation_from_a_human(
    fake: FakeWeCom, sender: KfSender
) -> None:
    fake.accounts["wk1"].on_duty = {"zhou": True}
    fake.session_changes("wk1", "wm1", 1, new="wu")
    receipt = await sender.send(out(OutgoingKind.TRANSFER, servicers=("zhou",)))
    assert receipt.outcome is Outcome.SENT
    assert conversation(fake) == (3, "wu")


@pytest.mark.parametrize(
    ("errcode", "outcome"),
    [(45009, Outcome.RETRY), (60020, Outcome.REFUSED), (95017, Outcome.REFUSED)],
)
async def test_a_transfer_meets_a_fault(
    fake: FakeWeCom, sender: KfSender, errcode: int, outcome: Outcome
) -> None:
    fake.accounts["wk1"].on_duty = {"zhou": True}
    fake.fail_next("kf/service_state/trans", errcode)
    receipt = await sender.send(out(OutgoingKind.TRANSFER, servicers=("zhou", "zhou")))
    assert receipt.outcome is outcome
    assert fake.calls["kf/service_state/trans"] == 1


async def test_a_transfer_of_an_ended_conversation(fake: FakeWeCom, sender: KfSender) -> None:
    fake.session_changes("wk1", "wm1", 3)
    receipt = await sender.send(out(OutgoingKind.TRANSFER, servicers=("zhou",)))
    assert receipt.outcome is Outcome.EXPIRED


async def test_unreachable(fake: FakeWeCom, sender: KfSender) -> None:
    for path in ("kf/send_msg", "kf/send_msg_on_event", "kf/service_state/get"):
        fake.cut_next(path, times=9)
    for kind in OutgoingKind:
        assert (await sender.send(out(kind, code="C"))).outcome is Outcome.RETRY
