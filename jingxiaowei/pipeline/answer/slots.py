"""Each entry's concepts, and how a question's concepts sit with them."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.model import Domain, Library

Places = NDArray[np.intp]
Vector = NDArray[np.float64]

_WORTH = {"object": 1.0, "action": 0.7, "aspect": 0.35, "person": 0.5}
_NOTHING = 1e-9  # what sums leave over
_KINDS = {"object": 0, "action": 1, "aspect": 2, "person": 3}
COLUMNS = 10  # what is known of an entry by its concepts
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
        items = [item for row in rows for item in sorted(row)]
        lengths = [len(row) for row in rows]
        self._starts: list[int] = [0, *accumulate(lengths)]
        self._usual: Places = np.array([item.slug for item in items], dtype=np.intp)
        kind = np.array([item.kind for item in items], dtype=np.intp)
        part = np.array([item.part for item in items], dtype=np.float64)
        # An entry with a concept as one number, in order: what an entry has is found at once.
        owner = np.arange(len(rows)).repeat(lengths)
        self._held: Places = owner * len(kinds) + self._usual
        parts = part[:, None] * (kind[:, None] == np.arange(_UNSAID))
        # By item, and at last for what an entry has not: that it has it, how usual it is, and
        # what is lost where nobody says it.
        self._items: Vector = np.zeros((len(items) + 1, 2 + _UNSAID))
        self._items[:-1, 0] = 1.0
        self._items[:-1, 1] = [item.share for item in items]
        self._items[:-1, 2:] = parts
        self._silent: Vector = np.zeros((len(rows), _UNSAID))
        np.add.at(self._silent, owner, parts)
        # A concept that few entries have says more than one that many share (黄灯 than 罚款).
        holders = np.bincount(self._usual, minlength=len(kinds))
        most = math.log(1 + len(rows)) or 1.0
        rare = np.log(1 + len(rows) / (1 + holders)) / most
        of_kind = np.array([_KINDS[kind] for kind in kinds.values()], dtype=np.intp)
        worth = rare * np.array([_WORTH[kind] for kind in kinds.values()])
        # By concept: what it is worth, and its rarity in the column of its kind.
        rarity = rare[:, None] * (of_kind[:, None] == np.arange(len(_KINDS)))
        self._worth: Vector = np.column_stack((worth, rarity))
        self._thing: list[bool] = (of_kind == 0).tolist()
        # Where a thing is at home: its entries' share in each domain.
        domains = {domain: n for n, domain in enumerate(Domain)}
        self._domain: Places = np.array([domains[e.domain] for e in library.entries], dtype=np.intp)
        home = np.zeros((len(kinds), len(domains)))
        np.add.at(home, (self._usual, self._domain[owner]), 1.0)
        self._home: Vector = home / np.maximum(holders, 1)[:, None]

    def knows(self, entry: int) -> set[str]:
        """The concepts that an entry's phrasings and its own slots name."""
        first, last = self._starts[entry : entry + 2]
        return {self._slugs[n] for n in self._usual[first:last].tolist()}

    def holds(self, entry: int) -> dict[str, float]:
        """The same, each with how usual it is in the entry, up to 1."""
        first, last = self._starts[entry : entry + 2]
        slugs = (self._slugs[n] for n in self._usual[first:last].tolist())
        return dict(zip(slugs, self._items[first:last, 1].tolist(), strict=True))

    def alike(self, one: int, other: int) -> float:
        """How far two entries are about the same things: the cosine of how usual each is."""
        first, second = self._things_of(one), self._things_of(other)
        shared = sum(usual * second.get(slug, 0.0) for slug, usual in first.items())
        sizes = [math.hypot(*things.values()) for things in (first, second)]
        return shared / math.prod(sizes) if shared else 0.0

    def _things_of(self, entry: int) -> dict[int, float]:
        first, last = self._starts[entry : entry + 2]
        held = zip(
            self._usual[first:last].tolist(), self._items[first:last, 1].tolist(), strict=True
        )
        return {slug: usual for slug, usual in held if self._thing[slug]}

    def weigh(self, concepts: Mapping[str, float], entries: Places) -> Vector:
        """How a question's concepts, each with its weight, sit with some entries.

        A row an entry: agreement, conflict, what is unsaid of object, action and person, what is
        strange to it of action, aspect and person, the share of the things that it knows, and how
        far they are at home elsewhere.
        """
        sitting = np.zeros((len(entries), COLUMNS))
        unsaid = sitting[:, 2:5]
        self._silent.take(entries, axis=0, out=unsaid)
        sitting[:, 8:] = 0.5  # who names nothing leaves it open
        if not concepts or not len(self._held):
            return sitting
        numbers = [self._number[slug] for slug in concepts]
        worth = self._worth.take(numbers, axis=0)
        worth *= np.array([*concepts.values()])[:, None]
        wanted = (entries * len(self._slugs))[:, None] + numbers
        places = self._held.searchsorted(wanted)
        places[self._held.take(places, mode="clip") != wanted] = len(self._held)
        items = self._items.take(places, axis=0)
        asked = np.add.reduce(worth).tolist()
        sitting[:, 0] = items[:, :, 1] @ worth[:, 0]
        if asked[0]:
            sitting[:, 0] /= asked[0]
        strange = asked[1:] - items[:, :, 0] @ worth[:, 1:]
        strange[strange < _NOTHING] = 0.0
        unsaid -= np.add.reduce(items[:, :, 2:], axis=1)
        unsaid[unsaid < _NOTHING] = 0.0
        sitting[:, 1] = strange[:, 0] / 2
        sitting[:, 5:8] = strange[:, 1:]
        counted = sitting[:, 1:8]
        np.minimum(counted, 1.0, out=counted)
        things = [n for n in numbers if self._thing[n]]
        if things:
            sitting[:, 8] = 1 - strange[:, 0] / asked[1]
            home = np.add.reduce(self._home.take(things, axis=0))
            sitting[:, 9] = 1 - home.take(self._domain.take(entries)) / len(things)
        return sitting
