"""A file's timeline: what was said and done, masked, the newest first."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.mask import mask
from jingxiaowei.services.alerts_words import STATES, TYPES
from jingxiaowei.services.files_values import Line
from jingxiaowei.services.inbox import BODY
from jingxiaowei.services.purposes import OUT_BODY
from jingxiaowei.store.alert_tables import ALERT, AlertState
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.file_tables import REQUEST
from jingxiaowei.store.tables import IDENTITY, INBOX, OUTBOX, TICKET, TicketState

_LINES = 60
_MESSAGES = 30
_CHARACTERS = 200
_TICKETS = {
    TicketState.OPEN: "待办",
    TicketState.CLAIMED: "在办",
    TicketState.CLOSED: "已办结",
}


async def timeline(
    connection: AsyncConnection, cipher: Cipher, resident_id: str, police: bool
) -> tuple[Line, ...]:
    """The last lines of a file. Closed alerts are for police (被害名单由民警看)."""
    theirs = select(IDENTITY.c.id).where(IDENTITY.c.resident_id == resident_id)
    lines = []
    said = await connection.execute(
        select(INBOX.c.id, INBOX.c.conversation_id, INBOX.c.sent_at, INBOX.c.body)
        .where(INBOX.c.conversation_id.in_(theirs))
        .order_by(INBOX.c.id.desc())
        .limit(_MESSAGES)
    )
    for row in said:
        text = str(cipher.open_json(BODY, row.body).get("text", ""))
        if text:
            lines.append(Line(row.sent_at, "said", _short(text), row.id, row.conversation_id))
    replied = await connection.execute(
        select(OUTBOX.c.id, OUTBOX.c.conversation_id, OUTBOX.c.created_at, OUTBOX.c.body)
        .where(OUTBOX.c.conversation_id.in_(theirs))
        .order_by(OUTBOX.c.id.desc())
        .limit(_MESSAGES)
    )
    for row in replied:
        text = str(cipher.open_json(OUT_BODY, row.body).get("text", ""))
        if text:
            lines.append(Line(row.created_at, "replied", _short(text), row.id, row.conversation_id))
    alerts = select(ALERT).where(ALERT.c.conversation_id.in_(theirs))
    if not police:
        alerts = alerts.where(ALERT.c.state != AlertState.CLOSED)
    for row in await connection.execute(alerts.order_by(ALERT.c.id.desc()).limit(_MESSAGES)):
        words = f"{TYPES[row.scam_type]}·{STATES[row.state]}"
        lines.append(Line(row.created_at, "alert", words, row.id, row.conversation_id))
    for row in await connection.execute(
        select(TICKET)
        .where(TICKET.c.conversation_id.in_(theirs))
        .order_by(TICKET.c.id.desc())
        .limit(_MESSAGES)
    ):
        words = f"工单 {row.code}·{_TICKETS[row.state]}"
        lines.append(Line(row.created_at, "ticket", words, row.id, row.conversation_id))
    asked = await connection.execute(
        select(REQUEST.c.id, REQUEST.c.code, REQUEST.c.created_at)
        .where(REQUEST.c.resident_id == resident_id)
        .order_by(REQUEST.c.id.desc())
    )
    lines += [Line(row.created_at, "request", f"权利请求 {row.code}", row.id) for row in asked]
    lines.sort(key=lambda line: line.at, reverse=True)
    return tuple(lines[:_LINES])


def _short(text: str) -> str:
    return mask(text)[:_CHARACTERS]
