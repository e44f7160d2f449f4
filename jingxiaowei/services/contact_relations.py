"""客户: which member has which resident as a contact. An officer's new contact opens a file."""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.inbox import ADDRESS, conversation_id
from jingxiaowei.services.mirror_values import ContactChange, ContactEvent
from jingxiaowei.store.engine import Database
from jingxiaowei.store.mirror_tables import WECOM_CONTACT, ContactState, OfferState
from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.tables import AREA, IDENTITY, KF_ACCOUNT, OFFICER, RESIDENT, Role

EXTERNAL = SEALED[WECOM_CONTACT.c.external]
_OFFERED = (Role.POLICE, Role.AUXILIARY)
log = logging.getLogger(__name__)


class Relations:
    """Keeps the relations, and opens the files that come with them.

    Args:
        corp_id: the account that external contacts belong to.
    """

    def __init__(self, database: Database, audit: Audit, corp_id: str) -> None:
        self._database = database
        self._audit = audit
        self._corp_id = corp_id

    def key(self, userid: str, external_userid: str) -> str:
        return self._database.cipher.find("wecom contact", userid, external_userid)

    async def note(self, event: ContactEvent, now: datetime) -> bool:
        """Store what a callback tells; when this returns it is durable. A repeat changes nothing.

        Whether the resident has a file with us: then they are to know the rules.

        Raises:
            SQLAlchemyError: it was not stored; the callback must not be acknowledged.
        """
        async with self._database.write() as connection:
            await self._note(connection, event, now)
            key = self.key(event.userid, event.external_userid)
            rows = await connection.execute(
                select(WECOM_CONTACT.c.identity_id).where(WECOM_CONTACT.c.id == key)
            )
            return rows.scalar() is not None

    async def note_many(self, userid: str, externals: Iterable[str], now: datetime) -> int:
        """The contacts that a member has according to WeCom; how many were not known."""
        keys = {self.key(userid, external): external for external in externals}
        new = 0
        for part in _parts(list(keys)):
            async with self._database.write() as connection:
                rows = await connection.execute(
                    select(WECOM_CONTACT.c.id).where(
                        WECOM_CONTACT.c.id.in_(part),
                        WECOM_CONTACT.c.state.in_((ContactState.ADDED, ContactState.ERASED)),
                        or_(
                            WECOM_CONTACT.c.identity_id.is_not(None),
                            WECOM_CONTACT.c.state == ContactState.ERASED,
                        ),
                    )
                )
                known = {row.id for row in rows}
                for key in part:
                    if key not in known:
                        event = ContactEvent(ContactChange.EDITED, userid, keys[key], now)
                        new += await self._note(connection, event, now)
        return new

    async def _note(self, connection: AsyncConnection, event: ContactEvent, now: datetime) -> bool:
        """Whether the relation was not known before. An unknown one that is only edited is a
        contact whose event was lost; it is taken in without an offer."""
        key = self.key(event.userid, event.external_userid)
        known = (
            await connection.execute(select(WECOM_CONTACT).where(WECOM_CONTACT.c.id == key))
        ).first()
        if event.change is ContactChange.ENDED:
            if known is not None and known.state is not ContactState.ERASED:
                await self._change(
                    connection, key, state=ContactState.ENDED, due_at=None, offer=OfferState.NONE
                )
            return False
        added = event.change is ContactChange.ADDED
        if known is not None and known.state is ContactState.ERASED and not added:
            return False
        identity = await self._identity(connection, event, now)
        half = event.change is ContactChange.HALF
        state = ContactState.HALF if half else ContactState.ADDED
        values: dict[str, Any] = {"state": state, "identity_id": identity, "due_at": now}
        values["external"] = self._database.cipher.seal(EXTERNAL, event.external_userid)
        back = known is not None and known.state in (ContactState.ENDED, ContactState.ERASED)
        if known is None or back:
            values |= {"base": [], "mirrored_at": None, "attempts": 0}
        first = known is None or back or known.state is ContactState.HALF
        if added and first and identity is not None:
            values |= {"offer": OfferState.PENDING, "offer_due": now, "offer_attempts": 0}
            values["card"] = None
        if known is None:
            row = {
                "id": key,
                "userid": event.userid,
                "created_at": now,
                "offer": OfferState.NONE,
                "offer_due": None,
                "offer_attempts": 0,
                "card": None,
            } | values
            put = self._database.insert(WECOM_CONTACT).on_conflict_do_nothing()
            await connection.execute(put, [row])
            return True
        if known.state is ContactState.HALF and event.change is ContactChange.EDITED:
            values["state"] = ContactState.HALF
        await self._change(connection, key, **values)
        return False

    async def _change(self, connection: AsyncConnection, key: str, **values: Any) -> None:
        await connection.execute(
            update(WECOM_CONTACT).where(WECOM_CONTACT.c.id == key).values(**values)
        )

    async def _identity(
        self, connection: AsyncConnection, event: ContactEvent, now: datetime
    ) -> str | None:
        """The resident's identity; their file is opened where the member is an officer of ours.
        None where nobody of ours knows them."""
        cipher, external = self._database.cipher, event.external_userid
        rows = await connection.execute(select(KF_ACCOUNT.c.open_kfid))
        own = conversation_id(cipher, Channel.WECOM_CONTACT, self._corp_id, external)
        others = [
            conversation_id(cipher, Channel.WECOM_KF, row.open_kfid, external) for row in rows
        ]
        found = await connection.execute(
            select(IDENTITY.c.id, IDENTITY.c.resident_id).where(IDENTITY.c.id.in_([own, *others]))
        )
        known = {row.id: row.resident_id for row in found}
        if own in known:
            return own
        # Who wrote to 微信客服 before is the same person: WeCom gives them the same id there.
        other = next((other for other in others if other in known), None)
        resident = known[other] if other is not None else None
        officer = (
            await connection.execute(
                select(OFFICER.c.id, OFFICER.c.role, OFFICER.c.area, AREA.c.desk)
                .join(AREA, AREA.c.slug == OFFICER.c.area)
                .where(OFFICER.c.wecom_userid == event.userid, OFFICER.c.active)
            )
        ).first()
        if officer is None or officer.role not in _OFFERED:
            return other
        if resident is None:
            resident = own
            await connection.execute(
                self._database.insert(RESIDENT).on_conflict_do_nothing(),
                [
                    {
                        "id": own,
                        "area": None if officer.desk else officer.area,
                        "officer_id": officer.id if officer.role is Role.POLICE else None,
                        "created_at": now,
                    }
                ],
            )
            await self._audit.record(
                connection,
                Event(f"officer:{officer.id}", "file.open", f"resident:{own}", "wecom contact"),
            )
        await connection.execute(
            self._database.insert(IDENTITY).on_conflict_do_nothing(),
            [
                {
                    "id": own,
                    "channel": Channel.WECOM_CONTACT.value,
                    "account": self._corp_id,
                    "address": cipher.seal(ADDRESS, external),
                    "resident_id": resident,
                    "created_at": now,
                }
            ],
        )
        return own


async def release(connection: AsyncConnection, residents: Iterable[str], now: datetime) -> int:
    """Files are about to be erased, in the caller's transaction: what is known of the relations
    goes with them. The mirror still takes our tags off in WeCom, then forgets the id; no event
    and no sync opens the file again, only adding anew. How many relations there were."""
    mine = select(IDENTITY.c.id).where(IDENTITY.c.resident_id.in_(list(residents)))
    done = await connection.execute(
        update(WECOM_CONTACT)
        .where(WECOM_CONTACT.c.identity_id.in_(mine))
        .values(
            state=ContactState.ERASED,
            identity_id=None,
            base=[],
            due_at=now,
            attempts=0,
            offer=OfferState.NONE,
            card=None,
        )
    )
    return done.rowcount


def contacts() -> Select[Any]:
    """Relations, each with its ``resident_id`` (None: no file)."""
    return select(WECOM_CONTACT, IDENTITY.c.resident_id).outerjoin(
        IDENTITY, IDENTITY.c.id == WECOM_CONTACT.c.identity_id
    )


def _parts(keys: list[str], size: int = 200) -> Iterator[list[str]]:
    """In pieces that keep nobody waiting."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
