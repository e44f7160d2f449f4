"""The picture behind an alert: where the screening's quotes stand in it, and the picture itself.

What is shown was encoded anew, with identity cards and bank cards blurred; an account in a bubble
is evidence and stands there in full. So the picture takes the same reason as the original text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.messages import MessageKind
from jingxiaowei.pipeline.reading import Box, restore
from jingxiaowei.pipeline.screen.values import Screening
from jingxiaowei.pipeline.transcript import transcribe
from jingxiaowei.services.alerts_rights import Act
from jingxiaowei.services.alerts_steps import Steps
from jingxiaowei.services.alerts_values import AlertMissingError
from jingxiaowei.services.inbox import BODY
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.media_reading import READING
from jingxiaowei.services.officers import Signed
from jingxiaowei.store.alert_tables import EVIDENCE
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.tables import INBOX, MEDIA


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a message was read from, in its own pixels."""

    media_id: str
    width: int
    height: int
    boxes: tuple[Box, ...]  # where the quotes that counted stand


class AlertPictures:
    """Shows the pictures that an alert rests on."""

    def __init__(self, steps: Steps, media: MediaKeeper) -> None:
        self._steps = steps
        self._media = media

    async def show(
        self, officer: Signed, alert_id: int, media_id: str, now: datetime, reason: str
    ) -> bytes:
        """A picture as it may be seen (JPEG); the look is recorded with its reason.

        Raises:
            AlertMissingError: the alert does not rest on this picture, or it is gone.
        """
        async with self._steps.database.write() as connection:
            await self._steps.enter(connection, officer, Act.ORIGINAL, alert_id, now, reason)
            evidence = await connection.execute(
                select(EVIDENCE.c.inbox_id).where(EVIDENCE.c.alert_id == alert_id)
            )
            ids = [row.inbox_id for row in evidence]
            held = await _media_of(connection, self._steps.database.cipher, ids)
        shown = self._media.show(media_id) if media_id in held.values() else None
        if shown is None:
            raise AlertMissingError("没有这张图，或已过保存期。")
        return shown


async def pictures_of(
    connection: AsyncConnection, cipher: Cipher, said: Sequence[tuple[int, str, Screening]]
) -> dict[int, Picture]:
    """The pictures behind messages, by inbox id; each message with its text and screening."""
    held = await _media_of(connection, cipher, [inbox_id for inbox_id, _, _ in said])
    if not held:
        return {}
    rows = await connection.execute(
        select(MEDIA.c.id, MEDIA.c.reading).where(MEDIA.c.id.in_(held.values()))
    )
    readings = {row.id: row.reading for row in rows if row.reading}
    pictures = {}
    for inbox_id, text, screening in said:
        media_id = held.get(inbox_id, "")
        if media_id in readings:
            read = restore(cipher.open_json(READING, readings[media_id]))
            script = transcribe(read)
            # A burst's texts were screened as one: the picture's part begins somewhere in it.
            shift = max(0, text.find(script.text))
            boxes = [
                box
                for signal in screening.signals
                for box in script.boxes(signal.start - shift, signal.end - shift)
            ]
            pictures[inbox_id] = Picture(media_id, read.width, read.height, tuple(boxes))
    return pictures


async def _media_of(
    connection: AsyncConnection, cipher: Cipher, inbox_ids: Sequence[int]
) -> dict[int, str]:
    """The picture that each message was read from, where it was."""
    rows: Sequence[Any] = (
        await connection.execute(
            select(INBOX.c.id, INBOX.c.body).where(
                INBOX.c.id.in_(inbox_ids), INBOX.c.kind == MessageKind.READING.value
            )
        )
    ).all()
    return {row.id: cipher.open_json(BODY, row.body)["data"]["media"] for row in rows}
