"""Questions of the hot path, compiled once and asked in SQLite's own thread.

There each call of the driver is a way to another thread and back, and SQLAlchemy makes four of
them for one SELECT. A query asked within a script costs none of its own.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Select
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.store.prepared import Row, for_sqlite, visit


class Query:
    """A SELECT whose parameters come as a dict. Its rows have the columns' names, and the values
    that the columns' types give. It holds no ``in_``, whose text depends on what is given.
    """

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        self._statement = statement
        self._sqlite = dialect.name == "sqlite"
        compiled = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._order = compiled.positiontup or []
        self._fixed = compiled.params
        columns = list(statement.selected_columns)
        row: Any = namedtuple("Found", [column.key for column in columns])  # type: ignore[misc]
        self._row: Callable[[Iterable[Any]], Any] = row._make
        self._converted: list[tuple[int, Callable[[Any], Any]]] = []
        for place, column in enumerate(columns):
            convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
            if convert is not None:
                self._converted.append((place, convert))

    async def run(self, connection: AsyncConnection, given: Row) -> list[Any]:
        """All rows."""
        if self._sqlite:
            found: list[Any] = await visit(connection, self.run_here, given)
            return found
        return list(await connection.execute(self._statement, given))

    def run_here(self, connection: sqlite3.Connection, given: Row) -> list[Any]:
        """As :meth:`run`, in SQLite's own thread."""
        values = for_sqlite(
            [(given if name in given else self._fixed)[name] for name in self._order]
        )
        rows = connection.execute(self._text, values).fetchall()
        if rows and self._converted:
            columns = list(zip(*rows, strict=True))
            for place, convert in self._converted:
                columns[place] = tuple([convert(value) for value in columns[place]])
            rows = list(zip(*columns, strict=True))
        return list(map(self._row, rows))
