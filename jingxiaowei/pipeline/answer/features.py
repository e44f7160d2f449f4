"""What the taught leg looks at in a text: characters, sounds, concepts, and concepts together.

A feature is a string; what kind it is shows in its form: characters as they are, syllables with a
space between them, concepts with ``#``. The values are weights before rarity.
"""

from collections.abc import Iterable
from itertools import combinations, pairwise

from jingxiaowei.content.syllables import syllables
from jingxiaowei.pipeline.answer.words import Clause

_SOUND = 0.7  # a sound says less than the character
_PLACE = "place_name"  # which town somebody comes from does not change what is asked
_SOMEWHERE = "\u25a1"  # stands in no question


def features(clauses: Iterable[Clause]) -> dict[str, float]:
    """The features of a text with their weights."""
    found: dict[str, float] = {}
    for clause in clauses:
        text = clause.text
        slugs = sorted({spot.slug for spot in clause.spotted})
        if _PLACE in slugs:
            text = _without_places(clause)
        found.update(dict.fromkeys(text, 1.0))
        found.update(dict.fromkeys(map("".join, pairwise(text)), 1.0))
        found.update(dict.fromkeys(map("".join, zip(text, text[1:], text[2:], strict=False)), 1.0))
        found.update(dict.fromkeys(map(" ".join, pairwise(syllables(text))), _SOUND))
        found.update({f"#{slug}": 1.0 for slug in slugs})
        found.update({f"#{one}#{two}": 1.0 for one, two in combinations(slugs, 2)})
    return found


def _without_places(clause: Clause) -> str:
    parts, at = [], 0
    for spot in clause.spotted:
        if spot.slug == _PLACE:
            parts += [clause.text[at : spot.start], _SOMEWHERE]
            at = spot.end
    return "".join((*parts, clause.text[at:]))
