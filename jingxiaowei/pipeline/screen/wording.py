"""The wording leg: a small sparse linear model over pieces of the text and the rules found.

It was taught by ``jingxiaowei evaluate --fit``. One head tells the scam type (or none), one what
kind of text it is, one where the money is. A rule that was added since counts as the others of
its script do.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.scam_model import ScamBook, Wording
from jingxiaowei.pipeline.screen.grams import Numbers, Terms
from jingxiaowei.pipeline.screen.values import ScamType, Specimen, Transfer

Array = NDArray[np.float32]

TYPES = tuple(ScamType)  # the last is NONE
SPECIMENS = tuple(Specimen)
TRANSFERS = tuple(Transfer)
_COLUMN = {scam_type: column for column, scam_type in enumerate(TYPES)}
_NONE = _COLUMN[ScamType.NONE]
_KINDS, _CLOCK = len(TYPES), len(TYPES) + len(SPECIMENS)
_COLUMNS = _CLOCK + len(TRANSFERS)
LEAST = 15.0  # length below which a text says too little for its words to count in full
_NEW_RULE = 0.5  # what a signal weighs while nothing was fitted at all


class Logits(NamedTuple):
    """What each head says, a number a class: of ``TYPES``, ``SPECIMENS`` and ``TRANSFERS``."""

    types: list[float]
    kinds: list[float]
    clock: list[float]
    length: float  # how much the text says; long texts count each word for less


class Leg:
    """Turns what was found into logits of all heads."""

    def __init__(self, book: ScamBook) -> None:
        wording = book.wording if len(book.wording.terms) else _untaught()
        split = len(wording.terms)
        self.terms = Terms(wording.terms)
        rows = np.ascontiguousarray(wording.weights[:split], dtype=np.float32)
        self._against = np.ascontiguousarray((rows[:, :_KINDS] - rows[:, [_NONE]]).T)
        # A term's last column is what it adds to the square of a text's length.
        squares = wording.rarity.astype(np.float32) ** 2
        self._rows = np.ascontiguousarray(np.hstack([rows, squares[:, None]]))
        rules = dict(zip(wording.rules, wording.weights[split:], strict=True))
        for script in book.scripts:
            column = TYPES.index(ScamType(script.scam_type.value))
            taught = [rules[s.id] for s in script.signals if s.id in rules]
            usual = np.mean(taught, axis=0) if taught else _one(column)
            for signal in script.signals:
                rules.setdefault(signal.id, usual)
        self._place = {rule: place for place, rule in enumerate(rules, 1)}
        # The first row counts always, the last is nobody's.
        nobody = np.zeros_like(wording.bias)
        self._rules = np.array([wording.bias, *rules.values(), nobody], dtype=np.float32)
        self._ones = np.ones(max(len(self._rows), len(self._rules)), dtype=np.float32)
        against = self._rules[:, :_KINDS] - self._rules[:, [_NONE]]
        self._rule_against: list[list[float]] = against.tolist()

    def weigh(self, unique: Numbers | list[int], rules: Iterable[str]) -> Logits:
        """Logits of all heads, from the numbers of the terms that occur and the rules found."""
        place = self._place
        # In one order, so that the same text always comes to the very same sum.
        known = sorted([place[rule] for rule in rules if rule in place])
        total = _sum(self._rules, self._ones, [0, *known])
        length = LEAST
        if len(unique):
            words = _sum(self._rows, self._ones, unique)
            length = _length(words.item(-1))
            total += words[:-1] * (1.0 / length)
        row: list[float] = total.tolist()
        return Logits(row[:_KINDS], row[_KINDS:_CLOCK], row[_CLOCK:], length)

    def weight(self, rule: str, scam_type: ScamType) -> float:
        """How much a rule speaks for a type, against nothing being wrong."""
        return self._rule_against[self._place.get(rule, -1)][_COLUMN[scam_type]]

    def term_weights(self, numbers: Numbers, scam_type: ScamType) -> Array:
        """The same for terms, before the text's length is divided out."""
        weights: Array = self._against[_COLUMN[scam_type]].take(numbers)
        return weights


def _sum(table: Array, ones: Array, rows: Numbers | list[int]) -> Array:
    """The sum of some of a table's rows; ``ones``: as many at least."""
    some = table.take(rows, axis=0, mode="clip")
    total: Array = ones[: len(some)] @ some
    return total


def _length(square: float) -> float:
    return max(math.sqrt(square), LEAST)


def _one(column: int) -> Array:
    row = np.zeros(_COLUMNS, dtype=np.float32)
    row[column] = _NEW_RULE
    return row


def _untaught() -> Wording:
    bias = np.zeros(_COLUMNS, dtype=np.float32)
    bias[TYPES.index(ScamType.NONE)] = 1.0
    return Wording(weights=np.zeros((0, _COLUMNS), dtype=np.float32), bias=bias)
