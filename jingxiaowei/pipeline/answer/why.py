"""为什么: which words of a question counted, and what would have changed the outcome.

Asked for by an officer or an admin, never on the way of a message: every word is left out once
and the question judged again.
"""

from dataclasses import dataclass

from jingxiaowei.pipeline.answer.judge import Judge, Ruling
from jingxiaowei.pipeline.answer.query import LONGEST
from jingxiaowei.pipeline.answer.words import STOPWORDS
from jingxiaowei.pipeline.reasons import Candidate

_WORDS = 40  # words that are tried
_SHOWN = 4
_COUNTS = 0.02  # a smaller loss of probability is no reason


@dataclass(frozen=True, slots=True)
class Counted:
    """A word, what the first place loses without it, and who would be first then."""

    word: str
    loss: float
    instead: Candidate | None


@dataclass(frozen=True, slots=True)
class Why:
    """The words that counted, the most first; the runner-up, and the words that keep it there."""

    counted: tuple[Counted, ...]
    runner_up: Candidate | None

    @property
    def pivots(self) -> tuple[Counted, ...]:
        """The words without which another entry would be first."""
        return tuple(counted for counted in self.counted if counted.instead is not None)


def weigh_words(judge: Judge, text: str, ruling: Ruling) -> Why:
    """Why the first candidate is first."""
    if not ruling.candidates:
        return Why((), None)
    first = ruling.candidates[0]
    text = text[:LONGEST]
    words: dict[str, None] = {}
    for clause in judge.index.tokenizer.clauses(text):
        words |= dict.fromkeys(word for word in clause.words if word not in STOPWORDS)
    counted = []
    for word in list(words)[:_WORDS]:
        without = judge.rule(judge.index.query(text.replace(word, "")))
        left = next((c.score for c in without.candidates if c.faq == first.faq), 0.0)
        best = without.candidates[0] if without.candidates else None
        other = best if best is not None and best.faq != first.faq else None
        loss = first.score - left
        if loss >= _COUNTS or other is not None:
            counted.append(Counted(word, round(loss, 3), other))
    counted.sort(key=lambda one: -one.loss)
    runner_up = ruling.candidates[1] if len(ruling.candidates) > 1 else None
    return Why(tuple(counted[:_SHOWN]), runner_up)
