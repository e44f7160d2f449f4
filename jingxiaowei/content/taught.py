"""The taught leg: a linear model over a text's features, one column an entry or foreign matter.

It is fitted on the practice questions by ``jingxiaowei evaluate --fit`` (:mod:`services.teaching`)
and shipped beside the lexicon. An entry that it was not taught (an admin's new one) has no column:
the other legs alone speak for it, until the next fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.errors import ContentError

FOREIGN = "-"  # a column's name begins so when it is no entry's: "-12348" or "-general"

Matrix = NDArray[np.int8]
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """The fitted model.

    Attributes:
        vocabulary: feature → row.
        rarity: by row, what a feature's value is multiplied with.
        weights: rows × columns, in steps of ``scale`` (by column).
        bias: by column.
        columns: fact codes, and foreign matters.
    """

    vocabulary: dict[str, int]
    rarity: Vector
    weights: Matrix
    scale: Vector
    bias: Vector
    columns: tuple[str, ...]

    def rows(self, features: dict[str, float]) -> tuple[list[int], Vector]:
        """The rows of a text's known features, and their values, of length one together."""
        find = self.vocabulary.get
        known = [
            (row, value) for name, value in features.items() if (row := find(name)) is not None
        ]
        where = [row for row, _ in known]
        values = np.array([value for _, value in known], dtype=np.float32) * self.rarity[where]
        size = float(np.sqrt(values @ values))
        return where, values / size if size else values

    def weigh(self, features: dict[str, float]) -> Vector:
        """The logarithm of each column's probability."""
        where, values = self.rows(features)
        scores: Vector = (values @ self.weights[where]) * self.scale + self.bias
        scores -= scores.max()
        scores -= np.log(np.exp(scores).sum())
        return scores

    def write(self, path: Path) -> None:
        """Store the model; the same model gives the same bytes."""
        names = "\n".join(sorted(self.vocabulary, key=self.vocabulary.__getitem__))
        np.savez_compressed(
            path,
            vocabulary=np.frombuffer(names.encode(), dtype=np.uint8),
            rarity=self.rarity.astype(np.float16),
            weights=self.weights,
            scale=self.scale,
            bias=self.bias,
            columns=np.array(self.columns),
        )


def read_taught(path: Path) -> Taught:
    """The model of a file; without one, a model that was taught nothing.

    Raises:
        ContentError: the file is there and is no such model.
    """
    if not path.exists():
        return untaught()
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = stored["vocabulary"].tobytes().decode().split("\n")
            return Taught(
                {name: row for row, name in enumerate(names)},
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
    return Taught({}, nothing, np.zeros((0, 0), dtype=np.int8), nothing, nothing, ())


def quantise(weights: NDArray[np.float32]) -> tuple[Matrix, Vector]:
    """Weights as steps of one byte, and the size of a step by column."""
    scale = np.maximum(np.abs(weights).max(axis=0), 1e-6) / 127
    return np.rint(weights / scale).astype(np.int8), scale.astype(np.float32)


def entry_columns(taught: Taught, facts: Sequence[str]) -> NDArray[np.intp]:
    """For each fact its column, or -1."""
    find = {name: column for column, name in enumerate(taught.columns)}
    return np.array([find.get(fact, -1) for fact in facts], dtype=np.intp)
