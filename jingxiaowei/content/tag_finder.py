"""Finding tags' cues in what a resident wrote: their own words, about themselves.

All words of all tags, and the words that tell whose matter it is, stand in one automaton; a text
without a cue costs one pass. It stands in ``content`` because the checker tries each cue's cases.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import daachorse

from jingxiaowei.content.tag_ages import TRIGGERS, Mention, SaidAge, said_ages
from jingxiaowei.content.tag_model import Tag, Taxonomy, Whose
from jingxiaowei.content.tag_quoting import foreign_spans
from jingxiaowei.content.tag_spelling import level

GAP = "…"
LONGEST_GAP = 5
_TRIES = 20  # cues of one tag that are weighed in one text: who repeats more says no more
_LOOK_BACK = 10  # characters between a cue and its 我, and 我 itself
_BEFORE = 3  # a denial this close before a cue denies it
LONGEST = 2000  # characters that are read; no more is typed in one message
_SENTENCE_ENDS = frozenset("。!?\n")
_FOR = frozenset("给帮替为")  # 给我送外卖的: somebody does it for me
_PERSONS = ("me", "child", "family", "others", "strangers")
_ALLOWED = {
    Whose.SELF: frozenset({"", "me"}),
    Whose.CHILD: frozenset({"", "me", "child"}),
    Whose.FAMILY: frozenset({"", "me", "child", "family"}),
    Whose.DEALINGS: frozenset({"", "me", "strangers"}),
}
_LINKS = frozenset({"", "的", "家", "家的", "家里", "他", "她"})

Span = tuple[int, int]
_Begun = dict[tuple[int, int], list[tuple[Span, ...]]]  # cue, pieces seen → where


@dataclass(frozen=True, slots=True)
class Cue:
    """A spoken form of a tag's, cut at its gaps."""

    tag: Tag
    word: str
    pieces: tuple[str, ...]
    number: int
    own: bool  # begins with 我, which is looked for before the first piece


@dataclass(slots=True)
class _Meaning:
    """What a word of the automaton stands for."""

    roles: list[str] = field(default_factory=list)
    unless: list[str] = field(default_factory=list)
    whole: list[Cue] = field(default_factory=list)  # cues that begin with it
    own: list[Cue] = field(default_factory=list)  # cues that begin with it behind their 我
    later: list[tuple[Cue, int]] = field(default_factory=list)  # cues that go on with it
    edged: bool = False  # has a Latin letter or a digit at an edge
    age: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A cue that was found: the tag, the cue's word (empty: an age), the span in the original."""

    tag: Tag
    word: str
    start: int
    end: int


@dataclass(slots=True)
class Scan:
    """What one pass over a text saw, by role."""

    plain: str
    places: Sequence[int] | None  # where each character stood, when that changed
    cues: list[tuple[Cue, tuple[Span, ...]]] = field(default_factory=list)
    roles: list[tuple[int, int, str]] = field(default_factory=list)  # as found; sort() empties it
    mentions: list[Mention] = field(default_factory=list)
    denials: list[Span] = field(default_factory=list)
    supposing: list[Span] = field(default_factory=list)
    asking: list[Span] = field(default_factory=list)
    unless: list[tuple[str, int, int]] = field(default_factory=list)
    aged: bool = False

    def sort(self) -> "Scan":
        """Give each word to its role; one that stands inside a longer word means nothing."""
        begin, reach = -1, 0
        for start, end, role in sorted(self.roles, key=lambda hit: (hit[0], -hit[1])):
            if end <= reach and end - start < reach - begin:
                continue
            begin, reach = start, end
            if role in _PERSONS:
                self.mentions.append(_resolve(self, start, end, role))
            elif role == "denials":
                self.denials.append((start, end))
            elif role == "supposing":
                self.supposing.append((start, end))
            elif role == "asking":
                self.asking.append((start, end))
        self.roles.clear()
        return self

    def origin(self, start: int, end: int) -> Span:
        """The span of the original text."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1


class CueFinder:
    """Looks for the cues of one taxonomy. Built once; a call only looks up."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        speakers = taxonomy.speakers
        me = [_plain(word) for word in speakers.me] or ["我"]
        between = "|".join(map(re.escape, map(_plain, speakers.between)))
        self._me = re.compile(f"(?:{'|'.join(map(re.escape, me))})(?:{between})*$")
        self._short = frozenset(word for word in me if len(word) == 1)
        self._aged = [tag for tag in taxonomy.tags if tag.suggested_by.ages]
        words: dict[str, _Meaning] = {}

        def meaning(word: str) -> _Meaning:
            return words.setdefault(_plain(word), _Meaning())

        for role in (*_PERSONS, "denials", "supposing", "asking", "plain"):
            for word in getattr(speakers, role):
                meaning(word).roles.append(role)
        for word in (*TRIGGERS, *(f"{word}{digit}" for word in me for digit in "123456789")):
            meaning(word).age = True
        numbers = count()
        for tag in taxonomy.tags:
            for word in tag.suggested_by.unless:
                meaning(word).unless.append(tag.slug)
            for cue in _cues(tag, numbers):
                for at, piece in enumerate(cue.pieces):
                    known = meaning(piece)
                    known.edged = _latin(piece[0]) or _latin(piece[-1])
                    if at:
                        known.later.append((cue, at))
                    else:
                        (known.own if cue.own else known.whole).append(cue)
        self._meanings = list(words.values())
        self._automaton = daachorse.CharwiseDoubleArrayAhoCorasick(
            list(words) or ["\0"], daachorse.MATCH_KIND_STANDARD
        )

    def find(self, text: str) -> tuple[Found, ...]:
        """The cues in a resident's text, one a tag, in order of their place."""
        return self.judge(self.scan(text))

    def judge(self, scan: Scan) -> tuple[Found, ...]:
        """The cues of a scan that are the resident's own."""
        if not scan.cues and not scan.aged:
            return ()
        scan.sort()
        best: dict[str, Found] = {}
        if scan.cues:
            foreign = foreign_spans(scan.plain)
            tried: Counter[str] = Counter()
            for cue, spans in scan.cues:
                slug = cue.tag.slug
                tried[slug] += 1
                if slug in best or tried[slug] > _TRIES:
                    continue
                if _counts(scan, cue, spans, foreign):
                    start, end = scan.origin(spans[0][0], spans[-1][1])
                    best[slug] = Found(cue.tag, cue.word, start, end)
        for age in self.ages(scan):
            if age.who == "me":
                for tag in self._aged:
                    low, high = tag.suggested_by.ages or (0, 0)
                    if low <= age.low and age.high <= high and tag.slug not in best:
                        best[tag.slug] = Found(tag, "", *scan.origin(age.start, age.end))
        return tuple(sorted(best.values(), key=lambda found: (found.start, found.end)))

    def ages(self, scan: Scan) -> list[SaidAge]:
        """The ages that the writer gives somebody; positions are the scan's."""
        if not scan.aged:
            return []
        foreign = foreign_spans(scan.plain)
        return [
            age
            for age in said_ages(scan.plain, scan.sort().mentions)
            if not any(first <= age.start and age.end <= final for first, final in foreign)
            and not any(
                final <= age.start and _joined(scan.plain[final : age.start])
                for _, final in scan.supposing
            )
        ]

    def scan(self, text: str) -> Scan:
        """One pass over a text."""
        plain, places = level(text[:LONGEST])
        scan = Scan(plain, places)
        roles = scan.roles
        begun: _Begun = {}
        me_until = -1  # where 我 was seen last: most cues need one close before
        for start, end, index in self._automaton.find_overlapping(plain):
            meaning = self._meanings[index]
            for role in meaning.roles:
                roles.append((start, end, role))
                if role == "me":
                    me_until = end + _LOOK_BACK
            for slug in meaning.unless:
                scan.unless.append((slug, start, end))
            if meaning.age:
                scan.aged = True
            if meaning.edged and not _whole(plain, start, end):
                continue
            for cue in meaning.whole:
                _advance(scan, begun, cue, ((start, end),))
            if begun:
                for cue, at in meaning.later:
                    for spans in reversed(begun.get((cue.number, at), ())):
                        if spans[-1][1] + LONGEST_GAP < start:
                            break  # and those before stand further away
                        if _near(plain, spans[-1][1], start):
                            _advance(scan, begun, cue, (*spans, (start, end)))
            if meaning.own and start <= me_until:
                me = self._own(plain, start)
                for cue in meaning.own if me >= 0 else ():
                    _advance(scan, begun, cue, ((me, end),))
        return scan

    def _own(self, plain: str, start: int) -> int:
        """Where the 我 of a piece stands, with nothing but adverbs between; -1: there is none."""
        if plain[start - 1 : start] in self._short:
            at = start - 1  # 我 itself, without a search
        else:
            begin = max(0, start - _LOOK_BACK)
            me = self._me.search(plain[begin:start])
            if me is None:
                return -1
            at = begin + me.start()
        return -1 if plain[at - 1 : at] in _FOR else at

    def about(self, scan: Scan) -> frozenset[str]:
        """Whom a text speaks of, in ``me``, ``child``, ``family`` and ``others``."""
        return frozenset(mention.who for mention in scan.sort().mentions)

    def may_ask(self, scan: Scan, whose: Whose) -> bool:
        """Whether a question is about those whose matter may raise a tag, and nobody else."""
        return self.about(scan) <= _ALLOWED[whose]


def _plain(word: str) -> str:
    return level(word)[0]


def _cues(tag: Tag, numbers: Iterator[int]) -> Iterator[Cue]:
    """The spoken forms of a tag, each cut at its gaps and behind its 我."""
    for word in tag.suggested_by.says:
        pieces = tuple(map(_plain, word.split(GAP)))
        if not all(pieces):
            continue  # the checker says so
        own = len(pieces[0]) > 1 and pieces[0].startswith("我")
        cut = (pieces[0][1:], *pieces[1:]) if own else pieces
        yield Cue(tag, word, cut, next(numbers), own)


def _whole(plain: str, start: int, end: int) -> bool:
    """Whether a piece with Latin letters or digits at its edge stands as a word of its own."""
    return not (
        (_latin(plain[start]) and start and _latin(plain[start - 1]))
        or (_latin(plain[end - 1]) and end < len(plain) and _latin(plain[end]))
    )


def _latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _advance(scan: Scan, begun: _Begun, cue: Cue, spans: tuple[Span, ...]) -> None:
    """Note the pieces of a cue that were seen so far; the last one closes it."""
    if len(spans) == len(cue.pieces):
        scan.cues.append((cue, spans))
    else:
        begun.setdefault((cue.number, len(spans)), []).append(spans)


def _near(plain: str, end: int, start: int) -> bool:
    """Whether a piece stands close enough behind the one before, with no stop between."""
    if end == start:
        return True
    return end < start <= end + LONGEST_GAP and _joined(plain[end:start].replace(",", ""))


def _resolve(scan: Scan, start: int, end: int, role: str) -> Mention:
    """Whose a person is: 朋友的妈 is somebody else, 我姐的孩子 is no child of the resident's."""
    before = scan.mentions[-1] if scan.mentions else None
    if (
        before
        and role in {"child", "family"}
        and before.who not in {"me", "child"}
        and scan.plain[before.end : start] in _LINKS
    ):
        return Mention(start, end, "family" if before.who == "family" else "others")
    return Mention(start, end, role)


def _counts(scan: Scan, cue: Cue, spans: tuple[Span, ...], foreign: list[Span]) -> bool:
    """Whether a cue is the resident's own, said as a fact, about whom it may be."""
    start, last, end = spans[0][0], spans[-1][0], spans[-1][1]
    if any(first <= start and end <= final for first, final in foreign):
        return False
    whose = cue.tag.suggested_by.whose
    if _subject(scan, cue, spans, whose) not in _ALLOWED[whose]:
        return False
    if cue.own and any(begin == end for begin, _ in scan.asking):
        return False
    plain = scan.plain
    if (
        cue.own
        and "是" in cue.word
        and plain[end : end + 1] == "的"
        and any(it.start == end + 1 and it.who != "me" for it in scan.mentions)
    ):
        return False  # 我是会计的老公 is no accountant
    for begin, final in scan.denials:
        near = start - _BEFORE <= begin and final <= start and _joined(plain[final:start])
        if (near or start <= begin < last) and not _covered(spans, begin, final):
            return False
    for begin, final in scan.supposing:
        near = final <= start and _joined(plain[final:start])
        if (near or start <= begin < last) and not _covered(spans, begin, final):
            return False
    return not any(
        slug == cue.tag.slug and _same_sentence(plain, start, end, begin, final)
        for slug, begin, final in scan.unless
    )


def _subject(scan: Scan, cue: Cue, spans: tuple[Span, ...], whose: Whose) -> str:
    """Who was named last before a cue's last words, outside of the cue's own; empty: nobody."""
    who = "me" if cue.own else ""
    for mention in scan.mentions:
        if mention.start >= spans[-1][0]:
            break
        if _covered(spans, mention.start, mention.end):
            continue
        if cue.own and mention.end <= spans[0][0]:
            continue
        if mention.who != "strangers" or whose is not Whose.DEALINGS:
            who = mention.who
    return who


def _joined(between: str) -> bool:
    return not between or between.isalnum()


def _covered(spans: tuple[Span, ...], start: int, end: int) -> bool:
    return any(first <= start and end <= final for first, final in spans)


def _same_sentence(plain: str, start: int, end: int, other: int, final: int) -> bool:
    between = plain[end:other] if other >= end else plain[final:start]
    return _SENTENCE_ENDS.isdisjoint(between)
