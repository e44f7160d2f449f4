"""试问: what the bot would answer to a text, and why, for those who keep or explain its answers.

The text is taken as if it stood alone, and nothing is stored. Residents never see any of this: what
lowers a score would teach evasion.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jingxiaowei.pipeline.answer.why import Why
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Decision, Kind
from jingxiaowei.pipeline.reasons import Candidate
from jingxiaowei.pipeline.screen.values import Screening, Verdict
from jingxiaowei.services.alerts_review import Reason, reasons_of
from jingxiaowei.services.alerts_text import Piece, pieces
from jingxiaowei.services.alerts_words import TRANSFERS, TYPES
from jingxiaowei.services.rehearsal import rehearse, why_of

LONGEST = 2000  # characters; a message may be longer, what is tried out need not be
KINDS: Mapping[Kind, str] = {
    Kind.ANSWER: "直接答",
    Kind.CLARIFY: "拿不准，反问",
    Kind.EMERGENCY: "急事，先给 110",
    Kind.FRAUD: "像骗局，先劝阻",
    Kind.COMMAND: "照着吩咐办",
    Kind.SMALLTALK: "寒暄",
    Kind.HANDOFF: "转人工",
    Kind.UNKNOWN: "答不上来，请找人",
    Kind.NOTICE: "说明",
    Kind.WELCOME: "欢迎",
    Kind.QUIET: "不说话",
}
_VERDICTS: Mapping[Verdict, str] = {
    Verdict.ALERT: "会报预警，要人马上看",
    Verdict.ADVISE: "不报预警，给居民提醒",
    Verdict.NONE: "没看出来，不等于没事",
}


@dataclass(frozen=True, slots=True)
class Scam:
    """What the screening makes of a text."""

    verdict: str
    kind: str  # 冒充老板; empty: none
    transfer: str
    score: float
    pieces: tuple[Piece, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """A text tried out.

    Attributes:
        kind: of the reply, in words.
        title: the entry's that answers; empty: none does.
        why: the words that counted; None where no entry was looked for.
        best: the nearest entries, the first one first.
    """

    decision: Decision
    kind: str
    title: str
    why: Why | None
    best: tuple[Candidate, ...]
    scam: Scam


def try_out(mind: Mind, text: str) -> Trial:
    """The reply to a text of at most ``LONGEST`` characters, and its reasons. Takes some tens of
    milliseconds, for every word is left out once."""
    decision = rehearse(mind, text)
    titles = {entry.id: entry.title for entry in mind.library.entries}
    return Trial(
        decision,
        KINDS[decision.kind],
        titles.get(decision.faq, ""),
        why_of(mind, text, decision),
        decision.candidates[:5],
        _scam(text, decision.screening or Screening()),
    )


def _scam(text: str, screening: Screening) -> Scam:
    return Scam(
        _VERDICTS[screening.verdict],
        "" if screening.verdict is Verdict.NONE else TYPES[screening.scam_type],
        TRANSFERS[screening.transfer],
        screening.score,
        pieces(text, screening, original=True),
        reasons_of(text, screening, original=True),
    )
