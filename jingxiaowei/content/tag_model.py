"""The tags' schemas: what an admin writes in ``tags/*.yaml``, checked and frozen."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

TagSlug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
FactCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]\d{2,3}$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Said = Annotated[Words, BeforeValidator(lambda v: str(v) if type(v) is int else v)]

GROUPS, TAGS = 12, 102  # what the county publishes: 12 大项, 102 小项
LONG_TERM_REVIEW_DAYS = 730  # a tag without an end is asked about every two years
OPT_OUT = "opt_out"  # 不接收宣传: never part of an audience


class Applier(StrEnum):
    """可打标人: who may bring a tag about. A careful one that an auxiliary applies is proposed."""

    POLICE = "police"
    AUXILIARY = "auxiliary"
    RESIDENT = "resident"
    SYSTEM = "system"  # a fact that the program itself saw happen: quiz_done, nothing else


class Purpose(StrEnum):
    """用途."""

    SERVICE = "service"  # 服务: errands and care
    PREVENTION = "prevention"  # 宣防: warnings of fraud and danger
    COOPERATION = "cooperation"  # 协作: whom to call on


class Sensitivity(StrEnum):
    """敏感度. Careful tags stay in this house, need police, and are logged when read."""

    GENERAL = "general"
    CAREFUL = "careful"


class Whose(StrEnum):
    """Whose matter may raise a tag of the resident's: 我儿子上小学 makes a parent, 他 does not."""

    SELF = "self"
    CHILD = "child"  # the resident's own, or their child's
    FAMILY = "family"  # the resident's own, or anybody's in the family
    DEALINGS = "dealings"  # what strangers do to the resident: 有人让我刷单


class _Frozen(BaseModel):
    # Further fields are kept and warned of: a misspelt name must not pass unseen.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)


class TagCases(_Frozen):
    """Messages that must, and must not, raise a tag by its words."""

    hit: tuple[Said, ...] = ()
    miss: tuple[Said, ...] = ()


class Cues(_Frozen):
    """线索: what may suggest a tag. A suggestion is a question to an officer, never more.

    Attributes:
        facts: codes of answered questions.
        says: words in the resident's mouth; ``…`` stands for up to five characters.
        unless: words that take a cue back within its own sentence.
        ages: the resident's own age, from–to, both included, as they say it themselves.
        whose: whose matter it may be.
    """

    facts: tuple[FactCode, ...] = ()
    says: tuple[Said, ...] = ()
    unless: tuple[Said, ...] = ()
    ages: tuple[int, int] | None = None
    whose: Whose = Whose.SELF
    cases: TagCases = TagCases()


class Tag(_Frozen):
    """标签: one of the 102.

    Attributes:
        expires_days: its default life; None: until it is ended (长期), asked about every 730 days.
        excludes: slugs of tags that cannot stand beside it; one side names the other.
        part_of: the slug of a wider tag, whose place it takes: who is over 70 is over 60. An
            audience of the wider one has the narrower one's residents too.
        group: the slug of its group. Set by the loader.
        minors: whether it may stand on the file of a person of 14 to 17. Set by the loader.
    """

    slug: TagSlug
    name: Words
    definition: Words
    applied_by: Annotated[tuple[Applier, ...], Field(min_length=1)]
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1)]
    expires_days: Annotated[int, Field(gt=0, le=3650)] | None
    suggested_by: Cues
    sensitivity: Sensitivity
    excludes: tuple[TagSlug, ...] = ()
    part_of: TagSlug | None = None
    group: str = ""
    minors: bool = False

    @property
    def careful(self) -> bool:
        return self.sensitivity is Sensitivity.CAREFUL


class TagGroup(_Frozen):
    """标签组: one file.

    Attributes:
        one_of: lists of slugs of which a resident has one at most.
        minors_allowed: its tags may stand on the file of a person of 14 to 17.
    """

    slug: TagSlug
    name: Words
    one_of: tuple[tuple[TagSlug, ...], ...] = ()
    minors_allowed: bool = False
    tags: tuple[Tag, ...] = ()


class Speakers(_Frozen):
    """谁在说谁: the words by which a cue is known to be, or not to be, the resident's own.

    Attributes:
        me: the resident. between: what may stand between 我 and the rest of a cue (我现在住厂里).
        child: their child. family: others of their family. others: people they know.
        strangers: whom they deal with.
        denials: words that deny what follows. supposing: words that only suppose or recall it.
        asking: what turns the words before it into a question.
        plain: words that hold one of the above and mean nothing of the kind (其他).
    """

    me: tuple[Said, ...] = ()
    between: tuple[Said, ...] = ()
    child: tuple[Said, ...] = ()
    family: tuple[Said, ...] = ()
    others: tuple[Said, ...] = ()
    strangers: tuple[Said, ...] = ()
    denials: tuple[Said, ...] = ()
    supposing: tuple[Said, ...] = ()
    asking: tuple[Said, ...] = ()
    plain: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """标签表: all groups and tags of one moment."""

    groups: tuple[TagGroup, ...] = ()
    by_slug: Mapping[str, Tag] = field(default_factory=dict)
    speakers: Speakers = field(default_factory=Speakers)
    # By tag, for it is asked for each row of a list. Made with the rest, for nothing changes.
    _beside: Mapping[str, frozenset[str]] = field(init=False, repr=False, compare=False)
    # The narrower tag by the wider one. It has one at most: the checker sees to it.
    narrower: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_beside", self._barred())
        narrower = {tag.part_of: tag.slug for tag in self.tags if tag.part_of}
        object.__setattr__(self, "narrower", narrower)

    @property
    def tags(self) -> tuple[Tag, ...]:
        """All tags in the order of the files."""
        return tuple(self.by_slug.values())

    def group_of(self, slug: str) -> TagGroup:
        """The group of a tag.

        Raises:
            KeyError: there is no such tag.
        """
        group = self.by_slug[slug].group
        return next(it for it in self.groups if it.slug == group)

    def by_name(self, name: str) -> Tag | None:
        """The tag of a Chinese name, or None."""
        return next((tag for tag in self.by_slug.values() if tag.name == name), None)

    def nearest(self, word: str) -> str:
        """The slug or name that looks most like a word; empty where none does."""
        names = {tag.slug: tag.slug for tag in self.tags} | {t.name: t.slug for t in self.tags}
        close = difflib.get_close_matches(word, names, 1, 0.6)
        return names[close[0]] if close else ""

    def conflicts(self, slug: str) -> frozenset[str]:
        """The tags that cannot stand beside this one: one-choice siblings, exclusions, and the
        wider and the narrower one."""
        return self._beside.get(slug, frozenset())

    def _barred(self) -> dict[str, frozenset[str]]:
        """For each tag what cannot stand beside it, whichever of the two says so."""
        pairs = {(tag.slug, other) for tag in self.tags for other in tag.excludes}
        pairs |= {(tag.slug, tag.part_of) for tag in self.tags if tag.part_of}
        for group in self.groups:
            for choice in group.one_of:
                pairs |= {(one, other) for one in choice for other in choice}
        barred: dict[str, set[str]] = {}
        for one, other in pairs:
            if one != other:
                barred.setdefault(one, set()).add(other)
                barred.setdefault(other, set()).add(one)
        return {slug: frozenset(others) for slug, others in barred.items()}
