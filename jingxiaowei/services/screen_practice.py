"""Teaching the screening on the project's own practice. The same content gives the same weights.

A fixed part of the practice is never taught: the exam that ``jingxiaowei evaluate`` prints. What
tells the same story in other words stays on one side. Nothing here looks at texts from elsewhere.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jingxiaowei.content.model import Library
from jingxiaowei.content.scam_loader import read_practice
from jingxiaowei.errors import ContentError
from jingxiaowei.pipeline.screen.screen import Screen
from jingxiaowei.pipeline.screen.values import ScamType, Screening, Specimen, Verdict

FOLDS, EXAM = 5, 0
TERM_LENGTHS = (1, 2, 3, 4)
_SHINGLE, _RARE, _SHARED = 5, 4, 3
SPECIMEN_OF = {
    "pasted": Specimen.MESSAGE,
    "dialogue": Specimen.MESSAGE,
    "report": Specimen.REPORT,
    "third": Specimen.REPORT,
    "question": Specimen.QUESTION,
    "publicity": Specimen.PUBLICITY,
    "talk": Specimen.NONE,
}
_LATE = {"order", "bypass", "no_voice", "pressure", "repeat"}


@dataclass(frozen=True, slots=True)
class Lesson:
    """A practice text with what it is."""

    text: str
    scam_type: ScamType
    form: str
    stage: str
    transfer: str
    fold: int
    weight: float = 1.0
    kept_apart: bool = False  # of a file that is only ever examined

    @property
    def needs_officer(self) -> bool:
        """A fake boss always; another scam when money has gone or is about to."""
        if self.scam_type is ScamType.BOSS:
            return True
        told = self.form in {"report", "dialogue", "third"}
        moving = self.transfer in {"done", "in_progress"} or self.stage in _LATE
        return self.scam_type is not ScamType.NONE and told and moving


def lessons(folder: Path) -> list[Lesson]:
    """All practice, each in the fold of its story; what is only examined is in the exam.

    Raises:
        ContentError: a practice file is broken.
    """
    practices, problems = read_practice(folder)
    if problems:
        lines = "\n".join(f"  {p.file}:{p.line} {p.message}" for p in problems)
        raise ContentError(f"练习题有 {len(problems)} 处错误：\n{lines}")
    try:
        plain = [
            Lesson(
                text,
                ScamType(practice.scam_type),
                group.form,
                group.stage,
                group.transfer,
                EXAM,
                kept_apart=practice.exam,
            )
            for practice in practices
            for group in practice.groups
            for text in group.texts
        ]
    except ValueError as error:
        raise ContentError(f"练习题里有不认识的词：{error}") from None
    taught = [lesson for lesson in plain if not lesson.kept_apart]
    folds = _folds([lesson.text for lesson in taught])
    return [
        *(replace(lesson, fold=fold) for lesson, fold in zip(taught, folds, strict=True)),
        *(lesson for lesson in plain if lesson.kept_apart),
    ]


def ordinary(library: Library) -> Iterator[Lesson]:
    """The questions that the bot answers: they are no scam, and never in the exam."""
    for entry in library.entries:
        for text in (*entry.phrasings, *entry.cases.hit):
            yield Lesson(text, ScamType.NONE, "question", "none", "unknown", -1, 0.3)


def _folds(texts: Sequence[str]) -> list[int]:
    """A fold for each text; texts that share several rare pieces are one story."""
    pieces = [{t[i : i + _SHINGLE] for i in range(len(t) - _SHINGLE + 1)} for t in texts]
    holders: dict[str, list[int]] = defaultdict(list)
    for number, its in enumerate(pieces):
        for piece in its:
            holders[piece].append(number)
    shared: Counter[tuple[int, int]] = Counter()
    for numbers in holders.values():
        if 2 <= len(numbers) <= _RARE:
            shared.update((a, b) for i, a in enumerate(numbers) for b in numbers[i + 1 :])
    story = list(range(len(texts)))

    def root(number: int) -> int:
        while story[number] != number:
            number = story[number]
        return number

    for (a, b), count in sorted(shared.items()):
        if count >= _SHARED:
            first, second = sorted((root(a), root(b)))
            story[second] = first
    names: dict[int, str] = {}
    for number, text in enumerate(texts):
        top = root(number)
        names[top] = min(names.get(top, text), text)
    return [_hashed(names[root(number)]) for number in range(len(texts))]


def _hashed(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % FOLDS


def report(library: Library, folder: Path) -> str:
    """The exam of the screening: texts that nothing was taught on."""
    screen = Screen(library.scams)
    exam = [(lesson, screen.look(lesson.text)) for lesson in lessons(folder) if lesson.fold == EXAM]
    other = [
        (lesson, seen)
        for lesson, seen in exam
        if lesson.scam_type not in (ScamType.BOSS, ScamType.NONE)
    ]
    lines = [
        f"筛查（没教过的 {len(exam)} 条）",
        *_shares(exam),
        "别的骗局认出：" + _share(sum(s.verdict is not Verdict.NONE for _, s in other), len(other)),
        f"别的骗局种类 macro-F1：{_macro_f1(other):.3f}",
        "",
        "其中只考不教、写的时候没看过结果的",
        *_shares([(lesson, seen) for lesson, seen in exam if lesson.kept_apart]),
        "",
        "按样子（认对的）",
    ]
    forms: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for lesson, seen in exam:
        kind = {ScamType.BOSS: "冒充老板", ScamType.NONE: "没事"}.get(lesson.scam_type, "别的骗局")
        forms[kind, lesson.form].append(_is_right(lesson, seen))
    for (kind, form), right in sorted(forms.items()):
        lines.append(f"{kind} {form:<10} {len(right):4} {_share(sum(right), len(right))}")
    return "\n".join(lines)


def _shares(exam: Sequence[tuple[Lesson, Screening]]) -> list[str]:
    boss = [seen for lesson, seen in exam if lesson.scam_type is ScamType.BOSS]
    innocent = [seen for lesson, seen in exam if lesson.scam_type is ScamType.NONE]
    caught = sum(map(_is_boss_alert, boss))
    raised = sum(_is_boss_alert(seen) for _, seen in exam)
    alerts = sum(seen.verdict is Verdict.ALERT for seen in innocent)
    advice = sum(seen.verdict is Verdict.ADVISE for seen in innocent)
    return [
        f"冒充老板：认出 {_share(caught, len(boss))}，报的里面对的 {_share(caught, raised)}",
        f"没事的话报了预警：{_share(alerts, len(innocent))}",
        f"没事的话给了提醒：{_share(advice, len(innocent))}",
    ]


def _is_boss_alert(seen: Screening) -> bool:
    return seen.verdict is Verdict.ALERT and seen.scam_type is ScamType.BOSS


def _is_right(lesson: Lesson, seen: Screening) -> bool:
    if lesson.scam_type is ScamType.BOSS:
        return _is_boss_alert(seen)
    if lesson.scam_type is ScamType.NONE:
        return seen.verdict is Verdict.NONE
    return seen.verdict is not Verdict.NONE


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} {part / whole:.1%}" if whole else "0/0"


def _macro_f1(pairs: Sequence[tuple[Lesson, Screening]]) -> float:
    scores = []
    for scam_type in sorted({lesson.scam_type for lesson, _ in pairs}):
        right = sum(le.scam_type is scam_type is seen.scam_type for le, seen in pairs)
        wrong = sum(
            (le.scam_type is scam_type) != (seen.scam_type is scam_type) for le, seen in pairs
        )
        scores.append(2 * right / (2 * right + wrong) if right else 0.0)
    return sum(scores) / len(scores) if scores else 0.0
