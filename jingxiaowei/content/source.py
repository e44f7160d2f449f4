"""Reading YAML so that every value knows the line it stands on.

PyYAML's C parser does the work (the pure Python ones need seconds for the shipped files); its
node tree keeps the line marks that a checker needs and that ``yaml.load`` throws away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

Path_ = tuple[str | int, ...]


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something to mend in a content file, and where."""

    file: str
    line: int
    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: plain values, and the line of each path into them."""

    file: str
    value: Any
    lines: dict[Path_, int]

    def line(self, path: Path_) -> int:
        """The line of a path, or of the nearest thing around it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Reader:
    """Turns a node tree into plain values, noting lines and duplicate keys."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path_, int] = {}
        self.problems: list[Problem] = []
        # The constructor turns scalars into int, bool, date … exactly as yaml.safe_load would.
        self._scalars = yaml.SafeLoader("")

    def read(self, node: yaml.Node, path: Path_ = ()) -> Any:
        self.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*path, i)) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, path))
        try:
            return self._scalars.construct_object(node)
        except (ValueError, yaml.YAMLError):
            self._error(node, f"{node.value!r} 不是有效的值")
            return None

    def _pairs(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, Any]]:
        seen = set()
        for key_node, child in node.value:
            key = str(key_node.value)
            if key in seen:
                self._error(key_node, f"“{key}”写了两次")
                continue
            seen.add(key)
            yield key, self.read(child, (*path, key))

    def _error(self, node: yaml.Node, message: str) -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(self.file, line, Level.ERROR, message))


def read_document(path: Path) -> tuple[Document | None, list[Problem]]:
    """Parse one file; a file that is no YAML gives no document and says where it broke."""
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None, [Problem(file, 1, Level.ERROR, "文件不是 UTF-8 编码，请另存为 UTF-8")]
    except OSError as error:
        return None, [Problem(file, 1, Level.ERROR, f"文件读不出来：{error.strerror}")]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        return None, [Problem(file, line, Level.ERROR, f"YAML 写法不对：{error.problem}")]
    except yaml.YAMLError as error:
        return None, [Problem(file, 1, Level.ERROR, f"YAML 写法不对：{error}")]
    reader = _Reader(file)
    value = reader.read(node) if node is not None else None
    return Document(file, value, reader.lines), reader.problems


def yaml_files(folder: Path) -> list[Path]:
    """The YAML files under a folder in a fixed order, without hidden ones (editors' backups)."""
    if not folder.is_dir():
        return []
    found = (*folder.rglob("*.yaml"), *folder.rglob("*.yml"))
    return sorted(path for path in found if not path.name.startswith("."))
