"""Schema migrations (Alembic), run on a connection that the caller opened."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from jingxiaowei.errors import StoreError


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Apply what is missing."""
    command.upgrade(_config(connection), "head")


def require_current(connection: Connection) -> None:
    """Check that nothing is missing.

    Raises:
        StoreError: the schema is older or newer than this program.
    """
    head = ScriptDirectory.from_config(_config()).get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    if current != head:
        raise StoreError(
            f"the database's schema is at {current or 'nothing'}, this program needs {head}: "
            "run jingxiaowei db upgrade"
        )
