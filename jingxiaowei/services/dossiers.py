"""一人一档 as its page shows it: the dossier, with what stands beside it in other tables.

Opened by :class:`.files.Files` alone, which asks the gate and records the reason.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import select

from jingxiaowei.services.conversations import messages
from jingxiaowei.services.current import Content
from jingxiaowei.services.files import Files
from jingxiaowei.services.files_values import Dossier, Purpose, TagLine
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.register import UNNAMED
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.suggestions_waiting import Waiting
from jingxiaowei.services.tagging_rules import REVIEW_AHEAD
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ContactKind
from jingxiaowei.store.tables import AREA

_AROUND = 40  # characters of a message on each side of a quote


@dataclass(frozen=True, slots=True)
class Why:
    """事由 of a look: ``note`` where the purpose is 其他."""

    purpose: Purpose
    note: str = ""


@dataclass(frozen=True, slots=True)
class Slip:
    """A tag on the file.

    Attributes:
        soon: it ends within a week.
        evidence: the message that it rests on, masked; empty: none, or over.
    """

    line: TagLine
    careful: bool
    soon: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class SlipGroup:
    """The tags of one group."""

    name: str
    slips: tuple[Slip, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A tag that waits for somebody's word, its quote within what was said."""

    waiting: Waiting
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class FileView:
    """What one file's page shows.

    Attributes:
        label: 陈**, or 未留名.
        careful: with the careful tags.
        as_of: the tags are those of that day, and nothing can be changed.
        moved: the file was asked for by an id that has been merged into this one.
    """

    dossier: Dossier
    label: str
    place: str
    station: str
    groups: tuple[SlipGroup, ...]
    suggestions: tuple[Suggestion, ...]
    careful: bool
    as_of: date | None
    moved: bool


class Dossiers:
    """Reads one file for its page."""

    def __init__(self, database: Database, content: Content, files: Files) -> None:
        self._database = database
        self._content = content
        self._files = files

    async def read(
        self,
        officer: Signed,
        resident_id: str,
        why: Why,
        now: datetime,
        *,
        careful: bool = False,
        as_of: date | None = None,
    ) -> FileView:
        """The file of one resident, for a reason.

        Args:
            careful: with the careful tags; police only.
            as_of: the tags as they stood at the end of that day (China's).

        Raises:
            TagRefusedError: there is no such resident, or the reason is missing.
            PermissionDeniedError: the role or the area does not allow it.
        """
        moment = None if as_of is None else min(_end_of(as_of), now)
        dossier = await self._files.open(
            officer,
            resident_id,
            why.purpose,
            now,
            note=why.note,
            careful=careful,
            as_of=moment,
        )
        rests_on = {line.held.evidence_id for line in dossier.tags}
        raised_by = {waiting.inbox_id for waiting in dossier.suggestions}
        wanted = {id_ for id_ in rests_on | raised_by if id_ is not None}
        async with self._database.read() as connection:
            said = await messages(connection, self._database.cipher, wanted)
            area = (
                await connection.execute(select(AREA).where(AREA.c.slug == dossier.area))
            ).first()
        names = dossier.contacts.get(ContactKind.NAME, ())
        return FileView(
            dossier,
            names[-1] if names else UNNAMED,
            area.name if area else "辖区不明",
            area.station if area else "县局值班台",
            self._groups(dossier.tags, said, moment or now),
            tuple(_in_context(waiting, said) for waiting in dossier.suggestions),
            careful,
            as_of,
            dossier.resident_id != resident_id,
        )

    def _groups(
        self, lines: Collection[TagLine], said: dict[int, str], moment: datetime
    ) -> tuple[SlipGroup, ...]:
        """The tags by their groups, in the taxonomy's order; what ends first stands first."""
        taxonomy = self._content.library.taxonomy
        by_group: dict[str, list[Slip]] = {}
        for line in sorted(lines, key=_by_end):
            tag = taxonomy.by_slug.get(line.held.tag)
            ends = line.held.expires_at
            slip = Slip(
                line,
                tag is None or tag.careful,
                ends is not None and ends - moment <= REVIEW_AHEAD,
                said.get(line.held.evidence_id or 0, ""),
            )
            by_group.setdefault(line.group, []).append(slip)
        order = [*(group.name for group in taxonomy.groups), ""]
        return tuple(
            SlipGroup(name or "标签表里已经没有的", tuple(by_group[name]))
            for name in order
            if name in by_group
        )


def _in_context(waiting: Waiting, said: dict[int, str]) -> Suggestion:
    """A suggestion's quote within its message: what stands before it and what comes after."""
    text, quote = said.get(waiting.inbox_id or 0, ""), waiting.quote
    start = text.find(quote)
    if not quote or start < 0:
        return Suggestion(waiting, "", "")
    before, after = text[:start], text[start + len(quote) :]
    if len(before) > _AROUND:
        before = "…" + before[-_AROUND:]
    if len(after) > _AROUND:
        after = after[:_AROUND] + "…"
    return Suggestion(waiting, before, after)


def _by_end(line: TagLine) -> tuple[bool, float]:
    ends = line.held.expires_at
    return ends is None, ends.timestamp() if ends is not None else 0.0


def _end_of(day: date) -> datetime:
    """The last second of a day, on China's calendar."""
    return datetime.combine(day + timedelta(days=1), time(), LOCAL) - timedelta(seconds=1)
