"""What passes between 客户联系 and the files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from jingxiaowei.errors import JingxiaoweiError


class ContactChange(StrEnum):
    ADDED = "added"
    HALF = "half"  # the resident added the member, who has not agreed yet
    EDITED = "edited"  # remark, tags …
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ContactEvent:
    """Something has changed between a member and a resident.

    ``welcome``: the code with which one message can be sent within 20 seconds, or empty.
    """

    change: ContactChange
    userid: str
    external_userid: str
    at: datetime
    welcome: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CorpTag:
    """企业标签, as WeCom has it."""

    tag_id: str
    name: str
    group_id: str
    group_name: str


@dataclass(frozen=True, slots=True)
class Follower:
    """A member whose contact a resident is, and the corp tags this member gave."""

    userid: str
    tags: frozenset[str]


class Fault(StrEnum):
    """Why WeCom did not do what it was asked."""

    NO_RELATION = "no_relation"  # the two are no contacts (any more)
    NO_MEMBER = "no_member"
    NO_TAG = "no_tag"  # somebody deleted the corp tag
    TAKEN = "taken"  # a tag of that name is there
    NOT_OURS = "not_ours"  # another app made the tag
    PASSING = "passing"  # too often, busy, unreachable: try again
    OTHER = "other"


class MirrorFault(JingxiaoweiError):  # noqa: N818 - the word that WeCom's codes are sorted by
    """A call of 客户联系 failed; the text names neither a person nor a tag."""

    def __init__(self, kind: Fault, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.kind = kind
        self.retry_after = retry_after


class FarTags(Protocol):
    """客户联系. Every call may raise :class:`MirrorFault`."""

    async def tags(self) -> list[CorpTag]: ...

    async def add_tags(
        self, group_id: str, group_name: str, names: Sequence[str]
    ) -> list[CorpTag]: ...

    async def rename_tag(self, tag_id: str, name: str) -> None: ...

    async def delete_tags(self, tag_ids: Sequence[str]) -> None: ...

    async def mark(
        self, userid: str, external_userid: str, add: Sequence[str], remove: Sequence[str]
    ) -> None: ...

    async def followers(self, external_userid: str) -> list[Follower]: ...

    async def of_member(self, userid: str) -> list[str]: ...
