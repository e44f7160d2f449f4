"""Kept pictures are read and reported: each once, whatever happens in between."""

import asyncio
import contextlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.reading import Box, Line, Reading, Refusal
from jingxiaowei.pipeline.transcript import as_dialogue
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.media_reading import ATTEMPTS, MediaReader, Seen, Unread
from jingxiaowei.services.reading import Reader
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import MEDIA, QUESTION, MediaState, QuestionState
from tests.conftest import ROOT
from tests.pictures import STYLES, Chat, draw_chat, draw_lines, saved

# A reader that says the same of every picture: what is tried here is what happens around it.
CANNED = """
import json, struct, sys
def say(frame):
    sys.stdout.buffer.write(struct.pack(">I", len(frame)) + frame)
    sys.stdout.buffer.flush()
say(b"{}"); say(b"")
while head := sys.stdin.buffer.read(4):
    sys.stdin.buffer.read(struct.unpack(">I", head)[0])
    line = {"text": "pay now", "box": {"x": 1, "y": 2, "w": 30, "h": 4}, "confidence": 0.9}
    reading = {"width": 40, "height": 30, "lines": [line | {"panel": None}]}
    say(json.dumps({"reading": reading, "hidden": 2}).encode()); say(b"shown")
"""
DYING = """
import struct, sys
for frame in (b"{}", b""):
    sys.stdout.buffer.write(struct.pack(">I", len(frame)) + frame)
sys.stdout.buffer.flush()
sys.stdin.buffer.read(9)
"""
CANNED_READING = Reading(40, 30, (Line("pay now", Box(1, 2, 30, 4), 0.9),))
PICTURE = saved(Image.new("RGB", (40, 30), "white"))


class Desk:
    """Takes reports and writes each into the database, on the connection it is given."""

    def __init__(self, failing: int = 0) -> None:
        self.seen: list[Seen] = []
        self.came: asyncio.Queue[Seen] = asyncio.Queue()
        self.failing = failing

    async def __call__(self, connection: AsyncConnection, seen: Seen) -> None:
        now = datetime.now(UTC)
        row = {
            "key": f"{seen.media_id}-{len(self.seen)}",
            "text": b"",
            "nearest": "",
            "times": 1,
            "first_at": now,
            "last_at": now,
            "state": QuestionState.NEW,
        }
        await connection.execute(insert(QUESTION), [row])
        if self.failing:
            self.failing -= 1
            raise OSError("the desk is on fire")
        self.seen.append(seen)
        self.came.put_nowait(seen)


class Room:
    """The worker with its keeper, and a reader whose process is a script."""

    def __init__(self, database: Database, folder: Path, script: str, failing: int = 0) -> None:
        self.database = database
        self.bell = Bell(database)
        self.keeper = MediaKeeper(database, self.bell, folder, None)
        self.reader = Reader(process=(sys.executable, "-c", script))
        self.desk = Desk(failing)
        self.worker = MediaReader(database, self.bell, self.keeper, self.reader, self.desk)

    async def row(self, media_id: str):  # type: ignore[no-untyped-def]
        async with self.database.read() as connection:
            query = select(MEDIA).where(MEDIA.c.id == media_id)
            return (await connection.execute(query)).one()

    async def reports(self) -> int:
        async with self.database.read() as connection:
            return len((await connection.execute(select(QUESTION.c.key))).all())

    async def let_time_pass(self) -> None:
        """Whatever is leased or put off is due."""
        async with self.database.write() as connection:
            past = datetime.now(UTC) - timedelta(seconds=1)
            await connection.execute(
                update(MEDIA).where(MEDIA.c.read_due.is_not(None)).values(read_due=past)
            )


@contextlib.asynccontextmanager
async def room(database: Database, folder: Path, script: str = CANNED, failing: int = 0):  # type: ignore[no-untyped-def]
    made = Room(database, folder, script, failing)
    try:
        yield made
    finally:
        await made.reader.close()


async def test_a_kept_picture_is_read_and_reported_once(database: Database, tmp_path: Path) -> None:
    async with room(database, tmp_path) as r:
        media_id = await r.keeper.keep("c1", PICTURE, "image/png")
        assert r.keeper.show(media_id) is None
        assert await r.worker.read_due() == 1
        assert r.desk.seen == [Seen(media_id, "c1", CANNED_READING, hidden=2)]
        assert await r.worker.reading(media_id) == CANNED_READING
        row = await r.row(media_id)
        assert row.read_at is not None
        assert b"pay now" not in row.reading
        assert r.keeper.show(media_id) == b"shown"
        assert r.keeper.open(media_id) == PICTURE
        assert await r.worker.read_due() == 0
        assert await r.reports() == 1


async def test_a_report_that_fails_leaves_nothing_and_comes_again(
    database: Database, tmp_path: Path
) -> None:
    async with room(database, tmp_path, failing=1) as r:
        media_id = await r.keeper.keep("c1", PICTURE, "image/png")
        with pytest.raises(OSError, match="on fire"):
            await r.worker.read_due()
        assert (await r.row(media_id)).read_at is None
        assert await r.reports() == 0
        assert await r.worker.read_due() == 0  # its lease is not over
        await r.let_time_pass()
        assert await r.worker.read_due() == 1
        assert await r.reports() == 1


async def test_two_workers_report_a_picture_once(database: Database, tmp_path: Path) -> None:
    async with room(database, tmp_path) as r, room(database, tmp_path) as other:
        for _ in range(4):
            await r.keeper.keep("c1", PICTURE, "image/png")
        await asyncio.gather(r.worker.read_due(), other.worker.read_due())
        ids = [seen.media_id for seen in (*r.desk.seen, *other.desk.seen)]
        assert len(ids) == len(set(ids)) == 4


async def test_a_lease_that_ran_out_is_not_reported_twice(
    database: Database, tmp_path: Path
) -> None:
    """The first worker is so slow that a second one took the picture over."""
    slow = CANNED.replace("reading = {", "import time; time.sleep(1.5); reading = {")
    async with room(database, tmp_path, slow) as r, room(database, tmp_path) as other:
        await r.keeper.keep("c1", PICTURE, "image/png")
        await asyncio.gather(r.reader.warm(), other.reader.warm())
        first = asyncio.create_task(r.worker.read_due())
        await asyncio.sleep(0.4)
        await r.let_time_pass()
        assert await other.worker.read_due() == 1
        await first
        assert len(other.desk.seen) == 1
        assert r.desk.seen == []
        assert await r.reports() == 1


async def test_a_picture_that_kills_the_reader_is_given_up(
    database: Database, tmp_path: Path
) -> None:
    async with room(database, tmp_path, DYING) as r:
        media_id = await r.keeper.keep("c1", PICTURE, "image/png")
        for attempt in range(ATTEMPTS):
            assert r.desk.seen == []
            assert await r.worker.read_due() == 1, attempt
            await r.let_time_pass()
        assert r.desk.seen == [Seen(media_id, "c1", None, Unread.FAILED)]
        assert await r.worker.read_due() == 0
        assert (await r.row(media_id)).unread == "failed"
        assert r.keeper.show(media_id) is None


async def test_a_picture_that_takes_the_whole_process_is_given_up(
    database: Database, tmp_path: Path
) -> None:
    async with room(database, tmp_path) as r:
        media_id = await r.keeper.keep("c1", PICTURE, "image/png")
        async with database.write() as connection:
            await connection.execute(update(MEDIA).values(read_attempts=ATTEMPTS))
        await r.worker.read_due()
        assert r.desk.seen == [Seen(media_id, "c1", None, Unread.FAILED)]


async def test_refused_and_missing_pictures_are_reported(
    database: Database, tmp_path: Path
) -> None:
    async with room(database, tmp_path) as r:
        text_file = await r.keeper.keep("c1", b"no picture at all", "image/png")
        gone = await r.keeper.keep("c2", PICTURE, "image/png")
        r.keeper.purge(gone)
        damaged = await r.keeper.keep("c3", PICTURE, "image/png")
        r.keeper.path(damaged).write_bytes(b"\0" * 100)
        assert await r.worker.read_due() == 3
        assert {seen.media_id: seen.unread for seen in r.desk.seen} == {
            text_file: Refusal.NOT_A_PICTURE,
            gone: Unread.GONE,
            damaged: Unread.GONE,
        }


async def test_the_worker_by_itself(database: Database, tmp_path: Path) -> None:
    """Warm at the start, woken by a kept picture, and on SQLite free of a dead one's leases."""
    async with room(database, tmp_path) as r:
        left = await r.keeper.keep("c1", PICTURE, "image/png")
        if database.sqlite:
            later = datetime.now(UTC) + timedelta(hours=1)
            async with database.write() as connection:
                await connection.execute(update(MEDIA).values(read_due=later))
        task = asyncio.create_task(r.worker.run())
        assert (await r.desk.came.get()).media_id == left
        new = await r.keeper.keep("c2", PICTURE, "image/png")
        async with asyncio.timeout(3):
            assert (await r.desk.came.get()).media_id == new
        assert r.reader.pid is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert r.reader.pid is None


async def test_what_is_too_old_takes_its_reading_with_it(
    database: Database, tmp_path: Path
) -> None:
    async with room(database, tmp_path) as r:
        media_id = await r.keeper.keep("c1", PICTURE, "image/png")
        await r.worker.read_due()
        r.keeper.purge(media_id)
        assert r.keeper.show(media_id) is None
        async with database.write() as connection:
            await connection.execute(update(MEDIA).values(state=MediaState.PURGED, read_at=None))
        assert await r.worker.read_due() == 0


async def test_waiting_pictures_are_found_by_their_index(database: Database) -> None:
    if not database.sqlite:
        return  # PostgreSQL chooses by statistics, which an empty table has none of
    query = (
        "EXPLAIN QUERY PLAN SELECT id FROM media WHERE media.state = 'kept' "
        "AND media.read_at IS NULL ORDER BY created_at LIMIT 5"
    )
    async with database.read() as connection:
        plan = await connection.execute(text(query))
        assert "ix_media_unread" in " ".join(str(row[-1]) for row in plan)


async def test_a_real_screenshot_from_upload_to_dialogue(
    database: Database, tmp_path: Path
) -> None:
    bell, desk = Bell(database), Desk()
    keeper = MediaKeeper(database, bell, tmp_path, None)
    reader = Reader()
    worker = MediaReader(database, bell, keeper, reader, desk)
    chat = Chat([("Boss", "pay 268000 now"), ("me", "which account")], "Finance(3)")
    try:
        picture = draw_chat(chat, STYLES["wecom"], 720)
        media_id = await keeper.keep("c1", saved(picture), "image/png")
        await worker.read_due()
    finally:
        await reader.close()
    (seen,) = desk.seen
    assert seen.reading is not None
    assert "Boss：pay 268000 now" in as_dialogue(seen.reading)
    shown = keeper.show(media_id)
    assert shown is not None
    assert shown.startswith(b"\xff\xd8")


def test_without_the_extra_pictures_stay_unread(tmp_path: Path) -> None:
    """In an interpreter that finds no RapidOCR: nothing breaks, the picture loses its notes."""
    program = """
import asyncio, sys
sys.modules["rapidocr"] = None
from pathlib import Path
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.media_reading import MediaReader
from jingxiaowei.services.reading import Reader, UnreadError, read_file
from jingxiaowei.store.engine import Database

folder, picture = Path(sys.argv[1]), Path(sys.argv[2])
async def report(connection, seen):
    print(seen.unread, seen.reading)
async def main():
    database = Database(f"sqlite+aiosqlite:///{folder}/test.db")
    await database.upgrade()
    await database.open("a secret for the tests, long enough")
    bell, reader = Bell(database), Reader()
    keeper = MediaKeeper(database, bell, folder, None)
    await reader.warm()
    media_id = await keeper.keep("c1", picture.read_bytes(), "image/png")
    await MediaReader(database, bell, keeper, reader, report).read_due()
    print(keeper.show(media_id)[:2].hex(), reader.pid)
    try:
        read_file(picture)
    except UnreadError as error:
        print(error)
    await database.close()
asyncio.run(main())
"""
    picture = tmp_path / "call.png"
    picture.write_bytes(saved(draw_lines([("call 96110", 60, 80, 40)])))
    command = [sys.executable, "-c", program, str(tmp_path), str(picture)]
    out = subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT)
    first, second, third = out.stdout.splitlines()
    assert first == "no_reader None"
    assert second == "ffd8 None"
    assert "jingxiaowei[ocr]" in third
