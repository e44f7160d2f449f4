"""换数据密钥: everything that is encrypted at rest is encrypted anew under a new key.

The service goes on meanwhile. A new key is offered, which every process learns to read by within
:data:`.KEY_ROUND`; then it becomes the one to write under, and what stands under the former is
encrypted anew, batch by batch. When a whole pass over every column and picture finds nothing under
the former any more, that is forgotten. A run that was broken off is taken up by the next: what is
done opens under the new key already and is passed over.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, bindparam, func, or_, select, update

from jingxiaowei.errors import JingxiaoweiError, StoreError
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.sheets import Progress
from jingxiaowei.store.engine import KEY_ROUND, Database
from jingxiaowei.store.keys import FORMER, NEXT, drop_former, offer_key, promote_key
from jingxiaowei.store.scrubbing import scrub
from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.tables import MEDIA, MediaState

BATCH = 500  # rows a transaction: others wait for a few hundredths of a second
WAIT = KEY_ROUND * 2  # by then every process has read the keys again
_NAMED = 20
PICTURES = "图片"


class RotationError(JingxiaoweiError):
    """The former key cannot be forgotten: something would be lost, or it could not be told."""


@dataclass
class Found:
    """What a pass over everything found, by place.

    Attributes:
        values: encrypted values.
        renewed: of those, how many stood under another key than the data key.
        damaged: places of values that no key opens.
    """

    values: Counter[str] = field(default_factory=Counter)
    renewed: Counter[str] = field(default_factory=Counter)
    damaged: list[str] = field(default_factory=list)


class KeyRotation:
    """Changes the data key.

    Args:
        wait: seconds until every process has read the keys again; 0 where none runs.
    """

    def __init__(
        self, database: Database, media: MediaKeeper, audit: Audit, wait: float = WAIT
    ) -> None:
        self._database = database
        self._media = media
        self._audit = audit
        self._wait = wait

    async def under_way(self) -> bool:
        """Whether a change was begun and is not finished."""
        return bool({NEXT, FORMER} & set(await self._database.reload_keys()))

    async def look(self, progress: Progress) -> Found:
        """A pass that changes nothing."""
        await self._database.reload_keys()
        return await self._pass(progress, "核对", write=False)

    async def run(self, progress: Progress, actor: str, say: Callable[[str], None]) -> Found:
        """Change the key, or finish a change that was broken off; the pass that renewed most.

        Raises:
            RotationError: values that no key opens; the former key stays.
        """
        database = self._database
        async with database.write() as connection:
            if await offer_key(connection, database.secrets):
                await self._audit.record(connection, Event(actor, "key.offer", "data_key"))
        keys = await database.reload_keys()
        if NEXT in keys:
            await self._let_all_know(say)
            async with database.write() as connection:
                await promote_key(connection, database.secrets)
            keys = await database.reload_keys()
        if FORMER not in keys:
            raise RotationError("另一个进程刚换完了数据密钥。")
        most = await self._renew(progress, say)
        async with database.write() as connection:
            await drop_former(connection, database.secrets, keys[FORMER])
            await self._audit.record(connection, Event(actor, "key.rotate", "data_key"))
        await database.reload_keys()
        await scrub(database, ())
        return most

    async def _let_all_know(self, say: Callable[[str], None]) -> None:
        if self._wait:
            say(f"等各个进程读到新密钥（{self._wait:.0f} 秒）……")
            await asyncio.sleep(self._wait)

    async def _renew(self, progress: Progress, say: Callable[[str], None]) -> Found:
        """Pass after pass, until one finds nothing under the former key."""
        most = await self._pass(progress, "重新加密", write=True)
        _require_sound(most)
        # Who has not read the keys yet may still write under the former one.
        await self._let_all_know(say)
        while True:
            found = await self._pass(progress, "核对", write=True)
            _require_sound(found)
            if not found.renewed:
                return most

    async def _pass(self, progress: Progress, what: str, write: bool) -> Found:
        """Every encrypted value once."""
        found = Found()
        by_table: dict[Table, list[Column[Any]]] = {}
        for column in SEALED:
            by_table.setdefault(column.table, []).append(column)
        progress.begin(what, await self._size(by_table))
        for table, columns in by_table.items():
            await self._pass_table(table, columns, found, progress, write)
        await self._pass_pictures(found, progress, write)
        return found

    async def _size(self, by_table: Mapping[Table, Sequence[Column[Any]]]) -> int:
        counts = [select(func.count()).select_from(MEDIA)]  # its pictures
        counts += [select(func.count()).where(_holds(each)) for each in by_table.values()]
        total = 0
        async with self._database.read() as connection:
            for count in counts:
                total += int((await connection.execute(count)).scalar_one())
        return total

    async def _pass_table(
        self,
        table: Table,
        columns: Sequence[Column[Any]],
        found: Found,
        progress: Progress,
        write: bool,
    ) -> None:
        [key] = table.primary_key.columns
        rows_after = select(key, *columns).where(_holds(columns)).order_by(key).limit(BATCH)
        after: Any = None
        while True:
            query = rows_after if after is None else rows_after.where(key > after)
            async with self._database.read() as connection:
                rows = (await connection.execute(query)).all()
            if not rows:
                return
            for column in columns:
                changes = self._changes(key, column, rows, found)
                if write and changes:
                    await self._write(key, column, changes)
            after = rows[-1][0]
            progress.move(len(rows))

    def _changes(
        self, key: Column[Any], column: Column[Any], rows: Sequence[Any], found: Found
    ) -> list[dict[str, Any]]:
        """A column's values that stand under another key than the data key, encrypted anew."""
        place = str(column)
        changes = []
        for row in rows:
            sealed = row._mapping[column]
            if sealed is None:
                continue
            found.values[place] += 1
            try:
                renewed = self._database.cipher.renew(SEALED[column], sealed)
            except StoreError:
                found.damaged.append(f"{place} {row[0]}")
                continue
            if renewed is not None:
                found.renewed[place] += 1
                changes.append({"at": row[0], "old": sealed, "new": renewed})
        return changes

    async def _write(
        self, key: Column[Any], column: Column[Any], changes: Sequence[dict[str, Any]]
    ) -> None:
        """Write values in place of those that they were made from.

        A row that somebody writes is left to the next pass: nobody is waited for, so nobody waits
        in a circle.
        """
        change = (
            update(column.table)
            .where(key == bindparam("at"), column == bindparam("old"))
            .values({column: bindparam("new")})
        )
        async with self._database.write() as connection:
            free = await connection.execute(
                select(key)
                .where(key.in_([each["at"] for each in changes]))
                .with_for_update(skip_locked=True)
            )
            keys = {row[0] for row in free}
            mine = [each for each in changes if each["at"] in keys]
            if mine:
                await connection.execute(change, mine)

    async def _pass_pictures(self, found: Found, progress: Progress, write: bool) -> None:
        query = select(MEDIA.c.id).order_by(MEDIA.c.id).limit(BATCH)
        after = ""
        while True:
            async with self._database.read() as connection:
                rows = (await connection.execute(query.where(MEDIA.c.id > after))).all()
            if not rows:
                return
            for row in rows:
                await self._pass_picture(row.id, found, write)
                progress.move(1)
            after = rows[-1].id

    async def _pass_picture(self, media_id: str, found: Found, write: bool) -> None:
        if not self._media.path(media_id).exists():
            return
        found.values[PICTURES] += 1
        try:
            if not write:
                await asyncio.to_thread(self._media.open, media_id)
                await asyncio.to_thread(self._media.show, media_id)
                return
            made = await asyncio.to_thread(self._media.renew, media_id)
        except StoreError:
            found.damaged.append(f"{PICTURES} {media_id}")
            return
        except FileNotFoundError:
            return  # removed just now
        if not made:
            return
        found.renewed[PICTURES] += 1
        # In a transaction that holds the row: who erases it removes the file afterwards.
        async with self._database.write() as connection:
            rows = await connection.execute(
                select(MEDIA.c.id)
                .where(MEDIA.c.id == media_id, MEDIA.c.state != MediaState.PURGED)
                .with_for_update()
            )
            there = rows.first() is not None
            if there:
                await asyncio.to_thread(self._media.replace, made)
        if not there:
            await asyncio.to_thread(self._media.purge, media_id)


def _holds(columns: Sequence[Column[Any]]) -> ColumnElement[bool]:
    return or_(*(column.is_not(None) for column in columns))


def _require_sound(found: Found) -> None:
    if not found.damaged:
        return
    named = "、".join(found.damaged[:_NAMED])
    raise RotationError(
        f"有 {len(found.damaged)} 处打不开（新旧密钥都不行）：{named}。"
        "旧密钥先留着：从备份恢复或处理好这几处以后，再运行一次。"
    )
