"""找居民: by tag, area or phone. Rows are masked; a search is recorded with its reason."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.services.alerts_words import mask_name
from jingxiaowei.services.current import Content
from jingxiaowei.services.files import phone_digits
from jingxiaowei.services.files_rights import Act, FileRights
from jingxiaowei.services.files_values import CONTACT, Purpose, reason_of
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.tagging_rows import standing_at
from jingxiaowei.services.tagging_rules import find_tag
from jingxiaowei.services.tagging_values import TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ASSIGNMENT, CONTACT_POINT, ContactKind
from jingxiaowei.store.tables import RESIDENT

MOST = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A resident in a list: masked, with general tags only."""

    resident_id: str
    area: str | None
    name: str  # 陈**, or empty
    tags: tuple[str, ...]


class FileSearch:
    """Finds residents of the officer's area."""

    def __init__(self, database: Database, content: Content, rights: FileRights) -> None:
        self._database = database
        self._content = content
        self._rights = rights

    async def find(
        self,
        officer: Signed,
        purpose: Purpose,
        now: datetime,
        *,
        tag: str = "",
        area: str = "",
        phone: str = "",
        note: str = "",
        after: str = "",
        limit: int = 50,
    ) -> list[Found]:
        """Residents that fit all that is asked for, by id; ``after``: the last id seen.

        Raises:
            TagRefusedError: nothing is asked for, an unknown tag, no phone, no reason.
            PermissionDeniedError: the role may not (by careful tags: police).
        """
        if not (tag or area or phone):
            raise TagRefusedError("按标签、辖区或电话找，至少写一样。")
        taxonomy, cipher = self._content.library.taxonomy, self._database.cipher
        query = select(RESIDENT.c.id, RESIDENT.c.area).order_by(RESIDENT.c.id)
        act = Act.SEARCH
        if tag:
            which = find_tag(taxonomy, tag)
            act = Act.SEARCH_CAREFUL if which.careful else Act.SEARCH
            query = query.where(
                RESIDENT.c.id.in_(
                    select(ASSIGNMENT.c.resident_id).where(
                        ASSIGNMENT.c.tag.in_(_or_narrower(taxonomy, which.slug)),
                        standing_at(now),
                    )
                )
            )
        if area:
            query = query.where(RESIDENT.c.area == area)
        if phone:
            found = cipher.find("phone", phone_digits(phone))
            query = query.where(
                RESIDENT.c.id.in_(
                    select(CONTACT_POINT.c.resident_id).where(CONTACT_POINT.c.found == found)
                )
            )
        async with self._database.write() as connection:
            asked = "+".join(
                word for word, given in (("tag", tag), ("area", area), ("phone", phone)) if given
            )
            reason = f"{reason_of(purpose, note, self._content.library.forbidden)} {asked}"
            await self._rights.allow(connection, officer, act, None, now, reason)
            scope = await self._rights.scope(connection, officer, now)
        async with self._database.survey() as connection:
            if not scope.everywhere:
                mine = RESIDENT.c.officer_id == officer.id
                query = query.where(or_(RESIDENT.c.area.in_(scope.areas), mine))
            page = query.where(RESIDENT.c.id > after).limit(min(limit, MOST))
            rows = (await connection.execute(page)).all()
            ids = [row.id for row in rows]
            general = [each.slug for each in taxonomy.tags if not each.careful]
            tags = defaultdict(list)
            for held in await connection.execute(
                select(ASSIGNMENT.c.resident_id, ASSIGNMENT.c.tag)
                .where(ASSIGNMENT.c.resident_id.in_(ids), standing_at(now))
                .where(ASSIGNMENT.c.tag.in_(general))
                .order_by(ASSIGNMENT.c.id)
            ):
                tags[held.resident_id].append(taxonomy.by_slug[held.tag].name)
            names = {}
            for given in await connection.execute(
                select(CONTACT_POINT.c.resident_id, CONTACT_POINT.c.value).where(
                    CONTACT_POINT.c.resident_id.in_(ids), CONTACT_POINT.c.kind == ContactKind.NAME
                )
            ):
                names[given.resident_id] = mask_name(cipher.open(CONTACT, given.value))
        return [Found(row.id, row.area, names.get(row.id, ""), tuple(tags[row.id])) for row in rows]


def _or_narrower(taxonomy: Taxonomy, slug: str) -> tuple[str, ...]:
    return tuple({slug, taxonomy.narrower.get(slug, slug)})
