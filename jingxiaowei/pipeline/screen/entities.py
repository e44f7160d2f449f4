"""Accounts, phones, addresses and sums: as written, and levelled so that spellings are equal."""

import re
from collections.abc import Iterator

from jingxiaowei.content.levelling import Levelled
from jingxiaowei.pipeline.screen.amounts import find_amounts, yuan
from jingxiaowei.pipeline.screen.values import Entity, EntityKind

_NUMERALS = str.maketrans("零〇一二三四五六七八九幺", "001234567891")
# Without these no account, phone or group is given. The first digit stands apart: a search skips
# quickly to what a lone class allows.
_LONG = re.compile("[0-9][0-9]{4}")
_ACCOUNT_BEGINS = re.compile("[0-9][0-9]{11}")
_HAN_BEGINS = re.compile("[零〇一二三四五六七八九幺][零〇一二三四五六七八九幺]{13}")
_PHONE = re.compile(r"(?<![0-9])(?:\+?86)?(1[3-9][0-9]{9})(?![0-9])")
_ACCOUNT = re.compile(r"(?<![0-9.])[0-9]{12,21}(?![0-9.])|[零〇一二三四五六七八九幺]{14,21}")
_ID_NUMBER = re.compile(r"[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])[0-3][0-9][0-9]{3}[0-9x]")
_QQ = re.compile(r"(?:qq|扣扣|企鹅)(?:号|群|群号)?(?:是|为|:)?([1-9][0-9]{4,10})(?![0-9])")
_WECHAT_WORDS = ("微信", "薇信", "wx", "vx", "v信")
_WECHAT = re.compile(rf"(?:{'|'.join(_WECHAT_WORDS)})(?:号)?(?:是|为|:)?([a-z][a-z0-9]{{5,19}})")
_DOTTED = re.compile(r"(?:https?://)?(?:[A-Za-z0-9-]{2,}\.)+[A-Za-z]{2,}(?:/[\w./?=&%-]*)?")
_DOMAIN = re.compile(r"\.[A-Za-z]{2}")
_COMPANY_WORDS = "有限公司 有限责任公司 股份公司 商行 商贸行 贸易行 经营部 事务所 工作室".split()
_COMPANY_END = re.compile("|".join(_COMPANY_WORDS))
_COMPANY_NAME = re.compile("[\u4e00-\u9fff]{2,20}$")
_GROUP = re.compile(r"(?:群号|群名叫?|群)(?:是|为|:)?([1-9][0-9]{5,11})(?![0-9])")
_BY_SIGN = (
    (EntityKind.QQ, _QQ, ("qq", "扣扣", "企鹅")),
    (EntityKind.GROUP, _GROUP, ("群",)),
    (EntityKind.PHONE, _PHONE, tuple(f"1{digit}" for digit in "3456789")),
)
_BEFORE_COMPANY = re.compile(
    "^.*?(?:户名|打给|转给|汇给|付给|打到|转到|汇到|汇至|付到|收款人|给|到|至|叫|是|的|付|打|转|名称|公司:)(?=[\u4e00-\u9fff]{3,})"
)


def read_entities(original: str, levelled: Levelled) -> tuple[Entity, ...]:
    """All entities in the order of the text, none inside another."""
    found = [*_numbers(levelled), *_names(levelled), *_addresses(original)]
    taken = bytearray(len(original))
    entities = []
    for kind, value, start, end in found:
        if 1 in taken[start:end]:
            continue
        taken[start:end] = b"\1" * (end - start)
        entities.append(Entity(kind, value, original[start:end], start, end))
    return tuple(sorted(entities, key=lambda entity: entity.start))


_Found = tuple[EntityKind, str, int, int]


def _numbers(levelled: Levelled) -> Iterator[_Found]:
    text = levelled.text
    if _LONG.search(text) is not None:
        # A pattern goes over the text only where what it begins with occurs.
        for kind, pattern, signs in _BY_SIGN:
            if any(sign in text for sign in signs):
                for match in pattern.finditer(text):
                    yield kind, match[1], *levelled.origin(*match.span(1))
    if _ACCOUNT_BEGINS.search(text) is not None or _HAN_BEGINS.search(text) is not None:
        for match in _ACCOUNT.finditer(text):
            if not _ID_NUMBER.fullmatch(match[0]):
                value = match[0].translate(_NUMERALS)
                yield EntityKind.ACCOUNT, value, *levelled.origin(*match.span())
    for match in find_amounts(text):
        amount = yuan(match)
        if amount is not None:
            yield EntityKind.AMOUNT, str(amount), *levelled.origin(*match.span())


def _names(levelled: Levelled) -> Iterator[_Found]:
    text = levelled.text
    if any(word in text for word in _WECHAT_WORDS):
        for match in _WECHAT.finditer(text):
            yield EntityKind.WECHAT, match[1], *levelled.origin(*match.span(1))
    if not any(word in text for word in _COMPANY_WORDS):
        return
    for match in _COMPANY_END.finditer(text):
        name = _COMPANY_NAME.search(text[max(0, match.start() - 20) : match.start()])
        if name:
            lead = _BEFORE_COMPANY.match(name[0])
            start = match.start() - len(name[0]) + (lead.end() if lead else 0)
            yield (
                EntityKind.COMPANY,
                text[start : match.end()],
                *levelled.origin(start, match.end()),
            )


def _addresses(original: str) -> Iterator[_Found]:
    """Web addresses are read from the original: levelling drops what holds them together."""
    if _DOMAIN.search(original) is None:
        return
    for match in _DOTTED.finditer(original):
        value = match[0].lower().removeprefix("https://").removeprefix("http://")
        if not value.replace(".", "").isdigit():
            yield EntityKind.URL, value.rstrip("/"), *match.span()
