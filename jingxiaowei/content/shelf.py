"""What was read so far, and what is wrong with it: values with the lines they stand on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from jingxiaowei.content.source import Document, Level, Problem, read_document

Model = TypeVar("Model", bound=BaseModel)

# What pydantic says, in the admin's language; anything else is passed on as it is.
_SAYS: Mapping[str, str] = {
    "missing": "缺少“{name}”",
    "string_type": "“{name}”要写文字",
    "string_too_short": "“{name}”是空的",
    "string_too_long": "“{name}”太长",
    "string_pattern_mismatch": "“{name}”的写法不对：{input}",
    "tuple_type": "“{name}”要写成列表",
    "too_short": "“{name}”至少写一条",
    "enum": "“{name}”不能是 {input}，只能是 {expected}",
    "date_from_datetime_parsing": "“{name}”不是日期：{input}",
    "date_parsing": "“{name}”不是日期：{input}",
    "date_type": "“{name}”不是日期：{input}",
    "model_type": "“{name}”要写成若干“名字: 值”",
    "value_error": "“{name}”{error}",
}


@dataclass(slots=True)
class Shelf:
    """What was read so far: values with where they stand, and what is wrong."""

    problems: list[Problem] = field(default_factory=list)
    places: dict[tuple[str, str], tuple[Document, tuple[str | int, ...]]] = field(
        default_factory=dict
    )

    def add(self, doc: Document, path: tuple[str | int, ...], level: Level, text: str) -> None:
        self.problems.append(Problem(doc.file, doc.line(path), level, text))

    def error(self, doc: Document, path: tuple[str | int, ...], text: str) -> None:
        self.add(doc, path, Level.ERROR, text)

    def at(self, kind: str, key: str, *path: str | int) -> tuple[str, int]:
        """File and line of a value that was read, or of a path inside it."""
        doc, base = self.places[kind, key]
        return doc.file, doc.line((*base, *path))

    def report_file(self, file: str, text: str) -> None:
        """An error of a file as a whole."""
        self.problems.append(Problem(file, 1, Level.ERROR, text))

    def report(self, level: Level, text: str, kind: str, key: str, *path: str | int) -> None:
        file, line = self.at(kind, key, *path)
        self.problems.append(Problem(file, line, level, text))


def _explain(error: Mapping[str, Any]) -> str:
    template = _SAYS.get(str(error["type"]))
    if template is None:
        return str(error["msg"])
    context = error.get("ctx") or {}
    return template.format(
        name=".".join(str(part) for part in error["loc"]) or "这一条",
        input=error.get("input"),
        expected=context.get("expected", ""),
        error=context.get("error", ""),
    )


def parse(
    shelf: Shelf, doc: Document, path: tuple[str | int, ...], value: Any, model: type[Model]
) -> Model | None:
    """One value as a model; each error at its own line, an unknown name as a warning."""
    try:
        parsed = model.model_validate(value)
    except ValidationError as errors:
        for error in errors.errors(include_url=False):
            shelf.error(doc, (*path, *error["loc"]), _explain(error))
        return None
    _warn_extras(shelf, doc, path, parsed)
    return parsed


def _warn_extras(shelf: Shelf, doc: Document, path: tuple[str | int, ...], value: object) -> None:
    if not isinstance(value, BaseModel):
        return
    for name in value.model_extra or ():
        shelf.add(doc, (*path, name), Level.WARNING, f"不认识“{name}”，这一项不起作用")
    for name in type(value).model_fields:
        _warn_extras(shelf, doc, (*path, name), getattr(value, name))


def read(shelf: Shelf, path: Path) -> Document | None:
    doc, problems = read_document(path)
    shelf.problems.extend(problems)
    return doc


def list_of(
    shelf: Shelf, folder: Path, files: Sequence[Path], kind: str, model: type[Model]
) -> dict[str, Model]:
    """All items of list files by id; a repeated id is an error at its second place."""
    found: dict[str, Model] = {}
    if not files:
        shelf.problems.append(Problem(str(folder), 1, Level.ERROR, "没有找到任何 YAML 文件"))
    for file in files:
        doc = read(shelf, file)
        if doc is None:
            continue
        if not isinstance(doc.value, list):
            if doc.value is not None:
                shelf.error(doc, (), "整个文件要写成列表，每条以“- ”开头")
            continue
        for i, item in enumerate(doc.value):
            parsed = parse(shelf, doc, (i,), item, model)
            if parsed is not None:
                place(shelf, doc, (i,), kind, parsed, found)
    return found


def place(
    shelf: Shelf,
    doc: Document,
    path: tuple[str | int, ...],
    kind: str,
    parsed: Model,
    found: dict[str, Model],
) -> None:
    key = str(parsed.id)  # type: ignore[attr-defined]
    if key in found:
        file, line = shelf.at(kind, key)
        shelf.error(doc, (*path, "id"), f"id “{key}”重复，{file} 第 {line} 行已有")
        return
    found[key] = parsed
    shelf.places[kind, key] = (doc, path)


def whole(shelf: Shelf, path: Path, model: type[Model]) -> Model | None:
    """A file that is one thing."""
    doc = read(shelf, path)
    if doc is None:
        return None
    shelf.places[path.stem, path.stem] = (doc, ())
    return parse(shelf, doc, (), doc.value, model)
