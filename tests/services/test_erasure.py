"""Erasing: every table, the pictures, and the raw files of both databases."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.erasure import TOUCHED, ErasureError
from jingxiaowei.services.erasure_words import in_words
from jingxiaowei.services.file_parts import PARTS
from jingxiaowei.services.tagging_values import QUOTE
from jingxiaowei.store.alert_tables import ALERT, ENTITY, EVIDENCE, AlertState, AlertVerdict
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ERASURE_RECEIPT,
    REQUEST,
    RequestKind,
    RequestState,
)
from jingxiaowei.store.tables import (
    IDENTITY,
    INBOX,
    MEDIA,
    OUTBOX,
    QUESTION,
    RESIDENT,
    TICKET,
    Role,
)
from tests.services.alerting import SCRIPT
from tests.services.filing import Filing, a_full_file, make_filing


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    return await make_filing(database, mind, tmp_path)


def sealed(rows: list[Any]) -> list[bytes]:
    """Every ciphertext of rows, cut so that it is found wherever its row lies on a page."""
    return [v[:24] for row in rows for v in row if isinstance(v, bytes) and len(v) > 28]


async def raw_files(database: Database) -> list[Path]:
    """The database's own files, logs included."""
    if database.sqlite:
        path = Path(str(database.url.database))
        return [path, path.with_name(f"{path.name}-wal")]
    async with database.read() as connection:
        folder = Path((await connection.execute(text("SHOW data_directory"))).scalar_one())
        own = select(text("oid::text FROM pg_database WHERE datname = current_database()"))
        oid = (await connection.execute(own)).scalar_one()
    # The server's other databases are other tests'; its log is everybody's.
    return await asyncio.to_thread(_below, folder / "base" / oid, folder / "pg_wal")


def _below(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


async def found_in(database: Database, wanted: list[bytes]) -> int:
    found: set[bytes] = set()
    for path in await raw_files(database):
        blob = path.read_bytes() if path.exists() else b""
        found.update(each for each in wanted if each not in found and each in blob)
    return len(found)


async def settle(database: Database) -> None:
    """Everything written reaches the files; used segments of the log are not kept for later."""
    if database.sqlite:
        return
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for command in ("ALTER SYSTEM SET wal_recycle = off", "SELECT pg_reload_conf()"):
            await connection.execute(text(command))
        await connection.execute(text("CHECKPOINT"))


async def test_nothing_is_left_in_the_raw_files(filing: Filing) -> None:
    stays = await a_full_file(filing, "stays")
    goes = await a_full_file(filing, "goes")
    theirs: list[bytes] = []
    others: list[bytes] = []
    async with filing.database.read() as connection:
        for table in (*PARTS.values(), INBOX, OUTBOX, MEDIA, IDENTITY):
            [key] = {"resident_id", "conversation_id"} & set(table.c.keys())
            for who, into in ((goes, theirs), (stays, others)):
                rows = await connection.execute(select(table).where(table.c[key] == who))
                into += sealed(list(rows.all()))
    await settle(filing.database)
    assert len(theirs) > 15
    assert await found_in(filing.database, theirs) == len(theirs)
    erased = await filing.house.erasure.erase(goes, "command line", filing.now)
    assert await filing.house.erasure.scrub_due(filing.now)
    assert await found_in(filing.database, theirs) == 0
    assert await found_in(filing.database, others) == len(others)
    for table in TOUCHED:
        rows = await filing.spine.rows(table)
        named = [r for r in rows if goes in map(str, r)]
        assert named == [], table.name
    [receipt] = await filing.spine.rows(ERASURE_RECEIPT)
    assert receipt.code == erased.code
    assert receipt.scrubbed_at is not None
    assert goes not in str(receipt)
    assert erased.gone["inbox"] == 4
    assert await filing.spine.audit.verify() is None


async def test_pictures_and_work_go_too(filing: Filing) -> None:
    who = await a_full_file(filing, "goes")
    [picture] = await filing.spine.rows(MEDIA)
    assert filing.media.path(picture.id).exists()
    before = await filing.house.erasure.preview(who)
    assert (before.gone["tags"], before.gone["media"], before.gone["tickets"]) == (2, 1, 1)
    assert "标签（含历史） 2" in in_words(before)
    assert "依法留存" in in_words(before)
    await filing.house.erasure.erase(who, "command line", filing.now)
    assert not filing.media.path(picture.id).exists()
    assert await filing.spine.rows(TICKET) == []
    with pytest.raises(ErasureError, match="没有这位居民"):
        await filing.house.erasure.erase(who, "command line", filing.now)


async def test_a_question_that_others_asked_stays_theirs(filing: Filing) -> None:
    goes, _ = await filing.resident("goes"), await filing.resident("stays")
    for name, line in (
        ("goes", "明天天气如何"),
        ("stays", "明天天气如何"),
        ("goes", "哪里能钓鱼"),
    ):
        await filing.hear(name, line)
    assert {row.times for row in await filing.spine.rows(QUESTION)} == {1, 2}
    erased = await filing.house.erasure.erase(goes, "command line", filing.now)
    assert erased.gone["questions"] == 1
    [left] = await filing.spine.rows(QUESTION)
    assert left.times == 1


async def test_what_the_law_keeps_of_alerts(filing: Filing) -> None:
    still_open, closed, lost = [await filing.resident(f"r-{i}") for i in range(3)]
    for i in range(3):
        await filing.hear(f"r-{i}", SCRIPT)
    rows = {row.conversation_id: row.id for row in await filing.spine.rows(ALERT)}
    async with filing.database.write() as connection:
        for who, verdict in ((closed, AlertVerdict.ATTEMPT), (lost, AlertVerdict.LOST)):
            done = {"state": AlertState.CLOSED, "verdict": verdict, "closed_at": filing.now}
            await connection.execute(update(ALERT).where(ALERT.c.id == rows[who]).values(done))
    kept = []
    for who in (still_open, closed, lost):
        erased = await filing.house.erasure.erase(who, "command line", filing.now)
        kept.append(erased.kept["alerts"])
    assert kept == [1, 0, 1]
    evidence = {row.alert_id for row in await filing.spine.rows(EVIDENCE)}
    assert evidence == {rows[still_open], rows[lost]}
    of_closed = [e for e in await filing.spine.rows(ENTITY) if e.alert_id == rows[closed]]
    assert {e.kind for e in of_closed} == {"account"}
    [bare] = [a for a in await filing.spine.rows(ALERT) if a.id == rows[closed]]
    assert bare.conversation_id not in (still_open, closed, lost)
    assert bare.verdict is AlertVerdict.ATTEMPT


async def test_who_may_erase(filing: Filing) -> None:
    who = await filing.resident("goes", "wuyuan")
    helper = await filing.officer("王芳", Role.AUXILIARY)
    elsewhere = await filing.officer("李强一", area="ganpu")
    police = await filing.officer("陈国华", area="wuyuan")
    for officer in (helper, elsewhere):
        with pytest.raises(PermissionDeniedError):
            await filing.house.erasure.erase_for(officer, who, "本人书面申请", filing.now)
    await filing.house.erasure.erase_for(police, who, "本人书面申请", filing.now)
    assert await filing.spine.rows(RESIDENT) == []
    assert (await filing.trail()).count("file.erase") == 2  # let through, and done


async def test_a_resident_is_told_and_then_forgotten(filing: Filing) -> None:
    who = await filing.resident("goes")
    request = {
        "code": "ABCDE",
        "resident_id": who,
        "kind": RequestKind.ERASE,
        "text": filing.database.cipher.seal(QUOTE, "全部删除"),
        "state": RequestState.CONFIRMED,
        "created_at": filing.now,
        "due_at": filing.now,
    }
    async with filing.database.write() as connection:
        await connection.execute(insert(REQUEST), [request])
    assert await filing.house.erasure.erase_confirmed(filing.now) == 1
    assert await filing.house.erasure.erase_confirmed(filing.now) == 0
    [receipt] = await filing.spine.rows(ERASURE_RECEIPT)
    assert receipt.resident_id == who
    await filing.spine.outbox.drain()
    assert filing.spine.far.texts("goes")[-1].startswith(f"已删除，回执 {receipt.code}")
    await filing.house.erasure.erase_confirmed(filing.now)
    for table in (RESIDENT, IDENTITY, OUTBOX, INBOX):
        assert await filing.spine.rows(table) == []
    await filing.hear("goes", "你好")
    [back] = await filing.spine.rows(RESIDENT)
    assert back.minor == "none"


def test_no_table_that_names_a_resident_is_forgotten() -> None:
    naming = {
        table.name
        for table in RESIDENT.metadata.tables.values()
        if {"resident_id", "conversation_id", "identity_id", "kept_id", "alert_id"}
        & set(table.c.keys())
    }
    assert naming - {table.name for table in TOUCHED} == set()


async def test_who_was_merged_goes_as_one(filing: Filing) -> None:
    police = await filing.officer("陈国华")
    one, two = await filing.resident("r-1"), await filing.resident("r-2")
    await filing.house.merging.merge(police, one, two, "", filing.now)
    erased = await filing.house.erasure.erase_for(police, two, "本人要求", filing.now)
    assert erased.gone["identities"] == 2
    assert await filing.spine.rows(RESIDENT) == []
