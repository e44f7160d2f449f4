"""Teaching how follow-ups are read: the blend's weights, fitted on the practice conversations.

Each turn is read as if the ones before had been answered rightly, and judged with a leg that was
not taught its conversation. The exam's conversations are never used.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.model import JudgeWeights, Library
from jingxiaowei.content.practice import LEANING, Practice, Turn
from jingxiaowei.pipeline.answer.index import Index
from jingxiaowei.pipeline.answer.judge import Judge
from jingxiaowei.pipeline.blending import (
    KINDS,
    Hint,
    Leaning,
    Turns,
    Way,
    Weights,
    as_turns,
    as_weights,
)
from jingxiaowei.pipeline.correcting import amend, correction
from jingxiaowei.pipeline.dialogue import Reading, Topic, hints, knowing, next_topic, readings

Array = NDArray[np.float64]

_DECAY = 0.01
_FLOOR = 0.01  # no turn counts more than it would at so small a probability
_ROUNDS = 80
# ways, stays, knows, keeps, sharp
_SIZES = (len(Way) * (len(Hint) + 2), len(Hint), len(KINDS), len(KINDS), 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    turn: Turns
    right: Array  # by entry


def fit_follow(
    library: Library, practice: Practice, thirds: Sequence[Index], weights: JudgeWeights
) -> Weights:
    """The weights of the blend.

    Args:
        thirds: by third, an index whose taught leg does not know that third.
        weights: the judge's own, fitted before.
    """
    judges = [Judge(index, weights) for index in thirds]
    ids = {entry.fact: entry.id for entry in library.entries}
    lessons = [
        lesson
        for turns, fold in practice.taught_dialogues()
        for lesson in _lessons(judges[fold % len(judges)], turns, ids)
    ]
    return as_weights(_fit(lessons)) if lessons else {}


def _lessons(judge: Judge, turns: Sequence[Turn], ids: dict[str, str]) -> list[_Lesson]:
    found = []
    topic: Topic | None = None
    for turn in turns:
        right = [ids[fact] for fact in turn.facts if fact in ids]
        if topic is not None and turn.kind != "thanks":
            found.append(_lesson(judge, turn.text, topic, right))
        if right:
            on = topic is not None and turn.kind in LEANING
            reading = Reading(turn.text, topic.text if topic is not None and on else "")
            topic = next_topic(right[0], reading, "", topic)
    return found


def _lesson(judge: Judge, text: str, topic: Topic, right: Sequence[str]) -> _Lesson:
    index = judge.index
    corrected = correction(text, topic.text)
    if corrected is not None:
        text = corrected.meant
        topic = Topic(topic.faq, amend(topic.text, corrected))
    read = {
        reading.way: judge.rule(index.query(reading.text, reading.before))
        for reading in readings(index, text, topic)
    }
    told = hints(index, text, topic, corrected is not None)
    turn, faqs = as_turns(told, read, topic.faq, knowing(index, text))
    return _Lesson(turn, np.array([float(faq in right) for faq in faqs]))


def _fit(lessons: Sequence[_Lesson]) -> Leaning:
    """The right entries' share is to be large, and small the share of all where none is right."""
    from scipy.optimize import minimize  # needed to teach only, not to answer

    width = max(len(lesson.right) for lesson in lessons)
    turns = Turns(
        np.concatenate([one.turn.hints for one in lessons]),
        np.concatenate([_wide(one.turn.scores, width) for one in lessons]),
        np.concatenate([one.turn.there for one in lessons]),
        np.concatenate([_wide(one.turn.last, width) for one in lessons]),
        np.concatenate([_tall(one.turn.knows, width) for one in lessons]),
    )
    right = np.concatenate([_wide(one.right[None, :], width) for one in lessons])
    ours = right.any(axis=1)

    def loss(values: Array) -> float:
        _, weighed = _leaning(values).weigh(turns)
        share = (weighed * right).sum(axis=1)
        none = 1 - np.minimum(weighed.sum(axis=1), 1 - _FLOOR)
        lost = -np.log(np.where(ours, share, none) + _FLOOR).mean()
        return float(lost + _DECAY * (values @ values) / len(values))

    start = np.zeros(sum(_SIZES))
    best = minimize(loss, start, method="L-BFGS-B", options={"maxiter": _ROUNDS, "maxfun": 10000})
    return _leaning(best.x)


def _leaning(values: Array) -> Leaning:
    ways, stays, knows, keeps, sharp = np.split(values, np.cumsum(_SIZES)[:-1])
    return Leaning(ways.reshape(len(Way), -1), stays, knows, keeps, float(sharp[0]))


def _wide(values: Array, width: int) -> Array:
    """An array whose last axis is filled up with zeros."""
    spare = [(0, 0)] * (values.ndim - 1) + [(0, width - values.shape[-1])]
    return np.pad(values, spare)


def _tall(values: Array, width: int) -> Array:
    """The same for the axis before the last."""
    return _wide(values.swapaxes(-1, -2), width).swapaxes(-1, -2)
