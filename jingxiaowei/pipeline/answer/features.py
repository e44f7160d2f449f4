"""What the taught leg looks at in a text: characters, sounds, concepts, and concepts together.

A feature is a number of 64 bits, so that a text's features are one array and the model's are
another. One to three characters stand as they are, 21 bits each; two sounds, a concept, or two
concepts stand with 31 bits each and a mark in the two bits above.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.syllables import code_points, number, sounds
from jingxiaowei.pipeline.answer.words import Clause

Keys = NDArray[np.uint64]

SOUND, CONCEPT = 2, 3  # the marks
_CHARACTER, _HALF, _MARK = np.uint64(21), np.uint64(31), np.uint64(62)
_SOUNDS, _CONCEPTS = np.uint64(SOUND << 62), CONCEPT << 62
_PLACE = "place_name"  # which town somebody comes from does not change what is asked
_SOMEWHERE = "\u25a1"  # stands in no question
_BETWEEN = "\0"  # what stands on two sides of it are no neighbours


class Letters(NamedTuple):
    """A text's characters as keys: one by one, two and three in a row.

    ``codes`` are all of them with a 0 between texts; ``joined`` says by position whether a pair
    begins there.
    """

    singles: Keys
    pairs: Keys
    triples: Keys
    codes: Keys
    joined: NDArray[np.bool_]


def letters(texts: Sequence[str]) -> Letters:
    """The characters of compact texts, each text apart from the next."""
    codes = code_points(_BETWEEN.join(texts))
    there = codes > 0
    joined = there[:-1] & there[1:]
    pairs = codes[:-1] << _CHARACTER | codes[1:]
    triples = pairs[:-1] << _CHARACTER | codes[2:]
    return Letters(codes[there], pairs[joined], triples[joined[:-1] & joined[1:]], codes, joined)


def mark(keys: Keys) -> Keys:
    """What kind of feature each key is: :data:`SOUND`, :data:`CONCEPT`, or characters."""
    return keys >> _MARK


def features(clauses: Sequence[Clause], found: Letters | None = None) -> Keys:
    """The features of a text, in the order of their numbers, each once.

    ``found``: the clauses' letters, where somebody looked already.
    """
    spotted = [{spot.slug for spot in clause.spotted} for clause in clauses]
    texts = [clause.text for clause in clauses]
    if any(_PLACE in slugs for slugs in spotted):
        found = None
        texts = [_without_places(clause) for clause in clauses]
    found = found or letters(texts)
    heard = sounds(_BETWEEN.join(texts), found.codes)
    before, after = heard[:-1], heard[1:]
    pairs = (before << _HALF | after | _SOUNDS)[(before > 0) & (after > 0)]
    concepts = np.array(_concept_keys(spotted), dtype=np.uint64)
    keys = np.concatenate((found.singles, found.pairs, found.triples, pairs, concepts))
    keys.sort()
    return keys[newcomers(keys)]


def newcomers(keys: Keys) -> NDArray[np.bool_]:
    """Where a sorted array has something else than just before."""
    news = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=news[1:])
    return news


def _concept_keys(spotted: Iterable[set[str]]) -> list[int]:
    keys: list[int] = []
    for slugs in spotted:
        numbers = sorted(map(number, slugs))
        keys += [_CONCEPTS | one for one in numbers]
        keys += [_CONCEPTS | one << 31 | two for one, two in combinations(numbers, 2)]
    return keys


def _without_places(clause: Clause) -> str:
    parts, at = [], 0
    for spot in clause.spotted:
        if spot.slug == _PLACE:
            parts += [clause.text[at : spot.start], _SOMEWHERE]
            at = spot.end
    return "".join((*parts, clause.text[at:]))
