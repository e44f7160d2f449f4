"""追问: "多少钱？", "那小孩呢", "不是换证，是补办" mean something only after what was said before.

A follow-up is read by putting the words back that the resident left out: the question before it,
with its thing exchanged where a new one is named. The readings are plain texts, so an officer
sees what was understood; the judge weighs them like any other question, and all of them together
decide (:mod:`blending`).
"""

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jingxiaowei.content.normalise import clauses, compact
from jingxiaowei.pipeline.answer.index import Index
from jingxiaowei.pipeline.answer.judge import Judge, Ruling
from jingxiaowei.pipeline.answer.query import asks
from jingxiaowei.pipeline.blending import KINDS, KINSHIP, Akin, Hint, Knows, Leaning, Way, blend
from jingxiaowei.pipeline.correcting import amend, correction
from jingxiaowei.pipeline.reasons import Reason

_LONGEST_FOLLOW_UP = 26  # compact characters; a longer text says itself what it is about
_OFFERED = 0.5  # an entry that was offered is that likely to be the one
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
# Somebody or something that was named before. 其他 is nobody.
_POINTS = re.compile("(?<!其)[他她它]|这个|那个|一起|一道")
# Who says so himself turns to something else, where he names it.
_TURNS = re.compile(
    r"^(?:另外|换个(?:事|问题|话题)|(?:再|还想|还要|想再)问(?:一下|下|一个|个)?(?:别的|事情?)?|"
    r"还有(?:个|一个|一件)(?:事情?|问题)|对了|顺便(?:再)?(?:问(?:一下|下)?)?|(?:问|说)(?:个|点)别的)"
    r"[，,。\s]*"
)
# A long text is a story with one question in it; of a short one each part may be a question.
_LONGEST_OF_TWO, _SHORTEST_PART = 90, 4
_PARTS = re.compile(
    r"[？?。；;\n]+|[，,\s]*(?:还有就是|还有|另外|顺便(?:再)?(?:问(?:一下|下)?)?|再问(?:一下|下)?)[，,\s]*"
    r"|[，,\s]+"
)
# 没听懂 · 讲简单点: the same once more. With a question behind it (没懂 到底几天) that one counts.
_LOST = re.compile(
    "(?:还是|有点|实在)?(?:没太|不太|没大|没|听不|看不|搞不|弄不|听勿|看勿|不)(?:听|看|搞|弄)?"
    "(?:得)?(?:懂|明白|清楚)(?:了|啊|呀|呢|嘛)?|说人话"
    "|你?(?:说|讲|写)(?:得|的)?(?:简单|清楚|明白|直白|通俗|慢|短)一?(?:点|些)儿?"
    "|你?(?:说|讲|写)(?:得|的)?太(?:深|复杂|啰嗦|长|快)了?"
)
_AGAIN = 3  # compact characters that may stand beside it
_STRAYS = list(Hint).index(Hint.STRAYS)
_USUAL = 3.0  # a concept in every third phrasing is fully an entry's own
# 多少钱, with nothing before it and no thing beside it, asks for a side of nobody knows what. What
# an answer's part for it is called (content.model.Parts).
_SIDES = {
    "fee": "fee",
    "materials": "materials",
    "time_limit": "time",
    "place": "place",
    "online": "channel",
    "condition": "who",
    "in_person": "who",
}
_LONGEST_SIDE = 6  # compact characters
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
        offered: the first entry that was offered, where the resident was asked back.
    """

    faq: str
    text: str
    code: str = ""
    asked: str = ""
    offered: str = ""

    @property
    def lasting(self) -> dict[str, float]:
        """The entries that the next line may be about, and how likely."""
        if self.faq:
            return {self.faq: 1.0}
        return {self.offered: _OFFERED} if self.offered else {}


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to understand a text.

    Attributes:
        before: the question before, where it is read on from there.
        leans: it was weighed with what was said before, or corrects it.
        about: what the conversation is about from here on, where it is not the whole: once
            another thing is named, the first one is no longer asked about.
    """

    text: str
    before: str = ""
    way: Way = Way.ALONE
    leans: bool = False
    about: str = ""

    @property
    def whole(self) -> str:
        """The reading as one text."""
        return f"{self.before}，{self.text}" if self.before else self.text


def understand(
    index: Index, judge: Judge, weights: Leaning, text: str, topic: Topic | None
) -> tuple[Reading, Ruling]:
    """The likeliest reading, and what all of them together say."""
    if topic is None:
        return Reading(text), judge.rule_text(text)
    because: list[Reason] = []
    text = _without_plaint(text)
    corrected = correction(text, topic.text)
    if corrected is not None:
        text = corrected.meant
        denied = f"更正：不是“{corrected.denied}”" if corrected.denied else "更正了上一句"
        because.append(Reason("dialogue", denied))
        topic = replace(topic, text=amend(topic.text, corrected))
    # 分户 is short, yet all of a question: nothing before it is part of it.
    own = index.knows(text) and names_a_thing(index, text)
    alone, *others = [Reading(text)] if own else readings(index, text, topic)
    ways = (alone, *others)
    read = {Way.ALONE: judge.rule_text(alone.text)}
    rulings = judge.rule_all([index.query(reading.text, reading.before) for reading in others])
    read |= {reading.way: ruling for reading, ruling in zip(others, rulings, strict=True)}
    way, found = Way.ALONE, read[Way.ALONE]
    if len(ways) > 1:
        told = hints(index, text, topic, corrected is not None)
        near = kinship(index, topic, told)
        way, found = blend(weights, told, read, topic.lasting, knowing(index, text), near)
    best = next(reading for reading in ways if reading.way is way)
    if way is Way.CARRIED and _first(read.get(Way.EXCHANGED)) == _first(found) != "":
        best = replace(best, about=f"{_without_objects(index, topic.text)}，{best.text}")
    if way is not Way.ALONE:
        because.append(Reason("dialogue", f"接着上一句理解成：{best.whole}"))
    if because or len(ways) > 1:
        best = replace(best, leans=True)
    if because:
        found = replace(found, reasons=(*because, *found.reasons))
    return best, found


def _first(ruling: Ruling | None) -> str:
    return ruling.candidates[0].faq if ruling is not None and ruling.candidates else ""


def hints(index: Index, text: str, topic: Topic, corrected: bool) -> NDArray[np.float64]:
    """What tells how a text is to be read, in the order of :class:`.blending.Hint`."""
    plain = compact(text)
    things = _things(index, text)
    strays = bool(things) and not things & _things(index, topic.text)
    return np.array(
        [
            1.0,
            not things,
            plain.startswith(_LEADS) or plain.endswith("呢"),
            strays,
            bool(_things(index, text, "person") - _things(index, topic.text, "person")),
            corrected,
            max(0.0, 1 - len(plain) / _LONGEST_FOLLOW_UP),
            asks(text),
            _POINTS.search(plain) is not None,
            strays and bool(_things(index, text, "action")),
        ],
        dtype=np.float64,
    )


def knowing(index: Index, text: str) -> Knows:
    """How much of what a text names an entry knows, see :class:`.blending.Turns`."""
    spotted = (spot.slug for part in index.tokenizer.clauses(text) for spot in part.spotted)
    named: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for slug in spotted:
        named[index.kinds[slug]].add(slug)

    def knows(faq: str) -> list[float]:
        held = index.slots.holds(index.places[faq])
        return [
            sum(min(1.0, _USUAL * held.get(slug, 0.0)) for slug in slugs) / len(slugs) - 0.5
            if slugs
            else 0.0
            for slugs in named.values()
        ]

    return knows


def kinship(index: Index, topic: Topic, told: NDArray[np.float64]) -> Akin:
    """How near an entry is to what was answered last, or offered: by the things that both are
    about, unless another one is named, and by the domain. See :class:`.blending.Turns`.

    ``told``: the text's :func:`hints`.
    """
    last = topic.faq or topic.offered
    if last not in index.places:
        return lambda faq: [0.0] * len(KINSHIP)
    place = index.places[last]
    home = index.entries[place].domain
    elsewhere = told[_STRAYS] > 0

    def akin(faq: str) -> list[float]:
        other = index.places[faq]
        same = float(index.entries[other].domain is home)
        return [0.0 if elsewhere else index.slots.alike(place, other), same]

    return akin


def lost(text: str) -> bool:
    """Whether a text says that the answer was not understood, and asks nothing else."""
    rest, count = _LOST.subn("", text)
    return count > 0 and len(compact(rest)) <= _AGAIN


def _without_plaint(text: str) -> str:
    """没懂 到底几天 → 到底几天."""
    rest, count = _LOST.subn("", text, count=1)
    return rest if count and asks(rest) and len(compact(rest)) > _AGAIN else text


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


def only_a_side(index: Index, text: str) -> bool:
    """Whether a short text asks for a side and names nothing that has one."""
    plain = compact(text)
    if len(plain) > _LONGEST_SIDE:
        return False
    spotted = index.tokenizer.spot(plain, index.tokenizer.words(plain))
    return bool(spotted) and all(spot.slug in _SIDES for spot in spotted)


def sides(index: Index, text: str) -> tuple[str, ...]:
    """The parts of an answer that a text asks for; none where it names a thing or somebody."""
    spotted = {spot.slug for part in index.tokenizer.clauses(text) for spot in part.spotted}
    if any(index.kinds[slug] in ("object", "person") for slug in spotted):
        return ()
    return tuple(dict.fromkeys(part for slug, part in _SIDES.items() if slug in spotted))


def closing(index: Index, text: str) -> str:
    """Which courtesy a short text is that asks for nothing new; empty where it is none."""
    plain = text.strip()
    if len(plain) <= _LONGEST_CLOSING and lost(plain):
        return "unclear"
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
    return Topic(faq, (reading.about or reading.whole)[-_KEPT:], code)


def readings(index: Index, text: str, topic: Topic) -> list[Reading]:
    """The text by itself, and, for what may be a follow-up, with the topic's words put back."""
    alone = Reading(text)
    plain = compact(text)
    if not plain or len(plain) > _LONGEST_FOLLOW_UP or not topic.text:
        return [alone]
    turned = _TURNS.match(text)
    if turned is not None and names_a_thing(index, text):
        return [Reading(text[turned.end() :])]
    found = [alone, Reading(text, topic.text, Way.CARRIED)]
    if _objects(index, plain):
        rest = _without_objects(index, topic.text)
        if rest:
            found.append(Reading(_bare(plain) + rest, way=Way.EXCHANGED))
    return found


def _objects(index: Index, plain: str) -> list[tuple[int, int]]:
    """Where a compact text names a thing."""
    spotted = index.tokenizer.spot(plain, index.tokenizer.words(plain))
    return [(s.start, s.end) for s in spotted if index.kinds[s.slug] == "object"]


def _things(index: Index, text: str, kind: str = "object") -> set[str]:
    """The things, or other concepts of a kind, that a text names."""
    spotted = (spot for part in index.tokenizer.clauses(text) for spot in part.spotted)
    return {spot.slug for spot in spotted if index.kinds[spot.slug] == kind}


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
