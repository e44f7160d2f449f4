"""Screening without a resident: what the screening says of a text, and why. Nothing is stored."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from jingxiaowei.content.model import Library
from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.reply import Speech
from jingxiaowei.pipeline.screen.answer import answer_line, asks_whether_fraud
from jingxiaowei.pipeline.screen.screen import Screen
from jingxiaowei.pipeline.screen.values import Screening, Stage, Trace
from jingxiaowei.pipeline.transcript import as_dialogue
from jingxiaowei.services.reading import read_file
from jingxiaowei.services.rehearsal import spoken_lines

# Reads an image file and gives the text in it.
ReadImage = Callable[[Path], str]

_STAGES: Mapping[Stage, str] = {
    Stage.NONE: "",
    Stage.APPROACH: "接近",
    Stage.NEW_CHANNEL: "换渠道",
    Stage.STAGING: "做戏",
    Stage.PROBE: "摸底",
    Stage.PRETEXT: "找由头",
    Stage.ORDER: "下指令",
    Stage.BYPASS: "绕流程",
    Stage.NO_VOICE: "不让核实",
    Stage.PRESSURE: "催逼",
    Stage.REPEAT: "再要",
}
_VERDICTS = {"alert": "要民警看", "advise": "给居民提醒", "none": "没看出来（不等于没事）"}
_CLOCK = {"not_yet": "还没转", "in_progress": "正在转", "done": "已经转了", "unknown": "不清楚"}


def read_dialogue(image: Path) -> str:
    """The words of a picture in a file, ``名字：话`` a bubble, as the screening reads them.

    Raises:
        PictureRefusedError: it is no picture that is read here.
        UnreadError: the file cannot be opened, or the extra ``ocr`` is not installed.
    """
    return as_dialogue(read_file(image))


def reply(library: Library, screening: Screening, text: str) -> str:
    """What the resident reads; empty where fraud is not the matter."""
    line = answer_line(library.scams, screening)
    if line is not None:
        return Speech(library).say(line.key, **line.fields)
    return Speech(library).say("fraud_unsure") if asks_whether_fraud(text) else ""


def explain_screening(library: Library, text: str) -> str:
    """The screening in words, for a terminal."""
    screen = Screen(library.scams)
    screening = screen.look(text, now=datetime.now(UTC))
    names = {script.scam_type.value: script.name for script in library.scams.scripts}
    says = {s.id: s.says for script in library.scams.scripts for s in script.signals}
    head = f"判断：{_VERDICTS[screening.verdict.value]}（{screening.score:.2f}）"
    if screening.scam_type.value in names:
        head += f" {names[screening.scam_type.value]}"
    lines = [head, f"钱：{_CLOCK[screening.transfer.value]}；这段话：{screening.specimen.value}"]
    if screening.stage is not Stage.NONE:
        lines.append(
            f"走到：{_STAGES[screening.stage]}；下一步多半是：{_STAGES[screening.next_stage]}"
        )
    for signal in screening.signals:
        stage = _STAGES[signal.stage] or "说法"
        why = says.get(signal.signal, "整句的说法像")
        lines.append(f"  +{signal.weight:5.2f} {stage} {why}：“{signal.quote}”")
    lines += [f"  {e.weight:6.2f} 降分 {e.because}：“{e.quote}”" for e in screening.exemptions]
    lines += [f"  {entity.kind.value}：{entity.value}" for entity in screening.entities]
    said = reply(library, screening, text)
    return "\n".join([*lines, "", said] if said else lines)


def screen_lines(
    library: Library, lines: Iterable[bytes], read_image: ReadImage | None = None
) -> Iterator[str]:
    """One JSON object out for each line in, in order, as the contract has it.

    Lines that share a session are one conversation. Without ``read_image`` a line that holds an
    image is answered with an error.
    """
    screen = Screen(library.scams)
    sessions: dict[str, list[Trace]] = defaultdict(list)
    for line in spoken_lines(lines):
        answer = _screen_line(library, screen, line, sessions, read_image)
        yield orjson.dumps(answer).decode()


def _screen_line(
    library: Library,
    screen: Screen,
    line: bytes,
    sessions: dict[str, list[Trace]],
    read_image: ReadImage | None,
) -> dict[str, Any]:
    try:
        asked = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return {"id": None, "error": f"not JSON: {error}"}
    if not isinstance(asked, dict) or "id" not in asked:
        return {"id": None, "error": 'a line is {"id": …, "text": "…"}, "session" is optional'}
    text, image = asked.get("text"), asked.get("image")
    answer: dict[str, Any] = {"id": asked["id"]}
    if not isinstance(text, str):
        if not isinstance(image, str):
            return {"id": None, "error": 'a line has a "text" or an "image"'}
        if read_image is None:
            return answer | {"error": "images cannot be read here: install the extra for it"}
        try:
            text = read_image(Path(image))
        except JingxiaoweiError as error:
            return answer | {"error": str(error)}
        answer["text"] = text
    session = asked.get("session")
    traces = sessions[str(session)] if session else []
    screening = screen.look(text, traces, datetime.now(UTC))
    if screening.trace is not None:
        traces.append(screening.trace)
    return answer | describe(screening) | {"reply": reply(library, screening, text)}


def describe(screening: Screening) -> dict[str, Any]:
    """A screening in the contract's words."""
    return {
        "verdict": screening.verdict.value,
        "scam_type": screening.scam_type.value,
        "score": round(screening.score, 4),
        "stage": screening.stage.value,
        "next_stage": screening.next_stage.value,
        "transfer": screening.transfer.value,
        "specimen": screening.specimen.value,
        "signals": [
            {
                "signal": signal.signal,
                "stage": signal.stage.value,
                "quote": signal.quote,
                "start": signal.start,
                "end": signal.end,
                "weight": signal.weight,
            }
            for signal in screening.signals
        ],
        "exemptions": [
            {
                "exemption": exemption.exemption,
                "because": exemption.because,
                "quote": exemption.quote,
                "start": exemption.start,
                "end": exemption.end,
                "weight": exemption.weight,
            }
            for exemption in screening.exemptions
        ],
        "entities": [
            {
                "kind": entity.kind.value,
                "value": entity.value,
                "quote": entity.quote,
                "start": entity.start,
                "end": entity.end,
            }
            for entity in screening.entities
        ],
    }
