"""What was read and found good is kept, and nothing else is taken for it."""

import logging
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from jingxiaowei.content.checker import load_library
from jingxiaowei.content.model import Library
from jingxiaowei.errors import ContentError
from jingxiaowei.services.kept import NAME, kept_library
from jingxiaowei.settings import Settings
from tests.conftest import make_settings

TODAY = date(2026, 5, 4)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Every folder of content in the test's own, with few entries."""
    shipped = make_settings(tmp_path, "sqlite+aiosqlite://")
    copies = {
        "faq_dir": tmp_path / "faq",
        "tags_dir": tmp_path / "tags",
        "scams_dir": tmp_path / "scams",
        "lexicon_dir": tmp_path / "lexicon",
        "county_dir": tmp_path / "county",
        "voice_dir": tmp_path / "voice",
    }
    for name, copy in copies.items():
        few = ["id-card.yaml"] if name == "faq_dir" else []
        leave = shutil.ignore_patterns("practice", *_others(shipped.faq_dir, few))
        shutil.copytree(getattr(shipped, name), copy, ignore=leave)
    return shipped.model_copy(update=copies)


def _others(folder: Path, few: list[str]) -> list[str]:
    return [file.name for file in folder.rglob("*.yaml") if few and file.name not in few]


class Reader:
    """Reads the files once, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self._library: Library | None = None

    def __call__(self, settings: Settings, today: date) -> Library:
        self.asked += 1
        if self._library is None:
            self._library = load_library(settings, today)
        return self._library


def test_every_folder_of_content_is_looked_at(settings: Settings) -> None:
    names = {name for name in Settings.model_fields if name.endswith("_dir")} - {"data_dir"}
    assert {getattr(settings, name) for name in names} == set(settings.content_dirs)


def test_what_is_kept_is_the_same(settings: Settings) -> None:
    read = kept_library(settings, TODAY)
    kept = settings.data_dir / NAME
    assert kept.stat().st_mode & 0o777 == 0o600
    written = kept.stat().st_mtime_ns
    again = kept_library(settings, TODAY)
    assert kept.stat().st_mtime_ns == written
    assert again is not read
    assert again.entries == read.entries
    assert again.lexicon == read.lexicon
    assert again.scams.scripts == read.scams.scripts
    arrays = {
        name: (value, getattr(again.taught, name))
        for name in read.taught.__slots__
        if isinstance(value := getattr(read.taught, name), np.ndarray)
    }
    assert arrays
    for before, after in arrays.values():
        assert np.array_equal(before, after)
        assert before.dtype == after.dtype


def test_an_edit_in_any_folder_is_read(settings: Settings) -> None:
    read = Reader()
    for asked, folder in enumerate(settings.content_dirs, start=1):
        kept_library(settings, TODAY, read)
        kept_library(settings, TODAY, read)
        assert read.asked == asked
        file = next(folder.rglob("*.yaml"))
        file.write_text(file.read_text("utf-8") + "\n# a remark\n", "utf-8")
    file.write_text("broken: [", "utf-8")
    with pytest.raises(ContentError):
        kept_library(settings, TODAY)


def test_what_somebody_else_wrote_is_not_loaded(settings: Settings) -> None:
    read = Reader()
    kept_library(settings, TODAY, read)
    kept = settings.data_dir / NAME
    good = kept.read_bytes()
    bad = [bytearray(good) for _ in range(3)]
    for changed, place in zip(bad, (0, 40, -1), strict=True):
        changed[place] ^= 1
    for asked, written in enumerate((*bad, good[:-1], good[:20], b""), start=2):
        kept.write_bytes(written)
        kept_library(settings, TODAY, read)
        assert read.asked == asked
        assert len(kept.read_bytes()) == len(good)
    kept_library(settings, TODAY, read)
    assert read.asked == asked
    other = settings.model_copy(update={"secret_key": SecretStr("another secret, long enough")})
    kept_library(other, TODAY, read)
    assert read.asked == asked + 1


def test_a_folder_that_takes_nothing_costs_only_time(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    blocked = settings.model_copy(update={"data_dir": tmp_path / "file"})
    with caplog.at_level(logging.WARNING):
        assert kept_library(blocked, TODAY).entries
    assert "not kept" in caplog.text
