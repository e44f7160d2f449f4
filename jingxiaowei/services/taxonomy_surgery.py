"""标签调整: rename, merge, split, move and retire tags, with a preview and an undo.

The taxonomy itself is an admin's YAML; this makes the residents' files follow it, and offers the
YAML that fits (:mod:`.surgery_files`). Whole tables change in a few statements: the old
assignments are ended, the new ones copied from them, and each row knows the surgery that made or
ended it.
"""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.pipeline.audience_parser import parse
from jingxiaowei.services.audience_query import residents_of
from jingxiaowei.services.current import Content
from jingxiaowei.services.files_rights import Act, FileRights, require
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.scopes import Scope
from jingxiaowei.services.surgery_files import Proposal, TagFiles, require_sense
from jingxiaowei.services.surgery_rules import rewritten, rules_about
from jingxiaowei.services.surgery_values import Done, Effect, Kind, Plan
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    AUDIENCE,
    IS_CURRENT,
    IS_SUGGESTED,
    SUGGESTION,
    SURGERY,
    Ended,
    Minor,
    SuggestionState,
)
from jingxiaowei.store.tables import RESIDENT

_PAST = 20
_EVERYWHERE = Scope(frozenset(), True)
_COPIED = (
    "resident_id",
    "source",
    "officer_id",
    "confirmed_by",
    "reason",
    "evidence_id",
    "ground",
    "review_at",
    "expires_at",
)


class TaxonomySurgery:
    """Previews, applies and undoes. For admins; no resident is named to them.

    Args:
        files: the tags' files; None where they are not at hand, then nothing is offered.
    """

    def __init__(
        self,
        database: Database,
        content: Content,
        rights: FileRights,
        files: TagFiles | None = None,
    ) -> None:
        self._files = files
        self._database = database
        self._content = content
        self._rights = rights

    @property
    def _taxonomy(self) -> Taxonomy:
        return self._content.library.taxonomy

    async def preview(self, officer: Signed, plan: Plan, now: datetime) -> Effect:
        """What the plan would touch.

        Raises:
            TagRefusedError: the plan makes no sense; says why.
            PermissionDeniedError: not an admin.
        """
        require(officer.role, Act.SURGERY)
        await self._check(plan)
        async with self._database.survey() as connection:
            return await self._effect(connection, plan, now)

    async def proposal(self, officer: Signed, plan: Plan) -> Proposal:
        """What the plan means for the tags' files; empty where they need no change.

        Raises:
            PermissionDeniedError: not an admin.
        """
        require(officer.role, Act.SURGERY)
        if self._files is None:
            return Proposal({})
        return await asyncio.to_thread(self._files.propose, plan, self._content.library)

    async def apply(
        self, officer: Signed, plan: Plan, now: datetime, *, write: bool = False
    ) -> tuple[int, Effect]:
        """Do it, in one transaction; the surgery's id and what it touched.

        Args:
            write: then write the tags' files as :meth:`proposal` has them, if that can be; of a
                rename to a slug that stands nowhere yet always.

        Raises:
            TagRefusedError, PermissionDeniedError: as :meth:`preview`.
            TagConflictError: the files could not be written; nothing is done.
        """
        require(officer.role, Act.SURGERY)
        await self._check(plan)
        fresh = plan.kind is Kind.RENAME and plan.target not in self._taxonomy.by_slug
        proposal = await self.proposal(officer, plan) if write or fresh else Proposal({})
        if proposal.faults:
            raise TagRefusedError(f"文件改不了：{'；'.join(proposal.faults)}")
        async with self._database.write() as connection:
            await self._database.plan_afresh(connection)
            effect = await self._effect(connection, plan, now)
            row = {
                "kind": plan.kind.value,
                "plan": asdict(plan),
                "before": {},
                "counts": asdict(effect),
                "by": officer.id,
                "at": now,
            }
            made = await connection.execute(insert(SURGERY).returning(SURGERY.c.id), [row])
            id_: int = made.scalar_one()
            if plan.target and plan.kind is not Kind.MOVE:
                await self._copy(connection, plan, id_, now)
            await connection.execute(
                update(ASSIGNMENT)
                .where(self._touched(plan, now))
                .where(or_(ASSIGNMENT.c.surgery_id.is_(None), ASSIGNMENT.c.surgery_id != id_))
                .values(
                    ended_at=now,
                    ended_by=officer.id,
                    ended_because=Ended.RETIRED,
                    ended_surgery_id=id_,
                )
            )
            before = {
                "suggestions": await self._move_suggestions(connection, plan, now),
                "audiences": await self._rewrite_audiences(connection, plan),
                "files": proposal.kept,
            }
            await connection.execute(
                update(SURGERY).where(SURGERY.c.id == id_).values(before=before)
            )
            await self._rights.record(
                connection, officer, Act.SURGERY, [""], f"{plan.kind} surgery:{id_}"
            )
            # Last: if it fails, nothing is done. If the commit does, the same surgery again helps.
            if self._files is not None and not await asyncio.to_thread(self._files.write, proposal):
                raise TagConflictError("tags 文件没有写成，刚有人在改，或者写不了。再看一遍影响。")
        return id_, effect

    async def past(self, officer: Signed) -> list[Done]:
        """The last surgeries, the newest first.

        Raises:
            PermissionDeniedError: not an admin.
        """
        require(officer.role, Act.SURGERY)
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(SURGERY).order_by(SURGERY.c.id.desc()).limit(_PAST)
            )
            return [
                Done(
                    row.id,
                    Plan(
                        Kind(row.kind),
                        tuple(row.plan["sources"]),
                        row.plan["target"],
                        row.plan["expression"],
                    ),
                    row.counts["residents"],
                    row.by,
                    row.at,
                    row.undone_at,
                    bool(row.before.get("files")),
                )
                for row in rows
            ]

    async def undo(self, officer: Signed, surgery_id: int, now: datetime) -> bool:
        """Put back what was; what people have decided since stays decided.

        Returns:
            Whether the tags' files are as they were: not, if somebody has edited them since.

        Raises:
            TagRefusedError: there is no such surgery.
            TagConflictError: it is undone already.
            PermissionDeniedError: not an admin.
        """
        require(officer.role, Act.SURGERY)
        async with self._database.write() as connection:
            row = (
                await connection.execute(select(SURGERY).where(SURGERY.c.id == surgery_id))
            ).first()
            if row is None:
                raise TagRefusedError("没有这次调整。")
            undone = await connection.execute(
                update(SURGERY)
                .where(SURGERY.c.id == surgery_id, SURGERY.c.undone_at.is_(None))
                .values(undone_at=now)
            )
            if not undone.rowcount:
                raise TagConflictError("这次调整已经撤销。")
            new, same = ASSIGNMENT.alias(), ASSIGNMENT.alias()
            decided = exists().where(
                new.c.surgery_id == surgery_id,
                new.c.resident_id == ASSIGNMENT.c.resident_id,
                new.c.ended_at.is_not(None),
            )
            again = exists().where(
                same.c.resident_id == ASSIGNMENT.c.resident_id,
                same.c.tag == ASSIGNMENT.c.tag,
                same.c.ended_at.is_(None),
            )
            await connection.execute(
                update(ASSIGNMENT)
                .where(ASSIGNMENT.c.ended_surgery_id == surgery_id, ~decided, ~again)
                .values(ended_at=None, ended_by=None, ended_because=None, ended_surgery_id=None)
            )
            await connection.execute(
                delete(ASSIGNMENT).where(ASSIGNMENT.c.surgery_id == surgery_id, IS_CURRENT)
            )
            for suggestion, tag in row.before["suggestions"]:
                await connection.execute(
                    update(SUGGESTION)
                    .where(SUGGESTION.c.id == suggestion, SUGGESTION.c.decided_by.is_(None))
                    .values(tag=tag, state=SuggestionState.OPEN, decided_at=None)
                )
            for audience, expression in row.before["audiences"]:
                await connection.execute(
                    update(AUDIENCE).where(AUDIENCE.c.id == audience).values(expression=expression)
                )
            await self._rights.record(
                connection, officer, Act.SURGERY, [""], f"undo surgery:{surgery_id}"
            )
        kept = row.before.get("files")
        if not kept:
            return True
        return self._files is not None and await asyncio.to_thread(self._files.put_back, kept)

    async def _check(self, plan: Plan) -> None:
        await asyncio.to_thread(require_sense, plan, self._content.library, self._files)

    def _touched(self, plan: Plan, now: datetime) -> ColumnElement[bool]:
        """The assignments that end."""
        mine = and_(IS_CURRENT, ASSIGNMENT.c.tag.in_(plan.sources))
        if plan.kind is Kind.SPLIT:
            audience = parse(plan.expression, self._taxonomy, self._content.library.areas)
            fits = residents_of(audience, _EVERYWHERE, now).subquery()
            return and_(mine, ASSIGNMENT.c.resident_id.in_(select(fits.c.id)))
        if plan.kind is Kind.MOVE:
            return and_(mine, self._out_of_place(plan))
        return mine

    def _out_of_place(self, plan: Plan) -> ColumnElement[bool]:
        """Files on which a tag may not stand in its group."""
        [slug] = plan.sources
        groups = {group.slug: group.minors_allowed for group in self._taxonomy.groups}
        minors = groups.get(plan.target, self._taxonomy.by_slug[slug].minors)
        other = ASSIGNMENT.alias()
        barred = exists().where(
            other.c.resident_id == ASSIGNMENT.c.resident_id,
            other.c.tag.in_(self._taxonomy.conflicts(slug)),
            other.c.ended_at.is_(None),
        )
        if minors:
            return barred
        teens = select(RESIDENT.c.id).where(RESIDENT.c.minor == Minor.TEEN.value)
        return or_(barred, ASSIGNMENT.c.resident_id.in_(teens))

    def _standing(self, plan: Plan, slugs: frozenset[str]) -> ColumnElement[bool]:
        """Whether the resident has one of the tags beside what changes."""
        other = ASSIGNMENT.alias()
        return exists().where(
            other.c.resident_id == ASSIGNMENT.c.resident_id,
            other.c.tag.in_(slugs - set(plan.sources)),
            other.c.ended_at.is_(None),
        )

    async def _effect(self, connection: AsyncConnection, plan: Plan, now: datetime) -> Effect:
        touched = self._touched(plan, now)
        people = func.count(func.distinct(ASSIGNMENT.c.resident_id))

        async def count(*conditions: ColumnElement[bool]) -> int:
            found = await connection.execute(select(people).where(*conditions))
            return int(found.scalar_one())

        already = barred = 0
        if plan.target and plan.kind is not Kind.MOVE:
            conflicts = self._taxonomy.conflicts(plan.target)
            already = await count(touched, self._standing(plan, frozenset({plan.target})))
            barred = await count(touched, self._standing(plan, conflicts))
        waiting = await connection.execute(
            select(func.count()).where(IS_SUGGESTED, SUGGESTION.c.tag.in_(plan.sources))
        )
        saved = await connection.execute(select(AUDIENCE.c.name, AUDIENCE.c.expression))
        words = set(plan.sources)
        return Effect(
            await count(touched),
            already,
            barred,
            int(waiting.scalar_one()),
            tuple(row.name for row in saved if words & set(rewritten(row.expression).tags)),
            rules_about(self._taxonomy, plan.sources),
        )

    async def _copy(self, connection: AsyncConnection, plan: Plan, id_: int, now: datetime) -> None:
        """The new tags, one a resident, from the oldest of what they come from."""
        barred = self._taxonomy.conflicts(plan.target) | {plan.target}
        first = (
            select(func.min(ASSIGNMENT.c.id))
            .where(self._touched(plan, now), ~self._standing(plan, frozenset(barred)))
            .group_by(ASSIGNMENT.c.resident_id)
        )
        copied = select(
            *(ASSIGNMENT.c[name] for name in _COPIED),
            literal(plan.target),
            literal(now, ASSIGNMENT.c.started_at.type),
            literal(id_),
            null(),
        ).where(ASSIGNMENT.c.id.in_(first))
        await connection.execute(
            insert(ASSIGNMENT).from_select(
                [*_COPIED, "tag", "started_at", "surgery_id", "ended_at"], copied
            )
        )

    async def _move_suggestions(
        self, connection: AsyncConnection, plan: Plan, now: datetime
    ) -> list[tuple[int, str]]:
        """Suggestions follow a rename or a merge, and lapse where their tag is gone."""
        if plan.kind in (Kind.SPLIT, Kind.MOVE):
            return []
        waiting = await connection.execute(
            select(SUGGESTION.c.id, SUGGESTION.c.resident_id, SUGGESTION.c.tag)
            .where(IS_SUGGESTED, SUGGESTION.c.tag.in_(plan.sources))
            .order_by(SUGGESTION.c.id)
        )
        rows = waiting.all()
        taken = await connection.execute(
            select(SUGGESTION.c.resident_id).where(
                SUGGESTION.c.tag == plan.target, SUGGESTION.c.state != SuggestionState.LAPSED
            )
        )
        barred = {row.resident_id for row in taken}
        for row in rows:
            values: dict[str, Any] = {"state": SuggestionState.LAPSED, "decided_at": now}
            if plan.target and row.resident_id not in barred:
                values = {"tag": plan.target}
                barred.add(row.resident_id)
            await connection.execute(
                update(SUGGESTION).where(SUGGESTION.c.id == row.id).values(**values)
            )
        return [(row.id, row.tag) for row in rows]

    async def _rewrite_audiences(
        self, connection: AsyncConnection, plan: Plan
    ) -> list[tuple[int, str]]:
        """Saved audiences follow a rename or a merge; the rest is for their owners to decide."""
        if plan.kind not in (Kind.RENAME, Kind.MERGE):
            return []
        rows = await connection.execute(select(AUDIENCE.c.id, AUDIENCE.c.expression))
        changed = []
        for row in rows.all():
            found = rewritten(row.expression, dict.fromkeys(plan.sources, plan.target))
            if found.text != row.expression:
                changed.append((row.id, row.expression))
                await connection.execute(
                    update(AUDIENCE).where(AUDIENCE.c.id == row.id).values(expression=found.text)
                )
        return changed
