"""Logs carry ids, and no values of rows."""

import logging
import sys

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from jingxiaowei.logs import Discreet
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import RESIDENT


async def test_a_clash_is_logged_without_what_clashed(database: Database) -> None:
    row = {"id": "whose-it-is", "created_at": None}
    record = None
    try:
        async with database.write() as connection:
            await connection.execute(insert(RESIDENT), [row])
    except IntegrityError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "%s", (error,), sys.exc_info())
    assert record is not None
    told = Discreet().format(record)
    assert "created_at" in told  # which column it was
    assert "IntegrityError" in told
    assert "whose-it-is" not in told
