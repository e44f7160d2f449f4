"""Syllables: what a text sounds like, so that 牵户口 is found where 迁户口 is written.

One syllable a character, without tones and without the sounds that many speakers do not tell
apart (zh/z, ch/c, sh/s, -ng/-n); pinyin that is typed out falls into the same syllables.
"""

import os
import re
import unicodedata
from functools import cache

_LATIN = re.compile(r"[a-z]{2,}|.", re.DOTALL)
_LONGEST = 6  # letters of a syllable: zhuang


def _level(syllable: str) -> str:
    """zhang → zan: the form that sounds the same to most."""
    for initial in ("zh", "ch", "sh"):
        if syllable.startswith(initial):
            syllable = initial[0] + syllable[2:]
    return syllable[:-1] if syllable.endswith("ng") else syllable


@cache
def _tables() -> tuple[dict[str, str], dict[str, str]]:
    """Character → levelled syllable, and typed syllable → levelled syllable."""
    # The package reads its large table of phrases unless told not to; single characters do.
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "1")
    from pypinyin.pinyin_dict import pinyin_dict

    characters: dict[str, str] = {}
    typed: dict[str, str] = {}
    for code, readings in pinyin_dict.items():
        if not 0x4E00 <= code <= 0x9FFF:
            continue
        plain = unicodedata.normalize("NFD", readings.partition(",")[0])
        syllable = "".join(letter for letter in plain if letter.isascii())
        if len(syllable) > 1:
            typed.setdefault(syllable, _level(syllable))
        characters[chr(code)] = typed.get(syllable, syllable)
    return characters, typed


def syllables(text: str) -> list[str]:
    """The syllables of a compact text; what has none stands for itself."""
    characters, typed = _tables()
    if text.isascii() or any("a" <= letter <= "z" for letter in text):
        found: list[str] = []
        for part in _LATIN.findall(text):
            if len(part) > 1:
                found += _split(part, typed) or [part]
            else:
                found.append(characters.get(part, part))
        return found
    get = characters.get
    return [get(character, character) for character in text]


def _split(word: str, typed: dict[str, str]) -> list[str]:
    """A typed word as syllables, the longest first, or nothing where it is no pinyin."""
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
