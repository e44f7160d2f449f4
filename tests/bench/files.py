"""``python -m tests.bench.files [RESIDENTS …]``: tag a resident, read a file, count an audience.

Each resident has eight tags, a name, and one conversation of two messages; the database fills
itself by a few statements, so that a million take minutes. Figures are wall clock per call and
the process's CPU; on SQLite a call waits for the disk (synchronous=FULL).
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, text

from jingxiaowei.services import files_house
from jingxiaowei.services.audit import Audit
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.curation import Curator
from jingxiaowei.services.files_values import CONTACT, Purpose
from jingxiaowei.services.inbox import ADDRESS, BODY
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.tagging_values import REASON
from jingxiaowei.store.columns import UTCDateTime
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, CONTACT_POINT, Ground
from jingxiaowei.store.tables import (
    CONVERSATION,
    IDENTITY,
    INBOX,
    RESIDENT,
    Role,
)
from tests.bench.__main__ import databases
from tests.conftest import SECRET, make_settings

TAGS_EACH, CALLS, COUNTS = 8, 200, 20
AUDIENCES = (
    "finance_staff",
    "(finance_staff OR business_owner) AND NOT warned_recently",
    "area:wuyuan AND need_passport AND NOT opt_out",
)


@dataclass
class Content:
    library: Any
    mind: Any


# A resident's n-th tag: steps of one's own through a prime number of tags, so none comes twice.
_TAG = "(({n} * 7919 + 13) % {prime} + {k} * (1 + {n} * 104729 % ({prime} - 1))) % {prime}"


def statements(database: Database, residents: int, prime: int) -> list[str]:
    """What fills the tables, from numbers, within the database."""
    lite = database.sqlite
    spread = 2**32 // residents
    each = (
        f"WITH RECURSIVE each(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM each "
        f"WHERE n < {residents - 1}) "
        if lite
        else f"WITH each AS (SELECT n::bigint FROM generate_series(0, {residents - 1}) AS n) "
    )
    eight = ", k(k) AS (VALUES " + ", ".join(f"({k})" for k in range(TAGS_EACH)) + ") "
    who = (
        f"printf('%08x%024x', n * {spread}, n)"
        if lite
        else f"lpad(to_hex(n * {spread}), 8, '0') || lpad(to_hex(n), 24, '0')"
    )
    area = "CASE n * 7919 % 4 WHEN 0 THEN 'wuyuan' WHEN 1 THEN 'ganpu' WHEN 2 THEN 'baibu' END"
    tag = _TAG.format(n="n", k="k", prime=prime)
    with_tags = each.replace("each AS (SELECT", "each AS MATERIALIZED (SELECT") + eight
    return [
        f"INSERT INTO resident (id, area, created_at, minor) {each}"
        f"SELECT {who}, {area}, :now, 'none' FROM each",
        f"INSERT INTO channel_identity (id, channel, account, address, resident_id, created_at) "
        f"{each}SELECT {who}, 'web', 'web', :address, {who}, :now FROM each",
        f"INSERT INTO conversation (id, holder, heard_at, sent_since, brief) "
        f"{each}SELECT {who}, 'bot', :now, 0, false FROM each",
        f"INSERT INTO contact (resident_id, kind, value, source, created_at) "
        f"{each}SELECT {who}, 'name', :name, 'import', :now FROM each",
        f"INSERT INTO inbox (key, conversation_id, kind, body, sent_at, received_at, ready_at, "
        f"state, decided, recalled) {each}, k(k) AS (VALUES ('0'), ('1')) "
        f"SELECT k || substr({who}, 2), {who}, 'text', :body, :now, :now, :now, 'done', '', false "
        f"FROM each, k",
        f"INSERT INTO tag_assignment (resident_id, tag, source, officer_id, reason, ground, "
        f"started_at, review_at, expires_at) {with_tags}"
        f"SELECT {who}, slug, 'import', 1, :reason, 'duty', :now, :review, :expires "
        f"FROM each CROSS JOIN k JOIN slugs ON slugs.i = {tag} ORDER BY n",
    ]


async def fill(database: Database, slugs: list[str], residents: int) -> list[str]:
    """Residents with tags; some of their ids."""
    cipher, now = database.cipher, datetime.now(UTC)
    prime = max(p for p in range(len(slugs) + 1) if p > 1 and all(p % d for d in range(2, p)))
    values = {
        "now": now,
        "review": now + timedelta(days=358),
        "expires": now + timedelta(days=365),
        "address": cipher.seal(ADDRESS, "somebody"),
        "name": cipher.seal(CONTACT, "陈秀英"),
        "body": cipher.seal_json(BODY, {"text": "身份证怎么换"}),
        "reason": cipher.seal(REASON, "本人说的"),
    }
    tables = (RESIDENT, IDENTITY, CONVERSATION, CONTACT_POINT, INBOX, ASSIGNMENT)
    indexes = [index for table in tables for index in table.indexes]
    moments = [bindparam(name, type_=UTCDateTime()) for name in ("now", "review", "expires")]
    async with database.write() as connection:
        for index in indexes:  # made at the end, in order: a fraction of the time
            await connection.run_sync(index.drop)
        await connection.execute(text("CREATE TEMPORARY TABLE slugs (i INTEGER, slug TEXT)"))
        await connection.execute(
            text("INSERT INTO slugs VALUES (:i, :slug)"),
            [{"i": i, "slug": slug} for i, slug in enumerate(slugs[:prime])],
        )
        for statement in statements(database, residents, prime):
            wanted = [p for p in moments if f":{p.key}" in statement]
            used = {name: v for name, v in values.items() if f":{name}" in statement}
            await connection.execute(text(statement).bindparams(*wanted), used)
        for index in indexes:
            await connection.run_sync(index.create)
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        # As PostgreSQL does by itself some time after much was written.
        await connection.execute(text("ANALYZE" if database.sqlite else "VACUUM ANALYZE"))
    dice, spread = random.Random(3), 2**32 // residents
    chosen = dice.sample(range(residents), min(CALLS, residents))
    return [f"{n * spread:08x}{n:024x}" for n in chosen]


@dataclass(frozen=True, slots=True)
class Timing:
    """A call's median and slowest hundredth, in milliseconds, and the process's CPU for one."""

    p50: float
    p99: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.p50:.0f} / {self.p99:.0f}, {self.cpu:.0f}"


async def timed(name: str, calls: int, call: Callable[[int], Awaitable[object]]) -> Timing:
    """Run one after the other."""
    times, cpu = [], time.process_time()
    for i in range(calls):
        began = time.perf_counter()
        await call(i)
        times.append((time.perf_counter() - began) * 1000)
    used = (time.process_time() - cpu) * 1000 / calls
    times.sort()
    timing = Timing(times[len(times) // 2], times[min(calls - 1, int(calls * 0.99))], used)
    print(f"  {name:<58} {timing}, least {times[0]:.1f}", flush=True)
    return timing


async def measure(folder: Path, url: str, residents: int, content: Content) -> dict[str, Timing]:
    database = Database(url)
    await database.upgrade()
    await database.open(SECRET)
    audit, bell = Audit(database), Bell(database)
    officers = Officers(database, audit)
    await officers.sync_areas(content.library)
    await officers.add("police", Role.POLICE, "a password of ours", "county-desk")
    police = await officers.find("police")
    media = MediaKeeper(database, bell, folder / "media", None)
    house = files_house.build(database, bell, content, audit, officers, media)
    slugs = [tag.slug for tag in content.library.taxonomy.tags if tag.slug != "ebike_user"]
    began = time.perf_counter()
    chosen = await fill(database, slugs, residents)
    kind = "SQLite" if database.sqlite else "PostgreSQL"
    print(
        f"{kind}, {residents} residents, filled in {time.perf_counter() - began:.0f} s", flush=True
    )
    now, ledger = datetime.now(UTC), house.audiences
    figures = {
        "tag a resident": await timed(
            "tag a resident",
            len(chosen),
            lambda i: house.tagging.apply(
                police, chosen[i], "ebike_user", "本人说的", now, ground=Ground.DUTY
            ),
        ),
        "read a dossier": await timed(
            "read a dossier",
            len(chosen),
            lambda i: house.files.open(police, chosen[i], Purpose.SERVICE, now),
        ),
    }
    for expression in AUDIENCES:
        name = f"count {expression}"
        figures[name] = await timed(
            name, COUNTS, lambda i, e=expression: ledger.count(police, e, now)
        )
    await database.close()
    return figures


def table(found: dict[tuple[str, int], dict[str, Timing]]) -> str:
    """Calls down, databases and sizes across."""
    heads = [f"{kind} {size:,}" for kind, size in found]
    lines = [f"| p50 / p99 ms, CPU | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(str(figures[name]) for figures in found.values())} |"
        for name in next(iter(found.values()))
    ]
    return "\n".join(lines)


def main() -> None:
    sys.setswitchinterval(0.0002)  # as the server sets it
    sizes = [int(word) for word in sys.argv[1:]] or [10_000]
    with tempfile.TemporaryDirectory(prefix="jxw-files-") as name:
        folder = Path(name)
        mind = Curator(make_settings(folder, "sqlite+aiosqlite://")).load()
        content = Content(mind.library, mind)
        found = {}
        for size in sizes:
            with databases(folder) as urls:
                for kind, (url, _) in zip(("SQLite", "PostgreSQL"), urls, strict=True):
                    found[kind, size] = asyncio.run(measure(folder, url, size, content))
            for left in folder.glob("*.db*"):  # a million residents are gigabytes
                left.unlink()
        print(table(found))


if __name__ == "__main__":
    main()
