"""The wording leg: a small sparse linear model over pieces of the text and the rules found.

It was taught by ``jingxiaowei evaluate --fit``. One head tells the scam type (or none), one what
kind of text it is, one where the money is. A rule that was added since counts as the others of
its script do.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.scam_model import ScamBook, Wording
from jingxiaowei.pipeline.screen.values import ScamType, Specimen, Transfer

Array = NDArray[np.float32]

TYPES = tuple(ScamType)  # the last is NONE
SPECIMENS = tuple(Specimen)
TRANSFERS = tuple(Transfer)
_KINDS, _CLOCK = len(TYPES), len(TYPES) + len(SPECIMENS)
_COLUMNS = _CLOCK + len(TRANSFERS)
_NEW_RULE = 0.5  # what a signal weighs while nothing was fitted at all


class Leg:
    """Turns what was found into logits of both heads.

    ``vocabulary`` is the finder's: the leg's rows stand in its order, and a word that was taught
    nothing weighs nothing.
    """

    def __init__(self, book: ScamBook, vocabulary: Sequence[str]) -> None:
        wording = book.wording if len(book.wording.terms) else _untaught()
        split = len(wording.terms)
        numbers = {term: i for i, term in enumerate(wording.terms)}
        rows = np.zeros((len(vocabulary), wording.weights.shape[1]), dtype=np.float32)
        rarity = np.zeros(len(vocabulary))
        for place, word in enumerate(vocabulary):
            number = numbers.get(word)
            if number is not None:
                rows[place] = wording.weights[number]
                rarity[place] = wording.rarity[number]
        self._rows = rows
        self._squares = (rarity**2).tolist()
        self._bias = wording.bias
        rules = dict(zip(wording.rules, wording.weights[split:], strict=True))
        for script in book.scripts:
            column = TYPES.index(ScamType(script.scam_type.value))
            taught = [rules[s.id] for s in script.signals if s.id in rules]
            usual = np.mean(taught, axis=0) if taught else _one(column)
            for signal in script.signals:
                rules.setdefault(signal.id, usual)
        self._place = {rule: place for place, rule in enumerate(rules)}
        self._rules = np.array([*rules.values(), np.zeros_like(self._bias)], dtype=np.float32)

    def weigh(self, words: Iterable[int], rules: Iterable[str]) -> tuple[Array, Array, Array]:
        """Logits of the types, of the kinds of text and of the transfer's states."""
        unique = list(set(words))
        total = self._bias.copy()
        length = self.length(unique)
        if length:
            total += self._rows.take(unique, axis=0).sum(axis=0) / length
        place = self._place
        known = [place[rule] for rule in rules if rule in place]
        if known:
            total += self._rules.take(known, axis=0).sum(axis=0)
        return total[:_KINDS], total[_KINDS:_CLOCK], total[_CLOCK:]

    def length(self, unique: Iterable[int]) -> float:
        """How much a text says; long texts count each word for less."""
        squares = self._squares
        return math.sqrt(sum([squares[word] for word in unique]))

    def weight(self, rule: str, scam_type: ScamType) -> float:
        """How much a rule speaks for a type, against nothing being wrong."""
        row = self._rules[self._place.get(rule, -1)]  # the last row is nobody's: zeros
        return float(row[TYPES.index(scam_type)] - row[TYPES.index(ScamType.NONE)])

    def word_weights(self, words: Sequence[int], scam_type: ScamType) -> Array:
        """The same for words, before the text's length is divided out."""
        rows = self._rows.take(list(words), axis=0)
        weights: Array = rows[:, TYPES.index(scam_type)] - rows[:, TYPES.index(ScamType.NONE)]
        return weights


def _one(column: int) -> Array:
    row = np.zeros(_COLUMNS, dtype=np.float32)
    row[column] = _NEW_RULE
    return row


def _untaught() -> Wording:
    bias = np.zeros(_COLUMNS, dtype=np.float32)
    bias[TYPES.index(ScamType.NONE)] = 1.0
    return Wording(weights=np.zeros((0, _COLUMNS), dtype=np.float32), bias=bias)
