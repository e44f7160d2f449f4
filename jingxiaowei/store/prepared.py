"""Statements for many rows at once, compiled once: the hot path's way through the database.

A batch is handed over as a table of its own, ``given``: one ``INSERT … SELECT FROM given`` or
``UPDATE … FROM given`` a batch instead of a statement a row. On PostgreSQL a column is an array;
on SQLite the rows stand in VALUES of few lengths, so that each text is parsed once; what a length
is too long by is left empty and not read. There it matters most: SQLite's thread gives Python's
lock away with each step it takes, and has to win it back from a busy loop; a step a batch instead
of a step a row halves its cost.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from itertools import chain
from typing import Any, Protocol

from sqlalchemy import Insert, Update, column, literal, literal_column, select, table
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import replacement_traverse

Row = dict[str, Any]
_MOMENT = len("2026-01-01 00:00:00.000000")
# Rows that a statement has room for on SQLite, far below its limit of parameters.
_ROOMS = (1, 2, 4, 8, 16, 32, 64, 128)


def for_sqlite(values: Iterable[Any]) -> list[Any]:
    """As SQLAlchemy's own types store values: aware times as UTC text, enums as their value."""
    converted, moment, text = [], None, ""
    for value in values:
        if type(value) is datetime:
            if value is not moment:  # most of a batch's times are one object
                moment, text = value, _utc_text(value)
            value = text
        elif isinstance(value, Enum):
            value = value.value
        converted.append(value)
    return converted


def _utc_text(value: datetime) -> str:
    if value.tzinfo is not UTC:
        value = _aware(value).astimezone(UTC)
    return value.isoformat(" ", "microseconds")[:_MOMENT]


def _for_postgres(values: Iterable[Any]) -> list[Any]:
    return [
        _aware(value)
        if type(value) is datetime
        else value.value
        if isinstance(value, Enum)
        else value
        for value in values
    ]


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a naive datetime reached the database")
    return value


class Prepared:
    """A statement whose rows come as dicts, by column (INSERT), or by bound name (UPDATE, and
    INSERT … SELECT).

    An UPDATE's rows must differ in what they are found by: of two for one row, either may win.

    Args:
        columns: of an INSERT, those that each row brings; ``fixed`` are the same in all.
    """

    def __init__(
        self,
        statement: Insert | Update,
        dialect: Dialect,
        columns: Sequence[str] = (),
        fixed: Row | None = None,
    ) -> None:
        self._sqlite = dialect.name == "sqlite"
        given: Insert | Update
        if isinstance(statement, Insert) and statement.select is None:
            given, types = _inserting(statement, columns, fixed or {})
        else:
            given, types = _bound(statement, dialect)
        self._names = list(types)
        self._given = ", ".join(map(dialect.identifier_preparer.quote, types))
        self._convert: Callable[[Iterable[Any]], list[Any]]
        self._convert = for_sqlite if self._sqlite else _for_postgres
        compiled = given.compile(dialect=dialect)
        self._body = str(compiled)
        self._fixed = self._convert(compiled.params[name] for name in compiled.positiontup or ())
        self._arrays = [
            f"${number}::{dialect.type_compiler_instance.process(type_)}[]"
            for number, type_ in enumerate(types.values(), len(self._fixed) + 1)
        ]
        self._texts: dict[int, str] = {}

    async def run(self, connection: AsyncConnection, rows: Sequence[Row]) -> list[int]:
        """Execute for all rows; in the list, how many were written.

        Not which: SQLite's thread would give Python's lock away once more for each.
        """
        if not rows:
            return [0]
        if self._sqlite:
            written: list[int] = await visit(connection, self.run_here, rows)
            return written
        columns = [self._convert([row[name] for row in rows]) for name in self._names]
        result = await connection.exec_driver_sql(self._text(0), (*self._fixed, *columns))
        return [result.rowcount]

    def run_here(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> list[int]:
        """As :meth:`run`, in SQLite's own thread."""
        columns = [self._convert([row[name] for row in rows]) for name in self._names]
        flat = list(chain.from_iterable(zip(*columns, strict=True)))
        before, width = connection.total_changes, len(columns)
        for start in range(0, len(rows), _ROOMS[-1]):
            count = min(len(rows) - start, _ROOMS[-1])
            room = _ROOMS[bisect_left(_ROOMS, count)]
            part = flat[start * width : (start + count) * width]
            part += [None] * ((room - count) * width)
            part += [count, *self._fixed]
            connection.execute(self._text(room), part)
        return [connection.total_changes - before]

    def _text(self, room: int) -> str:
        """The statement; on SQLite with room for some rows, and their number to come after them."""
        text = self._texts.get(room)
        if text is None:
            if self._sqlite:
                row = f"({', '.join('?' * len(self._names))})"
                source = f"(VALUES {', '.join([row] * room)}) LIMIT ?"
            else:
                source = f"unnest({', '.join(self._arrays)})"
            chosen = f"SELECT * FROM {source}"  # noqa: S608 - places and types of ours
            text = f"WITH given ({self._given}) AS ({chosen}) {self._body}"
            self._texts[room] = text
        return text


class Statement(Protocol):
    """What a script may ask for: to write rows, or a query with its parameters."""

    async def run(self, connection: AsyncConnection, given: Any, /) -> list[Any]: ...

    def run_here(self, connection: sqlite3.Connection, given: Any, /) -> list[Any]: ...


# Statements with what each is given, one after the other; a yield gives what it came to.
Script = Generator[tuple[Statement, Any], list[Any], Any]


async def visit(connection: AsyncConnection, work: Callable[..., Any], *arguments: Any) -> Any:
    """Run ``work(connection, *arguments)`` in the thread of an SQLite connection: one way there and
    back for many statements, where each call of the driver is one.
    """
    driver = (await connection.get_raw_connection()).driver_connection
    return await in_thread_of(driver, connection.dialect, work, *arguments)


async def in_thread_of(
    driver: Any, dialect: Dialect, work: Callable[..., Any], *arguments: Any
) -> Any:
    """As :func:`visit`, by the driver's own connection."""
    try:
        return await driver._execute(work, driver._conn, *arguments)
    except sqlite3.Error as error:
        # As SQLAlchemy tells of it, and without what the rows hold.
        raise DBAPIError.instance(
            work.__name__, None, error, sqlite3.Error, dialect=dialect
        ) from error


def play_here(connection: sqlite3.Connection, begin: str, script: Script) -> Any:
    """A script as one transaction, in SQLite's own thread; what it returns."""
    connection.execute(begin)
    try:
        result = _play_in(connection, script)
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
    return result


def _play_in(connection: sqlite3.Connection, script: Script) -> Any:
    try:
        statement, given = next(script)
        while True:
            statement, given = script.send(statement.run_here(connection, given))
    except StopIteration as ended:
        return ended.value


async def play(connection: AsyncConnection, script: Script) -> Any:
    """A script within a transaction; what it returns."""
    if connection.dialect.name == "sqlite":
        return await visit(connection, _play_in, script)
    try:
        statement, given = next(script)
        while True:
            statement, given = script.send(await statement.run(connection, given))
    except StopIteration as ended:
        return ended.value


def _inserting(
    statement: Insert, columns: Sequence[str], fixed: Row
) -> tuple[Insert, dict[str, Any]]:
    """The INSERT from ``given``, and the types of its columns."""
    target = statement.table
    given = table("given", *(column(name) for name in columns))
    constants = [literal(value, target.c[name].type) for name, value in fixed.items()]
    # SQLite takes an ON after FROM for a join's, unless a WHERE stands between.
    source = select(*given.c, *constants).where(literal_column("1 = 1"))
    chosen = statement.from_select([*columns, *fixed], source, include_defaults=False)
    return chosen, {name: target.c[name].type for name in columns}


def _bound(statement: Insert | Update, dialect: Dialect) -> tuple[Insert | Update, dict[str, Any]]:
    """The statement from ``given``, whose columns take the place of the bound names."""
    binds = statement.compile(dialect=dialect).binds
    types = {name: bind.type for name, bind in binds.items() if bind.required}
    given = table("given", *(column(name, type_) for name, type_ in types.items()))

    def replace(element: Any, **_: Any) -> Any:
        if isinstance(element, BindParameter) and element.key in types:
            return given.c[element.key]
        return None

    chosen: Any = replacement_traverse(statement, {}, replace)
    return chosen, types
