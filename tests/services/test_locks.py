"""Transactions that touch the same file at once: somebody waits, nobody in a circle.

On PostgreSQL alone: SQLite has one writer.
"""

import asyncio
import contextlib
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.audit import Event
from jingxiaowei.services.erasure import ErasureError
from jingxiaowei.services.tagging_rows import lock
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import AUDIT, CONVERSATION, RESIDENT
from tests.services.filing import Filing, make_filing

PATIENCE = 20.0
A_MOMENT = 0.2  # enough for a statement to be sent and to wait


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


async def touch(connection: AsyncConnection, resident: str) -> None:
    await connection.execute(update(RESIDENT).where(RESIDENT.c.id == resident).values(area=None))


async def test_the_trail_is_the_last_to_be_locked(filing: Filing) -> None:
    """An officer's step is recorded by the gate and changes the file then; a turn does it the
    other way round."""
    if filing.database.sqlite:
        return
    who, audit = await filing.resident(), filing.spine.audit
    recorded, touched = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        async with filing.database.write() as connection:
            await audit.record(connection, Event("officer:1", "file.place", f"resident:{who}"))
            recorded.set()
            await touched.wait()
            await touch(connection, who)

    async def turn() -> None:
        async with filing.database.write() as connection:
            await recorded.wait()
            await touch(connection, who)
            touched.set()
            await asyncio.sleep(A_MOMENT)
            await audit.record(connection, Event(f"resident:{who}", "file.minor", "x"))

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(step(), turn())
    rows = sorted(await filing.spine.rows(AUDIT), key=lambda row: row.id)
    assert [row.action for row in rows[-2:]] == ["file.minor", "file.place"]
    assert await audit.verify() is None


async def test_erasing_waits_for_a_turn_that_has_the_conversation(filing: Filing) -> None:
    if filing.database.sqlite:
        return
    who = await filing.resident()
    async with asyncio.timeout(PATIENCE):
        async with filing.database.write() as connection:
            held = select(CONVERSATION.c.id).where(CONVERSATION.c.id == who).with_for_update()
            await connection.execute(held)
            erasing = asyncio.create_task(filing.house.erasure.erase(who, "officer:1", filing.now))
            await asyncio.sleep(A_MOMENT)
            await lock(connection, [who])
            await touch(connection, who)
        await erasing
    with pytest.raises(ErasureError):
        await filing.house.erasure.preview(who)


async def test_a_part_that_fails_leaves_no_trace(filing: Filing) -> None:
    audit = filing.spine.audit
    before = len(await filing.trail())
    async with filing.database.write() as connection:
        with contextlib.suppress(ValueError):
            async with filing.database.part(connection):
                await audit.record(connection, Event("a", "lost", "b"))
                raise ValueError("half way")
        await audit.record(connection, Event("a", "kept", "b"))
    assert (await filing.trail())[before:] == ["kept"]
    with contextlib.suppress(ValueError):
        async with filing.database.write() as connection:
            await audit.record(connection, Event("a", "lost", "b"))
            raise ValueError("whole")
    assert (await filing.trail())[before:] == ["kept"]
    assert await audit.verify() is None


async def test_a_number_is_never_given_again(filing: Filing) -> None:
    who = await filing.resident("goes")
    last = await filing.hear("goes", "你好")
    await filing.house.erasure.erase(who, "officer:1", filing.now)
    assert await filing.hear("comes", "你好") > last
