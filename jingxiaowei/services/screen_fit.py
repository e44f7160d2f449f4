"""Fitting the wording leg and the fusion. Needs scipy, which only development installs."""

import importlib.util
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.model import Library
from jingxiaowei.content.scam_loader import FUSION, WORDING
from jingxiaowei.content.scam_model import Fusion, ScamBook, SignalRule, Wording
from jingxiaowei.errors import ContentError
from jingxiaowei.pipeline.screen.reading import guess_clock, read_clock
from jingxiaowei.pipeline.screen.screen import Screen
from jingxiaowei.pipeline.screen.values import ScamType, Stage, Transfer
from jingxiaowei.pipeline.screen.wording import LEAST, SPECIMENS, TRANSFERS, TYPES, Leg
from jingxiaowei.services.screen_practice import (
    EXAM,
    FOLDS,
    SPECIMEN_OF,
    TERM_LENGTHS,
    Lesson,
    lessons,
    ordinary,
)

Array = NDArray[np.float64]
_FREQUENT, _TERMS = 3, 7000
_DECAY, _RULE_DECAY, _STEPS = 0.2, 2.0, 80
_NONE, _BOSS = TYPES.index(ScamType.NONE), TYPES.index(ScamType.BOSS)
_FALSE_ALERTS, _FALSE_ALONE, _FALSE_ADVICE = 0.2, 0.012, 0.11
_SHARE_MOVING = 0.5  # of the other scams' chance, where nothing is known of the money
_LATE = {Stage.ORDER, Stage.BYPASS, Stage.NO_VOICE, Stage.PRESSURE, Stage.REPEAT}


@dataclass(frozen=True, slots=True)
class Seen:
    """A lesson as the screening sees it."""

    lesson: Lesson
    text: str
    rules: frozenset[str]
    clock: Transfer | None = Transfer.UNKNOWN  # by the rules; None: only asked for
    late: bool = False  # whether a late stage was found
    signals: frozenset[ScamType] = frozenset()  # the scripts of which something was found


def see(book: ScamBook, library: Library, folder: Path) -> list[Seen]:
    """All lessons with the rules that they show."""
    screen = Screen(replace(book, wording=Wording(), fusion=None))
    owner = {s.id: ScamType(x.scam_type.value) for x in book.scripts for s in x.signals}
    seen = []
    for lesson in (*lessons(folder), *ordinary(library)):
        evidence = screen.find(lesson.text)
        clock = read_clock(evidence.levelled.text, evidence.hits)
        late = any(
            isinstance(h.rule, SignalRule) and Stage(h.rule.stage.value) in _LATE
            for h in evidence.hits
        )
        rules = frozenset(evidence.rules())
        signals = frozenset(owner[rule] for rule in rules if rule in owner)
        seen.append(Seen(lesson, evidence.levelled.text, rules, clock, late, signals))
    return seen


def fit(library: Library, folder: Path) -> None:
    """Teach on everything but the exam, and write what was learnt beside the scripts.

    Raises:
        ContentError: scipy is missing, or a practice file is broken.
    """
    if importlib.util.find_spec("scipy") is None:
        raise ContentError("教筛查要用 scipy，它和开发工具一起装：先运行 make setup")
    seen = see(library.scams, library, folder)
    taught = [s for s in seen if s.lesson.fold != EXAM]
    judged = _cross_fitted(taught)
    wording = teach(taught)
    write_wording(wording, folder / WORDING)
    write_fusion(fuse(judged), folder / FUSION)


def teach(seen: Sequence[Seen]) -> Wording:
    """The wording leg, on those pieces and rules that tell the types apart."""
    shown = Counter(rule for s in seen if s.lesson.weight == 1 for rule in s.rules)
    rules = sorted(rule for rule, count in shown.items() if count >= _FREQUENT)
    return _fit(seen, _telling(seen), rules)


def _telling(seen: Sequence[Seen]) -> list[str]:
    """The pieces whose share differs most between the types (chi-square)."""
    counts = np.zeros(len(TYPES))
    held: dict[str, Array] = {}
    for s in seen:
        column = TYPES.index(s.lesson.scam_type)
        counts[column] += s.lesson.weight
        for piece in pieces(s.text):
            if piece not in held:
                held[piece] = np.zeros(len(TYPES))
            held[piece][column] += s.lesson.weight
    terms = sorted(piece for piece, its in held.items() if its.sum() >= _FREQUENT)
    observed = np.array([held[piece] for piece in terms])
    expected = observed.sum(axis=1, keepdims=True) * counts / counts.sum()
    strength = ((observed - expected) ** 2 / (expected + 1e-9)).sum(axis=1)
    return sorted(terms[i] for i in np.argsort(-strength, kind="stable")[:_TERMS])


def pieces(text: str) -> set[str]:
    """The pieces of a levelled text; numbers are left to the rules."""
    return {
        piece
        for length in TERM_LENGTHS
        for i in range(len(text) - length + 1)
        for piece in (text[i : i + length],)
        if "\n" not in piece and not any("0" <= c <= "9" for c in piece)
    }


def _fit(seen: Sequence[Seen], terms: Sequence[str], rules: Sequence[str]) -> Wording:
    from scipy import optimize, sparse

    number = {term: i for i, term in enumerate(terms)}
    held = [[number[t] for t in sorted(pieces(s.text)) if t in number] for s in seen]
    spread = np.bincount([i for row in held for i in row], minlength=len(terms))
    rarity = np.log((1 + len(seen)) / (1 + spread)) + 1
    place = {rule: len(terms) + i for i, rule in enumerate(rules)}
    values, columns, ends = [], [], [0]
    for row, s in zip(held, seen, strict=True):
        length = max(float(np.sqrt((rarity[row] ** 2).sum())), LEAST)
        known = [place[rule] for rule in sorted(s.rules) if rule in place]
        values += [*(rarity[row] / length), *([1.0] * len(known))]
        columns += [*row, *known]
        ends.append(len(columns))
    width = len(terms) + len(rules)
    data = sparse.csr_matrix((values, columns, ends), shape=(len(seen), width))
    share = np.array([s.lesson.weight for s in seen])

    decay = np.full((width, 1), _DECAY)
    decay[len(terms) :] = _RULE_DECAY
    heads = [
        (len(TYPES), [TYPES.index(s.lesson.scam_type) for s in seen]),
        (len(SPECIMENS), [SPECIMENS.index(SPECIMEN_OF[s.lesson.form]) for s in seen]),
        (len(TRANSFERS), [TRANSFERS.index(Transfer(s.lesson.transfer)) for s in seen]),
    ]
    weights, biases = [], []
    for classes, wanted in heads:
        target = np.zeros((len(seen), classes))
        target[np.arange(len(seen)), wanted] = 1

        def loss(
            flat: Array, target: Array = target, classes: int = classes
        ) -> tuple[float, Array]:
            table = flat.reshape(width + 1, classes)
            logits = data @ table[:-1] + table[-1]
            logits -= logits.max(axis=1, keepdims=True)
            powers = np.exp(logits)
            chances = powers / powers.sum(axis=1, keepdims=True)
            error = (chances - target) * share[:, None]
            cost = -float((share * np.log((chances * target).sum(axis=1) + 1e-12)).sum())
            cost += 0.5 * float((decay * table[:-1] ** 2).sum())
            slope = np.vstack([data.T @ error + decay * table[:-1], error.sum(axis=0)])
            return cost, slope.ravel()

        start = np.zeros((width + 1) * classes)
        found = optimize.minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS, "gtol": 1e-3}
        )
        table = found.x.reshape(width + 1, classes)
        weights.append(table[:-1])
        biases.append(table[-1])
    joined = np.hstack(weights)
    joined[: len(terms)] *= rarity[:, None]
    return Wording(
        tuple(terms),
        tuple(rules),
        rarity.astype(np.float32),
        joined.astype(np.float32),
        np.concatenate(biases).astype(np.float32),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """A lesson with logits from a leg that was not taught on it."""

    lesson: Lesson
    logits: Array
    features: tuple[str, ...]
    signals: frozenset[ScamType]


def _cross_fitted(seen: Sequence[Seen]) -> list[Judged]:
    judged = []
    for fold in range(FOLDS):
        if fold == EXAM:
            continue
        leg_terms = teach([s for s in seen if s.lesson.fold != fold])
        judged += judge(leg_terms, [s for s in seen if s.lesson.fold == fold])
    return judged


def judge(wording: Wording, seen: Sequence[Seen]) -> list[Judged]:
    """Each lesson's logits by a leg."""
    leg = Leg(ScamBook(wording=wording))
    judged = []
    for s in seen:
        logits, kinds, clock, _ = leg.weigh(leg.terms.find(s.text).unique, s.rules)
        specimen = SPECIMENS[int(np.argmax(kinds))].value
        told = guess_clock(clock) if s.clock is Transfer.UNKNOWN else s.clock or Transfer.UNKNOWN
        features = (told.value, specimen, *(["late"] if s.late else []))
        judged.append(Judged(s.lesson, np.array(logits), features, s.signals))
    return judged


def fuse(judged: Sequence[Judged]) -> Fusion:
    """Scale and shift by likelihood, then what makes another scam urgent, then the limits."""
    from scipy import optimize

    logits = np.array([j.logits for j in judged])
    wanted = np.array([TYPES.index(j.lesson.scam_type) for j in judged])

    def chances(scale: float, shift: float) -> Array:
        scaled = logits * scale
        scaled[:, _NONE] += shift
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        shares: Array = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def cost(pair: Array) -> float:
        right = chances(pair[0], pair[1])[np.arange(len(wanted)), wanted]
        return -float(np.log(right + 1e-9).mean())

    scale, shift = optimize.minimize(cost, np.array([1.0, 0.0]), method="Nelder-Mead").x
    moving = _moving(
        [j for j in judged if j.lesson.scam_type not in (ScamType.NONE, ScamType.BOSS)]
    )
    draft = Fusion(
        scale=round(float(scale), 3),
        shift=round(float(shift), 3),
        moving=moving,
        alert=0.5,
        alone=0.5,
        advise=0.5,
    )
    return draft.model_copy(update=_limits(judged, chances(draft.scale, draft.shift), draft))


def _limits(judged: Sequence[Judged], chances: Array, fusion: Fusion) -> dict[str, float]:
    """Where alert and advice begin: as low as false alarms among innocent texts allow.

    The innocent practice is made of look-alikes, far harder than what a day brings.
    """
    innocent = np.array([j.lesson.scam_type is ScamType.NONE for j in judged])
    urgent = chances[:, _BOSS] + (1 - chances[:, _NONE] - chances[:, _BOSS]) * _SHARE_MOVING
    guessed = chances[:, :_NONE].argmax(axis=1)
    alone = np.array([TYPES[g] not in j.signals for g, j in zip(guessed, judged, strict=True)])

    def limit(chance: Array, among: NDArray[np.bool_], false: float) -> float:
        return round(float(np.quantile(chance[innocent & among], 1 - false)), 2)

    return {
        "alert": limit(urgent, ~alone, _FALSE_ALERTS),
        "alone": limit(urgent, alone, _FALSE_ALONE),
        "advise": limit(1 - chances[:, _NONE], alone | ~alone, _FALSE_ADVICE),
    }


def _moving(others: Sequence[Judged]) -> dict[str, float]:
    from scipy import optimize

    names = ["bias", *sorted({f for j in others for f in j.features})]
    data = np.array([[n == "bias" or n in j.features for n in names] for j in others], dtype=float)
    wanted = np.array([j.lesson.needs_officer for j in others], dtype=float)

    def cost(weights: Array) -> float:
        pull = data @ weights
        fit = np.logaddexp(0, pull) - wanted * pull
        return float(fit.mean() + 0.005 * (weights**2).sum())

    found = optimize.minimize(cost, np.zeros(len(names)), method="L-BFGS-B").x
    return {name: round(float(value), 3) for name, value in zip(names, found, strict=True)}


def write_wording(wording: Wording, path: Path) -> None:
    """The weights in a byte each, with a unit a column."""
    unit = np.abs(wording.weights).max(axis=0) / 127
    unit[unit == 0] = 1
    np.savez_compressed(
        path,
        terms=np.frombuffer("\n".join(wording.terms).encode(), dtype=np.uint8),
        rules=np.frombuffer("\n".join(wording.rules).encode(), dtype=np.uint8),
        rarity=wording.rarity.astype(np.float16),
        weights=np.round(wording.weights / unit).astype(np.int8),
        unit=unit.astype(np.float32),
        bias=wording.bias,
    )


def write_fusion(fusion: Fusion, path: Path) -> None:
    """The fitted numbers as a file that can be read."""
    moving = ", ".join(f"{name}: {value:.3f}" for name, value in fusion.moving.items())
    path.write_text(
        "# 由 jingxiaowei evaluate --fit 算出，不用手改。\n"
        "# scale、shift：分数怎么变成可能性；moving：别的骗局什么时候要人马上看；"
        "alert、alone（一条信号也没有时）、advise：过多少算。\n"
        f"scale: {fusion.scale:.3f}\nshift: {fusion.shift:.3f}\nmoving: {{{moving}}}\n"
        f"alert: {fusion.alert:.2f}\nalone: {fusion.alone:.2f}\nadvise: {fusion.advise:.2f}\n",
        encoding="utf-8",
    )
