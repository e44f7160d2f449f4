"""The migrations make the schema that the models describe, on both databases."""

from sqlalchemy import Connection, inspect

from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import AREA, INBOX, OUTBOX


async def test_migrations_and_models_agree(database: Database) -> None:
    def found(connection: Connection) -> dict[str, tuple[set[str], set[str]]]:
        look = inspect(connection)
        return {
            table: (
                {column["name"] for column in look.get_columns(table)},
                {str(index["name"]) for index in look.get_indexes(table)},
            )
            for table in look.get_table_names()
            if table != "alembic_version"
        }

    async with database.write() as connection:
        made = await connection.run_sync(found)
    assert set(made) == set(AREA.metadata.tables)
    for name, table in AREA.metadata.tables.items():
        columns, indexes = made[name]
        assert columns == {column.name for column in table.columns}, name
        wanted = {str(index.name) for index in table.indexes}
        if not database.sqlite or name != "outbox":  # SQLite cannot show an index of expressions
            assert wanted <= indexes, name


async def test_waiting_work_is_found_without_reading_the_table(database: Database) -> None:
    if not database.sqlite:
        return  # PostgreSQL chooses by statistics, which an empty table has none of
    async with database.write() as connection:
        for table, query in (
            (INBOX, "SELECT id FROM inbox WHERE inbox.state = 'new' ORDER BY id LIMIT 5"),
            (
                OUTBOX,
                "SELECT id FROM outbox WHERE outbox.state = 'pending' "
                "ORDER BY urgent DESC, id LIMIT 5",
            ),
        ):
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")
            steps = " ".join(str(row[-1]) for row in plan)
            assert f"ix_{table.name}_waiting" in steps
            assert "TEMP B-TREE" not in steps
