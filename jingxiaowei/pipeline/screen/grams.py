"""The pieces of text that the wording leg was taught, found all at once.

Every run of up to four characters becomes a whole number, and a table of hashes tells which are
terms: the work is done in a few passes over arrays, however many terms there are. Starting those
passes costs more than a short text does, so a short one is walked through by an automaton.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import daachorse
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.integer]
Found = tuple[Numbers, Numbers]

_PLANE = 0x30000  # beyond stand no Chinese characters that anybody types
_LAST = chr(_PLANE - 1)
_MOST = 4  # characters of a term
_SHORT = 100  # characters of a text up to which the automaton is quicker
_SLOT_BITS, _BUCKET_BITS = 15, 12
_NOTHING: Numbers = np.zeros(0, dtype=np.intp)
_TO_SLOT, _TO_BUCKET = np.uint64(64 - _SLOT_BITS), np.uint64(64 - _BUCKET_BITS)
_BUCKET_FACTOR = np.uint64(0xD1B54A32D192ED03)
_SLOT_FACTOR, _TRIES = 0x9E3779B97F4A7C15, 20


class Grams:
    """The terms in a text: each occurrence, and ``unique``, each term once, in order."""

    __slots__ = ("_found", "unique")

    def __init__(self, unique: Numbers | list[int], found: Callable[[], Found]) -> None:
        self.unique = unique
        self._found = found

    def found(self) -> Found:
        """Where each occurrence begins, and which term it is."""
        return self._found()


class Terms:
    """All terms, ready to be looked for. Built once.

    A key's bucket says how the slots of its keys are moved, so that no two terms share one: each
    run is looked up once.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        chars = sorted({min(char, _LAST) for term in terms for char in term})
        # A character that stands in no term is one more of them, never 0: a shorter run's key
        # must not be a longer one's.
        self._codes = np.full(_PLANE, len(chars) + 1, dtype=np.uint64)
        for number, char in enumerate(chars, 1):
            self._codes[ord(char)] = number
        bits = (len(chars) + 1).bit_length()
        self._bits, self._double = np.uint64(bits), np.uint64(2 * bits)
        self._longest = max(map(len, terms), default=0)
        if self._longest > _MOST or self._longest * bits > 63:
            raise ValueError("the terms are too long, or have too many different characters")
        # The last key is nobody's: an empty slot points at it.
        self._keys = np.array([*map(self._key, terms), 2**64 - 1], dtype=np.uint64)
        self._count = len(terms)
        self._automaton = daachorse.CharwiseDoubleArrayAhoCorasick(
            list(terms) or ["\0"], daachorse.MATCH_KIND_STANDARD
        )
        factor = _SLOT_FACTOR
        for _ in range(_TRIES):
            self._factor = np.uint64(factor)
            placed = self._placed()
            if placed is not None:
                break
            factor = (factor * 6364136223846793005 + 1442695040888963407) % 2**64 | 1
        else:
            raise ValueError("too many terms")
        self._moves, self._slots = placed

    def _key(self, term: str) -> int:
        key = 0
        for char in term:
            key = key << int(self._bits) | int(self._codes[ord(min(char, _LAST))])
        return key

    def _placed(self) -> tuple[Numbers, Numbers] | None:
        """How far each bucket's keys are moved, and the term in each slot; None where two keys
        of a bucket want the same slot."""
        keys = self._keys[: self._count]
        slots = ((keys * self._factor) >> _TO_SLOT).tolist()
        buckets: dict[int, list[int]] = defaultdict(list)
        for number, bucket in enumerate(((keys * _BUCKET_FACTOR) >> _TO_BUCKET).tolist()):
            buckets[bucket].append(number)
        moves = np.zeros(1 << _BUCKET_BITS, dtype=np.uint64)
        taken = [self._count] * (1 << _SLOT_BITS)
        for bucket, numbers in sorted(buckets.items(), key=lambda one: -len(one[1])):
            wanted = {slots[number] for number in numbers}
            if len(wanted) < len(numbers):
                return None
            move = next(
                (m for m in range(len(taken)) if all(taken[s ^ m] == self._count for s in wanted)),
                None,
            )
            if move is None:
                return None
            moves[bucket] = move
            for number in numbers:
                taken[slots[number] ^ move] = number
        return moves, np.array(taken, dtype=np.min_scalar_type(self._count))

    def find(self, text: str) -> Grams:
        """Every term in a text."""
        return self._walk(text) if len(text) <= _SHORT else self._sweep(text)

    def _walk(self, text: str) -> Grams:
        matches = self._automaton.find_overlapping(text) if self._count else []

        def found() -> Found:
            pairs = np.array([(start, number) for start, _, number in matches], dtype=np.intp)
            starts, numbers = pairs.reshape(-1, 2).T
            return starts, numbers

        return Grams(sorted({number for _, _, number in matches}), found)

    def _sweep(self, text: str) -> Grams:
        size, longest = len(text), self._longest
        if not longest:
            return Grams([], lambda: (_NOTHING, _NOTHING))
        raw = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        runs = np.zeros((longest, size), dtype=np.uint64)  # a row a length, a column a beginning
        ones = self._codes.take(raw, mode="clip", out=runs[0])
        if longest > 1:
            pairs = runs[1, :-1]
            np.bitwise_or(ones[:-1] << self._bits, ones[1:], out=pairs)
            if longest > 2:
                np.bitwise_or(pairs[:-1] << self._bits, ones[2:], out=runs[2, :-2])
            if longest > 3:
                np.bitwise_or(pairs[:-2] << self._double, pairs[2:], out=runs[3, :-3])
        keys = runs.ravel()
        slots = (keys * self._factor) >> _TO_SLOT
        slots ^= self._moves.take((keys * _BUCKET_FACTOR) >> _TO_BUCKET)
        known = self._slots.take(slots)
        here = (self._keys.take(known) == keys).nonzero()[0]
        numbers = known.take(here)
        seen = np.zeros(self._count, dtype=np.bool_)
        seen[numbers] = True
        return Grams(seen.nonzero()[0], lambda: (here % size, numbers))
