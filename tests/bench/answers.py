"""What one answer costs, as the content grows."""

import gc
import math
import time
from dataclasses import replace
from pathlib import Path

from jingxiaowei.content.model import Library
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.rehearsal import rehearse

_TIMES = 3
_COPIED = 4  # phrasings of a copy: a large library fits into memory


def grown(library: Library, entries: int) -> Library:
    """The library with copies of its entries, each told apart by a place's name."""
    copies = list(library.entries)
    number = 0
    while len(copies) < entries:
        original = library.entries[number % len(library.entries)]
        place = f"第{number // len(library.entries) + 1}区"
        copies.append(
            original.model_copy(
                update={
                    "id": f"{original.id}-{number}",
                    "fact": f"X{number}",
                    "phrasings": tuple(place + p for p in original.phrasings[:_COPIED]),
                }
            )
        )
        number += 1
    kept = tuple(copies[:entries]) if entries else tuple(library.entries)
    return replace(library, entries=kept, by_id={entry.id: entry for entry in kept})


def latency(mind: Mind, questions: list[str]) -> tuple[float, float]:
    """p50 and p99 of a whole decision over the questions, in milliseconds.

    Each is asked several times and the shortest counts: others share the machine.
    """
    best = [math.inf] * len(questions)
    for _ in range(_TIMES):
        mind.judge.forget()
        for n, question in enumerate(questions):
            started = time.perf_counter()
            rehearse(mind, question)
            best[n] = min(best[n], time.perf_counter() - started)
    times = sorted(1e3 * seconds for seconds in best)
    return times[len(times) // 2], times[int(len(times) * 0.99)]


def sizes(mind: Mind, cache: Path) -> list[tuple[int, float, float, float, float]]:
    """Per size: entries, p50 and p99 up to 30 characters, p50 and p99 up to 300."""
    cases = [case for entry in mind.library.entries for case in entry.cases.hit]
    short = [case for case in cases if len(case) <= 30]
    long = [(case * 6)[:300] for case in cases if len(case) > 40]
    rows = []
    gc.collect()
    gc.freeze()  # as serve does
    for entries in (len(mind.library.entries), 25_000, 200_000):
        bigger = mind if entries == len(mind.library.entries) else None
        bigger = bigger or Mind(grown(mind.library, entries), cache)
        rows.append((entries, *latency(bigger, short), *latency(bigger, long)))
    return rows
