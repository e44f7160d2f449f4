"""The schemas of the scam scripts: what an officer writes in ``scams/*.yaml``, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Char = Annotated[str, StringConstraints(min_length=1, max_length=1)]


def _balanced(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if pattern.count("{") != pattern.count("}"):
            raise ValueError(f"花括号不成对：{pattern}")
    return patterns


Patterns = Annotated[tuple[Line, ...], Field(min_length=1), AfterValidator(_balanced)]
Examples = Annotated[tuple[Line, ...], Field(min_length=1)]


class ScriptStage(StrEnum):
    """The steps of a script (话术), in its own order, from 接近 to 再要."""

    APPROACH = "approach"
    NEW_CHANNEL = "new_channel"
    STAGING = "staging"
    PROBE = "probe"
    PRETEXT = "pretext"
    ORDER = "order"
    BYPASS = "bypass"
    NO_VOICE = "no_voice"
    PRESSURE = "pressure"
    REPEAT = "repeat"


class ScriptType(StrEnum):
    """诈骗类型, by the names of the contract."""

    BOSS = "boss_impersonation"
    ACQUAINTANCE = "acquaintance_impersonation"
    TASK_REBATE = "task_rebate"
    INVESTMENT = "fake_investment"
    SHOPPING = "fake_shopping"
    CUSTOMER_SERVICE = "customer_service"
    LOAN = "fake_loan"
    CREDIT = "fake_credit"
    AUTHORITY = "authority_impersonation"
    MILITARY = "military_purchase"
    ROMANCE = "romance"
    GAME = "game_trade"
    OTHER = "other"


class Scope(StrEnum):
    """How far an exemption reaches: its clause, its sentence, its speaker's line, everything."""

    CLAUSE = "clause"
    SENTENCE = "sentence"
    UTTERANCE = "utterance"
    MESSAGE = "message"


class Clue(StrEnum):
    """What a reading rule tells: where the money is, or what kind of text this is."""

    NOT_YET = "not_yet"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    ASKED = "asked"
    REPORT = "report"
    QUESTION = "question"
    PUBLICITY = "publicity"


class _Frozen(BaseModel):
    # Further fields are kept and warned of by the checker: a misspelt name must not pass unseen.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)


class Rule(_Frozen):
    """Something to be found by patterns, proved by a text that has it and one that has not."""

    id: Slug
    patterns: Patterns
    hit: Examples
    miss: Examples


class SignalRule(Rule):
    """风险信号: what it says to an officer, and the stage of the script it belongs to."""

    says: Line
    stage: ScriptStage


class ExemptionRule(Rule):
    """降分: why certain stages do not count, and how far that reaches."""

    because: Line
    lowers: Annotated[tuple[ScriptStage, ...], Field(min_length=1)]
    scope: Scope = Scope.CLAUSE


class ReadingRule(Rule):
    """读法: a sign of the transfer's state or of the kind of text."""

    reads: Clue


class ScamScript(_Frozen):
    """话术: a scam with its name, what to tell a resident, and its signals."""

    scam_type: ScriptType
    name: Line
    steps: Annotated[tuple[Line, ...], Field(min_length=3, max_length=3)]
    motto: Line
    action: Line
    signals: tuple[SignalRule, ...]


class Spelling(_Frozen):
    """写法: what is written differently and means the same."""

    variants: Mapping[Char, Char] = {}
    sounds: Mapping[Line, Line] = {}
    real: tuple[Line, ...] = ()
    taken: tuple[Line, ...] = ()
    pinyin: Mapping[Line, Char] = {}


class Fusion(_Frozen):
    """How the legs become a probability: fitted, not written by hand."""

    scale: float
    shift: float
    moving: Mapping[str, float]
    alert: float
    alone: float = 0.9
    advise: float


@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """What the wording leg was taught: terms, how rare each is, and its weight for each head.

    ``weights`` has a row a term, then a row a rule; its columns are the scam types and ``none``,
    then the kinds of text.
    """

    terms: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    rarity: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    bias: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class ScamBook:
    """All scam content of one moment."""

    scripts: tuple[ScamScript, ...] = ()
    exemptions: tuple[ExemptionRule, ...] = ()
    readings: tuple[ReadingRule, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spelling: Spelling = field(default_factory=Spelling)
    fusion: Fusion | None = None
    wording: Wording = field(default_factory=Wording)


class PracticeGroup(_Frozen):
    """练习题 of one kind."""

    form: Line
    stage: Line
    transfer: Line
    texts: Examples


class Practice(_Frozen):
    """The practice of one scam type, or of none. ``exam``: never taught, only examined."""

    scam_type: Line
    exam: bool = False
    groups: tuple[PracticeGroup, ...]
