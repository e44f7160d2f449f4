"""图片: what a resident sent is fetched while WeCom still has it, and kept encrypted."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.services.bell import Bell, Stage, wait_for
from jingxiaowei.services.purposes import FAR_ID
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import MEDIA, MediaState

MEDIA_BYTES = 10 * 1024 * 1024
ATTEMPTS = 8
_BATCH = 8
# (media_id, most bytes) → bytes and content type
Fetch = Callable[[str, int], Awaitable[tuple[bytes, str]]]
Lost = Callable[[AsyncConnection, str, str], Awaitable[None]]
log = logging.getLogger(__name__)


class MediaKeeper:
    """Fetches, keeps and opens pictures. One fetching loop a database is enough."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        folder: Path,
        fetch: Fetch | None,
        lost: Lost | None = None,
    ) -> None:
        self.lost = lost  # told of a picture that never came, in the transaction that gives it up
        self._database = database
        self._bell = bell
        self._folder = folder
        self._fetch = fetch

    async def keep(self, conversation_id: str, data: bytes, content_type: str) -> str:
        """Keep a picture that is here already; its id."""
        media_id = token("media", conversation_id, os.urandom(16).hex())
        await asyncio.to_thread(self._store, media_id, data)
        now = datetime.now(UTC)
        row = {
            "id": media_id,
            "conversation_id": conversation_id,
            "state": MediaState.KEPT,
            "content_type": content_type,
            "size": len(data),
            "reason": "",
            "attempts": 0,
            "not_before": now,
            "created_at": now,
        }
        async with self._database.write() as connection:
            await connection.execute(insert(MEDIA), [row])
            await self._bell.announce(connection, Stage.MEDIA)
        self._bell.ring(Stage.MEDIA)
        return media_id

    def open(self, media_id: str) -> bytes:
        """The picture's bytes, as they came: what officers see is :meth:`show`."""
        return self._database.cipher.open_bytes(media_id.encode(), self.path(media_id).read_bytes())

    def show(self, media_id: str) -> bytes | None:
        """The picture as it may be seen, or nothing while there is no such picture."""
        try:
            sealed = self._shown(media_id).read_bytes()
        except FileNotFoundError:
            return None
        return self._database.cipher.open_bytes(_shown_purpose(media_id), sealed)

    def keep_shown(self, media_id: str, data: bytes) -> None:
        """Keep the picture as it may be seen; again is the same."""
        self._write(self._shown(media_id), _shown_purpose(media_id), data)

    async def run(self) -> None:
        """Fetch what is wanted, for as long as the task lives."""
        if self._fetch is None:
            return
        with self._bell.subscribe(Stage.OUTBOX) as rung:  # a turn may have asked for one
            while True:
                rung.clear()
                try:
                    if await self.fetch_due(self._fetch):
                        continue
                except (SQLAlchemyError, OSError):
                    log.exception("a round of fetching failed, again soon")
                await wait_for(rung, 15.0)

    async def fetch_due(self, fetch: Fetch) -> int:
        """Fetch what is due now; how many were tried."""
        query = (
            select(MEDIA.c.id, MEDIA.c.far_id, MEDIA.c.attempts, MEDIA.c.conversation_id)
            .where(MEDIA.c.state == MediaState.WANTED, MEDIA.c.not_before <= datetime.now(UTC))
            .order_by(MEDIA.c.created_at)
            .limit(_BATCH)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        for row in rows:
            values = await self._fetch_one(fetch, row.id, row.far_id, row.attempts + 1)
            async with self._database.write() as connection:
                await connection.execute(update(MEDIA).where(MEDIA.c.id == row.id).values(**values))
                if values["state"] is MediaState.FAILED and self.lost is not None:
                    await self.lost(connection, row.id, row.conversation_id)
                await self._bell.announce(connection, Stage.MEDIA)
            self._bell.ring(Stage.MEDIA)
        return len(rows)

    async def _fetch_one(
        self, fetch: Fetch, media_id: str, far_id: bytes, attempts: int
    ) -> dict[str, object]:
        try:
            far = self._database.cipher.open(FAR_ID, far_id)
            data, content_type = await fetch(far, MEDIA_BYTES)
        except JingxiaoweiError as error:
            over = attempts >= ATTEMPTS or not getattr(error, "retryable", False)
            log.warning("media %s was not fetched: %s", media_id, error)
            return {
                "state": MediaState.FAILED if over else MediaState.WANTED,
                "attempts": attempts,
                "reason": str(error)[:200],
                "not_before": datetime.now(UTC) + timedelta(seconds=min(600, 5 * 2**attempts)),
            }
        await asyncio.to_thread(self._store, media_id, data)
        return {
            "state": MediaState.KEPT,
            "attempts": attempts,
            "content_type": content_type[:100],
            "size": len(data),
            "reason": "",
        }

    async def purge_all(self, media_ids: Iterable[str]) -> None:
        """Remove pictures' bytes."""
        for media_id in media_ids:
            await asyncio.to_thread(self.purge, media_id)

    def purge(self, media_id: str) -> None:
        """Remove a picture's bytes; one that is gone already is fine."""
        for path in (self.path(media_id), self._shown(media_id)):
            path.unlink(missing_ok=True)
            _renewed(path).unlink(missing_ok=True)

    def renew(self, media_id: str) -> list[Path]:
        """Encrypt a picture anew, beside itself, that is not under the data key; the files that
        :meth:`replace` is to put in their places.

        Raises:
            StoreError: no key opens it.
        """
        made = []
        for path, purpose in (
            (self.path(media_id), media_id.encode()),
            (self._shown(media_id), _shown_purpose(media_id)),
        ):
            try:
                sealed = path.read_bytes()
            except FileNotFoundError:
                continue
            renewed = self._database.cipher.renew(purpose, sealed)
            if renewed is not None:
                _write_whole(_renewed(path), renewed)
                made.append(path)
        return made

    def replace(self, made: Sequence[Path]) -> None:
        """Put what :meth:`renew` made into its place, unless the picture has been removed since."""
        for path in made:
            if path.exists():
                _renewed(path).replace(path)
            _renewed(path).unlink(missing_ok=True)

    def path(self, media_id: str) -> Path:
        """Where a picture lies, encrypted."""
        return self._folder / media_id[:2] / media_id

    def _shown(self, media_id: str) -> Path:
        return self.path(media_id).with_suffix(".shown")

    def _store(self, media_id: str, data: bytes) -> None:
        self._write(self.path(media_id), media_id.encode(), data)

    def _write(self, path: Path, purpose: bytes, data: bytes) -> None:
        """Write encrypted, whole or not at all: a crash leaves a temporary file, no half one."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f"{path.name}.part")
        _write_whole(temporary, self._database.cipher.seal_bytes(purpose, data))
        temporary.replace(path)


def _write_whole(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _renewed(path: Path) -> Path:
    return path.with_name(f"{path.name}.renewed")


def _shown_purpose(media_id: str) -> bytes:
    return f"{media_id}.shown".encode()
