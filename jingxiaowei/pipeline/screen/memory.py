"""What earlier messages of a conversation showed; a stage fades with a half-life."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from jingxiaowei.pipeline.screen.values import ScamType, Stage, Trace, Transfer

HALF_LIFE = timedelta(hours=12)
FORGOTTEN = timedelta(days=7)
_GONE = 0.05


def faded(traces: Sequence[Trace], now: datetime | None) -> dict[ScamType, dict[Stage, float]]:
    """By type, each stage seen before with the weight that is left of it."""
    left: dict[ScamType, dict[Stage, float]] = {}
    for trace in traces:
        share = 1.0 if now is None else _share(now - trace.at)
        if share < _GONE:
            continue
        stages = left.setdefault(trace.scam_type, {})
        for stage, weight in trace.stages:
            stages[stage] = max(stages.get(stage, 0.0), weight * share)
    return left


def _share(age: timedelta) -> float:
    if age >= FORGOTTEN:
        return 0.0
    return float(0.5 ** (max(age, timedelta(0)) / HALF_LIFE))


def last_transfer(traces: Iterable[Trace]) -> Transfer:
    """What was last said of the money in the conversation."""
    for trace in reversed(list(traces)):
        if trace.transfer is not Transfer.UNKNOWN:
            return trace.transfer
    return Transfer.UNKNOWN
