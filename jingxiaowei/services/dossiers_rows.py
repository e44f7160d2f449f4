"""What stands in other tables about a resident, a query each."""

from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.pipeline.screen.values import EntityKind
from jingxiaowei.services.alerts_words import (
    CHANNELS,
    SHAPES,
    STATES,
    TYPES,
    VERDICTS,
    mask_name,
    mask_value,
)
from jingxiaowei.services.consents import Agreement
from jingxiaowei.services.contact_points import VALUE
from jingxiaowei.services.conversations import messages
from jingxiaowei.services.dossiers_values import (
    Agreed,
    AlertLine,
    ContactLine,
    Identity,
    Reading,
    RequestLine,
    Suggestion,
    TicketLine,
)
from jingxiaowei.services.residents_words import (
    CONSENTS,
    CONTACTS,
    NEEDS,
    REQUEST_STATES,
    REQUESTS,
    SOURCES,
    TICKET_STATES,
)
from jingxiaowei.services.tagging_rules import Names
from jingxiaowei.services.tagging_values import QUOTE
from jingxiaowei.services.trail_words import act_word
from jingxiaowei.store.alert_tables import ALERT
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.file_tables import (
    CONTACT_POINT,
    IS_SUGGESTED,
    REQUEST,
    SUGGESTION,
    ContactKind,
    RequestState,
)
from jingxiaowei.store.tables import AUDIT, CONVERSATION, IDENTITY, TICKET

_READINGS = 30
_LOOKS = ("file.view", "file.view_careful", "file.original", "file.reads")
_AROUND = 40  # characters of a message on each side of a quote


async def conversations(connection: AsyncConnection, resident_id: str) -> list[str]:
    rows = await connection.execute(
        select(IDENTITY.c.id).where(IDENTITY.c.resident_id == resident_id)
    )
    return [row.id for row in rows]


async def identities(connection: AsyncConnection, resident_id: str) -> tuple[Identity, ...]:
    rows = await connection.execute(
        select(IDENTITY.c.channel, IDENTITY.c.created_at, CONVERSATION.c.heard_at)
        .outerjoin(CONVERSATION, CONVERSATION.c.id == IDENTITY.c.id)
        .where(IDENTITY.c.resident_id == resident_id)
        .order_by(IDENTITY.c.created_at)
    )
    return tuple(
        Identity(CHANNELS.get(row.channel, row.channel), row.created_at, row.heard_at)
        for row in rows
    )


async def contacts(
    connection: AsyncConnection, cipher: Cipher, resident_id: str, original: bool
) -> tuple[ContactLine, ...]:
    rows = await connection.execute(
        select(CONTACT_POINT)
        .where(CONTACT_POINT.c.resident_id == resident_id)
        .order_by(CONTACT_POINT.c.id)
    )
    return tuple(
        ContactLine(
            CONTACTS[row.kind],
            _contact(row.kind, cipher.open(VALUE, row.value), original),
            SOURCES[row.source],
            row.created_at,
        )
        for row in rows
    )


def _contact(kind: ContactKind, value: str, original: bool) -> str:
    if original:
        return value
    if kind is ContactKind.NAME:
        return mask_name(value)
    if kind is ContactKind.PHONE:
        return mask_value(EntityKind.PHONE, value)
    return mask_value(EntityKind.COMPANY, value)


async def suggestions(
    connection: AsyncConnection,
    cipher: Cipher,
    taxonomy: Taxonomy,
    resident_id: str,
    names: Names,
) -> tuple[Suggestion, ...]:
    rows = (
        await connection.execute(
            select(SUGGESTION)
            .where(SUGGESTION.c.resident_id == resident_id, IS_SUGGESTED)
            .order_by(SUGGESTION.c.id)
        )
    ).all()
    said = await messages(
        connection, cipher, {row.inbox_id for row in rows if row.inbox_id is not None}
    )
    found = []
    for row in rows:
        tag = taxonomy.by_slug.get(row.tag)
        if tag is None:
            continue
        quote = cipher.open(QUOTE, row.quote)
        before, quote, after = around(said.get(row.inbox_id, ""), quote)
        found.append(
            Suggestion(
                row.id,
                row.tag,
                tag.name,
                tag.careful,
                row.state,
                names(row.proposed_by) if row.proposed_by is not None else "",
                row.source,
                before,
                quote,
                after,
                row.created_at,
            )
        )
    return tuple(found)


def around(text: str, quote: str) -> tuple[str, str, str]:
    """A quote within what was said: what stands before it, the quote, what comes after."""
    start = text.find(quote)
    if start < 0 or not quote:
        return "", quote, ""
    end = start + len(quote)
    before, after = text[:start], text[end:]
    if len(before) > _AROUND:
        before = "…" + before[-_AROUND:]
    if len(after) > _AROUND:
        after = after[:_AROUND] + "…"
    return before, quote, after


def agreed(said: Iterable[Agreement]) -> tuple[Agreed, ...]:
    return tuple(
        Agreed(CONSENTS[each.kind], each.given, each.said_at, CHANNELS.get(each.channel, ""))
        for each in said
    )


async def alerts(connection: AsyncConnection, ours: Collection[str]) -> tuple[AlertLine, ...]:
    rows = await connection.execute(
        select(ALERT).where(ALERT.c.conversation_id.in_(ours)).order_by(ALERT.c.id.desc()).limit(20)
    )
    return tuple(
        AlertLine(
            row.id,
            f"{SHAPES[row.transfer]} {TYPES[row.scam_type]}",
            VERDICTS[row.verdict] if row.verdict else STATES[row.state],
            row.created_at,
        )
        for row in rows
    )


async def tickets(connection: AsyncConnection, ours: Collection[str]) -> tuple[TicketLine, ...]:
    rows = await connection.execute(
        select(TICKET)
        .where(TICKET.c.conversation_id.in_(ours))
        .order_by(TICKET.c.id.desc())
        .limit(20)
    )
    return tuple(
        TicketLine(
            row.id, row.code, NEEDS.get(row.need, row.need), TICKET_STATES[row.state], row.due_at
        )
        for row in rows
    )


async def requests(connection: AsyncConnection, resident_id: str) -> tuple[RequestLine, ...]:
    rows = await connection.execute(
        select(REQUEST).where(REQUEST.c.resident_id == resident_id).order_by(REQUEST.c.id.desc())
    )
    return tuple(
        RequestLine(
            row.code,
            REQUESTS[row.kind],
            REQUEST_STATES.get(row.state, "在办"),
            row.due_at,
            row.state is RequestState.OPEN,
        )
        for row in rows
    )


async def readings(
    connection: AsyncConnection, resident_id: str, names: Names
) -> tuple[Reading, ...]:
    """Who looked, newest first."""
    rows = await connection.execute(
        select(AUDIT.c.at, AUDIT.c.actor, AUDIT.c.action, AUDIT.c.reason)
        .where(AUDIT.c.object == f"resident:{resident_id}", AUDIT.c.action.in_(_LOOKS))
        .order_by(AUDIT.c.id.desc())
        .limit(_READINGS)
    )
    return tuple(
        Reading(row.at, actor_word(row.actor, names), act_word(row.action), row.reason)
        for row in rows
    )


def actor_word(actor: str, names: Names) -> str:
    """辅警王芳 for ``officer:7``; what is no person as the trail calls it."""
    kind, _, id_ = actor.partition(":")
    if kind == "officer" and id_.isdecimal():
        return names(int(id_))
    return {"resident": "居民本人", "system": "系统", "retention": "到期清除"}.get(kind, kind)
