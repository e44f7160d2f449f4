"""Which entries hold a term, the heaviest first, and no more of them than can be looked at.

Three families of terms: character pairs, words, concepts. What a query costs is bounded thrice: by
the postings that are kept of a term, by the postings that are added up for a query (a long text's
rarest terms come first), and by the slots that they are added up in. Up to so many entries each
has a slot of its own; of more entries several share one, and only those in the fullest slots are
then told apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.taught import Keys, find
from jingxiaowei.pipeline.answer.ragged import Places, Ragged, ragged

Vector = NDArray[np.float64]
Weighed = tuple[Sequence[int], Sequence[float]]  # rows and their weights

POSTINGS = 96  # kept a term
ADDED = 8192  # postings that are added up for a query
SLOTS = 4096
FULLEST = 64  # slots whose entries are told apart
FAMILIES = 3
_FAMILIES = np.arange(FAMILIES)

_K1, _B = 1.2, 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One family of terms, as it is counted: which entry has a term in how many phrasings."""

    terms: Places
    entries: Places
    counts: Vector
    size: int  # how many terms there are


class Terms(NamedTuple):
    """A query's terms: the row of each, its family, and its share of the family's weight."""

    rows: Places
    families: Places
    shares: Vector


class Scored(NamedTuple):
    """The best entries with their scores, a column a family."""

    entries: Places
    scores: Vector


class Postings:
    """All families' posting lists, one behind the other."""

    def __init__(self, grams: Keys, families: Sequence[Family], sizes: Sequence[int]) -> None:
        """``grams``: the first family's terms in order; ``sizes``: phrasings, by entry."""
        self._grams = grams
        self._entries = len(sizes)
        kept = [_weigh(family, np.asarray(sizes, dtype=np.float64)) for family in families]
        self.offsets = np.cumsum([0, *(family.size for family in families)]).tolist()
        # Behind all terms stands the one that no entry has.
        self.nowhere: int = self.offsets.pop()
        unknown = math.log(1 + self._entries)
        self._rows: Ragged = ragged(np.concatenate([*(k.kept for k in kept), [0]]))
        self._rarity: Vector = np.concatenate([*(k.rarity for k in kept), [unknown]])
        self._holders: Places = np.concatenate([k.entries for k in kept])
        self._impacts: Vector = np.concatenate([k.impacts for k in kept])

    def look_up(self, grams: Keys, weights: Vector, words: Weighed, concepts: Weighed) -> Terms:
        """A query's terms. Words and concepts come as rows; :attr:`nowhere` is one of them."""
        places = find(self._grams, grams)
        places[places < 0] = self.nowhere
        rows = np.concatenate((places, np.array([*words[0], *concepts[0]], dtype=np.intp)))
        shares = np.concatenate((weights, [*words[1], *concepts[1]]))
        families = _FAMILIES.repeat((len(places), len(words[0]), len(concepts[0])))
        totals = np.bincount(families, shares * self._rarity.take(rows), FAMILIES)
        totals[totals == 0] = 1.0
        shares /= totals.take(families)
        return Terms(rows, families, shares)

    def best(self, terms: Terms, count: int, besides: Sequence[int]) -> Scored:
        """The entries with the highest sums of scores, and those that are looked at anyway.

        There are none where no entry has any of the terms.
        """
        rows, families, shares = self._informative(terms)
        places, lengths = self._rows.gather(rows)
        if not len(places):
            return Scored(places, np.zeros((0, FAMILIES)))
        weights = self._impacts.take(places)
        weights *= shares.repeat(lengths)
        entries, family = self._holders.take(places), families.repeat(lengths)
        size = self._entries
        if size <= SLOTS:
            found, where = None, entries
        else:
            slots = entries % SLOTS
            sums = np.bincount(slots, weights, SLOTS)
            there = np.zeros(SLOTS, dtype=bool)
            there[sums.argpartition(-FULLEST)[-FULLEST:]] = True
            also = np.array(besides, dtype=np.intp)
            there[also % SLOTS] = True
            near = there[slots].nonzero()[0]
            entries, weights, family = entries[near], weights[near], family[near]
            found = np.unique(np.concatenate((entries, also)))
            where, size = found.searchsorted(entries), len(found)
        family *= size
        family += where
        table = np.bincount(family, weights, FAMILIES * size).astype(np.float64, copy=False)
        table = table.reshape(FAMILIES, size)
        count = min(count, size)
        top = table.sum(axis=0).argpartition(size - count)[size - count :]
        if found is not None:
            besides = found.searchsorted(also).tolist()
        chosen = np.array(list(dict.fromkeys((*top.tolist(), *besides))), dtype=np.intp)
        scores = table.take(chosen, axis=1).T
        return Scored(chosen if found is None else found.take(chosen), scores)

    def _informative(self, terms: Terms) -> Terms:
        """The terms that say most, as many as may be added up."""
        if len(terms.rows) <= ADDED // POSTINGS:
            return terms  # however many each has
        lengths = self._rows.starts[terms.rows + 1] - self._rows.starts[terms.rows]
        if int(lengths.sum()) <= ADDED:
            return terms
        order = np.argsort(-terms.shares * self._rarity[terms.rows], kind="stable")
        order = order[lengths[order].cumsum() <= ADDED]
        return Terms(terms.rows[order], terms.families[order], terms.shares[order])


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
