"""Sounds: what a text sounds like, so that 牵户口 is found where 迁户口 is written.

One syllable a character, without tones and without the sounds that many speakers do not tell
apart (zh/z, ch/c, sh/s, -ng/-n); pinyin that is typed out falls into the same syllables. A
syllable is a number, the same on every machine.
"""

import importlib.util
import json
import re
import unicodedata
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint64]

_LATIN = re.compile(r"[a-z]{2,}")
_LONGEST = 6  # letters of a syllable: zhuang
_PLANE = 0x10000


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
        word = found.group()
        spelt = _split(word, typed) or [number(word)]
        pieces += [heard[at : found.start()], np.array(spelt, dtype=np.uint64)]
        at = found.end()
    return np.concatenate((*pieces, heard[at:])) if pieces else heard


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
