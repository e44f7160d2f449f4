"""Levelling evasions: one spelling for what was written to slip past, with a way back.

What is levelled keeps, for each of its characters, where it stood in the original, so that a
quote always points into the resident's own text. All tables are built once; a call only looks up.
It stands in ``content`` for the reason that ``normalise`` does: the checker tries an admin's
patterns on texts in the same form.
"""

import importlib.util
import json
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import daachorse
import numpy as np
from numpy.typing import NDArray
from opencc import OpenCC

from jingxiaowei.content.scam_model import Spelling

Codes = NDArray[np.uint32]
Places = NDArray[np.intp]
Repairs = list[tuple[int, int, str]]  # from, to, and what is meant

_PLANES = 0x30000  # beyond stand no Chinese characters that anybody types
_DROP, _DOT, _LINE = 0, ord("."), ord("\n")
# Where letters, digits, marks, emoji and compatibility forms stand.
_MIXED = (
    (0, 0x3400),
    (0xF900, 0x10000),
    (0x1D400, 0x1D800),
    (0x1F000, 0x1FC00),
    (0x2F800, 0x2FA20),
)
_HAN = (*range(0x3400, 0xA000), *range(0xF900, 0xFB00))
_KEPT = {",": ",", "，": ",", "、": ",", "…": ",", "。": "。", "!": "!", "?": "?", ";": ";"} | {
    sign: sign for sign in ":@+%$€£=#"
}
_BRACKETS = {"【": "[", "[": "[", "】": "]", "]": "]"}
_NO_SYLLABLE = 0xE000  # the private use area: syllables as characters, for the automaton
_SYLLABLE_AREA = 0xE001
_LATIN = re.compile("[a-z]+")
_LONGEST_RUN, _RUNS_KNOWN = 40, 4096
_FINALS = re.compile(r"[^a-zü]")


class Levelled:
    """A text in one spelling, and where each of its characters stood.

    Most messages are never quoted, so the places are worked out when first asked for.
    """

    __slots__ = ("_codes", "_ends", "_repairs", "_starts", "text")

    def __init__(self, text: str, codes: Codes, repairs: Repairs) -> None:
        """``codes``: the original's characters in one spelling, 0 where one was dropped;
        ``repairs``: what was rewritten after that."""
        self.text = text
        self._codes = codes
        self._repairs = repairs
        self._starts: Places | None = None
        self._ends: Places | None = None

    @property
    def starts(self) -> Places:
        """For each character where in the original it begins."""
        return self._find_places()[0]

    @property
    def ends(self) -> Places:
        """For each character where in the original it ends."""
        return self._find_places()[1]

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that ``text[start:end]`` was made from."""
        starts, ends = self._find_places()
        return starts.item(start), ends.item(end - 1)

    def _find_places(self) -> tuple[Places, Places]:
        if self._starts is None or self._ends is None:
            starts = self._codes.nonzero()[0]
            ends = starts + 1
            if self._repairs:
                starts, ends = _moved(starts, self._repairs)
            self._starts, self._ends = starts, ends
        return self._starts, self._ends


@cache
def _simplified() -> Mapping[int, int]:
    """Traditional characters with their simplified ones, by OpenCC's table."""
    # One call for all of them: each on a line of its own, so that no phrase is formed.
    lines = OpenCC("t2s").convert("\n".join(map(chr, _HAN))).split("\n")
    return {
        code: ord(line)
        for code, line in zip(_HAN, lines, strict=True)
        if len(line) == 1 and ord(line) != code
    }


@cache
def _readings() -> Mapping[int, str]:
    """Each character's first reading without its tone, by pypinyin's table.

    The table is read as the file it is: importing the package would load 50 MB of phrases.
    """
    spec = importlib.util.find_spec("pypinyin")
    assert spec is not None
    assert spec.origin is not None
    table = json.loads(Path(spec.origin).with_name("pinyin_dict.json").read_text("utf-8"))
    return {
        int(code): _plain(readings.split(",", 1)[0])
        for code, readings in table.items()
        if 0x3400 <= int(code) < 0xA000
    }


def _plain(reading: str) -> str:
    """A reading without tone marks: ``zhàng`` → ``zhang``, ``nǚ`` → ``nv``."""
    letters = unicodedata.normalize("NFD", reading)
    return _FINALS.sub("", unicodedata.normalize("NFC", _toneless(letters))).replace("ü", "v")


def _toneless(letters: str) -> str:
    return "".join(c for c in letters if c == "\u0308" or not unicodedata.combining(c))


def _level_code(code: int) -> int:
    """What a character becomes by width, case and kind alone; 0 for what carries no meaning."""
    char = chr(code)
    if char in _KEPT:
        return ord(_KEPT[char])
    if char in _BRACKETS:
        return ord(_BRACKETS[char])
    if char in "\n\r":
        return _LINE
    if unicodedata.category(char)[:2] == "So":
        return _DROP
    for plain in unicodedata.normalize("NFKC", char).lower():
        if plain.isalnum():
            return ord(plain)
        if plain in _KEPT:
            return ord(_KEPT[plain])
        if plain == ".":
            return _DOT
    return _DROP


@cache
def _base_table() -> Codes:
    """Width, case, simplification: what is the same whatever an admin writes."""
    table = np.arange(_PLANES, dtype=np.uint32)
    simplified = _simplified()
    for code, plain in simplified.items():
        table[code] = plain
    for first, last in _MIXED:
        for code in range(first, last):
            plain = _level_code(code)
            table[code] = simplified.get(plain, plain)
    table[0xD800:0xF900] = 0  # surrogates and the private use area
    return table


class Leveller:
    """Turns a text into its levelled form. Built once for a spelling file."""

    def __init__(self, spelling: Spelling) -> None:
        self._table = _base_table().copy()
        for odd, plain in spelling.variants.items():
            self._table[self._table == ord(odd)] = ord(plain)
            self._table[ord(odd)] = ord(plain)
        readings = _readings()
        names = sorted({*readings.values(), *self._written(spelling.sounds.values())})
        self._syllables = {name: _SYLLABLE_AREA + i for i, name in enumerate(names)}
        self._sound = np.zeros(_PLANES, dtype=np.uint32)
        for code, reading in readings.items():
            self._sound[code] = self._syllables[reading]
        self._words: list[str] = []
        patterns: dict[str, str] = {}
        for word, sound in spelling.sounds.items():
            patterns.setdefault("".join(map(self._letter, sound.split())), word)
            heard = "".join(self._letter(readings.get(ord(c), "")) for c in word)
            patterns.setdefault(heard, word)
        self._words = list(patterns.values())
        self._heard = daachorse.CharwiseDoubleArrayAhoCorasick(
            list(patterns) or ["\0"], daachorse.MATCH_KIND_LEFTMOST_LONGEST
        )
        self._real = frozenset(spelling.real)
        self._taken = tuple(spelling.taken)
        self._single = dict(spelling.pinyin)
        # The same few runs of letters, app and wx among them, come again and again.
        self._spell = lru_cache(_RUNS_KNOWN)(self._syllables_of)

    @staticmethod
    def _written(sounds: Iterable[str]) -> Iterator[str]:
        for sound in sounds:
            yield from sound.split()

    def _letter(self, syllable: str) -> str:
        return chr(self._syllables.get(syllable, _NO_SYLLABLE))

    def level(self, text: str) -> Levelled:
        """The text in one spelling."""
        raw = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        codes = self._table.take(raw, mode="clip")
        with_gaps = codes.tobytes().decode("utf-32-le")
        if "." in with_gaps:
            codes = _decimal_points(codes)
            with_gaps = codes.tobytes().decode("utf-32-le")
        levelled = with_gaps.replace("\0", "")
        kept = codes if len(levelled) == len(with_gaps) else codes.take(codes.nonzero()[0])
        repairs = self._repairs(levelled, kept)
        return Levelled(_rewrite(levelled, repairs) if repairs else levelled, codes, repairs)

    def _repairs(self, text: str, codes: Codes) -> Repairs:
        """Words that only sound right: where they stand, and what they are meant to be."""
        sounds = self._sound.take(codes, mode="clip").tobytes().decode("utf-32-le")
        spelled = [run for run in _LATIN.finditer(text) if self._spell(run[0])]
        if spelled:
            return self._repairs_with_pinyin(text, self._with_pinyin(sounds, spelled))
        repairs = []
        for start, end, index in self._heard.find(sounds):
            written = text[start:end]
            if written != self._words[index] and not self._meant(text, written, start):
                repairs.append((start, end, self._words[index]))
        return repairs

    def _repairs_with_pinyin(self, text: str, spoken: "_Spoken") -> Repairs:
        """The same where a sound may be several letters."""
        repairs = []
        for start, end, index in self._heard.find(spoken.sounds):
            first, last = spoken.span(start)[0], spoken.span(end - 1)[1]
            written = text[first:last]
            if written != self._words[index] and not self._meant(text, written, first):
                repairs.append((first, last, self._words[index]))
        repairs += self._lone_pinyin(text, spoken.spans, repairs)
        return sorted(repairs)

    def _meant(self, text: str, written: str, start: int) -> bool:
        """Whether a word of the same sound is a real word, meant as it is written."""
        if written not in self._real:
            return False
        around = text[max(0, start - 4) : start + len(written) + 4]
        return not any(phrase in around for phrase in self._taken)

    def _with_pinyin(self, sounds: str, spelled: Iterable[re.Match[str]]) -> "_Spoken":
        """The sounds with each run of letters that can be pinyin read as syllables."""
        parts: list[str] = []
        places: list[int] = []
        spans: list[tuple[int, int]] = []
        at = size = 0
        for run in spelled:
            start = run.start()
            parts.append(sounds[at:start])
            size += start - at
            for syllable in self._spell(run[0]):
                places.append(size)
                spans.append((start, start + len(syllable)))
                parts.append(chr(self._syllables[syllable]))
                size += 1
                start += len(syllable)
            at = run.end()
        parts.append(sounds[at:])
        return _Spoken("".join(parts), places, spans)

    def _syllables_of(self, run: str) -> list[str]:
        """A run of letters as pinyin syllables, as few as can be; none if it is no pinyin."""
        if len(run) > _LONGEST_RUN:
            return []
        best: list[list[str] | None] = [[]] + [None] * len(run)
        for end in range(1, len(run) + 1):
            for start in range(max(0, end - 6), end):
                before = best[start]
                if before is not None and run[start:end] in self._syllables:
                    known = best[end]
                    if known is None or len(before) + 1 < len(known):
                        best[end] = [*before, run[start:end]]
        return best[-1] or []

    def _lone_pinyin(
        self, text: str, spans: list[tuple[int, int]], repairs: Repairs
    ) -> Iterator[tuple[int, int, str]]:
        """A single syllable beside Chinese or a number: zhuan 5万 → 转5万."""
        done = [(start, end) for start, end, _ in repairs]
        for start, end in spans:
            char = self._single.get(text[start:end]) if end - start > 1 else None
            if char is None or any(s < end and start < e for s, e in done):
                continue
            left, right = text[start - 1 : start], text[end : end + 1]
            if not (left.isascii() and left.isalpha()) and not (
                right.isascii() and right.isalpha()
            ):
                yield start, end, char


class _Spoken(NamedTuple):
    """The sounds of a text some of whose syllables are letters: where those stand among the
    sounds, and where in the text."""

    sounds: str
    places: list[int]
    spans: list[tuple[int, int]]

    def span(self, place: int) -> tuple[int, int]:
        """Where in the text a sound is written."""
        before = bisect_right(self.places, place) - 1
        if before < 0:
            return place, place + 1
        start, end = self.spans[before]
        after = place - self.places[before]
        return (end + after - 1, end + after) if after else (start, end)


def _decimal_points(codes: Codes) -> Codes:
    """Only a point between two digits means something; others are there to split words."""
    dots = codes == _DOT
    digit = (codes >= ord("0")) & (codes <= ord("9"))
    between = np.zeros_like(dots)
    between[1:-1] = digit[:-2] & digit[2:]
    return np.where(dots & ~between, 0, codes).astype(np.uint32)


def _rewrite(text: str, repairs: Repairs) -> str:
    """The text with its repairs."""
    parts: list[str] = []
    at = 0
    for start, end, word in repairs:
        parts += (text[at:start], word)
        at = end
    parts.append(text[at:])
    return "".join(parts)


def _moved(places: Places, repairs: Repairs) -> tuple[Places, Places]:
    """The places after the repairs: every new character points at the whole it stands for."""
    starts: list[Places] = []
    ends: list[Places] = []
    at = 0
    for start, end, word in repairs:
        first, last = int(places[start]), int(places[end - 1]) + 1
        starts += (places[at:start], np.full(len(word), first))
        ends += (places[at:start] + 1, np.full(len(word), last))
        at = end
    starts.append(places[at:])
    ends.append(places[at:] + 1)
    return np.concatenate(starts), np.concatenate(ends)
