"""The judge: the legs' evidence becomes a probability that an entry is what was asked.

Two questions are answered apart. Which entry, if one of ours: a softmax over the finalists'
weighted legs. One of ours at all: a logistic curve over the best one's legs. The score is their
product.
Both sets of weights are fitted on the content's own cases by ``jingxiaowei evaluate --fit`` and
stand in ``lexicon/judge.yaml``.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from operator import mul

from jingxiaowei.content.model import JudgeWeights
from jingxiaowei.pipeline.answer.index import Evidence, Index, Leg, Query
from jingxiaowei.pipeline.reasons import Candidate, Reason

# At least so sure to answer, to ask back; closer than that to the second and the resident is asked.
ANSWER = 0.6
ASK = 0.12
CLOSE = 0.15
SHOWN = 5  # candidates that a ruling names
_REMEMBERED, _SHORT = 4096, 40


@dataclass(frozen=True, slots=True)
class Ruling:
    """The best entries with their probabilities, best first, and why the first is first."""

    candidates: tuple[Candidate, ...]
    reasons: tuple[Reason, ...]
    foreign: str = ""  # the foreign matter that comes closest, with its share of belief
    belief: float = 0.0


def clear(ruling: Ruling) -> bool:
    """Whether the first is far enough from the second not to ask."""
    scores = [candidate.score for candidate in ruling.candidates[:2]]
    return len(scores) == 1 or (len(scores) == 2 and scores[0] - scores[1] >= CLOSE)


class Judge:
    """Rules on questions, with one set of weights."""

    def __init__(self, index: Index, weights: JudgeWeights) -> None:
        self.index = index
        self._choice: tuple[float, ...] = tuple(weights.choice.get(leg, 0.0) for leg in Leg)
        self._scope: tuple[float, ...] = tuple(weights.scope.get(leg, 0.0) for leg in Leg)
        self._bias = weights.bias
        # Residents ask the same short things again and again; the content of a judge never changes.
        self._known = lru_cache(_REMEMBERED)(self._rule_text)

    def rule_text(self, text: str) -> Ruling:
        """The best entries for a text; a short one is remembered."""
        return self._known(text) if len(text) <= _SHORT else self._rule_text(text)

    def _rule_text(self, text: str) -> Ruling:
        return self.rule(self.index.query(text))

    def rule(self, query: Query) -> Ruling:
        """The best entries for a question."""
        search = self.index.search(query)
        found = [(self._weigh(e), e) for e in search.finalists]
        if not found:
            return Ruling((), ())
        found.sort(key=lambda pair: (-pair[0], pair[1].entry))
        top, best = found[0]
        odds = [math.exp(total - top) for total, _ in found]
        sure = self._in_scope(best) / sum(odds)
        entries = self.index.entries
        candidates = []
        for share, (_, evidence) in zip(odds[:SHOWN], found, strict=False):
            entry = entries[evidence.entry]
            candidates.append(Candidate(entry.id, entry.fact, round(sure * share, 4), entry.title))
        return Ruling(tuple(candidates), self._explain(query, best), search.foreign, search.belief)

    def _weigh(self, evidence: Evidence) -> float:
        total: float = sum(map(mul, self._choice, evidence.legs))
        return total

    def _in_scope(self, best: Evidence) -> float:
        """The probability that the question is one of ours."""
        return 1 / (1 + math.exp(-self._bias - sum(map(mul, self._scope, best.legs))))

    def _explain(self, query: Query, best: Evidence) -> tuple[Reason, ...]:
        profile, kinds = self.index.profiles[best.entry], self.index.kinds
        shared = [slug for slug in query.concepts if profile.get(slug)]
        strange = [s for s in query.concepts if not profile.get(s) and kinds[s] == "object"]
        legs = dict(zip(Leg, best.legs, strict=True))
        reasons = []
        if shared:
            reasons.append(Reason("answer", f"概念：{'、'.join(shared)}"))
        if strange:
            reasons.append(Reason("answer", f"不合的概念：{'、'.join(strange)}"))
        if best.phrasing:
            near = f"最近的问法（{legs[Leg.FUZZY]:.0%}）：{best.phrasing}"
            reasons.append(Reason("answer", near))
        covered = "字 {:.2f} 词 {:.2f} 概念 {:.2f}".format(*best.legs)
        return (*reasons, Reason("answer", covered))
