"""Which line of the voice answers a screening. Residents read advice, never weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jingxiaowei.content.scam_model import ScamBook
from jingxiaowei.pipeline.screen.values import (
    ScamType,
    Screening,
    Specimen,
    Transfer,
    Verdict,
)

_BY_CLOCK = {Transfer.DONE: "fraud_done", Transfer.IN_PROGRESS: "fraud_in_progress"}


@dataclass(frozen=True, slots=True)
class Line:
    """A key of the voice, and what fills it."""

    key: str
    fields: Mapping[str, str] = field(default_factory=dict)


def answer_line(book: ScamBook, screening: Screening, by_officer: bool = False) -> Line | None:
    """The line to say, or None where nothing is to be said of fraud.

    ``by_officer``: somebody forwards what reached others, so the reader is not the victim.
    """
    if screening.verdict is Verdict.NONE:
        return _unmoved(screening)
    script = next((s for s in book.scripts if s.scam_type.value == screening.scam_type.value), None)
    name = script.name if script else "诈骗"
    if screening.transfer in _BY_CLOCK:
        return Line(_BY_CLOCK[screening.transfer])
    if by_officer:
        return Line("fraud_third_person")
    if screening.specimen is Specimen.PUBLICITY and script is not None:
        first, second, third = script.steps
        return Line(
            "fraud_publicity",
            {"type": name, "one": first, "two": second, "three": third, "motto": script.motto},
        )
    if screening.scam_type is ScamType.BOSS:
        return Line("fraud_boss_not_yet" if screening.verdict is Verdict.ALERT else "fraud_unsure")
    if screening.verdict is Verdict.ADVISE and screening.specimen is Specimen.MESSAGE:
        return Line("fraud_specimen", {"type": name})
    return Line("fraud_other", {"type": name, "action": script.action if script else "先别转账"})


def _unmoved(screening: Screening) -> Line | None:
    """No verdict: publicity is thanked for; whoever asks is never told that it is safe."""
    if screening.specimen is Specimen.PUBLICITY and screening.exemptions:
        return Line("fraud_shared")
    return None


def asks_whether_fraud(text: str) -> bool:
    """Whether somebody asks if something is a fraud: then ``fraud_unsure`` answers, not silence."""
    return any(
        word in text for word in ("是不是诈骗", "是不是骗", "是诈骗吗", "是骗子吗", "骗人的吗")
    )
