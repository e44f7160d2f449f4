"""Residents' files on a real database, with the shipped tags."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services.files_house import FileHouse, build
from jingxiaowei.services.inbox import conversation_id
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.retention import Retention
from jingxiaowei.services.suggestions import Raised, Suggestions
from jingxiaowei.services.tagging import Tagging
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    CONTACT_POINT,
    ConsentKind,
    ContactKind,
    Ground,
    TagSource,
)
from jingxiaowei.store.tables import AUDIT, INBOX, RESIDENT, Role
from tests.conftest import said
from tests.services.conftest import Content, Spine, make_spine

PASSWORD = "a password of ours"
WHY = "本人说的"


@dataclass
class Filing:
    """A spine with files beside it."""

    spine: Spine
    house: FileHouse
    media: MediaKeeper
    retention: Retention
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    _next: int = 0

    @property
    def tagging(self) -> Tagging:
        return self.house.tagging

    @property
    def suggestions(self) -> Suggestions:
        return self.house.suggestions

    @property
    def database(self) -> Database:
        return self.spine.database

    async def resident(
        self, name: str = "resident-1", area: str | None = None, agreed: bool = True
    ) -> str:
        """Somebody who has said something, and agreed to tags."""
        await self.hear(name, "你好")
        id_ = conversation_id(self.database.cipher, Channel.WEB, "web", name)
        async with self.database.write() as connection:
            if area is not None:
                await connection.execute(
                    update(RESIDENT).where(RESIDENT.c.id == id_).values(area=area)
                )
            if agreed:
                await self.house.consents.say(connection, id_, ConsentKind.TAGS, True, self.now)
        return id_

    async def hear(self, name: str, text: str) -> int:
        """A resident says something; the message's row."""
        self._next += 1
        message = said(text, sender=name, message_id=f"m{self._next}", sent_at=self.now)
        await self.spine.inbox.receive([message])
        await self.spine.settle()
        async with self.database.read() as connection:
            rows = await connection.execute(select(INBOX.c.id).order_by(INBOX.c.id.desc()).limit(1))
            id_: int = rows.scalar_one()
        return id_

    async def agree(self, resident: str, kind: ConsentKind, given: bool = True) -> int:
        async with self.database.write() as connection:
            return await self.house.consents.say(connection, resident, kind, given, self.now)

    async def officer(
        self, name: str, role: Role = Role.POLICE, area: str = "county-desk"
    ) -> Signed:
        account = f"acc-{len(name)}-{sum(map(ord, name)) % 9973}"
        await self.spine.officers.add(account, role, PASSWORD, area, name, f"wx-{name}")
        return await self.spine.officers.find(account)

    async def raise_tag(
        self, resident: str, tag: str, quote: str = "我是会计", **more: Any
    ) -> None:
        async with self.database.write() as connection:
            raised = Raised(resident, tag, "H03", quote, **more)
            await self.suggestions.raise_many(connection, [raised], self.now)

    async def choose(self, resident: str, tag: str, on: bool = True) -> Any:
        async with self.database.write() as connection:
            return await self.house.choices.choose(connection, resident, tag, on, self.now)

    async def tags(self, resident: str, at: datetime | None = None) -> list[str]:
        found = await self.tagging.tags_of(resident, at or self.now)
        return [held.tag for held in found]

    async def assignments(self) -> list[Any]:
        async with self.database.read() as connection:
            rows = await connection.execute(select(ASSIGNMENT).order_by(ASSIGNMENT.c.id))
            return list(rows.all())

    async def trail(self) -> list[str]:
        async with self.database.read() as connection:
            rows = await connection.execute(select(AUDIT.c.action).order_by(AUDIT.c.id))
            return [row.action for row in rows]

    def pass_time(self, **delta: float) -> datetime:
        self.now += timedelta(**delta)
        return self.now


async def make_filing(database: Database, mind: Mind, tmp_path: Path) -> Filing:
    spine = make_spine(database, mind)
    await spine.officers.sync_areas(mind.library)
    content = Content(mind)
    folder = tmp_path / "media"
    media = MediaKeeper(database, spine.bell, folder, None)
    house = build(database, spine.bell, content, spine.audit, spine.officers, media)
    retention = Retention(database, spine.audit, media, house.reviews, house.erasure)
    return Filing(spine, house, media, retention)


async def a_full_file(filing: Filing, name: str) -> str:
    """A resident with something in every table."""
    police = await filing.officer(f"陈{name}")
    who = await filing.resident(name)
    for line in ("身份证怎么换", "明天天气如何", "人工"):
        await filing.hear(name, line)
    await filing.agree(who, ConsentKind.CAREFUL)
    await filing.tagging.apply(police, who, "finance_staff", WHY, filing.now)
    await filing.tagging.apply(police, who, "elder_alone", WHY, filing.now, ground=Ground.DUTY)
    await filing.raise_tag(who, "business_owner")
    await filing.media.keep(who, b"a picture of theirs", "image/png")
    seal = filing.database.cipher.seal
    async with filing.database.write() as connection:
        contact = {
            "resident_id": who,
            "kind": ContactKind.PHONE,
            "value": seal(b"contact.value", "13800002210"),
            "source": TagSource.RESIDENT,
            "created_at": filing.now,
        }
        await connection.execute(insert(CONTACT_POINT), [contact])
    return who
