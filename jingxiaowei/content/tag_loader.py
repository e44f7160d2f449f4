"""Reading ``tags/``: one group a file."""

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
        group = parse(shelf, doc, (), doc.value, TagGroup)
        if group is None or not _new(shelf, doc, "tag_group", group.slug, ()):
            continue
        kept = []
        for i, tag in enumerate(group.tags):
            if _new(shelf, doc, "tag", tag.slug, ("tags", i)):
                more = {"group": group.slug, "minors": group.minors_allowed}
                kept.append(tag.model_copy(update=more))
                by_slug[tag.slug] = kept[-1]
        groups.append(group.model_copy(update={"tags": tuple(kept)}))
    return Taxonomy(tuple(groups), by_slug, speakers)


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
