"""Alembic's entry: migrations run on the connection that :mod:`jingxiaowei.store` opened."""

from alembic import context

from jingxiaowei.store.tables import AREA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=AREA.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
