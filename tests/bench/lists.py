"""``python -m tests.bench.lists [ROWS]``: a long list into the files, twice, and killed.

Each row is somebody new with two tags. The import runs in a process of its own, which says what
it is at; its time, CPU and the memory it takes beyond that of its start are measured there. Then
the same list again, and on another database once more, killed with SIGKILL in the middle of the
landing and taken up by the next start.
"""

import asyncio
import resource
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from jingxiaowei.services import sheets_house
from jingxiaowei.services.audit import Audit
from jingxiaowei.services.curation import Curator
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.sheets import Progress
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, CONTACT_POINT
from jingxiaowei.store.sheet_tables import LIST_IMPORT, LIST_PIECE
from jingxiaowei.store.tables import AUDIT, RESIDENT, Role
from tests.bench.__main__ import databases
from tests.conftest import ROOT, SECRET, make_settings
from tests.services.sheeting import CORP, excel, person

ROWS = 100_000
_TABLES = (RESIDENT, CONTACT_POINT, ASSIGNMENT, AUDIT, LIST_IMPORT, LIST_PIECE)


class Told(Progress):
    """Says on standard output how far it is, and how long each stage took."""

    def __init__(self) -> None:
        self._what, self._done, self._began, self._cpu = "", 0, 0.0, 0.0

    def begin(self, what: str, total: int) -> None:
        self.end()
        self._what, self._done = what, 0
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def move(self, rows: int) -> None:
        self._done += rows
        print(f"at {self._what} {self._done}", flush=True)

    def end(self) -> None:
        if self._what:
            took, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
            print(
                f"  {self._what}: {took:.0f} s, CPU {cpu:.0f} s, {self._done / took:.0f} rows/s",
                flush=True,
            )


def _memory() -> float:
    """The most that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def take(url: str, path: Path) -> None:
    """Import a list, after what an earlier process left."""
    database = Database(url)
    await database.upgrade()
    await database.open(SECRET)
    audit = Audit(database)
    officers = Officers(database, audit)
    library = Curator(make_settings(path.parent, url)).load().library
    await officers.sync_areas(library)
    async with database.read() as connection:
        known = await officers.names(connection)
    if not known:
        await officers.add("police", Role.POLICE, "a password of ours", "county-desk")
    sheets = sheets_house.build(database, audit, officers, library, CORP)
    now, before = datetime.now(UTC), _memory()
    began = time.perf_counter()
    # A lease of the killed one has run out by then.
    if await sheets.landing.finish_left(now + timedelta(minutes=2)):
        print(f"  what was left: {time.perf_counter() - began:.0f} s", flush=True)
    told = Told()
    officer = await officers.find("police")
    went = await sheets.importing.run(path, officer, now, apply=True, progress=told)
    told.end()
    print(
        f"  {went.tally.words()} at most {_memory():.0f} MB, {before:.0f} at the start", flush=True
    )
    async with database.read() as connection:
        for table in _TABLES:
            count = (await connection.execute(select(func.count()).select_from(table))).scalar()
            print(f"  {table.name} {count}", flush=True)
    await database.close()


def run(url: str, path: Path, kill_at: int = 0) -> None:
    """The import as a process; ``kill_at``: once so many rows have landed."""
    command = [sys.executable, "-m", "tests.bench.lists", "take", url, str(path)]
    landing = False
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if not line.startswith("at "):
                print(line, end="", flush=True)
                continue
            _, what, done = line.split()
            landing = what == "导入"
            if kill_at and landing and int(done) >= kill_at:
                child.send_signal(signal.SIGKILL)
                print(f"  killed at {done} rows landed", flush=True)
                break


def main() -> None:
    if sys.argv[1:2] == ["take"]:
        asyncio.run(take(sys.argv[2], Path(sys.argv[3])))
        return
    rows = int(sys.argv[1]) if sys.argv[1:] else ROWS
    with tempfile.TemporaryDirectory(prefix="jxw-lists-") as name:
        folder = Path(name)
        each = (person(i, "财务人员、租房居住", area="武原街道") for i in range(rows))
        path = excel(folder / "list.xlsx", each)
        with databases(folder) as urls:
            for whole, killed in urls:
                print(whole.split("+")[0], flush=True)
                run(whole, path)
                print(" again", flush=True)
                run(whole, path)
                print(" killed, and taken up", flush=True)
                run(killed, path, kill_at=rows * 2 // 5)
                run(killed, path)


if __name__ == "__main__":
    main()
