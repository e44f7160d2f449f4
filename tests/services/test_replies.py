"""From a resident's message to the officer's words on their phone, or to the call instead."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel, Outcome, Receipt
from jingxiaowei.services.alerts_speech import FOUR, SILENT, Speech
from jingxiaowei.services.emergencies import Emergencies
from jingxiaowei.services.inbox import conversation_id
from jingxiaowei.services.notices import Notices
from jingxiaowei.services.replies import CHARACTERS, ReplyError
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.services.tickets import TicketConflictError, Tickets
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import REPLY, REQUEST, Ground, ReplyKind
from jingxiaowei.store.tables import CONVERSATION, OUTBOX, TICKET, Role
from tests.conftest import said
from tests.services.filing import WHY, Filing, make_filing


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


async def asks(filing: Filing, name: str = "resident-1") -> int:
    """A resident says that a tag is wrong; the request's row."""
    police = await filing.officer(f"记{name}")
    who = await filing.resident(name)
    await filing.tagging.apply(police, who, "new_resident", WHY, filing.now, ground=Ground.DUTY)
    for words in ("我的档案", "1", "不对"):
        await filing.hear(name, words)
    [*_, row] = sorted(await filing.spine.rows(REQUEST), key=lambda each: each.id)
    assert row.resident_id == who
    return int(row.id)


async def test_an_answer_reaches_who_asked(filing: Filing) -> None:
    number, police = await asks(filing), await filing.officer("陈国华")
    requests = filing.house.requests
    draft = await requests.draft(police, number, "已经去掉了", filing.now)
    assert (draft.barred, "已经去掉了。" in draft.text) == ("", True)
    assert await filing.spine.rows(REPLY) == []
    sent = await requests.answer(police, number, "已经去掉了", filing.now)
    assert sent == draft
    await filing.spine.settle()
    assert filing.spine.far.texts("resident-1")[-1] == draft.text
    with pytest.raises(TagConflictError, match="民警陈国华答复"):
        await requests.answer(police, number, "再来一遍", filing.now)
    await filing.spine.settle()
    assert filing.spine.far.texts("resident-1")[-1] == draft.text
    assert await filing.house.replies.unreached(police, filing.now) == []
    [row] = await filing.spine.rows(REPLY)
    assert "去掉".encode() not in row.text


async def test_a_refusal_gives_its_reason(filing: Filing) -> None:
    number, police = await asks(filing), await filing.officer("陈国华")
    requests = filing.house.requests
    for words, says in (
        (" ", "写明理由"),
        ("证号 330424199001011234", "证件号"),
        ("长" * (CHARACTERS + 1), "最多写"),
    ):
        with pytest.raises(TagRefusedError, match=says):
            await requests.answer(police, number, words, filing.now, refused=True)
    await requests.answer(police, number, "登记还有效！", filing.now, refused=True)
    await filing.spine.settle()
    assert "这次不能办，民警说明：登记还有效！" in filing.spine.far.texts("resident-1")[-1]


async def test_who_is_out_of_reach_is_rung_up(filing: Filing) -> None:
    number, police = await asks(filing), await filing.officer("陈国华")
    helper = await filing.officer("王芳", Role.AUXILIARY)
    replies = filing.house.replies
    filing.spine.far.receipts = [Receipt(Outcome.REFUSED, "blocked")]
    await filing.house.requests.answer(police, number, "已经去掉了", filing.now)
    assert await replies.unreached(police, filing.now) == []  # it is on its way
    await filing.spine.settle()
    [lost] = await replies.unreached(police, filing.now)
    assert (lost.kind, "已经去掉了" in lost.text) == (ReplyKind.REQUEST, True)
    assert "请打电话" in lost.reason
    assert await replies.unreached(helper, filing.now) == []
    with pytest.raises(PermissionDeniedError):
        await replies.called(helper, lost.id, filing.now)
    await replies.called(police, lost.id, filing.now)
    assert await replies.unreached(police, filing.now) == []
    with pytest.raises(ReplyError, match="打过了"):
        await replies.called(police, lost.id, filing.now)


async def kf_ticket(filing: Filing) -> tuple[int, str]:
    """Somebody on WeChat wants a person; the ticket's row and the conversation."""
    far: dict[str, Any] = {"channel": Channel.WECOM_KF, "account": "wk1", "sender": "wm-1"}
    await filing.spine.inbox.receive([said("人工", sent_at=filing.now, **far)])
    await filing.spine.settle()
    [ticket] = await filing.spine.rows(TICKET)
    key = conversation_id(filing.database.cipher, Channel.WECOM_KF, "wk1", "wm-1")
    return ticket.id, key


@pytest.mark.parametrize(
    ("state", "says"),
    [({"heard_at": -timedelta(hours=49)}, SILENT), ({"sent_since": 4}, FOUR), ({}, "")],
)
async def test_a_ticket_told_within_wecoms_limits(
    filing: Filing, state: dict[str, Any], says: str
) -> None:
    helper = await filing.officer("王芳", Role.AUXILIARY)
    ticket, key = await kf_ticket(filing)
    values: dict[str, Any] = {"holder": "bot"} | state
    if "heard_at" in values:
        values["heard_at"] += filing.now
    async with filing.database.write() as connection:
        await connection.execute(
            update(CONVERSATION).where(CONVERSATION.c.id == key).values(**values)
        )
    replies = filing.house.replies
    spine = filing.spine
    emergencies = Emergencies(Notices(spine.database), Speech(spine.database, spine.content))
    tickets = Tickets(
        spine.database,
        spine.bell,
        spine.content,
        spine.audit,
        spine.officers,
        replies,
        emergencies,
    )
    with pytest.raises(TicketConflictError):
        await tickets.close(helper, ticket, "已答", filing.now, "周一来")
    assert await filing.spine.rows(REPLY) == []
    await tickets.claim(helper, ticket, filing.now)
    draft = await tickets.draft(helper, ticket, "周一来", filing.now)
    assert draft.barred == says
    before = len(await filing.spine.rows(OUTBOX))
    await tickets.close(helper, ticket, "已答", filing.now, "周一来")
    await filing.spine.settle()
    assert len(await filing.spine.rows(OUTBOX)) == before + (not says)
    assert (draft.text in filing.spine.far.texts("wm-1")) == (not says)
    assert [each.reason for each in await replies.unreached(helper, filing.now)] == [says] * bool(
        says
    )
