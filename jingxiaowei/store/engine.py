"""The database: one class, the same on SQLite and PostgreSQL.

SQLite has one writer, so its writing engine keeps a single connection, opens each transaction
with BEGIN IMMEDIATE and is durable on commit (WAL, synchronous=FULL). Readers have connections
of their own. On PostgreSQL both are one pool.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    Insert,
    Select,
    String,
    Table,
    Update,
    any_,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from jingxiaowei.errors import StoreError
from jingxiaowei.store import migrations
from jingxiaowei.store.cipher import Cipher, new_key, wrap
from jingxiaowei.store.claim import Claim
from jingxiaowei.store.keys import DATA, FORMER, INDEX, NEXT, read_keys, wrap_keys
from jingxiaowei.store.prepared import Prepared, Script, play, play_here, visit
from jingxiaowei.store.queries import Query
from jingxiaowei.store.sqlite import READING, WRITING, make_engine
from jingxiaowei.store.tables import DATA_KEY

# Any number, the same in every process: who leases work holds this lock for the moment it takes.
_LEASE_LOCK = 0x6A7877
_ALERT_LOCK = 0x6A7878
_TRAIL_LOCK = 0x6A7879

# Seconds after which every process follows a change of the data key.
KEY_ROUND = 15.0
log = logging.getLogger(__name__)

Step = Callable[[AsyncConnection], Awaitable[object]]
Finish = Callable[[AsyncConnection, Sequence[Any]], Awaitable[object]]


class Database:
    """Connections, transactions and the cipher."""

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if self.sqlite:
            with _in_one_sentence():
                _file(self.url).parent.mkdir(parents=True, exist_ok=True)
            self.engine = make_engine(self.url, WRITING, pool_size=1, max_overflow=0)
            self.readers = make_engine(self.url, READING, pool_size=4, max_overflow=4)
        else:
            # Its errors get into logs, so they name no values: whose row it was, which tag.
            self.engine = create_async_engine(
                self.url, pool_size=8, max_overflow=8, pool_pre_ping=True, hide_parameters=True
            )
            self.readers = self.engine
        self._claim: Claim | None = None
        self._cipher: Cipher | None = None
        self.secrets: tuple[str, ...] = ()  # the operator's, the one in force first
        # By the id of a transaction's connection, while the transaction lasts.
        self._ends: dict[int, list[tuple[Finish, Sequence[Any]]]] = {}

    @property
    def cipher(self) -> Cipher:
        if self._cipher is None:
            raise StoreError("the database is not open yet")
        return self._cipher

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: commits at the end of the block, or not at all."""
        async with self.engine.begin() as connection:
            ends = self._ends[id(connection)] = []
            try:
                yield connection
                together: dict[Finish, list[Any]] = {}
                for finish, items in ends:
                    together.setdefault(finish, []).extend(items)
                for finish, whole in together.items():
                    await finish(connection, whole)
            finally:
                del self._ends[id(connection)]

    async def at_end(
        self, connection: AsyncConnection, finish: Finish, items: Sequence[Any]
    ) -> None:
        """Have ``finish`` write items when all else of the transaction is written, right before
        it commits: for what everybody writes, so that its lock is the last and the shortest held.

        SQLite, whose transactions exclude each other anyway, writes at once.
        """
        if self.sqlite:
            await finish(connection, items)
        else:
            self._ends[id(connection)].append((finish, items))

    @asynccontextmanager
    async def part(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """A part of a transaction that may fail alone: it leaves nothing, now or at the end."""
        ends = self._ends[id(connection)]
        before = len(ends)
        try:
            async with connection.begin_nested():
                yield
        except BaseException:
            del ends[before:]
            raise

    async def write_rows(
        self,
        script: Script,
        first: Step | None = None,
        last: Step | None = None,
    ) -> Any:
        """A script as one transaction, the cheapest way to write; what the script returns.

        Args:
            first, last: what else PostgreSQL is told in the transaction.
        """
        if self.sqlite:
            async with self.engine.connect() as connection:
                return await visit(connection, play_here, WRITING, script)
        async with self.write() as connection:
            if first is not None:
                await first(connection)
            result = await play(connection, script)
            if last is not None:
                await last(connection)
            return result

    async def read_rows(self, script: Script) -> Any:
        """A script that only asks; what it returns."""
        async with self.read() as connection:
            if self.sqlite:
                return await visit(connection, play_here, READING, script)
            return await play(connection, script)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to look with."""
        async with self.readers.connect() as connection:
            yield connection

    @asynccontextmanager
    async def survey(self) -> AsyncIterator[AsyncConnection]:
        """A connection to look through many residents with, see :meth:`plan_afresh`."""
        async with self.read() as connection:
            await self.plan_afresh(connection)
            yield connection

    async def plan_afresh(self, connection: AsyncConnection) -> None:
        """Have PostgreSQL plan the transaction's queries for the values that they ask for.

        A query that it has planned five times it goes on with in one way for all values. One by
        key loses nothing by that; one over a million residents took twenty times as long.
        """
        if not self.sqlite:
            await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))

    async def lock_leases(self, connection: AsyncConnection) -> None:
        """One lease at a time, over all processes, until the transaction ends.

        SQLite's writing transactions exclude each other anyway. On PostgreSQL this is simpler
        than row locks and, held for a millisecond a batch, costs nothing: a lease never sees
        a half-made one, so no message overtakes another of the same resident.

        The order of locks, everywhere: leases, conversations, residents (each by their ids),
        alerts, and at the very end the trail.
        """
        if not self.sqlite:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LEASE_LOCK}
            )

    async def lock_alerts(self, connection: AsyncConnection) -> None:
        """One change of alerts at a time, over all processes, until the transaction ends.

        A case joins alerts that other transactions are changing; alerts are few, and waiting
        is simpler than an order of row locks.
        """
        if not self.sqlite:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ALERT_LOCK}
            )

    async def lock_trail(self, connection: AsyncConnection) -> None:
        """One writer of the trail at a time: it is one chain. Taken last, see :meth:`at_end`."""
        if not self.sqlite:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TRAIL_LOCK}
            )

    def insert(self, table: Table) -> Any:
        """An INSERT of this database's dialect, for ``on_conflict_do_nothing`` and its kin."""
        if self.sqlite:
            return sqlite_insert(table)
        from sqlalchemy.dialects.postgresql import insert  # where SQLite is used nothing needs it

        return insert(table)

    def among(self, column: Any, name: str) -> Any:
        """That a column is one of the values bound to a name as :meth:`listed` gives them.

        One parameter, however many they are: an ``in_`` of hundreds is spelled out at each call.
        """
        if self.sqlite:
            each = func.json_each(bindparam(name, type_=String())).table_valued("value")
            return column.in_(select(each.c.value))
        return column == any_(bindparam(name, type_=ARRAY(column.type)))

    def listed(self, values: Iterable[str] | Iterable[int]) -> Any:
        """Values for :meth:`among`."""
        return orjson.dumps(list(values)).decode() if self.sqlite else list(values)

    def prepare(
        self,
        statement: Insert | Update,
        columns: Sequence[str] = (),
        fixed: dict[str, Any] | None = None,
    ) -> Prepared:
        """A statement for many rows, compiled once, as :class:`.Prepared` says."""
        return Prepared(statement, self.engine.dialect, columns, fixed)

    def query(self, statement: Select[Any]) -> Query:
        """A question that is asked often, compiled once, as :class:`.Query` says."""
        return Query(statement, self.engine.dialect)

    def claim(self) -> None:
        """Be the one process that serves an SQLite file, until it is closed; PostgreSQL is served
        by any number.

        Raises:
            StoreError: another process serves this file.
        """
        if self.sqlite:
            with _in_one_sentence():
                self._claim = Claim(_file(self.url))

    async def upgrade(self) -> None:
        """Bring the schema up to date.

        Raises:
            StoreError: no connection, or a migration that fails.
        """
        with _in_one_sentence():
            async with self.engine.begin() as connection:
                await connection.run_sync(migrations.upgrade)

    async def open(self, secret: str, former: str = "") -> None:
        """Check the schema and load the keys; makes them in an empty database.

        Args:
            former: the secret before this one, for keys that are still wrapped with it.

        Raises:
            StoreError: no connection, an old schema, or the wrong secret.
        """
        self.secrets = (secret, former) if former else (secret,)
        with _in_one_sentence():
            async with self.engine.begin() as connection:
                await connection.run_sync(migrations.require_current)
                now = datetime.now(UTC)
                rows = [
                    {"purpose": p, "wrapped": wrap(secret, p, new_key()), "created_at": now}
                    for p in (DATA, INDEX)
                ]
                # Two processes may start at once: the first one's keys stay.
                await connection.execute(self.insert(DATA_KEY).on_conflict_do_nothing(), rows)
            await self.reload_keys()

    async def reload_keys(self) -> dict[str, bytes]:
        """Write and read under the keys as they are now; the keys.

        Raises:
            StoreError: a key is wrapped with a secret that this process was not given.
        """
        async with self.readers.connect() as connection:
            keys = await read_keys(connection, self.secrets)
        if self._cipher is None:
            self._cipher = Cipher(keys[DATA], keys[INDEX])
        # Who holds the cipher already goes on with the new keys.
        self._cipher.adopt(keys[DATA], [keys[p] for p in (FORMER, NEXT) if p in keys])
        return keys

    async def watch_keys(self) -> None:
        """Follow a change of the data key made elsewhere, for as long as the task lives."""
        while True:
            await asyncio.sleep(KEY_ROUND)
            try:
                await self.reload_keys()
            except (StoreError, SQLAlchemyError, OSError):
                log.exception("the keys could not be read again; those at hand stay in use")

    async def rekey(self, old: str, new: str) -> None:
        """Wrap the keys with a new secret; no row of content is touched.

        Raises:
            StoreError: no connection, an old schema, or ``old`` is not the secret that the keys
                are wrapped with.
        """
        with _in_one_sentence():
            async with self.engine.begin() as connection:
                await connection.run_sync(migrations.require_current)
                await wrap_keys(connection, (new, old))

    async def ready(self) -> bool:
        """Whether the database answers within two seconds, from a table of ours."""
        if self._file_gone():
            return False
        try:
            async with asyncio.timeout(2), self.readers.connect() as connection:
                await connection.execute(select(DATA_KEY.c.purpose).limit(1))
        except (SQLAlchemyError, OSError, TimeoutError):
            return False
        return True

    def _file_gone(self) -> bool:
        """An SQLite file that was removed: open connections would go on writing to nowhere."""
        return self.sqlite and not _file(self.url).exists()

    async def close(self) -> None:
        await self.engine.dispose()
        if self.readers is not self.engine:
            await self.readers.dispose()
        if self._claim is not None:
            self._claim.release()
            self._claim = None


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (SQLAlchemyError, ValueError):
        raise StoreError("JXW_DATABASE_URL cannot be read: is its port a number?") from None


def _file(url: URL) -> Path:
    """The file of an SQLite database.

    Raises:
        StoreError: there is none, or a folder stands in its place.
    """
    if not url.database or url.database == ":memory:":
        raise StoreError("JXW_DATABASE_URL names no file: sqlite+aiosqlite:///data/jingxiaowei.db")
    path = Path(url.database)
    if path.is_dir():
        raise StoreError(f"JXW_DATABASE_URL names the folder {path}: name a file in it")
    return path


@contextmanager
def _in_one_sentence() -> Iterator[None]:
    """A database that cannot be reached or used is told of in a sentence, not in a traceback."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(f"the database cannot be opened: {_brief(error)}") from None


def _brief(error: Exception) -> str:
    """The database's own words without SQL, parameters or password."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(original).splitlines()[0] if str(original) else type(error).__name__
