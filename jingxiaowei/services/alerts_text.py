"""The resident's words as an officer reads them: quotes marked by stage, numbers veiled.

Veiling keeps the length, so that the screening's positions still point at the same words.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jingxiaowei.pipeline.screen.values import EntityKind, Exemption, Screening, Signal
from jingxiaowei.services.alerts_words import STEP

# Any long run of digits, spaced or not, is somebody's number; the last four tell two apart.
_NUMBER = re.compile(r"(?<!\d)\d(?:[ \-]?\d){6,}[Xx]?")
_PASSPORT = re.compile(r"(?<![A-Za-z0-9])[A-Z]{1,2}\d{7,8}(?!\d)")
_LAST = 4
_SECRET = frozenset({EntityKind.ACCOUNT, EntityKind.PHONE, EntityKind.QQ, EntityKind.WECHAT})


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of the text: plain, a quote that a signal points at, or one that lowered the score."""

    text: str
    signal: Signal | None = None
    exemption: Exemption | None = None

    @property
    def step(self) -> int:
        """The stage's place on the ladder, 0 for none."""
        return STEP.get(self.signal.stage, 0) if self.signal else 0

    @property
    def phase(self) -> str:
        """铺垫, 套话 or 收网: how the quote is underlined."""
        return ("plain", "lead", "talk", "close")[
            (self.step >= 1) + (self.step >= 4) + (self.step >= 6)
        ]


def veil(text: str, screening: Screening) -> str:
    """The text with numbers hidden but for their ends, as long as before."""
    letters = list(text)
    spared = [
        range(entity.start, entity.end)
        for entity in screening.entities
        if entity.kind is EntityKind.AMOUNT
    ]
    spans = [m.span() for rule in (_NUMBER, _PASSPORT) for m in rule.finditer(text)]
    spans = [span for span in spans if not any(span[0] in amount for amount in spared)]
    spans += [(e.start, e.end) for e in screening.entities if e.kind in _SECRET]
    for start, end in spans:
        hidden = [i for i in range(start, min(end, len(text))) if text[i].isalnum()]
        for i in hidden[: max(len(hidden) - _LAST, (len(hidden) + 1) // 2)]:
            letters[i] = "*"
    return "".join(letters)


def pieces(text: str, screening: Screening, original: bool = False) -> tuple[Piece, ...]:
    """The text cut at its quotes; where two overlap the weightier one is shown.

    Args:
        original: numbers stay readable (看原文).
    """
    shown = text if original else veil(text, screening)
    owners: list[Signal | Exemption | None] = [None] * len(text)
    by_weight: Iterable[Signal | Exemption] = sorted(
        (*screening.signals, *screening.exemptions), key=lambda hit: abs(hit.weight)
    )
    for hit in by_weight:
        for i in range(max(0, hit.start), min(hit.end, len(text))):
            owners[i] = hit
    found: list[Piece] = []
    start = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or owners[i] is not owners[start]:
            owner = owners[start]
            found.append(
                Piece(
                    shown[start:i],
                    owner if isinstance(owner, Signal) else None,
                    owner if isinstance(owner, Exemption) else None,
                )
            )
            start = i
    return tuple(found)
