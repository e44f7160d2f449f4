"""标签组、标签: what may be noted of a resident, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tag:
    slug: str
    name: str
    definition: str = ""
    applied_by: tuple[str, ...] = ("police", "auxiliary", "resident")
    purposes: tuple[str, ...] = ("service",)
    expires_days: int | None = 365
    sensitivity: str = "general"
    excludes: tuple[str, ...] = ()
    minors: bool = False


@dataclass(frozen=True, slots=True)
class TagGroup:
    slug: str
    name: str
    tags: tuple[Tag, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Taxonomy:
    groups: tuple[TagGroup, ...] = ()
    by_slug: Mapping[str, Tag] = field(default_factory=dict)

    def group_of(self, slug: str) -> TagGroup:
        return next(g for g in self.groups if any(t.slug == slug for t in g.tags))

    def conflicts(self, slug: str) -> frozenset[str]:
        found = set()
        for g in self.groups:
            for choice in g.one_of:
                if slug in choice:
                    found |= set(choice) - {slug}
        return frozenset(found)
