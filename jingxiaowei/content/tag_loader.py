"""Reading ``tags/``: one group a file."""

from collections.abc import Iterator
from pathlib import Path

from jingxiaowei.content.shelf import Shelf, parse, read, whole
from jingxiaowei.content.source import Document, Level, Problem, yaml_files
from jingxiaowei.content.tag_forbidden import Forbidden
from jingxiaowei.content.tag_model import Speakers, Tag, TagGroup, Taxonomy

SPEAKERS, FORBIDDEN = "speakers.yaml", "forbidden_tags.yaml"  # in the lexicon's folder


def read_taxonomy(shelf: Shelf, folder: Path, lexicon: Path) -> Taxonomy:
    """All groups; what is wrong stands on the shelf."""
    speakers = _speakers(shelf, lexicon / SPEAKERS)
    files = yaml_files(folder)
    if not files:
        text = "没有找到标签文件：要有 tags 文件夹，一组一个 YAML 文件"
        shelf.problems.append(Problem(str(folder), 1, Level.ERROR, text))
        return Taxonomy(speakers=speakers)
    groups: list[TagGroup] = []
    by_slug: dict[str, Tag] = {}
    for file in files:
        doc = read(shelf, file)
        if doc is None:
            continue
        group = _group(shelf, doc)
        if group is None or not _new(shelf, doc, "tag_group", group.slug, ()):
            continue
        tags = tuple(_tags(shelf, doc, group))
        by_slug |= {tag.slug: tag for tag in tags}
        groups.append(group.model_copy(update={"tags": tags}))
    return Taxonomy(tuple(groups), by_slug, speakers)


def _group(shelf: Shelf, doc: Document) -> TagGroup | None:
    """The group itself: its tags are read one by one, so that a broken one is named alone."""
    head = doc.value
    if isinstance(head, dict):
        head = {name: value for name, value in head.items() if name != "tags"}
    return parse(shelf, doc, (), head, TagGroup)


def _tags(shelf: Shelf, doc: Document, group: TagGroup) -> Iterator[Tag]:
    listed = doc.value.get("tags")
    if not isinstance(listed, list):
        shelf.error(doc, ("tags",), "“tags”要写成列表，每个标签以“- ”开头")
        return
    for i, item in enumerate(listed):
        tag = parse(shelf, doc, ("tags", i), item, Tag)
        if tag is not None and _new(shelf, doc, "tag", tag.slug, ("tags", i)):
            yield tag.model_copy(update={"group": group.slug, "minors": group.minors_allowed})


def _new(shelf: Shelf, doc: Document, kind: str, slug: str, path: tuple[str | int, ...]) -> bool:
    """Whether a slug stands here for the first time; its place is noted."""
    if (kind, slug) in shelf.places:
        file, line = shelf.at(kind, slug)
        shelf.error(doc, (*path, "slug"), f"代号“{slug}”重复，{file} 第 {line} 行已有")
        return False
    shelf.places[kind, slug] = (doc, path)
    return True


def read_forbidden(shelf: Shelf, lexicon: Path) -> Forbidden:
    """What no tag may say. Without the list nothing is forbidden, so its absence is an error."""
    return whole(shelf, lexicon / FORBIDDEN, Forbidden) or Forbidden()


def _speakers(shelf: Shelf, path: Path) -> Speakers:
    return whole(shelf, path, Speakers) or Speakers()
