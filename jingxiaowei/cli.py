"""``jingxiaowei …``: the commands. Each is thin; what it does lives in the services."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from jingxiaowei import __version__, cli_keys, cli_mirror, cli_sheets
from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.settings import load_settings

cli = typer.Typer(
    name="jingxiaowei",
    help="警小微：县公安局的企业微信智能助手。",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
db = typer.Typer(help="数据库。", no_args_is_help=True)
officer = typer.Typer(help="民警、辅警、管理员、审计员的账号。", no_args_is_help=True)
duty = typer.Typer(help="值班表。", no_args_is_help=True)
audit = typer.Typer(help="操作留痕。", no_args_is_help=True)
resident = typer.Typer(help="居民档案。", no_args_is_help=True)
tags = typer.Typer(help="标签。", no_args_is_help=True)
key = typer.Typer(help="数据密钥。", no_args_is_help=True)
cli.add_typer(db, name="db")
cli.add_typer(key, name="key")
cli.add_typer(officer, name="officer")
cli.add_typer(duty, name="duty")
cli.add_typer(audit, name="audit")
cli.add_typer(resident, name="resident")
cli.add_typer(tags, name="tags")

Value = TypeVar("Value")


@cli.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="显示版本")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="监听地址")] = None,
    port: Annotated[int | None, typer.Option(help="监听端口")] = None,
) -> None:
    """启动：机器人、网页和后台任务在一个进程里。"""
    overrides = {"host": host, "port": port}
    settings = load_settings(**{n: value for n, value in overrides.items() if value is not None})
    from jingxiaowei.serving import (
        serve as run,  # takes a second: a wrong setting is told of at once
    )

    run(settings)


@cli.command()
def worker() -> None:
    """只启动后台任务（给第二台机器或第二个核用，要用 PostgreSQL）。"""
    from jingxiaowei.serving import work

    work(load_settings())


@cli.command()
def ask(
    text: Annotated[str | None, typer.Argument(help="居民的话")] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="逐行读 JSON、逐行答 JSON")] = False,
) -> None:
    """机器人会怎么答，为什么。"""
    from jingxiaowei.services.curation import Curator
    from jingxiaowei.services.rehearsal import answer_lines, explain

    if not jsonl and text is None:
        raise typer.BadParameter("写一句话，或者用 --jsonl 从标准输入读")
    mind = Curator(load_settings()).load()
    if not jsonl:
        typer.echo(explain(mind, text or ""))
        return
    for line in answer_lines(mind, sys.stdin.buffer):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@cli.command()
def screen(
    text: Annotated[str | None, typer.Argument(help="一段可疑的话")] = None,
    image: Annotated[Path | None, typer.Option("--image", help="一张截图，先读字再看")] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="逐行读 JSON、逐行答 JSON")] = False,
) -> None:
    """反诈筛查怎么看一段话或一张截图，为什么。"""
    from jingxiaowei.content.checker import load_library
    from jingxiaowei.services.curation import today
    from jingxiaowei.services.screening import explain_screening, read_dialogue, screen_lines

    if not jsonl and text is None and image is None:
        raise typer.BadParameter("写一段话，给一张截图，或者用 --jsonl 从标准输入读")
    library = load_library(load_settings(), today())
    if image is not None:
        text = read_dialogue(image)
        typer.echo(f"图上的字：\n{text or '（没有字）'}\n")
    if not jsonl:
        typer.echo(explain_screening(library, text or ""))
        return
    for line in screen_lines(library, sys.stdin.buffer, read_dialogue):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@cli.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON")] = False,
) -> None:
    """检查 faq/、tags/、词典、窗口和话语，一次列出所有问题；有错误时返回 1。"""
    from jingxiaowei.services.curation import check as run

    report = run(load_settings())
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
    else:
        for problem in report["problems"]:
            word = {"error": "错误", "warning": "提醒"}[problem["level"]]
            typer.echo(f"{problem['file']}:{problem['line']}: {word}：{problem['message']}")
        faq, tags = report["faq"], report["tags"]
        errors = sum(problem["level"] == "error" for problem in report["problems"])
        typer.echo(
            f"问答 {faq['entries']} 条，问法 {faq['phrasings']} 条；"
            f"标签 {tags['groups']} 组 {tags['tags']} 个；"
            f"错误 {errors}，提醒 {len(report['problems']) - errors}"
        )
    if not report["ok"]:
        raise typer.Exit(1)


@cli.command()
def evaluate(
    fit: Annotated[
        bool, typer.Option("--fit", help="用练习题重新教答题和筛查，写进词典和话术文件夹")
    ] = False,
) -> None:
    """用内容自带的试题考一遍：按领域、按问法、按条目列表，并列出最该改的混淆。"""
    from jingxiaowei.services.curation import Curator, teach
    from jingxiaowei.services.evaluation import report
    from jingxiaowei.services.screen_fit import fit as teach_screen
    from jingxiaowei.services.screen_practice import report as screen_report

    settings = load_settings()
    if fit:
        for path in teach(settings, typer.echo):
            typer.echo(f"已写入 {path}")
        teach_screen(Curator(settings).load().library, settings.scams_dir)
        typer.echo(f"已写入 {settings.scams_dir}")
    mind = Curator(settings).load()
    typer.echo(report(mind, settings))
    typer.echo(f"\n{screen_report(mind.library, settings.scams_dir)}")


@db.command()
def upgrade() -> None:
    """升级数据库结构。"""
    from jingxiaowei.store.engine import Database

    async def run() -> None:
        database = Database(load_settings().database_url)
        try:
            await database.upgrade()
        finally:
            await database.close()

    asyncio.run(run())
    typer.echo("数据库结构已是最新。")


@db.command()
def rekey(
    old: Annotated[str, typer.Option(prompt="原来的 JXW_SECRET_KEY", hide_input=True)] = "",
) -> None:
    """换了 JXW_SECRET_KEY 以后，用新的重新包好数据密钥（先停服务）。"""
    from jingxiaowei.store.engine import Database

    async def run() -> None:
        settings = load_settings()
        database = Database(settings.database_url)
        try:
            await database.rekey(old, settings.secret_key.get_secret_value())
        finally:
            await database.close()

    asyncio.run(run())
    typer.echo("已用新的 JXW_SECRET_KEY 重新包好。")


def _with_house(action: Callable[..., Awaitable[Value]]) -> Value:
    """Run something on the opened database, as a command of its own."""
    from jingxiaowei.app import open_house

    async def run() -> Value:
        async with open_house(load_settings()) as house:
            return await action(house)

    return asyncio.run(run())


@officer.command("add")
def officer_add(
    name: Annotated[str, typer.Argument(help="账号")],
    role: Annotated[str, typer.Option(help="police、auxiliary、admin 或 auditor")],
    password: Annotated[
        str, typer.Option(prompt="密码", hide_input=True, confirmation_prompt="再输一遍")
    ],
    area: Annotated[str, typer.Option(help="辖区代号，见 areas.yaml")] = "county-desk",
    full_name: Annotated[str, typer.Option(help="姓名")] = "",
    wecom_userid: Annotated[str | None, typer.Option(help="企业微信成员账号")] = None,
) -> None:
    """新建一个账号；密码现场输入。"""
    from jingxiaowei.app import House
    from jingxiaowei.content.checker import load_library
    from jingxiaowei.services.curation import today
    from jingxiaowei.store.tables import Role

    if role not in set(Role):
        raise typer.BadParameter(f"角色只能是 {'、'.join(Role)}", param_hint="--role")

    async def run(house: House) -> None:
        # The first account is made before the first start: the areas may not be there yet.
        await house.officers.sync_areas(load_library(house.settings, today()))
        await house.officers.add(name, Role(role), password, area, full_name, wecom_userid)

    _with_house(run)
    typer.echo(f"已建账号 {name}（{role}，{area}）。")


@duty.command("add")
def duty_add(
    name: Annotated[str, typer.Argument(help="账号")],
    starts: Annotated[datetime, typer.Option("--from", help="开始，如 2026-11-23T08:30")],
    ends: Annotated[datetime, typer.Option("--to", help="结束")],
    area: Annotated[str | None, typer.Option(help="辖区代号，默认是本人的")] = None,
) -> None:
    """排一个班（时间按北京时间）。"""
    from jingxiaowei.app import House
    from jingxiaowei.services.roster import LOCAL

    async def run(house: House) -> None:
        who = await house.officers.find(name)
        await house.roster.add_shift(
            who.id, area or who.area, starts.replace(tzinfo=LOCAL), ends.replace(tzinfo=LOCAL)
        )

    _with_house(run)
    typer.echo("已排班。")


@audit.command("verify")
def audit_verify() -> None:
    """核验操作留痕有没有被改动。"""
    from jingxiaowei.app import House

    async def run(house: House) -> int | None:
        return await house.audit.verify()

    broken = _with_house(run)
    if broken is not None:
        typer.echo(f"第 {broken} 条对不上：留痕被改动或删除过。", err=True)
        raise typer.Exit(1)
    typer.echo("未发现断链。")


@resident.command("erase")
def resident_erase(
    resident_id: Annotated[str, typer.Argument(help="居民编号（32 位）")],
    yes: Annotated[bool, typer.Option("--yes", help="不再问，直接删")] = False,
    account: Annotated[
        str | None, typer.Option("--officer", help="经办民警的账号；记入操作留痕")
    ] = None,
    reason: Annotated[str, typer.Option(help="依据，如“本人书面申请”")] = "本人要求",
) -> None:
    """删除一位居民的全部信息：先列出要删什么、依法留什么，确认后删除，并清理数据库文件。"""
    from datetime import UTC

    from jingxiaowei.app import House
    from jingxiaowei.services.erasure import Erased
    from jingxiaowei.services.erasure_words import in_words

    async def look(house: House) -> Erased:
        return await house.files.erasure.preview(resident_id)

    async def run(house: House) -> tuple[Erased, bool]:
        now = datetime.now(UTC)
        # The farewell's words belong to the content; a command says it on the screen instead.
        if account is None:
            erased = await house.files.erasure.erase(resident_id, "command line", now)
        else:
            who = await house.officers.find(account)
            erased = await house.files.erasure.erase_for(who, resident_id, reason, now)
        return erased, await house.files.erasure.scrub_due(now)

    typer.echo(in_words(_with_house(look)))
    if not yes:
        typer.confirm("删了找不回，确定删除吗？", abort=True)
    erased, clean = _with_house(run)
    typer.echo(f"已删除，回执 {erased.code}。")
    if not clean:
        typer.echo("数据库正忙，文件里的残留由夜间清理完成。")


cli_sheets.add_commands(resident, _with_house)
cli_mirror.add_commands(tags, _with_house)
cli_keys.add_commands(key, _with_house)


def main() -> None:
    """The command's entry: an error of ours is one clear sentence, not a traceback."""
    try:
        cli()
    except JingxiaoweiError as error:
        typer.echo(f"{error}", err=True)
        raise SystemExit(1) from None
