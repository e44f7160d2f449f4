"""numbers for good: on SQLite, a message's or a tag's number is never given to another.

What goes with an erased file leaves its numbers behind in the trail and in old buttons. PostgreSQL's
sequences give no number twice; SQLite gives the highest again once its row is gone.
"""

import re
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLES = ("inbox", "tag_assignment")


def upgrade() -> None:
    for table in _TABLES:
        _make_anew(table, _with_autoincrement)


def downgrade() -> None:
    for table in _TABLES:
        _make_anew(table, _without_autoincrement)


def _with_autoincrement(made_by: str) -> str:
    return _once(
        r",\s*PRIMARY KEY \(id\)",
        "",
        _once("id INTEGER NOT NULL", "id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL", made_by),
    )


def _without_autoincrement(made_by: str) -> str:
    return _once(" AUTOINCREMENT", "", made_by)


def _once(pattern: str, by: str, text: str) -> str:
    changed, times = re.subn(pattern, by, text)
    if times != 1:
        raise ValueError(f"the table does not look as it was made: {text}")
    return changed


def _make_anew(table: str, change: Callable[[str], str]) -> None:
    """SQLite changes no column: the table is made again beside, and takes the old one's place."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    asked = sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :t AND sql IS NOT NULL")
    found = connection.execute(asked, {"t": table}).all()
    [made_by] = [sql for kind, sql in found if kind == "table"]
    new = change(_once(rf'^CREATE TABLE "?{table}"?', f"CREATE TABLE {table}_anew", made_by))
    op.execute(sa.text(new))
    op.execute(sa.text(f"INSERT INTO {table}_anew SELECT * FROM {table}"))
    op.execute(sa.text(f"DROP TABLE {table}"))
    op.execute(sa.text(f"ALTER TABLE {table}_anew RENAME TO {table}"))
    for kind, sql in found:
        if kind == "index":
            op.execute(sa.text(sql.replace(":", r"\:")))
