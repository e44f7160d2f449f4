"""Both databases' dialects, so that what one test's engine has compiled serves the next one's.

Every test opens engines of its own, and SQLAlchemy compiles each statement once an engine: a
fifth of the suite's time. Here a worker compiles it once.
"""

from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache


class _Alike:
    """Equal to every other of its class, and sharing one cache with them."""

    compiled: LRUCache[Any, Any]

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.compiled = LRUCache(2000)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        super().engine_created(engine)  # type: ignore[misc]
        engine.update_execution_options(compiled_cache=cls.compiled)


class SQLite(_Alike, SQLiteDialect_aiosqlite):
    supports_statement_cache = True


class PostgreSQL(_Alike, PGDialect_asyncpg):
    supports_statement_cache = True


def share() -> None:
    """Have every engine from here on use them."""
    registry.register("sqlite.aiosqlite", __name__, SQLite.__name__)
    registry.register("postgresql.asyncpg", __name__, PostgreSQL.__name__)
