"""The index over all phrasings: three legs that each find candidates, and what they rest on.

Lexical: character bigrams and words, weighted by rarity, an impact-ordered posting list a term,
cut at a fixed length so that a query costs the same at two hundred entries and at two hundred
thousand. Concepts: slots that a question and an entry share or contradict each other in. Fuzzy:
rapidfuzz over the phrasings of the few best, for typing errors and word order.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from jingxiaowei.content.model import FaqEntry, Library
from jingxiaowei.content.normalise import compact
from jingxiaowei.content.taught import FOREIGN, entry_columns
from jingxiaowei.pipeline.answer.features import features
from jingxiaowei.pipeline.answer.words import STOPWORDS, Tokenizer

POSTINGS = 96  # kept a term, the heaviest first
SHORTLIST = 8  # entries whose concepts are weighed
FINALISTS = 5  # entries whose phrasings are compared one by one, of each way to choose them
LONGEST = 300  # characters that are looked at; the caller says so when it cut

_K1, _B = 1.2, 0.3
QUESTION_MARKS = frozenset(
    """
    怎么 咋 如何 怎样 吗 么 嘛 哪 多少 几 什么 啥 是否 能不能 可不可以 可以 可否 能否 需要 要不要
    行不行 该 求 请问 想问 咨询 想 阿可以 是不是 会不会 有没有
    """.split()
)
_EXACT = 9.0  # a question written just so is looked at, whatever else is close
# A narrative's other clauses still count, but its question decides.
_ASIDE = 0.4
_BEFORE = 0.5
_FAR = 8.0  # in logarithms: an entry so far behind the favourite is out of the question
_WORTH = {"object": 1.0, "action": 0.7, "aspect": 0.35, "person": 0.5}

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Query:
    """A resident's text, taken apart once. Terms carry the weight of their clause."""

    text: str
    clauses: tuple[tuple[str, float], ...]
    grams: dict[str, float]
    words: dict[str, float]
    concepts: dict[str, float]
    features: dict[str, float]


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
    GENERAL = "general"  # the entry answers when only the thing is named, and nothing conflicts
    FUZZY = "fuzzy"  # the closest phrasing's similarity
    EXACT = "exact"  # a phrasing is the question, letter for letter
    TAUGHT = "taught"  # how far the taught leg puts it behind its favourite: 0, down to -1
    SURE = "sure"  # how sure the taught leg is of its favourite
    OURS = "ours"  # the share of what the taught leg believes that is no foreign matter


class Evidence(NamedTuple):
    """What speaks for one entry: a number for each :class:`Leg`, and the closest phrasing."""

    entry: int
    legs: tuple[float, ...]
    phrasing: str


class Found(NamedTuple):
    """The finalists in no particular order, and the foreign matter that was taught and comes
    closest, with its share of belief: ``12348`` or a kind; empty where none does."""

    finalists: list[Evidence]
    foreign: str = ""
    belief: float = 0.0


def bigrams(text: str) -> Iterable[str]:
    """Character pairs; a text of one character is its own."""
    return (text[i : i + 2] for i in range(len(text) - 1)) if len(text) > 1 else (text,)


class _Family:
    """One family of terms: how rare each is, and the entries that hold it, heaviest first."""

    def __init__(self, counts: Sequence[Counter[str]], sizes: Sequence[int], offset: int) -> None:
        """``counts``: per entry, how many of its phrasings hold a term; ``sizes``: of how many."""
        entries = max(len(counts), 1)
        average = sum(sizes) / entries or 1.0
        norm = [_K1 * (1 - _B + _B * n / average) for n in sizes]
        by_term: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for entry, counter in enumerate(counts):
            for term, count in counter.items():
                by_term[term].append((entry, count))
        self.unknown = math.log(1 + entries)  # the rarity of a term that no entry has
        self.terms: dict[str, tuple[float, NDArray[np.intp], Vector]] = {}
        for term, places in by_term.items():
            rarity = math.log(1 + (entries - len(places) + 0.5) / (len(places) + 0.5))
            # Saturates at 1: a term in most of an entry's phrasings is fully its own.
            weighed = [
                (rarity * min(1.0, c * (1 + _K1) / (c + norm[e]) / 1.8), e) for e, c in places
            ]
            if len(weighed) > POSTINGS:
                weighed.sort(key=lambda pair: (-pair[0], pair[1]))
                del weighed[POSTINGS:]
            self.terms[term] = (
                rarity,
                np.array([offset + e for _, e in weighed], dtype=np.intp),
                np.array([w for w, _ in weighed]),
            )

    def look_up(
        self, terms: dict[str, float], where: list[NDArray[np.intp]], weights: list[Vector]
    ) -> float:
        """Add the query's postings to the lists; the weight of the query, known terms or not."""
        total = 0.0
        find = self.terms.get
        for term, share in terms.items():
            found = find(term)
            if found is None:
                total += share * self.unknown
                continue
            rarity, entries, weight = found
            total += share * rarity
            where.append(entries)
            weights.append(weight if share == 1.0 else weight * share)
        return total or 1.0


class _Slots:
    """Each entry's concepts, and how a question's concepts sit with them."""

    def __init__(self, library: Library, profiles: Sequence[dict[str, float]]) -> None:
        kinds = library.lexicon.kinds
        # A concept that few entries have says more than one that many share (黄灯 than 罚款).
        holders = Counter(slug for profile in profiles for slug in profile)
        most = math.log(1 + len(profiles)) or 1.0
        rare = {slug: math.log(1 + len(profiles) / (1 + holders[slug])) / most for slug in kinds}
        self._worth = {slug: _WORTH[kind] * rare[slug] for slug, kind in kinds.items()}
        self._object = {slug: rare[slug] for slug, kind in kinds.items() if kind == "object"}
        self._profiles = profiles
        self._declared = [
            [
                (kind, slug, 1 / len(slugs))
                for kind, slugs in enumerate((c.object, c.action, c.person))
                for slug in slugs
            ]
            for c in (entry.concepts for entry in library.entries)
        ]

    def prepare(self, concepts: dict[str, float]) -> list[tuple[str, float, float]]:
        """The question's concepts, each with its worth, and its weight as a stranger."""
        return [
            (slug, weight * self._worth[slug], weight * self._object.get(slug, 0.0))
            for slug, weight in concepts.items()
        ]

    def weigh(
        self, asked: list[tuple[str, float, float]], said: dict[str, float], entry: int
    ) -> tuple[float, ...]:
        """Agreement, conflict, and what is unsaid of object, action and person."""
        usual = self._profiles[entry].get
        shared = total = against = 0.0
        for slug, worth, strange in asked:
            total += worth
            share = usual(slug)
            if share:
                shared += worth * share
            else:
                against += strange
        unsaid = [0.0, 0.0, 0.0]
        for kind, slug, part in self._declared[entry]:
            if slug not in said:
                unsaid[kind] += part
        return (shared / total if total else 0.0, min(1.0, against / 2), *unsaid)


@dataclass(frozen=True, slots=True, eq=False)
class _Belief:
    """The taught leg's word: by entry how far behind the favourite (nan where it was not taught),
    the favourites, how sure of the first, how sure that it is ours, and the foreign matter that
    comes closest."""

    logs: Vector
    favourites: tuple[int, ...]
    sure: float
    ours: float
    foreign: str
    share: float

    def behind(self, entry: int, alike: float) -> float:
        """0 for the favourite, down to -1; for an entry that was not taught, by its likeness."""
        behind = float(self.logs[entry])
        return (alike - 1.0) / 2 if math.isnan(behind) else max(-1.0, behind / _FAR)


class Index:
    """All entries of a library, ready to be asked. Immutable once built."""

    def __init__(self, library: Library, tokenizer: Tokenizer) -> None:
        self.taught = taught = library.taught
        self._columns = entry_columns(taught, [entry.fact for entry in library.entries])
        self._foreign = [n for n, name in enumerate(taught.columns) if name.startswith(FOREIGN)]
        self.entries: tuple[FaqEntry, ...] = library.entries
        self.kinds = library.lexicon.kinds
        self.tokenizer = tokenizer
        self.texts = [
            tuple(dict.fromkeys(compact(t) for t in (e.title, *e.phrasings))) for e in self.entries
        ]
        self.exact = {text: n for n, texts in enumerate(self.texts) for text in texts}
        self.profiles: list[dict[str, float]] = []
        grams: list[Counter[str]] = []
        words: list[Counter[str]] = []
        concepts: list[Counter[str]] = []
        for entry, texts in zip(self.entries, self.texts, strict=True):
            in_grams: Counter[str] = Counter()
            in_words: Counter[str] = Counter()
            in_concepts: Counter[str] = Counter()
            for text in texts:
                tokens = tokenizer.words(text)
                in_grams.update(set(bigrams(text)))
                in_words.update({t for t in tokens if t not in STOPWORDS})
                in_concepts.update({s.slug for s in tokenizer.spot(text, tokens)})
            declared = dict.fromkeys(entry.concepts.all(), 1.0)
            usual = {slug: min(1.0, 1.6 * n / len(texts)) for slug, n in in_concepts.items()}
            self.profiles.append(usual | declared)
            in_concepts.update(dict.fromkeys(declared, len(texts)))
            grams.append(in_grams)
            words.append(in_words)
            concepts.append(in_concepts)
        sizes = [len(texts) for texts in self.texts]
        # The families share one array of scores: each has its own stretch of it.
        count = len(self.entries)
        self._families = [
            _Family(counts, sizes, n * count) for n, counts in enumerate((grams, words, concepts))
        ]
        self._slots = _Slots(library, self.profiles)
        self._general = [float(entry.general) for entry in self.entries]

    def query(self, text: str, before: str = "") -> Query:
        """Take a text apart; only the first :data:`LONGEST` characters are looked at.

        ``before`` is what a follow-up follows: it counts, but what is asked now counts more.
        """
        parts = self.tokenizer.clauses(text[:LONGEST])
        asking = [any(mark in part.text for mark in QUESTION_MARKS) for part in parts]
        if not any(asking) or before:
            asking = [True] * len(parts)
        weighed = [
            *((part, _BEFORE) for part in self.tokenizer.clauses(before)),
            *((part, 1.0 if asks else _ASIDE) for part, asks in zip(parts, asking, strict=True)),
        ]
        grams: dict[str, float] = {}
        words: dict[str, float] = {}
        concepts: dict[str, float] = {}
        for part, weight in sorted(weighed, key=lambda pair: pair[1]):  # the heavier one stays
            grams.update(dict.fromkeys(bigrams(part.text), weight))
            words.update({word: weight for word in part.words if word not in STOPWORDS})
            concepts.update({s.slug: weight for s in part.spotted})
        return Query(
            "".join(part.text for part, _ in weighed),
            tuple((part.text, weight) for part, weight in weighed),
            grams,
            words,
            concepts,
            features(part for part, _ in weighed),
        )

    def search(self, query: Query) -> Found:
        """The finalists with what each leg says."""
        size = len(self.entries)
        if not size or not query.text:
            return Found([])
        where: list[NDArray[np.intp]] = []
        weights: list[Vector] = []
        terms = (query.grams, query.words, query.concepts)
        totals = [
            family.look_up(leg, where, weights)
            for family, leg in zip(self._families, terms, strict=True)
        ]
        if not where:
            return Found([])
        found = np.bincount(np.concatenate(where), np.concatenate(weights), 3 * size)
        scores = found.reshape(3, size) / np.array(totals)[:, None]
        base = scores.sum(axis=0)
        exact = self.exact.get(query.text)
        if exact is not None:
            base[exact] += _EXACT
        belief = self._believe(query)
        count = min(SHORTLIST, size)
        shortlist = dict.fromkeys(np.argpartition(base, size - count)[size - count :].tolist())
        shortlist |= dict.fromkeys(belief.favourites)
        asked = self._slots.prepare(query.concepts)
        roughly = []
        for entry in shortlist:
            grams, words = float(scores[0, entry]), float(scores[1, entry])
            slots = self._slots.weigh(asked, query.concepts, entry)
            conflict = slots[1]
            rough = grams + words + slots[0] - conflict - 0.3 * (slots[2] + slots[3] + slots[4])
            if entry == exact:
                rough += _EXACT
            general = 0.0 if conflict else self._general[entry]
            roughly.append((rough, entry, (grams, words, *slots, general)))
        roughly.sort(reverse=True)
        favourites = set(belief.favourites)
        finalists = roughly[:FINALISTS]
        finalists += [row for row in roughly[FINALISTS:] if row[1] in favourites]
        close = self._fuzzy(query, [entry for _, entry, _ in finalists])
        return Found(
            [
                Evidence(
                    entry,
                    (
                        *legs,
                        ratio,
                        float(entry == exact),
                        belief.behind(entry, max(ratio, legs[0])),
                        belief.sure,
                        belief.ours,
                    ),
                    phrasing,
                )
                for (_, entry, legs), (ratio, phrasing) in zip(finalists, close, strict=True)
            ],
            belief.foreign,
            belief.share,
        )

    def _believe(self, query: Query) -> _Belief:
        """What the taught leg says, by entry instead of by column."""
        size = len(self.entries)
        if not self.taught.columns:
            return _Belief(np.full(size, np.nan), (), 0.0, 1.0, "", 0.0)
        weighed = self.taught.weigh(query.features)
        known = np.flatnonzero(self._columns >= 0)
        logs = np.full(size, np.nan)
        logs[known] = weighed[self._columns[known]]
        chances = np.exp(weighed)
        foreign, share, ours = "", 0.0, 1.0
        if self._foreign:
            parts = chances[self._foreign]
            closest = int(parts.argmax())
            foreign = self.taught.columns[self._foreign[closest]].removeprefix(FOREIGN)
            share, ours = float(parts[closest]), 1.0 - float(parts.sum())
        if not len(known):
            return _Belief(logs, (), 0.0, ours, foreign, share)
        order = known[np.argsort(-logs[known], kind="stable")[:FINALISTS]]
        best = float(logs[order[0]])
        return _Belief(logs - best, tuple(order.tolist()), math.exp(best), ours, foreign, share)

    def _fuzzy(self, query: Query, entries: list[int]) -> list[tuple[float, str]]:
        """For each entry its closest phrasing to the whole text or to a clause of it."""
        asked = [query.text] if len(query.text) <= 60 else []
        if len(query.clauses) > 1:
            asked += [part for part, weight in query.clauses if weight == 1.0 and len(part) > 3][:5]
        if not asked:
            return [(0.0, "")] * len(entries)
        choices = [text for entry in entries for text in self.texts[entry]]
        table = process.cdist(asked, choices, scorer=fuzz.ratio).max(axis=0)
        results, at = [], 0
        for entry in entries:
            texts = self.texts[entry]
            part = table[at : at + len(texts)]
            at += len(texts)
            nearest = int(part.argmax())
            results.append((float(part[nearest]) / 100, texts[nearest]))
        return results
