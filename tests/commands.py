"""Commands as processes of their own, forked from one that has imported the product already.

Importing takes two seconds, a fork some milliseconds; what runs is the same entry with a standard
input, environment, folder and session of its own, and it ends by the exit code.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import IO, Any

PATIENCE = 60  # seconds


class Forker:
    """Starts commands, one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.commands"],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, arguments: tuple[str, ...], stdin: str, env: dict[str, str], cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        assert self._process.stdin
        assert self._process.stdout
        with tempfile.TemporaryDirectory() as name:
            paths = [Path(name) / part for part in ("stdin", "stdout", "stderr")]
            paths[0].write_text(stdin, "utf-8")
            request = {
                "arguments": arguments,
                "env": env,
                "cwd": str(cwd),
                "files": list(map(str, paths)),
            }
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            said = [path.read_text("utf-8") for path in paths[1:]]
        return subprocess.CompletedProcess(arguments, code, *said)

    def close(self) -> None:
        self._process.communicate()


def _serve(requests: IO[str]) -> None:
    import jingxiaowei.cli
    import jingxiaowei.serving  # noqa: F401 - all that a command needs, imported once

    for line in requests:
        child = os.fork()
        if child == 0:
            os._exit(_run(**json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run(arguments: list[str], env: dict[str, str], cwd: str, files: list[str]) -> int:
    """The command, in the forked process; its exit code."""
    os.setsid()  # no terminal: a password is read from standard input
    signal.alarm(PATIENCE)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, name in enumerate(files):
        flags = os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY
        os.dup2(os.open(name, flags), number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    sys.argv = ["jingxiaowei", *arguments]
    code: Any = 0
    try:
        from jingxiaowei.cli import main

        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    _serve(sys.stdin)
