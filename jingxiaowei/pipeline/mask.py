"""Masking: numbers that identify a person or an account never appear where a text is shown."""

import re

# 15 or 18 digits (the last may be X) with a plausible birth date; then cards; then phones.
_ID_NUMBER = re.compile(
    r"(?<!\d)\d{6}(?:(?:19|20)\d{2}|\d{2})(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{3}[\dXx]|\d{3})(?!\d)"
)
_SPACED = r"(?:[ \-]?\d)"
_CARD = re.compile(rf"(?<!\d)\d{_SPACED}{{12,18}}(?!\d)")
_PHONE = re.compile(r"(?<!\d)(?:\+?86[ \-]?)?(1[3-9]\d)[ \-]?(\d{4})[ \-]?(\d{4})(?!\d)")
_PASSPORT = re.compile(r"(?<![A-Za-z0-9])([EGDSPHMC][A-Za-z]?)\d{7,8}(?!\d)")


def mask(text: str) -> str:
    """The text with identity numbers, cards, passports and phones hidden; the rest unchanged."""
    text = _ID_NUMBER.sub(lambda m: m[0][:2] + "*" * (len(m[0]) - 4) + m[0][-2:], text)
    text = _PHONE.sub(r"\1****\3", text)  # before cards: +86 and a phone are 13 digits too
    text = _CARD.sub(lambda m: "****" + re.sub(r"\D", "", m[0])[-4:], text)
    return _PASSPORT.sub(r"\1*******", text)


def holds_number(text: str) -> bool:
    """Whether the text holds an identity or card number, which nobody here needs."""
    return bool(_ID_NUMBER.search(text) or _CARD.search(text))
