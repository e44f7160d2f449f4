"""圈人: a small language that says who belongs to an audience, over tags, area and last contact.

    (finance_staff OR business_owner) AND NOT warned_recently AND area:wuyuan
    （财务人员 或 企业负责人）且 非 近期已预警 且 contacted_within:30d

NOT binds before AND, AND before OR. Whoever has chosen 不接收宣传 (``opt_out``) is never part of
an audience, whatever it says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from jingxiaowei.content.tag_model import OPT_OUT, Taxonomy


@dataclass(frozen=True, slots=True)
class Person:
    """What an audience asks of a resident.

    Attributes:
        tags: slugs of the tags in force.
        area: the id of the area; empty: unknown.
        days_since_contact: since the resident last wrote or was spoken to; None: never.
    """

    tags: frozenset[str] = frozenset()
    area: str = ""
    days_since_contact: float | None = None


@dataclass(frozen=True, slots=True)
class Has:
    """The tag is in force."""

    slug: str


@dataclass(frozen=True, slots=True)
class InArea:
    """The resident belongs to an area."""

    area: str


@dataclass(frozen=True, slots=True)
class ContactedWithin:
    """There was contact in the last so many days."""

    days: int


@dataclass(frozen=True, slots=True)
class Not:
    of: "Expression"


@dataclass(frozen=True, slots=True)
class And:
    of: tuple["Expression", ...]  # two or more


@dataclass(frozen=True, slots=True)
class Or:
    of: tuple["Expression", ...]  # two or more


Atom = Has | InArea | ContactedWithin
Expression = Atom | Not | And | Or


@dataclass(frozen=True, slots=True)
class Test:
    """One question to the store: a tag's slug, an area's id, or days since the last contact."""

    __test__ = False  # no test of pytest's

    kind: Literal["tag", "area", "contacted"]
    value: str | int
    wanted: bool  # False: it must not hold


@dataclass(frozen=True, slots=True)
class AllOf:
    of: tuple["Clause", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    of: tuple["Clause", ...]


# 标准式: negations stand at the tests, and no clause directly holds one of its own kind.
Clause = Test | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an explanation: how deep it stands, what it says, whether it is so.

    A person is in the audience exactly when all lines of depth 0 hold.
    """

    depth: int
    says: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Audience:
    """An expression with the taxonomy that it was written for."""

    expression: Expression
    taxonomy: Taxonomy

    def __str__(self) -> str:
        """The expression in slugs; parsing it gives the same expression."""
        return show(self.expression)

    def holds(self, person: Person) -> bool:
        """Whether a person belongs to it."""
        return OPT_OUT not in person.tags and _holds(self.expression, self._widened(person))

    def explain(self, person: Person) -> tuple[Line, ...]:
        """Why a person is in or out, from the whole to its parts."""
        free = OPT_OUT not in person.tags
        first = Line(0, "没有选“不接收宣传”" if free else "选了“不接收宣传”，总不在内", free)
        person = self._widened(person)
        return (first, *_explain(self.expression, person, self.taxonomy, 0))

    def _widened(self, person: Person) -> Person:
        """Who has a narrower tag counts as having the wider one."""
        narrower = self.taxonomy.narrower
        wider = {slug for slug, part in narrower.items() if part in person.tags}
        return replace(person, tags=person.tags | wider) if wider else person

    def to_clauses(self) -> Clause:
        """The normal form for a query; that nobody has opted out is part of it."""
        opted = Test("tag", OPT_OUT, False)
        clause = _normal(_with_narrower(self.expression, self.taxonomy.narrower), True)
        parts = clause.of if isinstance(clause, AllOf) else (clause,)
        rest = tuple(part for part in parts if part != opted)
        return AllOf((opted, *rest)) if rest else opted

    def tags(self) -> frozenset[str]:
        """The tags that it asks about: what a role must be allowed to search by."""
        return frozenset(atom.slug for atom in _atoms(self.expression) if isinstance(atom, Has))

    def areas(self) -> frozenset[str]:
        """The areas that it names."""
        return frozenset(atom.area for atom in _atoms(self.expression) if isinstance(atom, InArea))

    def renamed(self, slugs: Mapping[str, str], taxonomy: Taxonomy) -> "Audience":
        """The same with other slugs, for tags that were renamed or merged."""
        return Audience(_renamed(self.expression, slugs), taxonomy)


def show(expression: Expression) -> str:
    """An expression as text, in slugs, with no more brackets than it needs."""
    match expression:
        case Has(slug):
            return slug
        case InArea(area):
            return f"area:{area}"
        case ContactedWithin(days):
            return f"contacted_within:{days}d"
        case Not(of):
            return f"NOT {_bracketed(of, And | Or)}"
        case And(parts):
            return " AND ".join(_bracketed(part, And | Or) for part in parts)
        case Or(parts):
            return " OR ".join(_bracketed(part, Or) for part in parts)


def _bracketed(expression: Expression, kinds: object) -> str:
    text = show(expression)
    return f"({text})" if isinstance(expression, kinds) else text  # type: ignore[arg-type]


def _holds(expression: Expression, person: Person) -> bool:
    match expression:
        case Has(slug):
            return slug in person.tags
        case InArea(area):
            return person.area == area
        case ContactedWithin(days):
            return person.days_since_contact is not None and person.days_since_contact <= days
        case Not(of):
            return not _holds(of, person)
        case And(parts):
            return all(_holds(part, person) for part in parts)
        case Or(parts):
            return any(_holds(part, person) for part in parts)


def _explain(
    expression: Expression, person: Person, taxonomy: Taxonomy, depth: int
) -> Iterator[Line]:
    holds = _holds(expression, person)
    match expression:
        case Not(of):
            yield Line(depth, "下面这条不能成立", holds)
            yield from _explain(of, person, taxonomy, depth + 1)
        case And(parts) | Or(parts):
            says = "下面每条都要成立" if isinstance(expression, And) else "下面成立一条就行"
            yield Line(depth, says, holds)
            for part in parts:
                yield from _explain(part, person, taxonomy, depth + 1)
        case _:
            yield Line(depth, _fact(expression, person, taxonomy), holds)


def _fact(atom: Atom, person: Person, taxonomy: Taxonomy) -> str:
    """What is asked, and how it is."""
    match atom:
        case Has(slug):
            tag = taxonomy.by_slug.get(slug)
            return f"“{tag.name if tag else slug}”：{'有' if slug in person.tags else '没有'}"
        case InArea(area):
            return f"辖区是 {area}：{'是' if person.area == area else person.area or '还不知道'}"
        case ContactedWithin(days):
            since = person.days_since_contact
            last = "从没联系过" if since is None else f"上次是 {int(since)} 天前"
            return f"{days} 天内联系过：{last}"


def _with_narrower(expression: Expression, narrower: Mapping[str, str]) -> Expression:
    """A wider tag means the narrower one as well."""
    match expression:
        case Has(slug) if slug in narrower:
            return Or((expression, Has(narrower[slug])))
        case Not(of):
            return Not(_with_narrower(of, narrower))
        case And(parts) | Or(parts):
            return type(expression)(tuple(_with_narrower(part, narrower) for part in parts))
        case _:
            return expression


def _normal(expression: Expression, wanted: bool) -> Clause:
    match expression:
        case Has(slug):
            return Test("tag", slug, wanted)
        case InArea(area):
            return Test("area", area, wanted)
        case ContactedWithin(days):
            return Test("contacted", days, wanted)
        case Not(of):
            return _normal(of, not wanted)
        case And(parts) | Or(parts):
            # De Morgan: a denied AND is an OR of denied parts.
            kind = AllOf if isinstance(expression, And) is wanted else AnyOf
            found: dict[Clause, None] = {}
            for part in parts:
                clause = _normal(part, wanted)
                inner = clause.of if isinstance(clause, kind) else (clause,)
                found.update(dict.fromkeys(inner))
            return kind(tuple(found)) if len(found) > 1 else next(iter(found))


def _atoms(expression: Expression) -> Iterator[Atom]:
    match expression:
        case Not(of):
            yield from _atoms(of)
        case And(parts) | Or(parts):
            for part in parts:
                yield from _atoms(part)
        case _:
            yield expression


def _renamed(expression: Expression, slugs: Mapping[str, str]) -> Expression:
    match expression:
        case Has(slug):
            return Has(slugs.get(slug, slug))
        case Not(of):
            return Not(_renamed(of, slugs))
        case And(parts):
            return And(tuple(_renamed(part, slugs) for part in parts))
        case Or(parts):
            return Or(tuple(_renamed(part, slugs) for part in parts))
        case _:
            return expression
