"""The index over all phrasings: the legs that each find candidates, and what they rest on.

Lexical (:mod:`postings`): character pairs and words, weighted by rarity. Concepts (:mod:`slots`):
what a question and an entry share or contradict each other in. Taught: a linear model. Fuzzy:
rapidfuzz over the phrasings of the few best, for typing errors and word order.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from jingxiaowei.content.model import FaqEntry, Library
from jingxiaowei.content.normalise import compact
from jingxiaowei.content.taught import FOREIGN, entry_columns
from jingxiaowei.pipeline.answer.features import characters_of, features, letters
from jingxiaowei.pipeline.answer.postings import Family, Postings, Terms
from jingxiaowei.pipeline.answer.query import Query, take_apart
from jingxiaowei.pipeline.answer.slots import COLUMNS, Slots
from jingxiaowei.pipeline.answer.vocabulary import Vocabulary
from jingxiaowei.pipeline.answer.words import STOPWORDS, Tokenizer

SHORTLIST = 8  # entries whose concepts are weighed
FINALISTS = 5  # entries whose phrasings are compared one by one, of each way to choose them

_EXACT = 9.0  # a question written just so is looked at, whatever else is close
_FAR = 8.0  # in logarithms: an entry so far behind the favourite is out of the question
# What the first legs are worth before the judge has weighed them: who is a finalist.
_ROUGH = np.array([1.0, 1.0, 1.0, -1.0, -0.3, -0.3, -0.3, *([0.0] * (COLUMNS - 5))])
_LONG = 60  # characters
_PIECES = 32  # characters of a text up to which its features are looked up one by one
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


@dataclass(frozen=True, slots=True, eq=False)
class _Belief:
    """The taught leg's word: by column how far behind the favourite, the favourite entries, how
    sure of the first, how sure that it is ours, and the foreign matter that comes closest."""

    behind: NDArray[np.float32]
    favourites: tuple[int, ...] = ()
    sure: float = 0.0
    ours: float = 1.0
    foreign: str = ""
    share: float = 0.0


class Index:
    """All entries of a library, ready to be asked. Immutable once built."""

    def __init__(self, library: Library, tokenizer: Tokenizer) -> None:
        self.taught = taught = library.taught
        self._vocabulary = Vocabulary(taught.vocabulary)
        columns = entry_columns(taught, [entry.fact for entry in library.entries])
        self._columns: list[int] = columns.tolist()
        self._known = np.flatnonzero(columns >= 0)  # the entries that were taught
        self._known_columns = columns[self._known]
        foreign = [n for n, name in enumerate(taught.columns) if name.startswith(FOREIGN)]
        self._foreign = np.array(foreign, dtype=np.intp)
        self._matters = [taught.columns[n].removeprefix(FOREIGN) for n in foreign]
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
        self._general = [float(entry.general) for entry in self.entries]

    def query(self, text: str, before: str = "") -> Query:
        """Take a text apart; see :func:`take_apart`."""
        return take_apart(self.tokenizer, text, before)

    def search(self, query: Query) -> Found:
        """The finalists with what each leg says."""
        belief = self._believe(query)
        exact = self._exact.get(query.text, -1)
        besides = (exact, *belief.favourites) if exact >= 0 else belief.favourites
        entries, scores = self._postings.best(self._terms(query), SHORTLIST, besides)
        if not len(entries):
            return _NOTHING
        known = np.empty((len(entries), len(Leg)))
        known[:, :2] = scores[:, :2]  # the concepts' own scores only help to find
        known[:, 2 : _ROUGH.size] = self.slots.weigh(query.concepts, entries)
        named = entries.tolist()
        rough = (known[:, : _ROUGH.size] @ _ROUGH).tolist()
        if exact >= 0:
            rough[named.index(exact)] += _EXACT
        order = sorted(range(len(named)), key=lambda n: (rough[n], named[n]), reverse=True)
        places = order[:FINALISTS]
        places += [place for place in order[FINALISTS:] if named[place] in belief.favourites]
        finalists = [named[place] for place in places]
        close, ratios = self._compare(query, finalists)
        legs = known.take(places, axis=0)
        self._fill(legs, query, finalists, ratios, belief, exact)
        return Found(tuple(finalists), legs, close, belief.foreign, belief.share)

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

    def _believe(self, query: Query) -> _Belief:
        """What the taught leg says."""
        if not self.taught.columns:
            return _Belief(np.zeros(0, dtype=np.float32))
        if len(query.text) <= _PIECES:
            rows = np.array(self._vocabulary.rows(query.parts), dtype=np.intp)
        else:
            rows = self.taught.rows(features(query.parts))
        logs = self.taught.weigh(rows)
        chances = np.exp(logs)
        total = float(np.add.reduce(chances))
        foreign, share, ours = "", 0.0, 1.0
        if len(self._foreign):
            parts = chances.take(self._foreign).tolist()
            most = max(parts)
            share = most / total
            ours = 1.0 - sum(parts) / total
            foreign = self._matters[parts.index(most)]
        if not len(self._known):
            return _Belief(logs, (), 0.0, ours, foreign, share)
        mine = logs.take(self._known_columns)
        count = min(FINALISTS, len(mine))
        order = mine.argpartition(len(mine) - count)[len(mine) - count :]
        best = max(mine.take(order).tolist())
        logs -= np.float32(best)
        favourites = tuple(self._known.take(order).tolist())
        return _Belief(logs, favourites, math.exp(best) / total, ours, foreign, share)

    def _fill(
        self,
        legs: Vector,
        query: Query,
        entries: Sequence[int],
        ratios: Vector,
        belief: _Belief,
        exact: int,
    ) -> None:
        """The legs that only finalists have."""
        behind = self._behind(belief, entries, legs[:, 0], ratios)
        conflicts, long = legs[:, 3].tolist(), min(1.0, len(query.text) / _LONG)
        legs[:, _ROUGH.size :] = [
            (
                0.0 if conflict else self._general[entry],
                ratio,
                entry == exact,
                back,
                belief.sure,
                belief.ours,
                back * long,
            )
            for entry, conflict, ratio, back in zip(
                entries, conflicts, ratios.tolist(), behind, strict=True
            )
        ]

    def _behind(
        self, belief: _Belief, entries: Sequence[int], grams: Vector, ratios: Vector
    ) -> list[float]:
        """0 for the favourite, down to -1; for an entry that was not taught, by its likeness."""
        behind, columns = belief.behind, [self._columns[entry] for entry in entries]
        if len(behind) and min(columns) >= 0:
            return [max(back / _FAR, -1.0) for back in behind.take(columns).tolist()]
        alike = np.maximum(grams, ratios).tolist()
        return [
            max(float(behind[column]) / _FAR, -1.0)
            if column >= 0 and len(behind)
            else (likeness - 1.0) / 2
            for column, likeness in zip(columns, alike, strict=True)
        ]

    def _compare(self, query: Query, entries: Sequence[int]) -> tuple[Close, Vector]:
        """Each entry's phrasings with the whole text or with a clause of it; the closest's."""
        asked = [query.text] if len(query.text) <= _COMPARED else []
        if len(query.clauses) > 1:
            main = [part for part, weight in query.clauses if weight == 1.0 and len(part) > 3]
            asked += main[:_CLAUSES]
        if not asked:
            return _NOTHING.close, np.zeros(len(entries))
        texts: list[str] = []
        starts = []
        for entry in entries:
            starts.append(len(texts))
            texts += self._texts[entry]
        compared = process.cdist(asked, texts, scorer=fuzz.ratio)
        ratios = compared[0] if len(asked) == 1 else np.maximum.reduce(compared)
        ratios /= 100
        return Close(ratios, starts, texts), np.maximum.reduceat(ratios, starts)


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
