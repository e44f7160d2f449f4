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
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import Enum
from itertools import chain
from typing import Any

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


def _for_sqlite(values: Iterable[Any]) -> list[Any]:
    """As SQLAlchemy's own types store it: aware times as UTC text, enums as their value."""
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
        returning: the columns that :meth:`run` gives back of each row that was written.
    """

    def __init__(
        self,
        statement: Insert | Update,
        dialect: Dialect,
        columns: Sequence[str] = (),
        fixed: Row | None = None,
        returning: Sequence[str] = (),
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
        self._convert = _for_sqlite if self._sqlite else _for_postgres
        self._returning = bool(returning)
        if returning:
            given = given.returning(*(given.table.c[name] for name in returning))
        compiled = given.compile(dialect=dialect)
        self._body = str(compiled)
        self._fixed = self._convert(compiled.params[name] for name in compiled.positiontup or ())
        self._arrays = [
            f"${number}::{dialect.type_compiler_instance.process(type_)}[]"
            for number, type_ in enumerate(types.values(), len(self._fixed) + 1)
        ]
        self._texts: dict[int, str] = {}

    async def run(self, connection: AsyncConnection, rows: Sequence[Row]) -> list[Any]:
        """Execute for all rows; the ``returning`` columns of those that were written."""
        if not rows:
            return []
        if self._sqlite:
            written: list[Any] = await visit(connection, self.run_here, rows)
            return written
        columns = [self._convert([row[name] for row in rows]) for name in self._names]
        result = await connection.exec_driver_sql(self._text(0), (*self._fixed, *columns))
        return list(result) if self._returning else []

    def run_here(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> list[Any]:
        """As :meth:`run`, in SQLite's own thread."""
        columns = [self._convert([row[name] for row in rows]) for name in self._names]
        flat = list(chain.from_iterable(zip(*columns, strict=True)))
        written, width = [], len(columns)
        for start in range(0, len(rows), _ROOMS[-1]):
            count = min(len(rows) - start, _ROOMS[-1])
            room = _ROOMS[bisect_left(_ROOMS, count)]
            part = flat[start * width : (start + count) * width]
            part += [None] * ((room - count) * width)
            part += [count, *self._fixed]
            written += connection.execute(self._text(room), part).fetchall()
        return written

    def _text(self, room: int) -> str:
        """The statement; on SQLite with room for so many rows, and how many there are after them."""
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


# Statements with their rows, one after the other; a yield gives what the statement returned.
Script = Generator[tuple[Prepared, Sequence[Row]], list[Any], None]


async def visit(connection: AsyncConnection, work: Callable[..., Any], *arguments: Any) -> Any:
    """Run ``work(connection, *arguments)`` in the thread of an SQLite connection: one way there and
    back for many statements, where each call of the driver is one.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        return await driver._execute(work, driver._conn, *arguments)
    except sqlite3.Error as error:
        # As SQLAlchemy tells of it, and without what the rows hold.
        raise DBAPIError.instance(
            work.__name__, None, error, sqlite3.Error, dialect=connection.dialect
        ) from error


def play_here(connection: sqlite3.Connection, script: Script) -> None:
    """A script as one transaction, in SQLite's own thread."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for prepared, rows in _asked(script, answers := []):
            answers.append(prepared.run_here(connection, rows))
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


async def play(connection: AsyncConnection, script: Script) -> None:
    """A script within a transaction."""
    for prepared, rows in _asked(script, answers := []):
        answers.append(await prepared.run(connection, rows))


def _asked(script: Script, answers: list[list[Any]]) -> Iterator[tuple[Prepared, Sequence[Row]]]:
    """What a script asks for, each once the one before is answered."""
    try:
        asked = next(script)
        while True:
            yield asked
            asked = script.send(answers.pop())
    except StopIteration:
        return


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
