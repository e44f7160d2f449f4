"""Reading an audience's expression; what is wrong is said with its place and what belongs there."""

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from jingxiaowei.content.tag_model import OPT_OUT, Taxonomy
from jingxiaowei.errors import AudienceError
from jingxiaowei.pipeline.audience import (
    And,
    Audience,
    Clause,
    ContactedWithin,
    Expression,
    Has,
    InArea,
    Not,
    Or,
    Test,
)

LONGEST = 2000  # characters
DEEPEST = 20  # brackets and NOTs within each other
LONGEST_DAYS = 3650
_OPERATORS = {"and": "AND", "or": "OR", "not": "NOT", "且": "AND", "或": "OR", "非": "NOT"}
_OPERATORS |= {"并且": "AND", "或者": "OR"}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?![A-Za-z0-9_\-])")
_FIELD = re.compile(
    r"(?P<name>area|辖区|contacted_within|联系过)\s*[:：]\s*(?P<value>[^\s()（）]*)"
)
_DAYS = re.compile(r"([1-9]\d{0,4})(?:d|D|天)")
_SPACE = re.compile(r"[\s\u3000]+")
_UNREADABLE = re.compile(r"[^\s()（）\u3000]+")
_CHINESE_OPERATOR = re.compile("并且|或者|[且或非]")
_WANTED = "标签、area:辖区、contacted_within:30d、NOT 或左括号"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "AND", "OR", "NOT", "(", ")", "atom", "end"
    text: str
    at: int  # index of its first character
    atom: Expression | None = None


def parse(text: str, taxonomy: Taxonomy, areas: Collection[str] | None = None) -> Audience:
    """The audience that a text describes.

    Args:
        text: tags by slug or Chinese name, ``area:<id>``, ``contacted_within:<days>d``, brackets,
            AND/OR/NOT or 且/或/非.
        areas: the ids of the areas that exist; None: not checked.

    Raises:
        AudienceError: in Chinese, with the position and what was expected there.
    """
    if len(text) > LONGEST:
        raise AudienceError(f"圈人条件太长：最多 {LONGEST} 个字", LONGEST)
    reader = _Reader(_tokens(text, taxonomy, areas))
    expression = reader.read()
    audience = Audience(expression, taxonomy)
    _refuse_opted_out(audience, text)
    return audience


def _refuse_opted_out(audience: Audience, text: str) -> None:
    """Nobody is looked for because they want to be left alone."""

    def wanted(clause: Clause) -> bool:
        if isinstance(clause, Test):
            return clause == Test("tag", OPT_OUT, True)
        return any(wanted(part) for part in clause.of)

    if wanted(audience.to_clauses()):
        at = max(text.find(OPT_OUT), 0)
        raise _wrong(at, OPT_OUT, "不接收宣传的人总不在内，不能拿来圈人；要写就写 NOT opt_out")


def _wrong(at: int, text: str, says: str) -> AudienceError:
    shown = f"“{text[:20]}”" if text else ""
    return AudienceError(f"第 {at + 1} 个字{shown}：{says}", at)


def _tokens(text: str, taxonomy: Taxonomy, areas: Collection[str] | None) -> list[_Token]:
    names = sorted(((tag.name, tag.slug) for tag in taxonomy.tags), key=lambda it: -len(it[0]))
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        space = _SPACE.match(text, at)
        if space:
            at = space.end()
            continue
        token = _token(text, at, names, taxonomy, areas)
        tokens.append(token)
        at += len(token.text)
    tokens.append(_Token("end", "", len(text)))
    return tokens


def _token(
    text: str,
    at: int,
    names: list[tuple[str, str]],
    taxonomy: Taxonomy,
    areas: Collection[str] | None,
) -> _Token:
    if text[at] in "(（":
        return _Token("(", text[at], at)
    if text[at] in ")）":
        return _Token(")", text[at], at)
    field = _FIELD.match(text, at)
    if field:
        return _Token("atom", field[0], at, _field(field, areas))
    # Names before operators: a name may begin with 非 one day.
    for name, slug in names:
        if text[at : at + len(name)].casefold() == name.casefold():
            return _Token("atom", text[at : at + len(name)], at, Has(slug))
    word = _WORD.match(text, at) or _CHINESE_OPERATOR.match(text, at)
    if word and word[0].lower() in _OPERATORS:
        return _Token(_OPERATORS[word[0].lower()], word[0], at)
    if word and word[0] in taxonomy.by_slug:
        return _Token("atom", word[0], at, Has(word[0]))
    raise _unknown(text, at, taxonomy)


def _unknown(text: str, at: int, taxonomy: Taxonomy) -> AudienceError:
    unknown = _UNREADABLE.match(text, at)
    said = unknown[0] if unknown else text[at]
    operator = _CHINESE_OPERATOR.search(said, 1)
    if operator:
        said = said[: operator.start()]
    near = taxonomy.nearest(said)
    if near:
        name = taxonomy.by_slug[near].name
        return _wrong(at, said, f"没有这个标签，是不是 {near}（{name}）？")
    return _wrong(at, said, f"没有这个标签。这里可以写{_WANTED}")


def _field(field: re.Match[str], areas: Collection[str] | None) -> Expression:
    name, value, at = field["name"], field["value"], field.start("value")
    if name in {"area", "辖区"}:
        if not value:
            raise _wrong(at, "", "冒号后面要写辖区代号，如 area:wuyuan")
        if areas is not None and value not in areas:
            close = difflib.get_close_matches(value, areas, 1, 0.5)
            raise _wrong(at, value, "没有这个辖区" + (f"，是不是 {close[0]}？" if close else ""))
        if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", value):
            raise _wrong(at, value, "辖区要写代号（小写英文、数字、短横线）")
        return InArea(value)
    days = _DAYS.fullmatch(value)
    if days is None or int(days[1]) > LONGEST_DAYS:
        raise _wrong(at, value, f"要写天数，如 contacted_within:30d，最多 {LONGEST_DAYS}d")
    return ContactedWithin(int(days[1]))


class _Reader:
    """Reads the tokens from left to right."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def read(self) -> Expression:
        if self._now.kind == "end":
            raise AudienceError("圈人条件是空的：写一个标签，如 finance_staff", 0)
        expression = self._any_of()
        if self._now.kind == ")":
            raise _wrong(self._now.at, ")", "多了一个右括号")
        if self._now.kind != "end":
            raise _wrong(self._now.at, self._now.text, "前面少了 AND 或 OR（且、或）")
        return expression

    @property
    def _now(self) -> _Token:
        return self._tokens[self._next]

    def _any_of(self) -> Expression:
        return self._chain("OR", self._all_of, Or)

    def _all_of(self) -> Expression:
        return self._chain("AND", self._one, And)

    def _chain(
        self, operator: str, part: Callable[[], Expression], kind: type[And] | type[Or]
    ) -> Expression:
        parts = [part()]
        while self._now.kind == operator:
            self._next += 1
            parts.append(part())
        return kind(tuple(parts)) if len(parts) > 1 else parts[0]

    def _one(self) -> Expression:
        token = self._now
        if self._depth > DEEPEST:
            raise _wrong(token.at, token.text, f"括号和 NOT 套得太深，最多 {DEEPEST} 层")
        if token.atom is not None:
            self._next += 1
            return token.atom
        if token.kind == "NOT":
            self._next += 1
            self._depth += 1
            inner = Not(self._one())
            self._depth -= 1
            return inner
        if token.kind == "(":
            return self._inside(token)
        if token.kind == "end":
            raise _wrong(token.at, "", f"话没写完，后面要有{_WANTED}")
        raise _wrong(token.at, token.text, f"这里要写{_WANTED}")

    def _inside(self, bracket: _Token) -> Expression:
        self._next += 1
        self._depth += 1
        inner = self._any_of()
        if self._now.kind != ")":
            if self._now.kind == "end":
                raise _wrong(bracket.at, bracket.text, "这个左括号没有配对的右括号")
            raise _wrong(self._now.at, self._now.text, "前面少了 AND 或 OR（且、或），或者右括号")
        self._next += 1
        self._depth -= 1
        return inner
