"""What erasing removes table by table, in the caller's transaction."""

import secrets
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Table, and_, delete, func, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.normalise import compact
from jingxiaowei.pipeline.messages import SPOKEN
from jingxiaowei.pipeline.screen.values import EntityKind
from jingxiaowei.services.inbox import BODY
from jingxiaowei.services.purposes import DECISION
from jingxiaowei.store.alert_tables import (
    ALERT,
    BAND,
    CONTACT,
    ENTITY,
    EVENT,
    EVIDENCE,
    NOTICE,
    RECEIPT,
    SETTLED,
    AlertState,
    AlertVerdict,
)
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.tables import INBOX, MEDIA, OUTBOX, QUESTION, TICKET

# By which a suspect is found again; everything else in an alert is the resident's.
_SUSPECTS = frozenset(
    {
        EntityKind.ACCOUNT,
        EntityKind.PHONE,
        EntityKind.QQ,
        EntityKind.WECHAT,
        EntityKind.GROUP,
        EntityKind.URL,
    }
)
_SEALED = or_(
    ALERT.c.state != AlertState.CLOSED,
    ALERT.c.verdict == AlertVerdict.LOST,
    ALERT.c.lost_pending,
)
ALERT_TABLES: tuple[Table, ...] = (EVIDENCE, BAND, EVENT, CONTACT, RECEIPT, NOTICE, SETTLED)


async def count_messages(
    connection: AsyncConnection, conversations: Collection[str]
) -> dict[str, int]:
    """How many rows conversations have in each table."""
    counts = {}
    for kind, table in (
        ("inbox", INBOX),
        ("outbox", OUTBOX),
        ("media", MEDIA),
        ("tickets", TICKET),
    ):
        found = await connection.execute(
            select(func.count()).where(table.c.conversation_id.in_(conversations))
        )
        counts[kind] = int(found.scalar_one())
    for kind, sealed in (("alerts", not_(_SEALED)), ("alerts_kept", _SEALED)):
        found = await connection.execute(
            select(func.count()).where(and_(ALERT.c.conversation_id.in_(conversations), sealed))
        )
        counts[kind] = int(found.scalar_one())
    return counts


async def remove_messages(
    connection: AsyncConnection, cipher: Cipher, conversations: Collection[str]
) -> dict[str, int]:
    """Messages, replies, pictures' rows, tickets, and missed questions that were theirs alone."""
    gone = {"questions": await _remove_questions(connection, cipher, conversations)}
    for kind, table in (
        ("inbox", INBOX),
        ("outbox", OUTBOX),
        ("media", MEDIA),
        ("tickets", TICKET),
    ):
        done = await connection.execute(
            delete(table).where(table.c.conversation_id.in_(conversations))
        )
        gone[kind] = done.rowcount
    return gone


async def _remove_questions(
    connection: AsyncConnection, cipher: Cipher, conversations: Collection[str]
) -> int:
    """Missed questions bear no name: theirs are found by asking again what was asked."""
    rows = await connection.execute(
        select(INBOX.c.conversation_id, INBOX.c.kind, INBOX.c.body, INBOX.c.decision)
        .where(INBOX.c.conversation_id.in_(conversations))
        .order_by(INBOX.c.conversation_id, INBOX.c.id)
    )
    asked: dict[str, int] = {}
    said: list[str] = []
    place, topic = "", ""
    for row in rows:
        if row.conversation_id != place:
            place, topic, said = row.conversation_id, "", []
        if row.kind in SPOKEN:
            said.append(str(cipher.open_json(BODY, row.body).get("text", "")))
        if row.decision is None:
            continue  # a burst is decided with its last message
        decision = cipher.open_json(DECISION, row.decision)
        unhelpful = str(decision.get("unhelpful", ""))
        text = topic if unhelpful and topic else "\n".join(each for each in said if each)
        if decision.get("missed") or unhelpful:
            key = cipher.find("question", unhelpful, compact(text))
            asked[key] = asked.get(key, 0) + 1
        topic = _topic(decision) or topic
        said = []
    gone = 0
    for key, times in asked.items():
        # Others asked the same: the question stays theirs, counted without this resident.
        done = await connection.execute(
            delete(QUESTION).where(QUESTION.c.key == key, QUESTION.c.times <= times)
        )
        gone += done.rowcount
        await connection.execute(
            update(QUESTION).where(QUESTION.c.key == key).values(times=QUESTION.c.times - times)
        )
    return gone


def _topic(decision: Mapping[str, Any]) -> str:
    topic = decision.get("topic") or {}
    return str(topic.get("text", ""))


async def remove_alerts_of(
    connection: AsyncConnection, conversations: Collection[str]
) -> dict[str, int]:
    """Of closed alerts what is the resident's; alerts that the law keeps stay as they are."""
    receipts = await connection.execute(
        delete(RECEIPT).where(RECEIPT.c.conversation_id.in_(conversations))
    )
    theirs = ALERT.c.conversation_id.in_(conversations)
    rows = await connection.execute(select(ALERT.c.id).where(theirs, not_(_SEALED)))
    ids = [row.id for row in rows]
    gone = {"alert_receipts": receipts.rowcount, "alerts": len(ids)}
    for table in ALERT_TABLES:
        done = await connection.execute(delete(table).where(table.c.alert_id.in_(ids)))
        gone[table.name] = done.rowcount
    done = await connection.execute(
        delete(ENTITY).where(ENTITY.c.alert_id.in_(ids), ENTITY.c.kind.not_in(_SUSPECTS))
    )
    gone["alert_entity"] = done.rowcount
    for each in ids:
        # A link to nobody: the figures stay, and the suspects' numbers.
        await connection.execute(
            update(ALERT)
            .where(ALERT.c.id == each)
            .values(conversation_id=secrets.token_hex(16), note=None, amount=None)
        )
    kept = await connection.execute(select(func.count()).where(theirs))
    return gone | {"alerts_kept": int(kept.scalar_one())}


async def leave_farewell(
    connection: AsyncConnection, conversation: str, row: Mapping[str, Any]
) -> None:
    """The last message to a resident whose data is gone."""
    await connection.execute(insert(OUTBOX), [{**row, "conversation_id": conversation}])
