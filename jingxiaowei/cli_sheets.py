"""``jingxiaowei resident import|template|export``: lists of residents in and out."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from jingxiaowei.errors import PermissionDeniedError

if TYPE_CHECKING:
    from jingxiaowei.app import House
    from jingxiaowei.services.officers import Signed
    from jingxiaowei.services.sheets_house import SheetHouse

Value = TypeVar("Value")
WithHouse = Callable[[Callable[["House"], Awaitable[Any]]], Any]
SHOWN = 200  # refused rows on the screen; the report has all


class Ground(StrEnum):
    """合法性基础, as the command line names it."""

    DUTY = "duty"
    CONSENT = "consent"
    EMERGENCY = "emergency"


def add_commands(resident: typer.Typer, with_house: WithHouse) -> None:
    """Hang the commands under ``resident``."""

    @resident.command("template")
    def template(
        path: Annotated[Path, typer.Argument(help="要生成的 .xlsx")],
    ) -> None:
        """生成导入用的 Excel 模板：表头、下拉选项、填写说明。"""
        from jingxiaowei.content.checker import load_library
        from jingxiaowei.services.curation import today
        from jingxiaowei.services.sheets_writing import write_template
        from jingxiaowei.settings import load_settings

        library = load_library(load_settings(), today())
        write_template(path, library.taxonomy, [a for a in library.areas.values() if not a.desk])
        typer.echo(f"已生成 {path}。")

    @resident.command("import")
    def import_(
        path: Annotated[Path, typer.Argument(help=".xlsx，或 UTF-8、GBK 的 .csv")],
        apply: Annotated[bool, typer.Option("--apply", help="导入；不加就只核对")] = False,
        all_or_nothing: Annotated[
            bool,
            typer.Option(
                "--all-or-nothing/--good-rows",
                help="有一行不能导入就全不导入；或者只导入能导入的行",
            ),
        ] = True,
        account: Annotated[str, typer.Option("--officer", help="经办人的账号")] = "",
        password: Annotated[str, typer.Option(help="经办人的密码；不写就现场问")] = "",
        ground: Annotated[
            Ground | None,
            typer.Option(help="合法性基础；不写：本人同意过的按同意，没问过的按法定职责"),
        ] = None,
        report: Annotated[
            Path | None, typer.Option(help="把不能导入的行和原因写成一份 .xlsx")
        ] = None,
    ) -> None:
        """核对名单，逐行说明能不能导入；加 --apply 才导入。再导一次不会重复。"""
        if apply and not account:
            raise typer.BadParameter("导入要写明经办人", param_hint="--officer")
        if account and not password:
            password = typer.prompt(f"{account} 的密码", hide_input=True, err=True)

        async def run(house: "House") -> bool:
            return await _import(
                house, path, apply, not all_or_nothing, account, password, ground, report
            )

        if not with_house(run):
            raise typer.Exit(1)

    @resident.command("export")
    def export(
        path: Annotated[Path, typer.Argument(help="要写的 .xlsx")],
        audience: Annotated[str, typer.Option(help="受众表达式，如“财务人员 且 非 近期搬迁”")],
        account: Annotated[str, typer.Option("--officer", help="审批民警的账号")],
        reason: Annotated[str, typer.Option(help="用途，一句话；印在每页上，记入操作留痕")],
        password: Annotated[str, typer.Option(prompt="审批民警的密码", hide_input=True)],
        careful: Annotated[bool, typer.Option("--careful", help="连受保护的标签一起导出")] = False,
    ) -> None:
        """导出名单：由民警审批，带水印，记入操作留痕。"""
        from jingxiaowei.cli_progress import shown_progress
        from jingxiaowei.services.sheets_export import Exported

        async def run(house: "House") -> Exported:
            officer = await _signed(house, account, password)
            sheets = await _sheets(house)
            with shown_progress() as progress:
                progress.begin("导出", 0)
                return await sheets.exporting.export(
                    officer,
                    audience,
                    path,
                    reason,
                    datetime.now(UTC),
                    careful_too=careful,
                    moved=progress.move,
                )

        done: Exported = with_house(run)
        typer.echo(f"已导出 {done.residents} 人、{done.tags} 项标签到 {path}。用完请删除。")


async def _import(
    house: "House",
    path: Path,
    apply: bool,
    good_rows: bool,
    account: str,
    password: str,
    ground: Ground | None,
    report: Path | None,
) -> bool:
    """Judge or take a list and say how it went; whether nothing is left to mend."""
    from jingxiaowei.cli_progress import shown_progress
    from jingxiaowei.services.sheets_house import onlooker
    from jingxiaowei.services.sheets_values import Refusal
    from jingxiaowei.services.sheets_writing import write_refusals
    from jingxiaowei.store import file_tables

    officer = await _signed(house, account, password) if account else None
    sheets = await _sheets(house)
    refusals: list[Refusal] = []
    if apply:
        await sheets.landing.finish_left(datetime.now(UTC))  # one that was broken off
    with shown_progress() as progress:
        went = await sheets.importing.run(
            path,
            officer or onlooker(house.content.library),
            datetime.now(UTC),
            apply=apply,
            good_rows=good_rows,
            ground=file_tables.Ground(ground.value) if ground else None,
            on_refusal=refusals.append,
            progress=progress,
        )
    for refusal in refusals[:SHOWN]:
        typer.echo(f"第 {refusal.number} 行：{''.join(refusal.why)}")
    if len(refusals) > SHOWN:
        typer.echo(f"……还有 {len(refusals) - SHOWN} 行，用 --report 文件.xlsx 看全部。")
    if report is not None:
        write_refusals(report, refusals)
        typer.echo(f"不能导入的行写在 {report}。")
    typer.echo(went.tally.words())
    if went.applied:
        typer.echo("已导入。")
        if went.overtaken:
            typer.echo(f"有 {went.overtaken} 项没有记：期间有人改了这些居民的标签，以那个为准。")
    elif not apply:
        typer.echo("只核对，没有导入。要导入，加 --apply --officer 账号。")
    elif went.tally.good:
        typer.echo("有不能导入的行，一行也没有导入。改好再来，或加 --good-rows 只导入好的行。")
    return went.applied or not went.tally.refused


async def _signed(house: "House", account: str, password: str) -> "Signed":
    officer = await house.officers.sign_in(account, password)
    if officer is None:
        raise PermissionDeniedError("账号或密码不对。")
    return officer


async def _sheets(house: "House") -> "SheetHouse":
    from jingxiaowei.services import sheets_house

    await asyncio.to_thread(house.content.load)
    await house.officers.sync_areas(house.content.library)
    return sheets_house.build(
        house.database,
        house.audit,
        house.officers,
        house.content.library,
        house.settings.wecom_corp_id,
    )
