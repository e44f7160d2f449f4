"""What a resident gives for one alert only: how to be called or found, and, by taps, who asked for
the money, where, and how much."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jingxiaowei.content.normalise import normalise
from jingxiaowei.pipeline.answer.query import asks

_PHONE = re.compile(r"(?<!\d)(1[3-9]\d[ -]?\d{4}[ -]?\d{4}|0\d{2,3}[ -]?\d{7,8})(?!\d)")
_COMPANY = re.compile(r"[\u4e00-\u9fff]{2,20}(?:公司|厂|集团|合作社|学校|医院|商行|事务所)")
_HERE = re.compile("我[们家]?(?:就)?[在住]|人在")
_LONGEST = 60  # characters: who gives a contact says little else


@dataclass(frozen=True, slots=True)
class Contact:
    """What was given; empty where nothing was. ``who``, ``where`` and ``sum`` are the words of the
    buttons that were tapped."""

    phone: str = ""
    company: str = ""
    town: str = ""
    who: str = ""
    where: str = ""
    sum: str = ""


def read_contact(text: str, towns: Iterable[str]) -> Contact | None:
    """The contact in a short text, or None where there is no phone and no town we know."""
    plain = normalise(text)
    if len(plain) > _LONGEST:
        return None
    phone, company = _PHONE.search(plain), _COMPANY.search(plain)
    named = [name for name in towns if name and name in plain]
    # 武原 is no second town beside 武原街道.
    apart = [name for name in named if not any(name in other != name for other in named)]
    town = named[0] if named else ""
    if phone is None and (len(apart) != 1 or (asks(plain) and not _HERE.search(plain))):
        return None  # 户口从百步迁到武原, 百步派出所在哪里: a question, and nobody's address
    digits = re.sub(r"\D", "", phone[0]) if phone else ""
    return Contact(digits, company[0] if company else "", town)
