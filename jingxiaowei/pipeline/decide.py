"""From what a resident sent to what is said and done. Pure: values in, a decision out.

The order is the product's promise: an emergency first, then a person on request, then the tap on
a button, small talk, and the answer, or the honest "I don't know".
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jingxiaowei.content.model import Domain, Library, SmallTalk
from jingxiaowei.content.normalise import clauses
from jingxiaowei.pipeline.alarm import Alarm
from jingxiaowei.pipeline.answer.index import Index
from jingxiaowei.pipeline.answer.judge import Judge
from jingxiaowei.pipeline.answer.query import LONGEST
from jingxiaowei.pipeline.answer.words import Tokenizer
from jingxiaowei.pipeline.answering import Answering
from jingxiaowei.pipeline.decision import Decision, Kind, Known, Need
from jingxiaowei.pipeline.dialogue import closing
from jingxiaowei.pipeline.emergency import Watch
from jingxiaowei.pipeline.mask import holds_number
from jingxiaowei.pipeline.messages import Incoming, MessageKind, Option
from jingxiaowei.pipeline.minors import UNSAID, Band, Person
from jingxiaowei.pipeline.reasons import Candidate, Reason
from jingxiaowei.pipeline.reply import Speech, clip, label
from jingxiaowei.pipeline.rights import Rights
from jingxiaowei.pipeline.rights_asked import Asked
from jingxiaowei.pipeline.screen.values import Screening, Verdict
from jingxiaowei.pipeline.suggesting import Suggesting
from jingxiaowei.pipeline.utterance import bare as bare_of
from jingxiaowei.pipeline.utterance import stripped

_DOMAINS = {Domain.HUKOU: "户籍身份证", Domain.TRAFFIC: "交通出行", Domain.EXIT_ENTRY: "出入境"}
# Asked most, by the county's figures and the fact sheet's order; the menu shows those that exist.
_POPULAR = ("H03", "H02", "H54", "H48", "T30", "T02", "E01", "E17")
_POPULAR_BY_DOMAIN = {
    Domain.HUKOU: ("H03", "H02", "H21", "H54", "H48", "H35", "H68"),
    Domain.TRAFFIC: ("T30", "T02", "T41", "T25", "T50", "T61", "T57"),
    Domain.EXIT_ENTRY: ("E01", "E03", "E17", "E19", "E12", "E36", "E64"),
}
_NOTICES = {
    MessageKind.VOICE: "voice",
    MessageKind.VIDEO: "video",
    MessageKind.LOCATION: "location",
    MessageKind.FILE: "file",
    MessageKind.LINK: "link",
    MessageKind.IMAGE: "image",
}
_HELP_FIRST = frozenset({Kind.EMERGENCY, Kind.FRAUD})
_TO_MINORS = {Band.UNDER14: "under14", Band.TEEN: "teen"}
_NOT_TOLD = frozenset({Kind.WELCOME, Kind.QUIET})  # says so itself, or says nothing
_NOT_SURE = frozenset({Kind.CLARIFY, Kind.UNKNOWN})
_COURTESIES = 60  # characters: who says more than that says more than thanks


class Mind:
    """The content, made ready to decide with. Replaced as a whole when the content changes."""

    def __init__(self, library: Library, cache: Path | None = None) -> None:
        self.library = library
        self.speech = Speech(library)
        self.index = Index(library, Tokenizer(library.lexicon, cache))
        self.judge = Judge(self.index, library.judge)
        self._watch = Watch(library.emergencies)
        self._suggesting = Suggesting(library.taxonomy)
        self.alarm = Alarm(library, self.speech)
        self._stop, self._unsure = map(self.speech.say, ("transferring", "fraud_unsure"))
        self.answering = Answering(library, self.index, self.judge, self.speech)
        self._rights = Rights(library, self.speech)
        self._talk = {bare_of(say): talk for talk in library.smalltalk for say in talk.says}
        self._courtesies = {talk.id: talk for talk in library.smalltalk}
        self._commands = {bare_of(say): cmd.id for cmd in library.commands for say in cmd.says}
        self._human_words = tuple(
            {bare_of(s) for cmd in library.commands if cmd.id == "human" for s in cmd.says}
            - {"客服"}
        )

    def decide(self, messages: Sequence[Incoming], known: Known) -> Decision:
        """What to do about one resident's burst of messages, oldest first."""
        text = _said(messages)
        return self._decide_on(messages, text, self.alarm.look(text, known), known)

    def decide_all(self, turns: Sequence[tuple[Sequence[Incoming], Known]]) -> list[Decision]:
        """What to do about each of some residents' bursts, sooner than one by one."""
        texts = [_said(messages) for messages, _ in turns]
        screenings = [
            self.alarm.look(text, known) for text, (_, known) in zip(texts, turns, strict=True)
        ]
        looked_at = zip(texts, screenings, turns, strict=True)
        self.judge.foresee(
            [text for text, seen, (_, known) in looked_at if self._may_ask(text, seen, known)]
        )
        return [
            self._decide_on(messages, text, screening, known)
            for text, screening, (messages, known) in zip(texts, screenings, turns, strict=True)
        ]

    def _may_ask(self, text: str, screening: Screening, known: Known) -> bool:
        """Whether a text will most likely be looked up."""
        if known.handed_over or screening.verdict is not Verdict.NONE:
            return False
        bare = bare_of(text)
        return bool(bare) and bare not in self._commands and bare not in self._talk

    def _decide_on(
        self, messages: Sequence[Incoming], text: str, screening: Screening, known: Known
    ) -> Decision:
        asked = Asked()
        if known.topic is not None and known.topic.asked:
            asked, known = Asked.read(known.topic.asked), replace(known, topic=None)
        decision = self._decide(messages, text, screening, known, asked)
        added = self._notice_due(decision, known) | self._said_of_them(decision, messages, known)
        if decision.screening is None:
            added |= {"screening": screening, "screened": text}
        guardian = added.pop("guardian", False)
        # One copy of a wide value, whatever was added to it.
        decision = replace(decision, **added) if added else decision
        return self._with_word_to_minors(decision, guardian)

    def _notice_due(self, decision: Decision, known: Known) -> dict[str, Any]:
        """告知, with the first answer where no welcome told of the rules."""
        told = not known.untold or known.by_officer or decision.kind in _NOT_TOLD
        if told or not decision.text:
            return {}
        return {"notice": self.speech.say("notice", unit=self.library.unit_name)}

    def _said_of_them(
        self, decision: Decision, messages: Sequence[Incoming], known: Known
    ) -> dict[str, Any]:
        """The tags that the resident's typed words suggest, none while help comes first; and
        whether somebody under age writes, or their guardian says so."""
        text = "\n".join(
            m.text for m in messages if m.kind is MessageKind.TEXT and m.text and not m.menu_id
        )
        if known.by_officer or not text:
            return {}
        facts = [fact for fact in (decision.fact, *(c.fact for c in decision.also)) if fact]
        suggested, minor = self._suggesting.read(text, facts)
        if decision.kind in _HELP_FIRST or decision.need is Need.EMERGENCY:
            suggested = ()
        if not suggested and minor is UNSAID:
            return {}
        guardian = self._rights.child_writes(text, minor)
        if guardian:
            minor = replace(minor, whose=Person.SELF)
        return {"suggested": suggested, "minor": minor, "guardian": guardian}

    def _with_word_to_minors(self, decision: Decision, guardian: bool) -> Decision:
        """What is kept of somebody under age, said to them or to their guardian."""
        key = _TO_MINORS.get(decision.minor.band) if decision.minor.whose is Person.SELF else None
        if key is None or decision.kind in _HELP_FIRST or decision.kind is Kind.QUIET:
            return decision
        said = self.speech.say(f"{key}_guardian" if guardian else key)
        if decision.kind in {Kind.UNKNOWN, Kind.CLARIFY, Kind.SMALLTALK}:
            # There was no question to answer: the age was what was to be said.
            options = self.speech.options("menu")
            return replace(
                decision, kind=Kind.NOTICE, text=said, options=options, missed=False, topic=None
            )
        return replace(decision, text=clip(f"{said}\n{decision.text}"))

    def _decide(
        self,
        messages: Sequence[Incoming],
        text: str,
        screening: Screening,
        known: Known,
        asked: Asked,
    ) -> Decision:
        emergency = self._emergency(text, known)
        if known.handed_over:
            # Nothing is said over a human; what is urgent reaches the others on duty all the same.
            quiet = Reason("handoff", "人工已接管，机器人不说话")
            need, why = (emergency.need, emergency.reasons) if emergency else (None, ())
            return Decision(Kind.QUIET, need=need, reasons=(*why, quiet))
        fraud = self.alarm.typed(text, known) or self.alarm.speak(text, screening, known)
        if emergency is not None:
            # 正在转账 is one of the emergencies: the script's own line says more, where it is sure.
            sure = fraud is not None and fraud.text != self._unsure
            if not (sure and screening.verdict is Verdict.ALERT and emergency.text == self._stop):
                return emergency
        if fraud is not None:
            return fraud
        if any(
            m.kind is MessageKind.READING or (m.kind is MessageKind.MERGED and m.text)
            for m in messages
        ):
            return self._shown(messages)
        # Of several taps in a burst the last is meant; text typed after a tap goes first.
        tap = next((m.menu_id for m in reversed(messages) if m.menu_id), "")
        if text.strip():
            given = self.alarm.contact(text, known) or self._rights.read(
                text, asked, known.topic is not None
            )
            read = given or self._with_notes(self._read(text, known), text, known)
            if read.kind not in _NOT_SURE:
                return read
            return self.alarm.unsure(text, screening) or self._rights.more(asked) or read
        if tap:
            return self._rights.tapped(tap, asked) or self._tap(tap, known)
        return self._notice(messages, known)

    def _shown(self, messages: Sequence[Incoming]) -> Decision:
        """What was read or forwarded shows no script: that is no all-clear. What could not be
        read goes to a person."""
        readings = [m for m in messages if m.kind is MessageKind.READING]
        unread = any(m.data.get("unread") for m in readings)
        key = "image_unreadable" if unread else "image_read" if readings else "merged_read"
        return Decision(
            Kind.NOTICE,
            self.speech.say(key),
            self.speech.options(key),
            need=Need.IMAGE if unread else None,
            reasons=(Reason("notice", "图没读出来" if unread else "没看出话术，不等于没事"),),
        )

    def _emergency(self, text: str, known: Known) -> Decision | None:
        found = self._watch.look(text) if text else None
        if found is None:
            return None
        return Decision(
            Kind.EMERGENCY,
            self.speech.say(found.kind.card),
            self.speech.options(found.kind.card),
            score=1.0,
            need=Need.EMERGENCY,
            urgent=True,
            reasons=(Reason("emergency", f"急事：{found.kind.id}", found.word),),
        )

    def _read(self, text: str, known: Known) -> Decision:
        """A typed text that is no emergency."""
        bare = bare_of(text)
        if not bare:
            return self._line("other_kind", Kind.SMALLTALK, "没有文字")
        command = self._commands.get(bare)
        talk = self._talk.get(bare) or self._closing(text, known)
        if talk is not None and command is None:
            if talk.id == "unclear" and known.topic and known.topic.faq in self.library.by_id:
                return self.answering.again(self.library.by_id[known.topic.faq], known)
            return self._line(talk.reply, Kind.SMALLTALK, f"闲话：{talk.id}")
        if command is None and len(bare) <= 14 and any(word in bare for word in self._human_words):
            command = "human"
        if command is not None:
            return self._command(command, known)
        return self.answering.answer(text, known)

    def _command(self, command: str, known: Known) -> Decision:
        if command == "human":
            return self._human(known)
        if command in {"large", "full"}:
            return replace(
                self._line(command, Kind.COMMAND, f"口令：{command}"), brief=command == "large"
            )
        key = command if command in self.library.voice else "menu"
        fields = (
            {"unit": self.library.unit_name, "privacy": known.privacy_page}
            if key == "privacy"
            else {}
        )
        return Decision(
            Kind.COMMAND,
            self.speech.say(key, **fields),
            self.speech.options(key),
            reasons=(Reason("command", f"口令：{command}"),),
        )

    def _human(self, known: Known) -> Decision:
        reasons = (Reason("command", "居民要找真人"),)
        if known.open_code:
            text = self.speech.say("handoff_again", code=known.open_code)
            return Decision(Kind.HANDOFF, text, transfer=known.desk.staffed, reasons=reasons)
        if known.desk.staffed:
            text = self.speech.say("handoff")
        else:
            text = self.speech.say(
                "after_hours", time=known.desk.opens, code=known.code, phone=known.desk.phone
            )
        return Decision(
            Kind.HANDOFF,
            text,
            need=Need.HUMAN,
            transfer=known.desk.staffed,
            reasons=reasons,
        )

    def _tap(self, tap: str, known: Known) -> Decision:
        """A tapped button; one whose target is gone is told to be stale."""
        moved = self.alarm.tapped(tap)
        if moved is not None:
            return moved
        if tap.startswith("faq-"):
            entry = self.library.by_id.get(tap.removeprefix("faq-"))
            if entry is not None:
                return self.answering.pick(entry, known)
        kind, _, rest = tap.partition("-")
        if kind in {"pick", "good", "bad"}:
            return self._on_topic(kind, *rest.rpartition("-")[::2], known)
        if tap == "human":
            return self._human(known)
        if tap == "popular":
            return self._topics("popular", _POPULAR)
        for domain, name in _DOMAINS.items():
            if tap == f"domain-{domain.value}":
                return self._topics("domain", _POPULAR_BY_DOMAIN[domain], name=name)
        if tap in {"menu", "suspicious", "neither", "privacy", "large"}:
            return self._command(tap, known)
        return self._line("stale", Kind.COMMAND, "按钮已失效")

    def _closing(self, text: str, known: Known) -> SmallTalk | None:
        """Several courtesies in a row (好的 谢谢您) are the last one of them; after an answer,
        what thanks and asks for nothing is one too (谢了老兄)."""
        if len(text) > _COURTESIES:
            return None
        parts = clauses(text.replace(" ", "，"))
        if len(parts) > 1 and all(stripped(part) in self._talk for part in parts):
            return self._talk[stripped(parts[-1])]
        if known.topic is None or any(word in text for word in self._human_words):
            return None
        return self._courtesies.get(closing(self.index, text))

    def _on_topic(self, kind: str, code: str, fact: str, known: Known) -> Decision:
        """A button under a question back or an answer: an older question's is stale."""
        entry, topic = self.answering.by_fact.get(fact), known.topic
        if entry is None or topic is None or topic.code != code:
            return self._line("stale", Kind.COMMAND, "按钮是前面问题的，或已失效")
        if kind == "pick":
            return self.answering.pick(entry, known)
        if kind == "good":
            return self._line("helpful", Kind.COMMAND, f"居民说有用：{entry.id}")
        return replace(
            self._line("unhelpful", Kind.COMMAND, f"居民说没解决：{entry.id}"),
            candidates=(Candidate(entry.id, entry.fact, 0.0, entry.title),),
            unhelpful=entry.id,
        )

    def _topics(self, key: str, facts: Sequence[str], **fields: str) -> Decision:
        entries = [self.answering.by_fact[fact] for fact in facts if fact in self.answering.by_fact]
        options = tuple(Option(f"faq-{entry.id}", label(entry.title)) for entry in entries)
        return Decision(
            Kind.COMMAND,
            self.speech.say(key, **fields),
            (*options, Option("human", "转人工")),
            reasons=(Reason("tap", f"目录：{key}"),),
        )

    def _notice(self, messages: Sequence[Incoming], known: Known) -> Decision:
        """Something that is no text: say kindly what helps; a picture goes to a person."""
        sent = [m.kind for m in messages if m.kind is not MessageKind.ENTER]
        if not sent:
            text = self.speech.say("welcome", unit=self.library.unit_name)
            return Decision(
                Kind.WELCOME,
                text,
                self.speech.options("welcome"),
                reasons=(Reason("welcome", "居民进入会话"),),
            )
        kind = MessageKind.IMAGE if MessageKind.IMAGE in sent else sent[-1]
        key = _NOTICES.get(kind, "other_kind")
        return Decision(
            Kind.NOTICE,
            self.speech.say(key),
            self.speech.options(key),
            reasons=(Reason("notice", f"消息类型：{kind.value}"),),
        )

    def _line(self, key: str, kind: Kind, because: str) -> Decision:
        reasons = (Reason("talk", because),)
        return Decision(kind, self.speech.say(key), self.speech.options(key), reasons=reasons)

    def _with_notes(self, decision: Decision, text: str, known: Known) -> Decision:
        """The decision with a word on what was cut or masked, where there is room for it."""
        notes = []
        if len(text) > LONGEST:
            notes.append(self.speech.say("long", n=LONGEST))
        if holds_number(text):
            notes.append(self.speech.say("masked"))
        if not notes:
            return decision
        return replace(decision, text=clip("\n".join([*notes, decision.text])))


def _said(messages: Sequence[Incoming]) -> str:
    """What a burst says, taps left out."""
    return "\n".join(m.text for m in messages if m.text and not m.menu_id)
