"""The taught leg: a linear model over a text's features, one column an entry or foreign matter.

It is fitted on the practice questions by ``jingxiaowei evaluate --fit`` (:mod:`services.teaching`)
and shipped beside the lexicon. An entry that it was not taught (an admin's new one) has no column:
the other legs alone speak for it, until the next fit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.errors import ContentError

FOREIGN = "-"  # a column's name begins so when it is no entry's: "-12348" or "-general"

Keys = NDArray[np.uint64]
Rows = NDArray[np.intp]
Matrix = NDArray[np.int8]
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """The fitted model.

    Attributes:
        vocabulary: the known features in the order of their numbers, a row each.
        rarity: by row, what a feature counts.
        weights: rows × columns, in steps of ``scale`` (by column).
        bias: by column.
        columns: fact codes, and foreign matters.
    """

    vocabulary: Keys
    rarity: Vector
    weights: Matrix
    scale: Vector
    bias: Vector
    columns: tuple[str, ...]

    def rows(self, features: Keys, weights: Vector | None = None) -> tuple[Rows, Vector | None]:
        """The rows of a text's known features, and of their weights in the text those."""
        where = find(self.vocabulary, features)
        known = where >= 0
        return where[known], None if weights is None else weights[known]

    def values(self, rows: Rows, weights: Vector | None = None) -> Vector:
        """What a text's features count, of length one together.

        ``weights``: what each counts in the text; without any, all count alike.
        """
        values = self.rarity.take(rows)
        if weights is not None:
            values *= weights
        size = math.sqrt(values.dot(values))
        if size:
            values /= np.float32(size)
        return values

    def weigh(self, texts: Sequence[tuple[Rows, Vector | None]]) -> NDArray[np.float32]:
        """Texts × columns, the logarithm of what a column has of a text; the highest has 0.

        ``texts``: by text the rows of its known features, and what each counts in it.
        """
        logs = np.empty((len(texts), len(self.columns)), dtype=np.float32)
        for (rows, weights), row in zip(texts, logs, strict=True):
            row[:] = self.values(rows, weights).dot(self.weights.take(rows, axis=0))
        logs *= self.scale
        logs += self.bias
        logs -= np.maximum.reduce(logs, axis=1)[:, None]
        return logs

    def write(self, path: Path) -> None:
        """Store the model; the same model gives the same bytes."""
        np.savez_compressed(
            path,
            # Neighbours differ little: their distances are what compresses.
            vocabulary=np.diff(self.vocabulary, prepend=np.uint64(0)),
            rarity=self.rarity.astype(np.float16),
            weights=self.weights,
            scale=self.scale,
            bias=self.bias,
            columns=np.array(self.columns),
        )


def find(known: Keys, keys: Keys) -> Rows:
    """For each key its place in a sorted array, or -1."""
    if not len(known):
        return np.full(len(keys), -1, dtype=np.intp)
    places = known.searchsorted(keys)
    missed = known.take(places, mode="clip") != keys
    places[missed] = -1
    return places


def read_taught(path: Path) -> Taught:
    """The model of a file; without one, a model that was taught nothing.

    Raises:
        ContentError: the file is there and is no such model.
    """
    if not path.exists():
        return untaught()
    try:
        with np.load(path, allow_pickle=False) as stored:
            if stored["vocabulary"].dtype != np.uint64:
                raise ValueError("no such vocabulary")
            return Taught(
                np.cumsum(stored["vocabulary"], dtype=np.uint64),
                stored["rarity"].astype(np.float32),
                stored["weights"],
                stored["scale"],
                stored["bias"],
                tuple(str(column) for column in stored["columns"]),
            )
    except (OSError, ValueError, KeyError) as error:
        raise ContentError(
            f"{path} 读不出来（{error}）：用 jingxiaowei evaluate --fit 重做"
        ) from None


def untaught() -> Taught:
    """A model without columns."""
    nothing = np.zeros(0, dtype=np.float32)
    return Taught(
        np.zeros(0, dtype=np.uint64), nothing, np.zeros((0, 0), dtype=np.int8), nothing, nothing, ()
    )


def quantise(weights: NDArray[np.float32]) -> tuple[Matrix, Vector]:
    """Weights as steps of one byte, and the size of a step by column."""
    scale = np.maximum(np.abs(weights).max(axis=0), 1e-6) / 127
    return np.rint(weights / scale).astype(np.int8), scale.astype(np.float32)


def entry_columns(taught: Taught, facts: Sequence[str]) -> NDArray[np.intp]:
    """For each fact its column, or -1."""
    find = {name: column for column, name in enumerate(taught.columns)}
    return np.array([find.get(fact, -1) for fact in facts], dtype=np.intp)
