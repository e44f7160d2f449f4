"""权利: from a resident's words or taps to the right that they exercise. Pure.

What the reply must say of the file itself is filled in by the services, in the turn's commit; what
can be said without it is said here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import daachorse

from jingxiaowei.content.model import Library
from jingxiaowei.content.normalise import compact
from jingxiaowei.content.rights_model import ChoiceWords, RightWords
from jingxiaowei.pipeline.decision import Decision, Kind
from jingxiaowei.pipeline.dialogue import Topic
from jingxiaowei.pipeline.minors import Minor, Person
from jingxiaowei.pipeline.reasons import Reason
from jingxiaowei.pipeline.reply import Speech
from jingxiaowei.pipeline.rights_asked import Asked, Deed, RightAsked
from jingxiaowei.pipeline.utterance import bare, stripped

LARGE_TEXT = "pref_large_text"
_SHORT = 24  # compact characters: who asks for a right says little else
_GAP = ".{0,6}?"
_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九十")}
_NUMBER = re.compile(
    r"(?:第|看|改|删|删掉|去掉|更正)?(?P<n>\d{1,2}|十?[一二三四五六七八九十])(?:号|条|项|个)?"
    r"(?:不对|错|删|删掉|去掉|要改|改|不要)?"
)
_AROUND_NAME = re.compile(r"把|给我|帮我|请|这个|这条|那个|那条|标签|的|我|掉|了")
_NOTHING = Topic("", "", asked=str(Asked()))


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A right's words that may stand anywhere in a short text."""

    right: str
    cues: frozenset[str]  # a text without any of them need not be searched
    holds: re.Pattern[str]
    unless: re.Pattern[str] | None


class Rights:
    """Reads with one library's words."""

    def __init__(self, library: Library, speech: Speech) -> None:
        book = library.rights
        self._library = library
        self._speech = speech
        self._tags = library.taxonomy.by_slug
        self._in_context = {right.id: frozenset(map(bare, right.says)) for right in book.rights}
        self._whole: dict[str, str] = {}
        for right in book.rights:
            if right.id in _TOLD:
                self._whole |= dict.fromkeys(map(bare, right.says), right.id)
        self._patterns = tuple(_patterns(book.rights))
        self._cues = sorted({cue for pattern in self._patterns for cue in pattern.cues if cue})
        self._cue_finder = daachorse.CharwiseDoubleArrayAhoCorasick(
            self._cues or ["\0"], daachorse.MATCH_KIND_STANDARD
        )
        self._choices: dict[str, tuple[ChoiceWords, bool]] = {}
        for choice in book.choices:
            self._choices |= {bare(word): (choice, True) for word in choice.on}
            self._choices |= {bare(word): (choice, False) for word in choice.off}
        self._children = re.compile("|".join(map(_gapped, book.children)) or "(?!)")
        # The longest name first: 外国人 stands in 外国人家属.
        names = sorted(self._tags.values(), key=lambda tag: -len(tag.name))
        self._names = tuple((compact(tag.name), tag.slug) for tag in names)
        self._named = {
            True: frozenset(map(_verb, book.named.on)),
            False: frozenset(map(_verb, book.named.off)),
        }
        verbs = self._named[True] | self._named[False]
        self._verbs = re.compile("|".join(map(re.escape, sorted(verbs))) or "(?!)")

    def read(self, text: str, asked: Asked, answered: bool = False) -> Decision | None:
        """The right that a typed text exercises, or None.

        ``answered``: a question was answered just before, so 这条不对 means the answer.
        """
        plain = compact(text)
        if not plain or len(plain) > _SHORT:
            return None
        words = stripped(plain)
        answer = self._answer(words, asked)
        if answer is not None:
            return answer
        if words in self._in_context.get("this_wrong", ()) and "条" in words and not answered:
            return self._do("correct")
        right = self._whole.get(words) or self._found(plain)
        if right is not None:
            return self._do(right)
        chosen = self._choices.get(words)
        if chosen is not None:
            return self._choose(*chosen)
        return self._by_name(plain)

    def tapped(self, tap: str, asked: Asked) -> Decision | None:
        """The right that a tapped button exercises, or None where it is none of ours."""
        if tap in _TAPS:
            return self._do(_TAPS[tap])
        if tap == "file-private":
            return self._decide(RightAsked(Deed.PRIVATE), "看较私密的")
        if tap in {"erase-yes", "erase-no"}:
            # An old button in the conversation must not erase anything.
            if asked.about != "erase":
                return self._say("stale", "按钮是前面问题的")
            return self._do(tap.replace("-", "_"))
        head, _, rest = tap.partition("-")
        if head == "tag":
            deed, _, id_ = rest.partition("-")
            if deed in _ON_TAG and id_.isdigit():
                return self._on_tag(Deed(deed), int(id_))
        if head in {"agree", "refuse"}:
            kind, _, slug = rest.partition("-")
            if kind in {"tags", "careful"} and slug in self._tags:
                return self._consent(head == "agree", kind, slug)
        if head == "keep" and rest in self._tags:
            text = self._speech.say("chosen", name=self._tags[rest].name)
            return self._decide(RightAsked(Deed.CHOOSE, rest), "还留着", text=text)
        if head in {"choose", "leave"} and rest in self._tags:
            return self._own_careful(rest, head == "choose")
        return None

    def more(self, asked: Asked) -> Decision | None:
        """A text that is nothing else, after a request was opened: it belongs to that."""
        if asked.about != "more":
            return None
        return self._decide(
            RightAsked(Deed.MORE, code=asked.what),
            "补充请求",
            text=self._speech.say("request_more", code=asked.what),
            topic=_NOTHING,
        )

    def child_writes(self, text: str, minor: Minor) -> bool:
        """Whether a guardian says that their child, whose age they tell, is the one who writes."""
        # 是我儿子在用，他才十岁: the age is told of "him".
        return minor.whose in {Person.CHILD, Person.OTHER} and bool(
            self._children.search(compact(text))
        )

    def _answer(self, words: str, asked: Asked) -> Decision | None:
        """A short answer to what was just shown or asked."""
        said = self._in_context
        if asked.about == "erase":
            right = next((r for r in ("erase_yes", "erase_no") if words in said.get(r, ())), None)
            return self._do(right) if right else None
        if asked.about in {"consent", "choose"}:
            yes = words in said.get("yes", ())
            if not yes and words not in said.get("no", ()):
                return None
            if asked.about == "choose":
                return self._own_careful(asked.what, yes)
            kind, _, slug = asked.what.partition("-")
            return self._consent(yes, kind, slug)
        if asked.about == "item" and asked.what.isdigit():
            deed = next((d for r, d in _SHOWN.items() if words in said.get(r, ())), None)
            if deed is not None:
                return self._on_tag(deed, int(asked.what))
        if asked.about in {"file", "item"}:
            return self._on_list(words, asked)
        return None

    def _on_list(self, words: str, shown: Asked) -> Decision | None:
        said = self._in_context
        if words in said.get("fine", ()):
            return self._do("fine")
        if words in said.get("see", ()):
            return self._decide(RightAsked(Deed.PRIVATE), "看较私密的")
        if words.startswith("这条") and words in said.get("this_wrong", ()):
            return self._say("which", "没说是哪一项", Topic("", "", asked=str(Asked("file"))))
        number = _NUMBER.fullmatch(words)
        if number is None:
            return None
        asked = RightAsked(Deed.ITEM, number=_value(number["n"]), consent=shown.private)
        return self._decide(asked, "档案里的一项", number[0])

    def _found(self, plain: str) -> str | None:
        seen = {self._cues[n] for _, _, n in self._cue_finder.find_overlapping(plain)}
        if not seen:
            return None
        for pattern in self._patterns:
            if seen.isdisjoint(pattern.cues):
                continue
            if pattern.holds.search(plain) and not (
                pattern.unless and pattern.unless.search(plain)
            ):
                return pattern.right
        return None

    def _do(self, right: str) -> Decision:
        if right in _DEEDS:
            return self._decide(RightAsked(_DEEDS[right]), _BECAUSE.get(right, right))
        if right == "erase":
            said = self._speech.say("erase_ask", kept=self._speech.say("erase_kept"))
            topic = Topic("", "", asked=str(Asked("erase")))
            return self._decide(None, "要删除全部", text=said, options="erase_ask", topic=topic)
        if right == "erase_yes":
            return self._decide(
                RightAsked(Deed.ERASE),
                "确定删除全部",
                text=self._speech.say("erasing"),
                topic=_NOTHING,
            )
        if right == "erase_no":
            return self._say("erase_not", "不删了", _NOTHING)
        if right == "agree":
            return self._consent(True, "tags", "")
        return self._say("file_fine", "档案看过了", _NOTHING)

    def _on_tag(self, deed: Deed, id_: int) -> Decision:
        return self._decide(RightAsked(deed, assignment=id_), f"对一项标签：{deed.value}")

    def _consent(self, given: bool, kind: str, slug: str) -> Decision:
        deed = Deed.AGREE if given else Deed.REFUSE
        return self._decide(
            RightAsked(deed, slug, consent=kind),
            "同意" if given else "不同意",
            text=self._speech.say("agreed" if given else "refused"),
            topic=_NOTHING,
        )

    def _own_careful(self, slug: str, on: bool) -> Decision:
        """The answer to the separate question about a careful tag of one's own choice."""
        if not on:
            return self._say("refused", "不记", _NOTHING)
        asked = RightAsked(Deed.CHOOSE, slug, consent="careful")
        text = self._speech.say("chosen", name=self._tags[slug].name)
        return self._decide(asked, "单独同意并自选", text=text, topic=_NOTHING)

    def _choose(self, choice: ChoiceWords, on: bool) -> Decision:
        name = self._tags[choice.tag].name
        line = choice.reply if on else choice.off_reply
        general = self._speech.say("chosen" if on else "unchosen", name=name)
        return self._decide(
            RightAsked(Deed.CHOOSE, choice.tag, on=on),
            f"自选：{name}" if on else f"取消：{name}",
            text=self._speech.say(line) if line else general,
            brief=on if choice.tag == LARGE_TEXT else None,
        )

    def _by_name(self, plain: str) -> Decision | None:
        """记下新居民, 把财务人员删掉."""
        if not self._verbs.search(plain):
            return None
        for name, slug in self._names:
            before, found, after = plain.partition(name)
            if not found:
                continue
            rest = _verb(before + after)
            for on, verbs in self._named.items():
                if rest and rest in verbs:
                    key, deed = ("chosen", Deed.CHOOSE) if on else ("deleted", Deed.DELETE)
                    text = self._speech.say(key, name=self._tags[slug].name)
                    return self._decide(RightAsked(deed, slug), f"{rest}：{name}", text=text)
            return None
        return None

    def _say(self, key: str, because: str, topic: Topic | None = None) -> Decision:
        return self._decide(None, because, text=self._speech.say(key), options=key, topic=topic)

    def _decide(
        self,
        asked: RightAsked | None,
        because: str,
        quote: str = "",
        *,
        text: str = "",
        options: str = "",
        topic: Topic | None = None,
        brief: bool | None = None,
    ) -> Decision:
        """The decision. Where the file must be looked at first, the text says so to whoever has
        no file: a script that only rehearses."""
        return Decision(
            Kind.COMMAND,
            text or self._speech.say("file_here"),
            self._speech.options(options) if options else (),
            right=asked,
            topic=topic,
            brief=brief,
            reasons=(Reason("rights", because, quote),),
        )


_DEEDS = {
    "view": Deed.VIEW,
    "readers": Deed.READERS,
    "export": Deed.EXPORT,
    "withdraw": Deed.WITHDRAW,
    "correct": Deed.CORRECT,
}
_BECAUSE = {
    "view": "要看自己的档案",
    "readers": "问谁看过档案",
    "export": "要一份自己的信息",
    "withdraw": "撤回同意",
    "correct": "要更正",
}
_TOLD = frozenset({*_DEEDS, "erase", "agree"})
_TAPS = {
    "file": "view",
    "file-fine": "fine",
    "file-export": "export",
    "file-readers": "readers",
    "file-withdraw": "withdraw",
    "erase": "erase",
}
_ON_TAG = frozenset({Deed.ITEM, Deed.CORRECT, Deed.DELETE, Deed.OBJECT})
_SHOWN = {"this_wrong": Deed.CORRECT, "this_delete": Deed.DELETE, "this_object": Deed.OBJECT}


def _patterns(rights: Sequence[RightWords]) -> Iterable[_Pattern]:
    for right in rights:
        if right.holds:
            holds = "|".join(map(_gapped, right.holds))
            unless = "|".join(re.escape(compact(word)) for word in right.unless)
            yield _Pattern(
                right.id,
                frozenset(max(_pieces(words), key=len) for words in right.holds),
                re.compile(holds),
                re.compile(unless) if unless else None,
            )


def _gapped(words: str) -> str:
    """A regular expression for words with gaps."""
    return _GAP.join(map(re.escape, _pieces(words)))


def _pieces(words: str) -> list[str]:
    return [compact(part) for part in words.split("…")]


def _verb(words: str) -> str:
    """What is left around a tag's name when the little words are gone."""
    return _AROUND_NAME.sub("", compact(words))


def _value(number: str) -> int:
    if number.isdigit():
        return int(number)
    return sum(_DIGITS[c] for c in number)
