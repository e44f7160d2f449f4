"""What the tags must fulfil beyond their schema: each problem at its line."""

from collections.abc import Container, Iterator

from jingxiaowei.content.normalise import compact
from jingxiaowei.content.shelf import Shelf
from jingxiaowei.content.source import Level
from jingxiaowei.content.tag_finder import GAP, CueFinder
from jingxiaowei.content.tag_forbidden import (
    Forbidden,
    ForbiddenKind,
    in_definition,
    in_name,
    in_slug,
)
from jingxiaowei.content.tag_model import GROUPS, TAGS, Applier, Tag, TagGroup, Taxonomy

NAME_CHARACTERS = 10  # what fits beside a person's name; WeCom would take 30
FOR_MINORS = frozenset({"service_need", "contact_pref"})
BY_SYSTEM = frozenset({"quiz_done"})  # a fact that the program sees happen


def check_tags(
    taxonomy: Taxonomy, forbidden: Forbidden, facts: Container[str], shelf: Shelf
) -> None:
    """Names, references, the law's limits, the forbidden kinds, and every cue on its cases."""
    if not taxonomy.groups:
        return  # the loader has said so
    for group in taxonomy.groups:
        _check_group(taxonomy, group, shelf)
        _check_words(forbidden, group, "tag_group", shelf)
    for tag in taxonomy.tags:
        _check_tag(taxonomy, tag, facts, shelf)
        _check_words(forbidden, tag, "tag", shelf)
    _check_names(taxonomy, shelf)
    _check_counts(taxonomy, shelf)
    _check_cases(taxonomy, shelf)


def _check_counts(taxonomy: Taxonomy, shelf: Shelf) -> None:
    groups, tags = len(taxonomy.groups), len(taxonomy.by_slug)
    if (groups, tags) != (GROUPS, TAGS):
        text = f"现在是 {groups} 组 {tags} 个标签，对外公布的是 {GROUPS} 组 {TAGS} 个"
        shelf.report(Level.WARNING, text, "tag_group", taxonomy.groups[0].slug)


def _check_group(taxonomy: Taxonomy, group: TagGroup, shelf: Shelf) -> None:
    def say(text: str, *path: str | int) -> None:
        shelf.report(Level.ERROR, text, "tag_group", group.slug, *path)

    if len(group.name) > NAME_CHARACTERS:
        say(f"组名超过 {NAME_CHARACTERS} 个字", "name")
    if not group.tags:
        say("这一组里没有标签", "tags")
    if group.minors_allowed and group.slug not in FOR_MINORS:
        say("14 到 17 周岁的人只能有“办事需求”和“沟通偏好”两组的标签", "minors_allowed")
    for i, choice in enumerate(group.one_of):
        if len(set(choice)) < 2 or len(set(choice)) < len(choice):
            say("几选一至少写两个不同的标签", "one_of", i)
        for j, slug in enumerate(choice):
            if slug not in taxonomy.by_slug:
                say(_unknown(taxonomy, slug), "one_of", i, j)


def _check_tag(taxonomy: Taxonomy, tag: Tag, facts: Container[str], shelf: Shelf) -> None:
    def say(text: str, *path: str | int) -> None:
        shelf.report(Level.ERROR, text, "tag", tag.slug, *path)

    if len(tag.name) > NAME_CHARACTERS:
        say(f"名称“{tag.name}”超过 {NAME_CHARACTERS} 个字", "name")
    for field in ("applied_by", "purposes"):
        values = getattr(tag, field)
        if len(set(values)) < len(values):
            say(f"“{field}”里有重复的", field)
    if Applier.SYSTEM in tag.applied_by and tag.slug not in BY_SYSTEM:
        say("标签要由人确认：只有 quiz_done 可以由系统自动写入", "applied_by")
    if tag.expires_days is None and set(tag.applied_by) != {Applier.RESIDENT}:
        say("只有居民自己选的偏好可以长期；别的要写 expires_days", "expires_days")
    for i, slug in enumerate(tag.excludes):
        if slug not in taxonomy.by_slug:
            say(_unknown(taxonomy, slug), "excludes", i)
        elif slug == tag.slug:
            say("标签不能和自己互斥", "excludes", i)
    if tag.part_of is not None:
        wider = taxonomy.by_slug.get(tag.part_of)
        if wider is None:
            say(_unknown(taxonomy, tag.part_of), "part_of")
        elif wider is tag or wider.part_of or taxonomy.narrower[wider.slug] != tag.slug:
            say("part_of 要写另一个更宽的标签，一个宽的只能有一个窄的", "part_of")
    for i, fact in enumerate(tag.suggested_by.facts):
        if fact not in facts:
            # Entries come and go: the cue sleeps, and the house starts.
            text = f"没有事实编号“{fact}”的问答，这条线索不起作用"
            shelf.report(Level.WARNING, text, "tag", tag.slug, "suggested_by", "facts", i)
    ages = tag.suggested_by.ages
    if ages is not None and not 0 <= ages[0] <= ages[1]:
        say("岁数要写成 [从, 到]，小的在前", "suggested_by", "ages")
    for i, word in enumerate(tag.suggested_by.says):
        if any(not compact(piece) for piece in word.split(GAP)) or word == "我":
            say(f"“{word}”的“…”两边都要有字", "suggested_by", "says", i)
    for i, word in enumerate(tag.suggested_by.unless):
        if GAP in word or not compact(word):
            say("unless 要写连着的字，不能有“…”", "suggested_by", "unless", i)


def _unknown(taxonomy: Taxonomy, slug: str) -> str:
    near = taxonomy.nearest(slug)
    return f"没有标签“{slug}”" + (f"，是不是“{near}”？" if near else "")


def _check_names(taxonomy: Taxonomy, shelf: Shelf) -> None:
    """One name, one tag: an audience may name a tag in Chinese."""
    owner: dict[str, str] = {}
    for tag in taxonomy.tags:
        other = owner.setdefault(compact(tag.name), tag.slug)
        if other != tag.slug:
            file, line = shelf.at("tag", other)
            text = f"名称“{tag.name}”重复，{file} 第 {line} 行（{other}）已有"
            shelf.report(Level.ERROR, text, "tag", tag.slug, "name")


def _check_words(forbidden: Forbidden, it: Tag | TagGroup, kind: str, shelf: Shelf) -> None:
    for field, found in _forbidden(forbidden, it):
        for what, word in found:
            text = f"不能有“{what.name}”一类的标签（“{word}”），见 forbidden_tags.yaml"
            if field == "definition":
                text += "；要说明不记，写“不记……”"
            shelf.report(Level.ERROR, text, kind, it.slug, field)


def _forbidden(
    forbidden: Forbidden, it: Tag | TagGroup
) -> Iterator[tuple[str, Iterator[tuple[ForbiddenKind, str]]]]:
    yield "slug", in_slug(forbidden, it.slug)
    yield "name", in_name(forbidden, it.name)
    if isinstance(it, Tag):
        yield "definition", in_definition(forbidden, it.definition)


def _check_cases(taxonomy: Taxonomy, shelf: Shelf) -> None:
    """Every case raises, or does not raise, its tag as it says."""
    finder = CueFinder(taxonomy)
    for tag in taxonomy.tags:
        cues = tag.suggested_by
        for field, wanted in (("hit", True), ("miss", False)):
            for i, text in enumerate(getattr(cues.cases, field)):
                if any(found.tag is tag for found in finder.find(text)) is not wanted:
                    says = "应该想到这个标签，却没有" if wanted else "不该想到这个标签，却想到了"
                    path = ("suggested_by", "cases", field, i)
                    shelf.report(Level.ERROR, f"“{text}”{says}", "tag", tag.slug, *path)
        if (cues.says or cues.ages) and not (cues.cases.hit and cues.cases.miss):
            text = "有线索就要有试题：该想到的、不该想到的，各写一条以上"
            shelf.report(Level.WARNING, text, "tag", tag.slug, "suggested_by")
