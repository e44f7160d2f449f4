"""How well the content answers its own cases, and teaching the judge with them.

Nothing here looks at questions from elsewhere: what is fitted and measured are the ``hit`` and
``miss`` cases beside each entry and the questions of ``outside.yaml``.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.model import Library
from jingxiaowei.pipeline.answer.index import Leg
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services.rehearsal import rehearse

Array = NDArray[np.float64]
_BARE = ("{}", "{}怎么办", "{}办理", "办{}", "怎样办理{}", "我想问{}的事")
# No case is a phrasing, so this leg cannot be learnt: what is asked word for word is certain.
_CERTAIN = {Leg.EXACT.value: 6.0}
_ROUNDS, _RATE, _DECAY = 400, 0.15, 0.002


@dataclass(frozen=True, slots=True)
class Case:
    """A question, and the entries of which any is right; none for one that is not ours."""

    text: str
    right: frozenset[str]
    kind: str


def cases(library: Library) -> list[Case]:
    """Every case of the content, and the bare names of the things that general entries are for."""
    found = [
        Case(text, frozenset({entry.id}), "hit")
        for entry in library.entries
        for text in entry.cases.hit
    ]
    named: dict[str, set[str]] = {}
    for entry in library.entries:
        if entry.general and entry.concepts.object:
            name = library.lexicon.names[entry.concepts.object[0]]
            for pattern in _BARE:
                named.setdefault(pattern.format(name), set()).add(entry.id)
    found += [Case(text, frozenset(right), "bare") for text, right in named.items()]
    return found + [Case(item.text, frozenset(), item.kind) for item in library.outside]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The judge's weights, as judge.yaml has them."""

    choice: dict[str, float]
    scope: dict[str, float]
    bias: float

    def write(self, path: Path) -> None:
        def line(weights: dict[str, float]) -> str:
            return "{" + ", ".join(f"{leg}: {weight:.3f}" for leg, weight in weights.items()) + "}"

        text = (
            "# 由 jingxiaowei evaluate --fit 算出，不用手改。\n"
            "# choice：在几条里选哪一条；scope、bias：是不是归我们答的。\n"
            f"choice: {line(self.choice)}\nscope: {line(self.scope)}\nbias: {self.bias:.3f}\n"
        )
        path.write_text(text, encoding="utf-8")


def fit(mind: Mind) -> Fitted:
    """Teach the judge on the content's cases. The same content gives the same weights."""
    index = mind.index
    groups: list[tuple[Array, Array]] = []
    best: list[tuple[Array, bool]] = []
    everything = cases(mind.library)
    found = [(case, index.search(index.query(case.text))) for case in everything]
    for case, evidence in found:
        if not evidence:
            continue
        legs = np.array([e.legs for e in evidence])
        right = np.array([index.entries[e.entry].id in case.right for e in evidence])
        if right.any():
            groups.append((legs, right.astype(float)))
    choice = _fit_choice(groups)
    for _, evidence in found:
        if evidence:
            legs = np.array([e.legs for e in evidence])
            best.append((legs[int(np.argmax(legs @ choice))], True))
    ours = [bool(case.right) for case, evidence in found if evidence]
    scope, bias = _fit_scope(np.array([legs for legs, _ in best]), np.array(ours, dtype=float))
    names = [leg.value for leg in Leg]
    return Fitted(
        dict(zip(names, choice.tolist(), strict=True)) | _CERTAIN,
        dict(zip(names, scope.tolist(), strict=True)) | _CERTAIN,
        bias,
    )


def _fit_choice(groups: Sequence[tuple[Array, Array]]) -> Array:
    """Softmax over each case's finalists: the right ones' share is to be large."""
    weights = np.ones(len(Leg))
    speed, size = np.zeros_like(weights), np.zeros_like(weights)
    for _ in range(_ROUNDS):
        slope = _DECAY * weights
        for legs, right in groups:
            share = _softmax(legs @ weights)
            wanted = share * right / (share @ right)
            slope += legs.T @ (share - wanted) / len(groups)
        speed = 0.9 * speed + 0.1 * slope
        size = 0.99 * size + 0.01 * slope**2
        weights -= _RATE * speed / (np.sqrt(size) + 1e-8)
    return weights


def _fit_scope(legs: Array, ours: Array) -> tuple[Array, float]:
    """A logistic curve: ours, or not ours; both sides weigh the same however many there are."""
    data = np.hstack([legs, np.ones((len(legs), 1))])
    balance = np.where(ours > 0, 0.5 / max(ours.sum(), 1), 0.5 / max((1 - ours).sum(), 1))
    weights = np.zeros(data.shape[1])
    speed, size = np.zeros_like(weights), np.zeros_like(weights)
    for _ in range(3 * _ROUNDS):
        guess = 1 / (1 + np.exp(-data @ weights))
        slope = data.T @ ((guess - ours) * balance) + _DECAY / 4 * weights
        speed = 0.9 * speed + 0.1 * slope
        size = 0.99 * size + 0.01 * slope**2
        weights -= _RATE / 3 * speed / (np.sqrt(size) + 1e-8)
    return weights[:-1], float(weights[-1])


def _softmax(values: Array) -> Array:
    powers: Array = np.exp(values - values.max())
    shares: Array = powers / powers.sum()
    return shares


@dataclass(slots=True)
class Score:
    """Over some cases: how many, right at first place, right within three."""

    count: int = 0
    first: int = 0
    three: int = 0

    def row(self, name: str) -> str:
        share = f"{self.first / self.count:6.1%} {self.three / self.count:6.1%}"
        return f"{name:<40} {self.count:5} {share}"


def report(mind: Mind) -> str:
    """The tables of ``jingxiaowei evaluate``: domains, kinds, entries, and what is mixed up."""
    everything = cases(mind.library)
    domains: dict[str, Score] = defaultdict(Score)
    kinds: dict[str, Score] = defaultdict(Score)
    entries: dict[str, Score] = defaultdict(Score)
    mixed: Counter[tuple[str, str]] = Counter()
    outside: dict[str, Counter[str]] = defaultdict(Counter)
    for case in everything:
        if not case.right:
            outside[case.kind][rehearse(mind, case.text).kind.value] += 1
            continue
        ids = [c.faq for c in mind.judge.rule(mind.index.query(case.text)).candidates]
        first = bool(ids) and ids[0] in case.right
        three = bool(case.right & set(ids[:3]))
        right = sorted(case.right)[0]
        for score in (domains[mind.library.by_id[right].domain], kinds[case.kind], entries[right]):
            score.count += 1
            score.first += first
            score.three += three
        if ids and not first:
            mixed[right, ids[0]] += 1
    lines = [f"{'领域':<38} {'题数':>4} {'第一':>4} {'前三':>4}"]
    lines += [score.row(name) for name, score in sorted(domains.items())]
    lines += ["", "题型", *(score.row(name) for name, score in sorted(kinds.items()))]
    worst = sorted(entries.items(), key=lambda item: (item[1].first / item[1].count, item[0]))
    lines += ["", "最该补问法的条目", *(score.row(name) for name, score in worst[:15])]
    lines += ["", "最常见的混淆（应该是 → 答成）"]
    lines += [f"{n:3}  {right} → {wrong}" for (right, wrong), n in mixed.most_common(15)]
    lines += ["", "不归我们答的（题型：怎么答的）"]
    for kind, answers in sorted(outside.items()):
        told = "，".join(f"{name} {n}" for name, n in answers.most_common())
        lines.append(f"{kind:<16} {told}")
    return "\n".join(lines)
