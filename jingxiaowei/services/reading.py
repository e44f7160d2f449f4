"""识图: pictures are read offline, one after the other, in a process of their own.

Reading takes both cores for about a second and some hundred megabytes, and decodes what strangers
sent: it must neither hold up a callback nor be able to take the product down. The process starts
with the first picture, or earlier by :meth:`Reader.warm`, and again whenever it was lost.
"""

import asyncio
import contextlib
import functools
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import Counter, Histogram

from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.reading import Reading, Refusal, restore
from jingxiaowei.services.reading_engine import Eye, available
from jingxiaowei.services.reading_picture import (
    PICTURE_BYTES,
    PictureRefusedError,
    decode,
    inspect,
)
from jingxiaowei.services.reading_process import LENGTH

SECONDS = 30.0
WAITING = 32
_START_SECONDS = 60.0
_PROCESS = (sys.executable, "-m", "jingxiaowei.services.reading_process")
_ROOT = Path(__file__).parents[2]

READ = Counter("jxw_pictures_total", "Pictures by what became of them", ["outcome"])
READ_SECONDS = Histogram("jxw_picture_seconds", "A picture's reading, without its waiting")
log = logging.getLogger(__name__)


class UnreadError(JingxiaoweiError):
    """A picture could not be read now: no reader here, too many waiting, or it was lost over it."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A picture, read.

    Attributes:
        shown: the picture as it may be shown: JPEG, upright, without notes, secrets blurred.
        hidden: how many places were blurred.
    """

    reading: Reading
    shown: bytes
    hidden: int


class Reader:
    """Reads pictures in a process of its own.

    Args:
        seconds: the longest that one picture may take; then the process is replaced.
        waiting: the most pictures that wait; one more is turned away.
        process: the process's command line.
    """

    def __init__(
        self,
        seconds: float = SECONDS,
        waiting: int = WAITING,
        process: Sequence[str] = _PROCESS,
    ) -> None:
        self._seconds = seconds
        self._most = waiting
        self._command = tuple(process)
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def available(self) -> bool:
        """Whether the extra ``ocr`` is installed; without it every picture stays unread."""
        return available()

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def read(self, data: bytes) -> Reading:
        """What a picture says.

        Raises:
            PictureRefusedError: it is no picture that is read here, now or later.
            UnreadError: it could not be read now.
        """
        return (await self.examine(data)).reading

    async def examine(self, data: bytes) -> Examined:
        """What a picture says, and the picture as it may be shown; raises as :meth:`read`."""
        inspect(data)  # what is no picture need not wait
        if not self.available:
            raise UnreadError("pictures stay unread: install jingxiaowei[ocr]")
        if self._waiting >= self._most:
            READ.labels("turned_away").inc()
            raise UnreadError(f"{self._waiting} pictures wait to be read already")
        self._waiting += 1
        try:
            async with self._turn:
                with READ_SECONDS.time():
                    head, shown = await self._ask(data)
        finally:
            self._waiting -= 1
        if "refusal" in head:
            READ.labels("refused").inc()
            raise PictureRefusedError(Refusal(str(head["refusal"])))
        READ.labels("read").inc()
        return Examined(restore(head["reading"]), shown, head["hidden"])

    async def warm(self) -> None:
        """Start the process ahead of the first picture; a failure is logged, not raised."""
        if not self.available:
            log.info("pictures stay unread: the extra ocr is not installed")
            return
        try:
            async with self._turn:
                await self._started()
        except UnreadError as error:
            log.warning("%s", error)

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def _ask(self, data: bytes) -> tuple[dict[str, Any], bytes]:
        process = await self._started()
        assert process.stdin is not None
        try:
            async with asyncio.timeout(self._seconds):
                process.stdin.write(LENGTH.pack(len(data)) + data)
                await process.stdin.drain()
                head = await _frame(process)
                shown = await _frame(process)
        except TimeoutError:
            await self._end()
            READ.labels("too_slow").inc()
            raise UnreadError(f"a picture took more than {self._seconds:g} seconds") from None
        except (asyncio.IncompleteReadError, OSError):
            await self._end()
            READ.labels("lost").inc()
            raise UnreadError("the reading process was lost over a picture") from None
        except asyncio.CancelledError:
            # Its answer would be taken for the next picture's.
            await self._end()
            raise
        answer: dict[str, Any] = orjson.loads(head)
        return answer, shown

    async def _started(self) -> asyncio.subprocess.Process:
        """The process, started and warm."""
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._end()
        # It decodes what strangers sent: it gets none of our secrets.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("JXW_")}
        paths = [str(_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
            )
            async with asyncio.timeout(_START_SECONDS):
                await _frame(self._process)
                await _frame(self._process)
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            await self._end()
            raise UnreadError("the reading process does not start, see its messages") from None
        except asyncio.CancelledError:
            await self._end()
            raise
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # Reads its last words too: only then are the pipes closed.
        await process.communicate()


async def _frame(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    head = await process.stdout.readexactly(LENGTH.size)
    return await process.stdout.readexactly(LENGTH.unpack(head)[0])


def read_file(path: Path) -> Reading:
    """What a picture in a file says, read in this very process: for commands, not for the server.

    Raises:
        PictureRefusedError: it is no picture that is read here.
        UnreadError: the file cannot be opened, or the extra ``ocr`` is not installed.
    """
    try:
        with path.open("rb") as file:  # no more than shows that it is too large: it may be a device
            data = file.read(PICTURE_BYTES + 1)
    except OSError as error:
        raise UnreadError(f"{path} cannot be opened ({error.strerror})") from None
    except ValueError:  # a NUL in the name
        raise UnreadError(f"{str(path)!r} cannot be the name of a file") from None
    inspect(data)
    if not available():
        raise UnreadError("reading pictures needs the extra ocr: pip install 'jingxiaowei[ocr]'")
    return _own_eye().read(decode(data))


@functools.cache
def _own_eye() -> Eye:
    return Eye()
