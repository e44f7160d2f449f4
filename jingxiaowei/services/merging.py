"""合并与撤销: two residents who are one person, and the way back."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.current import Content
from jingxiaowei.services.file_parts import PARTS, count_file
from jingxiaowei.services.files_rights import Act, FileRights, Subject, require
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.tagging_values import Standing, TagConflictError, TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    IS_CURRENT,
    MERGE,
    SUGGESTION,
    Ended,
    Minor,
    SuggestionState,
)
from jingxiaowei.store.tables import IDENTITY, RESIDENT


@dataclass(frozen=True, slots=True)
class Together:
    """What a merge would do, before it is done.

    Attributes:
        rows: how many rows of each kind would change hands.
        ended: general tags of the other that end, for the kept file has them or what shuts them
            out; ``ended_careful``: how many protected ones.
        teen: the kept file would become that of somebody aged 14 to 17.
    """

    rows: Mapping[str, int]
    ended: tuple[str, ...]
    ended_careful: int
    teen: bool


_STANDING = (SuggestionState.OPEN, SuggestionState.PROPOSED, SuggestionState.DECLINED)


class Merging:
    """Merges and undoes. Nothing is lost: what changed hands is written down by its rows."""

    def __init__(self, database: Database, content: Content, rights: FileRights) -> None:
        self._database = database
        self._content = content
        self._rights = rights

    async def preview(self, officer: Signed, kept_id: str, gone_id: str, now: datetime) -> Together:
        """What :meth:`merge` would do; nothing is changed.

        Raises:
            TagRefusedError, TagConflictError, PermissionDeniedError: as :meth:`merge`.
        """
        async with self._database.write() as connection:
            kept, gone = await self._enter(connection, officer, kept_id, gone_id, "preview", now)
            doubles = self._doubles(kept, gone)
            known = self._content.library.taxonomy.by_slug
            general = [slug for slug in doubles if slug in known and not known[slug].careful]
            rows = await count_file(connection, [gone_id])
        return Together(
            {kind: n for kind, n in rows.items() if n},
            tuple(known[slug].name for slug in general),
            len(doubles) - len(general),
            kept.minor is not gone.minor,
        )

    async def merge(
        self, officer: Signed, kept_id: str, gone_id: str, reason: str, now: datetime
    ) -> int:
        """Everything of ``gone_id`` becomes ``kept_id``'s; the merge's id.

        Where both have a tag, or tags that shut each other out, the kept one's stands.

        Raises:
            TagRefusedError: the same person, an unknown one, or a child.
            TagConflictError: one of them was merged meanwhile.
            PermissionDeniedError: not police, or not their area.
        """
        async with self._database.write() as connection:
            kept, gone = await self._enter(connection, officer, kept_id, gone_id, reason, now)
            moved = await self._move(connection, kept, gone, officer, now)
            if kept.minor is not gone.minor:  # the stricter of the two
                moved["minor"] = kept.minor.value
                await connection.execute(
                    update(RESIDENT).where(RESIDENT.c.id == kept_id).values(minor=Minor.TEEN.value)
                )
            row = {
                "kept_id": kept_id,
                "gone_id": gone_id,
                "by": officer.id,
                "at": now,
                "moved": moved,
            }
            made = await connection.execute(insert(MERGE).returning(MERGE.c.id), [row])
            id_: int = made.scalar_one()
            return id_

    async def undo(self, officer: Signed, merge_id: int, now: datetime) -> None:
        """撤销合并: what came from the other goes back; what happened since stays.

        Raises:
            TagConflictError: undone already, or merged further since.
            TagRefusedError: there is no such merge.
            PermissionDeniedError: not police, or not their area.
        """
        require(officer.role, Act.MERGE)
        async with self._database.write() as connection:
            row = (await connection.execute(select(MERGE).where(MERGE.c.id == merge_id))).first()
            if row is None:
                raise TagRefusedError("没有这次合并。")
            found = await rows_of.standings(
                connection, self._database.cipher, [row.kept_id, row.gone_id], now
            )
            kept = found[row.kept_id]
            subject = Subject(kept.resident_id, kept.area, kept.officer_id)
            await self._rights.allow(
                connection, officer, Act.MERGE, subject, now, f"undo merge:{merge_id}"
            )
            later = await connection.execute(
                select(MERGE.c.id).where(
                    MERGE.c.gone_id == row.kept_id, MERGE.c.undone_at.is_(None)
                )
            )
            if later.first() is not None:
                raise TagConflictError("后来又并入了别的档案，先撤销后一次。")
            undone = await connection.execute(
                update(MERGE)
                .where(MERGE.c.id == merge_id, MERGE.c.undone_at.is_(None))
                .values(undone_at=now)
            )
            if not undone.rowcount:
                raise TagConflictError("这次合并已经撤销。")
            await self._move_back(connection, row.kept_id, row.gone_id, row.moved)

    async def _enter(
        self,
        connection: AsyncConnection,
        officer: Signed,
        kept_id: str,
        gone_id: str,
        reason: str,
        now: datetime,
    ) -> tuple[Standing, Standing]:
        """Both files, locked and let through the gate."""
        if kept_id == gone_id:
            raise TagRefusedError("这是同一份档案。")
        found = await rows_of.standings(connection, self._database.cipher, [kept_id, gone_id], now)
        if len(found) < 2:
            raise TagRefusedError("没有这位居民。")
        kept, gone = found[kept_id], found[gone_id]
        for each in (kept, gone):
            subject = Subject(each.resident_id, each.area, each.officer_id)
            await self._rights.allow(connection, officer, Act.MERGE, subject, now, reason[:40])
            if each.minor is Minor.UNDER_14:
                raise TagRefusedError("未满 14 周岁不建档，不合并。")
        await self._require_free(connection, (kept_id, gone_id))
        return kept, gone

    def _doubles(self, kept: Standing, gone: Standing) -> list[str]:
        """Of the other's tags those that the kept file has, or that it shuts out."""
        taxonomy = self._content.library.taxonomy
        barred = set(kept.current)
        for slug in kept.current:
            if slug in taxonomy.by_slug:
                barred |= taxonomy.conflicts(slug)
        return [slug for slug in gone.current if slug in barred]

    async def _require_free(self, connection: AsyncConnection, residents: Collection[str]) -> None:
        merged = await connection.execute(
            select(MERGE.c.id).where(MERGE.c.gone_id.in_(residents), MERGE.c.undone_at.is_(None))
        )
        if merged.first() is not None:
            raise TagConflictError("其中一份已经并入别的档案，先撤销那次合并。")

    async def _move(
        self,
        connection: AsyncConnection,
        kept: Standing,
        gone: Standing,
        officer: Signed,
        now: datetime,
    ) -> dict[str, Any]:
        doubles = {gone.current[slug].id for slug in self._doubles(kept, gone)}
        await rows_of.end(connection, doubles, Ended.REPLACED, officer.id, now)
        waiting = select(SUGGESTION.c.tag).where(
            SUGGESTION.c.resident_id == kept.resident_id, SUGGESTION.c.state.in_(_STANDING)
        )
        lapsed = await connection.execute(
            update(SUGGESTION)
            .where(
                SUGGESTION.c.resident_id == gone.resident_id,
                SUGGESTION.c.state.in_(_STANDING),
                SUGGESTION.c.tag.in_(waiting) | SUGGESTION.c.tag.in_(kept.current),
            )
            .values(state=SuggestionState.LAPSED, decided_at=now)
            .returning(SUGGESTION.c.id)
        )
        moved: dict[str, Any] = {
            "ended": sorted(doubles),
            "lapsed": sorted(row.id for row in lapsed),
        }
        for kind, table in (*PARTS.items(), ("identities", IDENTITY)):
            rows = await connection.execute(
                update(table)
                .where(table.c.resident_id == gone.resident_id)
                .values(resident_id=kept.resident_id)
                .returning(table.c.id)
            )
            moved[kind] = sorted(row.id for row in rows)
        return moved

    async def _move_back(
        self, connection: AsyncConnection, kept: str, gone: str, moved: dict[str, Any]
    ) -> None:
        for kind, table in (*PARTS.items(), ("identities", IDENTITY)):
            await connection.execute(
                update(table)
                .where(table.c.id.in_(moved[kind]), table.c.resident_id == kept)
                .values(resident_id=gone)
            )
        # Ended for the other's sake: they stand again, unless the same was noted anew meanwhile.
        stands = select(ASSIGNMENT.c.tag).where(ASSIGNMENT.c.resident_id == gone, IS_CURRENT)
        await connection.execute(
            update(ASSIGNMENT)
            .where(ASSIGNMENT.c.id.in_(moved["ended"]), ASSIGNMENT.c.tag.not_in(stands))
            .values(ended_at=None, ended_by=None, ended_because=None)
        )
        if "minor" in moved:
            await connection.execute(
                update(RESIDENT).where(RESIDENT.c.id == kept).values(minor=moved["minor"])
            )
