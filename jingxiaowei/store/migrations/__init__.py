"""Schema migrations (Alembic), run on a connection that the caller opened."""

import re
from collections import Counter
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from jingxiaowei.errors import StoreError

_FOLDER = Path(__file__).parent
_NAMED = re.compile(r'^(?:down_)?revision = "(\w+)"', re.MULTILINE)


def upgrade(connection: Connection) -> None:
    """Apply what is missing."""
    if _current(connection) == _head():
        return
    # Alembic and the dialects that it brings take as long to import as all that it finds here.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _head() -> str:
    """The newest migration: the one that no other one follows."""
    named = Counter(
        revision
        for file in (_FOLDER / "versions").glob("*.py")
        for revision in _NAMED.findall(file.read_text("utf-8"))
    )
    heads: list[str] = [revision for revision, times in named.items() if times == 1]
    (head,) = heads
    return head


def _current(connection: Connection) -> str | None:
    """The newest migration that the database has."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def require_current(connection: Connection) -> None:
    """Check that nothing is missing.

    Raises:
        StoreError: the schema is older or newer than this program.
    """
    head, current = _head(), _current(connection)
    if current != head:
        raise StoreError(
            f"the database's schema is at {current or 'nothing'}, this program needs {head}: "
            "run jingxiaowei db upgrade"
        )
