"""The index over all phrasings: the legs that each find candidates, and what they rest on.

Lexical (:mod:`postings`): character pairs and words, weighted by rarity. Concepts (:mod:`slots`):
what a question and an entry share or contradict each other in. Taught: a linear model. Fuzzy:
rapidfuzz over the phrasings of the few best, for typing errors and word order.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from jingxiaowei.content.model import FaqEntry, Library
from jingxiaowei.content.normalise import clauses, compact
from jingxiaowei.pipeline.answer.belief import Believer
from jingxiaowei.pipeline.answer.features import characters_of, letters
from jingxiaowei.pipeline.answer.postings import Family, Postings, Terms
from jingxiaowei.pipeline.answer.query import Query, take_apart
from jingxiaowei.pipeline.answer.slots import COLUMNS, Slots
from jingxiaowei.pipeline.answer.words import STOPWORDS, Tokenizer

SHORTLIST = 8  # entries whose concepts are weighed
FINALISTS = 5  # entries whose phrasings are compared one by one, of each way to choose them

_EXACT = 9.0  # a question written just so is looked at, whatever else is close
# What the first legs are worth before the judge has weighed them: who is a finalist.
_ROUGH = np.array([1.0, 1.0, 1.0, -1.0, -0.3, -0.3, -0.3, *([0.0] * (COLUMNS - 5))])
_LONG = 60  # characters
_COMPARED = 60  # characters; a longer text is compared clause by clause
_CLAUSES = 5

Vector = NDArray[np.float64]


class Leg(StrEnum):
    """What an entry can have for or against it, 0 to 1 each, in the order of the evidence."""

    GRAMS = "grams"  # the share of the question's rarity that the entry's characters cover
    WORDS = "words"  # the same of its words
    CONCEPTS = "concepts"  # the share of the question's concepts that the entry has
    CONFLICT = "conflict"  # objects in the question that the entry knows nothing of
    # What the entry is about and the question does not mention: a special case (a child's
    # passport) must not take a general question.
    UNSAID_OBJECT = "unsaid_object"
    UNSAID_ACTION = "unsaid_action"
    UNSAID_PERSON = "unsaid_person"
    # What the question mentions and the entry knows nothing of, besides objects.
    STRANGE_ACTION = "strange_action"
    STRANGE_ASPECT = "strange_aspect"
    STRANGE_PERSON = "strange_person"
    OBJECTS = "objects"  # the share of the question's objects that the entry knows
    AWAY = "away"  # how far the question's objects are at home in another domain than the entry
    GENERAL = "general"  # the entry answers when only the thing is named, and nothing conflicts
    FUZZY = "fuzzy"  # the closest phrasing's similarity
    EXACT = "exact"  # a phrasing is the question, letter for letter
    TAUGHT = "taught"  # how far the taught leg puts it behind its favourite: 0, down to -1
    SURE = "sure"  # how sure the taught leg is of its favourite
    OURS = "ours"  # the share of what the taught leg believes that is no foreign matter
    LONG = "long"  # the taught leg once more, the heavier the longer the text


@dataclass(frozen=True, slots=True, eq=False)
class Close:
    """How close each finalist's phrasings come to what was typed."""

    ratios: Vector  # by phrasing, all finalists' one behind the other
    starts: Sequence[int]  # by finalist, where its phrasings begin
    texts: Sequence[str]

    def nearest(self, finalist: int) -> tuple[str, float]:
        """A finalist's closest phrasing, empty where nothing was compared, and its similarity."""
        if not len(self.ratios):
            return "", 0.0
        first = self.starts[finalist]
        last = self.starts[finalist + 1] if finalist + 1 < len(self.starts) else len(self.ratios)
        ratios = self.ratios[first:last]
        nearest = int(ratios.argmax())
        return self.texts[first + nearest], float(ratios[nearest])


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The finalists in no particular order, with a number for each :class:`Leg`, and the foreign
    matter that was taught and comes closest, with its share of belief: ``12348`` or a kind; empty
    where none does."""

    entries: tuple[int, ...]
    legs: Vector  # finalists × legs
    close: Close
    foreign: str = ""
    belief: float = 0.0


class Index:
    """All entries of a library, ready to be asked. Immutable once built."""

    def __init__(self, library: Library, tokenizer: Tokenizer) -> None:
        self.entries: tuple[FaqEntry, ...] = library.entries
        self.places = {entry.id: n for n, entry in enumerate(library.entries)}
        self.kinds = library.lexicon.kinds
        self.tokenizer = tokenizer
        self._texts = [
            tuple(dict.fromkeys(compact(t) for t in (e.title, *e.phrasings))) for e in self.entries
        ]
        self._exact = {text: n for n, texts in enumerate(self._texts) for text in texts}
        vocabulary: dict[str, int] = {}
        slugs = {slug: n for n, slug in enumerate(self.kinds)}
        sizes = [len(texts) for texts in self._texts]
        words: list[Counter[int]] = []
        concepts: list[Counter[int]] = []
        used: list[Counter[str]] = []
        for entry, texts in zip(self.entries, self._texts, strict=True):
            in_words, in_concepts = _count(tokenizer, texts, vocabulary)
            words.append(in_words)
            used.append(in_concepts)
            whole = dict.fromkeys(entry.concepts.all(), len(texts))
            held = in_concepts + Counter(whole)
            concepts.append(Counter({slugs[s]: n for s, n in held.items()}))
        grams, family = _gram_family(self._texts)
        self._postings = Postings(
            (family, _family(words, len(vocabulary)), _family(concepts, len(slugs))),
            sizes,
        )
        self._grams = {gram: n for n, gram in enumerate(characters_of(grams))}
        _, first_word, first_concept = self._postings.offsets
        self._words = {word: first_word + n for word, n in vocabulary.items()}
        self._concepts = {slug: first_concept + n for slug, n in slugs.items()}
        self.slots = Slots(library, used, sizes)
        facts = [entry.fact for entry in self.entries]
        self._taught = Believer(library.taught, facts, FINALISTS)
        self._general = [float(entry.general) for entry in self.entries]

    def query(self, text: str, before: str = "") -> Query:
        """Take a text apart; see :func:`take_apart`."""
        return take_apart(self.tokenizer, text, before)

    def knows(self, text: str) -> bool:
        """Whether a text is, word for word, a phrasing of an entry."""
        return "".join(clauses(text)) in self._exact

    def search(self, queries: Sequence[Query]) -> list[Found]:
        """By question, the finalists with what each leg says.

        All questions go through a leg before the next one is asked: what is at hand stays at hand,
        and what is arithmetic is done for all of them at once.
        """
        beliefs = self._taught.believe(queries)
        exact = [self._exact.get(query.text, -1) for query in queries]
        besides = [
            (same, *belief.favourites) if same >= 0 else belief.favourites
            for same, belief in zip(exact, beliefs, strict=True)
        ]
        terms = [self._terms(query) for query in queries]
        best = self._postings.best(terms, SHORTLIST, besides)
        close = [len(scored.entries) > 0 for scored in best]
        if not any(close):
            return [_NOTHING] * len(queries)
        asked = [
            (query.concepts, scored.entries) for query, scored in zip(queries, best, strict=True)
        ]
        known = np.empty((sum(len(entries) for _, entries in asked), len(Leg)))
        # The concepts' own scores only help to find.
        np.concatenate([scored.scores[:, :2] for scored in best], out=known[:, :2])
        sitting = [self.slots.weigh(concepts, entries) for concepts, entries in asked]
        np.concatenate(sitting, out=known[:, 2 : _ROUGH.size])
        rough = (known[:, : _ROUGH.size] @ _ROUGH).tolist()
        chosen = []
        first = 0
        for (_, some), same, belief in zip(asked, exact, beliefs, strict=True):
            named = some.tolist()
            chosen.append(_finalists(named, rough, first, same, belief.favourites))
            first += len(named)
        legs = known.take([place for places, _ in chosen for place in places], axis=0)
        compared = [
            self._compare(query, entries)
            for query, (_, entries) in zip(queries, chosen, strict=True)
        ]
        told: list[tuple[float, ...]] = []
        grams, conflicts = legs[:, 0].tolist(), legs[:, 3].tolist()
        for query, (_, entries), same, belief, (_, ratios) in zip(
            queries, chosen, exact, beliefs, compared, strict=True
        ):
            at = len(told)
            alike = [*map(max, grams[at : at + len(entries)], ratios)]
            behind = self._taught.behind(belief, entries, alike) if entries else ()
            long = min(1.0, len(query.text) / _LONG)
            told += [
                (
                    0.0 if conflict else self._general[entry],
                    ratio,
                    entry == same,
                    back,
                    belief.sure,
                    belief.ours,
                    back * long,
                )
                for entry, ratio, back, conflict in zip(
                    entries, ratios, behind, conflicts[at:], strict=False
                )
            ]
        legs[:, _ROUGH.size :] = told
        found = []
        at = 0
        for (_, entries), belief, (near, _) in zip(chosen, beliefs, compared, strict=True):
            mine = legs[at : at + len(entries)]
            at += len(entries)
            if entries:
                one = Found(tuple(entries), mine, near, belief.foreign, belief.share)
            found.append(one if entries else _NOTHING)
        return found

    def _terms(self, query: Query) -> Terms:
        """What the postings know of a question's terms."""
        find, nowhere = self._postings.look_up, self._postings.nowhere
        grams, words, concepts = query.grams, query.words, query.concepts
        return find(
            (
                ([self._grams.get(gram, nowhere) for gram in grams], grams.values()),
                ([self._words.get(word, nowhere) for word in words], words.values()),
                ([self._concepts[slug] for slug in concepts], concepts.values()),
            )
        )

    def _compare(self, query: Query, entries: Sequence[int]) -> tuple[Close, list[float]]:
        """Each entry's phrasings with the whole text or with a clause of it; the closest's."""
        asked = [query.text] if len(query.text) <= _COMPARED else []
        if len(query.clauses) > 1:
            main = [part for part, weight in query.clauses if weight == 1.0 and len(part) > 3]
            asked += main[:_CLAUSES]
        if not asked or not entries:
            return _NOTHING.close, [0.0] * len(entries)
        texts: list[str] = []
        starts = []
        for entry in entries:
            starts.append(len(texts))
            texts += self._texts[entry]
        compared = process.cdist(asked, texts, scorer=fuzz.ratio)
        ratios = compared[0] if len(asked) == 1 else np.maximum.reduce(compared)
        ratios /= 100
        return Close(ratios, starts, texts), np.maximum.reduceat(ratios, starts).tolist()


def _finalists(
    named: Sequence[int], rough: Sequence[float], first: int, exact: int, favourites: Sequence[int]
) -> tuple[list[int], list[int]]:
    """The places and the entries of a question's finalists: the best, and the taught leg's own.

    ``first``: where its entries begin among all questions'.
    """
    ranked = sorted(
        (
            (rough[place] + (_EXACT if entry == exact else 0.0), entry, place)
            for place, entry in enumerate(named, first)
        ),
        reverse=True,
    )
    ranked = [each for n, each in enumerate(ranked) if n < FINALISTS or each[1] in favourites]
    return [place for _, _, place in ranked], [entry for _, entry, _ in ranked]


_NOTHING = Found(
    (),
    np.zeros((0, len(Leg))),
    Close(np.zeros(0), (), ()),
)


def _count(
    tokenizer: Tokenizer, texts: Iterable[str], vocabulary: dict[str, int]
) -> tuple[Counter[int], Counter[str]]:
    """In how many of some texts each word and each concept stands; new words get their number."""
    words: Counter[int] = Counter()
    concepts: Counter[str] = Counter()
    for text in texts:
        tokens = tokenizer.words(text)
        words.update(
            {vocabulary.setdefault(t, len(vocabulary)) for t in tokens if t not in STOPWORDS}
        )
        concepts.update({s.slug for s in tokenizer.spot(text, tokens)})
    return words, concepts


def _family(counts: Sequence[Counter[int]], size: int) -> Family:
    """Counted terms by entry as one array each."""
    lengths = [len(counter) for counter in counts]
    return Family(
        np.fromiter((term for counter in counts for term in counter), dtype=np.intp),
        np.repeat(np.arange(len(counts)), lengths),
        np.fromiter((n for counter in counts for n in counter.values()), dtype=np.float64),
        size,
    )


def _gram_family(texts: Sequence[Sequence[str]]) -> tuple[NDArray[np.uint64], Family]:
    """The character pairs of all phrasings in order, and which entry has them how often."""
    everything = [text for phrasings in texts for text in phrasings]
    found = letters(everything)
    lengths = [len(text) + 1 for text in everything]
    owners = np.repeat(np.arange(len(everything)), lengths)[:-2][found.joined]
    lone = [n for n, text in enumerate(everything) if len(text) == 1]
    alone = np.array([ord(everything[n]) for n in lone], dtype=np.uint64)
    keys = np.concatenate((found.pairs, alone))
    grams, terms = np.unique(keys, return_inverse=True)
    count = len(everything)
    held = np.unique(terms * count + np.concatenate((owners, np.array(lone, dtype=np.intp))))
    entry = np.repeat(np.arange(len(texts)), [len(phrasings) for phrasings in texts])
    pairs, counts = np.unique(held // count * len(texts) + entry[held % count], return_counts=True)
    return grams, Family(
        pairs // len(texts), pairs % len(texts), counts.astype(np.float64), len(grams)
    )
