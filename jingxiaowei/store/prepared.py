"""Statements for many rows, compiled once: the hot path's way around per-row compilation.

SQLAlchemy works out names, types and order anew for each row of an ``executemany``; here that is
done once a statement, and a row costs what the driver costs.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from sqlalchemy import Insert, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection


def _for_sqlite(value: Any) -> Any:
    """As SQLAlchemy's own types store it: aware times as UTC text, enums as their value."""
    kind = type(value)
    if kind is datetime:
        if value.tzinfo is not UTC:
            value = _aware(value).astimezone(UTC)
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value.value if isinstance(value, Enum) else value


def _for_postgres(value: Any) -> Any:
    if type(value) is datetime:
        return _aware(value)
    return value.value if isinstance(value, Enum) else value


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a naive datetime reached the database")
    return value


class Prepared:
    """A statement whose rows come as dicts, by column (INSERT) or bound name (UPDATE)."""

    def __init__(
        self, statement: Insert | Update, dialect: Dialect, columns: Sequence[str] | None = None
    ) -> None:
        if isinstance(statement, Insert):
            statement = statement.inline()  # nobody asks for the new keys
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        self._sql = str(compiled)
        self._names: list[str] = list(compiled.positiontup or ())
        self._fixed = {n: b.value for n, b in compiled.binds.items() if not b.required}
        self._convert = _for_sqlite if dialect.name == "sqlite" else _for_postgres

    async def run(self, connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
        """Execute for each row, in order."""
        if not rows:
            return
        convert, fixed = self._convert, self._fixed
        sources = [(name, name in fixed) for name in self._names]
        values = [
            tuple([convert(fixed[name] if given else row[name]) for name, given in sources])
            for row in rows
        ]
        await connection.exec_driver_sql(self._sql, values)
