"""From a typed question to an answer, a question back, a signpost, or "I don't know"."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import daachorse

from jingxiaowei.content.model import FaqEntry, Library
from jingxiaowei.content.normalise import clauses, compact
from jingxiaowei.pipeline.answer.index import Index
from jingxiaowei.pipeline.answer.judge import ANSWER, ASK, Judge, Ruling, clear
from jingxiaowei.pipeline.answer.query import asks
from jingxiaowei.pipeline.blending import leaning
from jingxiaowei.pipeline.decision import Decision, Kind, Known
from jingxiaowei.pipeline.dialogue import (
    Reading,
    names_a_thing,
    next_topic,
    only_a_side,
    parts,
    sides,
    understand,
)
from jingxiaowei.pipeline.messages import Option
from jingxiaowei.pipeline.reasons import Candidate, Reason
from jingxiaowei.pipeline.reply import TEXT_BYTES, Speech, label

OFFERED = 3
_BOTH = 0.75  # as sure as that of each of two questions, to answer both at once
_FOREIGN = 0.5  # as sure as that of whose matter it is, to point there
_NEAR = ASK / 2
_STORY = 60  # characters; in longer ones the words of other people's matters are circumstances
# Mid-conversation a question back costs more and a slip less: the next line mends it.
_ANSWER_ON, _CLOSE_ON = 0.34, 0.05


class Answering:
    """Answers with one library."""

    def __init__(self, library: Library, index: Index, judge: Judge, speech: Speech) -> None:
        self._library = library
        self._index = index
        self._judge = judge
        self._speech = speech
        self._leaning = leaning(library.judge.follow)
        self.by_fact: Mapping[str, FaqEntry] = {entry.fact: entry for entry in library.entries}
        signs: dict[str, tuple[str, str]] = {}
        firm = [(word, post) for post in library.signposts for word in post.firm]
        others = [(word, post) for post in library.signposts for word in post.words]
        for word, whose in (*firm, *others):
            signs.setdefault(compact(word) or "\0", (whose.agency, whose.phone))
        self._firm = {compact(word) for word, _ in firm}
        self._signs, self._words = signs, list(signs)
        self._sign_words = daachorse.CharwiseDoubleArrayAhoCorasick(
            self._words or ["\0"], daachorse.MATCH_KIND_STANDARD
        )
        self._agencies = {post.phone: post.agency for post in library.signposts}
        self._agencies |= {agency.phone: agency.name for agency in library.agencies}

    def answer(self, text: str, known: Known) -> Decision:
        """What to say to a question."""
        both = self._both(text, known)
        if both is not None:
            return both
        reading, ruling = understand(self._index, self._judge, self._leaning, text, known.topic)
        best = ruling.candidates[0].score if ruling.candidates else 0.0
        sign = self._sign(text)
        if sign in self._firm:
            return self._point(self._signs[sign], sign, ruling)
        vague = known.topic is None and only_a_side(self._index, text)
        sure = best >= ANSWER and clear(ruling) and not vague
        if sure or (reading.leans and best >= _ANSWER_ON and clear(ruling, _CLOSE_ON)):
            entry = self._library.by_id[ruling.candidates[0].faq]
            return self.give(entry, known, ruling, reading)
        if best >= ASK and sign:
            sign = self._asked_sign(text)
        signpost = self._signpost(sign, ruling) if best < ANSWER else None
        if signpost is not None:
            return signpost
        if best >= ASK:
            return self._ask_back(ruling, reading, known)
        return self._unknown(ruling)

    def give(self, entry: FaqEntry, known: Known, ruling: Ruling, reading: Reading) -> Decision:
        """An entry's answer, with the two buttons that say whether it helped.

        多少钱 about what was just answered gets what it costs, not all of it once more.
        """
        same = known.topic is not None and known.topic.faq == entry.id and reading.before
        asked = sides(self._index, reading.text) if same else ()
        return Decision(
            Kind.ANSWER,
            self._speech.sides(entry, known.today, asked)
            or self._speech.answer(entry, known.today, known.brief),
            self._thumbs(entry, known),
            faq=entry.id,
            fact=entry.fact,
            score=ruling.candidates[0].score if ruling.candidates else 1.0,
            candidates=ruling.candidates,
            topic=next_topic(entry.id, reading, known.code, known.topic),
            reasons=ruling.reasons,
        )

    def pick(self, entry: FaqEntry, known: Known) -> Decision:
        """The answer to a tapped option."""
        chosen = (Candidate(entry.id, entry.fact, 1.0, entry.title),)
        return self.give(
            entry, known, Ruling(chosen, (Reason("tap", "点了按钮"),)), Reading(entry.title)
        )

    def again(self, entry: FaqEntry, known: Known) -> Decision:
        """The same answer in fewer words, for who did not understand it."""
        chosen = (Candidate(entry.id, entry.fact, 1.0, entry.title),)
        lead = self._speech.say("again", title=entry.title)
        return Decision(
            Kind.ANSWER,
            f"{lead}\n{self._speech.answer(entry, known.today, brief=True)}",
            (Option("human", "转人工"),),
            faq=entry.id,
            fact=entry.fact,
            score=1.0,
            candidates=chosen,
            reasons=(Reason("dialogue", "没听懂：换短的再说一遍"),),
        )

    def _thumbs(self, entry: FaqEntry, known: Known) -> tuple[Option, ...]:
        return (
            Option(f"good-{known.code}-{entry.fact}", "有用"),
            Option(f"bad-{known.code}-{entry.fact}", "没解决"),
        )

    def _both(self, text: str, known: Known) -> Decision | None:
        """Two questions in one message, each of them plain: both are answered."""
        asked = parts(text)
        if len(asked) > 1:
            asked = [part for part in asked if names_a_thing(self._index, part)]
        if len(asked) < 2:
            return None  # who names one thing asks about one thing
        first: tuple[str, Ruling] | None = None
        for n, part in enumerate(asked):
            if first is None and n == len(asked) - 1:
                return None  # there is no second one to come
            ruling = self._judge.rule_text(part)
            if not ruling.candidates or ruling.candidates[0].score < _BOTH or not clear(ruling):
                continue
            if first is None:
                first = (part, ruling)
            elif first[1].candidates[0].faq != ruling.candidates[0].faq:
                return self._give_both((first, (part, ruling)), known)
        return None

    def _give_both(self, asked: Sequence[tuple[str, Ruling]], known: Known) -> Decision:
        entries = [self._library.by_id[ruling.candidates[0].faq] for _, ruling in asked]
        lines = [
            f"{entry.title}：\n{self._speech.answer(entry, known.today, known.brief)}"
            for entry in entries
        ]
        if len("\n\n".join(lines).encode()) > TEXT_BYTES:
            lines = [
                f"{entry.title}：\n{self._speech.answer(entry, known.today, brief=True)}"
                for entry in entries
            ]
        (_, one), (second_text, two) = asked
        # The first places of both, then what each might have meant besides.
        candidates = dict.fromkeys((one.candidates[0], two.candidates[0], *one.candidates[1:4]))
        return Decision(
            Kind.ANSWER,
            "\n\n".join(lines),
            self._thumbs(entries[0], known),
            faq=entries[0].id,
            fact=entries[0].fact,
            score=min(one.candidates[0].score, two.candidates[0].score),
            candidates=tuple(candidates),
            also=(two.candidates[0],),
            topic=next_topic(entries[1].id, Reading(second_text), known.code),
            reasons=(Reason("decide", "一句话问了两件事，都答"), *one.reasons, *two.reasons),
        )

    def _options(self, candidates: Sequence[Candidate], code: str) -> tuple[Option, ...]:
        return tuple(Option(f"pick-{code}-{c.fact}", label(c.title)) for c in candidates)

    def _ask_back(self, ruling: Ruling, reading: Reading, known: Known) -> Decision:
        close = ruling.candidates[:OFFERED]
        return Decision(
            Kind.CLARIFY,
            self._speech.say("ask_back"),
            (*self._options(close, known.code), Option("neither", "都不是")),
            score=ruling.candidates[0].score,
            candidates=ruling.candidates,
            topic=replace(next_topic("", reading, known.code), offered=close[0].faq),
            reasons=(*ruling.reasons, Reason("decide", "有两三条都像，先问清楚")),
        )

    def _unknown(self, ruling: Ruling) -> Decision:
        near = [c for c in ruling.candidates[:2] if c.score >= _NEAR]
        key = "unknown" if near else "unknown_plain"
        options = tuple(Option(f"faq-{c.faq}", label(c.title)) for c in near)
        return Decision(
            Kind.UNKNOWN,
            self._speech.say(key),
            (*options, Option("human", "转人工")) if near else self._speech.options(key),
            score=ruling.candidates[0].score if ruling.candidates else 0.0,
            candidates=ruling.candidates,
            missed=True,
            reasons=(*ruling.reasons, Reason("decide", "没有一条够像，如实说不知道")),
        )

    def _sign(self, text: str) -> str:
        """The first of the words in a text that say whose matter it is; empty where none is."""
        seen = self._sign_words.find_overlapping(compact(text))
        return self._words[min(sign for _, _, sign in seen)] if seen else ""

    def _asked_sign(self, text: str) -> str:
        """The same of what is asked, where entries come near: 医保 in a story about 落户 points
        nowhere."""
        if len(text) > _STORY:
            return ""
        parts = clauses(text)
        return self._sign("，".join([part for part in parts if asks(part)] or parts))

    def _signpost(self, sign: str, ruling: Ruling) -> Decision | None:
        """Whose matter it is: by a word that says so, or as the practice taught."""
        if sign:
            return self._point(self._signs[sign], sign, ruling)
        agency = self._agencies.get(ruling.foreign)
        if ruling.belief >= _FOREIGN and agency is not None:
            return self._point((agency, ruling.foreign), "", ruling)
        return None

    def _point(self, whose: tuple[str, str], word: str, ruling: Ruling) -> Decision:
        agency, phone = whose
        return Decision(
            Kind.UNKNOWN,
            self._speech.say("signpost", agency=agency, phone=phone),
            self._speech.options("signpost"),
            score=ruling.candidates[0].score if ruling.candidates else 0.0,
            candidates=ruling.candidates,
            signpost=phone,
            missed=True,
            reasons=(Reason("decide", f"归{agency}管", word),),
        )
