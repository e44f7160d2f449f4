"""留痕 for the auditor: who did what to what, and whether the chain holds."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.tagging_rules import Names, names_of
from jingxiaowei.services.trail_words import TOPICS, act_word, why_word
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import AUDIT, Role

SHOWN = 100


@dataclass(frozen=True, slots=True)
class Trace:
    """An event as it is read: the object is named by its kind and number."""

    id: int
    at: datetime
    who: str
    what: str
    about: str
    why: str


class Trail:
    """Reads and verifies the audit trail; each reading is in it too."""

    def __init__(self, database: Database, audit: Audit, officers: Officers) -> None:
        self._database = database
        self._audit = audit
        self._officers = officers

    async def read(
        self, officer: Signed, topic: str = "", who: int | None = None, before: int | None = None
    ) -> list[Trace]:
        """The newest events, or those before one; of a topic, or of one officer."""
        _require(officer)
        query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(SHOWN)
        if topic in TOPICS:
            query = query.where((AUDIT.c.action == topic) | AUDIT.c.action.startswith(f"{topic}."))
        if who is not None:
            query = query.where(AUDIT.c.actor == f"officer:{who}")
        if before is not None:
            query = query.where(AUDIT.c.id < before)
        async with self._database.write() as connection:
            rows = (await connection.execute(query)).all()
            names = names_of(await self._officers.names(connection))
            event = Event(f"officer:{officer.id}", "audit.view", "audit", topic)
            await self._audit.record(connection, event)
        return [
            Trace(
                row.id,
                row.at,
                actor_word(row.actor, names),
                act_word(row.action),
                _about(row.object),
                why_word(row.reason),
            )
            for row in rows
        ]

    async def people(self) -> dict[int, str]:
        """Everybody with an account, by id."""
        async with self._database.read() as connection:
            known = await self._officers.names(connection)
        names = names_of(known)
        return {id_: names(id_) for id_ in sorted(known)}

    async def verify(self, officer: Signed) -> int | None:
        """核验: the id of the first event that does not follow from the one before, or None."""
        _require(officer)
        broken = await self._audit.verify()
        async with self._database.write() as connection:
            result = "ok" if broken is None else f"broken at {broken}"
            event = Event(f"officer:{officer.id}", "audit.verify", "audit", result)
            await self._audit.record(connection, event)
        return broken


_THINGS = {
    "resident": "居民",
    "residents": "居民名单",
    "alert": "预警",
    "alerts": "预警",
    "ticket": "工单",
    "tickets": "工单",
    "question": "问题",
    "questions": "未答问题",
    "officer": "账号",
    "console": "工作台",
    "audit": "留痕",
    "before": "早于",
}


def _about(thing: str) -> str:
    """居民 3f9a21c0 for ``resident:3f9a21c0…``: enough to tell two apart."""
    kind, _, id_ = thing.partition(":")
    return f"{_THINGS.get(kind, kind)} {id_[:10]}".strip()


def actor_word(actor: str, names: Names) -> str:
    """辅警王芳 for ``officer:7``; what is no person by its own word."""
    kind, _, id_ = actor.partition(":")
    if kind == "officer" and id_.isdecimal():
        return names(int(id_))
    return _ACTORS.get(kind, kind)


_ACTORS = {
    "resident": "居民本人",
    "system": "系统",
    "retention": "到期清除",
    "console": "工作台",
    "command line": "命令行",
}


def may_read(role: Role) -> bool:
    """Whether a role reads the trail."""
    return role is Role.AUDITOR


def _require(officer: Signed) -> None:
    if not may_read(officer.role):
        raise PermissionDeniedError("留痕由审计员看。")
