"""Finding rules in a levelled text: one pass of an automaton, then the patterns it made possible.

A pattern is words in a row. ``…`` between two of them allows a few characters of the same
sentence; ``{老板}`` stands for any word of a named class, ``{别|不要}`` for any of those written.
``{金额}``, ``{账号}`` and ``{网址}`` are recognised by their form.
"""

import re
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import daachorse

from jingxiaowei.content.scam_forms import FORMS, Span, find_forms
from jingxiaowei.content.scam_model import Rule

GAP = 8  # characters that ``…`` may stand for
_NOWHERE: list[Span] = []
_MOST = 3  # hits of one rule in one text; more prove nothing more
_PIECE = re.compile(r"\{([^}]*)\}|(…)|([^{…]+)")
_MOST_JOINED = 200  # words that two pieces without a gap may make together
_FORM_SHARE = 0.2  # how common a form is, against words by their length
_SENTENCE_END = frozenset("。!?;\n")


class Hit(NamedTuple):
    """A rule found at a place of the levelled text."""

    rule: Rule
    start: int
    end: int


class _Beside(NamedTuple):
    """A piece next to the anchor: a look around passes over most places where it is not."""

    piece: int
    chars: frozenset[str]  # those that may stand for it
    reach: int  # characters, the gap and one more
    longest: int  # characters of its longest word
    before: bool


class _Pattern(NamedTuple):
    """Pieces by number, in a row."""

    owner: int  # the rule's place
    first: int
    forks: bool  # whether two words of the first piece can begin at one place
    rest: tuple[tuple[int, int], ...]  # each further piece with the gap before it
    needed: tuple[int, ...]  # those but the anchor that no single character can make
    beside: tuple[_Beside, ...]  # what must stand around the anchor


class Finder:
    """Looks through a text for all rules at once."""

    def __init__(
        self,
        rules: Sequence[Rule],
        classes: Mapping[str, Sequence[str]],
        plain: Callable[[str], str],
    ) -> None:
        self.rules = tuple(rules)
        self._order = [*map(sorted(rule.id for rule in rules).index, (r.id for r in rules))]
        self._classes = classes
        self._plain = cache(plain)
        self._numbers: dict[str, int] = {}
        # A piece is words any of which may stand. Its single characters are looked for only on
        # demand: alone they stand in every text many times.
        self._pieces: dict[tuple[str, ...], int] = {}
        self._words: list[tuple[int, ...]] = []
        self._chars: list[re.Pattern[str] | None] = []
        self._single: list[frozenset[str]] = []
        self._form_pieces = {name: self._new_piece((), "") for name in FORMS}
        anchored: dict[int, list[_Pattern]] = {}
        for owner, rule in enumerate(self.rules):
            for text in dict.fromkeys(rule.patterns):
                anchor, pattern = self._compile(owner, text)
                anchored.setdefault(anchor, []).append(pattern)
        self._anchored = [tuple(anchored.get(piece, ())) for piece in range(len(self._words))]
        topics: dict[int, tuple[str, ...]] = {}
        for name, words in classes.items():
            for word in {*map(self._plain, words)} - {""}:
                number = self._number(word)
                topics[number] = (*topics.get(number, ()), name)
        self._topics = [topics.get(number, ()) for number in range(len(self._numbers) or 1)]
        self._pieces_of = self._by_word()
        self._automaton = daachorse.CharwiseDoubleArrayAhoCorasick(
            list(self._numbers) or ["\0"], daachorse.MATCH_KIND_STANDARD
        )

    def _compile(self, owner: int, text: str) -> tuple[int, _Pattern]:
        """A pattern, and the piece that it is tried at."""
        parts, gaps = self._parts(text)
        shares = [
            _FORM_SHARE if isinstance(part, str) else sum(8.0 ** -len(word) for word in part)
            for part in parts
        ]
        # A pattern is tried only where the piece stands that is likely the rarest: its anchor.
        anchor = shares.index(min(shares))
        pieces = tuple(self._piece(part, whole=i == anchor) for i, part in enumerate(parts))
        return pieces[anchor], _Pattern(
            owner,
            pieces[0],
            _forks(parts[0]),
            tuple(zip(pieces[1:], gaps[1:], strict=True)),
            tuple(p for p in pieces if p != pieces[anchor] and self._chars[p] is None),
            tuple(self._beside(parts, pieces, gaps, anchor)),
        )

    def _beside(
        self,
        parts: Sequence[tuple[str, ...] | str],
        pieces: Sequence[int],
        gaps: Sequence[int],
        anchor: int,
    ) -> Iterator[_Beside]:
        for place in (anchor - 1, anchor + 1):
            if 0 <= place < len(pieces):
                piece, before = pieces[place], place < anchor
                reach = gaps[max(place, anchor)] + 1
                longest = max((len(word) for word in parts[place]), default=0)
                if isinstance(parts[place], str):
                    longest = sys.maxsize  # a form may be as long as it likes
                yield _Beside(piece, self._single[piece], reach, longest, before)

    def _parts(self, text: str) -> tuple[list[tuple[str, ...] | str], list[int]]:
        """The pieces of a pattern, forms by name, with the gap before each.

        Pieces that follow each other at once are one piece of longer words.
        """
        parts: list[tuple[str, ...] | str] = []
        gaps: list[int] = []
        gap = 0
        for name, dots, literal in _PIECE.findall(text):
            if dots:
                gap = GAP
                continue
            if name in FORMS:
                parts.append(name)
                gaps.append(gap)
            else:
                wanted = unfold(name, self._classes) if name else (literal,)
                words = tuple(sorted({*map(self._plain, wanted)} - {""}))
                last = parts[-1] if parts and not gap else None
                if isinstance(last, tuple) and len(last) * len(words) <= _MOST_JOINED:
                    parts[-1] = tuple(one + other for one in last for other in words)
                else:
                    parts.append(words)
                    gaps.append(gap)
            gap = 0
        return parts, gaps

    def _piece(self, part: tuple[str, ...] | str, whole: bool) -> int:
        """``whole``: every word by its number, for it is looked for in every text."""
        if isinstance(part, str):
            return self._form_pieces[part]
        chars = "" if whole else "".join(word for word in part if len(word) == 1)
        key = (chars, *part)
        if key not in self._pieces:
            words = tuple(self._number(w) for w in part if len(w) > 1 or whole)
            self._pieces[key] = self._new_piece(words, chars)
        return self._pieces[key]

    def _new_piece(self, words: tuple[int, ...], chars: str) -> int:
        self._words.append(words)
        self._chars.append(re.compile(f"[{re.escape(chars)}]") if chars else None)
        self._single.append(frozenset(chars))
        return len(self._words) - 1

    def _by_word(self) -> list[tuple[int, ...]]:
        """The pieces in which each word may stand."""
        pieces: list[list[int]] = [[] for _ in range(len(self._topics))]
        for piece, words in enumerate(self._words):
            for word in words:
                pieces[word].append(piece)
        return [tuple(its) for its in pieces]

    def _number(self, word: str) -> int:
        return self._numbers.setdefault(word, len(self._numbers))

    def hits(self, text: str) -> tuple[list[Hit], list[str]]:
        """All rules found, in the order of the text, each at most a few times; and the topics:
        the word classes of which something occurs, in the order in which they are touched."""
        words: dict[int, list[Span]] = {}
        for start, end, number in self._automaton.find_overlapping(text):
            if number in words:
                words[number].append((start, end))
            else:
                words[number] = [(start, end)]
        places: dict[int, list[Span]] = {}
        topics: dict[str, None] = {}
        pieces_of, topics_of = self._pieces_of, self._topics
        mixed = set()
        for number, spans in words.items():
            for piece in pieces_of[number]:
                if piece in places:
                    places[piece] = places[piece] + spans
                    mixed.add(piece)
                else:
                    places[piece] = spans
            for name in topics_of[number]:
                topics[name] = None
        for piece in mixed:
            places[piece].sort()
        for name, spans in find_forms(text):
            places[self._form_pieces[name]] = spans
            topics[name] = None
        return self._match(text, places), list(topics)

    def _match(self, text: str, places: Mapping[int, list[Span]]) -> list[Hit]:
        by_rule: dict[int, list[Span]] = {}
        for piece, spans in places.items():
            for pattern in self._anchored[piece]:
                owner, _, _, rest, needed, beside = pattern
                if rest:
                    for other in needed:
                        if other not in places:
                            break
                    else:
                        if _possible(text, beside, spans, places):
                            row = _row(text, pattern, places, self._chars)
                            if row:
                                by_rule[owner] = by_rule[owner] + row if owner in by_rule else row
                    continue
                by_rule[owner] = by_rule[owner] + spans if owner in by_rule else spans
        found = [
            (start, end, self._order[owner], owner)
            for owner, spans in by_rule.items()
            for start, end in _apart(spans)
        ]
        found.sort()
        return [Hit(self.rules[owner], start, end) for start, end, _, owner in found]


def _possible(
    text: str, beside: tuple[_Beside, ...], spans: list[Span], places: Mapping[int, list[Span]]
) -> bool:
    """Whether what stands around an anchor allows its pattern: mostly not, and a look tells."""
    for piece, chars, reach, longest, before in beside:
        near = places.get(piece, _NOWHERE)
        for start, end in spans:
            if before:
                if chars and not chars.isdisjoint(text[max(start - reach, 0) : start]):
                    break
                if near and _ends_near(near, start, reach, longest):
                    break
            else:
                if chars and not chars.isdisjoint(text[end : end + reach]):
                    break
                if near:
                    place = bisect_left(near, (end,))
                    if place < len(near) and near[place][0] < end + reach:
                        break
        else:
            return False
    return True


def _ends_near(near: list[Span], start: int, reach: int, longest: int) -> bool:
    """Whether one of the spans ends shortly before a place."""
    place = bisect_left(near, (start,))
    while place:
        place -= 1
        begin, end = near[place]
        if begin + longest + reach <= start:
            return False
        if start - reach < end <= start:
            return True
    return False


def _row(
    text: str,
    pattern: _Pattern,
    places: Mapping[int, list[Span]],
    chars: Sequence[re.Pattern[str] | None],
) -> list[Span]:
    """Where the pieces of a pattern stand in a row."""
    before, one = places.get(pattern.first, _NOWHERE), chars[pattern.first]
    forks = pattern.forks
    for piece, gap in pattern.rest:
        after, other = places.get(piece, _NOWHERE), chars[piece]
        if one is not None:
            if other is not None:
                before = [*before, *(match.span() for match in one.finditer(text))]
            else:  # a character counts only where the next piece is near
                before = before + [
                    match.span()
                    for start, _ in after
                    for match in one.finditer(text, max(start - gap - 1, 0), start)
                ]
        if forks and len(before) > 1:
            before = _longest(before)
        before = _join(text, before, after, other, gap)
        if not before:
            return before
        one, forks = None, False
    return before


def _join(
    text: str, before: list[Span], after: list[Span], other: re.Pattern[str] | None, gap: int
) -> list[Span]:
    """Each first span with the nearest second one that follows it in the same sentence.

    ``after`` is sorted. ``other``: characters that may stand for the second one too."""
    if not before or not (after or other):
        return _NOWHERE
    if other is None and len(before) == 1 and len(after) == 1:  # as it mostly is
        (start, end), (first, stop) = before[0], after[0]
        if 0 <= first - end <= gap and _SENTENCE_END.isdisjoint(text[end:first]):
            return [(start, stop)]
        return _NOWHERE
    joined = []
    for start, end in before:
        first, stop = end + gap + 1, 0
        place = bisect_left(after, (end,))
        while place < len(after) and (
            after[place][0] < first or (stop and after[place][0] == first)
        ):
            first, stop = after[place]  # the last of one start is its longest
            place += 1
        if other is not None:
            match = other.search(text, end, first)
            if match is not None:
                first, stop = match.span()
        if stop and (first == end or _SENTENCE_END.isdisjoint(text[end:first])):
            joined.append((start, stop))
    return joined


def _forks(part: tuple[str, ...] | str) -> bool:
    """Whether one of the words begins another."""
    words = () if isinstance(part, str) else sorted(part)
    return any(other.startswith(word) for word, other in pairwise(words))


def _longest(spans: Iterable[Span]) -> list[Span]:
    """One span for each start."""
    longest: dict[int, int] = {}
    for start, end in spans:
        if longest.get(start, 0) < end:
            longest[start] = end
    return list(longest.items())


def _apart(spans: list[Span]) -> list[Span]:
    """The first of them, each as long as can be, that do not overlap."""
    if len(spans) == 1:
        return spans
    kept: list[Span] = []
    end = -1
    for span in sorted(spans, key=lambda span: (span[0], -span[1])):
        if span[0] >= end:
            kept.append(span)
            end = span[1]
            if len(kept) == _MOST:
                break
    return kept


def class_names(pattern: str) -> list[str]:
    """The classes that a pattern names."""
    return [name for name, _, _ in _PIECE.findall(pattern) if name and "|" not in name]


def unfold(name: str, classes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The words of what stands in braces: a class, or words with ``|`` between them.

    Raises:
        KeyError: a class that nobody defined.
    """
    yield from name.split("|") if "|" in name else classes[name]
