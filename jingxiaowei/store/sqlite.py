"""How SQLite is set, and how its connections begin and end a transaction."""

import sqlite3
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import PoolResetState
from sqlalchemy.util import await_only

from jingxiaowei.store.prepared import in_thread_of

WRITING, READING = "BEGIN IMMEDIATE", "BEGIN"
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=15000",
    "PRAGMA secure_delete=ON",
    "PRAGMA cache_size=-32000",
    # Under load the same pages change in every group: copied back once in 32 MB, not in 4.
    "PRAGMA wal_autocheckpoint=8000",
)
_STATEMENTS = 256  # kept parsed: the prepared ones have a text for each of a few lengths


def make_engine(url: URL, begin: str, **pool: Any) -> AsyncEngine:
    """An engine whose transactions begin as told, and are durable on commit. Its errors, which get
    into logs, name no values.

    A transaction's begin is one way to the connection's thread, and giving back a connection
    that is in none is no way at all: SQLAlchemy's own take three and one.
    """
    kept = {"cached_statements": _STATEMENTS}
    engine = create_async_engine(
        url, connect_args=kept, pool_reset_on_return=None, hide_parameters=True, **pool
    )

    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are ours, below
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        driver = connection.connection.driver_connection
        await_only(in_thread_of(driver, connection.dialect, sqlite3.Connection.execute, begin))

    @event.listens_for(engine.sync_engine, "reset")
    def reset(connection: Any, _record: Any, state: PoolResetState) -> None:
        # One that is found without a loop is not given back but ended.
        if state.asyncio_safe and connection.driver_connection.in_transaction:
            connection.rollback()

    return engine
