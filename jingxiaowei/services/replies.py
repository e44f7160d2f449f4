"""答复: what an officer tells a resident about a request or a ticket, through the outbox.

Whom no message reaches is listed, so that somebody rings up. The words are the officer's own, in a
frame that says what they answer.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.mask import holds_number
from jingxiaowei.services.alerts_speech import Speech, Words
from jingxiaowei.services.alerts_verdicts import OUTCOMES
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.files_rights import ALLOWED, Act, FileRights, Subject, require
from jingxiaowei.services.officers import Signed
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import REPLY, ReplyKind
from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.tables import OUTBOX, RESIDENT, OutboxState

# One message of 微信客服 holds 2048 bytes, the frame around the words included.
CHARACTERS = 500
_TEXT = SEALED[REPLY.c.text]
_ENDS = "。！？；…"
_SHOWN = 100
# Sent and not delivered, or never sent; and nobody has rung up yet.
_LOST = (
    select(REPLY, OUTBOX.c.state)
    .join(RESIDENT, RESIDENT.c.id == REPLY.c.resident_id)
    .outerjoin(OUTBOX, (OUTBOX.c.key == REPLY.c.outbox_key) & (REPLY.c.outbox_key != ""))
    .where(
        REPLY.c.called_at.is_(None),
        (REPLY.c.outbox_key == "") | OUTBOX.c.state.in_((OutboxState.REFUSED, OutboxState.EXPIRED)),
    )
)


class ReplyError(JingxiaoweiError):
    """The words cannot go out as they are; the message says why."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What would be said: the whole message, and why it would not arrive (or empty)."""

    text: str
    barred: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the words answer. ``number``: its row; ``line``: of the voice, around the words."""

    kind: ReplyKind
    number: int
    code: str
    line: str
    what: str = ""


@dataclass(frozen=True, slots=True)
class Unreached:
    """Words that reached nobody: the resident is to be rung up."""

    id: int
    kind: ReplyKind
    code: str
    resident_id: str
    text: str
    reason: str
    at: datetime


class Replies:
    """Drafts and sends words, and lists what did not arrive."""

    def __init__(
        self, database: Database, bell: Bell, content: ContentAndMind, rights: FileRights
    ) -> None:
        self._database = database
        self._bell = bell
        self._rights = rights
        self._speech = Speech(database, content)

    async def draft(
        self,
        connection: AsyncConnection,
        resident_id: str,
        told: Told,
        words: str,
        now: datetime,
        conversation: str | None = None,
    ) -> Draft:
        """The message as the resident would read it; nothing is sent.

        Args:
            conversation: into which it goes; none: the one that the resident used last.

        Raises:
            ReplyError: no words, too many, or a number in them that must not go out.
        """
        message, barred = await self._message(
            connection, resident_id, told, words, now, conversation
        )
        return Draft(message.text, barred)

    async def tell(
        self,
        connection: AsyncConnection,
        officer: Signed,
        resident_id: str,
        told: Told,
        words: str,
        now: datetime,
        conversation: str | None = None,
    ) -> Draft:
        """Send it in the caller's transaction and behind its gate, once for each thing answered.

        Ring with :meth:`ring` after the commit.

        Raises:
            ReplyError: as :meth:`draft`.
        """
        message, barred = await self._message(
            connection, resident_id, told, words, now, conversation
        )
        if not barred:
            await self._speech.send(connection, [message], now, urgent=False)
            await self._bell.announce(connection, Stage.OUTBOX)
        row = {
            "kind": told.kind,
            "about_id": told.number,
            "code": told.code,
            "resident_id": resident_id,
            "text": self._database.cipher.seal(_TEXT, message.text),
            "outbox_key": "" if barred else message.key,
            "reason": barred,
            "officer_id": officer.id,
            "at": now,
        }
        await connection.execute(insert(REPLY), [row])
        return Draft(message.text, barred)

    def ring(self) -> None:
        """The transaction of :meth:`tell` is committed."""
        self._bell.ring(Stage.OUTBOX)

    async def unreached(self, officer: Signed, now: datetime) -> list[Unreached]:
        """需电话联系: what reached nobody in the officer's area, the oldest first.

        Answers to requests are for police, as the answering is.
        """
        require(officer.role, Act.REQUESTS)
        query = _LOST.order_by(REPLY.c.id).limit(_SHOWN)
        if Act.ANSWER not in ALLOWED[officer.role]:
            query = query.where(REPLY.c.kind == ReplyKind.TICKET)
        async with self._database.read() as connection:
            scope = await self._rights.scope(connection, officer, now)
            if not scope.everywhere:
                query = query.where(
                    or_(
                        RESIDENT.c.area.in_(scope.areas),
                        RESIDENT.c.officer_id == officer.id,
                        REPLY.c.officer_id == officer.id,
                    )
                )
            return [self._unreached(row) for row in await connection.execute(query)]

    async def called(self, officer: Signed, reply_id: int, now: datetime) -> None:
        """打过了: the resident was told by telephone.

        Raises:
            ReplyError: there is no such reply, or somebody was faster.
            PermissionDeniedError: the role or the area does not allow it.
        """
        async with self._database.write() as connection:
            query = select(REPLY, RESIDENT.c.area, RESIDENT.c.officer_id.label("responsible"))
            query = query.join(RESIDENT, RESIDENT.c.id == REPLY.c.resident_id)
            row = (await connection.execute(query.where(REPLY.c.id == reply_id))).first()
            if row is None:
                raise ReplyError("没有这条答复。")
            if row.kind is ReplyKind.REQUEST:
                require(officer.role, Act.ANSWER)
            # Whoever wrote the words may ring up wherever the resident lives.
            mine = officer.id if row.officer_id == officer.id else row.responsible
            subject = Subject(row.resident_id, row.area, mine)
            reason = f"called {row.code}"
            await self._rights.allow(connection, officer, Act.REQUESTS, subject, now, reason)
            done = await connection.execute(
                update(REPLY)
                .where(REPLY.c.id == reply_id, REPLY.c.called_at.is_(None))
                .values(called_at=now, called_by=officer.id)
            )
            if not done.rowcount:
                raise ReplyError("这条已经打过了。")

    async def _message(
        self,
        connection: AsyncConnection,
        resident_id: str,
        told: Told,
        words: str,
        now: datetime,
        conversation: str | None,
    ) -> tuple[Words, str]:
        if conversation is None:
            conversation = await self._speech.last_used(connection, resident_id) or ""
        said = whole(words)
        key = token("reply", told.kind.value, told.number, told.code)
        message = self._speech.words(
            conversation, key, told.line, what=told.what, code=told.code, words=said
        )
        barred = await self._speech.unreachable(connection, [conversation], now, urgent=False)
        return message, barred.get(conversation, "")

    def _unreached(self, row: Any) -> Unreached:
        return Unreached(
            row.id,
            row.kind,
            row.code,
            row.resident_id,
            self._database.cipher.open(_TEXT, row.text),
            row.reason or OUTCOMES[row.state],
            row.at,
        )


def whole(words: str) -> str:
    """An officer's words as a sentence.

    Raises:
        ReplyError: none, too many, or a number in them that must not go out.
    """
    said = " ".join(words.split())
    if not said:
        raise ReplyError("写上答复。")
    if len(said) > CHARACTERS:
        raise ReplyError(f"答复最多写 {CHARACTERS} 个字，现在 {len(said)} 个。")
    if holds_number(said):
        raise ReplyError("答复里像有证件号或卡号，删掉再发。")
    return said if said[-1] in _ENDS else f"{said}。"
