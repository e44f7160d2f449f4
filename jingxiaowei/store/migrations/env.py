"""Alembic's entry: migrations run on the connection that :mod:`jingxiaowei.store` opened."""

from alembic import context

# Every module of tables must be known here.
from jingxiaowei.store.alert_tables import ALERT
from jingxiaowei.store.file_tables import ASSIGNMENT  # noqa: F401
from jingxiaowei.store.mirror_tables import CORP_TAG  # noqa: F401

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=ALERT.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
