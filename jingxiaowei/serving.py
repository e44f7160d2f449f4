"""A process from its start to the signal that ends it: ``serve`` and ``worker``."""

import asyncio
import contextlib
import gc
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from typing import Any

import uvloop
from aiohttp import web

from jingxiaowei import logs
from jingxiaowei.app import House, make_app, open_house
from jingxiaowei.channels.unreadable import refusals_in_a_line
from jingxiaowei.channels.wecom import callback
from jingxiaowei.errors import SettingsError
from jingxiaowei.services import alerts_samples, files_samples
from jingxiaowei.services.samples import seed
from jingxiaowei.settings import Settings


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[House, str]]:
    """The whole product, serving; the address it listens on."""
    async with open_house(settings, serves=True) as house:
        await asyncio.to_thread(house.content.load)
        # The content lives as long as the process: no collection need look through it again.
        gc.freeze()
        await house.officers.sync_areas(house.content.library)
        house.start_workers()
        if settings.demo:
            await _seed(house)
        runner = web.AppRunner(
            make_app(house), access_log=None, logger=refusals_in_a_line(), shutdown_timeout=5
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, settings.host, settings.port)
            try:
                await site.start()
            except OSError as error:
                raise SettingsError(
                    f"{settings.host}:{settings.port} cannot be listened on "
                    f"({error.strerror}): choose another JXW_PORT"
                ) from None
            port = runner.addresses[0][1]
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            yield house, f"http://{host}:{port}"
        finally:
            await runner.cleanup()
            await house.stop_workers()
            gc.unfreeze()


async def _seed(house: House) -> None:
    """The demo's residents, officers and alerts, and a sign-in for the console that works once."""
    await seed(house.inbox)
    alone = house.api is None  # else officers' phones would ring for cases that are made up
    people = await alerts_samples.seed_officers(house.officers, house.roster, on_duty=alone)
    if alone:
        await alerts_samples.seed_alerts(house.database, house.alerts)
        await files_samples.seed_files(house.database, house.inbox, house.files, people)
    house.demo_sign_in = await house.sign_ins.one_time(people[0].id, datetime.now(UTC))


def _run(main: Coroutine[Any, Any, None]) -> None:
    # The database's thread must get its turn while the loop is busy: at Python's 5 ms a group
    # commit would wait longer for the interpreter than for the disk.
    sys.setswitchinterval(0.0002)
    logs.set_up()
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        contextlib.suppress(KeyboardInterrupt),
    ):
        runner.run(main)


def serve(settings: Settings) -> None:
    """``jingxiaowei serve``: until a signal says stop."""
    started = time.monotonic()

    async def main() -> None:
        async with running(settings) as (house, address):
            seconds = time.monotonic() - started
            entries = len(house.content.library.entries)
            print(f"警小微已启动（{seconds:.1f} 秒，问答 {entries} 条）", flush=True)
            print(f"  居民聊天页  {address}/chat", flush=True)
            print(f"  处理规则    {address}/privacy", flush=True)
            if house.demo_sign_in:
                entrance = f"{address}/console/enter?code={house.demo_sign_in}"
                print(f"  值班工作台  {entrance}  （只能用一次）", flush=True)
            else:
                print(f"  值班工作台  {address}/console/", flush=True)
            if house.puller is None:
                lacking = "、".join(settings.wecom_missing)
                begun = len(settings.wecom_missing) < len(settings.wecom_values)
                why = f"还缺 {lacking}" if begun else "见 README"
                print(f"  企业微信    未连接，{why}", flush=True)
            else:
                print(f"  企业微信    回调地址填 <您的域名>{callback.PATH}", flush=True)
            await _until_told()

    _run(main())


def work(settings: Settings) -> None:
    """``jingxiaowei worker``: turns and deliveries only, beside one or more ``serve``."""
    if settings.sqlite:
        raise SettingsError(
            "a separate worker needs PostgreSQL: on SQLite, serve does the work itself. "
            "Set JXW_DATABASE_URL=postgresql+asyncpg://…"
        )

    async def main() -> None:
        async with open_house(settings) as house:
            await asyncio.to_thread(house.content.load)
            await house.officers.sync_areas(house.content.library)
            house.puller = None  # pulling belongs to who hears the callbacks
            house.start_workers()
            print("警小微后台任务已启动", flush=True)
            try:
                await _until_told()
            finally:
                await house.stop_workers()

    _run(main())


async def _until_told() -> None:
    """Until SIGINT or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, told.set)
    await told.wait()
