"""What one screening costs, by length: processor time, the better of two looks."""

import gc
import time

from jingxiaowei.content.model import Library
from jingxiaowei.pipeline.screen.screen import Screen
from jingxiaowei.services.screen_practice import lessons
from jingxiaowei.settings import PACKAGE

LENGTHS = (30, 200, 2000)
_ROUNDS = 300


def screening_times(library: Library) -> list[tuple[str, int, float, float]]:
    """Per kind of text and length: p50 and p99 of a whole screening, in microseconds."""
    screen = Screen(library.scams)
    practice = lessons(PACKAGE / "content" / "scams")
    kinds = {
        "innocent": "".join(x.text for x in practice if x.scam_type.value == "none"),
        "scam": "".join(x.text for x in practice if x.scam_type.value != "none"),
    }
    gc.collect()
    gc.freeze()  # as serve does
    rows = []
    for name, text in kinds.items():
        for length in LENGTHS:
            times = []
            for number in range(_ROUNDS):
                start = number * 97 % (len(text) - length)
                piece = text[start : start + length]
                times.append(min(_cost(screen, piece) for _ in range(2)))
            times.sort()
            rows.append((name, length, times[len(times) // 2], times[int(len(times) * 0.99)]))
    return rows


def _cost(screen: Screen, text: str) -> float:
    """Microseconds of the processor: on a shared machine the clock on the wall tells nothing."""
    before = time.process_time_ns()
    screen.look(text)
    return (time.process_time_ns() - before) / 1000
