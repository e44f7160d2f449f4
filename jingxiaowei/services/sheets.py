"""表格导入: a list of residents and their tags, judged row by row, taken whole or not at all."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from jingxiaowei.content.model import Library
from jingxiaowei.services.audit import Event
from jingxiaowei.services.files_rights import Act, require
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.scopes import scope_of
from jingxiaowei.services.sheets_judging import Judge, Judged
from jingxiaowei.services.sheets_landing import Landing
from jingxiaowei.services.sheets_people import People
from jingxiaowei.services.sheets_reading import Sheet, opened_sheet
from jingxiaowei.services.sheets_staging import Staging
from jingxiaowei.services.sheets_values import Line, Refusal, SheetError, Tally
from jingxiaowei.services.tagging_rules import names_of
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import Ground

CHUNK = 500  # rows that are judged and written together
OnRefusal = Callable[[Refusal], None]
OnGood = Callable[[Judged], None]


class Progress:
    """Whoever shows how far it is; this one shows nothing."""

    def begin(self, what: str, total: int) -> None:
        """A stage of so many rows, or nearly."""

    def move(self, rows: int) -> None:
        """Some more are done."""


@dataclass(frozen=True, slots=True)
class Imported:
    """How it went. ``applied``: the rows are in the files now."""

    tally: Tally
    applied: bool
    noted: int = 0
    overtaken: int = 0  # tags that were not noted: somebody changed the file meanwhile


class SheetImport:
    """Judges a spreadsheet, and takes it.

    Args:
        landing: what writes the rows that were judged.
        corp_id: WeCom's corporation, whose external contacts rows may name.
    """

    def __init__(
        self,
        database: Database,
        officers: Officers,
        landing: Landing,
        library: Library,
        corp_id: str,
    ) -> None:
        self._database = database
        self._officers = officers
        self._landing = landing
        self._staging = Staging(database)
        self._library = library
        self._corp_id = corp_id

    async def run(
        self,
        path: Path,
        officer: Signed,
        now: datetime,
        *,
        apply: bool = False,
        good_rows: bool = False,
        ground: Ground | None = None,
        on_refusal: OnRefusal = lambda refusal: None,
        on_good: OnGood = lambda judged: None,
        progress: Progress | None = None,
    ) -> Imported:
        """Judge every row, and with ``apply`` take the file.

        Args:
            good_rows: take the rows that can be taken even if others are refused.
            ground: 合法性基础; None: as :func:`.grounds.ground_of` finds it for each resident.
            on_refusal, on_good: told of each row, in order, as it is judged.

        Raises:
            SheetError: the file cannot be used, or somebody changed the same files meanwhile;
                nothing is written.
            PermissionDeniedError: the role notes no tags.
        """
        require(officer.role, Act.TAG)
        progress = progress or Progress()
        tally = Tally()
        mark = f"sheet:{(await asyncio.to_thread(_digest, path))[:16]}"
        number = await self._staging.begin(officer, mark, now) if apply else None
        decided = False
        try:
            with opened_sheet(path) as sheet:
                progress.begin("核对", sheet.total)
                async for verdicts in self._judged(sheet, officer, ground, now):
                    good = [one for one in verdicts if isinstance(one, Judged)]
                    for verdict in verdicts:
                        if isinstance(verdict, Refusal):
                            on_refusal(verdict)
                        else:
                            on_good(verdict)
                    _count(tally, verdicts, good)
                    if number is not None:
                        await self._staging.put(number, good)
                    progress.move(len(verdicts))
            if not tally.rows:
                raise SheetError("名单是空的，没有可导入的行。")
            if number is None or not tally.good or (tally.refused and not good_rows):
                return Imported(tally, applied=False)
            await self._landing.verify(number, now)
            summary = Event(
                f"officer:{officer.id}",
                "file.import",
                mark,
                f"rows={tally.good} refused={tally.refused} tags={tally.tags} "
                f"ground={ground or 'as known'}",
            )
            await self._landing.decide(number, summary, now)
            decided = True
        finally:
            if number is not None and not decided:
                await self._staging.drop(number)
        progress.begin("导入", tally.good)
        landed = await self._landing.land(officer, number, progress.move)
        return Imported(tally, True, landed.noted, landed.overtaken)

    async def _judged(
        self, sheet: Sheet, officer: Signed, ground: Ground | None, now: datetime
    ) -> AsyncIterator[list[Judged | Refusal]]:
        async with self._database.read() as connection:
            scope = await scope_of(connection, officer, now)
            names = names_of(await self._officers.names(connection))
        cipher, library = self._database.cipher, self._library
        people = People(cipher, library.areas, officer, scope, self._corp_id)
        judge = Judge(cipher, library, people, officer, names, ground, now)
        for lines in _chunks(sheet.lines):
            # A connection a chunk: on SQLite a long look would hold up the log's clean-up.
            async with self._database.read() as connection:
                yield await judge.judge(connection, lines)


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, CHUNK)):
        yield chunk


def _count(tally: Tally, verdicts: list[Judged | Refusal], good: list[Judged]) -> None:
    tally.rows += len(verdicts)
    tally.good += len(good)
    tally.refused += len(verdicts) - len(good)
    for row in good:
        tally.new_residents += row.person.new
        tally.already += row.already
        proposals = sum(ruling.proposal for _, ruling in row.rulings)
        tally.proposals += proposals
        tally.tags += len(row.rulings) - proposals


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SheetError(f"打不开 {path}：{error.strerror}。") from None
