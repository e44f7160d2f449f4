"""A follow-up's readings, weighed against each other: by itself, read on, its thing exchanged.

None is chosen outright. An entry counts by the product of what the readings give it, each reading
with a power that depends on how the text looks (does it name a thing, does it lead on, is it
short), so what two of them agree on gains; an entry that knows what is named now gains, and so does
one that is about the same things as what was answered last; and that itself gains, or, after a
correction, loses. A question that has nothing to do with the one before it looks like one, too:
then the reading by itself has all the power. The weights are fitted on the practice conversations
by ``jingxiaowei evaluate --fit`` and stand in ``lexicon/judge.yaml`` under ``follow``.
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
Akin = Callable[[str], Sequence[float]]

_LEAST = 0.01  # as much belief as none: what a reading does not name is not out of the question


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
    POINTS = "points"  # says 他, 这个, 一起: somebody or something that was named before

    FULL = "full"  # names another thing, and what is to be done with it


_LEADS = list(Hint).index(Hint.LEADS)
STAYS, KNOWS, KEEPS, WHOLE = "stays", "knows", "keeps", "whole"
KINDS = ("object", "action", "aspect", "person")  # of concepts, in the order of their weights
KINSHIP = ("things", "domain")  # with what was answered last, in the order of their weights
# The weights in their order: each reading's power by hint, what the last answer gains by hint,
# what an entry gains that knows what is named, the same once more for the last answer, and what
# kinship with that gains by hint.
_NAMED = {
    **{way.value: tuple(Hint) for way in Way},
    STAYS: tuple(Hint),
    KNOWS: KINDS,
    KEEPS: KINDS,
    **{f"same_{bond}": tuple(Hint) for bond in KINSHIP},
}
# That it is one of ours at all: by hint, by what each reading has together, and against it how far
# the text alone is a matter of somebody else's.
FOREIGN = "foreign"
_WHOLE = (*Hint, *Way, FOREIGN)
SIZES = tuple(len(told) for told in _NAMED.values())


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """Turns of conversations as numbers; entries are places in each turn's own list.

    Attributes:
        hints: turns × :class:`Hint`.
        scores: turns × :class:`Way` × entries, 0 for what a reading does not name.
        there: turns × ways, whether there is such a reading.
        last: turns × entries, 1 for what was answered last, less for what was only offered.
        knows: turns × entries × :data:`KINDS`, how much of what the text itself names the entry
            knows: -.5 nothing, .5 all, 0 where nothing of the kind is named.
        akin: turns × entries × :data:`KINSHIP`, 0 to 1.
        foreign: by turn, how far the text alone is somebody else's matter, 0 to 1.
    """

    hints: Vector
    scores: Vector
    there: Vector
    last: Vector
    knows: Vector
    akin: Vector
    foreign: Vector

    def beliefs(self) -> Vector:
        """Turns × ways × entries: the logarithm of what a reading gives an entry, 0 for nothing."""
        logs: Vector = np.log(self.scores / _LEAST + 1) * self.there[:, :, None]
        return logs

    def evidence(self) -> Vector:
        """Turns × entries × weights: what each weight is multiplied with."""
        hints = self.hints[:, None, :]
        read = self.beliefs()[..., None] * hints[:, None]
        last = self.last[:, :, None]
        bonds = [self.akin[:, :, n, None] * hints for n in range(len(KINSHIP))]
        return np.concatenate(
            (*read.swapaxes(0, 1), last * hints, self.knows, last * self.knows, *bonds), axis=2
        )

    def totals(self) -> Vector:
        """Turns × (hints, ways, foreign): what tells whether the text is one of ours."""
        return np.hstack((self.hints, self.scores.sum(axis=2), self.foreign[:, None]))


@dataclass(frozen=True, slots=True, eq=False)
class Leaning:
    """The fitted weights: of the choice between entries, and of whether it is one of them."""

    choice: Vector
    whole: Vector

    def weigh(self, turns: Turns) -> Vector:
        """By turn, each entry's probability."""
        odds = turns.evidence() @ self.choice
        odds[turns.scores.max(axis=1) <= 0] = -np.inf
        best = odds.max(axis=1, keepdims=True)
        share = np.exp(odds - np.where(np.isfinite(best), best, 0.0))
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
        ours = 1 / (1 + np.exp(-turns.totals() @ self.whole))
        weighed: Vector = share * ours[:, None]
        return weighed

    def told(self, turns: Turns) -> Vector:
        """Turns × ways × entries: how much of an entry's weight is from a reading."""
        powers = turns.hints @ self.choice[: len(Way) * len(Hint)].reshape(len(Way), -1).T
        told: Vector = powers[:, :, None] * turns.beliefs()
        return told


def leaning(weights: Weights) -> Leaning:
    """The weights of ``judge.yaml``; without any, all readings are alike."""
    if not weights:
        weights = {
            **{way.value: {Hint.ALWAYS.value: 1.0} for way in Way},
            WHOLE: {Way.ALONE.value: 2.0, Way.CARRIED.value: 2.0},
        }
    choice = [weights.get(n, {}).get(hint, 0.0) for n, told in _NAMED.items() for hint in told]
    whole = [weights.get(WHOLE, {}).get(told, 0.0) for told in _WHOLE]
    return Leaning(np.array(choice), np.array(whole))


def as_weights(fitted: Leaning) -> Weights:
    """The weights as they are stored."""
    rows = np.split(fitted.choice, np.cumsum(SIZES)[:-1])
    named = {
        name: {str(hint): float(weight) for hint, weight in zip(told, row, strict=True)}
        for (name, told), row in zip(_NAMED.items(), rows, strict=True)
    }
    named[WHOLE] = {str(told): float(w) for told, w in zip(_WHOLE, fitted.whole, strict=True)}
    return named


def as_turns(
    hints: Vector,
    read: Mapping[Way, Ruling],
    last: Mapping[str, float],
    knows: Knows,
    akin: Akin,
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
    before = np.array([[last.get(faq, 0.0) for faq in faqs]])
    known = np.array([[knows(faq) if faq else [0.0] * len(KINDS) for faq in faqs]])
    kin = np.array([[akin(faq) if faq else [0.0] * len(KINSHIP) for faq in faqs]])
    foreign = np.array([read[Way.ALONE].belief])
    return Turns(hints[None, :], scores, there, before, known, kin, foreign), faqs


def blend(
    weights: Leaning,
    hints: Vector,
    read: Mapping[Way, Ruling],
    last: Mapping[str, float],
    knows: Knows,
    akin: Akin,
) -> tuple[Way, Ruling]:
    """What all readings together say, and the one that says most of it.

    Args:
        hints: in the order of :class:`Hint`.
        last: what was answered last, or offered, with how much of it stays.
        knows: of an entry's id, its row of :attr:`Turns.knows`.
        akin: of an entry's id, its row of :attr:`Turns.akin`.
    """
    turns, faqs = as_turns(hints, read, last, knows, akin)
    weighed = weights.weigh(turns)[0]
    order: Sequence[int] = np.argsort(-weighed, kind="stable")[:SHOWN].tolist()
    named = {c.faq: c for ruling in read.values() for c in ruling.candidates}
    candidates = tuple(
        replace(named[faqs[n]], score=round(float(weighed[n]), 4))
        for n in order
        if faqs[n] in named
    )
    told = np.where(turns.there[0] > 0, weights.told(turns)[0, :, order[0]], -np.inf)
    way = list(Way)[int(told.argmax())]
    alone = read[Way.ALONE].candidates[:1]
    plain = any(one.score >= ANSWER and one.faq == faqs[order[0]] for one in alone)
    if plain and not hints[_LEADS]:
        way = Way.ALONE  # what is plain by itself needs no other reading
    return way, replace(read[way], candidates=candidates)
