"""Reading and writing 打标记录: many residents in a query, many rows in a statement."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services.tagging_rules import Ruling
from jingxiaowei.services.tagging_values import REASON, Held, Noted, Standing
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.file_tables import ASSIGNMENT, CONSENT, ConsentKind, Ended, Minor, TagSource
from jingxiaowei.store.tables import CONVERSATION, IDENTITY, INBOX, RESIDENT

CURRENT = ASSIGNMENT.c.ended_at.is_(None)


async def standings(
    connection: AsyncConnection,
    cipher: Cipher,
    residents: Collection[str],
    now: datetime,
    lock: bool = True,
) -> dict[str, Standing]:
    """Where residents stand, locked against other changes of their files until the transaction
    ends. Tags whose time is over are ended on the way. Without ``lock`` nothing is changed."""
    ids = sorted(set(residents))  # in one order everywhere: two officers must not deadlock
    query = (
        select(RESIDENT.c.id, RESIDENT.c.area, RESIDENT.c.officer_id, RESIDENT.c.minor)
        .where(RESIDENT.c.id.in_(ids))
        .order_by(RESIDENT.c.id)
    )
    rows = await connection.execute(query.with_for_update(key_share=True) if lock else query)
    found = {r.id: Standing(r.id, r.area, r.officer_id, Minor(r.minor)) for r in rows}
    said = await connection.execute(
        select(CONSENT.c.resident_id, CONSENT.c.kind, CONSENT.c.given)
        .where(CONSENT.c.resident_id.in_(ids))
        .order_by(CONSENT.c.id)
    )
    consents: dict[str, dict[ConsentKind, bool]] = defaultdict(dict)
    for row in said:
        consents[row.resident_id][row.kind] = row.given  # the newest counts
    for resident, given in consents.items():
        found[resident].consents = given
    current = await connection.execute(
        select(ASSIGNMENT).where(ASSIGNMENT.c.resident_id.in_(ids), CURRENT)
    )
    over = []
    for row in current:
        if row.expires_at is not None and row.expires_at <= now:
            over.append(row.id)
        else:
            found[row.resident_id].current[row.tag] = held(cipher, row)
    if over and lock:
        await connection.execute(
            update(ASSIGNMENT)
            .where(ASSIGNMENT.c.id.in_(over))
            .values(ended_at=ASSIGNMENT.c.expires_at, ended_because=Ended.EXPIRED)
        )
    return found


async def lock(connection: AsyncConnection, residents: Collection[str]) -> None:
    """Keep others from changing residents' files until the transaction ends."""
    if not residents:
        return
    await connection.execute(
        select(RESIDENT.c.id)
        .where(RESIDENT.c.id.in_(residents))
        .order_by(RESIDENT.c.id)
        .with_for_update(key_share=True)
    )


async def known_evidence(
    connection: AsyncConnection, wanted: Iterable[tuple[str, int]]
) -> set[tuple[str, int]]:
    """Of resident and message pairs those that are still kept, and belong together."""
    ids = {message for _, message in wanted}
    if not ids:
        return set()
    rows = await connection.execute(
        select(IDENTITY.c.resident_id, INBOX.c.id)
        .join(CONVERSATION, CONVERSATION.c.id == INBOX.c.conversation_id)
        .join(IDENTITY, IDENTITY.c.id == CONVERSATION.c.id)
        .where(INBOX.c.id.in_(ids))
    )
    return {(row.resident_id, row.id) for row in rows}


async def put(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert assignments; their ids, in the rows' order."""
    if not rows:
        return []
    made = await connection.execute(
        insert(ASSIGNMENT).returning(ASSIGNMENT.c.id, sort_by_parameter_order=True), list(rows)
    )
    return [row.id for row in made]


def assignment(
    cipher: Cipher,
    noted: Noted,
    ruling: Ruling,
    source: TagSource,
    officer: int | None,
    now: datetime,
    confirmed_by: int | None = None,
) -> dict[str, Any]:
    """A row to insert."""
    return {
        "resident_id": noted.resident_id,
        "tag": ruling.tag.slug,
        "source": source,
        "officer_id": officer,
        "confirmed_by": confirmed_by,
        "reason": cipher.seal(REASON, ruling.reason),
        "evidence_id": noted.evidence_id,
        "ground": noted.ground,
        "started_at": now,
        "review_at": ruling.review_at,
        "expires_at": ruling.expires_at,
    }


async def end(
    connection: AsyncConnection,
    ids: Collection[int],
    because: Ended,
    by: int | None,
    now: datetime,
) -> list[int]:
    """End assignments that still stand; which they were."""
    if not ids:
        return []
    ended = await connection.execute(
        update(ASSIGNMENT)
        .where(ASSIGNMENT.c.id.in_(sorted(ids)), CURRENT)
        .values(ended_at=now, ended_by=by, ended_because=because)
        .returning(ASSIGNMENT.c.id)
    )
    return sorted(row.id for row in ended)


def standing_at(moment: datetime) -> ColumnElement[bool]:
    """The condition that a tag stood on its file at a moment."""
    return (
        (ASSIGNMENT.c.started_at <= moment)
        & or_(ASSIGNMENT.c.ended_at.is_(None), ASSIGNMENT.c.ended_at > moment)
        & or_(ASSIGNMENT.c.expires_at.is_(None), ASSIGNMENT.c.expires_at > moment)
    )


async def tags_of(
    connection: AsyncConnection, cipher: Cipher, resident: str, moment: datetime
) -> tuple[Held, ...]:
    """The tags of a file as of a moment, in the order in which they were noted."""
    rows = await connection.execute(
        select(ASSIGNMENT)
        .where(ASSIGNMENT.c.resident_id == resident, standing_at(moment))
        .order_by(ASSIGNMENT.c.started_at, ASSIGNMENT.c.id)
    )
    return tuple(held(cipher, row) for row in rows)


def held(cipher: Cipher, row: Any) -> Held:
    return Held(
        row.id,
        row.resident_id,
        row.tag,
        row.source,
        row.officer_id,
        row.confirmed_by,
        cipher.open(REASON, row.reason),
        row.evidence_id,
        row.ground,
        row.started_at,
        row.review_at,
        row.expires_at,
        row.ended_at,
        row.ended_by,
        row.ended_because,
    )
