"""我的档案: what a resident sees of their own file, in plain words, and takes away as a copy.

In the caller's transaction (the turn's). On a shared phone careful tags show only after a tap that
confirms: the first look counts them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.consents import Consents
from jingxiaowei.services.files import Files
from jingxiaowei.services.files_values import REQUEST_TEXT
from jingxiaowei.services.inbox import BODY
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.suggestions import Content
from jingxiaowei.services.tagging_rules import Names, names_of
from jingxiaowei.services.tagging_values import Held
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, REQUEST, TagSource
from jingxiaowei.store.tables import IDENTITY, INBOX


@dataclass(frozen=True, slots=True)
class OwnLine:
    """One tag as its resident reads it; ``tag`` is what :meth:`.Choices.choose` takes."""

    number: int
    tag: str
    name: str
    by: str  # 民警陈国华, 您自己
    day: str  # 6月3日
    reason: str
    until: str  # 12月3日, 长期


@dataclass(frozen=True, slots=True)
class OwnFile:
    lines: tuple[OwnLine, ...]
    careful_hidden: int


class OwnFiles:
    """Shows residents what is noted of them. Each look is recorded as theirs."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        content: Content,
        officers: Officers,
        files: Files,
        consents: Consents,
    ) -> None:
        self._database = database
        self._audit = audit
        self._content = content
        self._officers = officers
        self._files = files
        self._consents = consents

    async def show(
        self, connection: AsyncConnection, resident_id: str, now: datetime, careful: bool = False
    ) -> OwnFile:
        """The tags that stand; the careful ones only once the resident has said 现在看."""
        names = names_of(await self._officers.names(connection))
        held = await rows_of.tags_of(connection, self._database.cipher, resident_id, now)
        by_slug = self._content.library.taxonomy.by_slug
        shown = [
            each
            for each in held
            if careful or (each.tag in by_slug and not by_slug[each.tag].careful)
        ]
        await self._record(connection, resident_id, "file.own_view")
        lines = [self._line(number, each, names) for number, each in enumerate(shown, 1)]
        return OwnFile(tuple(lines), len(held) - len(shown))

    async def copy(
        self, connection: AsyncConnection, resident_id: str, now: datetime
    ) -> dict[str, Any]:
        """给我一份: everything that is kept of the resident, as plain values for JSON."""
        cipher = self._database.cipher
        names = names_of(await self._officers.names(connection))
        tags = await connection.execute(
            select(ASSIGNMENT)
            .where(ASSIGNMENT.c.resident_id == resident_id)
            .order_by(ASSIGNMENT.c.id)
        )
        said = await connection.execute(
            select(INBOX.c.sent_at, INBOX.c.body)
            .join(IDENTITY, IDENTITY.c.id == INBOX.c.conversation_id)
            .where(IDENTITY.c.resident_id == resident_id)
            .order_by(INBOX.c.id)
        )
        asked = await connection.execute(
            select(REQUEST).where(REQUEST.c.resident_id == resident_id).order_by(REQUEST.c.id)
        )
        contacts = await self._files.contacts_of(connection, resident_id)
        await self._record(connection, resident_id, "file.own_copy")
        return {
            "标签": [self._tag(rows_of.held(cipher, row), names) for row in tags],
            "联系方式": {kind.value: list(values) for kind, values in contacts.items()},
            "同意": [
                {"种类": each.kind.value, "同意": each.given, "时间": _when(each.said_at)}
                for each in await self._consents.newest(connection, resident_id)
            ],
            "请求": [
                {
                    "编号": row.code,
                    "内容": cipher.open(REQUEST_TEXT, row.text),
                    "状态": row.state.value,
                    "答复期限": _when(row.due_at),
                }
                for row in asked
            ],
            "来信": [
                {
                    "时间": _when(row.sent_at),
                    "内容": cipher.open_json(BODY, row.body).get("text", ""),
                }
                for row in said
            ],
            "谁看过": [
                {"时间": _when(each.at), "谁": each.by, "事由": each.reason}
                for each in await self._files.readings_of(connection, resident_id, names)
            ],
        }

    def _line(self, number: int, held: Held, names: Names) -> OwnLine:
        tag = self._content.library.taxonomy.by_slug.get(held.tag)
        return OwnLine(
            number,
            held.tag,
            tag.name if tag else held.tag,
            _by(held, names),
            _day(held.started_at),
            held.reason,
            _day(held.expires_at) if held.expires_at is not None else "长期",
        )

    def _tag(self, held: Held, names: Names) -> dict[str, str]:
        line = self._line(0, held, names)
        return {
            "名称": line.name,
            "谁记的": line.by,
            "依据": line.reason,
            "开始": _when(held.started_at),
            "到期": _when(held.expires_at) if held.expires_at is not None else "长期",
            "结束": _when(held.ended_at) if held.ended_at is not None else "",
        }

    async def _record(self, connection: AsyncConnection, resident_id: str, action: str) -> None:
        who = f"resident:{resident_id}"
        await self._audit.record(connection, Event(who, action, who))


def _by(held: Held, names: Names) -> str:
    if held.source is TagSource.RESIDENT:
        return "您自己"
    return names(held.confirmed_by if held.confirmed_by is not None else held.officer_id)


def _day(moment: datetime) -> str:
    local = moment.astimezone(LOCAL)
    return f"{local.month}月{local.day}日"


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(LOCAL):%Y-%m-%d %H:%M}"
