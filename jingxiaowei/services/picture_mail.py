"""What was read from a picture comes in as a message of its own, once, behind the picture."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.messages import MessageKind
from jingxiaowei.pipeline.transcript import as_dialogue
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.inbox import BODY
from jingxiaowei.services.media_reading import Seen
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import INBOX, InboxState

LOST = "lost"  # the channel never gave the picture


class PictureMail:
    """Writes to the inbox with the connection it is given, and with no other."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell

    async def seen(self, connection: AsyncConnection, seen: Seen) -> None:
        """A kept picture was read, or could not be."""
        text = as_dialogue(seen.reading) if seen.reading is not None else ""
        await self._put(connection, seen.media_id, seen.conversation_id, text, seen.unread)

    async def lost(self, connection: AsyncConnection, media_id: str, conversation_id: str) -> None:
        """A picture never arrived: a person must know of it all the same."""
        await self._put(connection, media_id, conversation_id, "", LOST)

    async def _put(
        self, connection: AsyncConnection, media_id: str, conversation: str, text: str, unread: str
    ) -> None:
        now = datetime.now(UTC)
        # Where nothing stands on the picture there is nothing to screen: a person looks.
        data = {"media": media_id} | ({} if text.strip() else {"unread": unread or "empty"})
        body: dict[str, Any] = {"text": text, "data": data}
        row = {
            "key": token("reading", media_id),
            "conversation_id": conversation,
            "kind": MessageKind.READING.value,
            "body": self._database.cipher.seal_json(BODY, body),
            "sent_at": now,
            "received_at": now,
            "ready_at": now,
            "state": InboxState.NEW,
            "decided": "",
            "recalled": False,
        }
        put = self._database.insert(INBOX).on_conflict_do_nothing(index_elements=["key"])
        await connection.execute(put, [row])
        await self._bell.announce(connection, Stage.INBOX)
        self._bell.ring(Stage.INBOX)
