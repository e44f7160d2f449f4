"""Who may do what with residents' files: the one gate. Each passing leaves its trace.

辅警 answer, note general tags and propose careful ones; what the law keeps for 民警 stays theirs:
careful tags, lists by them, exports, erasing, merging. Admins keep the taxonomy and hand files
over without reading any; auditors read the trail.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.scopes import Scope, elsewhere, scope_of
from jingxiaowei.store.tables import Role


class Act(StrEnum):
    """What is done; the audit event is called ``file.<act>``."""

    VIEW = "view"  # the dossier, careful tags counted only
    VIEW_CAREFUL = "view_careful"
    ORIGINAL = "original"  # 看原文: a message unmasked
    NOTES = "notes"  # what a note said before it was changed
    READS = "reads"  # who read a dossier and why
    SEARCH = "search"  # by general tag, area or phone
    SEARCH_CAREFUL = "search_careful"
    TAG = "tag"  # a general tag: note, confirm, decline, keep, end
    TAG_CAREFUL = "tag_careful"
    PROPOSE = "propose"  # 提请: a careful tag, for police to confirm
    CONTACT = "contact"  # note a name, a phone
    MINOR = "minor"  # note that somebody is under age
    PLACE = "place"  # into an area, to a responsible officer
    MERGE = "merge"
    HANDOVER = "handover"
    REQUESTS = "requests"  # what residents ask for: list and note
    ANSWER = "answer"  # a request
    EXPORT = "export"
    ERASE = "erase"
    COUNT = "count"  # an audience's size, and one person's in or out
    LIST_AUDIENCE = "list_audience"
    SAVE_AUDIENCE = "save_audience"
    SURGERY = "surgery"  # the taxonomy: preview, apply, undo


_DAILY = frozenset(
    {
        Act.VIEW,
        Act.ORIGINAL,
        Act.SEARCH,
        Act.TAG,
        Act.PROPOSE,
        Act.CONTACT,
        Act.MINOR,
        Act.REQUESTS,
        Act.COUNT,
    }
)
ALLOWED: dict[Role, frozenset[Act]] = {
    Role.POLICE: frozenset(Act) - {Act.SURGERY},
    Role.AUXILIARY: _DAILY,
    Role.ADMIN: frozenset({Act.HANDOVER, Act.SURGERY}),
    Role.AUDITOR: frozenset({Act.READS}),
}
_WITHOUT_RESIDENT = "residents"


@dataclass(frozen=True, slots=True)
class Subject:
    """What the gate needs to know of a resident."""

    resident_id: str
    area: str | None
    officer_id: int | None = None  # the responsible one sees the file wherever it lies


class FileRights:
    """Decides, and records what it let through."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def scope(self, connection: AsyncConnection, officer: Signed, now: datetime) -> Scope:
        return await scope_of(connection, officer, now)

    async def allow(
        self,
        connection: AsyncConnection,
        officer: Signed,
        act: Act,
        subject: Subject | None,
        now: datetime,
        reason: str = "",
    ) -> None:
        """Let an act through and record it, in the caller's transaction.

        Raises:
            PermissionDeniedError: in words that the officer reads.
        """
        require(officer.role, act)
        if subject is not None:
            await self.inside(connection, officer, subject, now)
        await self.record(
            connection, officer, act, [subject.resident_id if subject else ""], reason
        )

    async def inside(
        self, connection: AsyncConnection, officer: Signed, subject: Subject, now: datetime
    ) -> None:
        """Refuse a resident of somebody else's area.

        Raises:
            PermissionDeniedError: saying whom to ask.
        """
        scope = await self.scope(connection, officer, now)
        if not covers(scope, officer, subject):
            raise PermissionDeniedError(await elsewhere(connection, "这位居民", subject.area))

    async def record(
        self,
        connection: AsyncConnection,
        officer: Signed,
        act: Act,
        residents: Iterable[str],
        reason: str = "",
    ) -> None:
        """Write the trace of something done to residents, without a name or a word of theirs."""
        await self._audit.record_many(
            connection,
            [
                Event(
                    f"officer:{officer.id}",
                    f"file.{act.value}",
                    f"resident:{resident}" if resident else _WITHOUT_RESIDENT,
                    reason,
                )
                for resident in residents
            ],
        )


def covers(scope: Scope, officer: Signed, subject: Subject) -> bool:
    """Whether the resident is the officer's to see."""
    mine = subject.officer_id is not None and subject.officer_id == officer.id
    return mine or scope.covers(subject.area)


def require(role: Role, act: Act) -> None:
    """Refuse what the role may never do.

    Raises:
        PermissionDeniedError: in words that the officer reads.
    """
    if act in ALLOWED[role]:
        return
    if role is Role.AUXILIARY:
        raise PermissionDeniedError(_FOR_POLICE.get(act, "这一步由民警办。"))
    if role is Role.ADMIN:
        raise PermissionDeniedError("管理员不看居民档案，只管标签和交接。")
    if role is Role.AUDITOR:
        raise PermissionDeniedError("审计员只看操作留痕，不看居民档案。")
    raise PermissionDeniedError("标签体系由管理员调整。")


_FOR_POLICE = {
    Act.VIEW_CAREFUL: "受保护的标签由民警看。",
    Act.SEARCH_CAREFUL: "不能按受保护的标签查名单，请找民警。",
    Act.TAG_CAREFUL: "受保护的标签要民警确认，可以提请。",
    Act.EXPORT: "导出由民警审批。",
    Act.LIST_AUDIENCE: "名单由民警看，您可以看人数。",
    Act.SURGERY: "标签体系由管理员调整。",
}
