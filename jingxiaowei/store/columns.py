"""How columns are declared: shared by every module of tables."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict
from sqlalchemy import BigInteger, Column, DateTime, Dialect, Integer, TypeDecorator
from sqlalchemy import Enum as EnumColumn
from sqlalchemy import Table as CoreTable
from sqlmodel import Field, SQLModel


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime: SQLite hands back naive ones, and a naive one must never go in."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a naive datetime reached the database")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def choice(enum: type[StrEnum]) -> EnumColumn:
    """Stores the value, not the name, and as text: a new state needs no migration."""
    return EnumColumn(
        enum, native_enum=False, length=20, values_callable=lambda e: [m.value for m in e]
    )


def serial() -> Any:
    """A growing 64-bit key on both databases (SQLite grows only INTEGER)."""
    return Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    )


def reference() -> Any:
    return Field(default=None, sa_type=BigInteger)


def moment(**options: Any) -> Any:
    return Field(sa_type=UTCDateTime, **options)


class TableModel(SQLModel):
    """The base of all tables. Rows are written and read as they are, so no table's validator is
    ever asked: none is built, which would take a second of each start, and memory for good.
    """

    model_config = ConfigDict(defer_build=True)  # type: ignore[assignment]


# The keyed hash is the row's place: one tree on SQLite instead of a table and an index.
KEYED = {"sqlite_with_rowid": False}


def core(model: type[SQLModel]) -> CoreTable:
    """The model's table, for statements over many rows."""
    table: CoreTable = model.__table__  # type: ignore[attr-defined]
    return table
