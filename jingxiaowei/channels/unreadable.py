"""What is no request that we read, told of in a line.

The library's parser refuses it with 400 before any door is asked: a broken request line, an
encoding that nobody here can undo. It is somebody else's fault, and anybody can send it as often as
they like: a traceback each would bury what matters.
"""

import logging

from aiohttp.http_exceptions import HttpProcessingError


def refusals_in_a_line() -> logging.Logger:
    """The logger for a server's own words."""
    logger = logging.getLogger("jingxiaowei.http")
    logger.addFilter(_in_a_line)  # the same one again changes nothing
    return logger


def _in_a_line(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args = "a request was refused with 400: %.200r", (error.message,)
        record.exc_info, record.levelno, record.levelname = None, logging.WARNING, "WARNING"
    return True
