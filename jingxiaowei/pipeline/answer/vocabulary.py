"""The taught features as pieces of text, so that a question's are found by slicing it.

:mod:`features` gives them as numbers, one array a text: that is right for teaching thousands of
texts. A question has some fifty, and to look up fifty pieces costs less than to start a dozen
operations on arrays.
"""

import sys
from collections.abc import Sequence
from operator import add

import numpy as np

from jingxiaowei.content.syllables import sign_of, syllable_signs, written
from jingxiaowei.pipeline.answer.features import (
    CONCEPT,
    SOUND,
    Keys,
    characters_of,
    concept_keys,
    halves,
    mark,
    without_places,
)
from jingxiaowei.pipeline.answer.words import Clause

_SIGNS = 0xF8000  # behind the syllables': of typed words that are no pinyin


class Vocabulary:
    """Which row of the model each taught feature has."""

    def __init__(self, keys: Keys) -> None:
        """``keys``: the features by row."""
        marks = mark(keys)
        plain, heard, concepts = (
            np.flatnonzero(which) for which in (marks < SOUND, marks == SOUND, marks == CONCEPT)
        )
        self._characters = dict(zip(characters_of(keys[plain]), plain.tolist(), strict=True))
        before, after = (half.tolist() for half in halves(keys[heard]))
        known = syllable_signs()
        words = sorted({sound for sound in before + after if sound > sys.maxunicode} - set(known))
        self._signs = known | {sound: chr(_SIGNS + n) for n, sound in enumerate(words)}
        pairs = (
            sign_of(one, self._signs) + sign_of(two, self._signs)
            for one, two in zip(before, after, strict=True)
        )
        self._sounds = dict(zip(pairs, heard.tolist(), strict=True))
        self._concepts = dict(zip(keys[concepts].tolist(), concepts.tolist(), strict=True))

    def rows(self, clauses: Sequence[Clause]) -> set[int]:
        """The rows of the features of a text that were taught."""
        rows: set[int | None] = set()
        for clause in clauses:
            slugs = {spot.slug for spot in clause.spotted}
            text = without_places(clause, slugs)
            rows.update(map(self._characters.get, text))
            pairs = [*map(add, text, text[1:])]
            rows.update(map(self._characters.get, pairs))
            rows.update(map(self._characters.get, map(add, pairs, text[2:])))
            sounds = written(text, self._signs)
            rows.update(map(self._sounds.get, map(add, sounds, sounds[1:])))
            rows.update(map(self._concepts.get, concept_keys(slugs)))
        return {row for row in rows if row is not None}
