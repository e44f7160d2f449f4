"""登录: sessions of the console. The browser holds a random token, the database only its hash.

A session ends after half an hour without a sign of life and after a shift's length in any case.
Five wrong passwords in a row lock an account for a quarter of an hour, known account or not.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import case, delete, insert, select, update

from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.store.alert_tables import ENTRY, LOCK, SESSION
from jingxiaowei.store.engine import Database

IDLE, ABSOLUTE = timedelta(minutes=30), timedelta(hours=12)
FAILURES, LOCKED = 5, timedelta(minutes=15)
ONE_TIME_LIFE = timedelta(hours=1)
_TOUCH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of a sign-in: a token, or how long the account is locked, or neither."""

    token: str = ""
    locked_minutes: int = 0


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


class SignIns:
    """Begins, knows and ends sessions."""

    def __init__(self, database: Database, officers: Officers, audit: Audit) -> None:
        self._database = database
        self._officers = officers
        self._audit = audit

    async def sign_in(self, account: str, password: str, now: datetime) -> Attempt:
        """A session for the right password; a wrong one counts towards the lock."""
        key = self._database.cipher.find("sign-in", account)
        async with self._database.read() as connection:
            until: datetime | None = (
                await connection.execute(select(LOCK.c.until).where(LOCK.c.key == key))
            ).scalar()
        if until is not None and until > now:
            return Attempt(locked_minutes=ceil((until - now).total_seconds() / 60))
        officer = await self._officers.sign_in(account, password)
        if officer is None:
            return await self._count(key, now)
        async with self._database.write() as connection:
            await connection.execute(delete(LOCK).where(LOCK.c.key == key))
        return Attempt(await self._begin(officer.id, now, "password"))

    async def _count(self, key: str, now: datetime) -> Attempt:
        """One more failure; counting begins anew once the lock's time has passed since the last."""
        stale = LOCK.c.last_at < now - LOCKED
        put = self._database.insert(LOCK)
        async with self._database.write() as connection:
            await connection.execute(
                put.on_conflict_do_update(
                    index_elements=["key"],
                    set_={
                        "failures": case((stale, 1), else_=LOCK.c.failures + 1),
                        "last_at": now,
                        "until": None,
                    },
                ),
                [{"key": key, "failures": 1, "last_at": now}],
            )
            locked = await connection.execute(
                update(LOCK)
                .where(LOCK.c.key == key, LOCK.c.failures >= FAILURES)
                .values(until=now + LOCKED, failures=0)
            )
            if not locked.rowcount:
                return Attempt()
            await self._audit.record(connection, Event("console", "sign_in.locked", key[:8]))
        return Attempt(locked_minutes=int(LOCKED.total_seconds() // 60))

    async def _begin(self, officer: int, now: datetime, how: str) -> str:
        token = secrets.token_urlsafe(32)
        async with self._database.write() as connection:
            await connection.execute(
                delete(SESSION).where(
                    (SESSION.c.created_at < now - ABSOLUTE) | (SESSION.c.seen_at < now - IDLE)
                )
            )
            await connection.execute(
                insert(SESSION),
                [
                    {
                        "id": _hash(token),
                        "officer_id": officer,
                        "created_at": now,
                        "seen_at": now,
                    }
                ],
            )
            event = Event(f"officer:{officer}", "sign_in", "console", how)
            await self._audit.record(connection, event)
        return token

    async def one_time(self, officer: int, now: datetime) -> str:
        """A code that signs an officer in once, within the hour: the demo prints it."""
        code = secrets.token_urlsafe(24)
        async with self._database.write() as connection:
            await connection.execute(delete(ENTRY).where(ENTRY.c.expires_at < now))
            await connection.execute(
                insert(ENTRY),
                [
                    {
                        "id": _hash(code),
                        "officer_id": officer,
                        "expires_at": now + ONE_TIME_LIFE,
                    }
                ],
            )
        return code

    async def enter(self, code: str, now: datetime) -> str:
        """The token for a one-time code; empty if it is unknown, used, or too old."""
        async with self._database.write() as connection:
            used = await connection.execute(
                delete(ENTRY)
                .where(ENTRY.c.id == _hash(code), ENTRY.c.expires_at > now)
                .returning(ENTRY.c.officer_id)
            )
            officer: int | None = used.scalar()
        if officer is None:
            return ""
        return await self._begin(officer, now, "one-time")

    async def whose(self, token: str, now: datetime, *, by_hand: bool = True) -> Signed | None:
        """The officer of a session, if it lives and the account is active.

        Args:
            by_hand: somebody did something; a page that merely listens keeps no session alive.
        """
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(SESSION).where(SESSION.c.id == _hash(token)))
            ).first()
        if row is None or now - row.created_at > ABSOLUTE or now - row.seen_at > IDLE:
            return None
        if by_hand and now - row.seen_at > _TOUCH:
            async with self._database.write() as connection:
                await connection.execute(
                    update(SESSION).where(SESSION.c.id == row.id).values(seen_at=now)
                )
        return await self._officers.by_id(row.officer_id)

    async def sign_out(self, token: str) -> None:
        """End a session."""
        async with self._database.write() as connection:
            await connection.execute(delete(SESSION).where(SESSION.c.id == _hash(token)))
