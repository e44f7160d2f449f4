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


def read_clock(text: str, hits: Iterable[Hit]) -> Transfer:
    """The worst state that is told and not taken back in the same clause."""
    told: dict[Clue, list[int]] = {}
    for hit in hits:
        if type(hit.rule) is ReadingRule and hit.rule.reads in _STATES:
            told.setdefault(hit.rule.reads, []).append(_clause(text, hit.start))
    if not told:
        return Transfer.UNKNOWN
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
