"""彻底清除: deleted rows leave no trace in the database's own files.

SQLite overwrites what is deleted (``secure_delete``), so only its log must be emptied. PostgreSQL
leaves dead rows in place: the touched tables are written anew and the old files removed. Its
write-ahead log holds old pages until the segments are removed: a switch and a checkpoint end
them; with ``wal_recycle = off`` they are deleted instead of being kept for later use.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from sqlalchemy import Table

from jingxiaowei.store.engine import Database

_TRIES = 40
_PAUSE = 0.25


async def scrub(database: Database, tables: Sequence[Table]) -> bool:
    """Empty the files of what was deleted from the tables; whether all of it is gone.

    On SQLite a long reader can hold the log: then False, and a later call makes up for it. On
    PostgreSQL each table is locked while it is written anew.
    """
    if database.sqlite:
        return await _checkpoint(database)
    await _rewrite(database, tables)
    return True


async def _checkpoint(database: Database) -> bool:
    for _ in range(_TRIES):
        async with database.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            assert driver is not None  # the pool hands out open connections
            cursor = await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy, _, _ = await cursor.fetchone()
            await cursor.close()
        if not busy:
            return True
        await asyncio.sleep(_PAUSE)
    return False


async def _rewrite(database: Database, tables: Sequence[Table]) -> None:
    import asyncpg  # where SQLite is used nothing needs it

    async with database.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None  # the pool hands out open connections
        preparer = database.engine.dialect.identifier_preparer
        for table in tables:
            await driver.execute(f"VACUUM FULL {preparer.format_table(table)}")
        for command in ("SELECT pg_switch_wal()", "CHECKPOINT"):
            # An account that may not do this leaves it to the server's own checkpoints.
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                await driver.execute(command)
