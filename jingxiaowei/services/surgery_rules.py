"""What else names a tag: saved audiences and the taxonomy's own rules."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jingxiaowei.content.tag_model import Taxonomy

# A slug that is no field (area:…) and no part of another word. The expression was stored in its
# normal form, so that one with tags that are gone can still be changed though not be parsed.
_SLUG = re.compile(r"(?<![\w:-])[a-z][a-z0-9_]*(?![\w:-])")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """An expression with its tags exchanged, and the tags that it names."""

    text: str
    tags: tuple[str, ...]


def rewritten(expression: str, slugs: Mapping[str, str] | None = None) -> Rewritten:
    """A saved expression with other slugs in it."""
    given = slugs or {}
    text = _SLUG.sub(lambda m: given.get(m[0], m[0]), expression)
    return Rewritten(text, tuple(_SLUG.findall(expression)))


def rules_about(taxonomy: Taxonomy, slugs: Collection[str]) -> tuple[str, ...]:
    """What the taxonomy says of tags, line by line: it is mended in the YAML."""
    wanted, lines = set(slugs), []
    for group in taxonomy.groups:
        for choice in group.one_of:
            named = sorted(wanted & set(choice))
            lines += [f"{group.name}：“{slug}”在单选一组里" for slug in named]
        for tag in group.tags:
            lines += [f"“{tag.name}”和“{s}”互斥" for s in tag.excludes if s in wanted]
            if tag.slug in wanted and tag.suggested_by.facts:
                lines.append(f"“{tag.name}”由问答 {'、'.join(tag.suggested_by.facts)} 建议")
            if tag.slug in wanted and tag.suggested_by.says:
                lines.append(f"“{tag.name}”由 {len(tag.suggested_by.says)} 句话建议")
    return tuple(lines)
