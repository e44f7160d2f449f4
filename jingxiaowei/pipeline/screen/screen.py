"""The screening: one look at a message, with what its conversation showed before."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from jingxiaowei.content.levelling import Levelled, Leveller
from jingxiaowei.content.scam_excuses import Excuse, excuse
from jingxiaowei.content.scam_finder import Finder, Hit
from jingxiaowei.content.scam_model import Clue, Fusion, ReadingRule, ScamBook
from jingxiaowei.pipeline.screen.entities import read_entities
from jingxiaowei.pipeline.screen.grams import Grams
from jingxiaowei.pipeline.screen.memory import faded, last_transfer
from jingxiaowei.pipeline.screen.reading import guess_clock, read_clock
from jingxiaowei.pipeline.screen.settled import blank, fingerprints, loss
from jingxiaowei.pipeline.screen.speakers import heard, own_spans, speakers
from jingxiaowei.pipeline.screen.values import (
    Exemption,
    ScamType,
    Screening,
    Signal,
    Specimen,
    Stage,
    Trace,
    Transfer,
    Verdict,
)
from jingxiaowei.pipeline.screen.wording import SPECIMENS, TYPES, Leg

LONGEST = 4000  # characters that are looked at; a resident's message has at most 2048 bytes
_NONE, _BOSS = TYPES.index(ScamType.NONE), TYPES.index(ScamType.BOSS)
_STAGES = tuple(Stage)
_LATE = frozenset({Stage.ORDER, Stage.BYPASS, Stage.NO_VOICE, Stage.PRESSURE, Stage.REPEAT})
_UNFITTED = Fusion(scale=1.0, shift=0.0, moving={"bias": 0.0}, alert=0.5, alone=0.9, advise=0.5)
_CLAUSE = re.compile("[^,。!?;\n]+")
WORDING = "wording"  # the signal that quotes what the wording leg went by
SETTLED = "settled"  # the exemption of what an officer has checked before
_BECAUSE_SETTLED = "本处已核实，不是诈骗"
_QUOTES = 2
_CARRIED_BY_RULES = 2.0  # weight of the signals from which they explain enough
_MANY = 4
_VOICES = (Clue.REPORT, Clue.QUESTION, Clue.PUBLICITY)
_COMPANY = frozenset({"老板", "财务"})  # topics without which a fake boss is unlikely
_FIRST = 2  # topics whose place in the text counts
_PRETEXTS = frozenset(
    "投资 任务 贷款 征信 客服 公检法 部队 恋爱 游戏 购物 中奖 裸聊 学校 官员 亲友 出国 老板".split()
)


class Told(NamedTuple):
    """What a signal tells: which script, and how far it has gone."""

    scam_type: ScamType
    stage: Stage


class Evidence(NamedTuple):
    """What was found in a text, before it is weighed."""

    levelled: Levelled
    hits: Sequence[Hit]
    excuses: Sequence[Excuse]
    grams: Grams
    topics: Sequence[str]  # in the order in which they are touched
    scripts: Mapping[str, int]  # how many different signals of each script count
    dialogue: bool

    def rules(self) -> set[str]:
        """The rules that count, and how they add up, as features of the wording leg."""
        rules = {hit.rule.id for hit in self.hits}
        rules.update(f"{script}:{min(n, _MANY)}" for script, n in self.scripts.items())
        if not self.scripts:
            rules.add("no-script")
        if self.excuses:
            rules.update(found.hit.rule.id for found in self.excuses)
            if any(found.lowered for found in self.excuses):
                rules.add("lowered")
        if self.dialogue:
            rules.add("dialogue")
        rules.update(self.topics)
        about = "company" if not _COMPANY.isdisjoint(self.topics) else "no-company"
        rules.update(f"{voice}:{about}" for voice in self._voices())
        rules.update(f"{n}:{topic}" for n, topic in enumerate(self._pretexts()[:_FIRST], 1))
        return rules

    def _voices(self) -> Iterable[str]:
        """Who speaks: somebody who tells, asks or warns, or else the scammer himself."""
        voices = {
            hit.rule.reads
            for hit in self.hits
            if type(hit.rule) is ReadingRule and hit.rule.reads in _VOICES
        }
        return voices or {"direct"}

    def _pretexts(self) -> list[str]:
        """What the text comes to speak of: a scam is named for what it begins with."""
        return [topic for topic in self.topics if topic in _PRETEXTS]


class Screen:
    """Looks at messages. Built once for the content of a moment."""

    def __init__(self, book: ScamBook) -> None:
        self.book = book
        self.leveller = Leveller(book.spelling)
        signals = [signal for script in book.scripts for signal in script.signals]
        self.finder = Finder(
            (*signals, *book.exemptions, *book.readings),
            book.words,
            lambda word: self.leveller.level(word).text,
        )
        self.leg = Leg(book)
        self.fusion = book.fusion or _UNFITTED
        self._stages = {
            ScamType(script.scam_type.value): tuple(
                stage
                for stage in _STAGES
                if any(signal.stage.value == stage.value for signal in script.signals)
            )
            for script in book.scripts
        }
        self._told = {
            signal.id: Told(ScamType(script.scam_type.value), Stage(signal.stage.value))
            for script in book.scripts
            for signal in script.signals
        }

    def look(
        self,
        text: str,
        traces: Sequence[Trace] = (),
        now: datetime | None = None,
        settled: frozenset[str] = frozenset(),
    ) -> Screening:
        """What this message is, after the conversation's traces, oldest first.

        ``settled``: fingerprints of what an officer closed as no fraud; such sentences do not
        count, and stand among the exemptions.
        """
        text = text[:LONGEST]
        if settled:
            known = [
                (start, end)
                for mark, start, end in fingerprints(self.leveller.level(text))
                if mark in settled
            ]
            if known:
                return self._look_without(text, known, traces, now)
        return self._look(text, traces, now)

    def fingerprints(self, text: str) -> frozenset[str]:
        """What to keep of a message that an officer closed as no fraud."""
        levelled = self.leveller.level(text[:LONGEST])
        return frozenset(mark for mark, _, _ in fingerprints(levelled))

    def _look_without(
        self,
        text: str,
        known: list[tuple[int, int]],
        traces: Sequence[Trace],
        now: datetime | None,
    ) -> Screening:
        """The screening of what was not settled before."""
        whole = self._look(text, traces, now)
        rest = self._look(blank(text, known), traces, now)
        lost = loss(whole.score, rest.score)
        exemptions = [
            Exemption(SETTLED, _BECAUSE_SETTLED, text[start:end], start, end, lost)
            for start, end in known
        ]
        return replace(rest, exemptions=(*exemptions, *rest.exemptions))

    def _look(self, text: str, traces: Sequence[Trace], now: datetime | None) -> Screening:
        evidence = self.find(text)
        if not evidence.levelled.text:
            return Screening()
        logits, kinds, clock, length = self.leg.weigh(evidence.grams.unique, evidence.rules())
        specimen = SPECIMENS[kinds.index(max(kinds))]
        if evidence.dialogue:
            specimen = Specimen.MESSAGE
        told = read_clock(evidence.levelled.text, evidence.hits)
        transfer = guess_clock(clock) if told is Transfer.UNKNOWN else told or Transfer.UNKNOWN
        carried: dict[ScamType, dict[Stage, float]] = {}
        if traces and evidence.hits:
            carried = faded(traces, now)
            for scam_type, stages in carried.items():
                own = self._own_stages(evidence.hits, scam_type)
                more = sum(weight for stage, weight in stages.items() if stage not in own)
                logits[TYPES.index(scam_type)] += more
            if transfer is Transfer.UNKNOWN:
                transfer = last_transfer(traces)
        chances = self.chances(logits)
        scam_type = TYPES[chances.index(max(chances[:_NONE]))]
        seen = self._stages_seen(evidence.hits, scam_type, carried.get(scam_type, {}))
        score = self.score(chances, transfer, specimen, seen)
        verdict = self._verdict(chances, score, scam_type if not seen else None)
        exemptions = self._exemptions(text, evidence, scam_type)
        signals = self._signals(text, evidence, scam_type)
        worth_keeping = signals or verdict is not Verdict.NONE
        trace = self._trace(signals, scam_type, transfer, now) if worth_keeping else None
        if verdict is Verdict.NONE:
            # What is too little alone is remembered: stages add up over a conversation.
            return Screening(
                score=score,
                transfer=transfer,
                specimen=specimen,
                exemptions=exemptions,
                trace=trace,
            )
        signals += self._wording(text, evidence, scam_type, signals, length)
        stage = max(seen, key=_STAGES.index, default=Stage.NONE)
        return Screening(
            verdict,
            scam_type,
            score,
            stage,
            transfer,
            specimen,
            tuple(sorted(signals, key=lambda signal: (signal.start, signal.end))),
            exemptions,
            read_entities(text, evidence.levelled),
            self._next(scam_type, seen, stage),
            trace,
        )

    def find(self, text: str) -> Evidence:
        """All that the rules and the automaton find in a text."""
        levelled = self.leveller.level(text)
        hits, topics = self.finder.hits(levelled.text)
        lines = speakers(levelled.text)
        if lines:
            hits = heard(hits, own_spans(levelled.text, lines))
        counted, excuses = excuse(levelled.text, hits) if hits else ([], [])
        scripts: dict[str, int] = {}
        for signal in {hit.rule.id for hit in counted if hit.rule.id in self._told}:
            name = self._told[signal].scam_type
            scripts[name] = scripts.get(name, 0) + 1
        grams = self.leg.terms.find(levelled.text)
        return Evidence(levelled, counted, excuses, grams, topics, scripts, bool(lines))

    def chances(self, logits: Sequence[float]) -> list[float]:
        """The probability of each type and of none."""
        scale = self.fusion.scale
        scaled = [logit * scale for logit in logits]
        scaled[_NONE] += self.fusion.shift
        most = max(scaled)
        powers = [math.exp(logit - most) for logit in scaled]
        total = sum(powers)
        return [power / total for power in powers]

    def score(
        self,
        chances: Sequence[float],
        transfer: Transfer,
        specimen: Specimen,
        seen: Sequence[Stage],
    ) -> float:
        """The probability that an officer is needed: a fake boss, or money about to move."""
        moving = self.fusion.moving
        pull = moving.get("bias", 0.0) + moving.get(transfer, 0.0)
        pull += moving.get(specimen, 0.0)
        if not _LATE.isdisjoint(seen):
            pull += moving.get("late", 0.0)
        other = 1.0 - chances[_NONE] - chances[_BOSS]
        need = chances[_BOSS] + other / (1.0 + math.exp(-pull))
        return min(max(need, 0.0), 1.0)

    def _verdict(
        self, chances: Sequence[float], score: float, unproved: ScamType | None
    ) -> Verdict:
        """Wording alone, without one signal of its script, must be surer to raise an alert, and
        does so for a fake boss only."""
        if unproved is None:
            if score >= self.fusion.alert:
                return Verdict.ALERT
        elif unproved is ScamType.BOSS and score >= self.fusion.alone:
            return Verdict.ALERT
        if 1.0 - chances[_NONE] >= self.fusion.advise:
            return Verdict.ADVISE
        return Verdict.NONE

    def _stages_seen(
        self, hits: Sequence[Hit], scam_type: ScamType, carried: dict[Stage, float]
    ) -> tuple[Stage, ...]:
        """The stages of this script in the message, and those carried along."""
        own = self._own_stages(hits, scam_type)
        if not own and not carried:
            return ()
        return tuple(stage for stage in _STAGES if stage in own or stage in carried)

    def _own_stages(self, hits: Sequence[Hit], scam_type: ScamType) -> set[Stage]:
        told = self._told
        return {
            told[hit.rule.id].stage
            for hit in hits
            if hit.rule.id in told and told[hit.rule.id].scam_type is scam_type
        }

    def _signals(self, text: str, evidence: Evidence, scam_type: ScamType) -> list[Signal]:
        """The signals of this script that count, each with the resident's own words."""
        signals = []
        for hit in evidence.hits:
            told = self._told.get(hit.rule.id)
            if told is None or told.scam_type is not scam_type:
                continue
            start, end = evidence.levelled.origin(hit.start, hit.end)
            weight = max(self.leg.weight(hit.rule.id, scam_type) * self.fusion.scale, 0.0)
            signals.append(
                Signal(hit.rule.id, told.stage, text[start:end], start, end, round(weight, 3))
            )
        return signals

    def _wording(
        self,
        text: str,
        evidence: Evidence,
        scam_type: ScamType,
        rules: Sequence[Signal],
        length: float,
    ) -> list[Signal]:
        """The clauses whose wording carried the verdict, where the rules alone did not."""
        if sum(signal.weight for signal in rules) >= _CARRIED_BY_RULES:
            return []
        clauses = self._clauses(evidence, scam_type, length)
        best = sorted(clauses, key=itemgetter(2), reverse=True)[:_QUOTES]
        quotes: list[Signal] = []
        for start, end, weight in best:
            if weight <= 0 and quotes:
                continue
            first, last = evidence.levelled.origin(start, end)
            quotes.append(
                Signal(WORDING, Stage.NONE, text[first:last], first, last, round(weight, 3))
            )
        return quotes

    def _clauses(
        self, evidence: Evidence, scam_type: ScamType, length: float
    ) -> list[tuple[int, int, float]]:
        """Each clause with what its wording adds for a type."""
        bounds = _clause_bounds(evidence.levelled.text)
        starts, numbers = evidence.grams.found()
        if not len(numbers):
            return [(start, end, 0.0) for start, end in bounds]
        share = self.fusion.scale / length
        weights = self.leg.term_weights(numbers, scam_type) * share
        by_place = np.bincount(starts, weights, minlength=len(evidence.levelled.text))
        # What begins on a mark counts for the clause after it.
        sums = np.add.reduceat(by_place, [0, *(end for _, end in bounds[:-1])]).tolist()
        return [(s, e, total) for (s, e), total in zip(bounds, sums, strict=True)]

    def _exemptions(
        self, text: str, evidence: Evidence, scam_type: ScamType
    ) -> tuple[Exemption, ...]:
        exemptions = []
        for found in evidence.excuses:
            rule = found.hit.rule
            start, end = evidence.levelled.origin(found.hit.start, found.hit.end)
            lost = self.leg.weight(rule.id, scam_type)
            lost -= sum(self.leg.weight(hit.rule.id, scam_type) for hit in found.lowered)
            because = str(getattr(rule, "because", ""))
            weight = round(min(lost, 0.0) * self.fusion.scale, 3)
            exemptions.append(Exemption(rule.id, because, text[start:end], start, end, weight))
        return tuple(exemptions)

    def _next(self, scam_type: ScamType, seen: Sequence[Stage], stage: Stage) -> Stage:
        """The script's next step that was not seen yet; at its end the last one again."""
        steps = self._stages.get(scam_type, ())
        later = [s for s in steps if _STAGES.index(s) > _STAGES.index(stage) and s not in seen]
        if later:
            return later[0]
        return steps[-1] if steps else Stage.NONE

    def _trace(
        self,
        signals: Sequence[Signal],
        scam_type: ScamType,
        transfer: Transfer,
        now: datetime | None,
    ) -> Trace | None:
        if now is None:
            return None
        stages: dict[Stage, float] = {}
        for signal in signals:
            if signal.stage is not Stage.NONE and signal.weight > 0:
                weight = signal.weight / self.fusion.scale
                stages[signal.stage] = max(stages.get(signal.stage, 0.0), weight)
        return Trace(now, scam_type, tuple(stages.items()), transfer)


def _clause_bounds(text: str) -> list[tuple[int, int]]:
    """The clauses of a levelled text without the marks between them."""
    return [clause.span() for clause in _CLAUSE.finditer(text)] or [(0, len(text))]
