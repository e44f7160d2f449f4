"""Codes that are read aloud and typed again: no two letters of them are mistaken for each other."""

import os

_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def new_code(length: int = 5) -> str:
    """A code of a ticket or a request: five letters and digits; of a receipt: eight."""
    return "".join([_LETTERS[byte % len(_LETTERS)] for byte in os.urandom(length)])
