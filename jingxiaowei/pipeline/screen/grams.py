"""The pieces of text that the wording leg was taught, found all at once.

Every run of up to four characters becomes a whole number, and a table of hashes tells which are
terms: the work is done in a few passes over arrays, however many terms there are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.integer]

_PLANES = 0x30000  # beyond stand no Chinese characters that anybody types
_LENGTH_BITS = 3  # a key's highest: a run of fewer characters is another key
_SLOTS, _SPARE_SLOTS = 16, 16  # bits; the spare table holds what collides in the first
_NOTHING: Numbers = np.zeros(0, dtype=np.intp)
_SHIFT, _SPARE_SHIFT = np.uint64(64 - _SLOTS), np.uint64(64 - _SPARE_SLOTS)
_FACTOR = 0x9E3779B97F4A7C15


class Grams(NamedTuple):
    """The terms in a text: where each begins, which it is, and the same without repetition."""

    starts: Numbers
    numbers: Numbers
    unique: Numbers


class Terms:
    """All terms, ready to be looked for. Built once."""

    def __init__(self, terms: Sequence[str]) -> None:
        chars = sorted({char for term in terms for char in term})
        self._codes = np.zeros(_PLANES, dtype=np.uint16)
        for number, char in enumerate(chars, 1):
            self._codes[min(ord(char), _PLANES - 1)] = number
        self._bits = np.uint64(len(chars).bit_length())
        self._longest = max(map(len, terms), default=0)
        if self._longest * int(self._bits) + _LENGTH_BITS > 64:
            raise ValueError("the terms have too many different characters")
        # The last key is nobody's: an empty slot points at it.
        self._keys = np.array([*map(self._key, terms), 2**64 - 1], dtype=np.uint64)
        self._first, left = self._table(np.arange(len(terms)), _FACTOR, _SLOTS)
        factor = _FACTOR
        while True:
            factor = (factor * 6364136223846793005 + 1442695040888963407) % 2**64 | 1
            self._spare, still = self._table(left, factor, _SPARE_SLOTS)
            if not len(still):
                break
        self._lengths = [np.uint64(n << 64 - _LENGTH_BITS) for n in range(1, self._longest + 1)]
        self._factors = np.uint64(_FACTOR), np.uint64(factor)

    def _key(self, term: str) -> int:
        key = 0
        for char in term:
            key = key << int(self._bits) | int(self._codes[ord(char)])
        return key | len(term) << 64 - _LENGTH_BITS

    def _table(self, numbers: Numbers, factor: int, bits: int) -> tuple[Numbers, Numbers]:
        """A table of slots, and the numbers that found theirs taken."""
        kind = np.min_scalar_type(len(self._keys))
        table = np.full(1 << bits, len(self._keys) - 1, dtype=kind)
        slots = (self._keys[numbers] * np.uint64(factor)) >> np.uint64(64 - bits)
        table[slots[::-1]] = numbers[::-1]
        return table, numbers[table[slots] != numbers]

    def find(self, text: str) -> Grams:
        """Every term in a text."""
        raw = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        codes = self._codes.take(raw, mode="clip").astype(np.uint64)
        size, longest = len(codes), min(self._longest, len(codes))
        if not longest:
            return Grams(_NOTHING, _NOTHING, _NOTHING)
        runs = np.zeros((longest, size), dtype=np.uint64)  # a row a length, a column a beginning
        run = codes
        np.bitwise_or(run, self._lengths[0], out=runs[0])
        for more in range(1, longest):
            run = (run[:-1] << self._bits) | codes[more:]
            np.bitwise_or(run, self._lengths[more], out=runs[more, : size - more])
        keys = runs.ravel()
        one, other = self._factors
        number = self._first.take((keys * one) >> _SHIFT)
        spare = self._spare.take((keys * other) >> _SPARE_SHIFT)
        here = (self._keys.take(number) == keys).nonzero()[0]
        there = (self._keys.take(spare) == keys).nonzero()[0]
        numbers = np.concatenate((number.take(here), spare.take(there)))
        seen = np.zeros(len(self._keys), dtype=np.bool_)
        seen[numbers] = True
        return Grams(np.concatenate((here, there)) % size, numbers, seen.nonzero()[0])
