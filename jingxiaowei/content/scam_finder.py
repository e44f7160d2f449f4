"""Finding rules in a levelled text: one pass of an automaton, then the patterns it made possible.

A pattern is words in a row. ``…`` between two of them allows a few characters of the same
sentence; ``{老板}`` stands for any word of a named class, ``{别|不要}`` for any of those written.
``{金额}``, ``{账号}`` and ``{网址}`` are recognised by their form.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import daachorse

from jingxiaowei.content.scam_model import ExemptionRule, Rule, Scope, SignalRule

GAP = 8  # characters that ``…`` may stand for
Span = tuple[int, int]
Found = tuple[int, int, int]
_Spans = tuple[list[int], list[int]]
_MOST = 3  # hits of one rule in one text; more prove nothing more
_PIECE = re.compile(r"\{([^}]*)\}|(…)|([^{…]+)")
_DIGITS = "0-9零〇一二两三四五六七八九十百千壹贰叁肆伍陆柒捌玖拾佰仟廿几"
# What has a form instead of a spelling.
FORMS: Mapping[str, re.Pattern[str]] = {
    "金额": re.compile(
        rf"(?:[¥$€£]|hk\$|usd|rmb)[0-9][0-9,.]*[万wk]?|[{_DIGITS}][{_DIGITS},.来多余]*"
        r"(?:万|元|块|w|k(?![a-z])|千|个w|美金|美元|港币)[0-9一二三四五六七八九]?"
        r"|[1-9][0-9]{3,6}(?![0-9年])"
    ),
    "账号": re.compile(r"[0-9x]{15,19}|[零〇一二三四五六七八九]{14,19}"),
    "网址": re.compile(r"[a-z0-9]{2,}\.?(?:top|vip|xyz|com|cn|cc|net|app)(?![a-z])|http|网址"),
}
_MOST_JOINED = 200  # words that two pieces without a gap may make together
_FORM_SHARE = 0.2  # how common a form is, against words by their length
_SENTENCE_END = frozenset("。!?;\n")
_SENTENCE_ENDS = re.compile("[。!?;\n]")
_CLAUSE_MARKS, _SENTENCE_MARKS = ",。!?;\n", "。!?;\n"


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule found at a place of the levelled text."""

    rule: Rule
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Words any of which may stand: by number, and single characters looked for only on demand.

    A character alone stands in every text many times, and says something beside others only.
    """

    words: frozenset[int]
    chars: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class _Pattern:
    owner: int  # the rule's place
    pieces: tuple[_Piece, ...]
    gaps: tuple[int, ...]  # before each piece but the first
    others: tuple[frozenset[int], ...]  # of what else must stand, where numbers tell it


class Finder:
    """Looks through a text for all rules at once."""

    def __init__(
        self,
        rules: Sequence[Rule],
        classes: Mapping[str, Sequence[str]],
        plain: Callable[[str], str],
        terms: Sequence[str] = (),
    ) -> None:
        self.rules = tuple(rules)
        self._classes = classes
        self._plain = cache(plain)
        self._numbers: dict[str, int] = {}
        self._pieces: dict[tuple[str, ...], _Piece] = {}
        # A form has a number like a word, below all of theirs.
        self._forms = [(-1 - i, form) for i, form in enumerate(FORMS.values())]
        self._form_pieces = {
            name: _Piece(frozenset((number,)), None)
            for (number, _), name in zip(self._forms, FORMS, strict=True)
        }
        self._anchored: dict[int, list[_Pattern]] = {}
        for owner, rule in enumerate(self.rules):
            for text in dict.fromkeys(rule.patterns):
                self._compile(owner, text)
        self._topics: dict[int, tuple[str, ...]] = {
            number: (name,) for (number, _), name in zip(self._forms, FORMS, strict=True)
        }
        for name, words in classes.items():
            for word in {*map(self._plain, words)} - {""}:
                number = self._number(word)
                self._topics[number] = (*self._topics.get(number, ()), name)
        self._ours = len(self._numbers)
        # Words of the rules come first, so that a number tells them from mere terms.
        self.vocabulary = tuple(dict.fromkeys((*self._numbers, *terms))) or ("\0",)
        self._automaton = daachorse.CharwiseDoubleArrayAhoCorasick(
            list(self.vocabulary), daachorse.MATCH_KIND_STANDARD
        )

    def _compile(self, owner: int, text: str) -> None:
        parts, gaps = self._parts(text)
        shares = [
            _FORM_SHARE if isinstance(part, str) else sum(8.0 ** -len(word) for word in part)
            for part in parts
        ]
        # A pattern is tried only where the piece stands that is likely the rarest: its anchor.
        anchor = shares.index(min(shares))
        pieces = tuple(self._piece(part, whole=i == anchor) for i, part in enumerate(parts))
        others = tuple(
            piece.words for i, piece in enumerate(pieces) if i != anchor and piece.chars is None
        )
        pattern = _Pattern(owner, pieces, tuple(gaps[1:]), others)
        for number in sorted(pieces[anchor].words):
            self._anchored.setdefault(number, []).append(pattern)

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

    def _piece(self, part: tuple[str, ...] | str, whole: bool) -> _Piece:
        """``whole``: every word by its number, for it is looked for in every text."""
        if isinstance(part, str):
            return self._form_pieces[part]
        chars = "" if whole else "".join(word for word in part if len(word) == 1)
        key = (chars, *part)
        if key not in self._pieces:
            words = frozenset(self._number(w) for w in part if len(w) > 1 or whole)
            pattern = re.compile(f"[{re.escape(chars)}]") if chars else None
            self._pieces[key] = _Piece(words, pattern)
        return self._pieces[key]

    def _number(self, word: str) -> int:
        return self._numbers.setdefault(word, len(self._numbers))

    def scan(self, text: str) -> list[Found]:
        """Every word of the vocabulary in a text: start, end, and its number there."""
        found: list[Found] = self._automaton.find_overlapping(text)
        return found

    def hits(self, text: str, found: Iterable[Found]) -> tuple[list[Hit], set[str]]:
        """All rules found, in the order of the text, each at most a few times; and the topics:
        the word classes of which something occurs."""
        ours = self._ours
        by_word: dict[int, list[Span]] = {}
        for start, end, number in [hit for hit in found if hit[2] < ours]:
            if number in by_word:
                by_word[number].append((start, end))
            else:
                by_word[number] = [(start, end)]
        for number, form in self._forms:
            spans = [match.span() for match in form.finditer(text)]
            if spans:
                by_word[number] = spans
        places = _Places(text, by_word)
        present, anchored = places.present, self._anchored
        by_rule: dict[int, list[Span]] = {}
        tried: set[int] = set()
        for number in by_word:
            for pattern in anchored.get(number, ()):
                if id(pattern) in tried:
                    continue
                tried.add(id(pattern))
                for words in pattern.others:
                    if words.isdisjoint(present):
                        break
                else:
                    if places.possible(pattern):
                        _match(text, pattern, places, by_rule)
        hits = [Hit(self.rules[o], s, e) for o, spans in by_rule.items() for s, e in spans]
        hits.sort(key=lambda hit: (hit.start, hit.end, hit.rule.id))
        topics = {name for number in present for name in self._topics.get(number, ())}
        return hits, topics


class _Places:
    """Where words stand in a text, as bits of whole numbers: bit ``i`` is character ``i``.

    With them "does any of these words follow any of those within a few characters" takes a few
    operations however long the text is.
    """

    __slots__ = (
        "_by_word",
        "_masks",
        "_reached",
        "_spans",
        "_text",
        "_within",
        "present",
    )

    def __init__(self, text: str, by_word: Mapping[int, list[Span]]) -> None:
        self.present = frozenset(by_word)
        self._text = text
        self._by_word = by_word
        self._within = -1  # everything but the ends of sentences
        self._reached: dict[_Piece, int] = {}
        self._masks: dict[_Piece, tuple[int, int]] = {}
        self._spans: dict[_Piece, _Spans] = {}

    def possible(self, pattern: _Pattern) -> bool:
        """Whether each piece can follow the one before it somewhere."""
        before: _Piece | None = None
        for piece, gap in zip(pattern.pieces, (0, *pattern.gaps), strict=True):
            masks = self._masks.get(piece)
            if masks is None:
                masks = self._masks[piece] = self._mask(piece)
            if not masks[0]:
                return False
            if before is not None:
                reached = self._after(before) if gap else self._masks[before][1]
                if not reached & masks[0]:
                    return False
            before = piece
        return True

    def _mask(self, piece: _Piece) -> tuple[int, int]:
        """Where the piece's words begin, and where they end."""
        starts = 0
        if piece.chars is not None:
            for match in piece.chars.finditer(self._text):
                starts |= 1 << match.start()
        ends = starts << 1
        for word in piece.words & self.present:
            for start, end in self._by_word[word]:
                starts |= 1 << start
                ends |= 1 << end
        return starts, ends

    def _after(self, piece: _Piece) -> int:
        """All places up to ``GAP`` characters after the piece, in the same sentence."""
        reached = self._reached.get(piece)
        if reached is None:
            if self._within < 0:
                breaks = sum(1 << m.start() for m in _SENTENCE_ENDS.finditer(self._text))
                self._within = (1 << len(self._text)) - 1 & ~breaks
            reached = self._masks[piece][1]
            for _ in range(GAP):
                reached |= (reached & self._within) << 1
            self._reached[piece] = reached
        return reached

    def spans(self, piece: _Piece) -> _Spans:
        """Starts in order, and the end of the longest word at each."""
        known = self._spans.get(piece)
        if known is None:
            longest: dict[int, int] = {}
            if piece.chars is not None:
                longest.update(match.span() for match in piece.chars.finditer(self._text))
            for word in piece.words & self.present:
                for start, end in self._by_word[word]:
                    if longest.get(start, 0) < end:
                        longest[start] = end
            starts = sorted(longest)
            known = self._spans[piece] = starts, [longest[start] for start in starts]
        return known


def _match(text: str, pattern: _Pattern, places: _Places, by_rule: dict[int, list[Span]]) -> None:
    """Note where a pattern stands, piece by piece from its first."""
    spans = list(zip(*places.spans(pattern.pieces[0]), strict=True))
    for piece, gap in zip(pattern.pieces[1:], pattern.gaps, strict=True):
        spans = _join(text, spans, places.spans(piece), gap)
        if not spans:
            return
    mine = by_rule.setdefault(pattern.owner, [])
    for start, end in spans:
        if len(mine) < _MOST and all(end <= s or e <= start for s, e in mine):
            mine.append((start, end))


def _join(text: str, before: list[Span], after: _Spans, gap: int) -> list[Span]:
    """Each first span with the nearest second one that follows it within a gap."""
    starts, ends = after
    joined = []
    for start, end in before:
        place = bisect_left(starts, end)
        if place < len(starts):
            first = starts[place]
            if first == end or (first - end <= gap and _SENTENCE_END.isdisjoint(text[end:first])):
                joined.append((start, ends[place]))
    return joined


def class_names(pattern: str) -> list[str]:
    """The classes that a pattern names."""
    return [name for name, _, _ in _PIECE.findall(pattern) if name and "|" not in name]


def unfold(name: str, classes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The words of what stands in braces: a class, or words with ``|`` between them.

    Raises:
        KeyError: a class that nobody defined.
    """
    yield from name.split("|") if "|" in name else classes[name]


@dataclass(frozen=True, slots=True)
class Excuse:
    """An exemption found, and the hits that it lowers."""

    hit: Hit
    lowered: tuple[Hit, ...]


def excuse(text: str, hits: Iterable[Hit]) -> tuple[list[Hit], list[Excuse]]:
    """The hits that count, and the exemptions with what each took away.

    An exemption that finds nothing to lower is left in, with nothing lowered.
    """
    signals = [hit for hit in hits if not isinstance(hit.rule, ExemptionRule)]
    excuses: list[Excuse] = []
    gone: set[int] = set()
    for hit in hits:
        rule = hit.rule
        if not isinstance(rule, ExemptionRule):
            continue
        start, end = reach(text, hit, rule.scope)
        lowered = [
            (i, signal)
            for i, signal in enumerate(signals)
            if isinstance(signal.rule, SignalRule)
            and signal.rule.stage in rule.lowers
            and start < signal.end
            and signal.start < end
        ]
        gone.update(i for i, _ in lowered)
        excuses.append(Excuse(hit, tuple(signal for _, signal in lowered)))
    return [signal for i, signal in enumerate(signals) if i not in gone], excuses


def reach(text: str, hit: Hit, scope: Scope) -> tuple[int, int]:
    """The part of the text that an exemption speaks of."""
    if scope is Scope.MESSAGE:
        return 0, len(text)
    if scope is Scope.UTTERANCE:
        ends = "\n"
    else:
        ends = _CLAUSE_MARKS if scope is Scope.CLAUSE else _SENTENCE_MARKS
    start = max(text.rfind(mark, 0, hit.start) for mark in ends) + 1
    stops = [stop for mark in ends if (stop := text.find(mark, hit.end)) >= 0]
    return start, min(stops, default=len(text))
