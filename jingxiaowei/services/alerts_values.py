"""What passes between the turn and the alerts, and the errors that officers are told of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.screen.values import (
    Entity,
    EntityKind,
    Exemption,
    ScamType,
    Screening,
    Signal,
    Specimen,
    Stage,
    Transfer,
    Verdict,
)
from jingxiaowei.store.alert_tables import ALERT, CONTACT, ENTITY, EVENT, EVIDENCE
from jingxiaowei.store.sealed import SEALED

TOLD = ("who", "where", "sum")  # of a contact: what was told by taps
EVIDENCE_BODY, ENTITY_VALUE, NOTE, EVENT_BODY, CONTACT_BODY = (
    SEALED[EVIDENCE.c.body],
    SEALED[ENTITY.c.value],
    SEALED[ALERT.c.note],
    SEALED[EVENT.c.body],
    SEALED[CONTACT.c.body],
)


class AlertConflictError(JingxiaoweiError):
    """Somebody was faster, or the alert is not in the state that the step needs."""


class AlertMissingError(JingxiaoweiError):
    """There is no such alert."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One turn of a conversation as the screening saw it.

    Attributes:
        inbox_id: the turn's last message; a second sighting of it changes nothing.
        text: what was screened: the resident's words, or the text read from a picture. The
            screening's positions point into it.
        subject: tells apart the residents whose messages one officer forwards; else empty.
        forwarded_by: the officer who forwarded it.
    """

    conversation_id: str
    inbox_id: int
    screening: Screening
    text: str
    at: datetime
    subject: str = ""
    forwarded_by: int | None = None


def screening_from(raw: dict[str, Any]) -> Screening:
    """A screening as it was stored. What it carried on to later messages is left out."""
    return Screening(
        verdict=Verdict(raw["verdict"]),
        scam_type=ScamType(raw["scam_type"]),
        score=raw["score"],
        stage=Stage(raw["stage"]),
        transfer=Transfer(raw["transfer"]),
        specimen=Specimen(raw["specimen"]),
        signals=tuple(
            Signal(**{**signal, "stage": Stage(signal["stage"])}) for signal in raw["signals"]
        ),
        exemptions=tuple(Exemption(**exemption) for exemption in raw["exemptions"]),
        entities=tuple(
            Entity(**{**entity, "kind": EntityKind(entity["kind"])}) for entity in raw["entities"]
        ),
        next_stage=Stage(raw["next_stage"]),
    )


def sums(screening: Screening) -> list[int]:
    """The sums asked for or paid, in yuan: those of the orders where there is one, for what is
    on the company's account is no loss; else every sum that is named."""
    named = [
        e
        for e in screening.entities
        if e.kind is EntityKind.AMOUNT and e.value.isdecimal() and int(e.value) < 10**13
    ]
    orders = [signal for signal in screening.signals if signal.stage is Stage.ORDER]
    ordered = [e for e in named if any(o.start < e.end and e.start < o.end for o in orders)]
    return [int(e.value) for e in ordered or named]
