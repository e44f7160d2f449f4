"""A follow-up's readings, weighed against each other: by itself, read on, its thing exchanged.

None is chosen outright. Each reading's entries count by how likely the reading is, so what two of
them agree on gains; an entry that knows what is named now gains; and what was answered last gains,
or, after a correction, loses. The weights are fitted on the practice conversations by
``jingxiaowei evaluate --fit`` and stand in ``lexicon/judge.yaml`` under ``follow``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.pipeline.answer.judge import ANSWER, SHOWN, Ruling

Vector = NDArray[np.float64]
Weights = Mapping[str, Mapping[str, float]]
Knows = Callable[[str], Sequence[float]]

_LARGEST = 8.0  # in logarithms: no entry gains or loses more than so much
_TINY = 1e-12


class Way(StrEnum):
    """How a text may be read."""

    ALONE = "alone"
    CARRIED = "carried"  # on from the question before
    EXCHANGED = "exchanged"  # as the question before, about the thing named now


class Hint(StrEnum):
    """What of a text, 0 to 1 each, tells how it is to be read."""

    ALWAYS = "always"
    NAMELESS = "nameless"  # names no thing
    LEADS = "leads"  # begins or ends as a follow-up: 那…呢
    STRAYS = "strays"  # names another thing than the question before
    ELSE = "else"  # names another person than the question before
    CORRECTED = "corrected"
    SHORT = "short"
    ASKS = "asks"


_LEADS = list(Hint).index(Hint.LEADS)
SURE, SAME = "sure", "same"  # the reading's best entry: how sure, and whether it was answered last
_TOLD = (*Hint, SURE, SAME)
STAYS, KNOWS, KEEPS, SHARP = "stays", "knows", "keeps", "sharp"
KINDS = ("object", "action", "aspect", "person")  # of concepts, in the order of their weights


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """Turns of conversations as numbers; entries are places in each turn's own list.

    Attributes:
        hints: turns × :class:`Hint`.
        scores: turns × :class:`Way` × entries, 0 for what a reading does not name.
        there: turns × ways, whether there is such a reading.
        last: turns × entries, whether it was answered last.
        knows: turns × entries × :data:`KINDS`, how much of what the text itself names the entry
            knows: -.5 nothing, .5 all, 0 where nothing of the kind is named.
    """

    hints: Vector
    scores: Vector
    there: Vector
    last: Vector
    knows: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Leaning:
    """The fitted weights.

    Attributes:
        ways: ways × (hints, :data:`SURE`, :data:`SAME`).
        stays: by hint, what the entry that was answered last gains.
        knows: by kind, what an entry gains that knows what is named.
        keeps: the same once more for the entry that was answered last.
        sharp: how much the differences grow.
    """

    ways: Vector
    stays: Vector
    knows: Vector
    keeps: Vector
    sharp: float

    def weigh(self, turns: Turns) -> tuple[Vector, Vector]:
        """By turn, how likely each way is, and each entry's probability."""
        best = turns.scores.argmax(axis=2)
        same = np.take_along_axis(turns.last, best, axis=1) * (turns.scores.max(axis=2) > 0)
        count = len(Hint)
        likely = turns.hints @ self.ways[:, :count].T
        likely += self.ways[:, count] * turns.scores.max(axis=2) + self.ways[:, count + 1] * same
        likely = np.exp(likely - likely.max(axis=1, keepdims=True)) * turns.there
        likely /= likely.sum(axis=1, keepdims=True)
        mixed = np.einsum("tw,twe->te", likely, turns.scores)
        keeps = (turns.hints @ self.stays)[:, None] + turns.knows @ self.keeps
        gain = np.clip(keeps * turns.last + turns.knows @ self.knows, -_LARGEST, _LARGEST)
        weighed = mixed ** (1 + self.sharp) * np.exp(gain)
        weighed /= np.maximum(weighed.sum(axis=1, keepdims=True), _TINY)
        # What all of them have together, that it is one of ours, stays as it is.
        weighed *= mixed.sum(axis=1, keepdims=True)
        return likely, weighed


def leaning(weights: Weights) -> Leaning:
    """The weights of ``judge.yaml``; without any, all readings are alike."""
    ways = [[weights.get(way, {}).get(told, 0.0) for told in _TOLD] for way in Way]
    stays = [weights.get(STAYS, {}).get(hint, 0.0) for hint in Hint]
    knows, keeps = ([weights.get(n, {}).get(kind, 0.0) for kind in KINDS] for n in (KNOWS, KEEPS))
    sharp = weights.get(SHARP, {}).get(Hint.ALWAYS, 0.0)
    return Leaning(np.array(ways), np.array(stays), np.array(knows), np.array(keeps), sharp)


def as_weights(fitted: Leaning) -> Weights:
    """The weights as they are stored."""
    named: dict[str, Mapping[str, float]] = {
        way.value: {str(told): float(weight) for told, weight in zip(_TOLD, row, strict=True)}
        for way, row in zip(Way, fitted.ways, strict=True)
    }
    named[STAYS] = {
        hint.value: float(weight) for hint, weight in zip(Hint, fitted.stays, strict=True)
    }
    for name, row in ((KNOWS, fitted.knows), (KEEPS, fitted.keeps)):
        named[name] = {kind: float(weight) for kind, weight in zip(KINDS, row, strict=True)}
    named[SHARP] = {Hint.ALWAYS.value: fitted.sharp}
    return named


def as_turns(
    hints: Vector, read: Mapping[Way, Ruling], last: str, knows: Knows
) -> tuple[Turns, list[str]]:
    """One turn as numbers, and its entries' ids in their places."""
    faqs = list(dict.fromkeys(c.faq for ruling in read.values() for c in ruling.candidates)) or [""]
    places = {faq: n for n, faq in enumerate(faqs)}
    scores = np.zeros((1, len(Way), len(faqs)))
    there = np.zeros((1, len(Way)))
    for number, way in enumerate(Way):
        if way in read:
            there[0, number] = 1.0
            for one in read[way].candidates:
                scores[0, number, places[one.faq]] = one.score
    before = np.array([[float(faq == last) for faq in faqs]])
    known = np.array([[knows(faq) if faq else [0.0] * len(KINDS) for faq in faqs]])
    return Turns(hints[None, :], scores, there, before, known), faqs


def blend(
    weights: Leaning, hints: Vector, read: Mapping[Way, Ruling], last: str, knows: Knows
) -> tuple[Way, Ruling]:
    """What all readings together say, and the one that says most of it.

    Args:
        hints: in the order of :class:`Hint`.
        last: the entry that was answered last; empty where none was.
        knows: of an entry's id, its row of :attr:`Turns.knows`.
    """
    turns, faqs = as_turns(hints, read, last, knows)
    likely, weighed = weights.weigh(turns)
    order: Sequence[int] = np.argsort(-weighed[0], kind="stable")[:SHOWN].tolist()
    named = {c.faq: c for ruling in read.values() for c in ruling.candidates}
    candidates = tuple(
        replace(named[faqs[n]], score=round(float(weighed[0, n]), 4))
        for n in order
        if faqs[n] in named
    )
    told = likely[0] * turns.scores[0, :, order[0]]
    if not told.any():
        told = likely[0]
    way = list(Way)[int(told.argmax())]
    alone = read[Way.ALONE].candidates[:1]
    plain = any(one.score >= ANSWER and one.faq == faqs[order[0]] for one in alone)
    if plain and not hints[_LEADS]:
        way = Way.ALONE  # what is plain by itself needs no other reading
    return way, replace(read[way], candidates=candidates)
