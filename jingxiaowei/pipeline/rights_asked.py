"""What a resident asks for of their rights: frozen values between the reading and the deed."""

from dataclasses import dataclass
from enum import StrEnum


class Deed(StrEnum):
    """What is to be done with the resident's own file, in the turn's commit."""

    VIEW = "view"  # 查阅: the list, the careful ones counted only
    PRIVATE = "private"  # the careful ones, after a confirming tap
    ITEM = "item"  # one tag in full
    READERS = "readers"  # who opened the file, and why
    EXPORT = "export"  # 复制、转移
    CHOOSE = "choose"  # 本人自选, on or off
    DELETE = "delete"  # one tag
    CORRECT = "correct"  # 更正: a request with a deadline
    OBJECT = "object"  # 不同意: the tag ends and is not raised again
    MORE = "more"  # more words for a request
    AGREE = "agree"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    ERASE = "erase"  # confirmed
    MINOR = "minor"  # under age, by word


@dataclass(frozen=True, slots=True)
class RightAsked:
    """One right that is exercised.

    Attributes:
        tag: a slug; ``assignment``: the row of a tag; ``number``: its place in the list as shown.
        on: of a choice.
        consent: ``tags`` or ``careful``; with ``tag``, what the officer asked about.
        code: of a request.
        minor: ``under14`` or ``teen``; ``guardian``: who said so is not the child.
    """

    deed: Deed
    tag: str = ""
    assignment: int = 0
    number: int = 0
    on: bool = True
    consent: str = ""
    code: str = ""
    minor: str = ""
    guardian: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What the bot has just shown or asked, so that a short answer to it is understood.

    ``about``: ``file``, ``item``, ``erase``, ``consent``, ``choose``, ``more``; ``what``: an
    assignment's id, a slug, a request's code; of a file ``private``, where the careful ones were
    shown.
    """

    about: str = ""
    what: str = ""

    @property
    def private(self) -> str:
        """Which consent's tags the list showed beside the general ones."""
        return "careful" if self.what == "private" else ""

    @staticmethod
    def read(stored: str) -> "Asked":
        about, _, what = stored.partition(":")
        return Asked(about, what)

    def __str__(self) -> str:
        return f"{self.about}:{self.what}"
