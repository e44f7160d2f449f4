"""Changing the data key: everything under the new one, whatever breaks it off, and nothing lost."""

import asyncio
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, insert, select, update

from jingxiaowei.errors import StoreError
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.audit import Audit
from jingxiaowei.services.erasure import TOUCHED
from jingxiaowei.services.key_rotation import PICTURES, KeyRotation, RotationError
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.sheets import Progress
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import CONTACT_POINT, ContactKind, TagSource
from jingxiaowei.store.keys import DATA, FORMER, INDEX, NEXT
from jingxiaowei.store.sealed import SEALED, UNSEALED
from jingxiaowei.store.tables import DATA_KEY, MEDIA, OFFICER, RESIDENT, MediaState
from tests.conftest import ROOT, SECRET
from tests.services.filing import Filing, a_full_file, make_filing

NEW_SECRET = "the secret that follows, long enough for production"
_KILLS, _ROWS = 2, 3000
_WHILE = 0.4  # seconds within which a run is killed: about what it takes


@pytest.fixture
async def filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    filing = await make_filing(database, mind, tmp_path)
    for name in ("anna", "bert", "cleo"):
        await a_full_file(filing, name)
    async with filing.database.read() as connection:
        [picture, *_] = (await connection.execute(select(MEDIA.c.id))).scalars()
    filing.media.keep_shown(picture, b"a picture, blurred")
    return filing


class KilledError(BaseException):
    """The process is gone."""


class Until(Progress):
    """Lets so many rows pass, then the process is gone."""

    def __init__(self, rows: int) -> None:
        self._left = rows

    def move(self, rows: int) -> None:
        self._left -= rows
        if self._left < 0:
            raise KilledError


class Mute(Progress):
    pass


def hush(_words: str) -> None:
    pass


def stop(_words: str) -> None:
    raise KilledError


def make_rotation(filing: Filing, wait: float = 0) -> KeyRotation:
    return KeyRotation(filing.database, filing.media, filing.spine.audit, wait)


async def reopened(database: Database, secret: str, former: str = "") -> Database:
    """As the next process opens it."""
    other = Database(database.url.render_as_string(hide_password=False))
    try:
        await other.open(secret, former)
    except StoreError:
        await other.close()
        raise
    return other


async def everything(database: Database, cipher: Cipher) -> dict[str, list[bytes]]:
    """What stands in every encrypted column, as a cipher opens it."""
    found: dict[str, list[bytes]] = {}
    async with database.read() as connection:
        for column, purpose in SEALED.items():
            [key] = column.table.primary_key.columns
            rows = await connection.execute(select(column).where(column.is_not(None)).order_by(key))
            found[str(column)] = [cipher.open_bytes(purpose, value) for value in rows.scalars()]
    return found


async def opens_nothing(database: Database, former: Cipher) -> None:
    """No encrypted column is read with a former key."""
    async with database.read() as connection:
        for column, purpose in SEALED.items():
            for value in (await connection.execute(select(column))).scalars():
                if value is not None:
                    with pytest.raises(StoreError):
                        former.open_bytes(purpose, value)


def test_every_column_of_bytes_is_known() -> None:
    held = {
        column
        for table in RESIDENT.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert held == set(SEALED) | UNSEALED
    assert len(set(SEALED.values())) == len(SEALED)
    assert {c.table for c in SEALED} - set(TOUCHED) == {OFFICER}
    assert all(len(column.table.primary_key.columns) == 1 for column in SEALED)


async def test_all_is_read_as_before_and_the_former_key_opens_nothing(filing: Filing) -> None:
    database = filing.database
    keys = await database.reload_keys()
    before = await everything(database, database.cipher)
    assert sum(map(bool, before.values())) > 8  # a file, its talk, its officers
    found = await make_rotation(filing).run(Mute(), "test", hush)
    assert sum(found.renewed.values()) == sum(map(len, before.values())) + found.renewed[PICTURES]
    assert found.renewed[PICTURES] == 3
    after = await database.reload_keys()
    assert set(after) == {DATA, INDEX}
    assert after[INDEX] == keys[INDEX]
    assert await everything(database, Cipher(after[DATA], after[INDEX])) == before
    former = Cipher(keys[DATA], keys[INDEX])
    await opens_nothing(database, former)
    async with database.read() as connection:
        pictures = list((await connection.execute(select(MEDIA.c.id))).scalars())
    assert {filing.media.open(each) for each in pictures} == {b"a picture of theirs"}
    assert [shown for each in pictures if (shown := filing.media.show(each))] == [
        b"a picture, blurred"
    ]
    for each in pictures:
        with pytest.raises(StoreError):
            former.open_bytes(each.encode(), filing.media.path(each).read_bytes())


@pytest.mark.parametrize("rows", [0, 20, 35])
async def test_a_run_that_was_killed_is_taken_up(filing: Filing, rows: int) -> None:
    database = filing.database
    before = await everything(database, database.cipher)
    with pytest.raises(KilledError):
        await make_rotation(filing).run(Until(rows), "test", hush)
    # Meanwhile everything is read, by this process and by one that starts now.
    other = await reopened(database, SECRET)
    assert await everything(database, other.cipher) == before
    await other.close()
    rotation = make_rotation(filing)
    assert await rotation.under_way()
    assert sum((await rotation.look(Mute())).renewed.values()) > 0
    await rotation.run(Mute(), "test", hush)
    keys = await database.reload_keys()
    assert set(keys) == {DATA, INDEX}
    assert await everything(database, Cipher(keys[DATA], keys[INDEX])) == before


async def test_a_process_that_is_killed_at_any_moment_leaves_all_readable(
    filing: Filing, tmp_path: Path
) -> None:
    database, dice = filing.database, random.Random()
    old = await database.reload_keys()
    await _much_to_do(filing)
    before = await everything(database, database.cipher)
    moments = [dice.uniform(0, _WHILE) for _ in range(_KILLS)]
    for moment in moments:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "ignore", "-m", "tests.services.rotating"),
            *(database.url.render_as_string(hide_password=False), str(tmp_path / "media")),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        assert await child.stdout.readline() == b"begun\n"
        await asyncio.sleep(moment)
        if child.returncode is None:
            child.kill()
        await child.wait()
        await database.reload_keys()
        assert await everything(database, database.cipher) == before, moments
    await make_rotation(filing).run(Mute(), "test", hush)
    keys = await database.reload_keys()
    assert set(keys) == {DATA, INDEX}
    assert await everything(database, Cipher(keys[DATA], keys[INDEX])) == before, moments
    await opens_nothing(database, Cipher(old[DATA], old[INDEX]))
    async with database.read() as connection:
        pictures = list((await connection.execute(select(MEDIA.c.id))).scalars())
    assert {filing.media.open(each) for each in pictures} == {b"a picture of theirs"}
    assert not list((tmp_path / "media").rglob("*.renewed"))


async def _much_to_do(filing: Filing) -> None:
    """Enough that a run takes longer than a moment."""
    cipher = filing.database.cipher
    async with filing.database.write() as connection:
        [who, *_] = (await connection.execute(select(RESIDENT.c.id))).scalars()
        rows = [
            {
                "resident_id": who,
                "kind": ContactKind.COMPANY,
                "value": cipher.seal(SEALED[CONTACT_POINT.c.value], f"somewhere {n}"),
                "source": TagSource.IMPORT,
                "created_at": filing.now,
            }
            for n in range(_ROWS)
        ]
        await connection.execute(insert(CONTACT_POINT), rows)


async def test_nobody_writes_under_a_key_that_another_process_cannot_read(filing: Filing) -> None:
    database = filing.database
    other = await reopened(database, SECRET)  # has not heard of the change yet
    with pytest.raises(KilledError):
        await make_rotation(filing, wait=0.01).run(Mute(), "test", stop)
    assert NEXT in await database.reload_keys()
    said = database.cipher.seal(b"x", "still under the key that all know")
    assert other.cipher.open(b"x", said).startswith("still")
    await other.reload_keys()
    await make_rotation(filing).run(Mute(), "test", hush)
    assert other.cipher.open(b"x", database.cipher.seal(b"x", "new")) == "new"
    with pytest.raises(StoreError):
        database.cipher.open(b"x", other.cipher.seal(b"x", "late"))
    await other.reload_keys()
    assert database.cipher.open(b"x", other.cipher.seal(b"x", "in time")) == "in time"
    await other.close()


async def test_what_was_written_under_the_former_key_meanwhile_is_found(filing: Filing) -> None:
    database = filing.database
    late = await reopened(database, SECRET)
    rotation = make_rotation(filing)
    with pytest.raises(KilledError):
        await rotation.run(Until(30), "test", hush)
    async with database.write() as connection:
        name = late.cipher.seal(SEALED[OFFICER.c.name], "Late")
        await connection.execute(update(OFFICER).values(name=name))
    await rotation.run(Mute(), "test", hush)
    opened = await everything(database, database.cipher)
    assert set(opened[str(OFFICER.c.name)]) == {b"Late"}
    await late.close()


async def test_a_dry_run_changes_nothing(filing: Filing) -> None:
    async with filing.database.read() as connection:
        keys = (await connection.execute(select(DATA_KEY))).all()
    rotation = make_rotation(filing)
    found = await rotation.look(Mute())
    assert sum(found.values.values()) > 30
    assert not found.renewed
    assert not found.damaged
    assert not await rotation.under_way()
    async with filing.database.read() as connection:
        assert (await connection.execute(select(DATA_KEY))).all() == keys


async def test_what_no_key_opens_keeps_the_former_key(filing: Filing) -> None:
    database = filing.database
    async with database.write() as connection:
        [some] = (await connection.execute(select(OFFICER.c.id).limit(1))).scalars()
        await connection.execute(update(OFFICER).where(OFFICER.c.id == some).values(name=b"x" * 40))
    rotation = make_rotation(filing)
    with pytest.raises(RotationError, match=f"officer.name {some}"):
        await rotation.run(Mute(), "test", hush)
    assert FORMER in await database.reload_keys()
    async with database.write() as connection:
        name = database.cipher.seal(SEALED[OFFICER.c.name], "Mended")
        await connection.execute(update(OFFICER).where(OFFICER.c.id == some).values(name=name))
    await rotation.run(Mute(), "test", hush)
    assert FORMER not in await database.reload_keys()


async def test_a_picture_that_is_removed_meanwhile_does_not_come_back(filing: Filing) -> None:
    database, media = filing.database, filing.media
    async with database.read() as connection:
        [gone, stays, *_] = (await connection.execute(select(MEDIA.c.id))).scalars()
    with pytest.raises(KilledError):
        await make_rotation(filing).run(Until(1), "test", hush)
    made = {each: media.renew(each) for each in (gone, stays)}
    assert all(made.values())
    media.purge(gone)
    media.replace(made[gone])
    media.replace(made[stays])
    assert not list(media.path(gone).parent.glob(f"{gone}*"))
    assert media.open(stays) == b"a picture of theirs"
    async with database.write() as connection:
        await connection.execute(
            update(MEDIA).where(MEDIA.c.id == gone).values(state=MediaState.PURGED)
        )
    await make_rotation(filing).run(Mute(), "test", hush)
    assert not media.path(gone).exists()


async def test_the_secret_changes_with_it_and_a_backup_keeps_the_old(
    filing: Filing, tmp_path: Path
) -> None:
    database = filing.database
    before = await everything(database, database.cipher)
    backup = _backup(database, tmp_path)
    other = await reopened(database, NEW_SECRET, SECRET)
    media = MediaKeeper(other, filing.spine.bell, tmp_path / "media", None)
    await KeyRotation(other, media, Audit(other), 0).run(Mute(), "test", hush)
    await other.close()
    with pytest.raises(StoreError, match="JXW_SECRET_KEY"):
        await reopened(database, SECRET)
    after = await reopened(database, NEW_SECRET)
    assert await everything(after, after.cipher) == before
    await after.close()
    if backup is not None:
        restored = await reopened(backup, SECRET)
        assert await everything(restored, restored.cipher) == before
        await restored.close()


def _backup(database: Database, folder: Path) -> Database | None:
    if not database.sqlite:
        return None  # what pg_dump keeps: the same rows with the same keys
    with (
        closing(sqlite3.connect(str(database.url.database))) as live,
        closing(sqlite3.connect(folder / "backup.db")) as copy,
    ):
        live.backup(copy)
    return Database(f"sqlite+aiosqlite:///{folder}/backup.db")
