"""One way of writing: width, case and spacing that carry no meaning are levelled.

It stands in ``content`` because a phrasing, a concept word and a resident's message must be
compared in the same form, and the checker may not reach up into the pipeline.
"""

import re
import unicodedata
from functools import cache, lru_cache

# Zero-width characters, bidi marks, variation selectors and other controls: nobody sees them.
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]"
)
_NOT_WORD = re.compile(r"[\W_]+")
_CLAUSE = re.compile(r"[，。！？；、,!?;\n\r…]+|\.{2,}|\s{2,}")
# Each stage levels the same message for itself: of those under way the forms are at hand.
_AT_HAND = 64


@cache
def simplified() -> dict[int, str]:
    """Traditional characters with their simplified form: opencc's, asked for once."""
    import opencc

    block = [chr(code) for code in range(0x4E00, 0xA000)]
    plain = opencc.OpenCC("t2s").convert("\n".join(block)).split("\n")
    return {ord(old): new for old, new in zip(block, plain, strict=True) if old != new}


@lru_cache(_AT_HAND)
def normalise(text: str) -> str:
    """NFKC, lower case, simplified, no invisible characters; punctuation and spaces stay.

    Text that is plain already (the common case) passes through at C speed.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    table = simplified()
    if not table.keys().isdisjoint(map(ord, text)):
        text = text.translate(table)
    return text if text.isprintable() else _INVISIBLE.sub("", text)


@lru_cache(_AT_HAND)
def compact(text: str) -> str:
    """``normalise`` and then nothing but letters, digits and Chinese characters."""
    return _NOT_WORD.sub("", normalise(text))


def clauses(text: str) -> list[str]:
    """The compact clauses of a text, in order, empty ones left out."""
    parts = (_NOT_WORD.sub("", part) for part in _CLAUSE.split(normalise(text)))
    return [part for part in parts if part]
