"""标签建议: what a resident's own words, or their answered question, may say of them.

A suggestion is a question to an officer. Nothing here applies a tag, and nothing guesses: every
suggestion points at the words it came from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jingxiaowei.content.tag_finder import CueFinder, Found, Scan
from jingxiaowei.content.tag_model import Tag, Taxonomy
from jingxiaowei.pipeline.minors import UNSAID, Band, Minor, Person, minor_of


@dataclass(frozen=True, slots=True)
class Suggested:
    """A tag that may fit, and why.

    Attributes:
        because: why, in an officer's words.
        quote: the resident's words, ``text[start:end]``; empty where the words tell an age.
        start, end: their place in the text, in code points.
    """

    slug: str
    because: str
    quote: str
    start: int
    end: int


class Suggesting:
    """Suggests with one taxonomy. Built once; a call makes one pass over the text."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.finder = CueFinder(taxonomy)
        self._narrower = taxonomy.narrower
        self._by_fact: dict[str, list[Tag]] = {}
        for tag in taxonomy.tags:
            for fact in tag.suggested_by.facts:
                self._by_fact.setdefault(fact, []).append(tag)

    def suggest(self, text: str, facts: Sequence[str] = ()) -> tuple[Suggested, ...]:
        """The tags that a message may raise, each once, in order of place.

        Args:
            text: what the resident typed, nothing forwarded or read from a picture.
            facts: codes of the questions in it that were answered.
        """
        return self.read(text, facts)[0]

    def read(self, text: str, facts: Sequence[str] = ()) -> tuple[tuple[Suggested, ...], Minor]:
        """The same with what the text says of an age, from one pass.

        A resident who says they are under 14 gets none, one of 14 to 17 those of two groups. Of a
        wider and a narrower tag only the narrower one is brought up.
        """
        scan = self.finder.scan(text)
        minor = minor_of(self.finder, text, scan) if scan.aged else UNSAID
        own = minor.band if minor.whose is Person.SELF else Band.NONE
        if own is Band.UNDER14:
            return (), minor
        found = self.finder.judge(scan)
        said = {
            it.tag.slug: _said(it, text) for it in found if own is not Band.TEEN or it.tag.minors
        }
        for fact in facts:
            for tag in self._by_fact.get(fact, ()):
                if tag.slug in said or (own is Band.TEEN and not tag.minors):
                    continue
                if self._asks(tag, scan):
                    said[tag.slug] = _asked(tag, fact, text)
        return tuple(it for it in said.values() if self._narrower.get(it.slug) not in said), minor

    def _asks(self, tag: Tag, scan: Scan) -> bool:
        """Whether the question is the resident's own matter; 我妈的身份证 is not."""
        return self.finder.may_ask(scan, tag.suggested_by.whose)


def _said(found: Found, text: str) -> Suggested:
    slug, start, end = found.tag.slug, found.start, found.end
    if not found.word:
        low, high = found.tag.suggested_by.ages or (0, 0)
        band = f"{low} 到 {high} 岁" if high < 120 else f"{low} 岁以上"
        return Suggested(slug, f"本人说的岁数：{band}", "", start, end)
    return Suggested(slug, f"本人说“{found.word}”", text[start:end], start, end)


def _asked(tag: Tag, fact: str, text: str) -> Suggested:
    quote = text.strip()
    start = text.find(quote)
    return Suggested(tag.slug, f"问了 {fact}，已答", quote, start, start + len(quote))
