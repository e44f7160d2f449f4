"""微信客服: reading every kind of item, and every broken one."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingxiaowei.channels.wecom.kf import parse
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind


def item(msgtype: str, body: Any, **changed: Any) -> dict[str, Any]:
    return {
        "msgid": "msg1",
        "open_kfid": "wk1",
        "external_userid": "wm1",
        "send_time": 1615478585,
        "origin": 3,
        "msgtype": msgtype,
        msgtype: body,
    } | changed


def event(event_type: str, **fields: Any) -> dict[str, Any]:
    who = {"open_kfid": "wk1", "external_userid": "wm1"}
    body = {"event_type": event_type, **who, **fields}
    whole = item("event", body, origin=4)
    return {name: value for name, value in whole.items() if name not in who}


def test_a_text() -> None:
    assert parse(item("text", {"content": "身份证丢了", "menu_id": "101"})) == Incoming(
        channel=Channel.WECOM_KF,
        account="wk1",
        sender="wm1",
        message_id="msg1",
        kind=MessageKind.TEXT,
        sent_at=datetime(2021, 3, 11, 16, 3, 5, tzinfo=UTC),
        text="身份证丢了",
        menu_id="101",
    )


@pytest.mark.parametrize("msgtype", ["image", "voice", "video", "file"])
def test_media(msgtype: str) -> None:
    message = parse(item(msgtype, {"media_id": "m1"}))
    assert message is not None
    assert (message.kind, message.media_id, message.data) == (msgtype, "m1", {})


@pytest.mark.parametrize(
    ("msgtype", "body", "kind"),
    [
        (
            "location",
            {"latitude": 30, "longitude": 120.9, "name": "海盐县公安局", "address": "武原街道"},
            MessageKind.LOCATION,
        ),
        (
            "link",
            {"title": "t", "desc": "d", "url": "https://x", "pic_url": "p"},
            MessageKind.LINK,
        ),
        ("business_card", {"userid": "zhou"}, MessageKind.BUSINESS_CARD),
        (
            "miniprogram",
            {"title": "t", "appid": "a", "pagepath": "p", "thumb_media_id": "m"},
            MessageKind.MINIPROGRAM,
        ),
        (
            "merged_msg",
            {"title": "聊天记录", "item": [{"msgtype": "text", "msg_content": "{}"}]},
            MessageKind.MERGED,
        ),
    ],
)
def test_messages_with_fields(msgtype: str, body: dict[str, Any], kind: MessageKind) -> None:
    message = parse(item(msgtype, body | {"new_field": 1}))
    assert message is not None
    assert (message.kind, message.data, message.text) == (kind, body, "")


def test_a_forwarded_conversation_is_read_as_one() -> None:
    def line(name: str, content: object, msgtype: str = "text") -> dict[str, Any]:
        return {"sender_name": name, "msgtype": msgtype, "msg_content": json.dumps(content)}

    items = [
        line("张总", {"text": {"content": "进下这个群"}}),
        line("小李", {"content": "好的\0"}),
        line("小李", {"image": {"media_id": "m"}}, "image"),
        {"sender_name": "x"},
        {"sender_name": "x", "msg_content": "["},
        "no item",
    ]
    message = parse(item("merged_msg", {"title": "群聊的聊天记录", "item": items}))
    assert message is not None
    assert (message.kind, message.text) == (MessageKind.MERGED, "张总：进下这个群\n小李：好的")


@pytest.mark.parametrize(
    "msgtype", ["channels", "channels_shop_product", "channels_shop_order", "msgmenu", "hologram"]
)
def test_messages_that_we_do_not_know(msgtype: str) -> None:
    for body in ({"some": "thing"}, [1], None):
        message = parse(item(msgtype, body))
        assert message is not None
        assert (message.kind, message.data) == (MessageKind.OTHER, {"msgtype": msgtype})


@pytest.mark.parametrize(
    ("event_type", "fields", "kind", "settle"),
    [
        (
            "enter_session",
            {"scene": "s", "scene_param": "p", "welcome_code": "C", "wechat_channels": {"a": 1}},
            MessageKind.ENTER,
            0.0,
        ),
        ("enter_session", {"scene": "s"}, MessageKind.ENTER, 0.0),
        (
            "session_status_change",
            {
                "change_type": 2,
                "old_servicer_userid": "zhou",
                "new_servicer_userid": "wu",
                "msg_code": "MC",
            },
            MessageKind.SESSION,
            0.4,
        ),
        ("user_recall_msg", {"recall_msgid": "msg0"}, MessageKind.RECALL, 0.4),
        ("msg_send_fail", {"fail_msgid": "k", "fail_type": 4}, MessageKind.SEND_FAILED, 0.4),
    ],
)
def test_events(event_type: str, fields: dict[str, Any], kind: MessageKind, settle: float) -> None:
    inside = parse(event(event_type, **fields))
    assert inside is not None
    assert (inside.kind, inside.data, inside.settle) == (kind, fields, settle)
    assert (inside.account, inside.sender, inside.message_id) == ("wk1", "wm1", "msg1")
    outside = item("event", {"event_type": event_type, **fields}, origin=4)
    assert parse(outside) == inside


@pytest.mark.parametrize(
    "ignored",
    [
        event("servicer_status_change", servicer_userid="zhou", status=1),
        event("servicer_recall_msg", recall_msgid="msg0", servicer_userid="zhou"),
        event("brand_new", secret="身份证号"),
        item("text", {"content": "x"}, origin=9),
    ],
)
def test_what_is_nothing_for_us(ignored: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert parse(ignored) is None
    assert "left out" in caplog.text
    assert "身份证号" not in caplog.text


def test_a_servicer_wrote() -> None:
    said = item("text", {"content": "我来处理"}, origin=5, servicer_userid="zhou")
    message = parse(said)
    assert message is not None
    assert message.kind is MessageKind.SERVICER
    assert (message.text, message.data) == ("我来处理", {"servicer_userid": "zhou"})
    picture = parse(item("image", {"media_id": "m1"}, origin=5, servicer_userid="zhou"))
    assert picture is not None
    assert (picture.kind, picture.media_id) == (MessageKind.SERVICER, "m1")


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        "text",
        {},
        item("text", {"content": "x"}, msgid=None),
        item("text", {"content": "x"}, msgid=7),
        item("text", {"content": "x"}, open_kfid=""),
        item("text", {"content": "x"}, external_userid=["wm1"]),
        item("text", {"content": "x"}, send_time="1615478585"),
        item("text", {"content": "x"}, send_time=10**20),
        item("text", {"content": "x"}, send_time=float("nan")),
        item("text", {"content": 5}),
        item("text", {}),
        item("text", "hello"),
        item("text", None),
        item("image", {"media_id": None}),
        item("location", {"latitude": "30"}),
        item("merged_msg", {"item": "x"}),
        item("text", {"content": "x"}) | {"msgtype": ["text"]},
        event("enter_session", welcome_code=5),
        event("msg_send_fail", fail_type="4"),
        item("event", {}, origin=4),
        item("event", None, origin=4),
        item("text", {"content": "x"}, origin=4),
    ],
)
def test_broken_items_are_counted_and_left_out(
    broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert parse(broken) is None
    assert "broken kf item left out, no. " in caplog.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(data=st.data())
def test_no_item_ever_raises(data: st.DataObject) -> None:
    good = data.draw(
        st.sampled_from(
            [item("text", {"content": "x"}), item("link", {}), event("enter_session", scene="s")]
        )
    )
    target: Any = good
    name = data.draw(st.sampled_from(sorted(good)))
    if isinstance(good[name], dict) and good[name] and data.draw(st.booleans()):
        target, name = good[name], data.draw(st.sampled_from(sorted(good[name])))
    result = parse(good | {name: data.draw(JSON)} if target is good else good)
    assert result is None or isinstance(result, Incoming)


def test_text_is_cut_and_made_storable() -> None:
    message = parse(item("text", {"content": "a\0b\ud83dc" + "警" * 20_000}))
    assert message is not None
    assert message.text.startswith("ab?c警")
    assert 9_990 < len(message.text) <= 10_000
    message.text.encode()
