"""Putting a reply into words: an entry's answer, or a line of the voice."""

from collections.abc import Sequence
from datetime import date

from jingxiaowei.content.model import Certainty, FaqEntry, Library
from jingxiaowei.pipeline.messages import Option

TEXT_BYTES = 2048
LABEL_CHARACTERS = 16

_LABELS = {
    "materials": "要带",
    "who": "条件",
    "place": "去哪办",
    "channel": "渠道",
    "fee": "费用",
    "time": "时间",
}


_BRIEF = ("materials", "place", "fee")


def _fill(text: str, windows: dict[str, str]) -> str:
    if "{window." not in text:
        return text
    for name, value in windows.items():
        text = text.replace(name, value)
    return text


class Speech:
    """Speaks a library: every text that a resident reads is made here."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._answers: dict[tuple[str, bool, bool], str] = {}
        self._windows: dict[str, str] = {}
        for window in library.windows.values():
            self._windows[f"{{window.{window.id}.full}}"] = window.describe()
            self._windows[f"{{window.{window.id}}}"] = window.name

    def say(self, key: str, **fields: object) -> str:
        """A line of the voice."""
        text = self._library.voice[key].text
        return text.format(**fields) if fields else text

    def options(self, key: str) -> tuple[Option, ...]:
        """The buttons that stand under a line."""
        return tuple(Option(item.id, item.label) for item in self._library.voice[key].options)

    def answer(self, entry: FaqEntry, today: date, brief: bool = False) -> str:
        """The answer: conclusion, parts, source, and where to ask; at most 2048 bytes.

        ``brief``: what to do, what to bring and where, easy to hear; the law stays out.
        """
        key = (entry.id, entry.stale(today), brief)
        if key not in self._answers:
            self._answers[key] = self._compose(entry, today, brief)
        return self._answers[key]

    def sides(self, entry: FaqEntry, today: date, names: Sequence[str]) -> str:
        """Parts of the answer alone, for who has the rest; empty where it has not each of them."""
        if not names or not all(getattr(entry.parts, name) for name in names):
            return ""
        return self._close(entry, today, self._parts(entry, names), [])

    def _compose(self, entry: FaqEntry, today: date, brief: bool) -> str:
        lines = [_fill(entry.answer, self._windows)]
        lines += self._parts(entry, _BRIEF if brief else tuple(_LABELS))
        return self._close(entry, today, lines, [] if brief else [self._source(entry)])

    def _parts(self, entry: FaqEntry, names: Sequence[str]) -> list[str]:
        found = [(_LABELS[name], getattr(entry.parts, name)) for name in names]
        return [
            f"{name}：{_fill(part, self._windows).rstrip('。')}" for name, part in found if part
        ]

    def _close(self, entry: FaqEntry, today: date, lines: list[str], notes: list[str]) -> str:
        """The lines, and under them what is to be known of them and where to ask."""
        if entry.certainty is Certainty.CHECK:
            notes.append(self.say("check_note"))
        if entry.stale(today):
            notes.append(self.say("stale_note"))
        notes.append(self.say(f"hint_{entry.domain.value}"))
        return clip("\n".join([*lines, "".join(notes)]))

    def _source(self, entry: FaqEntry) -> str:
        reviewed = entry.reviewed_on
        checked = f"{reviewed.year}年{reviewed.month}月核对" if reviewed else "尚未核对"
        return f"依据{entry.source}，{checked}。"


def clip(text: str, limit: int = TEXT_BYTES) -> str:
    """The text cut to a number of UTF-8 bytes, at a character."""
    raw = text.encode()
    return text if len(raw) <= limit else raw[:limit].decode(errors="ignore")


def label(text: str) -> str:
    """A button's label: at most 16 characters."""
    return text if len(text) <= LABEL_CHARACTERS else text[: LABEL_CHARACTERS - 1] + "…"
