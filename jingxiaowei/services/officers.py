"""民警、辅警: the accounts of those who work here, and the areas they work for."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.model import Library
from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.store.engine import Database
from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.tables import AREA, OFFICER, Role

_ACCOUNT = re.compile(r"[\w.@-]{2,64}")
PASSWORD_LENGTH = 10
_NAME = SEALED[OFFICER.c.name]
HASHER = PasswordHasher()


@cache
def _nobody(hasher: PasswordHasher) -> str:
    """Checked when the account is unknown, so that the answer takes as long as for a known one."""
    return hasher.hash("nobody has this password")


class OfficerError(JingxiaoweiError):
    """An account cannot be made as asked; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Signed:
    """An officer who has shown who they are."""

    id: int
    account: str
    name: str
    role: Role
    area: str


class Officers:
    """Makes accounts and checks passwords.

    A hash takes a third of a second on purpose, so it is made in a thread: a sign-in must not keep
    every resident waiting.
    """

    def __init__(self, database: Database, audit: Audit, hasher: PasswordHasher = HASHER) -> None:
        self._database = database
        self._audit = audit
        self._hasher = hasher

    async def sync_areas(self, library: Library) -> None:
        """Bring the table of areas in step with areas.yaml; none is removed, work hangs on it."""
        rows = [area.model_dump(include=_AREA_FIELDS) for area in library.areas.values()]
        rows = [{"slug": row.pop("id"), **row} for row in rows]
        made = self._database.insert(AREA)
        changed = {name: made.excluded[name] for name in ("name", "station", "phone", "desk")}
        async with self._database.write() as connection:
            await connection.execute(
                made.on_conflict_do_update(index_elements=["slug"], set_=changed), rows
            )

    async def add(
        self,
        account: str,
        role: Role,
        password: str,
        area: str,
        name: str = "",
        wecom_userid: str | None = None,
        actor: str = "command line",
    ) -> int:
        """Make an account; its id.

        Raises:
            OfficerError: a name already taken, an unknown area, a weak password.
        """
        if not _ACCOUNT.fullmatch(account):
            raise OfficerError("账号用 2 到 64 个字母、数字、汉字或 . _ - @")
        check_password(account, password)
        row = {
            "account": account,
            "name": self._database.cipher.seal(_NAME, name or account),
            "role": role,
            "area": area,
            "password_hash": await asyncio.to_thread(self._hasher.hash, password),
            "wecom_userid": wecom_userid,
            "active": True,
            "created_at": datetime.now(UTC),
        }
        try:
            async with self._database.write() as connection:
                made = await connection.execute(insert(OFFICER).returning(OFFICER.c.id), [row])
                officer: int = made.scalar_one()
                event = Event(actor, "officer.add", f"officer:{officer}", role.value)
                await self._audit.record(connection, event)
        except IntegrityError as error:
            if "area" in str(error.orig) or "FOREIGN KEY" in str(error.orig):
                raise OfficerError(f"没有“{area}”这个辖区，见 areas.yaml") from None
            raise OfficerError(f"账号“{account}”或它的企业微信号已经有人用") from None
        return officer

    async def find(self, account: str) -> Signed:
        """The officer of an account.

        Raises:
            OfficerError: there is none.
        """
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(OFFICER).where(OFFICER.c.account == account))
            ).first()
        if row is None:
            raise OfficerError(f"没有“{account}”这个账号")
        return self._signed(row)

    async def by_wecom_userid(self, userid: str) -> Signed | None:
        """The officer behind a member of the corporation; None for any other member."""
        return await self._active(OFFICER.c.wecom_userid == userid)

    async def by_id(self, officer: int) -> Signed | None:
        """The officer of an id, while the account is active."""
        return await self._active(OFFICER.c.id == officer)

    async def _active(self, condition: ColumnElement[bool]) -> Signed | None:
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(OFFICER).where(condition, OFFICER.c.active))
            ).first()
        return self._signed(row) if row else None

    async def names(self, connection: AsyncConnection) -> dict[int, Signed]:
        """Everybody who ever had an account, by id: who did what is shown by name."""
        rows = await connection.execute(select(OFFICER))
        return {row.id: self._signed(row) for row in rows}

    def _signed(self, row: Any) -> Signed:
        name = self._database.cipher.open(_NAME, row.name)
        return Signed(row.id, row.account, name, row.role, row.area)

    async def sign_in(self, account: str, password: str) -> Signed | None:
        """The officer, if account and password fit and the account is active."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(OFFICER).where(OFFICER.c.account == account))
            ).first()
        hashed = row.password_hash if row else await asyncio.to_thread(_nobody, self._hasher)
        fits = await asyncio.to_thread(self._fits, hashed, password)
        if row is None or not fits or not row.active:
            return None
        return self._signed(row)

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


_AREA_FIELDS = {"id", "name", "station", "phone", "desk"}


def check_password(account: str, password: str) -> None:
    """Refuse a password that is short, of one kind, or the account itself.

    Raises:
        OfficerError: saying what to change.
    """
    if len(password) < PASSWORD_LENGTH:
        raise OfficerError(f"密码至少 {PASSWORD_LENGTH} 位")
    if account.lower() in password.lower() or len(set(password)) < 5:
        raise OfficerError("密码太好猜：别用账号，别用重复的字")
