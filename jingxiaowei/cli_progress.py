"""The progress bar of the long commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from jingxiaowei.services.sheets import Progress


class Bar(Progress):
    """Stages under each other, each shown once something of it is done. How much there is may
    only be known nearly: a full bar grows."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._what, self._total, self._done = "", 0, 0

    def begin(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._task = None

    def move(self, rows: int) -> None:
        if self._task is None:
            self._bars.start()
            self._task = self._bars.add_task(self._what, total=self._total or None)
        self._done += rows
        total = max(self._total, self._done) if self._total else None
        self._bars.update(self._task, completed=self._done, total=total)


@contextmanager
def shown_progress() -> Iterator[Bar]:
    """A bar on standard error: what is said on standard output stays whole."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bars = Bars(*columns, console=Console(stderr=True))
    try:
        yield Bar(bars)
    finally:
        if bars.tasks:
            bars.stop()
