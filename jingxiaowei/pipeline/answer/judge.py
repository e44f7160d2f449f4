"""The judge: the legs' evidence becomes a probability that an entry is what was asked.

Two questions are answered apart. Which entry, if one of ours: a softmax over the finalists'
weighted legs. One of ours at all: a logistic curve over the best one's legs. The score is their
product.
Both sets of weights are fitted on the content's own cases by ``jingxiaowei evaluate --fit`` and
stand in ``lexicon/judge.yaml``.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from jingxiaowei.content.model import JudgeWeights
from jingxiaowei.pipeline.answer.index import Found, Index, Leg, Vector
from jingxiaowei.pipeline.answer.query import Query
from jingxiaowei.pipeline.reasons import Candidate, Reason

# At least so sure to answer, to ask back; closer than that to the second and the resident is asked.
ANSWER = 0.6
ASK = 0.1
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


def clear(ruling: Ruling, close: float = CLOSE) -> bool:
    """Whether the first is far enough from the second not to ask."""
    scores = [candidate.score for candidate in ruling.candidates[:2]]
    return len(scores) == 1 or (len(scores) == 2 and scores[0] - scores[1] >= close)


class Judge:
    """Rules on questions, with one set of weights."""

    def __init__(self, index: Index, weights: JudgeWeights) -> None:
        self.index = index
        self._choice: Vector = np.array([weights.choice.get(leg, 0.0) for leg in Leg])
        self._scope: Vector = np.array([weights.scope.get(leg, 0.0) for leg in Leg])
        self._bias = weights.bias
        # Residents ask the same short things again and again; the content of a judge never changes.
        # A plain dict: a cache around a method would hold the judge, and with it a whole content,
        # in a circle that outlives an edit.
        self._known: dict[str, Ruling] = {}
        self._ahead: dict[str, Ruling] = {}

    def rule_text(self, text: str) -> Ruling:
        """The best entries for a text; a short one is remembered."""
        known = self._known.get(text) or self._ahead.get(text)
        if known is None:
            known = self.rule(self.index.query(text))
            self._remember(text, known)
        return known

    def foresee(self, texts: Collection[str]) -> None:
        """Rule at once on texts that are about to be asked; a long one is known until the next
        call."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        rulings = self.rule_all([self.index.query(text) for text in new])
        self._ahead = dict(zip(new, rulings, strict=True))
        for text, ruling in self._ahead.items():
            self._remember(text, ruling)

    def _remember(self, text: str, ruling: Ruling) -> None:
        if len(text) > _SHORT:
            return
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]  # the oldest
        self._known[text] = ruling

    def forget(self) -> None:
        """Remember no ruling: who measures asks the same again."""
        self._known.clear()
        self._ahead.clear()

    def rule(self, query: Query) -> Ruling:
        """The best entries for a question."""
        return self.rule_all([query])[0]

    def rule_all(self, queries: Sequence[Query]) -> list[Ruling]:
        """The best entries for each of some questions, sooner than one by one."""
        if not queries:
            return []
        found = self.index.search(queries)
        return [self._rule(*each) for each in zip(queries, found, strict=True)]

    def _rule(self, query: Query, found: Found) -> Ruling:
        if not found.entries:
            return Ruling((), ())
        totals = (found.legs @ self._choice).tolist()
        order = sorted(range(len(totals)), key=lambda n: (-totals[n], found.entries[n]))
        best = order[0]
        odds = [math.exp(total - totals[best]) for total in totals]
        sure = self._in_scope(found.legs[best]) / sum(odds)
        candidates = []
        for place in order[:SHOWN]:
            entry = self.index.entries[found.entries[place]]
            score = round(sure * odds[place], 4)
            candidates.append(Candidate(entry.id, entry.fact, score, entry.title))
        reasons = self._explain(query, found, best)
        return Ruling(tuple(candidates), reasons, found.foreign, found.belief)

    def _in_scope(self, legs: Vector) -> float:
        """The probability that the question is one of ours."""
        return 1 / (1 + math.exp(-self._bias - float(legs @ self._scope)))

    def _explain(self, query: Query, found: Found, best: int) -> tuple[Reason, ...]:
        known, kinds = self.index.slots.knows(found.entries[best]), self.index.kinds
        shared = [slug for slug in query.concepts if slug in known]
        strange = [s for s in query.concepts if s not in known and kinds[s] == "object"]
        grams, words, concepts = found.legs[best, :3].tolist()
        reasons = []
        if shared:
            reasons.append(Reason("answer", f"概念：{'、'.join(shared)}"))
        if strange:
            reasons.append(Reason("answer", f"不合的概念：{'、'.join(strange)}"))
        near, likeness = found.close.nearest(best)
        if near:
            reasons.append(Reason("answer", f"最近的问法（{likeness:.0%}）：{near}"))
        covered = f"字 {grams:.2f} 词 {words:.2f} 概念 {concepts:.2f}"
        return (*reasons, Reason("answer", covered))
