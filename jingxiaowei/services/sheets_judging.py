"""Judging rows: by the same rules as a tag that an officer notes by hand, a chunk at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from functools import cache

from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.model import Library
from jingxiaowei.content.tag_model import Tag
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.grounds import ground_of
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.sheets_people import People, Person
from jingxiaowei.services.sheets_rows import understand
from jingxiaowei.services.sheets_values import Entry, Line, Refusal
from jingxiaowei.services.tagging_rules import Names, Ruling, find_tag, rule
from jingxiaowei.services.tagging_values import Noted, Standing, TagRefusedError
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.file_tables import Ground, Minor

_DAY_ENDS = time(23, 59, 59)
_UNWANTED = "本人不同意记“{}”。属于法定职责或紧急情况的，用 --ground 写明。"


@dataclass(frozen=True, slots=True)
class Judged:
    """A row that may be taken: the person, the tags to note, and how many stand there already."""

    number: int
    person: Person
    rulings: tuple[tuple[Noted, Ruling], ...]
    already: int


class Judge:
    """Judges the rows of one file, for one officer. Remembers who has come up so far.

    Args:
        ground: 合法性基础 of every tag in the file; None: consent where it was given, duty where
            nobody has asked, and no tag where the resident has said no.
    """

    def __init__(
        self,
        cipher: Cipher,
        library: Library,
        people: People,
        officer: Signed,
        names: Names,
        ground: Ground | None,
        now: datetime,
    ) -> None:
        self._cipher = cipher
        self._library = library
        self._taxonomy = library.taxonomy
        self._conflicts = cache(self._taxonomy.conflicts)
        self._people = people
        self._officer = officer
        self._names = names
        self._ground = ground
        self._now = now
        self._tags: dict[str, Tag | str] = {}  # by the word in the cell; a str says why not
        self._seen: dict[bytes, int] = {}  # resident → row

    async def judge(
        self, connection: AsyncConnection, lines: Sequence[Line]
    ) -> list[Judged | Refusal]:
        """What becomes of each row, in order."""
        read = [understand(line) for line in lines]
        entries = [entry for entry in read if isinstance(entry, Entry)]
        people = dict(
            zip(
                (entry.number for entry in entries),
                await self._people.find(connection, entries),
                strict=True,
            )
        )
        known = {p.resident_id for p in people.values() if isinstance(p, Person) and not p.new}
        standings = await rows_of.standings(connection, self._cipher, known, self._now, lock=False)
        verdicts: list[Judged | Refusal] = []
        for entry in read:
            if isinstance(entry, Refusal):
                verdicts.append(entry)
                continue
            person = people[entry.number]
            if isinstance(person, tuple):
                verdicts.append(Refusal(entry.number, person))
                continue
            verdicts.append(self._row(entry, person, standings))
        return verdicts

    def _row(
        self, entry: Entry, person: Person, standings: Mapping[str, Standing]
    ) -> Judged | Refusal:
        first = self._seen.setdefault(bytes.fromhex(person.resident_id), entry.number)
        if first != entry.number:
            why = f"和第 {first} 行是同一个人，请并成一行，标签用“、”隔开。"
            return Refusal(entry.number, (why,))
        standing = standings.get(person.resident_id)
        if person.new:
            standing = Standing(person.resident_id, person.area, None, Minor.NONE)
        faults: list[str] = []
        tags = self._words(entry, faults)
        faults += self._quarrels(tags)
        rulings, already = [], 0
        for tag in tags:
            ground = self._ground or (ground_of(standing, tag) if standing else Ground.DUTY)
            if ground is None:
                faults.append(_UNWANTED.format(tag.name))
                continue
            noted = Noted(
                person.resident_id,
                tag.slug,
                entry.reason,
                ground,
                expires_at=self._until(entry, tag, faults),
                note=f"第 {entry.number} 行",
            )
            held = standing.current.pop(tag.slug, None) if standing else None
            try:
                ruling = rule(
                    self._officer, noted, standing, self._library, self._now, (), self._names
                )
            except TagRefusedError as error:
                if str(error) not in faults:
                    faults.append(str(error))
                continue
            if held is not None:
                already += 1
            else:
                rulings.append((noted, ruling))
        if faults:
            return Refusal(entry.number, tuple(faults))
        return Judged(entry.number, person, tuple(rulings), already)

    def _words(self, entry: Entry, faults: list[str]) -> list[Tag]:
        tags: list[Tag] = []
        for word in entry.tags:
            if word not in self._tags:
                try:
                    self._tags[word] = find_tag(self._taxonomy, word)
                except TagRefusedError as error:
                    self._tags[word] = str(error)
            tag = self._tags[word]
            if isinstance(tag, str):
                faults.append(tag)
            elif tag not in tags:
                tags.append(tag)
        return tags

    def _quarrels(self, tags: Sequence[Tag]) -> list[str]:
        """Pairs of one row that cannot stand side by side."""
        return [
            f"“{one.name}”和“{other.name}”只能留一个。"
            for i, one in enumerate(tags)
            for other in tags[i + 1 :]
            if other.slug in self._conflicts(one.slug)
        ]

    def _until(self, entry: Entry, tag: Tag, faults: list[str]) -> datetime | None:
        if entry.lasting and tag.expires_days is not None:
            faults.append(f"“{tag.name}”最长 {tag.expires_days} 天，不能写长期。")
        if entry.until is None:
            return None
        return datetime.combine(entry.until, _DAY_ENDS, LOCAL)
