"""The commands as an operator or a script runs them: exit codes, and sentences, not tracebacks."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from jingxiaowei.cli import cli
from jingxiaowei.errors import SettingsError
from jingxiaowei.services.officers import OfficerError, check_password
from jingxiaowei.settings import load_settings
from tests.commands import Forker
from tests.conftest import ROOT, SECRET, bring
from tests.pictures import STYLES, Chat, draw_chat, saved

PASSWORD = "梧桐树下 correct horse"
COMMAND = (sys.executable, "-m", "jingxiaowei")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path, kept: Path) -> dict[str, str]:
    """Nothing of the machine's own settings; everything of ours in the test's folder."""
    bring(kept, tmp_path / "data")
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "JXW_DATA_DIR": str(tmp_path / "data"),
        "JXW_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/data/test.db",
        "JXW_FAQ_DIR": str(ROOT / "faq"),
        "JXW_TAGS_DIR": str(ROOT / "tags"),
        "JXW_SECRET_KEY": SECRET,
        "JXW_PORT": "0",
    }


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    forker = Forker()
    yield forker
    forker.close()


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str], forker: Forker) -> Run:
    def run(*arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        done = forker.run(arguments, stdin, environment | settings, tmp_path)
        assert "Traceback" not in done.stderr + done.stdout
        return done

    return run


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that stopped has said: one line and nothing else."""
    assert done.returncode == 1
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if " INFO " not in line]
    assert len(lines) == 1
    return lines[0]


# check


def test_every_problem_is_named_with_file_and_line(run: Run, tmp_path: Path) -> None:
    faq = tmp_path / "few"  # few of the shipped answers are checked quicker than all
    faq.mkdir()
    shutil.copy(ROOT / "faq" / "hukou" / "id-card.yaml", faq)
    (faq / "broken.yaml").write_text("- id: one\n  fact: [\n", encoding="utf-8")
    (faq / "poor.yaml").write_text(
        "- id: poor-entry\n  fact: H99\n  domain: moon\n  title: 缺这缺那\n", encoding="utf-8"
    )
    done = run("check", JXW_FAQ_DIR=str(faq))
    assert done.returncode == 1
    assert f"{faq}/broken.yaml:3: 错误" in done.stdout
    assert f"{faq}/poor.yaml:3: 错误" in done.stdout
    assert "phrasings" in done.stdout
    report = json.loads(run("check", "--json", JXW_FAQ_DIR=str(faq)).stdout)
    assert report["ok"] is False
    assert set(report) == {"ok", "faq", "tags", "scams", "problems"}
    places = {(one["file"], one["line"]) for one in report["problems"] if one["level"] == "error"}
    assert {(f"{faq}/broken.yaml", 3), (f"{faq}/poor.yaml", 3)} <= places
    nothing = json.loads(run("check", "--json", JXW_FAQ_DIR=str(tmp_path / "none")).stdout)
    wrong = [one["file"] for one in nothing["problems"] if one["level"] == "error"]
    assert wrong == [str(tmp_path / "none")]
    assert not any("practice" in one["file"] for one in nothing["problems"])
    assert all(set(one) == {"file", "line", "level", "message"} for one in report["problems"])


# ask


def test_one_question_is_answered_with_reasons(run: Run) -> None:
    done = run("ask", "身份证丢了怎么补")
    assert done.returncode == 0
    assert "补领" in done.stdout
    assert "H03" in done.stdout
    assert CliRunner().invoke(cli, ["ask"]).exit_code != 0  # neither a text nor --jsonl


def test_a_screenshot_is_screened(run: Run, tmp_path: Path) -> None:
    chat = Chat([("Boss", "pay 268000 now"), ("me", "which account")], title="Finance(3)")
    (tmp_path / "chat.png").write_bytes(saved(draw_chat(chat, STYLES["wechat"], 720)))
    (tmp_path / "no.png").write_bytes(b"no picture")
    shown = run("screen", "--image", "chat.png")
    assert shown.returncode == 0
    assert "Boss：pay 268000 now" in shown.stdout
    assert "我：which account" in shown.stdout
    assert "判断：" in shown.stdout
    refused = run("screen", "--image", "no.png")
    assert refused.returncode != 0
    assert "not a PNG" in refused.stderr
    pictures = {"a": "chat.png", "b": "no.png", "c": "/dev/zero", "d": "no\0name"}
    lines: list[dict[str, str]] = [{"id": n, "image": path} for n, path in pictures.items()]
    lines.append({"id": "e"})
    asked = run("screen", "--jsonl", stdin="\ufeff" + "\n".join(map(json.dumps, lines)))
    read, bad, endless, nameless, empty = map(json.loads, asked.stdout.splitlines())
    assert (read["id"], read["verdict"]) in {("a", "alert"), ("a", "advise"), ("a", "none")}
    assert "pay 268000 now" in read["text"]
    assert all(s["quote"] == read["text"][s["start"] : s["end"]] for s in read["signals"])
    assert (bad["id"], bad["error"][:23]) == ("b", "the picture is not read")
    assert (endless["id"], "5 MB" in endless["error"]) == ("c", True)
    assert (nameless["id"], "name of a file" in nameless["error"]) == ("d", True)
    assert empty["id"] is None


def test_lines_are_answered_one_by_one_as_they_come(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with subprocess.Popen(
        [*COMMAND, "ask", "--jsonl"],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr

        def answer_to(line: bytes) -> Any:
            """The answer, read before the next line is written."""
            assert process.stdin
            assert process.stdout
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        first = answer_to('{"id": "a", "text": "身份证丢了怎么补"}'.encode())
        assert (first["id"], first["kind"], first["fact"]) == ("a", "answer", "H03")
        assert first["faq"] == first["candidates"][0]["faq"]
        assert 0 < len(first["candidates"]) <= 5
        assert "补领" in first["reply"]
        for bad in (b"{", b"7", b'{"id": 1}', b'{"text": "x"}', b'{"id": 1, "text": 2}', b"\xff"):
            refused = answer_to(bad)
            assert refused["id"] is None
            assert refused["error"]
        # Many at once, an empty line among them: the order is kept.
        questions = [
            "家里着火了",
            "你好",
            "人工",
            "公司拖欠工资找谁",
            "护照怎么办",
            "asdf qwer",
        ] * 5
        lines = [
            json.dumps({"id": n, "text": text, "session": "s"}) for n, text in enumerate(questions)
        ]
        process.stdin.write("\n\n".join(lines).encode())  # the last line without its end
        process.stdin.close()
        answers = [json.loads(line) for line in process.stdout.read().splitlines()]
        assert [one["id"] for one in answers] == list(range(30))
        kinds = [one["kind"] for one in answers[:4]]
        assert kinds == ["emergency", "smalltalk", "handoff", "unknown"]
        assert answers[3]["signpost"] == "12333"
        assert process.stderr.read() == b""
    assert process.returncode == 0


# worker and serve


def test_a_worker_needs_postgresql(run: Run) -> None:
    assert "PostgreSQL" in one_sentence(run("worker"))


PRODUCTION = {
    "JXW_MODE": "production",
    "JXW_SECRET_KEY": SECRET,
    "JXW_WECOM_CORP_ID": "ww1",
    "JXW_WECOM_AGENT_ID": "1000002",
    "JXW_WECOM_SECRET": "s",
    "JXW_WECOM_TOKEN": "t",
    "JXW_WECOM_AES_KEY": "k" * 43,
}


BAD_SETTINGS: list[tuple[dict[str, str], str]] = [
    ({"JXW_PORT": "http"}, "JXW_PORT"),
    ({"JXW_MODE": "test"}, "JXW_MODE"),
    ({"JXW_DATABASE_URL": "mysql://localhost/x"}, "JXW_DATABASE_URL"),
    ({"JXW_HOST": "::"}, "JXW_HOST"),
    ({"JXW_HOST": "example.com"}, "JXW_HOST"),
    ({"JXW_PUBLIC_URL": "jxw.example.gov.cn"}, "JXW_PUBLIC_URL"),
    ({"JXW_WECOM_API_BASE": "qyapi"}, "JXW_WECOM_API_BASE"),
    ({"JXW_WECOM_AGENT_ID": "agent"}, "JXW_WECOM_AGENT_ID"),
    ({"JXW_DATA_DIR": "/proc/no/folder", "JXW_SECRET_KEY": ""}, "JXW_DATA_DIR"),
    (PRODUCTION | {"JXW_WECOM_TOKEN": ""}, "JXW_WECOM_TOKEN"),
    (PRODUCTION | {"JXW_SECRET_KEY": "short"}, "JXW_SECRET_KEY"),
]
BAD_STARTS: list[tuple[dict[str, str], str]] = [
    ({"JXW_PORT": "80000"}, "JXW_PORT"),
    ({"JXW_HOST": "0.0.0.0"}, "JXW_HOST"),  # noqa: S104 - what must be refused
    ({"JXW_DATABASE_URL": "postgresql+asyncpg://u:hush@127.0.0.1:1/x"}, "database"),
    ({"JXW_DATABASE_URL": "sqlite+aiosqlite:////proc/no/such.db"}, "database"),
    ({"JXW_DATABASE_URL": "sqlite+aiosqlite:////proc"}, "folder /proc"),
    ({"JXW_DATABASE_URL": "sqlite+aiosqlite://"}, "names no file"),
    ({"JXW_DATABASE_URL": "postgresql+asyncpg://u:hush@h:port/x"}, "JXW_DATABASE_URL"),
    ({"JXW_WECOM_CORP_ID": "ww1", "JXW_WECOM_TOKEN": "t"}, "JXW_WECOM_AES_KEY"),
    ({"JXW_MODE": "production", "JXW_SECRET_KEY": ""}, "JXW_SECRET_KEY"),
    (PRODUCTION | {"JXW_SECRET_KEY": "change-me-to-a-long-random-text-of-yours"}, "example"),
    (PRODUCTION, "db upgrade"),
]


@pytest.mark.parametrize(("bad", "says"), BAD_SETTINGS)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: dict[str, str],
    bad: dict[str, str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (environment | bad).items():
        if name.startswith("JXW_"):
            monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=says):
        load_settings()


def test_the_settings_file_as_editors_leave_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".env"
    file.write_text("JXW_UNIT_NAME=海盐\nJXW_TRUSTED_PROXI=true\n", encoding="utf-8-sig")
    assert load_settings().unit_name == "海盐"
    assert "JXW_TRUSTED_PROXI is no setting" in caplog.text
    assert "is JXW_TRUSTED_PROXY meant" in caplog.text
    file.write_text("JXW_UNIT_NAME=海盐\n", encoding="gbk")
    with pytest.raises(SettingsError, match="UTF-8"):
        load_settings()


@pytest.mark.parametrize(("bad", "says"), BAD_STARTS)
def test_what_cannot_be_used_stops_the_start(run: Run, bad: dict[str, str], says: str) -> None:
    sentence = one_sentence(run("serve", **bad))
    assert says in sentence
    assert "hush" not in sentence


def test_broken_content_stops_the_start(run: Run, tmp_path: Path) -> None:
    faq = tmp_path / "faq"
    faq.mkdir()
    (faq / "broken.yaml").write_text("- id: [\n", encoding="utf-8")
    done = run("serve", JXW_FAQ_DIR=str(faq))
    assert done.returncode == 1
    assert f"{faq}/broken.yaml:2" in done.stderr


def test_a_port_in_use_stops_the_start(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        sentence = one_sentence(run("serve", "--port", port))
    assert port in sentence
    assert "JXW_PORT" in sentence


# the database, accounts, the audit trail


def test_the_schema_is_brought_up_to_date_once(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        done = run("db", "upgrade")
        assert (done.returncode, done.stderr) == (0, "")
        assert "最新" in done.stdout
    with closing(sqlite3.connect(tmp_path / "data" / "test.db")) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    assert {"inbox", "outbox", "ticket", "officer", "audit_event"} <= tables


@pytest.mark.parametrize("password", ["short", "a" * 12, "zhou-is-my-name", "ZHOUZHOU1234"])
def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(OfficerError, match="密码"):
        check_password("zhou", password)
    check_password("zhou", PASSWORD)


def test_accounts_and_their_trace(
    run: Run, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One story: accounts made and refused, and the audit trail before and after tampering.

    What has been seen to run as a process of its own goes on in this one, which is quicker.
    """
    monkeypatch.chdir(tmp_path)

    def add(name: str, *options: str, password: str = PASSWORD, again: str = "") -> Result:
        typed = f"{password}\n{again or password}\n"
        return CliRunner().invoke(
            cli, ["officer", "add", name, *options], input=typed, env=environment
        )

    done = run("officer", "add", "zhou", "--role", "police", stdin=f"{PASSWORD}\n" * 2)
    assert done.returncode == 0
    assert "zhou" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert (
        run("officer", "add", "zhou", "--role", "admin", stdin=f"{PASSWORD}\n" * 2).returncode == 1
    )
    made = add("wang", "--role", "auditor", "--area", "wuyuan", "--full-name", "王某")
    assert made.exit_code == 0
    assert PASSWORD not in made.output
    for name, options, typed, hint in (
        ("zhou", ("--role", "admin"), {}, "zhou"),
        ("wu", ("--role", "police"), {"password": "wu-is-me-wu-wu"}, "密码"),
        ("wu", ("--role", "police"), {"again": "something else"}, "do not match"),
        ("wu", ("--role", "sheriff"), {}, "auditor"),
        ("wu", ("--role", "police", "--area", "atlantis"), {}, "atlantis"),
    ):
        refused = add(name, *options, **typed)
        assert refused.exit_code != 0
        assert hint in refused.output + str(refused.exception)
    file = tmp_path / "data" / "test.db"
    for secret in (PASSWORD, "王某"):
        assert secret.encode() not in file.read_bytes()
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        accounts = database.execute("SELECT account, role, area FROM officer ORDER BY id")
        assert accounts.fetchall() == [
            ("zhou", "police", "county-desk"),
            ("wang", "auditor", "wuyuan"),
        ]
        verify = ["audit", "verify"]
        assert CliRunner().invoke(cli, verify, env=environment).exit_code == 0
        database.execute("UPDATE audit_event SET reason = 'admin' WHERE id = 1")
        done = run(*verify)
        assert done.returncode == 1
        assert "第 1 条对不上" in done.stderr
        database.execute("UPDATE audit_event SET reason = 'police' WHERE id = 1")
        assert CliRunner().invoke(cli, verify, env=environment).exit_code == 0
        database.execute("DELETE FROM audit_event WHERE id = 1")
        assert CliRunner().invoke(cli, verify, env=environment).exit_code == 1
    wrong = one_sentence(run("serve", JXW_SECRET_KEY="another secret than the database's own"))
    assert "JXW_SECRET_KEY" in wrong


def test_a_resident_is_erased(run: Run, tmp_path: Path) -> None:
    assert run("db", "upgrade").returncode == 0
    who = "0123456789abcdef" * 2
    assert "没有这位居民" in one_sentence(run("resident", "erase", who, "--yes"))
    with closing(sqlite3.connect(tmp_path / "data" / "test.db")) as database, database:
        database.execute(
            "INSERT INTO resident (id, created_at) VALUES (?, '2026-06-01 00:00:00.000000')", (who,)
        )
    asked = run("resident", "erase", who, stdin="n\n")
    assert asked.returncode == 1
    assert "依法留存" in asked.stdout
    done = run("resident", "erase", who, "--yes")
    assert done.returncode == 0, done.stderr
    assert "已删除，回执" in done.stdout
    with closing(sqlite3.connect(tmp_path / "data" / "test.db")) as database:
        assert database.execute("SELECT count(*) FROM resident").fetchone() == (0,)
