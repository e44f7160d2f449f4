"""``jingxiaowei tags sync``: general tags stand in WeCom too, and what is changed there comes
back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jingxiaowei.errors import SettingsError

if TYPE_CHECKING:
    from jingxiaowei.app import House

WithHouse = Callable[[Callable[["House"], Awaitable[Any]]], Any]
PAUSES = 5  # how often WeCom may ask to be left alone before a run ends


def add_commands(tags: typer.Typer, with_house: WithHouse) -> None:
    """Hang the command under ``tags``."""

    @tags.command("sync")
    def sync(
        dry_run: Annotated[bool, typer.Option("--dry-run", help="只说会做什么，不改")] = False,
    ) -> None:
        """把普通标签和企业微信对齐（受保护的标签不出本系统）；断了再运行一次，接着做。"""

        async def run(house: "House") -> bool:
            return await _sync(house, dry_run)

        if not with_house(run):
            raise typer.Exit(1)


async def _sync(house: "House", dry_run: bool) -> bool:
    """Say what was done; whether nothing is left to do."""
    from jingxiaowei.cli_progress import shown_progress
    from jingxiaowei.services.mirror_plan import Mirrored

    if house.contacts is None:
        raise SettingsError("还没有连接企业微信，见 README 的“接入企业微信”。")
    await asyncio.to_thread(house.content.load)
    await house.officers.sync_areas(house.content.library)
    mirror = house.contacts.mirror
    changes = await mirror.make_tags(datetime.now(UTC), dry_run)
    typer.echo(changes.words())
    with shown_progress() as progress:
        if dry_run:
            progress.begin("对照", 0)
            typer.echo((await mirror.look(datetime.now(UTC), progress.move)).words())
            return True
        total = Mirrored(new_contacts=await mirror.list_contacts(datetime.now(UTC)))
        await mirror.mark_all_due(datetime.now(UTC))
        progress.begin("对照", await mirror.waiting(datetime.now(UTC)))
        for _ in range(PAUSES):
            done = await mirror.work(lambda: datetime.now(UTC), progress.move)
            total.add(done)
            if not done.pause:
                break
            await asyncio.sleep(done.pause)
    left = await mirror.unfinished()
    total.failed = left
    typer.echo(total.words())
    if left:
        typer.echo("没做完的留着，过几分钟再运行一次，接着做。")
    return not left
