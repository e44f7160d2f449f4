"""研判结果: what the screening of a message says. Frozen values, no behaviour.

All positions count Unicode code points of the resident's own text, as it was sent: whatever was
levelled before matching, a quote points into the original.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """``ALERT``: an officer must look. ``ADVISE``: the resident gets advice. Never "safe"."""

    ALERT = "alert"
    ADVISE = "advise"
    NONE = "none"


class ScamType(StrEnum):
    """诈骗类型, by the names of the contract."""

    BOSS = "boss_impersonation"
    ACQUAINTANCE = "acquaintance_impersonation"
    TASK_REBATE = "task_rebate"  # 刷单返利
    INVESTMENT = "fake_investment"
    SHOPPING = "fake_shopping"
    CUSTOMER_SERVICE = "customer_service"  # 冒充电商物流客服
    LOAN = "fake_loan"
    CREDIT = "fake_credit"  # 虚假征信
    AUTHORITY = "authority_impersonation"  # 冒充公检法及政府机关
    MILITARY = "military_purchase"  # 冒充军警购物
    ROMANCE = "romance"
    GAME = "game_trade"
    OTHER = "other"
    NONE = "none"


class Stage(StrEnum):
    """How far a script (话术) has gone, in the script's own order."""

    NONE = "none"
    APPROACH = "approach"  # 接近
    NEW_CHANNEL = "new_channel"  # 换渠道
    STAGING = "staging"  # 做戏
    PROBE = "probe"  # 摸底
    PRETEXT = "pretext"  # 找由头
    ORDER = "order"  # 下指令
    BYPASS = "bypass"  # 绕流程
    NO_VOICE = "no_voice"  # 不让核实
    PRESSURE = "pressure"  # 催逼
    REPEAT = "repeat"  # 再要


class Transfer(StrEnum):
    """The transfer clock: whether the money has gone."""

    NOT_YET = "not_yet"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    UNKNOWN = "unknown"


class Specimen(StrEnum):
    """What kind of text this is: the scammer's own words, somebody's account, or talk about it."""

    MESSAGE = "message"  # pasted or forwarded
    REPORT = "report"  # told about oneself or somebody else, news included
    QUESTION = "question"
    PUBLICITY = "publicity"
    NONE = "none"


class EntityKind(StrEnum):
    """What can be matched across alerts."""

    ACCOUNT = "account"
    PHONE = "phone"
    QQ = "qq"
    WECHAT = "wechat"
    GROUP = "group"
    URL = "url"
    AMOUNT = "amount"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class Signal:
    """风险信号: one hit, in the resident's own words. ``weight``: what it added to the score."""

    signal: str
    stage: Stage
    quote: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Exemption:
    """Something that lowered the score, and why, in words for an officer."""

    exemption: str
    because: str
    quote: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Entity:
    """An account, phone, amount …: as written, and levelled so that two spellings are equal.

    For an amount ``value`` is whole yuan in digits.
    """

    kind: EntityKind
    value: str
    quote: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What an earlier message of the conversation showed; it fades with time."""

    at: datetime
    scam_type: ScamType
    stages: tuple[tuple[Stage, float], ...]  # each stage with the weight it had
    transfer: Transfer = Transfer.UNKNOWN


@dataclass(frozen=True, slots=True)
class Screening:
    """The whole of what the screening says about one message.

    Attributes:
        score: the probability, 0 to 1, that this needs an officer.
        stage: the furthest stage seen, in this message or carried from the conversation's traces.
        next_stage: what the script usually demands next; ``NONE`` when nothing was found.
    """

    verdict: Verdict = Verdict.NONE
    scam_type: ScamType = ScamType.NONE
    score: float = 0.0
    stage: Stage = Stage.NONE
    transfer: Transfer = Transfer.UNKNOWN
    specimen: Specimen = Specimen.NONE
    signals: tuple[Signal, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    entities: tuple[Entity, ...] = ()
    next_stage: Stage = Stage.NONE
    trace: Trace | None = None
