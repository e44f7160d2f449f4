"""A resident's text, taken apart once for everybody who looks at it."""

import re
from dataclasses import dataclass
from operator import add, itemgetter

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
_weight_of = itemgetter(1)
# The same for the taught leg, which takes a text as a whole: the longer the story, the less its
# asides count; and the question before counts less than what is asked now.
_STORY, _LONG = 0.35, 100
_READ_ON = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is asked. Terms carry the weight of their clause, the heaviest where there are several.

    Attributes:
        text: all clauses, one behind the other.
        grams: pairs of characters; a clause of one character is its own pair.
        asking: the clauses that count fully, as they were taken apart.
        asides: the others.
        lighter: what the taught leg counts of a feature that stands only in the asides.
    """

    text: str
    clauses: tuple[tuple[str, float], ...]
    grams: dict[str, float]
    words: dict[str, float]
    concepts: dict[str, float]
    asking: tuple[Clause, ...]
    asides: tuple[Clause, ...]
    lighter: float


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
    grams: dict[str, float] = {}
    words: dict[str, float] = {}
    concepts: dict[str, float] = {}
    heaviest = sorted(weighed, key=_weight_of, reverse=True)
    for part, weight in reversed(heaviest):  # what comes later stays
        text = part.text
        pairs = map(add, text, text[1:]) if len(text) > 1 else (text,)
        grams.update(dict.fromkeys(pairs, weight))
        words.update({word: weight for word in part.words if word not in STOPWORDS})
        concepts.update({s.slug: weight for s in part.spotted})
    whole = "".join([part.text for part, _ in weighed])
    return Query(
        whole,
        tuple([(part.text, weight) for part, weight in weighed]),
        grams,
        words,
        concepts,
        tuple([part for part, weight in weighed if weight == 1.0]),
        tuple([part for part, weight in weighed if weight != 1.0]),
        _READ_ON if before else 1 - _STORY * min(1.0, len(whole) / _LONG),
    )
