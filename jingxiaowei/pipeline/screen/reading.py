"""The transfer clock: where the money is, from what the text says of it."""

import math
from collections.abc import Iterable, Sequence

from jingxiaowei.content.scam_finder import Hit
from jingxiaowei.content.scam_model import Clue, ReadingRule
from jingxiaowei.pipeline.screen.values import Transfer
from jingxiaowei.pipeline.screen.wording import TRANSFERS

_CLAUSE_END = frozenset(",。!?;\n")
_SURE = 0.7
_STATES = {
    Clue.DONE: Transfer.DONE,
    Clue.IN_PROGRESS: Transfer.IN_PROGRESS,
    Clue.NOT_YET: Transfer.NOT_YET,
}


def read_clock(text: str, hits: Iterable[Hit]) -> Transfer | None:
    """The worst state that is told and not taken back in the same clause.

    ``UNKNOWN`` where none is told. None where somebody only asks whether the money has gone:
    then it is not known, whatever the wording is like.
    """
    told: dict[Clue, list[int]] = {}
    asked: list[Hit] = []
    telling: list[tuple[Clue, Hit]] = []
    for hit in hits:
        if type(hit.rule) is ReadingRule:
            if hit.rule.reads in _STATES:
                telling.append((hit.rule.reads, hit))
            elif hit.rule.reads is Clue.ASKED and _ends_clause(text, hit.end):
                asked.append(hit)
    for clue, hit in telling:
        if not any(hit.start < other.end and other.start < hit.end for other in asked):
            told.setdefault(clue, []).append(_clause(text, hit.start))
    if not told:
        return None if asked else Transfer.UNKNOWN
    denied = set(told.get(Clue.NOT_YET, ()))
    for clue in (Clue.DONE, Clue.IN_PROGRESS):
        if any(clause not in denied for clause in told.get(clue, ())):
            return _STATES[clue]
    return Transfer.NOT_YET if denied else Transfer.UNKNOWN


def guess_clock(logits: Sequence[float]) -> Transfer:
    """What the wording leg says where no rule does, if it is sure."""
    most = max(logits)
    powers = [math.exp(logit - most) for logit in logits]
    best = max(range(len(powers)), key=powers.__getitem__)
    return TRANSFERS[best] if powers[best] >= _SURE * sum(powers) else Transfer.UNKNOWN


def _clause(text: str, at: int) -> int:
    """Where the clause begins in which a place lies."""
    while at > 0 and text[at - 1] not in _CLAUSE_END:
        at -= 1
    return at


def _ends_clause(text: str, at: int) -> bool:
    """Whether nothing more is said: 转了没 asks, 转了没几分钟 tells."""
    return at == len(text) or text[at] in _CLAUSE_END
