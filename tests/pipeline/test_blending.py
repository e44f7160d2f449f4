"""A follow-up's readings, weighed together."""

import numpy as np

from jingxiaowei.pipeline.answer.judge import Ruling
from jingxiaowei.pipeline.blending import (
    KINDS,
    KINSHIP,
    SIZES,
    Hint,
    Leaning,
    Way,
    as_weights,
    blend,
    leaning,
)
from jingxiaowei.pipeline.reasons import Candidate

NO_HINT = np.eye(len(Hint))[0]  # but the one that every text has


def ruling(**scores: float) -> Ruling:
    ordered = sorted(scores.items(), key=lambda item: -item[1])
    return Ruling(tuple(Candidate(faq, faq.upper(), score, faq) for faq, score in ordered), ())


def knows_nothing(faq: str) -> list[float]:
    return [0.0] * len(KINDS)


def no_kin(faq: str) -> list[float]:
    return [0.0] * len(KINSHIP)


def test_what_two_readings_agree_on_gains() -> None:
    read = {
        Way.ALONE: ruling(lone=0.5, both=0.4),
        Way.CARRIED: ruling(other=0.5, both=0.4),
    }
    _, found = blend(leaning({}), NO_HINT, read, {}, knows_nothing, no_kin)
    assert found.candidates[0].faq == "both"
    assert sum(c.score for c in found.candidates) < 1


def test_the_likelier_reading_decides_and_is_named() -> None:
    weights = leaning({"carried": {"nameless": 3.0}, "whole": {"carried": 1.0}})
    hints = NO_HINT.copy()
    hints[list(Hint).index(Hint.NAMELESS)] = 1.0
    read = {Way.ALONE: ruling(lone=0.8), Way.CARRIED: ruling(on=0.8)}
    way, found = blend(weights, hints, read, {}, knows_nothing, no_kin)
    assert way is Way.CARRIED
    assert found.candidates[0].faq == "on"


def test_what_was_answered_last_gains_or_loses() -> None:
    read = {Way.ALONE: ruling(last=0.3, new=0.4)}
    for gain, first in ((2.0, "last"), (-2.0, "new")):
        weights = leaning({"alone": {"always": 1.0}, "stays": {"always": gain}})
        _, found = blend(weights, NO_HINT, read, {"last": 1.0}, knows_nothing, no_kin)
        assert found.candidates[0].faq == first


def test_who_knows_what_is_named_gains() -> None:
    read = {Way.ALONE: ruling(stranger=0.5, expert=0.4)}
    weights = leaning({"alone": {"always": 1.0}, "knows": {"object": 2.0}})
    known = {"expert": [0.5, 0, 0, 0], "stranger": [-0.5, 0, 0, 0]}
    _, found = blend(weights, NO_HINT, read, {}, known.__getitem__, no_kin)
    assert found.candidates[0].faq == "expert"


def test_who_is_about_the_same_things_as_the_last_answer_gains() -> None:
    read = {Way.ALONE: ruling(stranger=0.5, sister=0.4)}
    weights = leaning({"alone": {"always": 1.0}, "same_things": {"always": 2.0}})
    kin = {"sister": [1.0, 0.0], "stranger": [0.0, 0.0]}
    _, found = blend(weights, NO_HINT, read, {}, knows_nothing, kin.__getitem__)
    assert found.candidates[0].faq == "sister"


def test_no_entry_at_all_is_nothing() -> None:
    read = {Way.ALONE: Ruling((), ()), Way.CARRIED: Ruling((), ())}
    _, found = blend(leaning({}), NO_HINT, read, {"last": 1.0}, knows_nothing, no_kin)
    assert found.candidates == ()


def test_weights_are_stored_and_read_alike() -> None:
    random = np.random.default_rng(7)
    one = Leaning(
        random.normal(size=sum(SIZES)),
        random.normal(size=len(Hint) + len(Way) + 1),
    )
    other = leaning(as_weights(one))
    assert np.allclose(one.choice, other.choice)
    assert np.allclose(one.whole, other.whole)
