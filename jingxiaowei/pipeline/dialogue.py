"""追问: "多少钱？", "那小孩呢", "身份证呢" mean something only after what was said before.

A follow-up is read by putting the words back that the resident left out: the question before it,
with its thing exchanged where a new one is named. The readings are plain texts, so an officer
sees what was understood, and the judge weighs them like any other question.
"""

from dataclasses import dataclass

from jingxiaowei.content.normalise import clauses, compact
from jingxiaowei.pipeline.answer.index import Index

_LONGEST_FOLLOW_UP = 18  # compact characters; a longer text says itself what it is about
_KEPT = 60  # characters of a topic: follow-ups on follow-ups must not grow without end
_LEADS = ("那么", "那", "还有", "然后", "换成", "要是", "如果", "是不是", "也")


@dataclass(frozen=True, slots=True)
class Topic:
    """What a conversation is about: the entry that was answered (empty while the resident was
    asked back), and the question as understood."""

    faq: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to understand a text.

    Attributes:
        before: the question before, where it is read on from there.
        exchanged: the thing of the question before was exchanged for the one named now.
    """

    text: str
    before: str = ""
    exchanged: bool = False

    @property
    def whole(self) -> str:
        """The reading as one text."""
        return f"{self.before}，{self.text}" if self.before else self.text


def readings(index: Index, text: str, topic: Topic | None) -> list[Reading]:
    """The text by itself, and, for what may be a follow-up, with the topic's words put back."""
    alone = Reading(text)
    plain = compact(text)
    if topic is None or not plain or len(plain) > _LONGEST_FOLLOW_UP:
        return [alone]
    found = [alone, Reading(text, before=topic.text)]
    if _objects(index, plain):
        rest = _without_objects(index, topic.text)
        if rest:
            found.append(Reading(_bare(plain) + rest, exchanged=True))
    return found


def leans(index: Index, text: str) -> bool:
    """Whether a text can hardly stand alone: it names no thing, or begins as a follow-up."""
    plain = compact(text)
    return plain.startswith(_LEADS) or plain.endswith("呢") or not _objects(index, plain)


def next_topic(faq: str, asked: str) -> Topic:
    """The topic after an answer or a question back."""
    return Topic(faq, asked[-_KEPT:])


def _objects(index: Index, plain: str) -> list[tuple[int, int]]:
    """Where a compact text names a thing."""
    spotted = index.tokenizer.spot(plain, index.tokenizer.words(plain))
    return [(s.start, s.end) for s in spotted if index.kinds[s.slug] == "object"]


def _without_objects(index: Index, text: str) -> str:
    """What is asked about the thing, without the thing: 驾照丢了怎么补 → 丢了怎么补."""
    rests = []
    for clause in clauses(text):
        rest, at = "", 0
        for start, end in _objects(index, clause):
            rest += clause[at:start]
            at = end
        rests.append(rest + clause[at:])
    return "，".join(rest for rest in rests if rest)


def _bare(plain: str) -> str:
    """A follow-up without its lead and particle: 那身份证呢 → 身份证."""
    for lead in _LEADS:
        if plain.startswith(lead) and len(plain) > len(lead):
            plain = plain[len(lead) :]
            break
    return plain.rstrip("呢吗啊呀") or plain
