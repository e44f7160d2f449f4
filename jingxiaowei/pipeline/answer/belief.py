"""What the taught leg believes of some questions, all of them in a few operations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.taught import FOREIGN, Taught, entry_columns, find
from jingxiaowei.pipeline.answer.features import Keys, features, features_of
from jingxiaowei.pipeline.answer.query import Query

_FAR = 8.0  # in logarithms: an entry so far behind the favourite is out of the question

# Rows of the model, and what each counts in a text; nothing where all count alike.
Known = tuple[NDArray[np.intp], NDArray[np.float32] | None]


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """By column how far behind the favourite, the favourite entries, how sure of the first, how
    sure that it is ours, and the foreign matter that comes closest, with its share: ``12348`` or
    a kind; empty where none does."""

    behind: NDArray[np.float32]
    favourites: tuple[int, ...] = ()
    sure: float = 0.0
    ours: float = 1.0
    foreign: str = ""
    share: float = 0.0


class Believer:
    """The taught leg beside a library's entries."""

    def __init__(self, taught: Taught, facts: Sequence[str], favourites: int) -> None:
        """``facts``: by entry; ``favourites``: how many a belief names."""
        self._taught = taught
        columns = entry_columns(taught, facts)
        self._columns: list[int] = columns.tolist()
        self._known = np.flatnonzero(columns >= 0)  # the entries that were taught
        self._known_columns = columns[self._known]
        foreign = [n for n, name in enumerate(taught.columns) if name.startswith(FOREIGN)]
        self._foreign = np.array(foreign, dtype=np.intp)
        self._matters = [taught.columns[n].removeprefix(FOREIGN) for n in foreign]
        self._count = min(favourites, len(self._known))

    def believe(self, queries: Sequence[Query]) -> list[Belief]:
        """What the leg says of each question."""
        count = len(queries)
        if not self._taught.columns or not count:
            return [Belief(np.zeros(0, dtype=np.float32))] * count
        logs = self._taught.weigh(self._rows(queries))
        chances = np.exp(logs)
        totals = np.add.reduce(chances, axis=1)
        matters, shares, ours = [""] * count, [0.0] * count, [1.0] * count
        if len(self._foreign):
            parts = chances.take(self._foreign, axis=1)
            closest = parts.argmax(axis=1)
            matters = [self._matters[n] for n in closest.tolist()]
            shares = (parts[np.arange(count), closest] / totals).tolist()
            ours = (1.0 - np.add.reduce(parts, axis=1, dtype=np.float64) / totals).tolist()
        if not self._count:
            return [
                Belief(row, ours=our, foreign=matter, share=share)
                for row, our, matter, share in zip(logs, ours, matters, shares, strict=True)
            ]
        mine = logs.take(self._known_columns, axis=1)
        order = mine.argpartition(mine.shape[1] - self._count, axis=1)[:, -self._count :]
        best = np.maximum.reduce(mine, axis=1)
        sure = (np.exp(best, dtype=np.float64) / totals).tolist()
        logs -= best[:, None]
        favourites = [tuple(row) for row in self._known[order].tolist()]
        return [
            Belief(*each)
            for each in zip(logs, favourites, sure, ours, matters, shares, strict=True)
        ]

    def behind(self, belief: Belief, entries: Sequence[int], alike: Sequence[float]) -> list[float]:
        """0 for the favourite, down to -1; for an entry that was not taught, by its likeness."""
        behind, columns = belief.behind, [self._columns[entry] for entry in entries]
        if len(behind) and min(columns) >= 0:
            return [max(back / _FAR, -1.0) for back in behind.take(columns).tolist()]
        return [
            max(float(behind[column]) / _FAR, -1.0)
            if column >= 0 and len(behind)
            else (likeness - 1.0) / 2
            for column, likeness in zip(columns, alike, strict=True)
        ]

    def _rows(self, queries: Sequence[Query]) -> Sequence[Known]:
        """By question, the rows of the model that it has something of, and what each counts."""
        if len(queries) == 1 and not queries[0].asides:
            return [self._taught.rows(features(queries[0].asking))]
        sides = [side for query in queries for side in (query.asking, query.asides)]
        keys, sided = features_of(sides)
        # Each question's features in order, each once; as an asking one where it is asked and
        # said aside too, for that comes first.
        order = keys.argsort(kind="stable")
        if len(queries) > 1:
            order = order.take((sided.take(order) >> 1).argsort(kind="stable"))
        keys, sided = keys.take(order), sided.take(order)
        news = np.ones(len(keys), dtype=np.bool_)
        np.not_equal(keys[1:], keys[:-1], out=news[1:])
        if len(queries) > 1:
            news[1:] |= (sided[1:] ^ sided[:-1]) > 1
        first = news.nonzero()[0]
        rows, sided = find(self._taught.vocabulary, keys.take(first)), sided.take(first)
        known = (rows >= 0).nonzero()[0]
        rows, sided = rows.take(known), sided.take(known)
        counts = np.ones(2 * len(queries), dtype=np.float32)
        counts[1::2] = [query.lighter for query in queries]
        counts = counts.take(sided)
        ends = sided.searchsorted(np.arange(2, len(sides), 2)).tolist() if len(queries) > 1 else []
        between = zip([0, *ends], [*ends, len(rows)], strict=True)
        return [(rows[begin:end], counts[begin:end]) for begin, end in between]


def weighed_features(query: Query) -> tuple[Keys, NDArray[np.float32] | None]:
    """A question's features in order, and what each counts; nothing where all count alike.

    What stands in a clause that counts fully counts 1, what stands only elsewhere counts less.
    """
    keys = features((*query.asking, *query.asides))
    if not query.asides:
        return keys, None
    asked = find(features(query.asking), keys) >= 0
    return keys, np.where(asked, 1.0, query.lighter).astype(np.float32)
