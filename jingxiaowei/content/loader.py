"""From files to a :class:`Library`: reading, schema, and the references between files.

Everything that is wrong is found in one go; a library is made only when nothing is.
"""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError

from jingxiaowei.content.model import (
    Agency,
    Area,
    Calendar,
    Command,
    ConceptKind,
    EmergencyKind,
    FaqEntry,
    JudgeWeights,
    Lexicon,
    Library,
    Signpost,
    SmallTalk,
    Voice,
    Window,
)
from jingxiaowei.content.normalise import compact
from jingxiaowei.content.source import Document, Level, Problem, read_document, yaml_files
from jingxiaowei.content.taught import Taught, read_taught, untaught
from jingxiaowei.errors import ContentError
from jingxiaowei.settings import Settings

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


def parse_value(
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


def read_shelved(shelf: Shelf, path: Path) -> Document | None:
    """A file's document; what is wrong with it goes on the shelf."""
    doc, problems = read_document(path)
    shelf.problems.extend(problems)
    return doc


def _list_of(
    shelf: Shelf, folder: Path, files: Sequence[Path], kind: str, model: type[Model]
) -> dict[str, Model]:
    """All items of list files by id; a repeated id is an error at its second place."""
    found: dict[str, Model] = {}
    if not files:
        shelf.problems.append(Problem(str(folder), 1, Level.ERROR, "没有找到任何 YAML 文件"))
    for file in files:
        doc = read_shelved(shelf, file)
        if doc is None:
            continue
        if not isinstance(doc.value, list):
            if doc.value is not None:
                shelf.error(doc, (), "整个文件要写成列表，每条以“- ”开头")
            continue
        for i, item in enumerate(doc.value):
            parsed = parse_value(shelf, doc, (i,), item, model)
            if parsed is not None:
                _place(shelf, doc, (i,), kind, parsed, found)
    return found


def _place(
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


def _sections(
    shelf: Shelf, path: Path, models: Mapping[str, type[BaseModel]]
) -> dict[str, dict[str, Any]]:
    """A file of named lists, each with its own model."""
    sections: dict[str, dict[str, Any]] = {name: {} for name in models}
    doc = read_shelved(shelf, path)
    if doc is None:
        return sections
    if not isinstance(doc.value, dict):
        shelf.error(doc, (), f"要写成 {'、'.join(models)} 几段")
        return sections
    for name, model in models.items():
        for i, item in enumerate(doc.value.get(name) or ()):
            parsed = parse_value(shelf, doc, (name, i), item, model)
            if parsed is not None:
                _place(shelf, doc, (name, i), name, parsed, sections[name])
    return sections


def _lexicon(shelf: Shelf, folder: Path) -> Lexicon:
    """The concept words; one word belongs to one concept."""
    words: dict[str, str] = {}
    kinds: dict[str, ConceptKind] = {}
    names: dict[str, str] = {}
    for file in yaml_files(folder):
        if file.parent != folder:
            continue  # the practice is large, and nothing that the bot needs to run
        doc = read_shelved(shelf, file)
        if doc is None or not isinstance(doc.value, dict) or "concepts" not in doc.value:
            continue  # the folder's other files have their own readers
        kind = doc.value.get("kind")
        if kind not in get_args(ConceptKind):
            shelf.error(doc, ("kind",), f"kind 要是 {'、'.join(get_args(ConceptKind))} 之一")
            continue
        for slug, forms in (doc.value["concepts"] or {}).items():
            path = ("concepts", slug)
            if slug in kinds:
                shelf.error(doc, path, f"概念“{slug}”写了两次")
            elif not isinstance(forms, list) or not forms:
                shelf.error(doc, path, f"概念“{slug}”要列出至少一个词")
            else:
                kinds[slug], names[slug] = cast(ConceptKind, kind), str(forms[0])
                for i, form in enumerate(forms):
                    owner = words.setdefault(compact(str(form)), slug)
                    if owner != slug:
                        text = f"“{form}”已经属于概念“{owner}”"
                        shelf.error(doc, (*path, i), text)
    if not kinds:
        shelf.problems.append(Problem(str(folder), 1, Level.ERROR, "没有找到概念词典"))
    return Lexicon(words, kinds, names)


def _voice(shelf: Shelf, folder: Path) -> dict[str, Voice]:
    found: dict[str, Voice] = {}
    for file in yaml_files(folder):
        doc = read_shelved(shelf, file)
        if doc is None or not isinstance(doc.value, dict):
            continue
        for key, item in doc.value.items():
            parsed = parse_value(shelf, doc, (key,), item, Voice)
            if parsed is not None:
                found[key] = parsed
                shelf.places["voice", key] = (doc, (key,))
    return found


def _whole(shelf: Shelf, path: Path, model: type[Model]) -> Model | None:
    """A file that is one thing."""
    doc = read_shelved(shelf, path)
    if doc is None:
        return None
    shelf.places[path.stem, path.stem] = (doc, ())
    return parse_value(shelf, doc, (), doc.value, model)


def _taught(shelf: Shelf, path: Path) -> Taught:
    try:
        return read_taught(path)
    except ContentError as error:
        shelf.problems.append(Problem(str(path), 1, Level.ERROR, str(error)))
        return untaught()


@cache
def placeholders(text: str) -> tuple[str, ...]:
    """The names in braces of a text.

    Raises:
        ValueError: a brace without its partner.
    """
    return tuple(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def read_library(settings: Settings) -> tuple[Library, Shelf]:
    """Read every content folder. The library may be partial: look at the shelf's problems."""
    shelf = Shelf()
    lexicon_dir, county = settings.lexicon_dir, settings.county_dir
    talk = _sections(
        shelf,
        lexicon_dir / "talk.yaml",
        {"smalltalk": SmallTalk, "commands": Command, "signposts": Signpost, "agencies": Agency},
    )
    faq = settings.faq_dir
    entries = _list_of(shelf, faq, yaml_files(faq), "faq", FaqEntry)
    library = Library(
        entries=tuple(entries.values()),
        lexicon=_lexicon(shelf, lexicon_dir),
        windows=_list_of(shelf, county, [county / "windows.yaml"], "window", Window),
        areas=_list_of(shelf, county, [county / "areas.yaml"], "area", Area),
        calendar=_whole(shelf, county / "calendar.yaml", Calendar) or Calendar(),
        emergencies=tuple(
            _list_of(
                shelf, lexicon_dir, [lexicon_dir / "emergency.yaml"], "emergency", EmergencyKind
            ).values()
        ),
        smalltalk=tuple(talk["smalltalk"].values()),
        commands=tuple(talk["commands"].values()),
        signposts=tuple(talk["signposts"].values()),
        agencies=tuple(talk["agencies"].values()),
        voice=_voice(shelf, settings.voice_dir),
        judge=_whole(shelf, lexicon_dir / "judge.yaml", JudgeWeights)
        or JudgeWeights(choice={}, scope={}, bias=0.0),
        taught=_taught(shelf, lexicon_dir / "taught.npz"),
        unit_name=settings.unit_name,
        by_id=entries,
    )
    return library, shelf
