"""Who may do what to an alert: the one gate to alerts. Each passing leaves its trace.

辅警 claim, call, advise and visit, and see the alerts of their area while these are worked on.
Lists of victims, searches, 已被骗 and corrections to many are for 民警. Admins see no
alert, auditors read the trail.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.scopes import Scope, elsewhere, scope_of
from jingxiaowei.store.alert_tables import AlertState
from jingxiaowei.store.tables import Role


class Act(StrEnum):
    """What is done; the audit event is called ``alert.<act>``."""

    LIST = "list"  # the open alerts, masked
    VIEW = "view"
    ORIGINAL = "original"  # 看原文: unmasked
    CLAIM = "claim"
    RELEASE = "release"
    CALL = "call"  # shows the number
    ADVISE = "advise"
    VISIT = "visit"
    TRANSFER = "transfer"
    HANDOVER = "handover"  # 110 交接单
    CLOSE = "close"
    CONFIRM_LOST = "confirm_lost"
    UNDO = "undo"  # one's own closing, within ten minutes
    REOPEN = "reopen"
    HISTORY = "history"  # closed alerts, search
    DETACH = "detach"
    CORRECT = "correct"  # a verdict to all who reported it


_WORK = frozenset(
    {
        Act.LIST,
        Act.VIEW,
        Act.ORIGINAL,
        Act.CLAIM,
        Act.RELEASE,
        Act.CALL,
        Act.ADVISE,
        Act.VISIT,
        Act.TRANSFER,
        Act.HANDOVER,
        Act.CLOSE,
        Act.UNDO,
    }
)
ALLOWED: dict[Role, frozenset[Act]] = {
    Role.POLICE: frozenset(Act),
    Role.AUXILIARY: _WORK,
    Role.ADMIN: frozenset(),
    Role.AUDITOR: frozenset(),
}
# Steps that auxiliaries may propose and police then take.
_PROPOSABLE = frozenset({Act.CONFIRM_LOST, Act.CORRECT, Act.REOPEN, Act.DETACH})


@dataclass(frozen=True, slots=True)
class Subject:
    """What the gate needs to know of an alert."""

    id: int
    area: str
    state: AlertState
    claimed_by: int | None


class Rights:
    """Decides, and records what it let through."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def scope(self, connection: AsyncConnection, officer: Signed, now: datetime) -> Scope:
        """The officer's own area, and those they are on duty for now."""
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
            scope = await self.scope(connection, officer, now)
            if not scope.covers(subject.area) and subject.claimed_by != officer.id:
                raise PermissionDeniedError(await elsewhere(connection, "这条", subject.area))
            done = subject.state is AlertState.CLOSED and act is not Act.UNDO
            if officer.role is Role.AUXILIARY and done:
                raise PermissionDeniedError("这条已经办结，要看找民警。")
        about = f"alert:{subject.id}" if subject else "alerts"
        event = Event(f"officer:{officer.id}", f"alert.{act.value}", about, reason)
        await self._audit.record(connection, event)


def require(role: Role, act: Act) -> None:
    """Refuse what the role may never do.

    Raises:
        PermissionDeniedError: in words that the officer reads.
    """
    if act in ALLOWED[role]:
        return
    if role is Role.AUXILIARY and act in _PROPOSABLE:
        raise PermissionDeniedError("这一步要民警确认。")
    if role is Role.AUXILIARY:
        raise PermissionDeniedError("已办结的名单和查询由民警办。")
    raise PermissionDeniedError("这个账号不看预警。")
