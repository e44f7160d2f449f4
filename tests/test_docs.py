"""The documents say what the program does: settings, commands, metrics, errors, rooms."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from jingxiaowei.channels.wecom.api import CONFIGURATION
from jingxiaowei.cli import cli
from jingxiaowei.content.model import Cases, Concepts, FaqEntry, Parts
from jingxiaowei.errors import SettingsError
from jingxiaowei.settings import PACKAGE, Mode, Settings, load_settings
from tests.conftest import ROOT

READMES = ("README.md", "README.zh-CN.md")
ENV_NAMES = frozenset(f"JXW_{name.upper()}" for name in Settings.model_fields)
TEST_NAMES = frozenset({"JXW_REQUIRE_BROWSER"})  # read by the tests, not by the program
# Put together here, so that this file does not hold what it looks for.
UNWANTED = [
    "files." + "pythonhosted",
    "pypi." + "org",
    "registry." + "npmjs",
    "proxy." + "golang",
    "/ro" + "ot/",
    "/ho" + "me/",
    "/wo" + "rk/",
    "/t" + "mp/",
]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def first_commands(name: str) -> list[str]:
    """The commands of a document's first block, without their comments."""
    block = re.search(r"^```sh\n(.*?)^```", read(name), re.MULTILINE | re.DOTALL)
    assert block, name
    return [line.split("#")[0].strip() for line in block[1].splitlines()]


def walk(command: Any, name: str) -> Iterator[str]:
    """Every command that does something, with its groups before it."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name
        return
    for word, child in inner.items():
        yield from walk(child, f"{name} {word}")


COMMANDS = list(walk(typer.main.get_command(cli), "jingxiaowei"))


def tracked() -> list[Path]:
    """The project's files, as git knows them or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENV_NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", [".env.example", *READMES])
def test_every_setting_is_documented(name: str) -> None:
    assert ENV_NAMES - set(re.findall(r"\bJXW_[A-Z_]*[A-Z]\b", read(name))) == set()


@pytest.mark.parametrize("name", [".env.example", *READMES, "docs/content.md"])
def test_every_setting_in_a_document_exists(name: str) -> None:
    assert set(re.findall(r"\bJXW_[A-Z_]*[A-Z]\b", read(name))) - ENV_NAMES - TEST_NAMES == set()


def test_the_example_has_a_line_for_every_setting() -> None:
    names = re.findall(r"^(?:# )?(JXW_[A-Z_]+)=", read(".env.example"), re.MULTILINE)
    assert set(names) == ENV_NAMES


def test_the_example_copied_as_it_is_runs_the_demo() -> None:
    example = Settings(_env_file=ROOT / ".env.example")  # type: ignore[call-arg]
    assert example.mode is Mode.DEMO
    assert example == Settings(_env_file=None)  # type: ignore[call-arg]


def test_the_example_secrets_do_not_start_production(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(re.sub(r"^# (?=JXW_)", "", read(".env.example"), flags=re.MULTILINE))
    with pytest.raises(SettingsError, match=r"JXW_SECRET_KEY.* at its example"):
        load_settings(_env_file=file, mode=Mode.PRODUCTION)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", READMES)
def test_every_command_is_documented(name: str, command: str) -> None:
    assert re.search(rf"`{re.escape(command)}\b", read(name))


@pytest.mark.parametrize("name", READMES)
def test_every_command_in_a_document_exists(name: str) -> None:
    for words in re.findall(r"^\| `jingxiaowei ([a-z].*?)`", read(name), re.MULTILINE):
        assert any(f"jingxiaowei {words} ".startswith(f"{command} ") for command in COMMANDS), words


@pytest.mark.parametrize("name", READMES)
def test_the_two_commands_are_what_ci_runs(name: str) -> None:
    serve, test = first_commands(name)
    assert serve == "make serve"
    assert test == "make test"
    assert read(".ci/run").splitlines()[-1] == test
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.mark.parametrize("name", READMES)
def test_every_metric_and_configuration_error_is_documented(name: str) -> None:
    text = read(name)
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    cookies = {"jxw_chat", "jxw_console"}
    metrics = set(re.findall(r'"(jxw_[a-z_]+)"', code)) - cookies
    assert {metric for metric in metrics if metric not in text} == set()
    assert {number for number in CONFIGURATION if str(number) not in text} == set()


def test_both_readmes_have_the_same_structure() -> None:
    marks = re.compile(r"^(#+ |\| `|\d\. |```)", re.MULTILINE)
    one, other = (marks.findall(read(name)) for name in READMES)
    assert one == other


def test_links_lead_somewhere() -> None:
    for name in (*READMES, "docs/architecture.md", "docs/content.md"):
        for target in re.findall(r"(?<!!)\[[^\]]*\]\((?!https?:)([^)#]+)", read(name)):
            assert ((ROOT / name).parent / target).exists(), (name, target)


def test_the_architecture_names_every_room() -> None:
    text = read("docs/architecture.md")
    packages = {path.parent.relative_to(ROOT) for path in PACKAGE.rglob("__init__.py")}
    assert {str(package) for package in packages if f"{package}/" not in text} == set()


def test_the_handbook_names_every_field_and_its_example_is_right() -> None:
    text = read("docs/content.md")
    fields = {name for model in (FaqEntry, Concepts, Parts, Cases) for name in model.model_fields}
    assert {field for field in fields if field not in text} == set()
    block = re.search(r"```yaml\n(- id: .*?)```", text, re.DOTALL)
    assert block
    (example,) = yaml.safe_load(block[1])
    assert set(FaqEntry.model_validate(example).model_fields_set) == set(FaqEntry.model_fields)


def test_no_file_names_a_registry_or_a_machine() -> None:
    pattern = re.compile("|".join(rf"(?<![\w.]){re.escape(word)}" for word in UNWANTED))
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in pattern.finditer(text)]
    assert found == []
