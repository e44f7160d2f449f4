"""What the taught leg looks at in a text: characters, sounds, concepts, and concepts together.

A feature is a number of 64 bits, so that a text's features are one array and the model's are
another. One to three characters stand as they are, 21 bits each; two sounds, a concept, or two
concepts stand with 31 bits each and a mark in the two bits above.
"""

from collections.abc import Container, Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.syllables import code_points, number, sounds
from jingxiaowei.pipeline.answer.words import Clause

Keys = NDArray[np.uint64]

SOUND, CONCEPT = 2, 3  # the marks
_CHARACTER, _HALF, _MARK = np.uint64(21), np.uint64(31), np.uint64(62)
_LOWEST = np.uint64((1 << 21) - 1)
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


def characters_of(keys: Keys) -> list[str]:
    """The characters, one to three, that some keys stand for."""
    columns = [keys >> np.uint64(places) & _LOWEST for places in (42, 21, 0)]
    drawn = np.stack(columns, axis=1).astype("<u4").tobytes()
    text = drawn.decode("utf-32-le", "surrogatepass")
    return [text[at : at + 3].lstrip(_BETWEEN) for at in range(0, len(text), 3)]


def features(clauses: Sequence[Clause]) -> Keys:
    """The features of a text, in the order of their numbers, each once."""
    keys = features_of([clauses])[0]
    keys.sort()
    news = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=news[1:])
    return keys.take(news.nonzero()[0])


def features_of(texts: Sequence[Sequence[Clause]]) -> tuple[Keys, NDArray[np.intp]]:
    """The features of some texts, in no order and as often as they stand there, and whose each
    is: all texts' in as many operations as one's.
    """
    whose = [n for n, clauses in enumerate(texts) for _ in clauses]
    clauses = [clause for clauses in texts for clause in clauses]
    spotted = [{spot.slug for spot in clause.spotted} for clause in clauses]
    plain = [without_places(*each) for each in zip(clauses, spotted, strict=True)]
    found = letters(plain)
    heard = sounds(_BETWEEN.join(plain), found.codes)
    between = (heard[:-1] > 0) & (heard[1:] > 0)
    pairs = (heard[:-1] << _HALF | heard[1:] | _SOUNDS)[between]
    concepts = [concept_keys(slugs) for slugs in spotted]
    told = np.array([key for keys in concepts for key in keys], dtype=np.uint64)
    keys = np.concatenate((found.singles, found.pairs, found.triples, pairs, told))
    if len(texts) == 1:
        return keys, np.zeros(len(keys), dtype=np.intp)
    owner = np.array(whose or [0], dtype=np.intp)
    # Before a character stand as many marks between texts as there are texts before its own.
    written = said = owner.take(np.cumsum(found.codes == 0))
    if len(heard) != len(written):  # typed letters sound like fewer syllables
        said = owner.take(np.cumsum(heard == 0))
    joined = found.joined
    owners = (
        written[found.codes > 0],
        written[:-1][joined],
        written[:-2][joined[:-1] & joined[1:]],
        said[:-1][between],
        owner[: len(concepts)].repeat([len(keys) for keys in concepts]),
    )
    return keys, np.concatenate(owners)


def concept_keys(slugs: Iterable[str]) -> list[int]:
    """The features of a clause's concepts: one by one, and two together."""
    numbers = sorted(map(number, slugs))
    keys = [_CONCEPTS | one for one in numbers]
    keys += [_CONCEPTS | one << 31 | two for one, two in combinations(numbers, 2)]
    return keys


def without_places(clause: Clause, slugs: Container[str]) -> str:
    """A clause's text, which town somebody comes from left out. ``slugs``: its concepts."""
    if _PLACE not in slugs:
        return clause.text
    parts, at = [], 0
    for spot in clause.spotted:
        if spot.slug == _PLACE:
            parts += [clause.text[at : spot.start], _SOMEWHERE]
            at = spot.end
    return "".join((*parts, clause.text[at:]))
