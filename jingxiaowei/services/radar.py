"""同话术: which alerts tell one script, however it was reworded.

Two things join alerts of different residents: an account, phone, number or address that both
name, and wording that is nearly the same. The wording is compared by sketches (MinHash over
pairs of characters), keyed, so that a stolen table answers no guesses, and found by bands of the
sketch, so that nobody compares each with all.
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.normalise import compact
from jingxiaowei.pipeline.screen.values import EntityKind
from jingxiaowei.store.cipher import Cipher

# Below so many characters everything resembles everything.
MIN_CHARACTERS = 5
HASHES, ROWS = 96, 2
# Jaccard of two sketches, and how much of the shorter text must stand in the longer one.
ALIKE, CONTAINED = 0.42, 0.72
_CONTAINED_MIN = 24  # shingles: a short phrase stands in many texts by chance
_DIGITS = re.compile(r"\d+")
_PRIME = (1 << 31) - 1

# What two residents' reports can have in common only through the same swindler. A company or an
# amount they share by chance.
STRONG = frozenset(
    {
        EntityKind.ACCOUNT,
        EntityKind.PHONE,
        EntityKind.QQ,
        EntityKind.WECHAT,
        EntityKind.GROUP,
        EntityKind.URL,
    }
)


@dataclass(frozen=True, slots=True)
class Sketch:
    """A text's wording, as numbers that can be compared but not read back."""

    values: NDArray[np.uint32]
    shingles: int

    def to_bytes(self) -> bytes:
        return self.values.tobytes()


def from_bytes(raw: bytes, shingles: int) -> Sketch:
    """A stored sketch."""
    return Sketch(np.frombuffer(raw, dtype=np.uint32), shingles)


EMPTY = Sketch(np.zeros(0, dtype=np.uint32), 0)


def shingles(text: str) -> set[str]:
    """The pairs of characters of the levelled text; other sums and numbers are no other script."""
    level = _DIGITS.sub("0", compact(text))
    if len(level) < MIN_CHARACTERS:
        return set()
    return {level[i : i + 2] for i in range(len(level) - 1)}


@cache
def _permutations(key: str) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    random = np.random.default_rng(int(key, 16))
    multiply = random.integers(1, _PRIME, HASHES, dtype=np.uint64)
    return multiply, random.integers(0, _PRIME, HASHES, dtype=np.uint64)


def sketch(cipher: Cipher, text: str) -> Sketch:
    """The text's sketch under this database's key; empty for a text that is too short."""
    found = shingles(text)
    if not found:
        return EMPTY
    multiply, add = _permutations(cipher.find("sketch"))
    # Two characters of at most 21 bits each, folded below the prime.
    ids = np.fromiter(
        (((ord(pair[0]) << 21) ^ ord(pair[1])) % _PRIME for pair in found), np.uint64, len(found)
    )
    values = (np.outer(multiply, ids) + add[:, None]) % np.uint64(_PRIME)
    return Sketch(values.min(axis=1).astype(np.uint32), len(found))


def bands(cipher: Cipher, sketch: Sketch) -> list[str]:
    """Keyed hashes of parts of the sketch: alike sketches share some with near certainty."""
    return [
        cipher.find("band", str(i), sketch.values[i : i + ROWS].tobytes().hex())
        for i in range(0, len(sketch.values), ROWS)
    ]


def alike(one: Sketch, other: Sketch) -> bool:
    """Whether two texts have nearly the same wording, or one stands in the other."""
    if not one.shingles or not other.shingles:
        return False
    jaccard = float(np.mean(one.values == other.values))
    if jaccard >= ALIKE:
        return True
    shorter = min(one.shingles, other.shingles)
    common = jaccard * (one.shingles + other.shingles) / (1 + jaccard)
    return shorter >= _CONTAINED_MIN and common >= CONTAINED * shorter


def match_key(cipher: Cipher, kind: str, value: str) -> str:
    """The keyed hash by which an entity is found again."""
    return cipher.find("entity", kind, compact(value) or value)
