"""Each entry's concepts, and how a question's concepts sit with them."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.model import Library
from jingxiaowei.pipeline.answer.ragged import Places, Ragged, ragged

Vector = NDArray[np.float64]

_WORTH = {"object": 1.0, "action": 0.7, "aspect": 0.35, "person": 0.5}
_NOTHING = 1e-9  # what sums leave over
_UNSAID = 3  # kinds whose silence counts: object, action, person


class _Item(NamedTuple):
    """A concept of an entry's: how usual it is there; what is lost where nobody says it."""

    slug: int
    share: float
    kind: int
    part: float


class Slots:
    """Every entry's usual concepts, 0 to 1 each, and those that it is declared to be about."""

    def __init__(
        self, library: Library, used: Sequence[Mapping[str, int]], sizes: Sequence[int]
    ) -> None:
        """``used``: by entry, in how many of its phrasings each concept stands; ``sizes``: of how
        many."""
        kinds = library.lexicon.kinds
        self._slugs = tuple(kinds)
        self._number = {slug: n for n, slug in enumerate(self._slugs)}
        rows: list[list[_Item]] = []
        for entry, counts, size in zip(library.entries, used, sizes, strict=True):
            own = entry.concepts
            share = {slug: min(1.0, 1.6 * n / size) for slug, n in counts.items()}
            share |= dict.fromkeys(own.all(), 1.0)
            declared = {
                slug: (kind, 1 / len(slugs))
                for kind, slugs in enumerate((own.object, own.action, own.person))
                for slug in slugs
            }
            rows.append(
                [
                    _Item(self._number[slug], value, *declared.get(slug, (_UNSAID, 0.0)))
                    for slug, value in share.items()
                ]
            )
        items = [item for row in rows for item in row]
        self._rows: Ragged = ragged([len(row) for row in rows])
        self._usual: Places = np.array([item.slug for item in items], dtype=np.intp)
        self._share: Vector = np.array([item.share for item in items], dtype=np.float64)
        self._kind: Places = np.array([item.kind for item in items], dtype=np.intp)
        self._part: Vector = np.array([item.part for item in items], dtype=np.float64)
        # A concept that few entries have says more than one that many share (黄灯 than 罚款).
        holders = np.bincount(self._usual, minlength=len(kinds))
        most = math.log(1 + len(rows)) or 1.0
        rare = np.log(1 + len(rows) / (1 + holders)) / most
        self._worth: Vector = rare * np.array([_WORTH[kind] for kind in kinds.values()])
        self._strange: Vector = rare * np.array([kind == "object" for kind in kinds.values()])

    def knows(self, entry: int) -> set[str]:
        """The concepts that an entry's phrasings and its own slots name."""
        first, last = self._rows.starts[entry : entry + 2].tolist()
        return {self._slugs[n] for n in self._usual[first:last].tolist()}

    def weigh(self, concepts: Mapping[str, float], entries: Places) -> Vector:
        """How a question's concepts, each with its weight, sit with some entries.

        A row an entry: agreement, conflict, and what is unsaid of object, action and person.
        """
        count = len(entries)
        weight = np.zeros(len(self._slugs))
        weight[[self._number[slug] for slug in concepts]] = list(concepts.values())
        worth, strange = weight * self._worth, weight * self._strange
        places, lengths = self._rows.gather(entries)
        owners, usual = np.arange(count).repeat(lengths), self._usual[places]
        sitting = np.empty((count, 2 + _UNSAID))
        sitting[:, 0] = np.bincount(owners, worth[usual] * self._share[places], count)
        sitting[:, 0] /= float(worth.sum()) or 1.0
        against = (float(strange.sum()) - np.bincount(owners, strange[usual], count)) / 2
        against[against < _NOTHING] = 0.0
        np.minimum(against, 1.0, out=sitting[:, 1])
        silent = self._part[places] * (weight[usual] == 0)
        kinds = owners * (_UNSAID + 1) + self._kind[places]
        unsaid = np.bincount(kinds, silent, count * (_UNSAID + 1))
        sitting[:, 2:] = unsaid.reshape(count, _UNSAID + 1)[:, :_UNSAID]
        return sitting
