"""The content as it was read and found good, kept for the next start.

Reading and checking the files takes a second, and the same files read by the same program give the
same. What is kept is signed with the operator's secret, because to load it is to trust it. Its
large arrays are mapped, not read: processes share them, and only what is looked at takes memory.
"""

import gc
import hashlib
import hmac
import logging
import mmap
import os
import pickle
import struct
import sys
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import jingxiaowei.content
from jingxiaowei.content.checker import load_library
from jingxiaowei.content.model import Library
from jingxiaowei.settings import Settings

NAME = "content.kept"
_ALIGNED = 64
_HEAD = struct.Struct("<32sQ")  # the signature, and how long the pickle is that follows
_CHUNK = 1 << 20
log = logging.getLogger(__name__)
Read = Callable[[Settings, date], Library]


def kept_library(settings: Settings, today: date, read: Read = load_library) -> Library:
    """The checked content, from what is kept where the files have not changed since.

    Args:
        read: reads and checks the files, where they have.

    Raises:
        ContentError: something is broken; the text names each file and line.
    """
    path = settings.data_dir / NAME
    key = hmac.digest(settings.secret_key.get_secret_value().encode(), _print(settings), "sha256")
    library = _read(path, key)
    if library is None:
        library = read(settings, today)
        try:
            _write(path, key, library)
        except OSError as error:
            log.warning("the content is not kept for the next start: %s", error.strerror)
        else:
            # As the next start will have it: its arrays mapped, and nothing left of the reading.
            library = _read(path, key) or library
    return library


def _print(settings: Settings) -> bytes:
    """A hash of all that the library depends on: files, settings and program."""
    seen = hashlib.sha256()
    for word in (sys.version, version("pydantic"), version("numpy"), settings.unit_name):
        seen.update(f"{word}\0".encode())
    program = Path(jingxiaowei.content.__path__[0])
    contents = (file for folder in settings.content_dirs for file in _files(folder))
    for file in (*sorted(program.glob("*.py")), *contents):
        content = file.read_bytes()
        seen.update(f"{file.absolute()}\0{len(content)}\0".encode())
        seen.update(content)
    return seen.digest()


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(file for file in folder.rglob("*") if file.is_file())


def _read(path: Path, key: bytes) -> Library | None:
    """What is kept, if it is ours and of these files."""
    try:
        with path.open("rb") as file:
            signature, size = _HEAD.unpack(file.read(_HEAD.size))
            pickled = file.read(size)
            if not hmac.compare_digest(signature, _sign(key, pickled, file)):
                return None
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError, struct.error):
        return None
    collecting = gc.isenabled()
    gc.disable()  # a library has no garbage, and so many parts that looking for it takes as long
    try:
        sizes, parts = pickle.loads(pickled)  # noqa: S301 - signed by us
        buffers, start = [], _aligned(_HEAD.size + size)
        for length in sizes:
            buffers.append(mapped[start : start + length])
            start = _aligned(start + length)
        library: Library = pickle.loads(parts, buffers=buffers)  # noqa: S301 - signed by us
    finally:
        if collecting:
            gc.enable()
    return library


def _write(path: Path, key: bytes, library: Library) -> None:
    buffers: list[pickle.PickleBuffer] = []
    parts = pickle.dumps(library, 5, buffer_callback=buffers.append)
    arrays = [buffer.raw() for buffer in buffers]
    pickled = pickle.dumps(([len(array) for array in arrays], parts))
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")
    try:
        private = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(private, "w+b") as file:
            file.write(_HEAD.pack(b"", len(pickled)) + pickled)
            for array in arrays:
                file.write(bytes(_aligned(file.tell()) - file.tell()))
                file.write(array)
            file.seek(_HEAD.size + len(pickled))
            signature = _sign(key, pickled, file)
            file.seek(0)
            file.write(signature)
        new.replace(path)  # who has the old one mapped keeps it
    finally:
        new.unlink(missing_ok=True)


def _sign(key: bytes, pickled: bytes, rest: BinaryIO) -> bytes:
    signature = hmac.new(key, len(pickled).to_bytes(8, "little") + pickled, "sha256")
    while chunk := rest.read(_CHUNK):
        signature.update(chunk)
    return signature.digest()


def _aligned(position: int) -> int:
    return -(-position // _ALIGNED) * _ALIGNED
