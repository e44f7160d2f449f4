"""居民名册: residents in a list, masked: who came last, or what a search has found."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.screen.values import EntityKind
from jingxiaowei.services.alerts_words import CHANNELS, mask_name, mask_value
from jingxiaowei.services.current import Content
from jingxiaowei.services.files_rights import ALLOWED, Act, FileRights
from jingxiaowei.services.files_search import FileSearch
from jingxiaowei.services.files_values import CONTACT, Purpose
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.tagging_rows import standing_at
from jingxiaowei.services.tagging_rules import names_of
from jingxiaowei.services.tagging_values import TagRefusedError
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
_ID = re.compile(r"[0-9a-f]{32}")
_RECENT = 1000  # messages looked through for who came last
UNNAMED = "未留名"


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for."""

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


class Register:
    """Reads for the console."""

    def __init__(
        self,
        database: Database,
        content: Content,
        officers: Officers,
        rights: FileRights,
        search: FileSearch,
    ) -> None:
        self._database = database
        self._content = content
        self._officers = officers
        self._rights = rights
        self._search = search

    async def find(
        self, officer: Signed, sought: Sought, purpose: Purpose, note: str, now: datetime
    ) -> Page:
        """Residents whom the officer may see.

        Raises:
            TagRefusedError: no such tag; names the nearest.
            PermissionDeniedError: the role does not search, or not by careful tags.
        """
        found = await self._search.find(
            officer,
            purpose,
            now,
            tag=sought.tag,
            area=sought.area,
            phone=sought.phone,
            note=note,
            limit=SHOWN + 1,
        )
        ids = [each.resident_id for each in found[:SHOWN]]
        async with self._database.read() as connection:
            return Page(tuple(await self._found(connection, officer, ids, now)), len(found) > SHOWN)

    async def one(self, officer: Signed, whom: str, note: str, now: datetime) -> str:
        """The resident of a file's number or of a phone.

        Raises:
            TagRefusedError: there is none, or more than one.
            PermissionDeniedError: the role does not search.
        """
        if _ID.fullmatch(whom):
            return whom
        page = await self.find(officer, Sought(phone=whom), Purpose.OTHER, note, now)
        if len(page.found) != 1:
            raise TagRefusedError("没找到这位居民，写档案里的编号或电话。")
        return page.found[0].id

    async def recent(self, officer: Signed, now: datetime) -> Page:
        """Who came last, of those whom the officer may see."""
        newest = select(INBOX.c.id, INBOX.c.conversation_id).order_by(INBOX.c.id.desc())
        last = newest.limit(_RECENT).subquery()
        query = (
            select(RESIDENT.c.id)
            .join(IDENTITY, IDENTITY.c.resident_id == RESIDENT.c.id)
            .join(last, last.c.conversation_id == IDENTITY.c.id)
            .group_by(RESIDENT.c.id)
            .order_by(func.max(last.c.id).desc())
        )
        async with self._database.write() as connection:
            await self._rights.allow(connection, officer, Act.SEARCH, None, now, "recent")
            scope = await self._rights.scope(connection, officer, now)
            if not scope.everywhere:
                mine = RESIDENT.c.officer_id == officer.id
                query = query.where(or_(RESIDENT.c.area.in_(scope.areas), mine))
            rows = await connection.execute(query.limit(SHOWN))
            ids = [row.id for row in rows]
            return Page(tuple(await self._found(connection, officer, ids, now)))

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
                mask_name(contacts.get((id_, ContactKind.NAME), "")) or UNNAMED,
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
        row.id: (mask_name(contacts.get((row.id, ContactKind.NAME), "")) or UNNAMED)
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
    return {(row.resident_id, row.kind): cipher.open(CONTACT, row.value) for row in rows}


def _phone(number: str) -> str:
    return mask_value(EntityKind.PHONE, number) if number else ""
