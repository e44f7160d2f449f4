"""居民名册: who is in the officer's areas, masked; found by phone, tag or area.

A phone is found by its keyed hash and stands in no trail. Every look is let in by the gate.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Tag
from jingxiaowei.pipeline.screen.values import EntityKind
from jingxiaowei.services.alerts_words import CHANNELS, mask_name, mask_value
from jingxiaowei.services.contact_points import VALUE, phone_key
from jingxiaowei.services.files_rights import ALLOWED, Act, FileRights, Subject, covers
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.scopes import Scope
from jingxiaowei.services.suggestions import Content
from jingxiaowei.services.tagging_rows import standing_at
from jingxiaowei.services.tagging_rules import find_tag, names_of
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    CONTACT_POINT,
    IS_SUGGESTED,
    SUGGESTION,
    ContactKind,
)
from jingxiaowei.store.tables import AREA, CONVERSATION, IDENTITY, INBOX, RESIDENT

SHOWN = 50
_RECENT = 1000  # messages looked through for who came last
_UNNAMED = "未留名"


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for; nothing: who came last."""

    phone: str = ""
    tag: str = ""
    area: str = ""

    def __bool__(self) -> bool:
        return bool(self.phone or self.tag or self.area)


@dataclass(frozen=True, slots=True)
class Found:
    """A resident in a list: nothing that identifies."""

    id: str
    label: str  # 陈** or 未留名
    channels: tuple[str, ...]
    phone: str  # masked, or empty
    area: str
    officer: str
    tags: tuple[str, ...]  # general ones, by name
    careful: int
    waiting: int  # suggestions
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """What was found; ``more``: there are others, narrow the search."""

    found: tuple[Found, ...]
    more: bool = False


def phone_digits(text: str) -> str:
    """A phone as it is kept: digits, without the country's 86."""
    digits = re.sub(r"\D", "", text)
    return digits[2:] if len(digits) == 13 and digits.startswith("86") else digits


class Register:
    """Reads for the console."""

    def __init__(
        self,
        database: Database,
        content: Content,
        officers: Officers,
        rights: FileRights,
    ) -> None:
        self._database = database
        self._content = content
        self._officers = officers
        self._rights = rights

    async def find(self, officer: Signed, sought: Sought, reason: str, now: datetime) -> Page:
        """Residents whom the officer may see.

        Raises:
            TagRefusedError: no such tag; names the nearest.
            PermissionDeniedError: the role does not search, or not by careful tags.
        """
        tag = find_tag(self._content.library.taxonomy, sought.tag) if sought.tag else None
        act = Act.SEARCH_CAREFUL if tag is not None and tag.careful else Act.SEARCH
        what = f"{reason} {_in_words(sought, tag)}".strip()
        async with self._database.write() as connection:
            await self._rights.allow(connection, officer, act, None, now, what)
            scope = await self._rights.scope(connection, officer, now)
            query = self._query(sought, tag, now)
            if not scope.everywhere:
                query = query.where(_mine(scope, officer))
            rows = (await connection.execute(query.limit(SHOWN + 1))).all()
            ids = [row.id for row in rows[:SHOWN]]
            found = await self._found(connection, officer, ids, now)
        if not sought:
            found.sort(key=_heard, reverse=True)
        return Page(tuple(found), len(rows) > SHOWN)

    def _query(self, sought: Sought, tag: Tag | None, now: datetime) -> Select[Any]:
        query = select(RESIDENT.c.id)
        if sought.phone:
            key = phone_key(self._database.cipher, phone_digits(sought.phone))
            having = select(CONTACT_POINT.c.resident_id).where(CONTACT_POINT.c.found == key)
            query = query.where(RESIDENT.c.id.in_(having))
        if tag is not None:
            holding = select(ASSIGNMENT.c.resident_id).where(
                ASSIGNMENT.c.tag == tag.slug, standing_at(now)
            )
            query = query.where(RESIDENT.c.id.in_(holding))
        if sought.area:
            query = query.where(RESIDENT.c.area == sought.area)
        if sought:
            return query.order_by(RESIDENT.c.id)
        newest = select(INBOX.c.id, INBOX.c.conversation_id).order_by(INBOX.c.id.desc())
        last = newest.limit(_RECENT).subquery()
        return (
            query.join(IDENTITY, IDENTITY.c.resident_id == RESIDENT.c.id)
            .join(last, last.c.conversation_id == IDENTITY.c.id)
            .group_by(RESIDENT.c.id)
            .order_by(func.max(last.c.id).desc())
        )

    async def areas(self) -> Mapping[str, str]:
        """The areas' names by slug, the county desk last."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(AREA).order_by(AREA.c.desk, AREA.c.slug))
            return {row.slug: row.name for row in rows}

    async def labels(self, ids: Collection[str]) -> Mapping[str, str]:
        """陈**·武原街道, for lists of work that was let in by a gate of its own."""
        async with self._database.read() as connection:
            return await labels(connection, self._database.cipher, ids)

    async def _found(
        self, connection: AsyncConnection, officer: Signed, ids: list[str], now: datetime
    ) -> list[Found]:
        taxonomy, cipher = self._content.library.taxonomy, self._database.cipher
        people = names_of(await self._officers.names(connection))
        areas = {row.slug: row.name for row in await connection.execute(select(AREA))}
        residents = {
            row.id: row
            for row in await connection.execute(select(RESIDENT).where(RESIDENT.c.id.in_(ids)))
        }
        came = await connection.execute(
            select(IDENTITY.c.resident_id, IDENTITY.c.channel, CONVERSATION.c.heard_at)
            .outerjoin(CONVERSATION, CONVERSATION.c.id == IDENTITY.c.id)
            .where(IDENTITY.c.resident_id.in_(ids))
            .order_by(IDENTITY.c.created_at)
        )
        channels: dict[str, list[str]] = {}
        heard: dict[str, datetime] = {}
        for row in came:
            word = CHANNELS.get(row.channel, row.channel)
            if word not in channels.setdefault(row.resident_id, []):
                channels[row.resident_id].append(word)
            if row.heard_at is not None:
                heard[row.resident_id] = max(heard.get(row.resident_id, row.heard_at), row.heard_at)
        tags: dict[str, list[str]] = {}
        careful: dict[str, int] = {}
        standing = await connection.execute(
            select(ASSIGNMENT.c.resident_id, ASSIGNMENT.c.tag)
            .where(ASSIGNMENT.c.resident_id.in_(ids), standing_at(now))
            .order_by(ASSIGNMENT.c.started_at)
        )
        for held in standing:
            tag = taxonomy.by_slug.get(held.tag)
            if tag is not None and not tag.careful:
                tags.setdefault(held.resident_id, []).append(tag.name)
            else:
                careful[held.resident_id] = careful.get(held.resident_id, 0) + 1
        raised = select(SUGGESTION.c.resident_id, func.count().label("n")).where(
            SUGGESTION.c.resident_id.in_(ids), IS_SUGGESTED
        )
        if Act.TAG_CAREFUL not in ALLOWED[officer.role]:
            general = [tag.slug for tag in taxonomy.tags if not tag.careful]
            raised = raised.where(SUGGESTION.c.tag.in_(general))
        waiting = {
            row.resident_id: row.n
            for row in await connection.execute(raised.group_by(SUGGESTION.c.resident_id))
        }
        contacts = await _contacts(connection, cipher, ids)
        return [
            Found(
                id_,
                mask_name(contacts.get((id_, ContactKind.NAME), "")) or _UNNAMED,
                tuple(channels.get(id_, ())),
                _phone(contacts.get((id_, ContactKind.PHONE), "")),
                areas.get(residents[id_].area or "", "辖区不明"),
                people(residents[id_].officer_id) if residents[id_].officer_id else "",
                tuple(tags.get(id_, ())),
                careful.get(id_, 0),
                waiting.get(id_, 0),
                heard.get(id_),
            )
            for id_ in ids
        ]


async def labels(
    connection: AsyncConnection, cipher: Cipher, ids: Collection[str]
) -> dict[str, str]:
    """陈**·武原街道 by resident."""
    if not ids:
        return {}
    contacts = await _contacts(connection, cipher, ids)
    rows = await connection.execute(
        select(RESIDENT.c.id, AREA.c.name)
        .outerjoin(AREA, AREA.c.slug == RESIDENT.c.area)
        .where(RESIDENT.c.id.in_(ids))
    )
    return {
        row.id: (mask_name(contacts.get((row.id, ContactKind.NAME), "")) or _UNNAMED)
        + f"·{row.name or '辖区不明'}"
        for row in rows
    }


async def _contacts(
    connection: AsyncConnection, cipher: Cipher, ids: Collection[str]
) -> dict[tuple[str, ContactKind], str]:
    """The newest name and phone of residents."""
    rows = await connection.execute(
        select(CONTACT_POINT.c.resident_id, CONTACT_POINT.c.kind, CONTACT_POINT.c.value)
        .where(
            CONTACT_POINT.c.resident_id.in_(ids),
            CONTACT_POINT.c.kind.in_((ContactKind.NAME, ContactKind.PHONE)),
        )
        .order_by(CONTACT_POINT.c.id)
    )
    return {(row.resident_id, row.kind): cipher.open(VALUE, row.value) for row in rows}


def _phone(number: str) -> str:
    return mask_value(EntityKind.PHONE, number) if number else ""


def _mine(scope: Scope, officer: Signed) -> ColumnElement[bool]:
    return or_(RESIDENT.c.area.in_(scope.areas), RESIDENT.c.officer_id == officer.id)


def may_see(scope: Scope, officer: Signed, row: Any) -> bool:
    """Whether a resident's row is the officer's to see."""
    return covers(scope, officer, Subject(row.id, row.area, row.officer_id))


def _heard(found: Found) -> float:
    return found.heard_at.timestamp() if found.heard_at else 0.0


def _in_words(sought: Sought, tag: Tag | None) -> str:
    """What was looked for, as the trail may tell it: never the number itself."""
    parts = []
    if sought.phone:
        parts.append("电话")
    if tag is not None:
        parts.append(f"标签 {tag.slug}")
    if sought.area:
        parts.append(f"辖区 {sought.area}")
    return f"按{'、'.join(parts)}" if parts else "最近来过的"
