"""Which entries hold a term, the heaviest first, and no more of them than can be looked at.

Three families of terms: character pairs, words, concepts. What a query costs is bounded thrice: by
the postings that are kept of a term, by the postings that are added up for a query (a long text's
rarest terms come first), and by the slots that they are added up in. Up to so many entries each
has a slot of its own; of more entries several share one, and only those in the fullest slots are
then told apart.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]
Vector = NDArray[np.float64]
Weighed = tuple[Sequence[int], Collection[float]]  # rows and their weights

POSTINGS = 96  # kept a term
ADDED = 8192  # postings that are added up for a query
SLOTS = 4096
FULLEST = 64  # slots whose entries are told apart
FAMILIES = 3

_K1, _B = 1.2, 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One family of terms, as it is counted: which entry has a term in how many phrasings."""

    terms: Places
    entries: Places
    counts: Vector
    size: int  # how many terms there are


class Terms(NamedTuple):
    """A query's terms, family by family: the row of each, and its share of the family's weight."""

    rows: Sequence[int]
    shares: Sequence[float]


class Scored(NamedTuple):
    """The best entries with their scores, a column a family."""

    entries: Places
    scores: Vector


class Postings:
    """All families' posting lists, one behind the other."""

    def __init__(self, families: Sequence[Family], sizes: Sequence[int]) -> None:
        """``sizes``: phrasings, by entry."""
        self._entries = len(sizes)
        kept = [_weigh(family, np.asarray(sizes, dtype=np.float64)) for family in families]
        self.offsets = np.cumsum([0, *(family.size for family in families)]).tolist()
        # Behind all terms stands the one that no entry has.
        self.nowhere: int = self.offsets.pop()
        unknown = math.log(1 + self._entries)
        self._lengths: Places = np.concatenate([*(k.kept for k in kept), [0]]).astype(np.intp)
        self._starts: Places = self._lengths.cumsum() - self._lengths
        self._rarity: list[float] = [*np.concatenate([k.rarity for k in kept]).tolist(), unknown]
        # A posting is its place in a table of families × entries, as far as that is small.
        self._wide = self._entries > SLOTS
        width = 0 if self._wide else self._entries
        self._holders: Places = np.concatenate([k.entries + n * width for n, k in enumerate(kept)])
        self._impacts: Vector = np.concatenate([k.impacts for k in kept])
        self._borders: Places = np.cumsum([len(k.entries) for k in kept])[:-1]

    def look_up(self, families: Sequence[Weighed]) -> Terms:
        """A query's terms. They come as rows, family by family; :attr:`nowhere` is one of them."""
        rows: list[int] = []
        shares: list[float] = []
        for found, weights in families:
            rarity = [self._rarity[row] for row in found]
            total = sum(map(mul, weights, rarity)) or 1.0
            rows += found
            shares += [weight / total for weight in weights]
        return Terms(rows, shares)

    def best(
        self, asked: Sequence[Terms], count: int, besides: Sequence[Sequence[int]]
    ) -> list[Scored]:
        """By query, the entries with the highest sums of scores, and those that are looked at
        anyway. There are none where no entry has any of the terms.
        """
        asked = [self._informative(terms) for terms in asked]
        if self._wide:
            return [
                self._best_of_many(terms, count, also)
                for terms, also in zip(asked, besides, strict=True)
            ]
        rows, shares = asked[0]
        if len(asked) > 1:
            rows = [row for terms in asked for row in terms.rows]
            shares = [share for terms in asked for share in terms.shares]
        places, lengths = self._gather(rows)
        weights = self._impacts.take(places)
        weights *= np.array(shares).repeat(lengths)
        where = self._holders.take(places)
        ends = list(accumulate(len(terms.rows) for terms in asked))
        if len(asked) > 1:
            # Each query has a table of its own.
            sizes = np.diff(np.append(0, lengths.cumsum())[[0, *ends]])
            where += (np.arange(len(asked)) * (FAMILIES * self._entries)).repeat(sizes)
        return _highest(where, weights, len(asked), self._entries, count, besides)

    def _gather(self, rows: Sequence[int]) -> tuple[Places, Places]:
        """Where some terms' postings stand, one behind the other, and how many each has."""
        lengths = self._lengths.take(rows)
        first = self._starts.take(rows)
        first += lengths
        first -= lengths.cumsum()
        places = first.repeat(lengths)
        places += np.arange(len(places))
        return places, lengths

    def _best_of_many(self, terms: Terms, count: int, besides: Sequence[int]) -> Scored:
        """Of the entries in the fullest slots."""
        places, lengths = self._gather(terms.rows)
        if not len(places):
            return Scored(places, np.zeros((0, FAMILIES)))
        weights = self._impacts.take(places)
        weights *= np.array(terms.shares).repeat(lengths)
        holders = self._holders.take(places)
        slots = holders % SLOTS
        sums = np.bincount(slots, weights, SLOTS)
        there = np.zeros(SLOTS, dtype=bool)
        there[sums.argpartition(-FULLEST)[-FULLEST:]] = True
        also = np.array(besides, dtype=np.intp)
        there[also % SLOTS] = True
        near = there[slots].nonzero()[0]
        entries = holders[near]
        found = np.unique(np.concatenate((entries, also)))
        where = self._borders.searchsorted(places[near], side="right") * len(found)
        where += found.searchsorted(entries)
        looked_at = found.searchsorted(also).tolist()
        best = _highest(where, weights[near], 1, len(found), count, [looked_at])[0]
        return Scored(found.take(best.entries), best.scores)

    def _informative(self, terms: Terms) -> Terms:
        """The terms that say most, as many as may be added up."""
        if len(terms.rows) <= ADDED // POSTINGS:
            return terms  # however many each has
        rows, shares = np.array(terms.rows), np.array(terms.shares)
        lengths = self._lengths.take(rows)
        if int(lengths.sum()) <= ADDED:
            return terms
        order = np.argsort(-shares * [self._rarity[row] for row in terms.rows], kind="stable")
        order = order[lengths[order].cumsum() <= ADDED]
        return Terms(rows[order].tolist(), shares[order].tolist())


def _highest(
    where: Places,
    weights: Vector,
    queries: int,
    size: int,
    count: int,
    besides: Sequence[Sequence[int]],
) -> list[Scored]:
    """The best of tables of families × entries, a table a query, and some others.

    ``where``: places in the tables.
    """
    count = min(count, size)
    sums = np.bincount(where, weights, queries * FAMILIES * size)
    tables: Vector = sums.astype(np.float64, copy=False).reshape(queries, FAMILIES, size)
    totals = np.add.reduce(tables, axis=1)
    there = np.maximum.reduce(totals, axis=1, initial=0.0).tolist()
    tops = totals.argpartition(size - count, axis=1)[:, size - count :].tolist()
    best = []
    for table, some, top, also in zip(tables, there, tops, besides, strict=True):
        chosen = np.array(list(dict.fromkeys((*top, *also))) if some else [], dtype=np.intp)
        best.append(Scored(chosen, table.take(chosen, axis=1).T))
    return best


class _Kept(NamedTuple):
    """By term: rarity and how many postings it keeps; by posting: entry and impact."""

    rarity: Vector
    kept: Places
    entries: Places
    impacts: Vector


def _weigh(family: Family, sizes: Vector) -> _Kept:
    entries = max(len(sizes), 1)
    norm = _K1 * (1 - _B + _B * sizes / (float(sizes.mean()) if len(sizes) else 1.0))
    holders = np.bincount(family.terms, minlength=family.size)
    rarity: Vector = np.log(1 + (entries - holders + 0.5) / (holders + 0.5))
    counts = family.counts
    # Saturates at 1: a term in most of an entry's phrasings is fully its own.
    impacts = np.minimum(1.0, counts * (1 + _K1) / (counts + norm[family.entries]) / 1.8)
    impacts *= rarity[family.terms]
    order = np.lexsort((family.entries, -impacts, family.terms))
    starts = np.cumsum(holders) - holders
    order = order[np.arange(len(order)) - starts[family.terms[order]] < POSTINGS]
    return _Kept(rarity, np.minimum(holders, POSTINGS), family.entries[order], impacts[order])
