"""一人一档, read for an officer: each look goes through the gate, with a reason, and is recorded.

Names, phones and words stand masked; careful tags are counted only. Each is opened by a reason of
its own.
"""

from datetime import date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services import dossiers_rows as rows_of
from jingxiaowei.services.consents import Consents
from jingxiaowei.services.conversations import messages, spoken
from jingxiaowei.services.dossiers_values import (
    Dossier,
    DossierMissingError,
    Slip,
    SlipGroup,
    Suggestion,
)
from jingxiaowei.services.files_rights import ALLOWED, Act, FileRights, Subject
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.register import labels
from jingxiaowei.services.residents_words import GROUNDS, MINORS, SOURCES
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.suggestions import Content
from jingxiaowei.services.tagging_rows import tags_of
from jingxiaowei.services.tagging_rules import REVIEW_AHEAD, Names, names_of
from jingxiaowei.services.tagging_values import Held
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import MERGE, TagSource
from jingxiaowei.store.tables import AREA, RESIDENT

LINES = 30


class Dossiers:
    """Reads one file."""

    def __init__(
        self,
        database: Database,
        content: Content,
        officers: Officers,
        rights: FileRights,
        consents: Consents,
    ) -> None:
        self._database = database
        self._content = content
        self._officers = officers
        self._rights = rights
        self._consents = consents

    async def read(
        self,
        officer: Signed,
        resident_id: str,
        reason: str,
        now: datetime,
        *,
        careful: bool = False,
        original: bool = False,
        as_of: date | None = None,
    ) -> Dossier:
        """The file of one resident.

        Args:
            reason: 事由, recorded.
            careful: with the careful tags; police only.
            original: names, phones and words unmasked.
            as_of: the tags as they stood at the end of that day (China's).

        Raises:
            DossierMissingError: there is no such resident.
            PermissionDeniedError: the role or the area does not allow it.
        """
        async with self._database.write() as connection:
            row = (
                await connection.execute(
                    select(RESIDENT, AREA.c.name.label("place"), AREA.c.station)
                    .outerjoin(AREA, AREA.c.slug == RESIDENT.c.area)
                    .where(RESIDENT.c.id == resident_id)
                )
            ).first()
            if row is None:
                raise DossierMissingError("没有这位居民，或者已经删除。")
            subject = Subject(row.id, row.area, row.officer_id)
            await self._rights.allow(connection, officer, Act.VIEW, subject, now, reason)
            if careful:
                await self._rights.allow(
                    connection, officer, Act.VIEW_CAREFUL, subject, now, reason
                )
            if original:
                await self._rights.allow(connection, officer, Act.ORIGINAL, subject, now, reason)
            cipher = self._database.cipher
            names = names_of(await self._officers.names(connection))
            ours = await rows_of.conversations(connection, row.id)
            moment = now if as_of is None else _end_of(as_of, now)
            held = await tags_of(connection, cipher, row.id, moment)
            groups, hidden = await self._groups(connection, held, names, moment, careful)
            contacts = await rows_of.contacts(connection, cipher, row.id, original)
            may_read = Act.READS in ALLOWED[officer.role]
            return Dossier(
                row.id,
                (await labels(connection, cipher, [row.id]))[row.id].split("·")[0],
                row.place or "辖区不明",
                row.station or "县局值班台",
                names(row.officer_id) if row.officer_id is not None else "",
                MINORS.get(row.minor, ""),
                row.created_at,
                await rows_of.identities(connection, row.id),
                contacts,
                groups,
                hidden,
                careful,
                await self._suggestions(connection, officer, row.id, names),
                rows_of.agreed(await self._consents.newest(connection, row.id)),
                await spoken(connection, cipher, ours, LINES, original),
                await rows_of.alerts(connection, ours),
                await rows_of.tickets(connection, ours),
                await rows_of.requests(connection, row.id),
                await rows_of.readings(connection, row.id, names) if may_read else None,
                original,
                as_of,
                await self._merged_into(connection, row.id),
            )

    async def _groups(
        self,
        connection: AsyncConnection,
        held: tuple[Held, ...],
        names: Names,
        moment: datetime,
        careful: bool,
    ) -> tuple[tuple[SlipGroup, ...], int]:
        """The tags by their groups; how many of them are careful."""
        taxonomy, cipher = self._content.library.taxonomy, self._database.cipher
        ids = {each.evidence_id for each in held if each.evidence_id is not None}
        evidence = await messages(connection, cipher, ids)
        by_group: dict[str, list[Slip]] = {}
        hidden = 0
        for each in held:
            tag = taxonomy.by_slug.get(each.tag)
            # A tag that the taxonomy has forgotten is guarded like a careful one.
            guarded = tag is None or tag.careful
            hidden += guarded
            if guarded and not careful:
                continue
            ends = each.expires_at
            slip = Slip(
                each.id,
                each.tag,
                tag.name if tag else each.tag,
                guarded,
                SOURCES[each.source],
                "本人" if each.source is TagSource.RESIDENT else names(each.officer_id),
                names(each.confirmed_by)
                if each.confirmed_by not in (None, each.officer_id)
                else "",
                each.reason,
                GROUNDS[each.ground],
                evidence.get(each.evidence_id or 0, ""),
                each.started_at,
                ends,
                ends is not None and ends - moment <= REVIEW_AHEAD,
            )
            by_group.setdefault(tag.group if tag else "", []).append(slip)
        names_by_slug = {group.slug: group.name for group in taxonomy.groups}
        order = [*names_by_slug, ""]
        return (
            tuple(
                SlipGroup(
                    names_by_slug.get(slug, "标签表里已经没有的"),
                    tuple(sorted(by_group[slug], key=_by_end)),
                )
                for slug in order
                if slug in by_group
            ),
            hidden,
        )

    async def _suggestions(
        self, connection: AsyncConnection, officer: Signed, resident_id: str, names: Names
    ) -> tuple[Suggestion, ...]:
        found = await rows_of.suggestions(
            connection, self._database.cipher, self._content.library.taxonomy, resident_id, names
        )
        if Act.TAG_CAREFUL in ALLOWED[officer.role]:
            return found
        return tuple(each for each in found if not each.careful)

    async def _merged_into(self, connection: AsyncConnection, resident_id: str) -> str:
        kept = await connection.execute(
            select(MERGE.c.kept_id).where(
                MERGE.c.gone_id == resident_id, MERGE.c.undone_at.is_(None)
            )
        )
        return str(kept.scalar() or "")


def _by_end(slip: Slip) -> tuple[bool, float]:
    """What ends first stands first, what lasts stands last."""
    return slip.expires_at is None, slip.expires_at.timestamp() if slip.expires_at else 0.0


def _end_of(day: date, now: datetime) -> datetime:
    """The last moment of a day, on China's calendar; never later than now."""
    end = datetime.combine(day + timedelta(days=1), time(), LOCAL) - timedelta(seconds=1)
    return min(end, now)
