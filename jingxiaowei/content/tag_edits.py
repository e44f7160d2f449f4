"""Changing ``tags/*.yaml`` as an admin would by hand: the text, its comments and its order stay."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import yaml

from jingxiaowei.content.source import yaml_files
from jingxiaowei.errors import ContentError

_Fields = dict[str, tuple[yaml.Node, yaml.Node]]  # key and value by name


@dataclass(frozen=True, slots=True)
class Edit:
    """What is done to the tags ``sources``.

    Attributes:
        target: the tag that what names them is to name instead; empty: nothing does any more.
        renamed: the one source becomes the target where it stands; else they go.
        group: the slug of the group that the one source moves to; then nothing else changes.
    """

    sources: tuple[str, ...]
    target: str = ""
    renamed: bool = False
    group: str = ""


@dataclass
class _Page:
    """A file: its text, its nodes, and what is to be changed."""

    path: Path
    text: str
    head: _Fields
    starts: list[int]  # of the lines
    changes: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def tags(self) -> list[yaml.MappingNode]:
        return [node for node in self.head["tags"][1].value if isinstance(node, yaml.MappingNode)]

    def put(self, start: int, end: int, text: str) -> None:
        self.changes.append((start, end, text))

    def put_node(self, node: yaml.Node, text: str) -> None:
        self.put(self._at(node.start_mark), self._at(_last(node)), text)

    def drop(self, first: yaml.Node, last: yaml.Node) -> None:
        """Whole lines, from where one node begins to where another ends."""
        self.put(self.starts[first.start_mark.line], self.starts[_last(last).line + 1], "")

    def span(self, tag: yaml.MappingNode) -> tuple[int, int]:
        """A tag's lines, with the comment right above it and the blank line before that."""
        line, end = tag.start_mark.line, self.starts[_last(tag).line + 1]
        while line and self._line(line - 1).startswith("#"):
            line -= 1
        if line and not self._line(line - 1):
            line -= 1
        return self.starts[line], end

    def result(self) -> str:
        text = self.text
        for start, end, new in sorted(self.changes, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _line(self, line: int) -> str:
        return self.text[self.starts[line] : self.starts[line + 1]].strip()

    def _at(self, mark: yaml.Mark) -> int:
        return self.starts[mark.line] + mark.column


def edited(folder: Path, edit: Edit) -> Mapping[Path, tuple[str, str]]:
    """The files that change: each one's text now, and as it would be.

    Raises:
        ContentError: a file cannot be read, or what is to be changed stands in none.
    """
    pages = [_page(path) for path in yaml_files(folder)]
    here = {
        slug: (page, tag)
        for page in pages
        for tag in page.tags
        if (slug := _slug(tag)) in edit.sources
    }
    if edit.group:
        _move(pages, here, edit)
    else:
        for page, tag in here.values():
            if edit.renamed:
                page.put_node(_fields(tag)["slug"][1], edit.target)
            else:
                page.put(*page.span(tag), "")
        for page in pages:
            _rename(page, edit)
    found = {page.path: (page.text, page.result()) for page in pages}
    return {path: texts for path, texts in found.items() if texts[0] != texts[1]}


def _page(path: Path) -> _Page:
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ContentError(f"{path.name} 读不出来，先用 jingxiaowei check 查。") from error
    if not isinstance(node, yaml.MappingNode) or "tags" not in _fields(node):
        raise ContentError(f"{path.name} 不是标签文件，先用 jingxiaowei check 查。")
    if not text.endswith("\n"):
        text += "\n"
    starts = list(accumulate(map(len, text.splitlines(keepends=True)), initial=0))
    return _Page(path, text, _fields(node), starts)


def _move(
    pages: Sequence[_Page], here: Mapping[str, tuple[_Page, yaml.MappingNode]], edit: Edit
) -> None:
    """The lines of a tag behind the last tag of another group."""
    to = next((page for page in pages if str(page.head["slug"][1].value) == edit.group), None)
    if to is None or not here or not to.tags:
        raise ContentError("tags 文件里没有这个标签或这个组。")
    [(page, tag)] = here.values()
    if page is to:
        return
    start, end = page.span(tag)
    page.put(start, end, "")
    last = to.tags[-1]
    deeper = last.start_mark.column - tag.start_mark.column
    lines = [_indented(line, deeper) for line in page.text[start:end].splitlines(keepends=True)]
    end = to.span(last)[1]
    to.put(end, end, "".join(lines))


def _indented(line: str, deeper: int) -> str:
    if not line.strip():
        return line
    return " " * deeper + line if deeper > 0 else line[-deeper:]


def _rename(page: _Page, edit: Edit) -> None:
    """What the others say of the sources: 几选一, excludes, part_of."""
    if "one_of" in page.head:
        key, choices = page.head["one_of"]
        kept = [_listed(choice, edit, "") for choice in choices.value]
        if not any(len(names) > 1 for names in kept):
            page.drop(key, choices)
        else:
            for choice, names in zip(choices.value, kept, strict=True):
                if len(names) < 2:
                    page.drop(choice, choice)
                elif names != [each.value for each in choice.value]:
                    page.put_node(choice, f"[{', '.join(names)}]")
    for tag in page.tags:
        slug, fields = _slug(tag), _fields(tag)
        if slug in edit.sources and not edit.renamed:
            continue  # it goes as a whole
        for name in ("excludes", "part_of"):
            if name not in fields:
                continue
            key, value = fields[name]
            names = _listed(value, edit, slug)
            if names == _values(value):
                continue
            if not names:
                page.drop(key, value)
            elif isinstance(value, yaml.ScalarNode):
                page.put_node(value, names[0])
            else:
                page.put_node(value, f"[{', '.join(names)}]")


def _listed(node: yaml.Node, edit: Edit, own: str) -> list[str]:
    """The slugs of a list as they are to stand, each once; a tag does not name itself."""
    changed = (edit.target if each in edit.sources else each for each in _values(node))
    return [each for each in dict.fromkeys(changed) if each and each != own]


def _values(node: yaml.Node) -> list[str]:
    nodes = [node] if isinstance(node, yaml.ScalarNode) else node.value
    return [str(each.value) for each in nodes if each.value]


def _fields(node: yaml.MappingNode) -> _Fields:
    return {str(key.value): (key, value) for key, value in node.value}


def _slug(tag: yaml.MappingNode) -> str:
    fields = _fields(tag)
    return str(fields["slug"][1].value) if "slug" in fields else ""


def _last(node: yaml.Node) -> yaml.Mark:
    """Where a node's own text ends: a block's mark stands behind blank lines and comments."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return node.end_mark
    return max((_last(part) for part in _parts(node)), key=lambda mark: (mark.line, mark.column))


def _parts(node: yaml.CollectionNode) -> Iterator[yaml.Node]:
    for part in node.value:
        if isinstance(part, tuple):
            yield from part
        else:
            yield part
