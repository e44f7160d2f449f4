"""复制和转移: a resident's own data in their own hands.

In the browser a download that works once, for the session that asked; its content is put together
at that moment, so no copy lies about. On WeCom the file's text in the chat, where it fits.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.mask import mask
from jingxiaowei.pipeline.messages import SPOKEN, Channel, MessageKind, Option
from jingxiaowei.pipeline.reply import TEXT_BYTES
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.codes import new_code
from jingxiaowei.services.consents import Consents
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.files_values import ANSWER, REQUEST_TEXT
from jingxiaowei.services.inbox import BODY, conversation_id
from jingxiaowei.services.own_view import (
    OwnView,
    OwnViews,
    Shown,
    day_of,
    line_of,
    purposes_of,
    until_of,
)
from jingxiaowei.services.purposes import OUT_BODY
from jingxiaowei.services.requests import REQUESTS
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    REQUEST,
    ConsentKind,
    RequestKind,
    RequestState,
)
from jingxiaowei.store.tables import IDENTITY, INBOX, OUTBOX, TICKET, OutboxState, TicketState

LINK_LIFE = timedelta(hours=2)
_WEB = "web"
_CONSENTS = {ConsentKind.TAGS: "记标签", ConsentKind.CAREFUL: "记较私密的标签（单独同意）"}
_NEEDS = {
    "human": "找人工",
    "emergency": "紧急求助",
    "image": "看图",
    "failure": "处理失败，请人看",
}
_STATES = {TicketState.CLOSED: "已办结"}


@dataclass(frozen=True, slots=True)
class Download:
    """A file for the browser."""

    name: str
    content_type: str
    data: bytes


class Exports:
    """Offers and hands out what a resident may take along."""

    def __init__(
        self,
        database: Database,
        content: ContentAndMind,
        audit: Audit,
        consents: Consents,
        files: OwnViews,
    ) -> None:
        self._database = database
        self._content = content
        self._audit = audit
        self._consents = consents
        self._files = files

    async def offer(
        self, connection: AsyncConnection, mind: Mind, resident_id: str, now: datetime
    ) -> tuple[str, tuple[Option, ...]]:
        """A link that works once, in the words and buttons that lead to it."""
        code = new_code()
        sealed = self._database.cipher.seal(REQUEST_TEXT, "")
        # Answered as it is asked; what is not yet there is the note that it was fetched.
        await connection.execute(
            insert(REQUEST),
            [
                {
                    "code": code,
                    "resident_id": resident_id,
                    "kind": RequestKind.EXPORT,
                    "text": sealed,
                    "state": RequestState.ANSWERED,
                    "created_at": now,
                    "due_at": now + LINK_LIFE,
                    "answered_at": now,
                }
            ],
        )
        text = mind.speech.say("export_link", hours=int(LINK_LIFE.total_seconds() // 3600))
        return text, (
            Option(f"download-{code}.txt", "下载文字版"),
            Option(f"download-{code}.json", "下载数据版"),
        )

    async def take(self, sender: str, name: str, now: datetime) -> Download | None:
        """The download of a web session, once; None where there is none, or no longer."""
        code, _, kind = name.partition(".")
        cipher = self._database.cipher
        conversation = conversation_id(cipher, Channel.WEB, _WEB, sender)
        async with self._database.write() as connection:
            rows = await connection.execute(
                select(IDENTITY.c.resident_id).where(IDENTITY.c.id == conversation)
            )
            resident: str | None = rows.scalar()
            if resident is None:
                return None
            fetched = await connection.execute(
                update(REQUEST)
                .where(
                    REQUEST.c.code == code,
                    REQUEST.c.resident_id == resident,
                    REQUEST.c.kind == RequestKind.EXPORT,
                    REQUEST.c.state == RequestState.ANSWERED,
                    REQUEST.c.due_at > now,
                    REQUEST.c.answer.is_(None),
                )
                .values(answer=cipher.seal(ANSWER, "已下载"))
            )
            if not fetched.rowcount:
                return None
            who = f"resident:{resident}"
            event = Event(who, "file.own_export", who, f"request:{code}")
            await self._audit.record(connection, event)
            whole = await self._whole(connection, resident, now)
        stamp = f"{now.astimezone(LOCAL):%Y%m%d}"
        if kind == "json":
            data = orjson.dumps(whole, option=orjson.OPT_INDENT_2)
            return Download(f"my-file-{stamp}.json", "application/json", data)
        text = "\ufeff" + "\r\n".join(_in_lines(whole))  # the mark tells old editors it is UTF-8
        return Download(f"my-file-{stamp}.txt", "text/plain", text.encode())

    async def in_chat(
        self,
        connection: AsyncConnection,
        mind: Mind,
        file: OwnView,
        resident_id: str,
        now: datetime,
    ) -> str:
        """The file as one message, the careful tags only counted; empty where it is too long."""
        speech = mind.speech
        lines = [speech.say("own_file", n=len(file.general)) if file.general else ""]
        lines += [line_of(mind, shown, i, now) for i, shown in enumerate(file.general, 1)]
        if not file.all:
            lines.append(speech.say("file_empty"))
        if file.contacts:
            lines.append(speech.say("file_contact", what="，".join(file.contacts)))
        for agreement in await self._consents.newest(connection, resident_id):
            given = "同意" if agreement.given else "不同意"
            lines.append(f"{_CONSENTS[agreement.kind]}：{day_of(agreement.said_at, now)}{given}")
        lines += [
            speech.say(
                "file_request", what=REQUESTS[one.kind], day=day_of(one.due_at, now), code=one.code
            )
            for one in file.requests
        ]
        if file.careful:
            lines.append(speech.say("file_private", n=len(file.careful)))
        text = "\n".join(line for line in lines if line)
        return text if len(text.encode()) <= TEXT_BYTES else ""

    async def _whole(
        self, connection: AsyncConnection, resident: str, now: datetime
    ) -> dict[str, Any]:
        """Everything that is kept of a resident and is theirs to have."""
        mind = self._content.mind
        file = await self._files.read(connection, mind, resident, now)
        rows = await connection.execute(
            select(IDENTITY.c.id).where(IDENTITY.c.resident_id == resident)
        )
        places = [row.id for row in rows]
        agreements = await self._consents.newest(connection, resident)
        return {
            "处理者": mind.library.unit_name,
            "生成时间": _at(now),
            "标签": [_tag(shown, now) for shown in file.all],
            "从前的标签": await self._ended(connection, resident),
            "联系方式": [{"内容": each} for each in file.contacts],
            "同意": [
                {
                    "事项": _CONSENTS[each.kind],
                    "意思": "同意" if each.given else "不同意",
                    "时间": _at(each.said_at),
                }
                for each in agreements
            ],
            "在办请求": [
                {"编号": one.code, "事项": REQUESTS[one.kind], "答复期限": _at(one.due_at)}
                for one in file.requests
            ],
            "工单": await self._tickets(connection, places),
            "对话": await self._said(connection, places),
        }

    async def _ended(self, connection: AsyncConnection, resident: str) -> list[dict[str, str]]:
        by_slug = self._content.mind.library.taxonomy.by_slug
        rows = await connection.execute(
            select(ASSIGNMENT.c.tag, ASSIGNMENT.c.started_at, ASSIGNMENT.c.ended_at)
            .where(ASSIGNMENT.c.resident_id == resident, ASSIGNMENT.c.ended_at.is_not(None))
            .order_by(ASSIGNMENT.c.id)
        )
        return [
            {
                "名称": by_slug[row.tag].name if row.tag in by_slug else row.tag,
                "记于": _at(row.started_at),
                "停于": _at(row.ended_at),
            }
            for row in rows
        ]

    async def _tickets(
        self, connection: AsyncConnection, places: Collection[str]
    ) -> list[dict[str, str]]:
        rows = await connection.execute(
            select(TICKET.c.code, TICKET.c.need, TICKET.c.state, TICKET.c.created_at)
            .where(TICKET.c.conversation_id.in_(places))
            .order_by(TICKET.c.id)
        )
        return [
            {
                "编号": row.code,
                "事由": _NEEDS.get(row.need, "其他"),
                "状态": _STATES.get(row.state, "在办"),
                "时间": _at(row.created_at),
            }
            for row in rows
        ]

    async def _said(
        self, connection: AsyncConnection, places: Collection[str]
    ) -> list[dict[str, str]]:
        cipher = self._database.cipher
        asked = await connection.execute(
            select(INBOX.c.sent_at, INBOX.c.kind, INBOX.c.body)
            .where(INBOX.c.conversation_id.in_(places), INBOX.c.kind.in_(sorted(SPOKEN)))
            .order_by(INBOX.c.id)
        )
        lines = [
            (
                row.sent_at,
                "您",
                "（图片）"
                if row.kind == MessageKind.IMAGE
                else mask(str(cipher.open_json(BODY, row.body).get("text", ""))),
            )
            for row in asked
        ]
        told = await connection.execute(
            select(OUTBOX.c.created_at, OUTBOX.c.body)
            .where(OUTBOX.c.conversation_id.in_(places), OUTBOX.c.state == OutboxState.SENT)
            .order_by(OUTBOX.c.id)
        )
        lines += [
            (row.created_at, "警小微", str(cipher.open_json(OUT_BODY, row.body).get("text", "")))
            for row in told
        ]
        lines.sort(key=lambda line: line[0])
        return [{"时间": _at(at), "谁": who, "内容": text} for at, who, text in lines]


def _tag(shown: Shown, now: datetime) -> dict[str, str]:
    return {
        "名称": shown.tag.name,
        "意思": shown.tag.definition,
        "谁记的": shown.who,
        "记于": _at(shown.held.started_at),
        "为什么": shown.why,
        "用来": purposes_of(shown.tag),
        "到期": until_of(shown.held.expires_at, now),
        "较私密": "是" if shown.tag.careful else "否",
    }


def _in_lines(whole: dict[str, Any]) -> list[str]:
    """For reading: a heading a part, one line an entry."""
    lines = [f"{name}：{whole[name]}" for name in ("处理者", "生成时间")]
    for name, entries in whole.items():
        if not isinstance(entries, list):
            continue
        lines += ["", f"【{name}】" if entries else f"【{name}】没有"]
        if name == "对话":
            lines += [f"{line['时间']} {line['谁']}：{line['内容']}" for line in entries]
        else:
            lines += ["；".join(f"{k}：{v}" for k, v in entry.items()) for entry in entries]
    return lines


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(LOCAL):%Y-%m-%d %H:%M}"
