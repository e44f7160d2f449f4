"""删除: a resident's data goes, truly. What the law keeps is sealed, named on the receipt, and
goes when its own time is over.

Removed: identities, conversations, messages and replies, pictures, tickets, tags with their
history, suggestions, consents, contact, requests, merges, missed questions that nobody else asked,
and of closed alerts all that is theirs: wording, evidence, contact, timeline.

Kept, and why:

- Alerts that are still open, or in which money was lost (反电信网络诈骗法 34 条, 个人信息保护法
  47 条 2 款): only stored, until half a year after they are closed.
- Of other closed alerts the suspects' accounts and numbers, and the bare figures, without a link
  to the resident; as long.
- The audit trail (网络安全法: logs of at least six months). It holds ids, and after this the ids
  lead nowhere.
- The receipt: a code, figures, nothing of whom; three years.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.messages import OutgoingKind
from jingxiaowei.services import contact_relations
from jingxiaowei.services import erasure_parts as parts
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.codes import new_code
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.file_parts import (
    PARTS,
    count_file,
    kept_of,
    remove_parts,
    remove_residents,
    with_merged,
)
from jingxiaowei.services.files_rights import Act, FileRights, Subject
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.purposes import OUT_BODY
from jingxiaowei.services.tagging_rows import lock
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ERASURE_RECEIPT,
    MERGE,
    REQUEST,
    RequestKind,
    RequestState,
)
from jingxiaowei.store.scrubbing import scrub
from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.tables import (
    CONVERSATION,
    IDENTITY,
    INBOX,
    MEDIA,
    OFFICER,
    OUTBOX,
    RESIDENT,
    OutboxState,
)

# What may leave no trace in the raw files: all that is encrypted, officers' names aside, and the
# rows around it.
TOUCHED = tuple(
    dict.fromkeys(
        (
            *(column.table for column in SEALED if column.table is not OFFICER),
            *PARTS.values(),
            *parts.ALERT_TABLES,
            MERGE,
            RESIDENT,
            ERASURE_RECEIPT,
        )
    )
)
_ROUND = 10.0  # seconds between two looks for erasures that residents have confirmed
_TELL_FOR = timedelta(hours=48)
KEPT_WORDS = "未办结和有损失的诈骗预警、可疑账号、操作留痕"
log = logging.getLogger(__name__)


class ErasureError(JingxiaoweiError):
    """There is nothing to erase."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What went, and what the law keeps; ``code`` is the receipt's, empty for a preview."""

    code: str
    gone: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)


class Erasure:
    """Erases residents, and sees that the raw files hold nothing of them."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        content: ContentAndMind,
        audit: Audit,
        rights: FileRights,
        media: MediaKeeper,
    ) -> None:
        self._database = database
        self._bell = bell
        self._content = content
        self._audit = audit
        self._rights = rights
        self._media = media

    async def preview(self, resident_id: str) -> Erased:
        """What erasing would remove and keep.

        Raises:
            ErasureError: there is no such resident.
        """
        async with self._database.read() as connection:
            resident_id = await kept_of(connection, resident_id)
            residents, conversations = await self._all_of(connection, resident_id)
            gone = await count_file(connection, residents)
            gone |= await parts.count_messages(connection, conversations)
            gone |= {"identities": len(conversations)}
        return Erased("", gone, {"alerts": gone.pop("alerts_kept")})

    async def erase_for(
        self, officer: Signed, resident_id: str, reason: str, now: datetime
    ) -> Erased:
        """Erase at an officer's hand, for a request that came on paper or by phone.

        Raises:
            ErasureError: there is no such resident.
            PermissionDeniedError: not police, or not their area.
        """
        async with self._database.write() as connection:
            resident_id = await kept_of(connection, resident_id)
            row = (
                await connection.execute(select(RESIDENT).where(RESIDENT.c.id == resident_id))
            ).first()
            if row is None:
                raise ErasureError("没有这位居民。")
            subject = Subject(row.id, row.area, row.officer_id)
            await self._rights.allow(connection, officer, Act.ERASE, subject, now, reason[:40])
        return await self.erase(resident_id, f"officer:{officer.id}", now)

    async def erase(
        self, resident_id: str, actor: str, now: datetime, farewell: bool = False
    ) -> Erased:
        """Remove a resident's data in one transaction, and write the receipt.

        Who was merged into another is one person with them: all of it goes.

        Args:
            farewell: tell the resident, with the receipt's code; the conversation goes once that
                has been sent.

        Raises:
            ErasureError: there is no such resident.
        """
        code = new_code(8)
        async with self._database.read() as connection:
            resident_id = await kept_of(connection, resident_id)
            _, conversations = await self._all_of(connection, resident_id)
            pictures = await connection.execute(
                select(MEDIA.c.id).where(MEDIA.c.conversation_id.in_(conversations))
            )
            files = [row.id for row in pictures]
        await self._media.purge_all(files)  # before: a crash leaves rows only, and again is fine
        async with self._database.write() as connection:
            residents, conversations = await self._all_of(connection, resident_id)
            # First: a turn holds its conversations before it touches a file.
            await connection.execute(
                select(CONVERSATION.c.id)
                .where(CONVERSATION.c.id.in_(conversations))
                .order_by(CONVERSATION.c.id)
                .with_for_update()
            )
            await lock(connection, residents)
            await self._database.lock_alerts(connection)
            if farewell:
                await self._require_confirmed(connection, resident_id)
            gone: Counter[str] = Counter(await remove_parts(connection, residents))
            gone["contacts"] = await contact_relations.release(connection, residents, now)
            cipher = self._database.cipher
            gone.update(await parts.remove_messages(connection, cipher, conversations))
            gone.update(await parts.remove_alerts_of(connection, conversations))
            kept = {"alerts": gone.pop("alerts_kept")}
            told = False
            if farewell:
                told = await self._say_farewell(connection, conversations, code, now)
            if not told:
                await self._remove_identities(connection, residents, conversations)
            gone["identities"] = len(conversations)
            counts = {kind: n for kind, n in gone.items() if n}
            await connection.execute(
                insert(ERASURE_RECEIPT),
                [
                    {
                        "code": code,
                        "kind": "erase",
                        "at": now,
                        "counts": {"gone": counts, "kept": kept},
                        "resident_id": resident_id if told else None,
                    }
                ],
            )
            await self._audit.record(
                connection, Event(actor, "file.erase", f"resident:{resident_id}", f"receipt:{code}")
            )
            await self._bell.announce(connection, Stage.OUTBOX)
        self._bell.ring(Stage.OUTBOX)
        await self._media.purge_all(files)  # a change of the data key may have put one back
        return Erased(code, counts, kept)

    async def _all_of(
        self, connection: AsyncConnection, resident_id: str
    ) -> tuple[set[str], list[str]]:
        """The resident with all that were merged into them, and their conversations."""
        residents = await with_merged(connection, {resident_id})
        known = await connection.execute(select(RESIDENT.c.id).where(RESIDENT.c.id == resident_id))
        if known.first() is None:
            raise ErasureError("没有这位居民。")
        rows = await connection.execute(
            select(IDENTITY.c.id).where(IDENTITY.c.resident_id.in_(residents))
        )
        return residents, [row.id for row in rows]

    async def _require_confirmed(self, connection: AsyncConnection, resident_id: str) -> None:
        rows = await connection.execute(
            select(REQUEST.c.id).where(
                REQUEST.c.resident_id == resident_id,
                REQUEST.c.kind == RequestKind.ERASE,
                REQUEST.c.state == RequestState.CONFIRMED,
            )
        )
        if rows.first() is None:
            raise ErasureError("没有已确认的删除请求。")

    async def _remove_identities(
        self,
        connection: AsyncConnection,
        residents: Collection[str],
        conversations: Collection[str],
    ) -> None:
        await connection.execute(delete(CONVERSATION).where(CONVERSATION.c.id.in_(conversations)))
        await connection.execute(delete(IDENTITY).where(IDENTITY.c.id.in_(conversations)))
        await remove_residents(connection, residents)

    async def _say_farewell(
        self,
        connection: AsyncConnection,
        conversations: Collection[str],
        code: str,
        now: datetime,
    ) -> bool:
        """已删除，回执 …: into the conversation that was used last. Whether there is one."""
        rows = await connection.execute(
            select(CONVERSATION.c.id)
            .where(CONVERSATION.c.id.in_(conversations), CONVERSATION.c.heard_at.is_not(None))
            .order_by(CONVERSATION.c.heard_at.desc())
            .limit(1)
        )
        conversation = rows.scalar()
        if conversation is None:
            return False
        await connection.execute(
            update(CONVERSATION)
            .where(CONVERSATION.c.id.in_(conversations))
            .values(topic=None, topic_at=None, traces=None)
        )
        text = self._content.mind.speech.say("erased", code=code, kept=KEPT_WORDS)
        body = {"text": text, "options": ()}
        await parts.leave_farewell(
            connection,
            conversation,
            {
                "key": token("erased", code),
                "kind": OutgoingKind.MESSAGE.value,
                "body": self._database.cipher.seal_json(OUT_BODY, body),
                "urgent": True,
                "state": OutboxState.PENDING,
                "reason": "",
                "attempts": 0,
                "created_at": now,
                "not_before": now,
                "expires_at": now + _TELL_FOR,
            },
        )
        return True

    async def run(self) -> None:
        """Erase what residents have confirmed, for as long as the task lives."""
        while True:
            try:
                await self.erase_confirmed(datetime.now(UTC))
            except (SQLAlchemyError, OSError):
                log.exception("a round of erasing failed, again soon")
            await asyncio.sleep(_ROUND)

    async def erase_confirmed(self, now: datetime) -> int:
        """Erase those who have confirmed that they want it, and take leave of the told; how many
        were erased."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(REQUEST.c.resident_id).where(
                    REQUEST.c.kind == RequestKind.ERASE, REQUEST.c.state == RequestState.CONFIRMED
                )
            )
            residents = list(dict.fromkeys(row.resident_id for row in rows))
        done = 0
        for resident in residents:
            try:
                await self.erase(resident, f"resident:{resident}", now, farewell=True)
            except ErasureError:
                continue  # another process was faster
            done += 1
        await self._finish()
        return done

    async def _finish(self) -> None:
        """The farewell went out: what is left of them goes, unless they have come back since."""
        waiting = select(OUTBOX.c.id).where(
            OUTBOX.c.conversation_id == IDENTITY.c.id, OUTBOX.c.state == OutboxState.PENDING
        )
        async with self._database.write() as connection:
            rows = await connection.execute(
                select(ERASURE_RECEIPT.c.code, ERASURE_RECEIPT.c.resident_id).where(
                    ERASURE_RECEIPT.c.resident_id.is_not(None)
                )
            )
            for receipt in rows.all():
                residents, conversations = await self._all_of(connection, receipt.resident_id)
                unsent = await connection.execute(
                    select(IDENTITY.c.id).where(IDENTITY.c.id.in_(conversations), waiting.exists())
                )
                if unsent.first() is not None:
                    continue
                back = await connection.execute(
                    select(INBOX.c.id).where(INBOX.c.conversation_id.in_(conversations)).limit(1)
                )
                sent = OUTBOX.c.key == token("erased", receipt.code)
                await connection.execute(delete(OUTBOX).where(sent))
                if back.first() is None:
                    await self._remove_identities(connection, residents, conversations)
                await connection.execute(
                    update(ERASURE_RECEIPT)
                    .where(ERASURE_RECEIPT.c.code == receipt.code)
                    .values(resident_id=None, scrubbed_at=None)
                )

    async def scrub_due(self, now: datetime) -> bool:
        """Clean the raw files after erasures; whether nothing is left to clean."""
        due = ERASURE_RECEIPT.c.scrubbed_at.is_(None)
        async with self._database.read() as connection:
            rows = await connection.execute(select(ERASURE_RECEIPT.c.code).where(due))
            codes = [row.code for row in rows]
        if not codes:
            return True
        if not await scrub(self._database, TOUCHED):
            return False
        async with self._database.write() as connection:
            await connection.execute(
                update(ERASURE_RECEIPT)
                .where(ERASURE_RECEIPT.c.code.in_(codes), ERASURE_RECEIPT.c.resident_id.is_(None))
                .values(scrubbed_at=now)
            )
        return True
