"""Inbox, turn, outbox: nothing is lost, nothing is said twice, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, text, update

from jingxiaowei.errors import StoreError
from jingxiaowei.pipeline.messages import Channel, MessageKind, Outcome, Receipt
from jingxiaowei.services.purposes import DECISION, QUESTION_TEXT
from jingxiaowei.store.tables import (
    CONVERSATION,
    IDENTITY,
    INBOX,
    OUTBOX,
    QUESTION,
    RESIDENT,
    TICKET,
    Holder,
    InboxState,
    OutboxState,
)
from tests.conftest import said
from tests.services.conftest import Spine, make_spine


async def test_a_question_is_answered(spine: Spine) -> None:
    await spine.inbox.receive([said("身份证丢了怎么补")])
    await spine.settle()
    (answer,) = spine.far.texts("resident-1")
    assert "补领" in answer
    (message,) = await spine.rows(INBOX)
    assert message.state is InboxState.DONE
    assert message.decided == "answer"
    kept = spine.database.cipher.open_json(DECISION, message.decision)
    assert kept["fact"] == "H03"
    assert kept["reasons"]


async def test_a_repeated_message_is_dropped(spine: Spine) -> None:
    for _ in range(3):
        await spine.inbox.receive([said("身份证丢了怎么补")])
    await spine.settle()
    await spine.inbox.receive([said("身份证丢了怎么补")])
    await spine.settle()
    assert len(await spine.rows(INBOX)) == 1
    assert len(spine.far.calls) == 1


async def test_a_burst_is_answered_once(spine: Spine) -> None:
    await spine.inbox.receive([said("你好"), said("身份证丢了"), said("怎么补")])
    await spine.settle()
    (answer,) = spine.far.texts("resident-1")
    assert "补领" in answer
    assert len(await spine.rows(OUTBOX)) == 1
    assert {row.state for row in await spine.rows(INBOX)} == {InboxState.DONE}


async def test_the_rules_are_found_from_where_the_resident_writes(spine: Spine) -> None:
    for channel, place in ((Channel.WEB, "/privacy"), (Channel.WECOM_KF, "our window")):
        one = said("隐私政策", channel=channel, sender=channel.value, message_id=channel.value)
        await spine.inbox.receive([one])
        await spine.settle()
        assert f"全文在 {place}" in spine.far.texts(channel.value)[0]


async def test_a_burst_waits_until_it_settles(spine: Spine) -> None:
    await spine.inbox.receive([said("身份证丢了", settle=30.0)])
    assert await spine.turn.run_once() == 0
    await spine.inbox.receive([said("怎么补")])
    assert await spine.turn.run_once() == 2


async def test_residents_are_kept_apart(spine: Spine) -> None:
    asked = [said("身份证丢了怎么补", sender=f"r{i}", message_id=f"m{i}") for i in range(50)]
    await asyncio.gather(*(spine.inbox.receive([message]) for message in asked))
    await spine.settle()
    assert all(len(spine.far.texts(f"r{i}")) == 1 for i in range(50))
    assert len(await spine.rows(RESIDENT)) == 50


async def test_order_is_kept_for_one_resident(spine: Spine) -> None:
    for i in range(5):
        await spine.inbox.receive([said("你好", message_id=f"m{i}")])
        await spine.turn.run_once()
    await spine.outbox.drain()
    rows = sorted(await spine.rows(OUTBOX), key=lambda row: row.id)
    assert [out.key for out in spine.far.calls] == [row.key for row in rows]


async def test_who_is_one_with_another_is_not_made_anew(spine: Spine) -> None:
    await spine.inbox.receive([said("你好", sender=name, message_id=name) for name in "ab"])
    first, second = sorted(row.id for row in await spine.rows(RESIDENT))
    async with spine.database.write() as connection:
        change = update(IDENTITY).where(IDENTITY.c.id == first).values(resident_id=second)
        await connection.execute(change)
        await connection.execute(delete(RESIDENT).where(RESIDENT.c.id == first))
    await spine.inbox.receive([said("在吗", sender=name, message_id=f"{name}2") for name in "abc"])
    residents = {row.id for row in await spine.rows(RESIDENT)}
    assert len(residents) == 2
    assert first not in residents
    assert {row.resident_id for row in await spine.rows(IDENTITY)} == residents


async def test_two_workers_never_answer_twice(spine: Spine) -> None:
    other = make_spine(spine.database, spine.content.mind)
    messages = [said("你好", sender=f"r{i}", message_id=f"m{i}") for i in range(60)]
    await spine.inbox.receive(messages)
    await asyncio.gather(*(worker.turn.run_once() for worker in (spine, other, spine, other)))
    await spine.settle()
    assert len(await spine.rows(OUTBOX)) == 60


async def test_a_crash_after_the_lease_loses_nothing(spine: Spine) -> None:
    await spine.inbox.receive([said("你好")])
    await spine.turn.leases.take("a worker that dies", 10, seconds=0.0)
    await spine.settle()
    assert len(spine.far.delivered) == 1


async def test_a_worker_that_lost_its_lease_writes_nothing(spine: Spine) -> None:
    await spine.inbox.receive([said("你好")])
    (thread,) = await spine.turn.leases.take("slow", 10, seconds=0.0)
    await spine.settle()
    duty = await spine.roster.duty(datetime.now(UTC))
    late = spine.turn._handle(spine.content.mind, [thread], duty, frozenset())
    await spine.turn.ledger.commit("slow", late)
    assert len(await spine.rows(OUTBOX)) == 1


async def test_a_crash_after_sending_is_harmless(spine: Spine) -> None:
    await spine.inbox.receive([said("你好")])
    await spine.turn.run_once()
    await spine.outbox._lease(10)  # a sender that sends and dies before it notes so
    async with spine.database.write() as connection:
        await connection.execute(update(OUTBOX).values(leased_until=datetime.now(UTC)))
    await spine.settle()
    (out,) = spine.far.calls
    assert out.retried


async def test_a_failed_send_comes_again_with_the_same_key(spine: Spine) -> None:
    spine.far.receipts = [Receipt(Outcome.RETRY, "45009", retry_after=0.01)]
    await spine.inbox.receive([said("你好"), said("你好", sender="r2", message_id="m2")])
    await spine.settle()
    await asyncio.sleep(0.05)
    await spine.settle()
    assert len(spine.far.delivered) == 2
    assert len(spine.far.calls) == 3
    assert {row.state for row in await spine.rows(OUTBOX)} == {OutboxState.SENT}


async def test_a_refusal_ends_visibly(spine: Spine) -> None:
    spine.far.receipts = [Receipt(Outcome.REFUSED, "60020: address not allowed")]
    await spine.inbox.receive([said("你好")])
    await spine.settle()
    (row,) = await spine.rows(OUTBOX)
    assert row.state is OutboxState.REFUSED
    assert "60020" in row.reason


async def test_a_row_for_nobody_ends_visibly(spine: Spine) -> None:
    await spine.inbox.receive([said("你好")])
    await spine.turn.run_once()
    async with spine.database.write() as connection:
        await connection.execute(update(OUTBOX).values(conversation_id="of nobody"))
    await spine.settle()
    (row,) = await spine.rows(OUTBOX)
    assert (row.state, row.leased_by) == (OutboxState.REFUSED, None)
    assert "not known" in row.reason
    assert not spine.far.calls


async def test_texts_are_encrypted_at_rest(spine: Spine) -> None:
    await spine.inbox.receive([said("我是怪兽甲，明天天气如何", sender="openid-of-a-person")])
    await spine.settle()
    question = (await spine.rows(QUESTION))[0]
    for table in (INBOX, OUTBOX, QUESTION, CONVERSATION):
        for row in await spine.rows(table):
            raw = repr(tuple(row)) + "".join(
                value.decode("utf-8", "ignore") for value in row if isinstance(value, bytes)
            )
            assert "怪兽甲" not in raw
            assert "openid-of-a-person" not in raw
    assert "怪兽甲" in spine.database.cipher.open(QUESTION_TEXT, question.text)


async def test_unanswered_questions_are_counted(spine: Spine) -> None:
    for i in range(3):
        await spine.inbox.receive([said("明天天气如何！", sender=f"r{i}", message_id=f"w{i}")])
        await spine.settle()
    (question,) = await spine.rows(QUESTION)
    assert question.times == 3


async def test_a_person_on_request_opens_one_ticket(spine: Spine) -> None:
    for i in range(2):
        await spine.inbox.receive([said("人工", message_id=f"h{i}")])
        await spine.settle()
    (ticket,) = await spine.rows(TICKET)
    assert ticket.need == "human"
    assert ticket.area == "county-desk"
    assert ticket.code in spine.far.texts("resident-1")[-1]


async def test_the_bot_is_quiet_while_a_human_speaks(spine: Spine) -> None:
    def kf(words: str, kind: MessageKind = MessageKind.TEXT, **data: object) -> None:
        messages.append(said(words, channel=Channel.WECOM_KF, account="wk1", kind=kind, data=data))

    messages: list = []
    kf("", MessageKind.SESSION, change_type=1)
    kf("身份证丢了怎么补")
    await spine.inbox.receive(messages)
    await spine.settle()
    assert not spine.far.calls
    (conversation,) = await spine.rows(CONVERSATION)
    assert conversation.holder is Holder.HUMAN
    messages.clear()
    messages.append(
        said(
            "",
            channel=Channel.WECOM_KF,
            account="wk1",
            kind=MessageKind.SESSION,
            data={"change_type": 3},
            message_id="end",
        )
    )
    kf("护照多少钱")
    await spine.inbox.receive(messages)
    await spine.settle()
    assert len(spine.far.calls) == 1


async def test_kf_keeps_one_message_for_an_emergency(spine: Spine) -> None:
    async def ask(words: str) -> None:
        await spine.inbox.receive([said(words, channel=Channel.WECOM_KF, account="wk1")])
        await spine.turn.run_once()

    await ask("你好")
    async with spine.database.write() as connection:
        await connection.execute(update(CONVERSATION).values(sent_since=4))
    await spine.outbox.drain()
    (row,) = await spine.rows(OUTBOX)
    assert row.state is OutboxState.REFUSED
    await ask("有人受伤了")
    async with spine.database.write() as connection:
        await connection.execute(update(CONVERSATION).values(sent_since=4))
    await spine.outbox.drain()
    assert [out.text[:8] for out in spine.far.calls] == ["先打 120，再"]


async def test_nothing_is_sent_after_48_hours(spine: Spine) -> None:
    await spine.inbox.receive([said("你好", channel=Channel.WECOM_KF, account="wk1")])
    await spine.turn.run_once()
    async with spine.database.write() as connection:
        long_ago = datetime.now(UTC) - timedelta(hours=49)
        await connection.execute(update(CONVERSATION).values(heard_at=long_ago))
    await spine.outbox.drain()
    assert not spine.far.calls
    (row,) = await spine.rows(OUTBOX)
    assert row.state is OutboxState.EXPIRED


async def test_a_recalled_message_is_not_answered(spine: Spine) -> None:
    first = said("护照多少钱", message_id="m1")
    recall = said("", kind=MessageKind.RECALL, message_id="m2", data={"recall_msgid": "m1"})
    await spine.inbox.receive([first, recall])
    await spine.settle()
    assert not spine.far.calls
    assert any(row.recalled for row in await spine.rows(INBOX))


async def test_a_stage_that_raises_hands_over_to_a_person(spine: Spine) -> None:
    class Broken:
        speech = spine.content.mind.speech
        library = spine.content.mind.library

        def decide(self, *_: object) -> None:
            raise ValueError("a stage is broken")

    spine.content.mind = Broken()  # type: ignore[assignment]
    await spine.inbox.receive([said("你好")])
    await spine.settle()
    (answer,) = spine.far.texts("resident-1")
    assert "已请人看" in answer
    (ticket,) = await spine.rows(TICKET)
    assert ticket.need == "failure"


async def test_ten_thousand_characters_and_odd_characters(spine: Spine) -> None:
    odd = ["很长" * 5000, "😀" * 50, "\x00\x07\u202e身份证丢了怎么补", "\ud800", " ", "？"]
    await spine.inbox.receive(
        [said(words, sender=f"r{i}", message_id=f"o{i}") for i, words in enumerate(odd)]
    )
    await spine.settle()
    assert len(spine.far.delivered) == len(odd)
    assert {row.need for row in await spine.rows(TICKET)} <= {"human"}


async def test_what_is_not_stored_is_not_acknowledged(spine: Spine) -> None:
    async with spine.database.write() as connection:
        await connection.execute(text("DROP TABLE inbox"))
    with pytest.raises(StoreError, match="inbox"):
        await spine.inbox.receive([said("你好")])


async def test_a_follow_up_is_understood_for_a_while(spine: Spine) -> None:
    async def ask(words: str, key: str) -> str:
        await spine.inbox.receive([said(words, message_id=key)])
        await spine.settle()
        return spine.far.texts("resident-1")[-1]

    first = await ask("护照丢了怎么补办", "t1")
    assert "120" in await ask("多少钱", "t2")
    async with spine.database.write() as connection:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        await connection.execute(update(CONVERSATION).values(topic_at=long_ago))
    assert await ask("多少钱", "t3") != first
    (conversation,) = await spine.rows(CONVERSATION)
    assert "护照".encode() not in (conversation.topic or b"")
