"""企业标签: WeCom's counterparts of our general tags, made, renamed and taken away with them."""

from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select, update

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.services.mirror_values import CorpTag, FarTags, Fault, MirrorFault
from jingxiaowei.store.engine import Database
from jingxiaowei.store.mirror_tables import CORP_TAG


@dataclass(slots=True)
class TagChanges:
    """What is done to the corp tags, by name."""

    made: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)  # one of that name was there
    renamed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # another app's: not ours to change

    def words(self) -> str:
        return (
            f"企业标签：新建 {len(self.made)} 个，沿用 {len(self.taken)} 个，"
            f"改名 {len(self.renamed)} 个，撤下 {len(self.removed)} 个"
            + (f"，{len(self.left)} 个是别的应用建的、改不了" if self.left else "")
            + "。"
        )


class CorpTags:
    """Keeps which corp tag stands for which of ours."""

    def __init__(self, database: Database, far: FarTags) -> None:
        self._database = database
        self._far = far

    async def known(self) -> dict[str, str]:
        """The corp tag's id by our slug."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(CORP_TAG.c.slug, CORP_TAG.c.tag_id))
            return {row.slug: row.tag_id for row in rows}

    async def made_after(self, moment: datetime | None) -> frozenset[str]:
        """Slugs whose corp tag is younger than a moment."""
        if moment is None:
            return frozenset()
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(CORP_TAG.c.slug).where(CORP_TAG.c.made_at > moment)
            )
            return frozenset(row.slug for row in rows)

    async def step(self, taxonomy: Taxonomy, now: datetime, dry_run: bool = False) -> TagChanges:
        """Bring the corp tags in step with the taxonomy. A tag that has become careful, or has
        gone, is taken away from the whole corporation.

        Raises:
            MirrorFault: WeCom refused, or could not be reached; what was done is remembered.
        """
        there = {tag.tag_id: tag for tag in await self._far.tags()}
        by_place = {(tag.group_name, tag.name): tag for tag in there.values()}
        groups = {tag.group_name: tag.group_id for tag in there.values()}
        known = await self.known()
        general = {
            tag.slug: (group.name, tag.name)
            for group in taxonomy.groups
            for tag in group.tags
            if not tag.careful
        }
        changes = TagChanges()
        await self._remove(known, general.keys(), there, changes, dry_run)
        missing: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for slug, (group_name, name) in general.items():
            tag = there.get(known.get(slug, ""))
            if tag is not None:
                if tag.name != name:
                    await self._rename(slug, tag, name, changes, dry_run)
                continue
            found = by_place.get((group_name, name))
            if found is None:
                missing[group_name].append((slug, name))
                continue
            changes.taken.append(name)
            if not dry_run:
                await self._remember([(slug, found)], now)
        for group_name, wanted in missing.items():
            changes.made += [name for _, name in wanted]
            if dry_run:
                continue
            made = await self._far.add_tags(
                groups.get(group_name, ""), group_name, [name for _, name in wanted]
            )
            slugs = {name: slug for slug, name in wanted}
            await self._remember([(slugs[tag.name], tag) for tag in made], now)
        return changes

    async def _remove(
        self,
        known: dict[str, str],
        wanted: Set[str],
        there: dict[str, CorpTag],
        changes: TagChanges,
        dry_run: bool,
    ) -> None:
        for slug, tag_id in known.items():
            if slug in wanted:
                continue
            tag = there.get(tag_id)
            if tag is not None:
                changes.removed.append(tag.name)
                if dry_run:
                    continue
                try:
                    await self._far.delete_tags([tag_id])
                except MirrorFault as fault:
                    if fault.kind is not Fault.NOT_OURS:
                        raise
                    changes.left.append(tag.name)
            if not dry_run:
                async with self._database.write() as connection:
                    await connection.execute(delete(CORP_TAG).where(CORP_TAG.c.slug == slug))

    async def _rename(
        self, slug: str, tag: CorpTag, name: str, changes: TagChanges, dry_run: bool
    ) -> None:
        changes.renamed.append(name)
        if dry_run:
            return
        try:
            await self._far.rename_tag(tag.tag_id, name)
        except MirrorFault as fault:
            if fault.kind is not Fault.NOT_OURS:
                raise
            changes.left.append(name)
        async with self._database.write() as connection:
            await connection.execute(
                update(CORP_TAG).where(CORP_TAG.c.slug == slug).values(name=name)
            )

    async def _remember(self, pairs: list[tuple[str, CorpTag]], now: datetime) -> None:
        put = self._database.insert(CORP_TAG)
        newer = {name: put.excluded[name] for name in ("tag_id", "name", "made_at")}
        async with self._database.write() as connection:
            await connection.execute(
                put.on_conflict_do_update(index_elements=["slug"], set_=newer),
                [
                    {"slug": slug, "tag_id": tag.tag_id, "name": tag.name, "made_at": now}
                    for slug, tag in pairs
                ],
            )
