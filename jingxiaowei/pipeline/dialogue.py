"""追问: "多少钱？", "那小孩呢", "不是换证，是补办" mean something only after what was said before.

A follow-up is read by putting the words back that the resident left out: the question before it,
with its thing exchanged where a new one is named. The readings are plain texts, so an officer
sees what was understood, and the judge weighs them like any other question.
"""

import re
from dataclasses import dataclass, replace

from jingxiaowei.content.normalise import clauses, compact
from jingxiaowei.pipeline.answer.index import Index
from jingxiaowei.pipeline.answer.judge import ANSWER, Judge, Ruling
from jingxiaowei.pipeline.answer.query import asks
from jingxiaowei.pipeline.reasons import Reason

_LONGEST_FOLLOW_UP = 18  # compact characters; a longer text says itself what it is about
_KEPT = 60  # characters of a topic: follow-ups on follow-ups must not grow without end
_LEADS = (
    "那么",
    "那",
    "还有",
    "然后",
    "换成",
    "要是",
    "如果",
    "是不是",
    "也",
    "我说的是",
    "我问的是",
)
# A long text is a story with one question in it; of a short one each part may be a question.
_LONGEST_OF_TWO, _SHORTEST_PART = 90, 4
_PARTS = re.compile(
    r"[？?。；;\n]+|[，,\s]*(?:还有就是|还有|另外|顺便(?:再)?(?:问(?:一下|下)?)?|再问(?:一下|下)?)[，,\s]*"
)
# 不是换证，是补办 · 搞错了，我要换护照 · 我说的是居住证，不是证明: what is denied is not meant.
# 是不是 is a question and denies nothing.
_DENIED = re.compile(
    r"^(?:哦|噢|喔|啊|哎|诶|呃|不对|不|[，,。\s])*(?<!是)(?:不是|勿是|弗是)(?:说|问|要|办)?"
    r"(?P<denied>[^，,。！？!?\s]{1,12})[，,。\s]+(?:我)?(?:而|就|想|说的|问的|想问的|要)*(?:是|要|想)?"
    r"(?P<meant>.{2,})$"
)
_CORRECTED = re.compile(
    r"^(?:哦|噢|喔|啊|哎|诶|呃|不对|[，,。\s])*(?:搞错|说错|记错|打错|看错|弄错|讲错|说岔|不对)了?"
    r"[，,。\s]+(?:我)?(?:说的|问的|想问的|应该)*(?:是|要|想)?(?P<meant>.{2,})$"
)
_INSISTED = re.compile(
    r"^(?:我)(?:说的|问的|想问的|要问的|讲的)是(?P<meant>[^，,。！？!?]{2,}?)"
    r"(?:[，,。\s]+不是(?P<denied>.{1,12}))?$"
)
# A text that names no thing leans on what was said before: by itself it must be very plain.
_ALONE = 0.3
# Who names no other thing most often stays with what was answered: so many times the odds.
_STAYS = 2.5
# What ends a conversation. The first kind ends it whatever else is said, the second only where
# nothing is named.
_FAREWELL = {
    "bye": re.compile("拜拜|再见|回头见|下次再"),
    "thanks": re.compile("谢|多亏|麻烦了|麻烦你|辛苦|劳烦|一生平安"),
}
_ASSENT = re.compile(
    "收到|知道了|晓得|明白了|懂了|清楚|了解了|有数|记住|行嘞|好嘞|好勒|好滴|好的|那行|那好|没事了|算了"
    "|^(?:好|行|嗯|中|哦|噢|哦哟)(?=[，,。 ！!])"
)
_TRAILING = ("呢", "吗", "么", "不", "伐", "没", "吧", "?", "？")
_LONGEST_CLOSING = 16


@dataclass(frozen=True, slots=True)
class Topic:
    """What a conversation is about.

    Attributes:
        faq: the entry that was answered; empty while the resident was asked back.
        text: the question as understood.
        code: what the buttons under it carry, so that an older question's are known as stale.
        asked: what of the resident's file was just shown or asked (:class:`.rights_asked.Asked`);
            then it is no question that could be read on from.
    """

    faq: str
    text: str
    code: str = ""
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to understand a text.

    Attributes:
        before: the question before, where it is read on from there.
        exchanged: the thing of the question before was exchanged for the one named now.
        strays: it is read on from a question about another thing than the one named now.
    """

    text: str
    before: str = ""
    exchanged: bool = False
    strays: bool = False

    @property
    def whole(self) -> str:
        """The reading as one text."""
        return f"{self.before}，{self.text}" if self.before else self.text


def understand(
    index: Index, judge: Judge, text: str, topic: Topic | None
) -> tuple[Reading, Ruling]:
    """The reading that the judge is surest of; one that stands well alone is left alone."""
    because: list[Reason] = []
    corrected = _correction(text) if topic else None
    if corrected is not None:
        text, denied = corrected
        because.append(Reason("dialogue", f"更正：不是“{denied}”" if denied else "更正了上一句"))
        if topic is not None and denied:
            topic = replace(topic, text=topic.text.replace(compact(denied), ""))
    alone, *carried = _readings(index, text, topic, corrected is not None)
    ruling = judge.rule_text(alone.text)
    sure = ruling.candidates[0].score if ruling.candidates else 0.0
    best, found = alone, ruling
    leans = bool(carried) and _leans(index, text)
    if carried and (leans or corrected is not None or sure < ANSWER):
        sure *= _ALONE if leans else 1.0
        for reading in carried:
            other = judge.rule(index.query(reading.text, reading.before))
            if topic is not None and reading.before and not reading.strays:
                other = _stay(other, topic.faq)
            score = other.candidates[0].score if other.candidates else 0.0
            if score > sure:
                best, found, sure = reading, other, score
        if best is not alone:
            because.append(Reason("dialogue", f"接着上一句理解成：{best.whole}"))
    if because:
        reasons = (*because, *found.reasons)
        found = Ruling(found.candidates, reasons, found.foreign, found.belief)
    return best, found


def _stay(ruling: Ruling, faq: str) -> Ruling:
    """A ruling in which the entry that was answered last has better odds."""
    before = next((c.score for c in ruling.candidates if c.faq == faq), 0.0)
    if not 0.0 < before < 1.0:
        return ruling
    after = _STAYS * before / (1 - before + _STAYS * before)
    rest = (1 - after) / (1 - before)
    candidates = [
        replace(c, score=round(after if c.faq == faq else c.score * rest, 4))
        for c in ruling.candidates
    ]
    candidates.sort(key=lambda candidate: -candidate.score)
    return replace(ruling, candidates=tuple(candidates))


def _correction(text: str) -> tuple[str, str] | None:
    """What a correction means, and what it denies."""
    plain = text.strip().rstrip("。.!！")
    for pattern in (_INSISTED, _DENIED, _CORRECTED):
        found = pattern.match(plain)
        if found is not None:
            return found.group("meant"), found.groupdict().get("denied") or ""
    return None


def parts(text: str) -> list[str]:
    """The parts of a short message that may be questions of their own."""
    if len(text) > _LONGEST_OF_TWO:
        return [text]
    asked = [
        part for part in _PARTS.split(text) if len(compact(part)) >= _SHORTEST_PART and asks(part)
    ]
    return asked or [text]


def names_a_thing(index: Index, text: str) -> bool:
    """Whether a text says itself what it is about."""
    return bool(_objects(index, compact(text)))


def closing(index: Index, text: str) -> str:
    """Which courtesy a short text is that asks for nothing more; empty where it is none."""
    plain = text.strip()
    if len(plain) > _LONGEST_CLOSING or plain.endswith(_TRAILING) or asks(plain):
        return ""
    for kind, pattern in _FAREWELL.items():
        if pattern.search(plain):
            return kind
    return "okay" if _ASSENT.search(plain) and not names_a_thing(index, plain) else ""


def next_topic(faq: str, reading: Reading, code: str, before: Topic | None = None) -> Topic:
    """The topic after an answer or a question back.

    What asks for another side of the same entry (多少钱) leaves the question as it was: otherwise
    the sides that were asked about before would be read into every later one.
    """
    if before is not None and reading.before and faq == before.faq:
        return Topic(faq, before.text, code)
    return Topic(faq, reading.whole[-_KEPT:], code)


def _readings(index: Index, text: str, topic: Topic | None, corrected: bool) -> list[Reading]:
    """The text by itself, and, for what may be a follow-up, with the topic's words put back."""
    alone = Reading(text)
    if topic is None:
        return [alone]
    plain = compact(text)
    if not plain or len(plain) > _LONGEST_FOLLOW_UP:
        return [alone]
    found = [alone]
    named = bool(_objects(index, plain))
    if not (corrected and named):  # what was corrected is not read on from
        strays = named and not _things(index, plain) & _things(index, topic.text)
        found.append(Reading(text, before=topic.text, strays=strays))
    if named:
        rest = _without_objects(index, topic.text)
        if rest:
            found.append(Reading(_bare(plain) + rest, exchanged=True))
    return found


def _leans(index: Index, text: str) -> bool:
    """Whether a text can hardly stand alone: it names no thing, or begins as a follow-up."""
    plain = compact(text)
    return plain.startswith(_LEADS) or plain.endswith("呢") or not _objects(index, plain)


def _objects(index: Index, plain: str) -> list[tuple[int, int]]:
    """Where a compact text names a thing."""
    spotted = index.tokenizer.spot(plain, index.tokenizer.words(plain))
    return [(s.start, s.end) for s in spotted if index.kinds[s.slug] == "object"]


def _things(index: Index, text: str) -> set[str]:
    """The things that a text names."""
    spotted = (spot for part in index.tokenizer.clauses(text) for spot in part.spotted)
    return {spot.slug for spot in spotted if index.kinds[spot.slug] == "object"}


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
