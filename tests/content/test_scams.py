"""The scam scripts are checked like all content: every fault at its line."""

import shutil
from pathlib import Path

import pytest

from jingxiaowei.content.checker import check_library
from jingxiaowei.content.loader import read_library
from jingxiaowei.content.source import Level, Problem
from jingxiaowei.settings import PACKAGE
from tests.conftest import make_settings
from tests.content.test_checker import TODAY

SHIPPED = PACKAGE / "content" / "scams"


def edited(folder: Path, file: str, old: str, new: str) -> list[Problem]:
    """The errors after an edit of one file."""
    scams = folder / "scams"
    shutil.copytree(SHIPPED, scams, ignore=shutil.ignore_patterns("practice"))
    path = scams / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    library, shelf = read_library(make_settings(folder, "sqlite+aiosqlite://", scams_dir=scams))
    found = check_library(library, shelf, TODAY)
    return [p for p in found if str(scams) in p.file and p.level is Level.ERROR]


def line_of(file: str, text: str) -> int:
    lines = (SHIPPED / file).read_text(encoding="utf-8").splitlines()
    return next(i for i, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("boss-impersonation.yaml", "stage: approach", "stage: aproach", "aproach"),
        ("boss-impersonation.yaml", "我是{老板}", "我是{老扳}", "词类"),
        ("boss-impersonation.yaml", "- id: boss-new-number", "- id: boss-claims-to-be", "重复"),
        ("boss-impersonation.yaml", "hit: [小刘，我是你们王总", "hit: [小刘好", "应该认出来"),
        (
            "boss-impersonation.yaml",
            "    miss: [我是外地来的员工",
            "    miss: [我是你们王总",
            "不该认出来",
        ),
        ("exemptions.yaml", "scope: clause", "scope: word", "scope"),
        ("readings.yaml", "reads: done", "reads: gone", "reads"),
        ("romance.yaml", "scam_type: romance", "scam_type: fake_loan", "已在"),
        ("words.yaml", "老板: [", "老板: 老板\n老总: [", "列出至少一个词"),
    ],
)
def test_each_fault_is_told_with_its_line(
    tmp_path: Path, file: str, old: str, new: str, says: str
) -> None:
    found = edited(tmp_path, file, old, new)
    assert any(says in p.message and p.line >= 1 for p in found), found


def test_an_example_that_fails_stands_at_its_line(tmp_path: Path) -> None:
    file = "boss-impersonation.yaml"
    found = edited(tmp_path, file, "hit: [小刘，我是你们王总", "hit: [小刘好")
    assert [p.line for p in found] == [line_of(file, "hit: [小刘，")]


def test_a_broken_artifact_is_an_error_and_no_crash(tmp_path: Path) -> None:
    scams = tmp_path / "scams"
    shutil.copytree(SHIPPED, scams, ignore=shutil.ignore_patterns("practice"))
    (scams / "wording.npz").write_bytes(b"not an archive")
    library, shelf = read_library(make_settings(tmp_path, "sqlite+aiosqlite://", scams_dir=scams))
    found = [p for p in check_library(library, shelf, TODAY) if "wording" in p.file]
    assert [p.level for p in found] == [Level.ERROR]
    assert "--fit" in found[0].message


def test_every_type_has_a_script(tmp_path: Path) -> None:
    library, _ = read_library(make_settings(tmp_path, "sqlite+aiosqlite://"))
    assert len(library.scams.scripts) == 13
    for script in library.scams.scripts:
        assert script.signals
        assert all(signal.hit and signal.miss for signal in script.signals)
