"""The shipped content answers its own cases.

What it misses today is listed in ``tests/data/known_misses.yaml``: a new miss fails, and so does
a listed one that is mended, for it must leave the list.
"""

from pathlib import Path

import pytest
import yaml

from jingxiaowei.content.practice import Practice
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Kind
from jingxiaowei.services.evaluation import Figures, measure
from jingxiaowei.services.rehearsal import rehearse

KNOWN = Path(__file__).parent.parent / "data" / "known_misses.yaml"


@pytest.fixture(scope="module")
def figures(mind: Mind) -> Figures:
    return measure(mind, Practice((), ()))


def known(section: str) -> set[tuple[str, str]]:
    listed = yaml.safe_load(KNOWN.read_text(encoding="utf-8"))[section] or {}
    return {(entry, text) for entry, texts in listed.items() for text in texts}


def test_every_case_finds_its_entry(mind: Mind) -> None:
    """Answered rightly, or the right one is among the three that are offered."""
    missed = set()
    for entry in mind.library.entries:
        for text in entry.cases.hit:
            decision = rehearse(mind, text)
            told = {decision.faq, *(also.faq for also in decision.also)}
            wrongly = decision.kind is Kind.ANSWER and entry.id not in told
            if wrongly or entry.id not in [c.faq for c in decision.candidates[:3]]:
                missed.add((entry.id, text))
    assert missed == known("hit")


def test_no_entry_takes_what_it_must_not(figures: Figures) -> None:
    assert set(figures.missed) == known("miss")


def test_the_content_as_a_whole(figures: Figures) -> None:
    """A change that costs a whole field something is seen even if each single miss is listed."""
    for domain, score in figures.domains.items():
        assert score.first / score.count >= 0.85, domain
        assert score.three / score.count >= 0.96, domain
        assert score.wrong / score.count <= 0.04, domain
