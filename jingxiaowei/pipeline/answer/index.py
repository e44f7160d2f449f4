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

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from jingxiaowei.content.model import FaqEntry, Library
from jingxiaowei.content.normalise import clauses, compact
from jingxiaowei.pipeline.answer.words import STOPWORDS, Tokenizer

POSTINGS = 96  # kept a term, the heaviest first
SHORTLIST = 24  # entries whose concepts are weighed
FINALISTS = 10  # entries whose phrasings are compared one by one
LONGEST = 300  # characters that are looked at; the caller says so when it cut

_K1, _B = 1.2, 0.3
_QUESTION_MARKS = frozenset(
    """
    怎么 咋 如何 怎样 吗 么 嘛 哪 多少 几 什么 啥 是否 能不能 可不可以 可以 可否 能否 需要 要不要
    行不行 该 求 请问 想问 咨询 想 阿可以 是不是 会不会 有没有
    """.split()
)
# A narrative's other clauses still count, but its question decides.
_ASIDE = 0.4
_WORTH = {"object": 1.0, "action": 0.7, "aspect": 0.35, "person": 0.5}
_DECLARED = ("object", "action", "person")

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Query:
    """A resident's text, taken apart once. Terms carry the weight of their clause."""

    text: str
    clauses: tuple[tuple[str, float], ...]
    grams: dict[str, float]
    words: dict[str, float]
    concepts: dict[str, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What each leg says for one entry, 0 to 1 each.

    Attributes:
        grams, words: the share of the question's rarity that the entry covers.
        concepts: the share of the question's concepts that the entry has.
        conflict: objects in the question that the entry knows nothing of.
        unsaid_object, unsaid_action, unsaid_person: what the entry is about and the question
            does not mention: a special case (a child's passport) must not take a general question.
        fuzzy: the closest phrasing's similarity; ``phrasing`` is that phrasing.
    """

    entry: int
    grams: float
    words: float
    concepts: float
    conflict: float
    unsaid_object: float
    unsaid_action: float
    unsaid_person: float
    fuzzy: float
    phrasing: str


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
    """Each entry's concepts as rows of numbers, so that a shortlist is weighed in one go.

    Columns: what the concept is worth to this entry; whether it is an object that the entry
    knows; and, for the concepts that the entry declares, the share of its kind.
    """

    def __init__(self, library: Library, profiles: Sequence[dict[str, float]]) -> None:
        kinds = library.lexicon.kinds
        self.ids = {slug: i for i, slug in enumerate(kinds)}
        self.worth = np.array([_WORTH[kind] for kind in kinds.values()] or [0.0])
        self.objects = np.array([kind == "object" for kind in kinds.values()] or [False])
        self._rows: list[NDArray[np.intp]] = []
        self._columns: list[Vector] = []
        self.declares = np.zeros((len(library.entries), len(_DECLARED)))
        for n, (entry, profile) in enumerate(zip(library.entries, profiles, strict=True)):
            slugs = [slug for slug in profile if slug in self.ids]
            columns = np.zeros((len(slugs), 2 + len(_DECLARED)))
            for i, slug in enumerate(slugs):
                columns[i, 0] = profile[slug]
                columns[i, 1] = kinds[slug] == "object"
            for j, kind in enumerate(_DECLARED):
                declared = getattr(entry.concepts, kind)
                self.declares[n, j] = bool(declared)
                for slug in declared:
                    if slug in self.ids:
                        columns[slugs.index(slug), 2 + j] = 1 / len(declared)
            # One empty row keeps every entry's part of a concatenation from being empty.
            self._rows.append(np.array([*(self.ids[s] for s in slugs), 0], dtype=np.intp))
            self._columns.append(np.vstack([columns, np.zeros(columns.shape[1])]))

    def weigh(self, concepts: dict[str, float], entries: Sequence[int]) -> tuple[Vector, ...]:
        """Agreement, conflict, and what is unsaid of object, action and person, per entry."""
        asked = np.zeros(len(self.worth))
        for slug, weight in concepts.items():
            asked[self.ids[slug]] = weight
        rows = [self._rows[entry] for entry in entries]
        starts = np.cumsum([0, *(len(row) for row in rows[:-1])])
        ids = np.concatenate(rows)
        columns = np.concatenate([self._columns[entry] for entry in entries])
        said = asked[ids]
        values = columns * said[:, None]
        values[:, 0] *= self.worth[ids]
        values[:, 2:] = columns[:, 2:] * (said > 0)[:, None]
        sums = np.add.reduceat(values, starts)
        total = float(asked @ self.worth)
        agree = sums[:, 0] / total if total else sums[:, 0]
        conflict = np.minimum(1.0, (float(asked @ self.objects) - sums[:, 1]) / 2)
        unsaid = self.declares[list(entries)] - sums[:, 2:]
        return agree, conflict, unsaid[:, 0], unsaid[:, 1], unsaid[:, 2]


class Index:
    """All entries of a library, ready to be asked. Immutable once built."""

    def __init__(self, library: Library, tokenizer: Tokenizer) -> None:
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

    def query(self, text: str) -> Query:
        """Take a text apart; only the first :data:`LONGEST` characters are looked at."""
        parts = clauses(text[:LONGEST])
        asking = [any(mark in part for mark in _QUESTION_MARKS) for part in parts]
        if not any(asking):
            asking = [True] * len(parts)
        weighed = tuple(
            (part, 1.0 if asks else _ASIDE) for part, asks in zip(parts, asking, strict=True)
        )
        grams: dict[str, float] = {}
        words: dict[str, float] = {}
        concepts: dict[str, float] = {}
        for part, weight in sorted(weighed, key=lambda pair: pair[1]):  # the heavier one stays
            tokens = self.tokenizer.words(part)
            grams.update(dict.fromkeys(bigrams(part), weight))
            words.update({token: weight for token in tokens if token not in STOPWORDS})
            concepts.update({s.slug: weight for s in self.tokenizer.spot(part, tokens)})
        return Query("".join(parts), weighed, grams, words, concepts)

    def search(self, query: Query) -> list[Evidence]:
        """The finalists with what each leg says, in no particular order."""
        size = len(self.entries)
        if not size or not query.text:
            return []
        where: list[NDArray[np.intp]] = []
        weights: list[Vector] = []
        asked = (query.grams, query.words, query.concepts)
        totals = [
            family.look_up(terms, where, weights)
            for family, terms in zip(self._families, asked, strict=True)
        ]
        if not where:
            return []
        found = np.bincount(np.concatenate(where), np.concatenate(weights), 3 * size)
        scores = found.reshape(3, size) / np.array(totals)[:, None]
        base = scores.sum(axis=0)
        exact = self.exact.get(query.text)
        if exact is not None:
            base[exact] += 9.0  # written just so: whatever else is close, it is looked at
        count = min(SHORTLIST, size)
        shortlist = np.argpartition(base, size - count)[size - count :]
        slots = self._slots.weigh(query.concepts, shortlist.tolist())
        agree, conflict, *unsaid = slots
        rough = base[shortlist] - scores[2, shortlist] + agree - conflict - 0.3 * sum(unsaid)
        order = np.argsort(-rough, kind="stable")[:FINALISTS]
        entries: list[int] = shortlist[order].tolist()
        grams, words = scores[0, entries].tolist(), scores[1, entries].tolist()
        legs = np.stack([slot[order] for slot in slots], axis=1).tolist()
        fuzzy = self._fuzzy(query, entries)
        found_evidence = []
        for i, entry in enumerate(entries):
            concepts, conflict, an_object, action, person = legs[i]
            ratio, phrasing = fuzzy[i]
            found_evidence.append(
                Evidence(
                    entry,
                    grams[i],
                    words[i],
                    concepts,
                    conflict,
                    an_object,
                    action,
                    person,
                    ratio,
                    phrasing,
                )
            )
        return found_evidence

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
