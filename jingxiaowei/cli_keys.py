"""``jingxiaowei key rotate``: what is encrypted gets a new key, while the service goes on."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from jingxiaowei.app import House

WithHouse = Callable[[Callable[["House"], Awaitable[Any]]], Any]


def add_commands(key: typer.Typer, with_house: WithHouse) -> None:
    """Hang the command under ``key``."""

    @key.callback()
    def group() -> None:
        """A group, though it has one command."""

    @key.command("rotate")
    def rotate(
        dry_run: Annotated[bool, typer.Option("--dry-run", help="只数、只核对，不改")] = False,
        stopped: Annotated[
            bool, typer.Option("--stopped", help="服务都停了，不用等各进程读到新密钥")
        ] = False,
    ) -> None:
        """换数据密钥，全部内容重新加密（服务不用停）；断了再运行一次，接着做。"""

        async def run(house: "House") -> None:
            await _rotate(house, dry_run, stopped)

        with_house(run)


async def _rotate(house: "House", dry_run: bool, stopped: bool) -> None:
    from jingxiaowei.cli_progress import shown_progress
    from jingxiaowei.services.key_rotation import WAIT, KeyRotation

    rotation = KeyRotation(house.database, house.media, house.audit, 0 if stopped else WAIT)
    if dry_run:
        under_way = await rotation.under_way()
        with shown_progress() as progress:
            found = await rotation.look(progress)
        _say_counts(found.values)
        total = sum(found.values.values())
        left = f"其中 {sum(found.renewed.values())} 处还在旧密钥下" if under_way else "都要重新加密"
        typer.echo(f"共 {total} 处，{left}；打不开的 {len(found.damaged)} 处。")
        for place in found.damaged:
            typer.echo(f"打不开：{place}")
        return
    with shown_progress() as progress:
        found = await rotation.run(progress, "command line", lambda words: typer.echo(words))
    _say_counts(found.renewed)
    typer.echo(f"已重新加密 {sum(found.renewed.values())} 处，旧的数据密钥已删除。")
    if house.settings.secret_key_old.get_secret_value():
        typer.echo("各进程都用上新的 JXW_SECRET_KEY 以后，JXW_SECRET_KEY_OLD 可以从 .env 删掉。")
    typer.echo("以前的备份仍要用做备份时的 JXW_SECRET_KEY 打开，请和备份一样收好。")


def _say_counts(counts: Counter[str]) -> None:
    for place, count in sorted(counts.items()):
        typer.echo(f"  {place}  {count}")
