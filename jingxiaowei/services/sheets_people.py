"""Whom a row is about: a resident that is known, or a file that the import opens.

By resident id, by WeCom's external_userid (also where the person came through 微信客服, which
knows them by the same id), or by phone. Two people on one phone are for a person to tell apart.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.model import Area
from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services.contact_points import VALUE, phone_key
from jingxiaowei.services.files_rights import ALLOWED, Act, Subject, covers
from jingxiaowei.services.inbox import conversation_id
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.scopes import Scope
from jingxiaowei.services.sheets_rows import RESIDENT_ID
from jingxiaowei.services.sheets_values import Entry
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.file_tables import CONTACT_POINT, MERGE, ContactKind
from jingxiaowei.store.tables import IDENTITY, KF_ACCOUNT, RESIDENT

_PLACE_KIND = re.compile(r"(街道|镇|乡)$")  # 武原 is written for 武原街道


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a row is about, and what the import adds to their file beside tags.

    Attributes:
        new: the file is to be opened.
        external_userid: what a new file is opened with, else empty.
        area: where the file lies once the import is done; None: not placed yet.
        placed: the import puts it there.
        name, phone: to be added, else empty.
    """

    resident_id: str
    new: bool
    area: str | None
    placed: bool = False
    external_userid: str = ""
    name: str = ""
    phone: str = ""


@dataclass(slots=True)
class _Known:
    """What the database knows of the residents of some rows."""

    residents: dict[str, Any] = field(default_factory=dict)  # id → row
    identities: dict[str, str] = field(default_factory=dict)  # identity → resident
    by_phone: dict[str, set[str]] = field(default_factory=dict)  # keyed hash → residents
    names: dict[str, set[str]] = field(default_factory=dict)
    phones: dict[str, set[str]] = field(default_factory=dict)  # resident → keyed hashes
    gone: dict[str, str] = field(default_factory=dict)  # merged away → kept


class People:
    """Finds the people of rows, some hundred in a few queries.

    Args:
        corp_id: the account that WeCom's external contacts belong to.
    """

    def __init__(
        self,
        cipher: Cipher,
        areas: Mapping[str, Area],
        officer: Signed,
        scope: Scope,
        corp_id: str,
    ) -> None:
        self._cipher = cipher
        self._areas = {
            word: area.id
            for area in areas.values()
            if not area.desk
            for word in (area.id, area.name, area.station, _PLACE_KIND.sub("", area.name))
        }
        self._stations = {area.id: area.station for area in areas.values()}
        self._officer = officer
        self._scope = scope
        self._corp_id = corp_id
        self._kf_accounts: Sequence[str] | None = None

    async def find(
        self, connection: AsyncConnection, entries: Sequence[Entry]
    ) -> list[Person | tuple[str, ...]]:
        """The person of each row, or the reasons why there is none."""
        if self._kf_accounts is None:
            rows = await connection.execute(select(KF_ACCOUNT.c.open_kfid))
            self._kf_accounts = [row.open_kfid for row in rows]
        known = await self._look_up(connection, entries)
        return [self._person(entry, known) for entry in entries]

    def _identities(self, external_userid: str) -> list[str]:
        """The identities that a WeCom contact may have; its own is the first."""
        accounts = [(Channel.WECOM_CONTACT, self._corp_id)]
        accounts += [(Channel.WECOM_KF, account) for account in self._kf_accounts or ()]
        return [
            conversation_id(self._cipher, channel, account, external_userid)
            for channel, account in accounts
        ]

    async def _look_up(self, connection: AsyncConnection, entries: Sequence[Entry]) -> _Known:
        known = _Known()
        ids = {entry.who for entry in entries if RESIDENT_ID.fullmatch(entry.who)}
        contacts = [e.who for e in entries if e.who and e.who not in ids]
        wanted = {identity for who in contacts for identity in self._identities(who)}
        for part in _parts(wanted):
            rows = await connection.execute(
                select(IDENTITY.c.id, IDENTITY.c.resident_id).where(IDENTITY.c.id.in_(part))
            )
            known.identities |= {row.id: row.resident_id for row in rows}
        phones = {phone_key(self._cipher, e.phone) for e in entries if e.phone and not e.who}
        for part in _parts(phones):
            found = await connection.execute(
                select(CONTACT_POINT.c.found, CONTACT_POINT.c.resident_id).where(
                    CONTACT_POINT.c.found.in_(part), CONTACT_POINT.c.kind == ContactKind.PHONE
                )
            )
            for row in found:
                known.by_phone.setdefault(row.found, set()).add(row.resident_id)
        ids |= set(known.identities.values())
        ids |= {one for residents in known.by_phone.values() for one in residents}
        ids |= {self._by_phone_alone(e.phone) for e in entries if e.phone and not e.who}
        await self._load(connection, ids, known)
        return known

    async def _load(self, connection: AsyncConnection, ids: set[str], known: _Known) -> None:
        for part in _parts(ids):
            merged = await connection.execute(
                select(MERGE.c.gone_id, MERGE.c.kept_id).where(
                    MERGE.c.gone_id.in_(part), MERGE.c.undone_at.is_(None)
                )
            )
            known.gone |= {row.gone_id: row.kept_id for row in merged}
        for part in _parts(ids | set(known.gone.values())):
            rows = await connection.execute(
                select(RESIDENT.c.id, RESIDENT.c.area, RESIDENT.c.officer_id).where(
                    RESIDENT.c.id.in_(part)
                )
            )
            known.residents |= {row.id: row for row in rows}
            points = await connection.execute(
                select(
                    CONTACT_POINT.c.resident_id,
                    CONTACT_POINT.c.kind,
                    CONTACT_POINT.c.value,
                    CONTACT_POINT.c.found,
                ).where(CONTACT_POINT.c.resident_id.in_(part))
            )
            for row in points:
                if row.kind is ContactKind.NAME:
                    name = self._cipher.open(VALUE, row.value)
                    known.names.setdefault(row.resident_id, set()).add(name)
                elif row.kind is ContactKind.PHONE:
                    known.phones.setdefault(row.resident_id, set()).add(row.found)

    def _person(self, entry: Entry, known: _Known) -> Person | tuple[str, ...]:
        area = self._areas.get(entry.area) if entry.area else None
        if entry.area and area is None:
            return (f"没有“{entry.area}”这个辖区。",)
        found = self._resident(entry, known)
        if isinstance(found, tuple):
            return found
        if found is None:
            return self._new(entry, area)
        found = known.gone.get(found, found)
        row = known.residents[found]
        if not covers(self._scope, self._officer, Subject(row.id, row.area, row.officer_id)):
            station = self._stations.get(row.area or "", "县局")
            return (f"这位居民在{station}辖区，请那里导入。",)
        if area is not None and row.area is not None and area != row.area:
            return ("档案里是别的辖区，这里不改；要改请走移交。",)
        names = known.names.get(found, set())
        if entry.name and names and entry.name not in names:
            return ("档案里这个人不叫这个名字，请核对编号和电话。",)
        placed = area is not None and row.area is None
        if placed and Act.PLACE not in ALLOWED[self._officer.role]:
            return ("这位居民还没分辖区，由民警来分。请把“辖区”留空。",)
        new_phone = entry.phone and phone_key(self._cipher, entry.phone) not in known.phones.get(
            found, set()
        )
        return Person(
            found,
            new=False,
            area=area if placed else row.area,
            placed=placed,
            name=entry.name if not names else "",
            phone=entry.phone if new_phone else "",
        )

    def _resident(self, entry: Entry, known: _Known) -> str | tuple[str, ...] | None:
        """The resident's id; None where the file is to be opened; or why neither."""
        if RESIDENT_ID.fullmatch(entry.who):
            kept = known.gone.get(entry.who, entry.who)
            if kept not in known.residents:
                return ("系统里没有这个编号的居民。",)
            return kept
        if entry.who:
            for identity in self._identities(entry.who):
                if identity in known.identities:
                    return known.identities[identity]
            return None
        using = known.by_phone.get(phone_key(self._cipher, entry.phone), set())
        residents = {known.gone.get(one, one) for one in using}
        if len(residents) > 1 and entry.name:  # a family's phone
            residents = {one for one in residents if entry.name in known.names.get(one, ())}
        if len(residents) > 1:
            return (f"这个电话有 {len(residents)} 位居民在用，请填“编号”。",)
        if residents:
            return next(iter(residents))
        alone = self._by_phone_alone(entry.phone)
        return alone if alone in known.residents else None

    def _new(self, entry: Entry, area: str | None) -> Person | tuple[str, ...]:
        if not entry.name:
            return ("系统里还没有这个人，要建档请填“姓名”。",)
        if area is None and not self._scope.everywhere:
            area = self._officer.area
        if not self._scope.covers(area):
            return ("只能给自己辖区的人建档。",)
        person = Person(
            "", new=True, area=area, placed=area is not None, name=entry.name, phone=entry.phone
        )
        if entry.who:
            identity = self._identities(entry.who)[0]
            return replace(person, resident_id=identity, external_userid=entry.who)
        return replace(person, resident_id=self._by_phone_alone(entry.phone))

    def _by_phone_alone(self, phone: str) -> str:
        """The id of a file that is opened by phone: the same at a second run."""
        return self._cipher.find("resident by phone", phone)


def _parts(ids: Collection[str], size: int = 5000) -> Iterable[list[str]]:
    """In pieces that a statement can carry."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
