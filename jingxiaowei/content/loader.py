"""From files to a :class:`Library`: reading, schema, and the references between files.

Everything that is wrong is found in one go; a library is made only when nothing is.
"""

import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel

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
from jingxiaowei.content.scam_loader import read_scams
from jingxiaowei.content.shelf import Shelf, list_of, parse, place, read, whole
from jingxiaowei.content.source import Level, Problem, yaml_files
from jingxiaowei.content.tag_loader import read_forbidden, read_taxonomy
from jingxiaowei.content.taught import Taught, read_taught, untaught
from jingxiaowei.errors import ContentError
from jingxiaowei.settings import Settings


def _sections(
    shelf: Shelf, path: Path, models: Mapping[str, type[BaseModel]]
) -> dict[str, dict[str, Any]]:
    """A file of named lists, each with its own model."""
    sections: dict[str, dict[str, Any]] = {name: {} for name in models}
    doc = read(shelf, path)
    if doc is None:
        return sections
    if not isinstance(doc.value, dict):
        shelf.error(doc, (), f"要写成 {'、'.join(models)} 几段")
        return sections
    for name, model in models.items():
        for i, item in enumerate(doc.value.get(name) or ()):
            parsed = parse(shelf, doc, (name, i), item, model)
            if parsed is not None:
                place(shelf, doc, (name, i), name, parsed, sections[name])
    return sections


def _lexicon(shelf: Shelf, folder: Path) -> Lexicon:
    """The concept words; one word belongs to one concept."""
    words: dict[str, str] = {}
    kinds: dict[str, ConceptKind] = {}
    names: dict[str, str] = {}
    for file in yaml_files(folder):
        if file.parent != folder:
            continue  # the practice is large, and nothing that the bot needs to run
        doc = read(shelf, file)
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
        doc = read(shelf, file)
        if doc is None or not isinstance(doc.value, dict):
            continue
        for key, item in doc.value.items():
            parsed = parse(shelf, doc, (key,), item, Voice)
            if parsed is not None:
                found[key] = parsed
                shelf.places["voice", key] = (doc, (key,))
    return found


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
    entries = list_of(shelf, faq, yaml_files(faq), "faq", FaqEntry)
    library = Library(
        entries=tuple(entries.values()),
        lexicon=_lexicon(shelf, lexicon_dir),
        windows=list_of(shelf, county, [county / "windows.yaml"], "window", Window),
        areas=list_of(shelf, county, [county / "areas.yaml"], "area", Area),
        calendar=whole(shelf, county / "calendar.yaml", Calendar) or Calendar(),
        emergencies=tuple(
            list_of(
                shelf, lexicon_dir, [lexicon_dir / "emergency.yaml"], "emergency", EmergencyKind
            ).values()
        ),
        smalltalk=tuple(talk["smalltalk"].values()),
        commands=tuple(talk["commands"].values()),
        signposts=tuple(talk["signposts"].values()),
        agencies=tuple(talk["agencies"].values()),
        voice=_voice(shelf, settings.voice_dir),
        judge=whole(shelf, lexicon_dir / "judge.yaml", JudgeWeights)
        or JudgeWeights(choice={}, scope={}, bias=0.0),
        taught=_taught(shelf, lexicon_dir / "taught.npz"),
        scams=read_scams(shelf, settings.scams_dir),
        taxonomy=read_taxonomy(shelf, settings.tags_dir, lexicon_dir),
        forbidden=read_forbidden(shelf, lexicon_dir),
        unit_name=settings.unit_name,
        by_id=entries,
    )
    return library, shelf
