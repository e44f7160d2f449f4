"""一人一档: the one way to read a resident's file. Each reading is recorded with its reason."""

import re
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.mask import holds_number
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.alerts_words import CHANNELS, mask_name
from jingxiaowei.services.consents import Consents
from jingxiaowei.services.contact_points import drop_contact
from jingxiaowei.services.current import Content
from jingxiaowei.services.file_parts import kept_of
from jingxiaowei.services.files_rights import Act, FileRights, Subject, require
from jingxiaowei.services.files_timeline import timeline
from jingxiaowei.services.files_values import (
    CONTACT,
    Dossier,
    MergedFile,
    Purpose,
    Reading,
    TagLine,
    reason_of,
)
from jingxiaowei.services.inbox import BODY
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.services.tagging_rules import Names, names_of
from jingxiaowei.services.tagging_values import Held, TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    CONTACT_POINT,
    MERGE,
    ContactKind,
    Ended,
    Minor,
    TagSource,
)
from jingxiaowei.store.tables import AREA, AUDIT, IDENTITY, INBOX, OFFICER, RESIDENT, Role

REWORDED = "后来改过，原话封存"
_READINGS = 20
_WHY = 20
_READ = ("file.view", "file.view_careful", "file.original", "file.export", "file.contact")


class Files:
    """Opens files, shows originals and contact, notes contact, area and responsible officer.

    Raises, throughout: TagRefusedError where there is no such resident or the reason is missing;
    PermissionDeniedError where role or area do not allow it.
    """

    def __init__(
        self,
        database: Database,
        content: Content,
        officers: Officers,
        rights: FileRights,
        suggestions: Suggestions,
        consents: Consents,
    ) -> None:
        self._database = database
        self._content = content
        self._officers = officers
        self._rights = rights
        self._suggestions = suggestions
        self._consents = consents

    async def open(
        self,
        officer: Signed,
        resident_id: str,
        purpose: Purpose,
        now: datetime,
        *,
        note: str = "",
        careful: bool = False,
        as_of: datetime | None = None,
    ) -> Dossier:
        """The file as it stands, or as it stood on a day within its retention.

        ``careful``: the protected tags too, for police and a purpose; else they are counted.
        """
        reason = self._reason(purpose, note)
        act = Act.VIEW_CAREFUL if careful else Act.VIEW
        async with self._database.write() as connection:
            resident_id = await kept_of(connection, resident_id)
            row = await self._enter(connection, officer, act, resident_id, now, reason)
        # Recorded first, in a transaction of its own: reading much must not keep writers waiting.
        async with self._database.read() as connection:
            names = names_of(await self._officers.names(connection))
            tags = await rows_of.tags_of(
                connection, self._database.cipher, resident_id, as_of or now
            )
            shown = [tag for tag in tags if careful or not self._careful(tag)]
            dossier = Dossier(
                resident_id,
                row.area,
                names(row.officer_id) if row.officer_id is not None else "",
                Minor(row.minor),
                await self._channels(connection, resident_id),
                {},
                tuple(self._line(tag, names) for tag in shown),
                len(tags) - len(shown),
                (),
                (),
                (),
                (),
                (),
                as_of,
            )
            if as_of is not None:
                return dossier
            return await self._complete(connection, officer, dossier, careful, names)

    async def _complete(
        self,
        connection: AsyncConnection,
        officer: Signed,
        dossier: Dossier,
        careful: bool,
        names: Names,
    ) -> Dossier:
        """What only today's file has."""
        who = dossier.resident_id
        waiting = await self._suggestions.of(connection, who)
        merged = await connection.execute(
            select(MERGE.c.id, MERGE.c.gone_id, MERGE.c.at)
            .where(MERGE.c.kept_id == who, MERGE.c.undone_at.is_(None))
            .order_by(MERGE.c.id.desc())
        )
        return replace(
            dossier,
            contacts=_masked(await self.contacts_of(connection, who)),
            suggestions=tuple(w for w in waiting if careful or not w.careful),
            timeline=await timeline(
                connection, self._database.cipher, who, officer.role is Role.POLICE
            ),
            consents=tuple(await self._consents.newest(connection, who)),
            readings=await self.readings_of(connection, who, names),
            merged=tuple(MergedFile(row.id, row.gone_id, row.at) for row in merged),
        )

    async def original(
        self, officer: Signed, inbox_id: int, purpose: Purpose, now: datetime, note: str = ""
    ) -> str:
        """看原文: a message as it was sent."""
        reason = f"{self._reason(purpose, note)} message:{inbox_id}"
        async with self._database.write() as connection:
            row = (
                await connection.execute(
                    select(INBOX.c.body, IDENTITY.c.resident_id)
                    .join(IDENTITY, IDENTITY.c.id == INBOX.c.conversation_id)
                    .where(INBOX.c.id == inbox_id)
                )
            ).first()
            if row is None:
                raise TagRefusedError("这条消息已过保存期限。")
            await self._enter(connection, officer, Act.ORIGINAL, row.resident_id, now, reason)
            return str(self._database.cipher.open_json(BODY, row.body).get("text", ""))

    async def contact(
        self, officer: Signed, resident_id: str, purpose: Purpose, now: datetime, note: str = ""
    ) -> dict[ContactKind, tuple[str, ...]]:
        """Name and numbers unmasked, to ring somebody up."""
        async with self._database.write() as connection:
            await self._enter(
                connection, officer, Act.CONTACT, resident_id, now, self._reason(purpose, note)
            )
            return await self.contacts_of(connection, resident_id)

    async def note_contact(
        self,
        officer: Signed,
        resident_id: str,
        kind: ContactKind,
        value: str,
        now: datetime,
        source: TagSource = TagSource.OFFICER,
    ) -> None:
        """Note how a resident is called or reached; the same again changes nothing."""
        async with self._database.write() as connection:
            await self._enter(connection, officer, Act.CONTACT, resident_id, now, f"note {kind}")
            await self.keep_contact(connection, resident_id, kind, value, source, now)

    async def remove_contact(
        self,
        officer: Signed,
        resident_id: str,
        kind: ContactKind,
        value: str,
        why: str,
        now: datetime,
    ) -> None:
        """Remove what was noted wrongly. The trail keeps that and why, never the value.

        Raises:
            TagRefusedError: no reason, or nothing of the kind is on the file.
        """
        why, value = why.strip(), value.strip()
        if kind is ContactKind.PHONE:
            value = phone_digits(value)
        if not why or len(why) > _WHY or any(each.isdigit() for each in why):
            raise TagRefusedError(f"写一句为什么去掉，最多 {_WHY} 个字，不写号码。")
        async with self._database.write() as connection:
            await self._enter(
                connection, officer, Act.CONTACT, resident_id, now, f"remove {kind} {why}"
            )
            cipher = self._database.cipher
            if not await drop_contact(connection, cipher, resident_id, kind, value):
                raise TagRefusedError("档案里没有这一条，请照着看到的全部内容写。")

    async def keep_contact(
        self,
        connection: AsyncConnection,
        resident_id: str,
        kind: ContactKind,
        value: str,
        source: TagSource,
        now: datetime,
    ) -> None:
        """The same for an import or the turn, in the caller's transaction and behind its gate."""
        value = value.strip()
        if kind is ContactKind.PHONE:
            value = phone_digits(value)
        if not value or len(value) > 80:
            raise TagRefusedError("写上内容，最多 80 个字。")
        if holds_number(value):
            raise TagRefusedError("像证件号或卡号，这里不记。")
        minor = await connection.execute(
            select(RESIDENT.c.minor).where(RESIDENT.c.id == resident_id)
        )
        if minor.scalar() == Minor.UNDER_14.value:
            raise TagRefusedError("未满 14 周岁不建档，不记联系方式。")
        if value in (await self.contacts_of(connection, resident_id)).get(kind, ()):
            return
        cipher = self._database.cipher
        row = {
            "resident_id": resident_id,
            "kind": kind,
            "value": cipher.seal(CONTACT, value),
            "found": cipher.find("phone", value) if kind is ContactKind.PHONE else None,
            "source": source,
            "created_at": now,
        }
        await connection.execute(insert(CONTACT_POINT), [row])

    async def place(
        self,
        officer: Signed,
        resident_id: str,
        now: datetime,
        area: str | None = None,
        responsible: int | None = None,
    ) -> None:
        """Into an area, to a responsible officer; what is None stays as it is."""
        values: dict[str, object] = {}
        async with self._database.write() as connection:
            if area is not None:
                known = await connection.execute(select(AREA.c.slug).where(AREA.c.slug == area))
                if known.first() is None:
                    raise TagRefusedError(f"没有“{area}”这个辖区。")
                values["area"] = area
            if responsible is not None:
                found = await connection.execute(
                    select(OFFICER.c.id).where(
                        OFFICER.c.id == responsible,
                        OFFICER.c.active,
                        OFFICER.c.role == Role.POLICE,
                    )
                )
                if found.first() is None:
                    raise TagRefusedError("责任民警要是在岗的民警。")
                values["officer_id"] = responsible
            reason = " ".join(f"{name}:{value}" for name, value in values.items())
            await self._enter(connection, officer, Act.PLACE, resident_id, now, reason)
            if values:
                await connection.execute(
                    update(RESIDENT).where(RESIDENT.c.id == resident_id).values(**values)
                )

    async def readings(
        self, officer: Signed, resident_id: str, now: datetime
    ) -> tuple[Reading, ...]:
        """谁看过: for police, and for auditors, who see no more of the file than this."""
        require(officer.role, Act.READS)
        async with self._database.write() as connection:
            names = names_of(await self._officers.names(connection))
            await self._rights.record(connection, officer, Act.READS, [resident_id])
            return await self.readings_of(connection, resident_id, names)

    async def _enter(
        self,
        connection: AsyncConnection,
        officer: Signed,
        act: Act,
        resident_id: str,
        now: datetime,
        reason: str,
    ) -> Any:
        row = (
            await connection.execute(select(RESIDENT).where(RESIDENT.c.id == resident_id))
        ).first()
        if row is None:
            raise TagRefusedError("没有这位居民。")
        subject = Subject(row.id, row.area, row.officer_id)
        await self._rights.allow(connection, officer, act, subject, now, reason)
        return row

    def _reason(self, purpose: Purpose, note: str) -> str:
        return reason_of(purpose, note, self._content.library.forbidden)

    def _careful(self, tag: Held) -> bool:
        known = self._content.library.taxonomy.by_slug.get(tag.tag)
        return known is None or known.careful

    def _line(self, tag: Held, names: Names) -> TagLine:
        taxonomy = self._content.library.taxonomy
        known = taxonomy.by_slug.get(tag.tag)
        if tag.ended_because is Ended.REWORDED:  # a look back; the words are for police, apart
            tag = replace(tag, reason=REWORDED)
        by = "居民本人" if tag.source is TagSource.RESIDENT else names(tag.officer_id)
        return TagLine(
            tag,
            known.name if known else tag.tag,
            taxonomy.group_of(tag.tag).name if known else "",
            by,
            names(tag.confirmed_by) if tag.confirmed_by is not None else "",
        )

    async def _channels(self, connection: AsyncConnection, resident_id: str) -> tuple[str, ...]:
        rows = await connection.execute(
            select(IDENTITY.c.channel).where(IDENTITY.c.resident_id == resident_id)
        )
        return tuple(sorted(CHANNELS.get(row.channel, row.channel) for row in rows))

    async def contacts_of(
        self, connection: AsyncConnection, resident_id: str
    ) -> dict[ContactKind, tuple[str, ...]]:
        """Unmasked, by kind, behind the caller's gate."""
        rows = await connection.execute(
            select(CONTACT_POINT.c.kind, CONTACT_POINT.c.value)
            .where(CONTACT_POINT.c.resident_id == resident_id)
            .order_by(CONTACT_POINT.c.id)
        )
        found: dict[ContactKind, list[str]] = defaultdict(list)
        for row in rows:
            found[row.kind].append(self._database.cipher.open(CONTACT, row.value))
        return {kind: tuple(values) for kind, values in found.items()}

    async def readings_of(
        self, connection: AsyncConnection, resident_id: str, names: Names
    ) -> tuple[Reading, ...]:
        """The last who read the file, behind the caller's gate."""
        rows = await connection.execute(
            select(AUDIT.c.at, AUDIT.c.actor, AUDIT.c.action, AUDIT.c.reason)
            .where(AUDIT.c.object == f"resident:{resident_id}", AUDIT.c.action.in_(_READ))
            .order_by(AUDIT.c.id.desc())
            .limit(_READINGS)
        )
        return tuple(
            Reading(row.at, names(int(row.actor.removeprefix("officer:"))), row.action, row.reason)
            for row in rows
            if row.actor.startswith("officer:")
        )


def phone_digits(text: str) -> str:
    """A phone as it is kept and found: digits, without +86.

    Raises:
        TagRefusedError: it is no phone.
    """
    digits = re.sub(r"\D", "", text)
    if len(digits) == 13 and digits.startswith("86"):
        digits = digits[2:]
    if not 7 <= len(digits) <= 12:
        raise TagRefusedError("这不像电话号码。")
    return digits


def _masked(
    contacts: dict[ContactKind, tuple[str, ...]],
) -> dict[ContactKind, tuple[str, ...]]:
    veil = {
        ContactKind.NAME: mask_name,
        ContactKind.PHONE: lambda phone: phone[:3] + "****" + phone[-4:],
        ContactKind.COMPANY: lambda name: name[:2] + "**",
        ContactKind.ADDRESS: lambda place: place[:6] + "**",
    }
    return {kind: tuple(map(veil[kind], values)) for kind, values in contacts.items()}
