"""合并与撤销: two residents who are one person, and the way back."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.file_parts import PARTS
from jingxiaowei.services.files_rights import Act, FileRights, Subject
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.suggestions import Content
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

_STANDING = (SuggestionState.OPEN, SuggestionState.PROPOSED, SuggestionState.DECLINED)


class Merging:
    """Merges and undoes. Nothing is lost: what changed hands is written down by its rows."""

    def __init__(self, database: Database, content: Content, rights: FileRights) -> None:
        self._database = database
        self._content = content
        self._rights = rights

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
        if kept_id == gone_id:
            raise TagRefusedError("这是同一份档案。")
        async with self._database.write() as connection:
            found = await rows_of.standings(
                connection, self._database.cipher, [kept_id, gone_id], now
            )
            if len(found) < 2:
                raise TagRefusedError("没有这位居民。")
            kept, gone = found[kept_id], found[gone_id]
            for each in (kept, gone):
                subject = Subject(each.resident_id, each.area, each.officer_id)
                await self._rights.allow(connection, officer, Act.MERGE, subject, now, reason[:40])
                if each.minor is Minor.UNDER_14:
                    raise TagRefusedError("未满 14 周岁不建档，不合并。")
            await self._require_free(connection, (kept_id, gone_id))
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
        taxonomy = self._content.library.taxonomy
        barred = set(kept.current)
        for slug in kept.current:
            if slug in taxonomy.by_slug:
                barred |= taxonomy.conflicts(slug)
        doubles = {held.id for slug, held in gone.current.items() if slug in barred}
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
