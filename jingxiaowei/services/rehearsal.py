"""Asking without a resident: what the bot would answer, and why. Nothing is stored."""

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from jingxiaowei.pipeline.answer.why import Why, weigh_words
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Decision, Desk, Kind, Known
from jingxiaowei.pipeline.dialogue import Topic
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind
from jingxiaowei.services.curation import today

# The contract's words for what residents never see here.
_KINDS = {Kind.NOTICE: "command", Kind.WELCOME: "command", Kind.QUIET: "command"}


class Rehearsal:
    """A conversation that nobody has: what was said so far counts, and nothing is stored."""

    def __init__(self, mind: Mind) -> None:
        self._mind = mind
        self._topic: Topic | None = None
        self._brief = False

    def say(self, text: str, menu_id: str = "") -> Decision:
        """The decision on a text or a tap, with somebody at the desk."""
        message = Incoming(
            Channel.WEB,
            "rehearsal",
            "rehearsal",
            "1",
            MessageKind.TEXT,
            datetime.now(UTC),
            text=text,
            menu_id=menu_id,
        )
        desk = Desk(True, "", self._mind.library.desk().phone)
        # Nothing is stored, so no ticket is opened: its code stands only in the rehearsed words.
        known = Known(today(), desk, code="XXXXX", topic=self._topic, brief=self._brief)
        decision = self._mind.decide([message], known)
        self._topic = decision.topic or self._topic
        self._brief = self._brief if decision.brief is None else decision.brief
        if decision.candidates:
            return decision
        # An emergency or small talk needs none; who rehearses wants them whatever the kind.
        ruling = self._mind.judge.rule(self._mind.index.query(text))
        return replace(decision, candidates=ruling.candidates)


def rehearse(mind: Mind, text: str) -> Decision:
    """The decision on one text that stands alone."""
    return Rehearsal(mind).say(text)


def explain(mind: Mind, text: str) -> str:
    """The decision in words, for a terminal."""
    decision = rehearse(mind, text)
    lines = [decision.text]
    if decision.options:
        lines.append("".join(f"[{option.label}]" for option in decision.options))
    lines.append("")
    head = f"判断：{decision.kind.value}"
    if decision.faq:
        head += f" → {decision.faq}（{decision.fact}，{decision.score:.2f}）"
    lines.append(head)
    for reason in decision.reasons:
        quote = f"：“{reason.quote}”" if reason.quote else ""
        lines.append(f"  · {reason.because}{quote}")
    lines += _because(mind, text, decision)
    if decision.candidates:
        lines.append("最像的：")
        lines += [f"  {c.score:.2f} {c.fact} {c.title}（{c.faq}）" for c in decision.candidates]
    return "\n".join(lines)


def why_of(mind: Mind, text: str, decision: Decision) -> Why | None:
    """The words that counted, and what would have changed the outcome; None where the entries had
    no say."""
    if decision.kind not in {Kind.ANSWER, Kind.CLARIFY, Kind.UNKNOWN}:
        return None
    return weigh_words(mind.judge, text, mind.judge.rule_text(text))


def _because(mind: Mind, text: str, decision: Decision) -> list[str]:
    why = why_of(mind, text, decision)
    if why is None:
        return []
    lines = []
    if why.counted:
        words = "、".join(f"{one.word}（{one.loss:+.2f}）" for one in why.counted)
        lines.append(f"起作用的词：{words}")
    if why.runner_up is not None:
        lines.append(f"第二像的：{why.runner_up.title}（{why.runner_up.score:.2f}）")
    lines += [
        f"没有“{one.word}”，排第一的会是：{one.instead.title}" for one in why.pivots if one.instead
    ]
    return lines


def answer_lines(mind: Mind, lines: Iterable[bytes]) -> Iterator[str]:
    """One JSON object out for each line in, in order, as the contract has it.

    Lines that share a session are one conversation.
    """
    sessions: dict[str, Rehearsal] = {}
    for line in spoken_lines(lines):
        yield orjson.dumps(_answer_line(mind, line, sessions)).decode()


def spoken_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that say something, without the mark that some editors put before the first."""
    for line in lines:
        said = line.removeprefix(codecs.BOM_UTF8).strip()
        if said:
            yield said


def _answer_line(mind: Mind, line: bytes, sessions: dict[str, Rehearsal]) -> dict[str, Any]:
    try:
        asked = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return {"id": None, "error": f"not JSON: {error}"}
    if not isinstance(asked, dict) or not isinstance(asked.get("text"), str) or "id" not in asked:
        return {"id": None, "error": 'a line is {"id": …, "text": "…"}, "session" is optional'}
    session = asked.get("session")
    rehearsal = sessions.setdefault(str(session), Rehearsal(mind)) if session else Rehearsal(mind)
    decision = rehearsal.say(asked["text"])
    answer: dict[str, Any] = {
        "id": asked["id"],
        "kind": _KINDS.get(decision.kind, decision.kind.value),
    }
    if decision.faq:
        answer |= {"faq": decision.faq, "fact": decision.fact}
    answer["score"] = round(decision.score, 4)
    answer["candidates"] = [
        {"faq": c.faq, "fact": c.fact, "score": c.score} for c in decision.candidates
    ]
    if decision.also:
        answer["also"] = [{"faq": c.faq, "fact": c.fact} for c in decision.also]
    answer["reply"] = decision.text
    if decision.signpost:
        answer["signpost"] = decision.signpost
    if decision.options:
        answer["options"] = [{"id": o.id, "label": o.label} for o in decision.options]
    answer["reasons"] = [
        {"stage": r.stage, "because": r.because, "quote": r.quote} for r in decision.reasons
    ]
    return answer
