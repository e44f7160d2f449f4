"""The content's schemas: what an admin writes in YAML, checked and frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from jingxiaowei.content.rights_model import RightsBook
from jingxiaowei.content.scam_model import ScamBook
from jingxiaowei.content.tag_forbidden import Forbidden
from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.content.taught import Taught

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
ConceptSlug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


def _as_text(value: object) -> object:
    """YAML reads 12123 as a number; where text is meant, take it as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[Line, BeforeValidator(_as_text)]


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({v for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"重复：{'、'.join(repeated)}")
    return values


class Domain(StrEnum):
    HUKOU = "hukou"
    TRAFFIC = "traffic"
    EXIT_ENTRY = "exit_entry"


class Certainty(StrEnum):
    """How sure the fact sheet is. ``check``: differs by place, the local window decides."""

    VERIFIED = "verified"
    WEAK = "weak"
    KNOWN = "known"
    CHECK = "check"


class Frozen(BaseModel):
    """A value of a content file."""

    # Further fields are kept and warned of by the checker: a misspelt name must not pass unseen.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)


class Concepts(Frozen):
    """概念槽: what a question is about, in slugs of the lexicon."""

    object: tuple[ConceptSlug, ...] = ()
    action: tuple[ConceptSlug, ...] = ()
    aspect: tuple[ConceptSlug, ...] = ()
    person: tuple[ConceptSlug, ...] = ()

    def all(self) -> tuple[str, ...]:
        return (*self.object, *self.action, *self.aspect, *self.person)


class Parts(Frozen):
    """The answer's parts: 材料, 谁可以办, 地点, 渠道, 费用, 时限."""

    materials: Text | None = None
    who: Text | None = None
    place: Text | None = None
    channel: Text | None = None
    fee: Text | None = None
    time: Text | None = None


class Cases(Frozen):
    """Questions that must, and must not, be answered by an entry."""

    hit: tuple[Text, ...] = ()
    miss: tuple[Text, ...] = ()


class FaqEntry(Frozen):
    """问答条目: one question that residents ask, and its answer."""

    id: Slug
    fact: Annotated[str, StringConstraints(pattern=r"^[A-Z]\d{2,3}$")]
    domain: Domain
    title: Text
    phrasings: Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_unique)]
    general: bool = False  # answers when only the thing is named: 护照, 护照办理
    concepts: Concepts = Concepts()
    answer: Text
    parts: Parts = Parts()
    source: Text
    source_codes: tuple[str, ...] = ()
    certainty: Certainty
    reviewed_on: date | None
    owner: Text | None = None
    valid_until: date | None = None
    cases: Cases = Cases()

    def stale(self, today: date) -> bool:
        """Whether the answer is unreviewed or past its date, and must say 请向窗口核实."""
        return self.reviewed_on is None or (
            self.valid_until is not None and self.valid_until < today
        )


class Window(Frozen):
    """A counter that answers refer to as ``{window.<id>}``."""

    id: ConceptSlug
    name: Text
    address: Text | None = None
    hours: Text | None = None
    phone: Text | None = None
    confirmed: bool = False
    reviewed_on: date | None = None

    def describe(self) -> str:
        """Name, address, hours and phone as a resident reads them."""
        known = [part for part in (self.address, self.hours) if part]
        call = f"电话 {self.phone}" if self.phone else ""
        if self.confirmed:
            return "，".join(part for part in (self.name, *known, call) if part)
        ask = f"地址和时间待核实，先打 {self.phone} 问" if self.phone else "地址和时间待核实"
        return "，".join((self.name, *known, ask))


class Area(Frozen):
    """辖区: a station's area. The one marked ``desk`` is the county desk for unknown areas."""

    id: Slug
    name: Text
    station: Text
    phone: Text
    desk: bool = False


Hours = Annotated[
    str, StringConstraints(pattern=r"^([01]\d|2[0-4]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d$")
]


class Calendar(Frozen):
    """When the desk is staffed, and the days on which the national calendar is overridden."""

    workday: tuple[Hours, ...] = ("08:30-12:00", "14:00-17:30")
    restday: tuple[Hours, ...] = ()
    extra_workdays: tuple[date, ...] = ()
    extra_restdays: tuple[date, ...] = ()


class EmergencyKind(Frozen):
    """急事: words that lead to the 110 card before anything else."""

    id: ConceptSlug
    card: Text  # a key of the voice
    words: tuple[Text, ...]
    unless: tuple[Text, ...] = ()
    cases: Cases = Cases()


class SmallTalk(Frozen):
    """Greetings and the like: an utterance that is one of these, nothing more, gets the reply."""

    id: ConceptSlug
    reply: Text  # a key of the voice
    says: tuple[Text, ...]


class Command(Frozen):
    """口令: an utterance that asks the bot to do something."""

    id: ConceptSlug
    says: tuple[Text, ...]


class Signpost(Frozen):
    """指路: a matter of somebody else's.

    ``words`` point there where no entry answers, ``firm`` even where one seems to.
    """

    id: ConceptSlug
    agency: Text
    phone: Text
    words: tuple[Text, ...]
    firm: tuple[Text, ...] = ()


class Agency(Frozen):
    """Who answers a number that a signpost may name."""

    id: ConceptSlug
    phone: Text
    name: Text


class MenuItem(Frozen):
    label: Text
    id: Text


class Voice(Frozen):
    """A line of the bot's voice, with ``{placeholders}`` and its buttons."""

    text: Text
    options: tuple[MenuItem, ...] = ()


class JudgeWeights(Frozen):
    """What the judge was taught, by leg: which entry, and whether one of ours at all; and how a
    follow-up is read, by reading and hint (:mod:`pipeline.blending`)."""

    choice: Mapping[str, float]
    scope: Mapping[str, float]
    bias: float
    follow: Mapping[str, Mapping[str, float]] = {}


ConceptKind = Literal["object", "action", "aspect", "person"]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """概念词典: every spoken form, with the concept it stands for."""

    words: Mapping[str, str]  # normalised form → slug
    kinds: Mapping[str, ConceptKind]  # slug → kind
    names: Mapping[str, str]  # slug → its formal name


@dataclass(frozen=True, slots=True)
class Library:
    """All content of one moment. Replaced as a whole when files change, never mended in place."""

    entries: tuple[FaqEntry, ...]
    lexicon: Lexicon
    windows: Mapping[str, Window]
    areas: Mapping[str, Area]
    calendar: Calendar
    emergencies: tuple[EmergencyKind, ...]
    smalltalk: tuple[SmallTalk, ...]
    commands: tuple[Command, ...]
    signposts: tuple[Signpost, ...]
    agencies: tuple[Agency, ...]
    voice: Mapping[str, Voice]
    judge: JudgeWeights
    taught: Taught
    scams: ScamBook = field(default_factory=ScamBook)
    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    rights: RightsBook = field(default_factory=RightsBook)
    forbidden: Forbidden = field(default_factory=Forbidden)
    unit_name: str = ""
    by_id: Mapping[str, FaqEntry] = field(default_factory=dict)

    def desk(self) -> Area:
        """The county desk: where work goes while the area is unknown."""
        return next(area for area in self.areas.values() if area.desk)
