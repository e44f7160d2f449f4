"""Statements for many rows, on both databases."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, literal, select, update
from sqlalchemy.exc import IntegrityError

from jingxiaowei.services.ledger import _DONE, _HEARD, _RELEASE
from jingxiaowei.services.outbox import _COUNT, _FINISH, _HOLD
from jingxiaowei.store.engine import Database
from jingxiaowei.store.prepared import Script
from jingxiaowei.store.tables import CONVERSATION, IDENTITY, RESIDENT, Holder

NOW = datetime(2026, 5, 4, 3, 2, 1, 70, tzinfo=UTC)


async def conversations(database: Database) -> list[Any]:
    async with database.read() as connection:
        found = await connection.execute(select(CONVERSATION).order_by(CONVERSATION.c.id))
        return list(found)


@pytest.mark.parametrize("count", [0, 1, 3, 301])
async def test_any_number_of_rows_goes_in_once(database: Database, count: int) -> None:
    put = database.prepare(
        database.insert(CONVERSATION).on_conflict_do_nothing(),
        ("id", "heard_at"),
        {"holder": Holder.HUMAN, "sent_since": 2, "brief": False},
    )
    rows = [{"id": f"{n:03}", "heard_at": NOW, "more": "is left out"} for n in range(count)]
    async with database.write() as connection:
        first = await put.run(connection, rows[: count // 2])
        rest = await put.run(connection, [*rows, *rows])
    assert (first, rest) == ([count // 2], [count - count // 2])
    stored = await conversations(database)
    assert [row.id for row in stored] == [row["id"] for row in rows]
    assert all((row.holder, row.sent_since) == (Holder.HUMAN, 2) for row in stored)
    assert all(row.heard_at == NOW for row in stored)


async def test_each_row_is_changed_by_its_own(database: Database) -> None:
    put = database.prepare(
        database.insert(CONVERSATION), ("id", "holder", "sent_since", "brief", "topic")
    )
    change = database.prepare(
        update(CONVERSATION)
        .where(CONVERSATION.c.id == bindparam("row"), CONVERSATION.c.sent_since > 0)
        .values(
            sent_since=CONVERSATION.c.sent_since + bindparam("n"),
            holder=bindparam("to"),  # a word of SQL's
            held_at=bindparam("at"),
            brief=True,
        )
    )
    base = {"holder": Holder.BOT, "brief": False, "topic": b"\0\xff"}
    china = timezone(timedelta(hours=8))
    async with database.write() as connection:
        await put.run(connection, [base | {"id": f"{n:02}", "sent_since": n} for n in range(70)])
        await change.run(
            connection,
            [
                {"row": f"{n:02}", "n": n, "to": Holder.HUMAN, "at": NOW.astimezone(china)}
                for n in range(60)
            ],
        )
    for n, row in enumerate(await conversations(database)):
        changed = 0 < n < 60
        assert row.sent_since == (2 * n if changed else n)
        assert (row.holder is Holder.HUMAN, row.brief) == (changed, changed)
        assert row.held_at == (NOW if changed else None)
        assert row.topic == b"\0\xff"


async def test_a_naive_time_and_a_clash_are_refused(database: Database) -> None:
    put = database.prepare(database.insert(RESIDENT), ("id", "created_at"))
    naive = {"id": "a", "created_at": NOW.replace(tzinfo=None)}
    with pytest.raises(ValueError, match="naive"):
        async with database.write() as connection:
            await put.run(connection, [naive])
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await put.run(connection, [{"id": "a", "created_at": NOW}] * 2)
    identity = database.prepare(
        database.insert(IDENTITY),
        ("id", "resident_id", "created_at"),
        {"channel": "web", "account": "web", "address": b""},
    )
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await identity.run(connection, [{"id": "a", "resident_id": "b", "created_at": NOW}])
    async with database.read() as connection:
        assert not (await connection.execute(select(RESIDENT))).all()


async def test_rows_to_change_are_found_by_their_key(database: Database) -> None:
    if not database.sqlite:
        return  # PostgreSQL chooses by statistics, which an empty table has none of
    async with database.write() as connection:
        for statement in (_DONE, _HEARD, _RELEASE, _FINISH, _COUNT, _HOLD):
            prepared = database.prepare(statement)
            sql = prepared._text(1)
            values = (*[None] * len(prepared._names), 1, *prepared._fixed)
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            steps = [row[3] for row in plan]
            table = statement.table.name  # type: ignore[attr-defined]
            assert any(step.startswith(f"SEARCH {table} USING") for step in steps), steps


async def test_a_script_is_written_whole_or_not_at_all(database: Database) -> None:
    put = database.prepare(
        database.insert(CONVERSATION),
        ("id",),
        {"holder": Holder.BOT, "sent_since": 0, "brief": False},
    )

    def script(*batches: list[str]) -> Script:
        for batch in batches:
            (written,) = yield put, [{"id": id_} for id_ in batch]
            assert written == len(batch)
            assert batch == sorted(batch)
        return len(batches)

    with pytest.raises(IntegrityError):
        await database.write_rows(script(["a", "b"], ["c"], ["b"]))
    assert not await conversations(database)
    with pytest.raises(AssertionError):
        await database.write_rows(script(["a", "b"], ["d", "c"]))
    assert not await conversations(database)
    assert await database.write_rows(script(["a", "b"], [], ["c"])) == 3
    assert [row.id for row in await conversations(database)] == ["a", "b", "c"]


async def test_rows_are_chosen_by_their_bound_names(database: Database) -> None:
    who = bindparam("who", type_=CONVERSATION.c.id.type)
    at = bindparam("at", type_=CONVERSATION.c.heard_at.type)
    there = select(RESIDENT.c.id).where(RESIDENT.c.id == who).exists()
    chosen = select(who, at, literal("human"), literal(0), literal(False)).where(there)
    columns = ("id", "heard_at", "holder", "sent_since", "brief")
    copy = database.prepare(
        database.insert(CONVERSATION)
        .from_select(columns, chosen, include_defaults=False)
        .on_conflict_do_nothing()
    )
    put = database.prepare(database.insert(RESIDENT), ("id", "created_at"))
    async with database.write() as connection:
        await put.run(connection, [{"id": key, "created_at": NOW} for key in "abc"])
        await copy.run(connection, [{"who": key, "at": NOW} for key in "axbyb"])
        await copy.run(connection, [])
    stored = await conversations(database)
    assert [(row.id, row.heard_at, row.holder) for row in stored] == [
        (key, NOW, Holder.HUMAN) for key in "ab"
    ]


async def test_many_values_pass_as_one(database: Database) -> None:
    put = database.prepare(database.insert(RESIDENT), ("id", "created_at"))
    keys = [f"{n:03}" for n in range(400)] + ['"文']
    query = select(RESIDENT.c.id).where(database.among(RESIDENT.c.id, "keys"))
    async with database.write() as connection:
        await put.run(connection, [{"id": key, "created_at": NOW} for key in keys])
        for wanted in (keys[::3], [], keys[-1:], ["nobody"]):
            found = await connection.execute(query, {"keys": database.listed(wanted)})
            assert sorted(found.scalars()) == sorted(set(wanted) & set(keys))


async def test_a_query_gives_what_the_types_say(database: Database) -> None:
    put = database.prepare(
        database.insert(CONVERSATION),
        ("id", "holder", "sent_since", "brief", "topic", "heard_at", "held_at"),
    )
    first = {"id": "a", "holder": Holder.HUMAN, "brief": True, "topic": b"\0\xff", "heard_at": NOW}
    second = {"id": "b", "holder": Holder.BOT, "brief": False, "topic": None, "heard_at": None}
    rest = {"sent_since": 3, "held_at": NOW - timedelta(days=1)}
    async with database.write() as connection:
        await put.run(connection, [first | rest, second | rest])
    here = CONVERSATION.c
    asked = (
        select(here.id, here.holder, here.brief, here.topic, here.heard_at, here.sent_since)
        .where(database.among(here.id, "ids"), here.held_at < bindparam("now"))
        .where((here.holder == Holder.HUMAN) | (here.sent_since == 3))
        .order_by(here.id)
        .limit(bindparam("most", type_=here.sent_since.type))
    )
    query = database.query(asked)
    given = {"ids": database.listed(["a", "b", "c"]), "now": NOW, "most": 5}
    async with database.read() as connection:
        plainly = [tuple(row) for row in await connection.execute(asked, given)]
        found = await query.run(connection, given)
        assert [tuple(row) for row in found] == plainly
        assert len(await query.run(connection, given | {"most": 1})) == 1
        assert not await query.run(connection, given | {"now": NOW - timedelta(days=2)})
    assert (found[0].holder, found[0].heard_at) == (Holder.HUMAN, NOW)
    assert (found[0].brief, found[0].topic, found[1].topic) == (True, b"\0\xff", None)

    def script() -> Script:
        return [row.id for row in (yield query, given)]

    assert await database.read_rows(script()) == ["a", "b"]
