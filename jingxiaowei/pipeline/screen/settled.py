"""本处已核实: sentences that an officer closed as no fraud, known again by their fingerprints.

A fingerprint is of one sentence, word for word, as levelled: other accounts, sums or names make
it another. Short sentences have none, for everybody says them.
"""

import hashlib
import math
import re
from collections.abc import Iterator

from jingxiaowei.content.levelling import Levelled

_SENTENCE = re.compile("[^。!?;\n]+")
_LEAST = 10  # characters of a sentence that can be told from other people's


def fingerprints(levelled: Levelled) -> Iterator[tuple[str, int, int]]:
    """The fingerprint of each sentence that has one, and its place in the original."""
    for sentence in _SENTENCE.finditer(levelled.text):
        said = sentence[0].replace(",", "")
        if len(said) >= _LEAST:
            digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
            yield digest[:16], *levelled.origin(*sentence.span())


def blank(text: str, spans: list[tuple[int, int]]) -> str:
    """The text without some of its sentences; what is left stands where it stood."""
    parts = []
    at = 0
    for start, end in spans:
        parts += [text[at:start], "\n", " " * (end - start - 1)]
        at = end
    return "".join([*parts, text[at:]])


def loss(whole: float, rest: float) -> float:
    """What a chance lost without the settled sentences: log odds, as weights are, never above 0."""
    return round(min(_odds(rest) - _odds(whole), 0.0), 3)


def _odds(chance: float) -> float:
    chance = min(max(chance, 1e-6), 1 - 1e-6)
    return math.log(chance / (1 - chance))
