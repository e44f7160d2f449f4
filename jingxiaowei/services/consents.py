"""同意: what a resident agreed to, refused or took back. The newest word of a kind counts.

Answers never depend on it. Who refused is not asked again for 90 days. Taking consent back ends
what rested on it, at once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.current import Content
from jingxiaowei.services.tagging_rows import CURRENT, lock
from jingxiaowei.services.tagging_values import QUOTE
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    CONSENT,
    IN_PLACE,
    IS_SUGGESTED,
    SUGGESTION,
    ConsentKind,
    Ended,
    Ground,
    SuggestionState,
)

ASK_AGAIN = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Agreement:
    """The newest word on one kind of consent."""

    kind: ConsentKind
    given: bool
    said_at: datetime
    inbox_id: int | None
    channel: str


class Consents:
    """Records consents and acts on their being taken back."""

    def __init__(self, database: Database, audit: Audit, content: Content) -> None:
        self._database = database
        self._audit = audit
        self._content = content

    async def say(
        self,
        connection: AsyncConnection,
        resident_id: str,
        kind: ConsentKind,
        given: bool,
        now: datetime,
        inbox_id: int | None = None,
        channel: str = "",
    ) -> int:
        """Record a resident's word, in the caller's transaction (the turn's).

        Refusing the tags refuses the careful ones with them. How many tags ended by it.
        """
        await lock(connection, [resident_id])
        kinds = [kind]
        if kind is ConsentKind.TAGS and not given:
            kinds.append(ConsentKind.CAREFUL)
        await connection.execute(
            insert(CONSENT),
            [
                {
                    "resident_id": resident_id,
                    "kind": each,
                    "given": given,
                    "said_at": now,
                    "inbox_id": inbox_id,
                    "channel": channel,
                }
                for each in kinds
            ],
        )
        ended = 0 if given else await self._stop(connection, resident_id, kind, now)
        said = "given" if given else "refused"
        await self._audit.record(
            connection,
            Event(
                f"resident:{resident_id}",
                "consent.say",
                f"resident:{resident_id}",
                f"{kind.value} {said} ended={ended}",
            ),
        )
        return ended

    async def _stop(
        self, connection: AsyncConnection, resident_id: str, kind: ConsentKind, now: datetime
    ) -> int:
        """撤回即停: what rested on the consent ends, and nobody need decide what waited for it."""
        taxonomy: Taxonomy = self._content.library.taxonomy
        mine = (ASSIGNMENT.c.resident_id == resident_id) & CURRENT
        rested = ASSIGNMENT.c.ground == Ground.CONSENT
        waiting = (SUGGESTION.c.resident_id == resident_id) & IS_SUGGESTED
        if kind is ConsentKind.CAREFUL:
            private = [tag.slug for tag in taxonomy.by_slug.values() if tag.careful]
            # A careful tag of one's own choice rested on the separate consent as well.
            rested = (rested | (ASSIGNMENT.c.ground == Ground.OWN_CHOICE)) & ASSIGNMENT.c.tag.in_(
                private
            )
            waiting &= SUGGESTION.c.tag.in_(private)
        ended = await connection.execute(
            update(ASSIGNMENT)
            .where(mine, rested)
            .values(ended_at=now, ended_because=Ended.WITHDRAWN)
        )
        await connection.execute(
            update(SUGGESTION)
            .where(waiting, SUGGESTION.c.ground == Ground.CONSENT)
            .values(state=SuggestionState.LAPSED, decided_at=now)
        )
        return ended.rowcount

    async def object_to(
        self,
        connection: AsyncConnection,
        resident_id: str,
        tag: str,
        now: datetime,
        inbox_id: int | None = None,
    ) -> None:
        """反对: a tag that the resident does not want is not brought up again for half a year."""
        put = self._database.insert(SUGGESTION).values(
            resident_id=resident_id,
            tag=tag,
            state=SuggestionState.DECLINED,
            source="resident",
            quote=self._database.cipher.seal(QUOTE, ""),
            inbox_id=inbox_id,
            created_at=now,
            decided_at=now,
        )
        await connection.execute(
            put.on_conflict_do_update(
                index_elements=["resident_id", "tag"],
                index_where=IN_PLACE,
                set_={"state": put.excluded.state, "decided_at": now},
            )
        )

    async def newest(self, connection: AsyncConnection, resident_id: str) -> list[Agreement]:
        """The newest word of each kind that there is one of."""
        rows = await connection.execute(
            select(CONSENT).where(CONSENT.c.resident_id == resident_id).order_by(CONSENT.c.id)
        )
        latest = {
            row.kind: Agreement(row.kind, row.given, row.said_at, row.inbox_id, row.channel)
            for row in rows
        }
        return list(latest.values())

    async def may_ask(
        self, connection: AsyncConnection, resident_id: str, kind: ConsentKind, now: datetime
    ) -> bool:
        """Whether the resident may be asked: nothing said yet, or refused long ago."""
        for agreement in await self.newest(connection, resident_id):
            if agreement.kind is kind:
                return not agreement.given and now - agreement.said_at >= ASK_AGAIN
        return True
