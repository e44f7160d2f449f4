"""Exemptions at work: which signals do not count, and what took them away."""

from collections.abc import Iterable
from dataclasses import dataclass

from jingxiaowei.content.scam_finder import Hit
from jingxiaowei.content.scam_model import ExemptionRule, Scope, SignalRule

_CLAUSE_MARKS, _SENTENCE_MARKS = ",。!?;\n", "。!?;\n"


@dataclass(frozen=True, slots=True)
class Excuse:
    """An exemption found, and the hits that it lowers."""

    hit: Hit
    lowered: tuple[Hit, ...]


def excuse(text: str, hits: Iterable[Hit]) -> tuple[list[Hit], list[Excuse]]:
    """The hits that count, and the exemptions with what each took away.

    An exemption that finds nothing to lower is left in, with nothing lowered.
    """
    signals: list[Hit] = []
    exempting: list[tuple[Hit, ExemptionRule]] = []
    for hit in hits:
        if type(hit.rule) is ExemptionRule:
            exempting.append((hit, hit.rule))
        else:
            signals.append(hit)
    if not exempting:
        return signals, []
    lowerable = [
        (i, hit, hit.rule.stage) for i, hit in enumerate(signals) if type(hit.rule) is SignalRule
    ]
    excuses: list[Excuse] = []
    gone: set[int] = set()
    for hit, rule in exempting:
        lowered = []
        if lowerable:
            start, end = reach(text, hit, rule.scope)
            for i, signal, stage in lowerable:
                if start < signal.end and signal.start < end and stage in rule.lowers:
                    gone.add(i)
                    lowered.append(signal)
        excuses.append(Excuse(hit, tuple(lowered)))
    return [signal for i, signal in enumerate(signals) if i not in gone], excuses


def reach(text: str, hit: Hit, scope: Scope) -> tuple[int, int]:
    """The part of the text that an exemption speaks of."""
    if scope is Scope.MESSAGE:
        return 0, len(text)
    if scope is Scope.UTTERANCE:
        ends = "\n"
    else:
        ends = _CLAUSE_MARKS if scope is Scope.CLAUSE else _SENTENCE_MARKS
    start = max(text.rfind(mark, 0, hit.start) for mark in ends) + 1
    stops = [stop for mark in ends if (stop := text.find(mark, hit.end)) >= 0]
    return start, min(stops, default=len(text))
