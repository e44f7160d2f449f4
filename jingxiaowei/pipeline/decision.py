"""Decisions: what the pipeline says is to be done, and why. Frozen values, no behaviour."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from jingxiaowei.pipeline.contact import Contact
from jingxiaowei.pipeline.dialogue import Topic
from jingxiaowei.pipeline.messages import Option
from jingxiaowei.pipeline.minors import UNSAID, Minor
from jingxiaowei.pipeline.reasons import Candidate, Reason
from jingxiaowei.pipeline.rights_asked import RightAsked
from jingxiaowei.pipeline.screen.values import Screening, Trace
from jingxiaowei.pipeline.suggesting import Suggested


class Kind(StrEnum):
    """What sort of reply a message got; the words of ``ask --jsonl``."""

    ANSWER = "answer"
    CLARIFY = "clarify"
    EMERGENCY = "emergency"
    FRAUD = "fraud"
    COMMAND = "command"
    SMALLTALK = "smalltalk"
    HANDOFF = "handoff"
    UNKNOWN = "unknown"
    NOTICE = "notice"  # a kind of message that the bot cannot read
    WELCOME = "welcome"
    QUIET = "quiet"  # nothing is said: a human has the conversation, or there is nothing to say


class Need(StrEnum):
    """Why a person is needed: the kind of ticket that a decision opens."""

    HUMAN = "human"  # the resident asked for one
    EMERGENCY = "emergency"
    IMAGE = "image"  # a picture nobody has read yet
    FAILURE = "failure"  # a stage raised


@dataclass(frozen=True, slots=True)
class Desk:
    """Whether somebody is there now, and when else."""

    staffed: bool
    opens: str  # 周一 08:30, in words; empty when staffed
    phone: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the turn knows before it decides. The pipeline asks no clock and no database.

    Attributes:
        code: the code that a ticket opened by this decision will carry.
        open_code: the code of the resident's ticket that waits already, or empty.
        handed_over: a human has the conversation.
        topic: what was answered last, while it is fresh.
        brief: the resident asked for short answers (大字简版).
        now: by which what the conversation showed before has faded.
        traces: what earlier messages showed of a script, oldest first.
        settled: fingerprints of wordings that an officer found to be no fraud.
        by_officer: an officer writes, and forwards what reached somebody else.
        untold: the resident was not welcomed, and so has not been told of the rules.
    """

    today: date
    desk: Desk
    code: str
    now: datetime | None = None
    open_code: str = ""
    handed_over: bool = False
    topic: Topic | None = None
    brief: bool = False
    traces: tuple[Trace, ...] = ()
    settled: frozenset[str] = frozenset()
    by_officer: bool = False
    untold: bool = False
    privacy_page: str = "/privacy"


@dataclass(frozen=True, slots=True)
class Decision:
    """处置决定: what is said and done about one turn of a resident's, and why."""

    kind: Kind
    text: str = ""
    options: tuple[Option, ...] = ()
    faq: str = ""
    fact: str = ""
    score: float = 0.0
    candidates: tuple[Candidate, ...] = ()
    also: tuple[Candidate, ...] = ()  # a second question of the message, answered as well
    signpost: str = ""
    need: Need | None = None
    transfer: bool = False
    missed: bool = False  # goes into the list of unanswered questions
    unhelpful: str = ""  # the entry whose answer did not help: goes into the same list
    screening: Screening | None = None
    screened: str = ""  # the text that the screening's positions point into
    contact: Contact | None = None  # how the resident can be reached, for an open alert
    brief: bool | None = None  # short answers from here on, or no longer; None: as before
    topic: Topic | None = None  # what the conversation is about from here on; None: as before
    notice: str = ""  # 告知: the rules in short, told with the first answer
    right: RightAsked | None = None  # of the resident's own file: done, and told, in the commit
    suggested: tuple[Suggested, ...] = ()  # tags that an officer may confirm; places in typed text
    minor: Minor = UNSAID  # what the resident said of an age; only whose and band may be kept
    urgent: bool = False  # may use the message slot that is kept for emergencies
    reasons: tuple[Reason, ...] = ()
