"""What was read and found good is kept, and nothing else is taken for it."""

import logging
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from jingxiaowei.errors import ContentError
from jingxiaowei.services.kept import NAME, kept_library
from jingxiaowei.settings import Settings
from tests.conftest import ROOT, make_settings

TODAY = date(2026, 5, 4)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The shipped content, with a copy of the entries that a test may edit."""
    faq = tmp_path / "faq"
    for file in (ROOT / "faq").rglob("*.yaml"):
        copy = faq / file.relative_to(ROOT / "faq")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return make_settings(tmp_path, "sqlite+aiosqlite://").model_copy(update={"faq_dir": faq})


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


def test_an_edit_is_read_anew_and_a_broken_one_refused(settings: Settings) -> None:
    read = kept_library(settings, TODAY)
    file = next(settings.faq_dir.rglob("*.yaml"))
    file.write_text(file.read_text("utf-8") + "\n# a remark\n", "utf-8")
    kept = settings.data_dir / NAME
    written = kept.stat().st_ino
    assert kept_library(settings, TODAY).entries == read.entries
    assert kept.stat().st_ino != written
    file.write_text("faq: [", "utf-8")
    with pytest.raises(ContentError):
        kept_library(settings, TODAY)


@pytest.mark.parametrize("place", [0, 40, -1])
def test_what_somebody_else_wrote_is_not_loaded(settings: Settings, place: int) -> None:
    read = kept_library(settings, TODAY)
    kept = settings.data_dir / NAME
    good = kept.read_bytes()
    changed = bytearray(good)
    changed[place] ^= 1
    for bad in (bytes(changed), good[:-1], good[:20], b""):
        kept.write_bytes(bad)
        assert kept_library(settings, TODAY).entries == read.entries
        assert len(kept.read_bytes()) == len(good)
    kept_library(settings, TODAY)
    other = settings.model_copy(update={"secret_key": SecretStr("another secret, long enough")})
    before = kept.stat().st_ino
    kept_library(other, TODAY)
    assert kept.stat().st_ino != before


def test_a_folder_that_takes_nothing_costs_only_time(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    blocked = settings.model_copy(update={"data_dir": tmp_path / "file"})
    with caplog.at_level(logging.WARNING):
        assert kept_library(blocked, TODAY).entries
    assert "not kept" in caplog.text
