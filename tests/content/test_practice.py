"""The practice: read with file and line, cut the same way everywhere, and apart from the cases."""

import shutil
from pathlib import Path

import pytest

from jingxiaowei.content.normalise import compact
from jingxiaowei.content.practice import EXAM, Practice, Question, read_practice
from jingxiaowei.content.shelf import Shelf
from jingxiaowei.content.source import Level
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.settings import PACKAGE
from tests.conftest import make_settings


def read(folder: Path, text: str) -> tuple[Practice, Shelf]:
    lexicon = folder / "lexicon"
    (lexicon / "practice").mkdir(parents=True)
    (lexicon / "practice" / "a.yaml").write_text(text, encoding="utf-8")
    settings = make_settings(folder, "sqlite+aiosqlite://", lexicon_dir=lexicon)
    shelf = Shelf()
    return read_practice(settings, shelf, {"H01", "H02"}), shelf


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, mind: Mind) -> Practice:
    shelf = Shelf()
    settings = make_settings(tmp_path_factory.mktemp("practice"), "sqlite+aiosqlite://")
    practice = read_practice(settings, shelf, {e.fact for e in mind.library.entries})
    assert shelf.problems == []
    return practice


def test_all_three_kinds_are_read(tmp_path: Path) -> None:
    practice, shelf = read(
        tmp_path,
        "- {facts: [H01, H02], voice: ask, says: [甲怎么办, 乙怎么办]}\n"
        '- {kind: labour, signpost: "12333", says: [丙]}\n'
        "- turns:\n  - {says: 丁, facts: [H01]}\n  - {says: 多少钱, facts: [H01], kind: aspect}\n",
    )
    assert shelf.problems == []
    assert [q.text for q in practice.questions] == ["甲怎么办", "乙怎么办", "丙"]
    assert practice.questions[2].signpost == "12333"
    assert [turn.kind for turn in practice.dialogues[0]] == ["", "aspect"]


def test_faults_have_their_line(tmp_path: Path) -> None:
    practice, shelf = read(
        tmp_path,
        "- {facts: [H01], voice: ask, says: [甲]}\n"
        "- {facts: [H77], voice: ask, says: [乙]}\n"
        "- {facts: [H01], voice: sung, says: [丙]}\n"
        "- {facts: [H01], voice: ask, says: [甲]}\n"
        "- turns:\n  - {says: 丁, facts: [H01]}\n  - {says: 戊, facts: [H77]}\n",
    )
    found = [(p.line, p.level) for p in shelf.problems]
    # An entry that is not there, as in a county's own files, stops nothing: the line is left out.
    assert found == [(2, Level.WARNING), (3, Level.ERROR), (4, Level.WARNING), (5, Level.WARNING)]
    assert [q.text for q in practice.questions] == ["甲", "甲"]
    assert practice.dialogues == ()


def test_a_fold_is_the_same_however_it_is_written() -> None:
    assert Question("身份证 丢了？", (), "ask").fold == Question("身份证丢了", (), "ask").fold


def test_the_shipped_practice_covers_every_entry(mind: Mind, shipped: Practice) -> None:
    asked = {fact for question in shipped.questions for fact in question.facts}
    assert asked == {entry.fact for entry in mind.library.entries}
    exam = [q for q in shipped.questions if q.fold == EXAM]
    assert 0.06 < len(exam) / len(shipped.questions) < 0.14


def test_cases_are_no_practice(mind: Mind, shipped: Practice) -> None:
    """The cases gate the content: what was practised word for word would prove nothing."""
    practised = {compact(question.text) for question in shipped.questions}
    cases = {compact(text) for entry in mind.library.entries for text in entry.cases.hit}
    assert len(cases & practised) == 0


def test_the_lexicon_stands_alone(tmp_path: Path) -> None:
    """The bot runs without the practice."""
    shutil.copytree(PACKAGE / "content" / "lexicon", tmp_path / "lexicon")
    shutil.rmtree(tmp_path / "lexicon" / "practice")
    settings = make_settings(tmp_path, "sqlite+aiosqlite://", lexicon_dir=tmp_path / "lexicon")
    assert read_practice(settings, Shelf(), set()).questions == ()
