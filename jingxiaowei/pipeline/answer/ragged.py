"""Rows of unequal length in flat arrays: a row is a stretch between two starts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Where each row begins in the flat arrays, and at last where they end."""

    starts: Places

    def lengths(self) -> Places:
        """How many items each row has."""
        return np.diff(self.starts)

    def gather(self, rows: Places) -> tuple[Places, Places]:
        """The places of some rows' items, and how many each row has."""
        first = self.starts.take(rows)
        ends = self.starts.take(rows + 1)
        lengths = ends - first
        ends -= lengths.cumsum()
        places = ends.repeat(lengths)
        places += np.arange(len(places))
        return places, lengths


def ragged(lengths: Sequence[int] | Places) -> Ragged:
    """Rows of these lengths, one behind the other."""
    return Ragged(np.concatenate(([0], np.cumsum(lengths, dtype=np.intp))).astype(np.intp))
