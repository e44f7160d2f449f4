"""One process serves an SQLite file: it holds a lock beside it for as long as it lives.

The kernel lets go of the lock with the process, however that ends, so none is ever left behind;
the file itself stays, empty of meaning. Other commands, which only read or write now and then, do
not ask for it.
"""

import fcntl
import os
from pathlib import Path

from jingxiaowei.errors import StoreError


class Claim:
    """The right to serve a database's file."""

    def __init__(self, database: Path) -> None:
        """Take it.

        Raises:
            StoreError: another process serves this file, or the lock cannot be made.
        """
        real = database.resolve()  # by whatever name it is served
        lock = real.with_name(f"{real.name}.serving")
        # Not inherited: a reader of pictures that outlives us must not hold it.
        self._file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode(errors="replace").strip()
            os.close(self._file)
            raise StoreError(
                f"another process (pid {holder or 'unknown'}) serves {database} already: stop it "
                "first, or give this one a JXW_DATABASE_URL of its own"
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let another process serve the file."""
        os.close(self._file)
