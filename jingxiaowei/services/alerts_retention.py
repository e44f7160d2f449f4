"""保存期限 of alerts: a closed one goes with all that was kept for it."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.store.alert_tables import (
    ALERT,
    BAND,
    CASE,
    CONTACT,
    ENTITY,
    EVENT,
    EVIDENCE,
    NOTICE,
    RECEIPT,
    SETTLED,
)

_PARTS = (EVIDENCE, ENTITY, BAND, EVENT, CONTACT, RECEIPT, NOTICE, SETTLED)


async def remove_alerts(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Remove alerts that were closed before a moment, in the caller's transaction; how many."""
    rows = await connection.execute(
        select(ALERT.c.id).where(ALERT.c.closed_at < before).order_by(ALERT.c.id).limit(limit)
    )
    ids = [row.id for row in rows]
    if ids:
        for table in _PARTS:
            await connection.execute(delete(table).where(table.c.alert_id.in_(ids)))
        await connection.execute(delete(ALERT).where(ALERT.c.id.in_(ids)))
        left = select(ALERT.c.id).where(ALERT.c.case_id == CASE.c.id)
        await connection.execute(delete(CASE).where(~left.exists()))
    return len(ids)
