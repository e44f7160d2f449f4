"""禁止标签: what no tag, and no officer's note beside one, may say of a person."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from pydantic import BaseModel, ConfigDict

from jingxiaowei.content import syllables
from jingxiaowei.content.normalise import compact, normalise
from jingxiaowei.content.tag_model import Said, TagSlug, Words

_CLAUSE = re.compile(r"[,。;!?()\n]")  # of a normalised text
_LATIN = re.compile("[a-z]{2,}")
_ALWAYS = 3  # a word of so many syllables is known by its sound whatever it is


class ForbiddenKind(BaseModel):
    """A kind of thing that no tag may say.

    Attributes:
        words: its words. slugs: beginnings of English words in a slug.
        sounds: words of two characters that are known by their sound as well.
        spared: what looks or sounds like one of the words and is something else.
        noted: what must not stand in an officer's note either, as it is written; ``#`` is a
            digit. Fewer: 教会 is a word of every day there.
    """

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    id: TagSlug
    name: Words
    words: tuple[Said, ...]
    slugs: tuple[TagSlug, ...] = ()
    sounds: tuple[Said, ...] = ()
    spared: tuple[Said, ...] = ()
    noted: tuple[Said, ...] = ()


class Forbidden(BaseModel):
    """The whole list.

    Attributes:
        denials: words behind which a definition may name a forbidden thing: 不记病情.
    """

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    denials: tuple[Said, ...] = ()
    kinds: tuple[ForbiddenKind, ...] = ()

    @cached_property
    def looks(self) -> tuple["_Look", ...]:
        """The words of each kind in the forms that are compared; made once."""
        return tuple(_look(kind) for kind in self.kinds)

    @cached_property
    def noted(self) -> re.Pattern[str]:
        """What no note may hold, in one pattern over compact text; a spared word comes first."""
        words = (word.split("#") for kind in self.kinds for word in kind.noted)
        known = "|".join(r"\d".join(re.escape(compact(part)) for part in word) for word in words)
        spared = "|".join(re.escape(compact(it)) for kind in self.kinds for it in kind.spared)
        return re.compile(f"(?:{spared or '(?!)'})|({known or '(?!)'})")


@dataclass(frozen=True, slots=True)
class _Look:
    """A kind's words: as they are written, and as they sound."""

    kind: ForbiddenKind
    written: tuple[str, ...]
    heard: Mapping[
        str, str
    ]  # " 17 4711 ", by the sounds of 信访, → 信访: those that homophones may stand for
    typed: Mapping[str, str]  # the same of all words: pinyin is no accident
    spared: tuple[str, ...]


def _look(kind: ForbiddenKind) -> _Look:
    written = tuple(compact(word) for word in (*kind.words, *kind.sounds))
    typed = {sound: word for word in written if _length(sound := _spelt(word)) > 1}
    chosen = {compact(word) for word in kind.sounds}
    heard = {
        sound: word for sound, word in typed.items() if word in chosen or _length(sound) >= _ALWAYS
    }
    return _Look(kind, written, heard, typed, tuple(compact(word) for word in kind.spared))


def in_name(forbidden: Forbidden, name: str) -> Iterator[tuple[ForbiddenKind, str]]:
    """What a name says that it may not: each kind once, with the word."""
    yield from _look_through(forbidden, [compact(name)])


def in_slug(forbidden: Forbidden, slug: str) -> Iterator[tuple[ForbiddenKind, str]]:
    """What a slug says in English or in pinyin."""
    yield from _look_through(forbidden, [slug, compact(slug)])


def in_definition(forbidden: Forbidden, definition: str) -> Iterator[tuple[ForbiddenKind, str]]:
    """What a definition says; what it says is *not* kept is fine."""
    denials = [compact(word) for word in forbidden.denials]
    said = []
    for clause in map(compact, _CLAUSE.split(normalise(definition))):
        denied = min((at for word in denials if (at := clause.find(word)) >= 0), default=None)
        said.append(clause[:denied])
    yield from _look_through(forbidden, said)


def in_note(forbidden: Forbidden, note: str) -> str:
    """The first thing in an officer's note that must not stand there; empty where none does."""
    return next((it[1] for it in forbidden.noted.finditer(compact(note)) if it[1]), "")


def _look_through(
    forbidden: Forbidden, texts: Sequence[str]
) -> Iterator[tuple[ForbiddenKind, str]]:
    for look in forbidden.looks:
        word = next(filter(None, (_word(look, text) for text in texts)), "")
        if word:
            yield look.kind, word


def _word(look: _Look, text: str) -> str:
    """The first word of a kind in a compact text, or in a slug; empty where there is none."""
    for spared in look.spared:
        text = text.replace(spared, "|")
    for word in look.written:
        if word in text:
            return word
    latin = [text] if "_" in text else _LATIN.findall(text)
    for run in latin:
        for english in look.kind.slugs:
            if f"_{run}".find(f"_{english}") >= 0:
                return english
    sound = _spelt(text)
    known = look.typed if latin else look.heard
    return next((word for heard, word in known.items() if heard in sound), "")


@lru_cache(2048)  # each kind listens to the same text
def _spelt(text: str) -> str:
    """A text's sounds as a text in which a run of them can be looked for."""
    return f" {' '.join(map(str, syllables.sounds(text).tolist()))} "


def _length(spelt: str) -> int:
    """How many sounds such a text has."""
    return spelt.count(" ") - 1
