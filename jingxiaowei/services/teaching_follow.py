"""Teaching how follow-ups are read: the blend's weights, fitted on the practice conversations.

Each turn is read as if the ones before had been answered rightly, and judged with a leg that was
not taught its conversation. The exam's conversations are never used.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.model import JudgeWeights, Library
from jingxiaowei.content.normalise import compact
from jingxiaowei.content.practice import EXAM, LEANING, Practice, Question, Turn
from jingxiaowei.pipeline.answer.index import Index
from jingxiaowei.pipeline.answer.judge import ANSWER, Judge, clear
from jingxiaowei.pipeline.blending import (
    SIZES,
    Leaning,
    Turns,
    Weights,
    as_turns,
    as_weights,
)
from jingxiaowei.pipeline.correcting import amend, correction
from jingxiaowei.pipeline.dialogue import (
    Reading,
    Topic,
    hints,
    kinship,
    knowing,
    next_topic,
    readings,
)

Array = NDArray[np.float64]

_DECAY = 0.001
_TINY = 1e-12
# Every so many questions one is asked after another that stands so far away in the files: a
# neighbour's now, then one of another domain.
_EVERY, _AWAY, _LONGEST = 14, (41, 2411), 26


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    turn: Turns
    right: Array  # by entry
    ours: bool  # whether any entry is right, found or not


def strangers(practice: Practice) -> list[tuple[Question, Question]]:
    """Questions that follow one that has nothing to do with them, each behind that one."""
    asked = [q for q in practice.questions if q.fold != EXAM]
    short = [n for n, q in enumerate(asked) if len(compact(q.text)) <= _LONGEST]
    found = []
    for turn, place in enumerate(short[::_EVERY]):
        before, now = asked[(place + _AWAY[turn % 2]) % len(asked)], asked[place]
        if before.facts and not set(before.facts) & set(now.facts):
            found.append((before, now))
    return found


def outsiders(practice: Practice) -> list[tuple[Question, Question]]:
    """Questions that are not ours, each behind one of ours."""
    asked = [q for q in practice.questions if q.fold != EXAM]
    ours = [q for q in asked if q.facts]
    others = [q for q in asked if not q.facts and len(compact(q.text)) <= _LONGEST]
    return [(ours[n * _AWAY[0] % len(ours)], q) for n, q in enumerate(others)]


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
    for before, asked in (*strangers(practice), *outsiders(practice)):
        topic = next_topic(ids.get(before.facts[0], ""), Reading(before.text), "")
        right = [ids[fact] for fact in asked.facts if fact in ids]
        lessons.append(_lesson(judges[asked.fold % len(judges)], asked.text, topic, right))
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
            told = judge.rule_text(turn.text) if topic is None else None
            topic = next_topic(right[0], reading, "", topic)
            if told is not None and not (told.candidates[0].score >= ANSWER and clear(told)):
                topic = replace(topic, faq="", offered=told.candidates[0].faq)  # asked back
    return found


def _lesson(judge: Judge, text: str, topic: Topic, right: Sequence[str]) -> _Lesson:
    index = judge.index
    corrected = correction(text, topic.text)
    if corrected is not None:
        text = corrected.meant
        topic = replace(topic, text=amend(topic.text, corrected))
    read = {
        reading.way: judge.rule(index.query(reading.text, reading.before))
        for reading in readings(index, text, topic)
    }
    told = hints(index, text, topic, corrected is not None)
    knows, akin = knowing(index, text), kinship(index, topic, told)
    turn, faqs = as_turns(told, read, topic.lasting, knows, akin)
    return _Lesson(turn, np.array([float(faq in right) for faq in faqs]), bool(right))


def _fit(lessons: Sequence[_Lesson]) -> Leaning:
    """The right entries' share is to be large, and the whole where none is right small."""
    from scipy.optimize import minimize  # needed to teach only, not to answer

    width = max(len(lesson.right) for lesson in lessons)
    turns = Turns(
        np.concatenate([one.turn.hints for one in lessons]),
        np.concatenate([_wide(one.turn.scores, width) for one in lessons]),
        np.concatenate([one.turn.there for one in lessons]),
        np.concatenate([_wide(one.turn.last, width) for one in lessons]),
        np.concatenate([_tall(one.turn.knows, width) for one in lessons]),
        np.concatenate([_tall(one.turn.akin, width) for one in lessons]),
        np.concatenate([one.turn.foreign for one in lessons]),
    )
    right = np.concatenate([_wide(one.right[None, :], width) for one in lessons])
    reached = right.any(axis=1)
    evidence, wanted = turns.evidence()[reached], right[reached]
    named = turns.scores[reached].max(axis=1) > 0
    totals = turns.totals()
    ours = np.array([float(lesson.ours) for lesson in lessons])

    def choose(values: Array) -> tuple[float, Array]:
        odds = np.where(named, evidence @ values, -np.inf)
        share = np.exp(odds - odds.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        hit = np.maximum((share * wanted).sum(axis=1, keepdims=True), _TINY)
        slope = np.einsum("te,tew->w", share - share * wanted / hit, evidence) / len(hit)
        lost = -np.log(hit).mean() + _DECAY * (values @ values)
        return float(lost), slope + 2 * _DECAY * values

    def belong(values: Array) -> tuple[float, Array]:
        odds = totals @ values
        lost = np.logaddexp(0, odds) - ours * odds
        slope = totals.T @ (1 / (1 + np.exp(-odds)) - ours) / len(ours)
        decay = _DECAY * values @ values
        return float(lost.mean() + decay), slope + 2 * _DECAY * values

    fitted = [
        minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B").x
        for loss, size in ((choose, sum(SIZES)), (belong, totals.shape[1]))
    ]
    return Leaning(*fitted)


def _wide(values: Array, width: int) -> Array:
    """An array whose last axis is filled up with zeros."""
    spare = [(0, 0)] * (values.ndim - 1) + [(0, width - values.shape[-1])]
    return np.pad(values, spare)


def _tall(values: Array, width: int) -> Array:
    """The same for the axis before the last."""
    return _wide(values.swapaxes(-1, -2), width).swapaxes(-1, -2)
