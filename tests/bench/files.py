"""``python -m tests.bench.files [RESIDENTS …]``: tag a resident, read a file, count an audience.

Each resident has eight tags, a name, and one conversation of two messages. Figures are wall clock
per call and the process's CPU; on SQLite a call waits for the disk (synchronous=FULL).
"""

import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from jingxiaowei.services import files_house
from jingxiaowei.services.audit import Audit
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.curation import Curator
from jingxiaowei.services.files_values import CONTACT, Purpose
from jingxiaowei.services.inbox import ADDRESS, BODY
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.tagging_values import REASON
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    CONTACT_POINT,
    ContactKind,
    Ground,
    TagSource,
)
from jingxiaowei.store.tables import (
    CONVERSATION,
    IDENTITY,
    INBOX,
    RESIDENT,
    Holder,
    InboxState,
    Role,
)
from tests.bench.__main__ import databases
from tests.conftest import SECRET, make_settings

TAGS_EACH, CALLS, CHUNK = 8, 200, 2_000
AUDIENCES = (
    "finance_staff",
    "(finance_staff OR business_owner) AND NOT warned_recently",
    "area:wuyuan AND need_passport AND NOT opt_out",
)


@dataclass
class Content:
    library: Any
    mind: Any


async def fill(database: Database, slugs: list[str], residents: int) -> list[str]:
    """Residents with tags; their ids."""
    cipher, now, dice = database.cipher, datetime.now(UTC), random.Random(7)
    areas = [None, "wuyuan", "ganpu", "baibu"]
    reason, body = cipher.seal(REASON, "本人说的"), cipher.seal_json(BODY, {"text": "身份证怎么换"})
    ids = []
    for start in range(0, residents, CHUNK):
        some = [
            f"{n * 2_654_435_761 % 2**128:032x}"
            for n in range(start, min(start + CHUNK, residents))
        ]
        ids += some
        rows: dict[Any, list[dict[str, Any]]] = {
            RESIDENT: [
                {"id": r, "area": areas[i % 4], "created_at": now} for i, r in enumerate(some)
            ],
            IDENTITY: [
                {
                    "id": r,
                    "channel": "web",
                    "account": "web",
                    "address": cipher.seal(ADDRESS, r),
                    "resident_id": r,
                    "created_at": now,
                }
                for r in some
            ],
            CONVERSATION: [
                {"id": r, "holder": Holder.BOT, "heard_at": now, "sent_since": 0, "brief": False}
                for r in some
            ],
            CONTACT_POINT: [
                {
                    "resident_id": r,
                    "kind": ContactKind.NAME,
                    "value": cipher.seal(CONTACT, "陈秀英"),
                    "source": TagSource.IMPORT,
                    "created_at": now,
                }
                for r in some
            ],
            INBOX: [
                {
                    "key": f"{r[:30]}{n:02d}",
                    "conversation_id": r,
                    "kind": "text",
                    "body": body,
                    "sent_at": now,
                    "received_at": now,
                    "ready_at": now,
                    "state": InboxState.DONE,
                }
                for r in some
                for n in range(2)
            ],
            ASSIGNMENT: [
                {
                    "resident_id": r,
                    "tag": tag,
                    "source": TagSource.IMPORT,
                    "officer_id": 1,
                    "reason": reason,
                    "ground": Ground.DUTY,
                    "started_at": now,
                    "review_at": now + timedelta(days=358),
                    "expires_at": now + timedelta(days=365),
                }
                for r in some
                for tag in dice.sample(slugs, TAGS_EACH)
            ],
        }
        async with database.write() as connection:
            for table, values in rows.items():
                await connection.execute(insert(table), values)
    async with database.write() as connection:
        await connection.execute(text("ANALYZE"))
    return ids


async def timed(name: str, calls: int, call: Callable[[int], Awaitable[object]]) -> None:
    """Run one after the other; print the median, the slowest hundredth, and CPU a call."""
    times, cpu = [], time.process_time()
    for i in range(calls):
        began = time.perf_counter()
        await call(i)
        times.append((time.perf_counter() - began) * 1000)
    used = (time.process_time() - cpu) * 1000 / calls
    times.sort()
    p50, p99 = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]
    print(f"  {name:<58} p50 {p50:8.2f}  p99 {p99:8.2f} ms  CPU {used:6.2f} ms", flush=True)


async def measure(folder: Path, url: str, residents: int, content: Content) -> None:
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
    ids = await fill(database, slugs, residents)
    kind = "SQLite" if database.sqlite else "PostgreSQL"
    print(
        f"{kind}, {residents} residents, filled in {time.perf_counter() - began:.0f} s", flush=True
    )
    dice = random.Random(3)
    chosen = dice.sample(ids, min(CALLS, len(ids)))
    now = datetime.now(UTC)
    await timed(
        "tag a resident",
        len(chosen),
        lambda i: house.tagging.apply(
            police, chosen[i], "ebike_user", "本人说的", now, ground=Ground.DUTY
        ),
    )
    await timed(
        "read a dossier",
        len(chosen),
        lambda i: house.files.open(police, chosen[i], Purpose.SERVICE, now),
    )
    for expression in AUDIENCES:
        await timed(
            f"count {expression}",
            20,
            lambda i, e=expression: house.audiences.count(police, e, now),
        )
    await database.close()


def main() -> None:
    sys.setswitchinterval(0.0002)  # as the server sets it
    sizes = [int(word) for word in sys.argv[1:]] or [10_000]
    with tempfile.TemporaryDirectory(prefix="jxw-files-") as name:
        folder = Path(name)
        mind = Curator(make_settings(folder, "sqlite+aiosqlite://")).load()
        content = Content(mind.library, mind)
        for size in sizes:
            with databases(folder) as urls, contextlib.suppress(KeyboardInterrupt):
                for url, _ in urls:
                    asyncio.run(measure(folder, url, size, content))


if __name__ == "__main__":
    main()
