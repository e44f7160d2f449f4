"""The transcript: a conversation as its resident sees it, line by line."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from jingxiaowei.pipeline.messages import Option


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was said.

    Attributes:
        number: grows with each line of the bot's or an officer's.
        name: how the speaker is headed: 机器人, 辅警王芳.
        picture: a picture was sent; ``text`` may then be empty.
    """

    number: int
    who: Literal["resident", "bot", "officer"]
    name: str
    text: str
    options: tuple[Option, ...]
    at: datetime
    picture: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a message was answered with, for a script that waits for it."""

    kind: str
    text: str
    faq: str
    fact: str
    options: tuple[Option, ...]
