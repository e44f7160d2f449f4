"""An officer's new contact: a card that offers the tags, and what is ticked on it.

The card goes through WeCom, so it names general tags only and nobody by name.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, Protocol

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Applier, Tag, Taxonomy
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.messages import Outcome, Receipt
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.contact_relations import contacts
from jingxiaowei.services.current import Content
from jingxiaowei.services.grounds import ground_of
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.tagging import Tagging
from jingxiaowei.services.tagging_values import Did, Noted, Standing
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, IS_SUGGESTED, SUGGESTION, Minor, TagSource
from jingxiaowei.store.mirror_tables import IS_OFFERED, WECOM_CONTACT, OfferState
from jingxiaowei.store.tables import Role

OFFERED = 20  # options of a card
ATTEMPTS = 6
_LEASE = timedelta(seconds=60)
_BACK_OFF = (5, 15, 60, 300, 900)
_LATEST = 500  # assignments, of which the most frequent tags are offered first
_REASON = "加好友时由本人介绍"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OfferOption:
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class OfferCard:
    """What the officer is shown."""

    task_id: str
    title: str
    desc: str
    options: tuple[OfferOption, ...]
    retried: bool = False


class Teller(Protocol):
    """A way to officers. Never raises."""

    async def offer(self, userid: str, card: OfferCard) -> Receipt: ...

    async def settle(self, userid: str, response_code: str, text: str) -> Receipt: ...


class ContactOffers:
    """Sends the cards, and notes what was ticked."""

    def __init__(
        self,
        database: Database,
        content: Content,
        officers: Officers,
        tagging: Tagging,
        teller: Teller,
    ) -> None:
        self._database = database
        self._content = content
        self._officers = officers
        self._tagging = tagging
        self._teller = teller

    @property
    def _taxonomy(self) -> Taxonomy:
        return self._content.library.taxonomy

    async def deliver(self, now: datetime, limit: int = 20) -> int:
        """Send what waits; how many cards were tried."""
        async with self._database.write() as connection:
            await self._database.lock_leases(connection)
            rows = (
                await connection.execute(
                    select(WECOM_CONTACT)
                    .where(IS_OFFERED, WECOM_CONTACT.c.offer_due <= now)
                    .order_by(WECOM_CONTACT.c.offer_due)
                    .limit(limit)
                )
            ).all()
            for row in rows:
                await connection.execute(
                    update(WECOM_CONTACT)
                    .where(WECOM_CONTACT.c.id == row.id)
                    .values(
                        offer_due=now + _LEASE,
                        offer_attempts=row.offer_attempts + 1,
                        # The id is fixed before the card goes out: a retry is the same card.
                        card=row.card or token("offer", row.id, row.created_at, now),
                    )
                )
        for row in rows:
            await self._offer(row.id, now)
        return len(rows)

    async def _offer(self, key: str, now: datetime) -> None:
        async with self._database.read() as connection:
            row = (await connection.execute(contacts().where(WECOM_CONTACT.c.id == key))).first()
            if row is None or row.resident_id is None:
                return
            officer = await self._officers.by_wecom_userid(row.userid)
            card = None
            if officer is not None:
                card = await self._card(connection, row, officer.role, now)
        values: dict[str, Any] = {"offer": OfferState.REFUSED}
        if card is not None:
            told = await self._teller.offer(row.userid, card)
            if told.outcome is Outcome.SENT:
                values = {"offer": OfferState.SENT}
            elif told.outcome is Outcome.RETRY and row.offer_attempts < ATTEMPTS:
                wait = told.retry_after or _BACK_OFF[min(row.offer_attempts, len(_BACK_OFF)) - 1]
                values = {"offer_due": now + timedelta(seconds=wait)}
            else:
                log.warning("tags were not offered: %s", told.reason)
        async with self._database.write() as connection:
            await connection.execute(
                update(WECOM_CONTACT).where(WECOM_CONTACT.c.id == key, IS_OFFERED).values(**values)
            )

    async def _card(
        self, connection: AsyncConnection, row: Any, role: Role, now: datetime
    ) -> OfferCard | None:
        found = await rows_of.standings(
            connection, self._database.cipher, [row.resident_id], now, lock=False
        )
        standing = found.get(row.resident_id)
        if standing is None or standing.minor is Minor.UNDER_14:
            return None
        options = await self._options(connection, standing, role)
        if not options:
            return None
        suggested = "有建议的排在前面。"
        return OfferCard(
            row.card,
            "新加了一位居民，要记标签吗",
            f"{row.created_at.astimezone(LOCAL):%m月%d日 %H:%M} 加的。问过本人再勾；{suggested}"
            "受保护的标签到网页上记。",
            tuple(OfferOption(tag.slug, tag.name) for tag in options),
            retried=row.offer_attempts > 1,
        )

    async def _options(
        self, connection: AsyncConnection, standing: Standing, role: Role
    ) -> list[Tag]:
        """General tags that the officer may note and the file does not hold: what was suggested
        for the resident, then what is noted most these days, then some of every group."""
        taxonomy = self._taxonomy
        kind = Applier.POLICE if role is Role.POLICE else Applier.AUXILIARY
        barred = set(standing.current)
        for slug in standing.current:
            barred |= taxonomy.conflicts(slug) if slug in taxonomy.by_slug else set()
        free = {
            tag.slug: tag
            for tag in taxonomy.tags
            if not tag.careful
            and kind in tag.applied_by
            and tag.slug not in barred
            and (standing.minor is Minor.NONE or tag.minors)
            and ground_of(standing, tag) is not None
        }
        suggested = await connection.execute(
            select(SUGGESTION.c.tag)
            .where(SUGGESTION.c.resident_id == standing.resident_id, IS_SUGGESTED)
            .order_by(SUGGESTION.c.id)
        )
        first = [each.tag for each in suggested]
        latest = await connection.execute(
            select(ASSIGNMENT.c.tag).order_by(ASSIGNMENT.c.id.desc()).limit(_LATEST)
        )
        often = Counter(each.tag for each in latest)
        # Then one of each group in turn, so that twenty say something of everything.
        groups = [[tag.slug for tag in group.tags] for group in taxonomy.groups]
        turns = [slug for turn in zip_longest(*groups) for slug in turn if slug]
        order = [*first, *(slug for slug, _ in often.most_common()), *turns]
        return [free[slug] for slug in dict.fromkeys(order) if slug in free][:OFFERED]

    async def take(
        self,
        userid: str,
        card: str,
        slugs: Sequence[str],
        now: datetime,
    ) -> str:
        """Note what an officer ticked; what the card's button is to say. Told again, the same;
        empty where it is no officer's offer."""
        officer = await self._officers.by_wecom_userid(userid)
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    contacts().where(WECOM_CONTACT.c.card == card, WECOM_CONTACT.c.userid == userid)
                )
            ).first()
            standing = None
            if officer is not None and row is not None and row.resident_id is not None:
                found = await rows_of.standings(
                    connection, self._database.cipher, [row.resident_id], now, lock=False
                )
                standing = found.get(row.resident_id)
        if officer is None or row is None or standing is None:
            log.info("a ticked card that is no officer's offer was left out")
            return ""
        taxonomy = self._taxonomy
        noted = []
        for slug in slugs[:OFFERED]:
            tag = taxonomy.by_slug.get(slug)
            ground = ground_of(standing, tag) if tag is not None and not tag.careful else None
            if ground is not None:
                noted.append(Noted(standing.resident_id, slug, _REASON, ground))
        done = failed = 0
        try:
            outcomes = await self._tagging.apply_many(officer, noted, now, TagSource.OFFICER)
        except PermissionDeniedError:
            outcomes = []
        for outcome in outcomes:
            done += outcome.did is not Did.REFUSED
            failed += outcome.did is Did.REFUSED
        async with self._database.write() as connection:
            await connection.execute(
                update(WECOM_CONTACT)
                .where(WECOM_CONTACT.c.id == row.id)
                .values(offer=OfferState.TAKEN, due_at=now)
            )
        said = f"已记 {done} 项" + (f"，{failed} 项没记" if failed else "")
        return said if slugs else "不记"

    async def grey(self, userid: str, response_code: str, text: str) -> None:
        """Have the card say what became of it."""
        told = await self._teller.settle(userid, response_code, text)
        if told.outcome is not Outcome.SENT:
            log.info("an offer's card stays as it was: %s", told.reason)
