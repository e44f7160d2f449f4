"""What the chat page needs from the house, and how much it takes in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from jingxiaowei.pipeline.messages import Incoming
from jingxiaowei.services.own_export import Download
from jingxiaowei.services.transcript import Line, Reply

Say = Callable[[str], str]  # speaks a line of the voice


class Chat(Protocol):
    """The services behind the page. All but ``wait`` may raise StoreError."""

    async def receive(self, batch: Sequence[Incoming]) -> None:
        """Take messages in; durable when it returns. A repeated message id is dropped."""

    async def history(self, sender: str, limit: int = 60) -> list[Line]:
        """The newest lines of both sides, oldest first."""

    async def lines_after(self, sender: str, after: int) -> list[Line] | None:
        """The bot's and officers' lines with a greater number, oldest first; None where the line
        ``after`` was erased."""

    async def wait(self, sender: str, seconds: float) -> None:
        """Return when a line may be there, or after some seconds."""

    async def keep_image(self, sender: str, data: bytes, content_type: str) -> str:
        """Keep a picture; its media id."""

    async def reply_to(self, message_id: str, sender: str, seconds: float) -> Reply | None:
        """The reply to a message, waited for at most some seconds."""


class Exports(Protocol):
    """Where a resident's copy of their own data comes from. May raise StoreError."""

    async def take(self, sender: str, name: str, now: datetime) -> Download | None:
        """The download of that name, once; None where it is not theirs, used, or too old."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken a minute. Scripts, which only a demo has, may be faster than fingers.

    Attributes:
        streams: event streams that a session may hold open; ``all_streams``: that all may.
        heartbeat_seconds: how long a stream is quiet at most.
    """

    messages: int = 20
    pictures: int = 6
    address: int = 60
    script_messages: int = 120
    script_address: int = 1200
    streams: int = 4
    all_streams: int = 2000
    heartbeat_seconds: float = 15.0
