"""急事: words that lead to the 110 card before anything else is looked at."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import daachorse

from jingxiaowei.content.model import EmergencyKind
from jingxiaowei.content.normalise import compact

_GAP, _BETWEEN = "…", ".{0,5}"
_SENTENCE = re.compile(r"[。！？!?\n\r]+")


@dataclass(frozen=True, slots=True)
class Emergency:
    """What was recognised, by which word."""

    kind: EmergencyKind
    word: str


class Watch:
    """Looks through every message for the words of an emergency.

    A word may hold ``…``: a few characters stand between its halves (老公…打我: 老公昨天又打我).
    """

    def __init__(self, kinds: tuple[EmergencyKind, ...]) -> None:
        self._kinds = kinds
        pairs = [(word, kind) for kind, it in enumerate(kinds) for word in it.words]
        plain: dict[str, int] = {}
        for word, kind in pairs:
            if _GAP not in word:
                plain.setdefault(compact(word), kind)  # the graver kind, which stands first
        self._words = list(plain)
        self._owner = list(plain.values())
        self._automaton = daachorse.CharwiseDoubleArrayAhoCorasick(
            self._words or ["\0"], daachorse.MATCH_KIND_STANDARD
        )
        self._gapped = [
            (re.compile(_BETWEEN.join(re.escape(compact(half)) for half in word.split(_GAP))), kind)
            for word, kind in pairs
            if _GAP in word
        ]
        self._unless = [tuple(compact(word) for word in kind.unless) for kind in kinds]

    def look(self, text: str) -> Emergency | None:
        """The gravest emergency in a text (the kinds stand in that order), or None.

        An ``unless`` word excuses its own sentence only.
        """
        best: tuple[int, str] | None = None
        for sentence in _SENTENCE.split(text):
            plain = compact(sentence)
            for kind, word in self._hits(plain):
                if best is not None and best[0] <= kind:
                    continue
                if not any(excuse in plain for excuse in self._unless[kind]):
                    best = (kind, word)
        return Emergency(self._kinds[best[0]], best[1]) if best else None

    def _hits(self, plain: str) -> Iterator[tuple[int, str]]:
        for _, _, index in self._automaton.find_overlapping(plain):
            yield self._owner[index], self._words[index]
        for pattern, kind in self._gapped:
            found = pattern.search(plain)
            if found:
                yield kind, found[0]
