"""The lock beside an SQLite file: whoever serves it, and nobody once they have died."""

import subprocess
import sys
from pathlib import Path

import pytest

from jingxiaowei.errors import StoreError
from jingxiaowei.store.claim import Claim

HOLD = (
    "import pathlib, sys, time; from jingxiaowei.store.claim import Claim;"
    "claim = Claim(pathlib.Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
)


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    file = tmp_path / "served.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=rf"another process \(pid {holder.pid}\) serves"):
            Claim(file)
        holder.kill()
    Claim(file).release()


def test_a_file_by_another_name_is_the_same_file(tmp_path: Path) -> None:
    file, name = tmp_path / "served.db", tmp_path / "name.db"
    file.touch()
    name.symlink_to(file)
    claim = Claim(file)
    with pytest.raises(StoreError, match="another process"):
        Claim(name)
    claim.release()
    Claim(name).release()
