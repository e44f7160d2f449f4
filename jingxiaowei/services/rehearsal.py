"""Asking without a resident: what the bot would answer, and why. Nothing is stored."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Decision, Desk, Kind, Known
from jingxiaowei.pipeline.dialogue import Topic
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind
from jingxiaowei.services.curation import today

# The contract's words for what residents never see here.
_KINDS = {Kind.NOTICE: "command", Kind.WELCOME: "command", Kind.QUIET: "command"}


def rehearse(mind: Mind, text: str, topic: Topic | None = None) -> Decision:
    """The decision on one text, after what was answered before, with somebody at the desk."""
    message = Incoming(
        Channel.WEB, "rehearsal", "rehearsal", "1", MessageKind.TEXT, datetime.now(UTC), text=text
    )
    desk = Desk(True, "", mind.library.desk().phone)
    decision = mind.decide([message], Known(today(), desk, code="XXXXX", topic=topic))
    if decision.candidates:
        return decision
    # An emergency or small talk needs none; who rehearses wants to see them whatever the kind.
    ruling = mind.judge.rule(mind.index.query(text))
    return replace(decision, candidates=ruling.candidates)


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
    if decision.candidates:
        lines.append("最像的：")
        lines += [f"  {c.score:.2f} {c.fact} {c.title}（{c.faq}）" for c in decision.candidates]
    return "\n".join(lines)


def answer_lines(mind: Mind, lines: Iterable[bytes]) -> Iterator[str]:
    """One JSON object out for each line in, in order, as the contract has it.

    Lines that share a session are one conversation.
    """
    topics: dict[str, Topic] = {}
    for line in lines:
        if line.strip():
            yield orjson.dumps(_answer_line(mind, line, topics)).decode()


def _answer_line(mind: Mind, line: bytes, topics: dict[str, Topic]) -> dict[str, Any]:
    try:
        asked = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return {"id": None, "error": f"not JSON: {error}"}
    if not isinstance(asked, dict) or not isinstance(asked.get("text"), str) or "id" not in asked:
        return {"id": None, "error": 'a line is {"id": …, "text": "…"}, "session" is optional'}
    session = asked.get("session")
    decision = rehearse(mind, asked["text"], topics.get(str(session)) if session else None)
    if session and decision.topic is not None:
        topics[str(session)] = decision.topic
    answer: dict[str, Any] = {
        "id": asked["id"],
        "kind": _KINDS.get(decision.kind, decision.kind.value),
    }
    if decision.faq:
        answer |= {"faq": decision.faq, "fact": decision.fact}
    answer["score"] = decision.score
    answer["candidates"] = [
        {"faq": c.faq, "fact": c.fact, "score": c.score} for c in decision.candidates
    ]
    answer["reply"] = decision.text
    if decision.signpost:
        answer["signpost"] = decision.signpost
    if decision.options:
        answer["options"] = [{"id": o.id, "label": o.label} for o in decision.options]
    answer["reasons"] = [
        {"stage": r.stage, "because": r.because, "quote": r.quote} for r in decision.reasons
    ]
    return answer
