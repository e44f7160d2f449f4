"""Kept pictures are read, and what they say is handed on, once."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import StoreError
from jingxiaowei.pipeline.reading import Reading, restore
from jingxiaowei.services.bell import Bell, Stage, wait_for
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.reading import Reader, UnreadError
from jingxiaowei.services.reading_blur import encode
from jingxiaowei.services.reading_picture import PictureRefusedError, decode
from jingxiaowei.store.engine import Database
from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.tables import IS_UNREAD, MEDIA, MediaState

READING = SEALED[MEDIA.c.reading]
ATTEMPTS = 3
# Longer than the longest reading with a fresh start of the process before it.
_LEASE = timedelta(seconds=100)
_BATCH = 16
log = logging.getLogger(__name__)


class Unread(StrEnum):
    """Why a picture has no reading though it is a picture; refusals stand beside these."""

    NO_READER = "no_reader"  # the extra is not installed
    FAILED = "failed"  # the reader was lost over it, or too slow, each time
    GONE = "gone"  # its bytes are not there, or damaged


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a picture.

    Attributes:
        reading: what it says; nothing when it was not read.
        unread: why there is no reading, an :class:`Unread` or a ``Refusal``; empty when there is.
        hidden: how many places were blurred in what :meth:`MediaKeeper.show` gives.
    """

    media_id: str
    conversation_id: str
    reading: Reading | None
    unread: str = ""
    hidden: int = 0


class Report(Protocol):
    """Takes what was seen, in the transaction that marks the picture as read.

    It writes with the connection it is given and with no other: both happen or neither, so what
    it writes is written once, whenever the process dies.
    """

    async def __call__(self, connection: AsyncConnection, seen: Seen) -> None: ...


class MediaReader:
    """The worker. Any number may run, in any number of processes: a picture is one's at a time."""

    def __init__(
        self, database: Database, bell: Bell, media: MediaKeeper, reader: Reader, report: Report
    ) -> None:
        self._database = database
        self._bell = bell
        self._media = media
        self._reader = reader
        self._report = report

    async def run(self) -> None:
        """Read what is kept, for as long as the task lives; the reader ends with it."""
        warming = asyncio.create_task(self._reader.warm())
        try:
            await self._take_back()
            with self._bell.subscribe(Stage.MEDIA) as rung:
                while True:
                    rung.clear()
                    if await self._round():
                        continue
                    await wait_for(rung, 5.0)
        finally:
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
            await self._reader.close()

    async def _round(self) -> int:
        try:
            return await self.read_due()
        except (SQLAlchemyError, OSError, StoreError):
            log.exception("a round of reading failed, again soon")
            return 0

    async def read_due(self) -> int:
        """Read what waits now, oldest first; how many pictures were tried."""
        now = datetime.now(UTC)
        query = (
            select(MEDIA.c.id)
            .where(IS_UNREAD, or_(MEDIA.c.read_due.is_(None), MEDIA.c.read_due <= now))
            .order_by(MEDIA.c.created_at)
            .limit(_BATCH)
        )
        async with self._database.read() as connection:
            waiting = [row.id for row in await connection.execute(query)]
        tried = 0
        for media_id in waiting:
            row = await self._lease(media_id)
            if row is not None:
                await self._read_one(media_id, row.conversation_id, row.read_attempts)
                tried += 1
        return tried

    async def reading(self, media_id: str) -> Reading | None:
        """What was read from a picture, if it was."""
        query = select(MEDIA.c.reading).where(MEDIA.c.id == media_id)
        async with self._database.read() as connection:
            sealed: bytes | None = (await connection.execute(query)).scalar()
        return restore(self._database.cipher.open_json(READING, sealed)) if sealed else None

    async def _take_back(self) -> None:
        """On SQLite nobody else reads: what was leased was leased by a process that is dead."""
        if self._database.sqlite:
            async with self._database.write() as connection:
                await connection.execute(update(MEDIA).where(IS_UNREAD).values(read_due=None))

    async def _lease(self, media_id: str) -> Any:
        """Take a picture, if it is still free. Its attempts count before, so that a picture
        that takes the whole process with it is not tried for ever."""
        now = datetime.now(UTC)
        async with self._database.write() as connection:
            taken = await connection.execute(
                update(MEDIA)
                .where(MEDIA.c.id == media_id, IS_UNREAD)
                .where(or_(MEDIA.c.read_due.is_(None), MEDIA.c.read_due <= now))
                .values(read_due=now + _LEASE, read_attempts=MEDIA.c.read_attempts + 1)
                .returning(MEDIA.c.conversation_id, MEDIA.c.read_attempts)
            )
            return taken.first()

    async def _read_one(self, media_id: str, conversation_id: str, attempts: int) -> None:
        def unread(why: str) -> Seen:
            return Seen(media_id, conversation_id, None, why)

        if attempts > ATTEMPTS:  # it never came back from the last one
            await self._finish(unread(Unread.FAILED))
            return
        try:
            data = await asyncio.to_thread(self._media.open, media_id)
        except (FileNotFoundError, StoreError):
            log.warning("the picture %s is gone or damaged", media_id)
            await self._finish(unread(Unread.GONE))
            return
        try:
            examined = await self._reader.examine(data)
        except PictureRefusedError as error:
            await self._finish(unread(error.refusal))
        except UnreadError as error:
            if not self._reader.available:
                await self._finish(unread(await self._show_unread(media_id, data)))
            elif attempts >= ATTEMPTS:
                log.warning("the picture %s stays unread: %s", media_id, error)
                await self._finish(unread(Unread.FAILED))
            else:
                log.warning("the picture %s was not read, again soon: %s", media_id, error)
                await self._put_off(media_id, timedelta(seconds=2.0**attempts))
        else:
            await asyncio.to_thread(self._media.keep_shown, media_id, examined.shown)
            seen = Seen(media_id, conversation_id, examined.reading, hidden=examined.hidden)
            await self._finish(seen)

    async def _show_unread(self, media_id: str, data: bytes) -> str:
        """Without a reader nothing is found to blur, but the picture's notes still go."""

        def show() -> None:
            self._media.keep_shown(media_id, encode(decode(data)))

        try:
            await asyncio.to_thread(show)
        except PictureRefusedError as error:
            return error.refusal
        return Unread.NO_READER

    async def _put_off(self, media_id: str, pause: timedelta) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(MEDIA)
                .where(MEDIA.c.id == media_id)
                .values(read_due=datetime.now(UTC) + pause)
            )

    async def _finish(self, seen: Seen) -> None:
        """Mark it as read and report it, both or neither."""
        cipher = self._database.cipher
        sealed = cipher.seal_json(READING, seen.reading) if seen.reading else None
        async with self._database.write() as connection:
            marked = await connection.execute(
                update(MEDIA)
                .where(
                    MEDIA.c.id == seen.media_id,
                    MEDIA.c.state == MediaState.KEPT,
                    MEDIA.c.read_at.is_(None),
                )
                .values(
                    read_at=datetime.now(UTC),
                    reading=sealed,
                    unread=seen.unread,
                    hidden=seen.hidden,
                )
            )
            if not marked.rowcount:  # read by another whose lease came after ours, or purged
                return
            await self._report(connection, seen)
            await self._bell.announce(connection, Stage.INBOX)
        self._bell.ring(Stage.INBOX)
