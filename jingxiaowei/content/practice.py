"""练习题: how residents put their questions, and which entries answer them.

They teach the judge and examine it; nobody reads them while the bot runs. A tenth, chosen by a
hash of the text, is never taught: it is the exam that ``jingxiaowei evaluate`` prints.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from jingxiaowei.content.model import Frozen, Text
from jingxiaowei.content.normalise import compact
from jingxiaowei.content.shelf import Shelf, parse, read
from jingxiaowei.content.source import Document, Level, yaml_files
from jingxiaowei.settings import Settings

FOLDS = 10
EXAM = 0  # the fold that is never taught
_EXAM_DIALOGUES = 3
LEANING = frozenset({"aspect", "condition", "person"})  # kinds of turns that name no new thing

Voice = Literal["search", "ask", "letter", "speech", "elder", "typo", "outside"]


class _Asked(Frozen):
    facts: tuple[str, ...]
    voice: Voice
    says: tuple[Text, ...]


class _Elsewhere(Frozen):
    kind: Text
    signpost: Text | None = None
    says: tuple[Text, ...]


class _Turn(Frozen):
    says: Text
    facts: tuple[str, ...] = ()  # any is right; none: not ours, thanks, chat
    kind: str = ""


class _Dialogue(Frozen):
    turns: tuple[_Turn, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the facts of which any answers it, and how it is put.

    One that is not ours has no facts, but a ``kind``, and perhaps the number to point to. A
    follow-up has the question ``before`` it, and as its ``root`` the one that began its
    conversation.
    """

    text: str
    facts: tuple[str, ...]
    voice: str
    kind: str = ""
    signpost: str = ""
    root: str = ""
    before: str = ""

    @property
    def fold(self) -> int:
        """Which tenth a question belongs to: the same on every machine and in every order, and
        for all of a conversation."""
        return _fold(self.root or self.text)


def _fold(text: str) -> int:
    return blake2b(compact(text).encode(), digest_size=4).digest()[0] % FOLDS


@dataclass(frozen=True, slots=True)
class Turn:
    """One line of a practice conversation, and the facts of which any answers it in place."""

    text: str
    facts: tuple[str, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class Practice:
    """All of the folder."""

    questions: tuple[Question, ...]
    dialogues: tuple[tuple[Turn, ...], ...]

    def exam_dialogues(self) -> list[tuple[Turn, ...]]:
        """The conversations that nothing is taught with: three in ten."""
        return [turns for turns in self.dialogues if _fold(turns[0].text) < _EXAM_DIALOGUES]

    def taught_dialogues(self) -> list[tuple[tuple[Turn, ...], int]]:
        """The other conversations, each with its fold."""
        folds = [(turns, _fold(turns[0].text)) for turns in self.dialogues]
        return [(turns, fold) for turns, fold in folds if fold >= _EXAM_DIALOGUES]

    def follow_ups(self) -> list[Question]:
        """The other conversations' follow-ups, each after the question it follows."""
        found = []
        for turns, _ in self.taught_dialogues():
            before = ""
            for turn in turns:
                if not turn.facts:
                    continue
                if before and turn.kind != "correction":  # which says what is not meant
                    root = turns[0].text
                    found.append(Question(turn.text, turn.facts, "turn", root=root, before=before))
                if turn.kind not in LEANING or not before:
                    before = turn.text
        return found


def read_practice(settings: Settings, shelf: Shelf, facts: Container[str]) -> Practice:
    """Read the folder; what is wrong goes on the shelf, at its line.

    Args:
        facts: the fact codes that exist. What is asked about another is left out with a warning:
            entries come and go, and a county that writes its own may lack a shipped one.
    """
    questions: list[Question] = []
    dialogues: list[tuple[Turn, ...]] = []
    seen: set[str] = set()
    for file in yaml_files(settings.lexicon_dir / "practice"):
        doc = read(shelf, file)
        if doc is None or not isinstance(doc.value, list):
            continue
        for i, item in enumerate(doc.value):
            keys = item if isinstance(item, dict) else {}
            if "turns" in keys:
                dialogue = parse(shelf, doc, (i,), item, _Dialogue)
                if dialogue is not None:
                    named = (fact for turn in dialogue.turns for fact in turn.facts)
                    if _all_known(shelf, doc, (i,), named, facts):
                        turns = (Turn(t.says, t.facts, t.kind) for t in dialogue.turns)
                        dialogues.append(tuple(turns))
            elif "kind" in keys:
                outside = parse(shelf, doc, (i,), item, _Elsewhere)
                if outside is not None:
                    questions += [
                        Question(text, (), "outside", outside.kind, outside.signpost or "")
                        for text in outside.says
                    ]
            else:
                asked = parse(shelf, doc, (i,), item, _Asked)
                if asked is not None and _all_known(shelf, doc, (i, "facts"), asked.facts, facts):
                    questions += [Question(text, asked.facts, asked.voice) for text in asked.says]
            for j, text in enumerate(keys.get("says") or ()):
                key = compact(str(text))
                if key in seen:
                    shelf.add(doc, (i, "says", j), Level.WARNING, f"练习题“{text}”写了两次")
                seen.add(key)
    return Practice(tuple(questions), tuple(dialogues))


def _all_known(
    shelf: Shelf,
    doc: Document,
    path: tuple[str | int, ...],
    named: Iterable[str],
    facts: Container[str],
) -> bool:
    unknown = sorted({fact for fact in named if fact not in facts})
    for fact in unknown:
        text = f"没有事实编号“{fact}”的问答，这道练习题不用"
        shelf.add(doc, path, Level.WARNING, text)
    return not unknown
