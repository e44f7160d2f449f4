"""Sounds: what a text sounds like, so that 牵户口 is found where 迁户口 is written.

One syllable a character, without tones and without the sounds that many speakers do not tell
apart (zh/z, ch/c, sh/s, -ng/-n); pinyin that is typed out falls into the same syllables. A
syllable is a number, the same on every machine.
"""

import importlib.util
import json
import re
import sys
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint64]

_LATIN = re.compile(r"[a-z]{2,}")
_LONGEST = 6  # letters of a syllable: zhuang
_PLANE = 0x10000
_SIGNS = 0xF0000
_NOTHING = "\uffff"


def code_points(text: str) -> Codes:
    """A text's characters as numbers."""
    raw = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return raw.astype(np.uint64)


@cache
def number(name: str) -> int:
    """A name's number, below 2**31: the same on every machine, and as good as unique."""
    return crc32(name.encode()) & 0x7FFFFFFF


def sounds(text: str, codes: Codes | None = None) -> Codes:
    """The sounds of a compact text, in order; what has none stands for itself.

    ``codes``: the text's code points, where they are known already.
    """
    characters, typed = _tables()
    if codes is None:
        codes = code_points(text)
    heard = characters.take(codes.astype(np.intp), mode="clip")
    if len(codes) and codes.max() >= _PLANE:
        heard = np.where(codes < _PLANE, heard, codes)
    pieces, at = [], 0
    for found in _LATIN.finditer(text):
        spelt = _spell(found.group(), typed)
        pieces += [heard[at : found.start()], np.array(spelt, dtype=np.uint64)]
        at = found.end()
    return np.concatenate((*pieces, heard[at:])) if pieces else heard


def written(text: str, signs: Mapping[int, str]) -> str:
    """The sounds of a compact text, a character each: pieces of text are looked up sooner than
    numbers are put into an array.

    ``signs``: :func:`syllable_signs` at least; a typed word without a sign sounds like nothing.
    """
    heard = text.translate(_translation())
    pieces, at = [], 0
    for found in _LATIN.finditer(text):
        spelt = _spell(found.group(), _tables()[1])
        pieces += [heard[at : found.start()], *(sign_of(sound, signs) for sound in spelt)]
        at = found.end()
    return "".join((*pieces, heard[at:])) if pieces else heard


def sign_of(sound: int, signs: Mapping[int, str]) -> str:
    """A sound's sign; what stands for itself is its own."""
    return signs.get(sound) or (chr(sound) if sound <= sys.maxunicode else _NOTHING)


@cache
def syllable_signs() -> dict[int, str]:
    """The syllables' sounds, each with a character that stands in no compact text."""
    _, typed = _tables()
    return {sound: chr(_SIGNS + n) for n, sound in enumerate(sorted(set(typed.values())))}


@cache
def _translation() -> dict[int, str]:
    """Code point → sign, where a character does not stand for itself."""
    characters, _ = _tables()
    signs = syllable_signs()
    others = np.flatnonzero(characters != np.arange(_PLANE, dtype=np.uint64))
    heard = zip(others.tolist(), characters[others].tolist(), strict=True)
    return {code: sign_of(sound, signs) for code, sound in heard}


def _spell(word: str, typed: dict[str, int]) -> list[int]:
    """The sounds of typed letters; what is no pinyin is a sound of its own."""
    return _split(word, typed) or [number(word)]


@cache
def _tables() -> tuple[Codes, dict[str, int]]:
    """Character → sound, by code point, and typed syllable → sound."""
    # The table is read as the file it is: importing the package would load 50 MB of phrases.
    spec = importlib.util.find_spec("pypinyin")
    assert spec is not None
    assert spec.origin is not None
    readings = json.loads(Path(spec.origin).with_name("pinyin_dict.json").read_text("utf-8"))
    characters = np.arange(_PLANE, dtype=np.uint64)
    typed: dict[str, int] = {}
    for key, reading in readings.items():
        code = int(key)
        if not 0x4E00 <= code <= 0x9FFF:
            continue
        plain = unicodedata.normalize("NFD", reading.partition(",")[0])
        syllable = "".join(letter for letter in plain if letter.isascii())
        if len(syllable) > 1:
            characters[code] = typed.setdefault(syllable, number(_level(syllable)))
        elif syllable:
            characters[code] = ord(syllable)
    return characters, typed


def _level(syllable: str) -> str:
    """zhang → zan: the form that sounds the same to most."""
    for initial in ("zh", "ch", "sh"):
        if syllable.startswith(initial):
            syllable = initial[0] + syllable[2:]
    return syllable[:-1] if syllable.endswith("ng") else syllable


def _split(word: str, typed: dict[str, int]) -> list[int]:
    """A typed word as sounds, the longest first, or nothing where it is no pinyin."""
    if not word:
        return []
    for length in range(min(_LONGEST, len(word)), 1, -1):
        syllable = typed.get(word[:length])
        if syllable is None:
            continue
        if length == len(word):
            return [syllable]
        rest = _split(word[length:], typed)
        if rest:
            return [syllable, *rest]
    return []
