"""What the scam scripts must fulfil beyond their schema: each problem at its line."""

from collections.abc import Iterator, Mapping
from typing import Any

from jingxiaowei.content.levelling import Leveller
from jingxiaowei.content.scam_excuses import excuse
from jingxiaowei.content.scam_finder import Finder, class_names
from jingxiaowei.content.scam_forms import FORMS
from jingxiaowei.content.scam_model import (
    ExemptionRule,
    ReadingRule,
    Rule,
    ScamBook,
    ScriptType,
    SignalRule,
)
from jingxiaowei.content.shelf import Shelf
from jingxiaowei.content.source import Level

_KINDS: Mapping[type[Rule], str] = {
    SignalRule: "signal",
    ExemptionRule: "exemption",
    ReadingRule: "reading",
}


def count_scams(book: ScamBook) -> dict[str, Any]:
    """The counts that ``check --json`` tells."""
    return {
        "scripts": len(book.scripts),
        "signals": sum(len(script.signals) for script in book.scripts),
        "exemptions": len(book.exemptions),
        "readings": len(book.readings),
        "by_type": {s.scam_type.value: len(s.signals) for s in book.scripts},
    }


def check_scams(book: ScamBook, shelf: Shelf) -> None:
    """Every class that is named exists, every example is found or passed over as it says."""
    for scam_type in ScriptType:
        if book.scripts and all(script.scam_type is not scam_type for script in book.scripts):
            file = shelf.at("script", book.scripts[0].scam_type.value)[0]
            shelf.report_file(file, f"没有“{scam_type.value}”的话术")
    if not _check_classes(book, shelf):
        return
    leveller = Leveller(book.spelling)
    finder = Finder(tuple(_rules(book)), book.words, lambda word: leveller.level(word).text)
    for rule in _rules(book):
        for field, wanted in (("hit", True), ("miss", False)):
            for i, text in enumerate(getattr(rule, field)):
                levelled = leveller.level(text).text
                hits, _ = finder.hits(levelled)
                counted, excuses = excuse(levelled, hits)
                found = any(hit.rule is rule for hit in counted)
                found = found or any(found.hit.rule is rule for found in excuses)
                if found is not wanted:
                    says = "应该认出来，却没有认出" if wanted else "不该认出来，却认出了"
                    _report(shelf, rule, f"“{text}”{says}", field, i)


def _rules(book: ScamBook) -> Iterator[Rule]:
    for script in book.scripts:
        yield from script.signals
    yield from book.exemptions
    yield from book.readings


def _check_classes(book: ScamBook, shelf: Shelf) -> bool:
    """Whether all word classes exist."""
    good = True
    for rule in _rules(book):
        for i, pattern in enumerate(rule.patterns):
            for name in class_names(pattern):
                if name not in book.words and name not in FORMS:
                    text = f"没有“{{{name}}}”这个词类，见 words.yaml；几个词任选，中间用 | 隔开"
                    _report(shelf, rule, text, "patterns", i)
                    good = False
    return good


def _report(shelf: Shelf, rule: Rule, text: str, *path: str | int) -> None:
    shelf.report(Level.ERROR, text, _KINDS[type(rule)], rule.id, *path)
