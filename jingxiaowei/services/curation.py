"""The content of the moment: loaded, checked, made ready, and replaced as a whole on a change."""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import watchfiles

from jingxiaowei.content.checker import check_library, known_facts, refuse_errors
from jingxiaowei.content.loader import read_library
from jingxiaowei.content.model import Library
from jingxiaowei.content.normalise import compact
from jingxiaowei.content.practice import read_practice
from jingxiaowei.content.scam_checker import count_scams
from jingxiaowei.content.shelf import Shelf
from jingxiaowei.content.source import Level, Problem
from jingxiaowei.errors import ContentError
from jingxiaowei.pipeline.answer.words import Tokenizer
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services import teaching
from jingxiaowei.services.kept import kept_library
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.settings import Settings

log = logging.getLogger(__name__)


def today() -> date:
    """The local day, by which answers grow stale."""
    return datetime.now(LOCAL).date()


class Curator:
    """Holds the content that is in force; a broken edit leaves it as it was, and says so."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._mind: Mind | None = None
        self.complaint = ""  # why the newest edit is not in force; empty when it is

    @property
    def mind(self) -> Mind:
        if self._mind is None:
            raise ContentError("the content is not loaded yet")
        return self._mind

    @property
    def library(self) -> Library:
        return self.mind.library

    def load(self) -> Mind:
        """Read the files and make them ready.

        Raises:
            ContentError: something is broken; the text names each file and line.
        """
        library = kept_library(self._settings, today())
        self._settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._mind = Mind(library, self._settings.data_dir)
        self.complaint = ""
        return self._mind

    async def reload(self) -> bool:
        """Put an edit into force, all or nothing; whether it is in force now."""
        try:
            await asyncio.to_thread(self.load)
        except ContentError as error:
            self.complaint = str(error)
            log.error("the edit is not in force, the content stays as it was\n%s", error)
            return False
        log.info("the content was reloaded: %d entries", len(self.library.entries))
        # What served until now was frozen at the start, and is let go of; see app.running.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        return True

    async def watch(self) -> None:
        """Reload when a content file changes, for as long as the task lives."""
        folders = {folder for folder in self._settings.content_dirs if folder.is_dir()}
        async for _ in watchfiles.awatch(
            *folders, watch_filter=_is_content, debounce=400, recursive=True
        ):
            await self.reload()


def _is_content(_change: watchfiles.Change, path: str) -> bool:
    name = Path(path).name
    return name.endswith((".yaml", ".yml")) and not name.startswith(".")


def check(settings: Settings) -> dict[str, Any]:
    """Everything ``jingxiaowei check`` says, in the contract's form."""
    library, shelf = read_library(settings)
    read_practice(settings, shelf, known_facts(library, shelf))
    problems = check_library(library, shelf, today())
    if not any(problem.level is Level.ERROR for problem in problems):
        problems = sorted([*problems, *_shadowed(library, shelf, settings)])
    domains = Counter(entry.domain.value for entry in library.entries)
    return {
        "ok": not any(problem.level is Level.ERROR for problem in problems),
        "faq": {
            "entries": len(library.entries),
            "phrasings": sum(len(entry.phrasings) for entry in library.entries),
            "by_domain": dict(sorted(domains.items())),
        },
        "tags": {
            "groups": len(library.taxonomy.groups),
            "tags": len(library.taxonomy.by_slug),
        },
        "scams": count_scams(library.scams),
        "problems": [
            {"file": p.file, "line": p.line, "level": p.level.value, "message": p.message}
            for p in problems
        ],
    }


def teach(settings: Settings, tell: Callable[[str], None]) -> list[Path]:
    """Fit the judge and the taught leg on the practice; the files that were written.

    Raises:
        ContentError: the practice or the content is broken; the text names each file and line.
    """
    library, shelf = read_library(settings)
    practice = read_practice(settings, shelf, {entry.fact for entry in library.entries})
    refuse_errors(shelf.problems)
    tokenizer = Tokenizer(library.lexicon, settings.data_dir)
    return teaching.write(teaching.fit(library, practice, tokenizer, tell), settings.lexicon_dir)


def _shadowed(library: Library, shelf: Shelf, settings: Settings) -> list[Problem]:
    """Phrasings that another entry answers: asked word for word, they would be answered wrongly."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    judge = Mind(library, settings.data_dir).judge
    problems = []
    for entry in library.entries:
        for i, phrasing in enumerate(entry.phrasings):
            ruling = judge.rule(judge.index.query(phrasing))
            first = ruling.candidates[0].faq if ruling.candidates else ""
            if first and first != entry.id and compact(phrasing):
                file, line = shelf.at("faq", entry.id, "phrasings", i)
                text = f"问法“{phrasing}”会答成“{first}”，请改写或移过去"
                problems.append(Problem(file, line, Level.WARNING, text))
    return problems
