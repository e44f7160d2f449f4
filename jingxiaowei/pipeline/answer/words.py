"""Words and concepts: jieba knows the lexicon's words, an automaton finds the concepts."""

import logging
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import daachorse

from jingxiaowei.content.model import Lexicon
from jingxiaowei.content.normalise import clauses, compact

Cut = Callable[[str], list[str]]

# Words that a question can lose without changing what it asks.
STOPWORDS = frozenset(
    """
    的 了 吗 呢 啊 吧 呀 嘛 哦 我 你 您 他 她 它 我们 你们 他们 是 在 有 和 与 或 及 就 都 也 还 又
    很 这 那 这个 那个 一个 个 请 请问 问 想问 咨询 一下 你好 您好 谢谢 麻烦 想 要 会 能 可以 现在
    然后 因为 所以 但是 如果 的话 什么 怎么 怎样 如何 怎么办 咋 哪里 多少 没 不 把 被 给 让 对 到
    从 上 下 去 来 说 知道 领导 同志 警官 警察
    """.split()
)


def jieba_cut(words: Iterable[str], cache: Path) -> Cut:
    """jieba itself, the reference: without the faster twin it does the work."""
    import jieba

    # jieba reports each start on standard error; a start is no event for an operator.
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    # By default it keeps a marshalled cache in the world-writable temporary folder.
    tokenizer.tmp_dir = str(cache)
    tokenizer.initialize()
    for word in words:
        tokenizer.suggest_freq(word, tune=True)

    def cut(text: str) -> list[str]:
        cut_words: list[str] = tokenizer.lcut(text, HMM=False)
        return cut_words

    return cut


def rjieba_cut(words: Iterable[str]) -> Cut:
    """The same dictionary and algorithm in Rust: a twentieth of jieba's time and start.

    Raises:
        ImportError: the ``fast`` extra is not installed.
    """
    import rjieba

    tokenizer = rjieba.Jieba()
    for word in words:
        tokenizer.add_word(word, tokenizer.suggest_freq(word), "n")

    def cut(text: str) -> list[str]:
        cut_words: list[str] = tokenizer.cut(text, False)
        return cut_words

    return cut


@dataclass(frozen=True, slots=True)
class Spotted:
    """A concept in a text. ``start`` and ``end`` count characters of the compact text."""

    slug: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Clause:
    """A compact clause, taken apart once for everybody who looks at it."""

    text: str
    words: list[str]
    spotted: list[Spotted]


class Tokenizer:
    """Cuts a compact text into words and finds its concepts.

    ``words`` gives the words in order, stop words included.
    """

    def __init__(self, lexicon: Lexicon, cache: Path | None = None) -> None:
        forms = [word for word in lexicon.words if word]
        # The formal names are whole words. Not the spoken forms: there are thousands, and jieba
        # would cut them out of words that they are only a part of.
        known = [compact(name) for name in lexicon.names.values() if len(name) > 1]
        try:
            self.words = rjieba_cut(known)
        except ImportError:
            self.words = jieba_cut(known, cache or Path(tempfile.gettempdir()))
        self._slugs = [lexicon.words[word] for word in forms]
        self._short = [len(word) == 1 for word in forms]
        self._automaton = daachorse.CharwiseDoubleArrayAhoCorasick(
            forms or ["\0"], daachorse.MATCH_KIND_LEFTMOST_LONGEST
        )

    def clauses(self, text: str) -> list[Clause]:
        """The clauses of a text as it was written."""
        found = []
        for part in clauses(text):
            words = self.words(part)
            found.append(Clause(part, words, self.spot(part, words)))
        return found

    def spot(self, text: str, words: list[str]) -> list[Spotted]:
        """The concepts of a compact text; a one-character form only where it is a whole word."""
        found = self._automaton.find(text)
        if not found:
            return []
        singles: set[int] | None = None
        spotted = []
        for start, end, index in found:
            if self._short[index]:
                if singles is None:
                    singles = _single_positions(words)
                if start not in singles:
                    continue
            spotted.append(Spotted(self._slugs[index], start, end))
        return spotted


def _single_positions(words: list[str]) -> set[int]:
    """Where words of one character begin."""
    positions, at = set(), 0
    for word in words:
        if len(word) == 1:
            positions.add(at)
        at += len(word)
    return positions
