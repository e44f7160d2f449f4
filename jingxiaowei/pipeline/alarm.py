"""反诈: what the screening saw becomes what the resident reads, first of all else."""

from dataclasses import replace

from jingxiaowei.content.model import Library
from jingxiaowei.content.normalise import compact
from jingxiaowei.pipeline.contact import Contact, read_contact
from jingxiaowei.pipeline.decision import Decision, Kind, Known
from jingxiaowei.pipeline.reasons import Reason
from jingxiaowei.pipeline.reply import Speech
from jingxiaowei.pipeline.screen.answer import answer_line, asks_whether_fraud
from jingxiaowei.pipeline.screen.screen import Screen
from jingxiaowei.pipeline.screen.values import Screening, Transfer, Verdict

_TRANSFER, _CALLED, _FACTS = "transfer-", "called-110", "facts-"
_ASKED = (
    "who",
    "where",
    "sum",
)  # the facts that are told by a tap; whether money moved has its clock
_OPEN = (*_ASKED, "moved")
_SHORT = 8  # characters of an answer to "钱转出去了吗"
_TYPED = {
    Transfer.NOT_YET: frozenset("没转 还没转 没有转 没有 还没有 没 没呢 没转呢 未转 还没".split()),
    Transfer.DONE: frozenset("转了 已转 已经转了 转过去了 打过去了 转掉了 已经打了".split()),
    Transfer.IN_PROGRESS: frozenset("正在转 在转 马上转 正要转 准备转".split()),
}
_AFTER_TAP = {
    Transfer.DONE: "fraud_done",
    Transfer.IN_PROGRESS: "fraud_in_progress",
    Transfer.NOT_YET: "fraud_contact",
    Transfer.UNKNOWN: "fraud_unsure",
}


class Alarm:
    """Screens with one library's scripts, and says what is to be said."""

    def __init__(self, library: Library, speech: Speech) -> None:
        self.screen = Screen(library.scams)
        self._book = library.scams
        self._speech = speech
        # What a tap tells: the field, and the words on its button.
        self._told = {
            option.id: (field, option.label)
            for field in _ASKED
            for option in speech.options(f"facts_{field}")
        }
        self._says = {s.id: s.says for script in self._book.scripts for s in script.signals}
        self._towns = tuple(
            compact(area.name).removesuffix("街道").removesuffix("镇")
            for area in library.areas.values()
            if not area.desk
        )

    def look(self, text: str, known: Known) -> Screening:
        """The screening of a text, with what the conversation showed before."""
        return self.screen.look(text, known.traces, known.now, known.settled)

    def speak(self, text: str, screening: Screening, known: Known) -> Decision | None:
        """The reply where fraud is the matter, or None."""
        line = answer_line(self._book, screening, known.by_officer)
        if line is None:
            return None
        said, options = self._speech.say(line.key, **line.fields), line.key
        if screening.verdict is Verdict.NONE:
            return Decision(Kind.SMALLTALK, said, reasons=self._reasons(screening))
        return Decision(
            Kind.FRAUD,
            said,
            self._speech.options(options),
            score=screening.score,
            urgent=screening.verdict is Verdict.ALERT,
            reasons=self._reasons(screening),
        )

    def unsure(self, text: str, screening: Screening) -> Decision | None:
        """Who asks whether something is a fraud, and gets no answer otherwise: never "safe"."""
        if not asks_whether_fraud(text):
            return None
        said = self._speech.say("fraud_unsure")
        return Decision(Kind.FRAUD, said, reasons=self._reasons(screening))

    def tapped(self, tap: str) -> Decision | None:
        """A tap on the transfer clock, on whether 110 was called, or on a fact that is missing."""
        if tap.startswith(_TRANSFER):
            moved = tap.removeprefix(_TRANSFER)
            if moved not in set(Transfer):
                return None
            key = _AFTER_TAP[Transfer(moved)]
            return self._tell(key, Screening(transfer=Transfer(moved)), f"钱：{moved}")
        if tap.startswith(_CALLED):
            key = "fraud_contact" if tap == _CALLED else "fraud_call_again"
            return self._tell(key, None, "110 打了没有")
        if tap.startswith(_FACTS):
            fact = tap.removeprefix(_FACTS)
            return self._tell(f"facts_{fact}", None, "补情况") if fact in _OPEN else None
        if tap in self._told:
            field, label = self._told[tap]
            told = self._tell("facts_kept", Screening(), f"补了情况：{label}")
            return replace(told, contact=Contact(**{field: label}))
        return None

    def typed(self, text: str, known: Known) -> Decision | None:
        """A short answer to "钱转出去了吗" that was typed instead of tapped."""
        plain = compact(text)
        if not known.traces or len(plain) > _SHORT:
            return None
        state = next((state for state, words in _TYPED.items() if plain in words), None)
        return self.tapped(f"{_TRANSFER}{state.value}") if state else None

    def contact(self, text: str, known: Known) -> Decision | None:
        """A short text with a phone or a town, while the conversation has shown a fraud."""
        if not known.traces:
            return None
        given = read_contact(text, self._towns)
        if given is None:
            return None
        told = self._tell("fraud_contact_kept", Screening(), "留了联系方式")
        return replace(told, contact=given)

    def _tell(self, key: str, screening: Screening | None, because: str) -> Decision:
        return Decision(
            Kind.FRAUD,
            self._speech.say(key),
            self._speech.options(key),
            screening=screening,
            urgent=True,
            reasons=(Reason("screen", because),),
        )

    def _reasons(self, screening: Screening) -> tuple[Reason, ...]:
        hits = [
            Reason("screen", self._says.get(s.signal, "整句的说法像"), s.quote)
            for s in screening.signals
        ]
        lowered = [Reason("screen", f"降分：{e.because}", e.quote) for e in screening.exemptions]
        return (*hits, *lowered)
