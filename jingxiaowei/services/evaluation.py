"""How well the content answers its own questions: tables for whoever writes it.

Measured are the ``hit`` and ``miss`` cases beside each entry, and the exam: the tenth of the
practice and the three tenths of its conversations that nothing was taught with.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from jingxiaowei.content.model import Library
from jingxiaowei.content.practice import EXAM, Practice, Turn, read_practice
from jingxiaowei.content.shelf import Shelf
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Decision, Kind
from jingxiaowei.services.rehearsal import Rehearsal, rehearse
from jingxiaowei.services.teaching import Case, practice_cases
from jingxiaowei.settings import Settings

_WORST = 15


@dataclass(slots=True)
class Score:
    """Over some questions: how many, right at first place, within three, helped, wrongly told."""

    count: int = 0
    first: int = 0
    three: int = 0
    helped: int = 0
    wrong: int = 0

    def add(self, decision: Decision, right: frozenset[str]) -> None:
        """Count one decision. Helped: answered rightly, or the right one was offered."""
        ids = [candidate.faq for candidate in decision.candidates[:3]]
        told = {decision.faq, *(also.faq for also in decision.also)}
        answered = decision.kind is Kind.ANSWER
        self.count += 1
        self.first += bool(ids) and ids[0] in right
        self.three += bool(right & set(ids))
        good = answered and bool(right & told)
        offered = decision.kind is Kind.CLARIFY and bool(right & set(ids))
        self.helped += good or offered
        self.wrong += answered and not good

    def row(self, name: str) -> str:
        parts = (self.first, self.three, self.helped, self.wrong)
        shares = " ".join(f"{part / self.count:6.1%}" for part in parts)
        return f"{name:<36} {self.count:5} {shares}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, for the tables and for the tests that hold the content to it."""

    domains: dict[str, Score]
    entries: dict[str, Score]
    exam: dict[str, Score]  # by voice
    mixed: Counter[tuple[str, str]]  # (right, taken for)
    missed: list[tuple[str, str]]  # (entry, question): a must-not-hit case that it answered
    outside: dict[str, Counter[str]]  # kind of question → kind of decision
    turns: dict[str, list[int]]  # kind of turn → [right, helped, all]


def hit_cases(library: Library) -> list[Case]:
    """The must-hit cases beside the entries."""
    return [
        Case(text, frozenset({entry.id}), entry.domain.value)
        for entry in library.entries
        for text in entry.cases.hit
    ]


def measure(mind: Mind, practice: Practice) -> Figures:
    """Ask everything once."""
    figures = Figures(
        defaultdict(Score),
        defaultdict(Score),
        defaultdict(Score),
        Counter(),
        [],
        defaultdict(Counter),
        defaultdict(lambda: [0, 0, 0]),
    )
    for case in hit_cases(mind.library):
        decision = rehearse(mind, case.text)
        for score in (figures.domains[case.kind], figures.entries[min(case.right)]):
            score.add(decision, case.right)
        _note_mix(figures, decision, case)
    for entry in mind.library.entries:
        for text in entry.cases.miss:
            if rehearse(mind, text).faq == entry.id:
                figures.missed.append((entry.id, text))
    exam = [question for question in practice.questions if question.fold == EXAM]
    for case in practice_cases(mind.library, exam):
        decision = rehearse(mind, case.text)
        if case.right:
            figures.exam[case.kind].add(decision, case.right)
            _note_mix(figures, decision, case)
        else:
            figures.outside[case.kind][decision.kind.value] += 1
    for dialogue in practice.exam_dialogues():
        _follow(mind, dialogue, figures)
    return figures


def _note_mix(figures: Figures, decision: Decision, case: Case) -> None:
    first = decision.candidates[0].faq if decision.candidates else ""
    if first and first not in case.right:
        figures.mixed[min(case.right), first] += 1


def _follow(mind: Mind, dialogue: Iterable[Turn], figures: Figures) -> None:
    """One conversation, turn by turn, as a resident would have it."""
    rehearsal = Rehearsal(mind)
    for turn in dialogue:
        decision = rehearsal.say(turn.text)
        told = {decision.fact, *(also.fact for also in decision.also)} - {""}
        offered = {c.fact for c in decision.candidates[:3]} if decision.kind is Kind.CLARIFY else ()
        right = bool(told & set(turn.facts)) if turn.facts else decision.kind is not Kind.ANSWER
        counts = figures.turns[turn.kind or "other"]
        counts[0] += right
        counts[1] += right or bool(set(turn.facts) & set(offered))
        counts[2] += 1


def report(mind: Mind, settings: Settings) -> str:
    """The tables of ``jingxiaowei evaluate``."""
    facts = {entry.fact for entry in mind.library.entries}
    figures = measure(mind, read_practice(settings, Shelf(), facts))
    head = f"{'':<36} {'题数':>3} {'第一':>5} {'前三':>4} {'帮上':>4} {'答错':>4}"
    lines = ["条目旁的试题", head]
    lines += [score.row(name) for name, score in sorted(figures.domains.items())]
    lines += ["", "没教过的练习题，按问法", head]
    lines += [score.row(name) for name, score in sorted(figures.exam.items())]
    worst = sorted(
        figures.entries.items(), key=lambda item: (item[1].first / item[1].count, item[0])
    )
    lines += ["", "最该补问法的条目", head, *(s.row(name) for name, s in worst[:_WORST])]
    lines += ["", "最常见的混淆（应该是 → 排第一的）"]
    lines += [
        f"{n:3}  {right} → {wrong}" for (right, wrong), n in figures.mixed.most_common(_WORST)
    ]
    lines += ["", f"不该命中却答了的试题：{len(figures.missed)}"]
    lines += [f"     {entry} ← {text}" for entry, text in figures.missed[:_WORST]]
    lines += ["", "不归我们答的（题型：怎么答的）"]
    for kind, answers in sorted(figures.outside.items()):
        told = "，".join(f"{name} {n}" for name, n in answers.most_common())
        lines.append(f"{kind:<16} {told}")
    lines += ["", f"{'对话里的每句话':<29} {'答对':>5} {'帮上':>4}"]
    for kind, (right, helped, count) in sorted(figures.turns.items()):
        lines.append(f"{kind:<36} {count:5} {right / count:6.1%} {helped / count:6.1%}")
    return "\n".join(lines)
