"""我的档案: what is kept of a resident, read for the resident alone and put into plain words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Purpose, Tag
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.mask import mask
from jingxiaowei.pipeline.messages import Option
from jingxiaowei.pipeline.reply import label
from jingxiaowei.services import tagging_rows as rows_of
from jingxiaowei.services.files_values import CONTACT
from jingxiaowei.services.files_values import Purpose as ReadingPurpose
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.own_requests import Opened, OwnRequests
from jingxiaowei.services.requests import REQUESTS
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.tagging_rules import names_of
from jingxiaowei.services.tagging_values import Held
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import CONTACT_POINT, ContactKind, Ground, TagSource
from jingxiaowei.store.tables import AUDIT, Role

PURPOSES: Mapping[Purpose, str] = {
    Purpose.SERVICE: "办事服务",
    Purpose.PREVENTION: "防骗提醒",
    Purpose.COOPERATION: "联系协作",
}
GROUNDS: Mapping[Ground, str] = {
    Ground.CONSENT: "您的同意",
    Ground.DUTY: "法定职责",
    Ground.EMERGENCY: "紧急情况",
    Ground.OWN_CHOICE: "您自己选的",
}
# What an officer may have given as the reason; whatever else they wrote is not for showing.
_WHY_READ = tuple(
    purpose.value for purpose in ReadingPurpose if purpose is not ReadingPurpose.OTHER
)
CONTACTS: Mapping[ContactKind, str] = {
    ContactKind.NAME: "姓名",
    ContactKind.PHONE: "电话",
    ContactKind.COMPANY: "单位",
    ContactKind.ADDRESS: "地址",
}
_READS = tuple(f"file.{act}" for act in ("view", "view_careful", "original", "export"))
_READS_SHOWN, _READS_BACK = 10, timedelta(days=180)
_BUTTONS = 5  # tags with a button of their own: WeCom shows ten at most, and five are ours
_LIST_BYTES = 1500
_SAID = "本人说："


@dataclass(frozen=True, slots=True)
class Shown:
    """A tag as its resident reads of it."""

    held: Held
    tag: Tag
    who: str
    why: str

    @property
    def own(self) -> bool:
        return self.held.source is TagSource.RESIDENT


@dataclass(frozen=True, slots=True)
class OwnView:
    """What is kept: tags in the order in which they were noted, and requests that wait."""

    general: tuple[Shown, ...]
    careful: tuple[Shown, ...]
    requests: tuple[Opened, ...]
    contacts: tuple[str, ...] = ()  # masked: the phone in hand may be anybody's

    @property
    def all(self) -> tuple[Shown, ...]:
        """The tags as they are numbered."""
        return (*self.general, *self.careful)

    def of(self, assignment_id: int) -> Shown | None:
        return next((shown for shown in self.all if shown.held.id == assignment_id), None)

    def tagged(self, slug: str) -> Shown | None:
        return next((shown for shown in self.all if shown.held.tag == slug), None)


class OwnViews:
    """Reads files for those whom they are about."""

    def __init__(self, database: Database, officers: Officers, requests: OwnRequests) -> None:
        self._database = database
        self._officers = officers
        self._requests = requests

    async def read(
        self, connection: AsyncConnection, mind: Mind, resident_id: str, now: datetime
    ) -> OwnView:
        """The file as it stands."""
        held = await rows_of.tags_of(connection, self._database.cipher, resident_id, now)
        people = await self._officers.names(connection) if held else {}
        by_slug = mind.library.taxonomy.by_slug
        shown = [_show(each, by_slug[each.tag], people) for each in held if each.tag in by_slug]
        return OwnView(
            tuple(each for each in shown if not each.tag.careful),
            tuple(each for each in shown if each.tag.careful),
            tuple(await self._requests.waiting(connection, resident_id)),
            await self._contacts(connection, resident_id),
        )

    async def _contacts(self, connection: AsyncConnection, resident_id: str) -> tuple[str, ...]:
        rows = await connection.execute(
            select(CONTACT_POINT.c.kind, CONTACT_POINT.c.value)
            .where(CONTACT_POINT.c.resident_id == resident_id)
            .order_by(CONTACT_POINT.c.id)
        )
        cipher = self._database.cipher
        return tuple(
            f"{CONTACTS[row.kind]} {_veil(row.kind, cipher.open(CONTACT, row.value))}"
            for row in rows
        )

    async def readers(
        self, connection: AsyncConnection, mind: Mind, resident_id: str, now: datetime
    ) -> str:
        """Who opened the file of late, and why; in words."""
        rows = (
            await connection.execute(
                select(AUDIT.c.at, AUDIT.c.actor, AUDIT.c.reason)
                .where(
                    AUDIT.c.object == f"resident:{resident_id}",
                    AUDIT.c.action.in_(_READS),
                    AUDIT.c.at > now - _READS_BACK,
                )
                .order_by(AUDIT.c.id.desc())
                .limit(_READS_SHOWN)
            )
        ).all()
        if not rows:
            return mind.speech.say("readers_none")
        name = names_of(await self._officers.names(connection))
        lines = [
            mind.speech.say(
                "readers_line",
                day=day_of(row.at, now),
                who=name(_officer(row.actor)),
                why=next((why for why in _WHY_READ if row.reason.startswith(why)), "工作"),
            )
            for row in rows
        ]
        return mind.speech.say("readers", lines="\n".join(lines))


def _veil(kind: ContactKind, value: str) -> str:
    if kind is ContactKind.PHONE:
        return mask(value)
    return value[:1] + "**" if kind is ContactKind.NAME else value[:4] + "**"


def _officer(actor: str) -> int | None:
    kind, _, id_ = actor.partition(":")
    return int(id_) if kind == "officer" and id_.isdigit() else None


def _show(held: Held, tag: Tag, people: Mapping[int, Signed]) -> Shown:
    if held.source is TagSource.RESIDENT:
        return Shown(held, tag, "您", GROUNDS[Ground.OWN_CHOICE])
    if held.source is TagSource.SYSTEM:
        return Shown(held, tag, "系统", "完成后自动记的")
    officer = held.confirmed_by or held.officer_id
    named = officer is not None and officer in people and people[officer].role in _SIGNING
    who = names_of(people)(officer) if named else "值班人员"
    if held.reason.startswith(_SAID):
        return Shown(held, tag, who, f"您说过“{held.reason.removeprefix(_SAID)}”")
    # An officer's own words may tell of others: the ground is what the resident is owed.
    return Shown(held, tag, who, f"依据{GROUNDS[held.ground]}")


_SIGNING = (Role.POLICE, Role.AUXILIARY)


def list_words(
    mind: Mind, file: OwnView, now: datetime, private: bool, head: str = ""
) -> tuple[str, tuple[Option, ...]]:
    """The list and its buttons; the careful ones only once they were asked for."""
    speech = mind.speech
    tags = file.careful if private else file.general
    first = len(file.general) + 1 if private else 1
    key = "file_private_head" if private else "own_file"
    lines = [head] if head else []
    if tags:
        lines.append(speech.say(key, n=len(tags)))
    elif private:
        lines.append(speech.say("private_closed"))
    elif not file.careful:
        lines.append(speech.say("file_empty"))
    room = _LIST_BYTES
    for number, shown in enumerate(tags, first):
        line = line_of(mind, shown, number, now)
        room -= len(line.encode())
        if room < 0:
            lines.append(speech.say("file_more", n=first + len(tags) - number))
            break
        lines.append(line)
    if not private and file.contacts:
        lines.append(speech.say("file_contact", what="，".join(file.contacts)))
    if not private:
        lines += [
            speech.say(
                "file_request", what=REQUESTS[one.kind], day=day_of(one.due_at, now), code=one.code
            )
            for one in file.requests
        ]
    if tags:
        lines.append(speech.say("file_end"))
    options = [
        Option(f"tag-item-{shown.held.id}", label(f"{number} {shown.tag.name}"))
        for number, shown in enumerate(tags[:_BUTTONS], first)
    ]
    if file.careful and not private:
        lines.append(speech.say("file_private", n=len(file.careful)))
        options.append(Option("file-private", "现在看"))
    if tags:
        options.append(Option("file-fine", "都对"))
    options += [
        Option("file-export", "给我一份"),
        Option("erase", "全部删除"),
        Option("file-readers", "谁看过"),
    ]
    return "\n".join(lines), tuple(options)


def line_of(mind: Mind, shown: Shown, number: int, now: datetime) -> str:
    """1 财务人员，辅警王芳6月3日记，依据您的同意，到2027年6月3日."""
    return mind.speech.say(
        "file_own_line" if shown.own else "file_line",
        i=number,
        name=shown.tag.name,
        who=shown.who,
        day=day_of(shown.held.started_at, now),
        why=shown.why,
        until=until_of(shown.held.expires_at, now),
    )


def item_words(mind: Mind, shown: Shown, now: datetime) -> tuple[str, tuple[Option, ...]]:
    """One tag in full, and what can be done about it."""
    text = mind.speech.say(
        "own_item" if shown.own else "item",
        name=shown.tag.name,
        definition=shown.tag.definition,
        who=shown.who,
        day=day_of(shown.held.started_at, now),
        why=shown.why,
        purposes=purposes_of(shown.tag),
        until=until_of(shown.held.expires_at, now),
    )
    id_ = shown.held.id
    return text, (
        Option(f"tag-correct-{id_}", "要改"),
        Option(f"tag-delete-{id_}", "删掉"),
        Option(f"tag-object-{id_}", "不同意记"),
        Option("file", "回到清单"),
    )


def purposes_of(tag: Tag) -> str:
    return "、".join(PURPOSES[purpose] for purpose in tag.purposes)


def until_of(expires_at: datetime | None, now: datetime) -> str:
    return f"到{day_of(expires_at, now)}" if expires_at else "长期，两年问一次"


def life_of(tag: Tag) -> str:
    """How long a tag that is noted now will stand."""
    return f"{tag.expires_days} 天后自动删" if tag.expires_days else "长期，两年问一次"


def day_of(moment: datetime, now: datetime) -> str:
    """6月3日, with its year where that is not this one."""
    local = moment.astimezone(LOCAL)
    year = "" if local.year == now.astimezone(LOCAL).year else f"{local.year}年"
    return f"{year}{local.month}月{local.day}日"
