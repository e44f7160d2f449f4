"""The judge: three legs' evidence becomes a probability that an entry is what was asked.

A logistic curve over a weighted sum. The weights were fitted on the content's own cases (the
``hit`` and ``miss`` questions beside each entry) by ``jingxiaowei evaluate --fit``.
"""

import math
from dataclasses import dataclass

from jingxiaowei.pipeline.answer.index import Evidence, Index, Query
from jingxiaowei.pipeline.decision import Candidate, Reason

# Right answers are above, near misses below; between CLOSE apart the resident is asked.
ANSWER = 0.5
ASK = 0.25
CLOSE = 0.12


@dataclass(frozen=True, slots=True)
class Weights:
    """What each leg is worth, and where the curve stands."""

    grams: float = 1.55
    words: float = 2.0
    concepts: float = 0.6
    conflict: float = -0.75
    unsaid_object: float = -0.25
    unsaid_action: float = -0.05
    unsaid_person: float = -0.35
    fuzzy: float = 1.4
    exact: float = 2.0
    slope: float = 3.0
    middle: float = 2.2


WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Ruling:
    """The best entries with their probabilities, and the evidence of the first."""

    candidates: tuple[Candidate, ...]
    reasons: tuple[Reason, ...]


def weigh(evidence: Evidence, weights: Weights = WEIGHTS) -> float:
    """The weighted sum of one entry's evidence."""
    return (
        weights.grams * evidence.grams
        + weights.words * evidence.words
        + weights.concepts * evidence.concepts
        + weights.conflict * evidence.conflict
        + weights.unsaid_object * evidence.unsaid_object
        + weights.unsaid_action * evidence.unsaid_action
        + weights.unsaid_person * evidence.unsaid_person
        + weights.fuzzy * evidence.fuzzy
        + (weights.exact if evidence.fuzzy == 1.0 else 0.0)
    )


def probability(total: float, weights: Weights = WEIGHTS) -> float:
    return 1 / (1 + math.exp(-weights.slope * (total - weights.middle)))


def rule(index: Index, query: Query) -> Ruling:
    """The five best entries, best first, and why the first is first."""
    found = sorted(
        ((weigh(e), e) for e in index.search(query)), key=lambda pair: (-pair[0], pair[1].entry)
    )
    candidates = []
    for total, evidence in found[:5]:
        entry = index.entries[evidence.entry]
        score = round(probability(total), 4)
        candidates.append(Candidate(entry.id, entry.fact, score, entry.title))
    return Ruling(tuple(candidates), _explain(index, query, found[0][1]) if found else ())


def _explain(index: Index, query: Query, best: Evidence) -> tuple[Reason, ...]:
    profile = index.profiles[best.entry]
    shared = [slug for slug in query.concepts if profile.get(slug)]
    reasons = [Reason("answer", f"概念：{'、'.join(shared)}")] if shared else []
    strange = [s for s in query.concepts if not profile.get(s) and index.kinds[s] == "object"]
    if strange:
        reasons.append(Reason("answer", f"不合的概念：{'、'.join(strange)}"))
    if best.phrasing:
        reasons.append(Reason("answer", f"最近的问法（{best.fuzzy:.0%}）：{best.phrasing}"))
    legs = f"字 {best.grams:.2f} 词 {best.words:.2f} 概念 {best.concepts:.2f}"
    return (*reasons, Reason("answer", legs))
