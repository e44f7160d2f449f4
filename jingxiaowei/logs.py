"""What is logged, and what is left out of it: logs carry ids, and no values of rows."""

import logging
import re

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
# PostgreSQL adds the values that clashed, or the whole row that failed.
_VALUES = re.compile(r"^DETAIL:.*\n?", re.MULTILINE)


class Discreet(logging.Formatter):
    """Leaves out a database's lines about a row's values, in tracebacks too."""

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        return _VALUES.sub("", super().format(record)).rstrip("\n")


def set_up() -> None:
    """Log to standard error, for a process that serves or works."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
