"""A resident's text, taken apart once for everybody who looks at it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.taught import find
from jingxiaowei.pipeline.answer.features import Keys, Letters, features, letters, newcomers
from jingxiaowei.pipeline.answer.words import STOPWORDS, Clause, Tokenizer

LONGEST = 300  # characters that are looked at; the caller says so when it cut

QUESTION_MARKS = frozenset(
    """
    怎么 咋 如何 怎样 吗 么 嘛 哪 多少 几 什么 啥 是否 能不能 可不可以 可以 可否 能否 需要 要不要
    行不行 该 求 请问 想问 咨询 想 阿可以 是不是 会不会 有没有
    """.split()
)
_ASKS = re.compile("|".join(sorted(QUESTION_MARKS)))
# A narrative's other clauses still count, but its question decides.
_ASIDE = 0.4
_BEFORE = 0.5
# The same for the taught leg, which takes a text as a whole: the longer the story, the less its
# asides count; and the question before counts less than what is asked now.
_STORY, _LONG = 0.35, 100
_READ_ON = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is asked. Terms carry the weight of their clause, the heaviest where there are several.

    Attributes:
        text: all clauses, one behind the other.
        grams: pairs of characters, in the order of their numbers.
        features: what the taught leg looks at.
        feature_weights: what each counts, up to 1; nothing where all count alike.
    """

    text: str
    clauses: tuple[tuple[str, float], ...]
    grams: Keys
    gram_weights: NDArray[np.float64]
    words: dict[str, float]
    concepts: dict[str, float]
    features: Keys
    feature_weights: NDArray[np.float32] | None


def asks(text: str) -> bool:
    """Whether a text has a word in it that asks."""
    return _ASKS.search(text) is not None


def take_apart(tokenizer: Tokenizer, text: str, before: str = "") -> Query:
    """Take a text apart; only the first :data:`LONGEST` characters are looked at.

    ``before`` is what a follow-up follows: it counts, but what is asked now counts more.
    """
    parts = tokenizer.clauses(text[:LONGEST])
    asking = [asks(part.text) for part in parts]
    if not any(asking) or before:
        asking = [True] * len(parts)
    weighed = [
        *((part, _BEFORE) for part in (tokenizer.clauses(before) if before else ())),
        *((part, 1.0 if asked else _ASIDE) for part, asked in zip(parts, asking, strict=True)),
    ]
    words: dict[str, float] = {}
    concepts: dict[str, float] = {}
    heaviest = sorted(weighed, key=lambda pair: -pair[1])
    for part, weight in reversed(heaviest):  # what comes later stays
        words.update({word: weight for word in part.words if word not in STOPWORDS})
        concepts.update({s.slug: weight for s in part.spotted})
    found = letters([part.text for part, _ in heaviest])
    grams, gram_weights = _grams(heaviest, found)
    whole = "".join(part.text for part, _ in weighed)
    keys = features([part for part, _ in heaviest], found)
    lighter = _READ_ON if before else 1 - _STORY * min(1.0, len(whole) / _LONG)
    return Query(
        whole,
        tuple((part.text, weight) for part, weight in weighed),
        grams,
        gram_weights,
        words,
        concepts,
        keys,
        _feature_weights(heaviest, keys, lighter),
    )


def _feature_weights(
    heaviest: Sequence[tuple[Clause, float]], keys: Keys, lighter: float
) -> NDArray[np.float32] | None:
    """1 for what stands in a clause that counts fully, less for what stands only elsewhere."""
    asking = [part for part, weight in heaviest if weight == 1.0]
    if len(asking) == len(heaviest):
        return None
    return np.where(find(features(asking), keys) >= 0, 1.0, lighter).astype(np.float32)


def _grams(
    heaviest: Sequence[tuple[Clause, float]], found: Letters
) -> tuple[Keys, NDArray[np.float64]]:
    """The pairs of characters in order, each once, and their weights."""
    pairs = found.pairs
    lone = [(ord(part.text), weight) for part, weight in heaviest if len(part.text) == 1]
    if lone:  # a clause of one character is its own pair
        pairs = np.concatenate((pairs, np.array([code for code, _ in lone], dtype=np.uint64)))
    if len({weight for _, weight in heaviest}) < 2:  # most often: one clause, or all of them ask
        pairs = np.sort(pairs)
        pairs = pairs[newcomers(pairs)]
        return pairs, np.full(len(pairs), heaviest[0][1] if heaviest else 1.0)
    lengths = [len(part.text) + 1 for part, _ in heaviest]
    weights = np.array([weight for _, weight in heaviest]).repeat(lengths)[:-2][found.joined]
    if lone:
        weights = np.concatenate((weights, [weight for _, weight in lone]))
    order = pairs.argsort(kind="stable")  # of several the first one stays, which is the heaviest
    pairs = pairs[order]
    first = newcomers(pairs)
    return pairs[first], weights[order[first]]
