"""Teaching: the taught leg and the judge are fitted on the content's own questions.

The taught leg learns from the phrasings and the practice questions. What the judge learns from
must not be what that leg knows by heart: the practice is cut in three, and each third is judged
with a leg that was taught the other two. The exam's fold is never used. The same content gives
the same weights.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.model import JudgeWeights, Library
from jingxiaowei.content.practice import EXAM, Practice, Question
from jingxiaowei.content.taught import FOREIGN, Taught, quantise
from jingxiaowei.pipeline.answer.belief import weighed_features
from jingxiaowei.pipeline.answer.features import SOUND, mark
from jingxiaowei.pipeline.answer.index import Found, Index, Leg
from jingxiaowei.pipeline.answer.query import take_apart
from jingxiaowei.pipeline.answer.words import Tokenizer
from jingxiaowei.services.teaching_follow import fit_follow, strangers

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Tell = Callable[[str], None]

_SEEN = 3  # a feature that fewer questions have is chance
_HEARD = 0.7  # a sound says less than the character
_THIRDS = 3
_ROUNDS, _BATCH, _RATE, _LEAST_RATE, _DECAY = 14, 2048, 0.1, 1e-3, 5e-6
_HIDDEN, _SEED = 0.4, 1  # the share of features that is hidden at a time
_JUDGE_ROUNDS, _JUDGE_RATE, _JUDGE_DECAY = 400, 0.15, 0.002
# No case is a phrasing, so this leg cannot be learnt: what is asked word for word is certain.
_CERTAIN = {Leg.EXACT.value: 6.0}
_BARE = ("{}", "{}怎么办", "{}办理", "办{}", "怎样办理{}", "我想问{}的事")
_BARE_LESSONS = (
    *("{}怎么办理", "{}怎么弄", "{}的流程", "办理{}需要什么", "{}要什么材料", "{}在哪里办"),
    *("请问{}怎么办理的", "想办{}", "申请{}", "你好，{}怎么办", "{}需要什么手续", "{}办理指南"),
)
_BARE_FORMS = 3  # how many of a thing's names are practised so


@dataclass(frozen=True, slots=True)
class Case:
    """A question, and the entries of which any is right; none for one that is not ours."""

    text: str
    right: frozenset[str]
    kind: str
    before: str = ""  # the question that it follows


def bare_cases(library: Library) -> list[Case]:
    """The bare names of the things that general entries are for."""
    named: dict[str, set[str]] = {}
    for entry in library.entries:
        if entry.general and entry.concepts.object:
            name = library.lexicon.names[entry.concepts.object[0]]
            for pattern in _BARE:
                named.setdefault(pattern.format(name), set()).add(entry.id)
    return [Case(text, frozenset(right), "bare") for text, right in named.items()]


def practice_cases(library: Library, questions: Sequence[Question]) -> list[Case]:
    """Practice questions as cases."""
    ids = {entry.fact: entry.id for entry in library.entries}
    return [
        Case(
            q.text,
            frozenset(ids[fact] for fact in q.facts if fact in ids),
            q.kind or q.voice,
            q.before,
        )
        for q in questions
    ]


def fit(library: Library, practice: Practice, tokenizer: Tokenizer, tell: Tell) -> Library:
    """Teach the leg and the judge; the library with both in force."""
    lessons = _Lessons(library, practice, tokenizer)
    held_back: list[tuple[Case, Found]] = []
    thirds = []
    for third in range(_THIRDS):
        tell(f"第 {third + 1}/{_THIRDS} 份留作评判的试题，教其余的")
        taught = lessons.teach(without=third)
        index = Index(replace(library, taught=taught), tokenizer)
        thirds.append(index)
        mine = [q for q in lessons.questions if q.fold % _THIRDS == third]
        held_back += [
            (case, index.search([index.query(case.text, case.before)])[0])
            for case in practice_cases(library, mine)
        ]
    tell("教全部")
    library = replace(library, taught=lessons.teach())
    index = Index(library, tokenizer)
    held_back += [(case, index.search([index.query(case.text)])[0]) for case in bare_cases(library)]
    judge = _fit_judge(index, held_back)
    tell("教追问怎么理解")
    follow = fit_follow(library, practice, thirds, judge)
    return replace(library, judge=judge.model_copy(update={"follow": follow}))


def write(library: Library, folder: Path) -> list[Path]:
    """Store what was fitted beside the lexicon."""

    def line(weights: Any) -> str:
        return "{" + ", ".join(f"{leg}: {weight:.3f}" for leg, weight in weights.items()) + "}"

    judge = library.judge
    paths = [folder / "judge.yaml", folder / "taught.npz"]
    paths[0].write_text(
        "# 由 jingxiaowei evaluate --fit 算出，不用手改。\n"
        "# choice：在几条里选哪一条；scope、bias：是不是归我们答的。\n"
        "# follow：一句追问单独看、接着上一句看、换个东西看，各有几分；stays：上一条答案的分量。\n"
        f"choice: {line(judge.choice)}\nscope: {line(judge.scope)}\nbias: {judge.bias:.3f}\n"
        + "".join(["follow:\n", *(f"  {n}: {line(w)}\n" for n, w in judge.follow.items())]),
        encoding="utf-8",
    )
    library.taught.write(paths[1])
    return paths


class _Lessons:
    """Everything to learn from, as numbers, once."""

    def __init__(self, library: Library, practice: Practice, tokenizer: Tokenizer) -> None:
        asked = (
            *practice.questions,
            *practice.follow_ups(),
            *(
                replace(asked, root=asked.text, before=before.text)
                for before, asked in strangers(practice)
            ),
        )
        self.questions = [question for question in asked if question.fold != EXAM]
        phrasings = [
            Question(text, (entry.fact,), "phrasing")
            for entry in library.entries
            for text in (entry.title, *entry.phrasings)
        ]
        phrasings += _bare_lessons(library)
        self._always = len(phrasings)
        everything = [*phrasings, *self.questions]
        foreign = {FOREIGN + (q.signpost or q.kind) for q in everything if not q.facts}
        self._columns = (*(entry.fact for entry in library.entries), *sorted(foreign))
        column = {name: n for n, name in enumerate(self._columns)}
        asked_for = (take_apart(tokenizer, q.text, q.before) for q in everything)
        self._features = [weighed_features(query) for query in asked_for]
        together = np.concatenate([features for features, _ in self._features])
        keys, seen = np.unique(together, return_counts=True)
        often = seen >= _SEEN
        self._vocabulary = keys[often]
        rarity = np.log((1 + len(everything)) / (1 + seen[often])) + 1
        rarity[mark(self._vocabulary) == SOUND] *= _HEARD
        self._rarity = rarity.astype(np.float32)
        self._right = np.zeros((len(everything), len(self._columns)), dtype=np.float32)
        for row, question in enumerate(everything):
            wanted = question.facts or (FOREIGN + (question.signpost or question.kind),)
            self._right[row, [column[name] for name in wanted if name in column]] = 1

    def teach(self, without: int | None = None) -> Taught:
        """A model of the phrasings and of the practice, a third of it left out."""
        rows = list(range(self._always))
        rows += [
            self._always + n
            for n, question in enumerate(self.questions)
            if question.fold % _THIRDS != without
        ]
        model = Taught(
            self._vocabulary,
            self._rarity,
            np.zeros((len(self._vocabulary), len(self._columns)), dtype=np.int8),
            np.ones(len(self._columns), dtype=np.float32),
            np.zeros(len(self._columns), dtype=np.float32),
            self._columns,
        )
        weights, bias = _fit_linear(self._matrix(model, rows), self._right[rows])
        steps, scale = quantise(weights)
        return replace(model, weights=steps, scale=scale, bias=bias)

    def _matrix(self, model: Taught, rows: Sequence[int]) -> Any:
        from scipy import sparse  # needed to teach only, not to answer

        places, values, ends = [], [], [0]
        for row in rows:
            where, weights = model.rows(*self._features[row])
            places.append(where)
            values.append(model.values(where, weights))
            ends.append(ends[-1] + len(where))
        shape = (len(rows), len(self._vocabulary))
        data = (np.concatenate(values), np.concatenate(places), ends)
        return sparse.csr_matrix(data, shape=shape)


def _bare_lessons(library: Library) -> list[Question]:
    """A thing that is named and nothing more means its general entries."""
    facts: dict[str, list[str]] = {}
    for entry in library.entries:
        if entry.general and entry.concepts.object:
            facts.setdefault(entry.concepts.object[0], []).append(entry.fact)
    forms: dict[str, list[str]] = {}
    for word, slug in library.lexicon.words.items():
        if slug in facts and len(forms.setdefault(slug, [])) < _BARE_FORMS:
            forms[slug].append(word)
    return [
        Question(pattern.format(form), tuple(facts[slug]), "bare")
        for slug, names in forms.items()
        for form in names
        for pattern in _BARE_LESSONS
    ]


def _fit_linear(data: Any, right: Floats) -> tuple[Floats, Floats]:
    """A softmax in which the right columns together are to have all the share (Adam).

    Each time a question is looked at, a part of its features is hidden: nothing may hang on one
    word, for the next who asks has others.
    """
    weights = np.zeros((data.shape[1], right.shape[1]), dtype=np.float32)
    bias = np.zeros(right.shape[1], dtype=np.float32)
    speed, size, change = (np.zeros_like(weights) for _ in range(3))
    dice = np.random.default_rng(_SEED)
    starts = range(0, len(right), _BATCH)
    for step in range(_ROUNDS * len(starts)):
        if step % len(starts) == 0:
            order = dice.permutation(len(right))
        start = starts[step % len(starts)]
        rows = order[start : start + _BATCH]
        some, wanted = data[rows], right[rows]
        some.data *= (dice.random(some.nnz) >= _HIDDEN) / np.float32(1 - _HIDDEN)
        share = some @ weights + bias
        share -= share.max(axis=1, keepdims=True)
        np.exp(share, out=share)
        share /= share.sum(axis=1, keepdims=True)
        wanted = share * wanted
        wanted /= np.maximum(wanted.sum(axis=1, keepdims=True), 1e-12)
        share -= wanted
        slope = some.T @ share
        slope /= len(rows)
        slope += np.multiply(weights, _DECAY, out=change)
        speed *= 0.9
        speed += np.multiply(slope, 0.1, out=change)
        slope *= slope
        size *= 0.98
        size += np.multiply(slope, 0.02, out=change)
        rate = _RATE * (1 - step / (_ROUNDS * len(starts))) + _LEAST_RATE
        np.sqrt(size, out=change)
        change /= np.float32(math.sqrt(1 - 0.98 ** (step + 1)))
        change += np.float32(1e-7)
        np.divide(speed, change, out=change)
        change *= np.float32(rate / (1 - 0.9 ** (step + 1)))
        weights -= change
        bias -= rate / 1000 * share.sum(axis=0)
    return weights, bias


def _fit_judge(index: Index, held_back: Sequence[tuple[Case, Found]]) -> JudgeWeights:
    groups: list[tuple[Array, Array]] = []
    for case, found in held_back:
        right = np.array([index.entries[e].id in case.right for e in found.entries])
        if right.any():
            groups.append((found.legs, right.astype(float)))
    choice = _fit_choice(groups)
    best, ours = [], []
    for case, found in held_back:
        if found.entries:
            best.append(found.legs[int(np.argmax(found.legs @ choice))])
            ours.append(bool(case.right))
    scope, bias = _fit_scope(np.array(best), np.array(ours, dtype=float))
    names = [leg.value for leg in Leg]
    return JudgeWeights(
        choice=dict(zip(names, choice.tolist(), strict=True)) | _CERTAIN,
        scope=dict(zip(names, scope.tolist(), strict=True)) | _CERTAIN,
        bias=bias,
    )


def _fit_choice(groups: Sequence[tuple[Array, Array]]) -> Array:
    """Softmax over each case's finalists: the right ones' share is to be large."""
    weights = np.ones(len(Leg))
    speed, size = np.zeros_like(weights), np.zeros_like(weights)
    legs = np.concatenate([legs for legs, _ in groups])
    right = np.concatenate([right for _, right in groups])
    starts = np.cumsum([0, *(len(r) for _, r in groups[:-1])])
    group = np.repeat(np.arange(len(groups)), [len(r) for _, r in groups])

    def shares(values: Array) -> Array:
        totals: Array = np.add.reduceat(values, starts)[group]
        return totals

    for _ in range(_JUDGE_ROUNDS):
        odds = np.exp(legs @ weights - np.maximum.reduceat(legs @ weights, starts)[group])
        share = odds / shares(odds)
        wanted = share * right / shares(share * right)
        slope = legs.T @ (share - wanted) / len(groups) + _JUDGE_DECAY * weights
        speed = 0.9 * speed + 0.1 * slope
        size = 0.99 * size + 0.01 * slope**2
        weights -= _JUDGE_RATE * speed / (np.sqrt(size) + 1e-8)
    return weights


def _fit_scope(legs: Array, ours: Array) -> tuple[Array, float]:
    """A logistic curve: ours, or not ours; both sides weigh the same however many there are."""
    data = np.hstack([legs, np.ones((len(legs), 1))])
    balance = np.where(ours > 0, 0.5 / max(ours.sum(), 1), 0.5 / max((1 - ours).sum(), 1))
    weights = np.zeros(data.shape[1])
    speed, size = np.zeros_like(weights), np.zeros_like(weights)
    for _ in range(3 * _JUDGE_ROUNDS):
        guess = 1 / (1 + np.exp(-data @ weights))
        slope = data.T @ ((guess - ours) * balance) + _JUDGE_DECAY / 4 * weights
        speed = 0.9 * speed + 0.1 * slope
        size = 0.99 * size + 0.01 * slope**2
        weights -= _JUDGE_RATE / 3 * speed / (np.sqrt(size) + 1e-8)
    return weights[:-1], float(weights[-1])
