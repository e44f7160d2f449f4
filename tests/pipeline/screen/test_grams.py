"""The quick ways of looking find what the plain ones find."""

import re
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingxiaowei.content.scam_finder import GAP, Finder, unfold
from jingxiaowei.content.scam_forms import FORMS
from jingxiaowei.content.scam_model import Rule
from jingxiaowei.pipeline.screen.grams import Terms
from jingxiaowei.pipeline.screen.screen import Screen
from jingxiaowei.services.screen_practice import lessons
from jingxiaowei.settings import PACKAGE

TERMS = ("转", "转账", "账户", "不要转", "老板让我", "a", "𠮷", "板")
_PIECE = re.compile(r"\{([^}]*)\}|(…)|([^{…]+)")


@pytest.fixture(scope="module")
def practice(screen: Screen) -> list[str]:
    """A part of the practice, levelled."""
    texts = [lesson.text for lesson in lessons(PACKAGE / "content" / "scams")]
    return [screen.leveller.level(text).text for text in texts[::15]]


def plainly(terms: Sequence[str], text: str) -> Counter[tuple[int, int]]:
    return Counter(
        (i, number)
        for number, term in enumerate(terms)
        for i in range(len(text))
        if text.startswith(term, i)
    )


def quickly(terms: Terms, text: str) -> Counter[tuple[int, int]]:
    """What is found, which must be the same however it is looked for."""
    walked, swept = terms._walk(text), terms._sweep(text)
    assert list(walked.unique) == list(swept.unique)
    starts, numbers = swept.found()
    assert list(swept.unique) == sorted(set(numbers.tolist()))
    again = Counter(zip(*(part.tolist() for part in walked.found()), strict=True))
    assert again == Counter(zip(starts.tolist(), numbers.tolist(), strict=True))
    return again


@given(st.text(alphabet="转账户不要老板让我a𠮷 \n。x") | st.text())
def test_every_term_is_found(text: str) -> None:
    assert quickly(Terms(TERMS), text) == plainly(TERMS, text)


def test_the_shipped_terms_are_found(screen: Screen, practice: list[str]) -> None:
    terms = screen.book.wording.terms
    places = {term: number for number, term in enumerate(terms)}
    for text in practice:
        wanted = Counter(
            (i, places[text[i:end]])
            for i in range(len(text))
            for end in range(i + 1, min(i + 4, len(text)) + 1)
            if text[i:end] in places
        )
        assert quickly(screen.leg.terms, text) == wanted


def test_no_terms_are_no_trouble() -> None:
    assert quickly(Terms(()), "转账") == Counter()


def expression(screen: Screen, pattern: str) -> str:
    """The pattern as a regular expression: slow, and easy to see through."""
    parts = []
    for name, dots, literal in _PIECE.findall(pattern):
        if dots:
            parts.append(f"[^。!?;\n]{{0,{GAP}}}?")
        elif name in FORMS:
            parts.append(f"(?:{FORMS[name].pattern})")
        else:
            words = unfold(name, screen.book.words) if name else [literal]
            plain = {screen.leveller.level(word).text for word in words} - {""}
            longest = sorted(plain, key=lambda word: (-len(word), word))
            # The longest word stands, and none of its own characters serve the next piece.
            parts.append(f"(?>{'|'.join(map(re.escape, longest))})")
    return "".join(parts)


def test_rules_are_found_as_regular_expressions_find_them(
    screen: Screen, practice: list[str]
) -> None:
    rules: list[Rule] = [s for script in screen.book.scripts for s in script.signals]
    # Of several gaps each is bridged to the nearest word; an expression would try the next too.
    surely, perhaps = _slow(screen, rules, 1), _slow(screen, rules, 9)
    quick = Finder(rules, screen.book.words, lambda word: screen.leveller.level(word).text)
    for text in practice[::3]:
        found = {hit.rule.id for hit in quick.hits(text)[0]}
        assert {name for name, one in surely.items() if one.search(text)} <= found, text
        assert found <= {name for name, one in perhaps.items() if one.search(text)}, text


def _slow(screen: Screen, rules: Sequence[Rule], gaps: int) -> dict[str, re.Pattern[str]]:
    """Each rule's patterns of at most so many gaps as one expression."""
    slow = {}
    for rule in rules:
        patterns = [p for p in rule.patterns if p.count("…") <= gaps]
        if patterns:
            slow[rule.id] = re.compile("|".join(expression(screen, p) for p in patterns))
    return slow
