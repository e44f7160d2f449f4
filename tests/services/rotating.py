"""``python -m tests.services.rotating URL FOLDER``: change the data key, in a process that can be
killed. It says so when it begins."""

import asyncio
import sys
from pathlib import Path

from jingxiaowei.services.audit import Audit
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.key_rotation import KeyRotation
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.sheets import Progress
from jingxiaowei.store.engine import Database
from tests.conftest import SECRET


async def rotate(url: str, folder: Path) -> None:
    database = Database(url)
    await database.open(SECRET)
    media = MediaKeeper(database, Bell(database), folder, None)
    print("begun", flush=True)
    await KeyRotation(database, media, Audit(database), 0).run(Progress(), "test", print)
    await database.close()


if __name__ == "__main__":
    asyncio.run(rotate(sys.argv[1], Path(sys.argv[2])))
