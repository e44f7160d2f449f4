"""Lists in and out, and the mirror, as an operator runs them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from tests.fakes import FakeWeCom
from tests.services.sheeting import excel, person, read_back
from tests.stories.test_commands import PASSWORD, environment, forker, one_sentence, run

Run = Callable[..., CompletedProcess[str]]
__all__ = ["environment", "forker", "run"]


def add_officer(run: Run, name: str = "zhou", role: str = "police", *more: str) -> None:
    made = run("officer", "add", name, "--role", role, *more, stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert made.returncode == 0, made.stderr


def test_a_list_from_the_template_to_the_export(run: Run, tmp_path: Path) -> None:
    add_officer(run)
    template = tmp_path / "模板.xlsx"
    assert run("resident", "template", str(template)).returncode == 0
    assert template.exists()
    path = excel(tmp_path / "名单.xlsx", [person(1), person(2), person(3, "没有的标签")])
    looked = run("resident", "import", str(path))
    assert looked.returncode == 1
    assert "第 4 行：没有“没有的标签”这个标签" in looked.stdout
    assert "只核对，没有导入" in looked.stdout
    assert "--officer" in run("resident", "import", str(path), "--apply").stderr
    signed = ("--officer", "zhou", "--password", PASSWORD)
    refused = run("resident", "import", str(path), "--apply", *signed)
    assert refused.returncode == 1
    assert "一行也没有导入" in refused.stdout
    report = tmp_path / "原因.xlsx"
    taken = run(
        "resident", "import", str(path), "--apply", "--good-rows", *signed, "--report", str(report)
    )
    assert taken.returncode == 0, taken.stderr
    assert "已导入" in taken.stdout
    assert read_back(report, "不能导入的行")[1][0] == 4
    again = run("resident", "import", str(path), "--apply", "--good-rows", *signed)
    assert "已有、不重复记 2 项" in again.stdout
    out = tmp_path / "导出.xlsx"
    export = ("resident", "export", str(out), "--audience", "财务人员", "--reason", "讲座邀请")
    assert "账号或密码不对" in one_sentence(
        run(*export, "--officer", "zhou", "--password", "not the password")
    )
    done = run(*export, *signed)
    assert done.returncode == 0, done.stderr
    assert "已导出 2 人、2 项标签" in done.stdout
    assert len(read_back(out, "居民标签")) == 4
    unread = run(
        "resident", "export", str(out), "--audience", "财务人员 且", "--reason", "讲座", *signed
    )
    assert unread.returncode == 1
    assert run("audit", "verify").returncode == 0


def test_auxiliaries_and_admins_export_nothing(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "导出.xlsx"
    for name, role in (("wang", "auxiliary"), ("li", "admin")):
        add_officer(run, name, role)
        arguments = ("--audience", "财务人员", "--reason", "讲座邀请", "--officer", name)
        one_sentence(run("resident", "export", str(out), *arguments, "--password", PASSWORD))
    assert not out.exists()


def test_without_wecom_there_is_nothing_to_mirror(run: Run) -> None:
    assert "企业微信" in one_sentence(run("tags", "sync"))


async def test_the_mirror_is_brought_up_to_date(run: Run, tmp_path: Path) -> None:
    async with FakeWeCom() as fake:
        wecom = {
            "JXW_WECOM_CORP_ID": fake.corp_id,
            "JXW_WECOM_AGENT_ID": fake.agent_id,
            "JXW_WECOM_SECRET": fake.secret,
            "JXW_WECOM_TOKEN": fake.callback_token,
            "JXW_WECOM_AES_KEY": fake.aes_key,
            "JXW_WECOM_API_BASE": fake.base,
        }
        fake.contacts.add("officer-1", person(1)[0])
        await asyncio.to_thread(add_officer, run, "zhou", "police", "--wecom-userid", "officer-1")
        path = excel(tmp_path / "名单.xlsx", [person(1, "财务人员、独居老人")])
        signed = ("--officer", "zhou", "--password", PASSWORD)
        took = await asyncio.to_thread(
            run, "resident", "import", str(path), "--apply", *signed, **wecom
        )
        assert took.returncode == 0, took.stderr
        dry = await asyncio.to_thread(run, "tags", "sync", "--dry-run", **wecom)
        assert "新建 85 个" in dry.stdout
        assert fake.contacts.groups == {}
        done = await asyncio.to_thread(run, "tags", "sync", **wecom)
        assert done.returncode == 0, done.stderr
        assert "打上 1 项" in done.stdout
        assert fake.contacts.names("officer-1", person(1)[0]) == {"财务人员"}
        assert "独居老人" not in str(fake.requests)
        fake.fail_next("externalcontact/get_corp_tag_list", 45009)
        busy = await asyncio.to_thread(run, "tags", "sync", **wecom)
        assert "45009" in one_sentence(busy)


def test_the_data_key_is_changed(run: Run) -> None:
    add_officer(run)
    looked = run("key", "rotate", "--dry-run")
    assert "共 1 处，都要重新加密；打不开的 0 处。" in looked.stdout
    done = run("key", "rotate", "--stopped")
    assert "已重新加密 1 处，旧的数据密钥已删除。" in done.stdout, done.stderr
    assert run("audit", "verify").returncode == 0
