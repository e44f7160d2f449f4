"""Whether a tag may be noted on a file: pure, so that one row and 100,000 are judged alike."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rapidfuzz import process

from jingxiaowei.content.model import Library
from jingxiaowei.content.tag_model import Applier, Tag, Taxonomy
from jingxiaowei.services.notes import NoteRefusedError, require_note
from jingxiaowei.services.notices import said_by
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.tagging_values import (
    ConsentNeededError,
    Held,
    Noted,
    Standing,
    TagConflictError,
    TagRefusedError,
)
from jingxiaowei.store.file_tables import ConsentKind, Ground, Minor, TagSource
from jingxiaowei.store.tables import Role

REVIEW_AHEAD = timedelta(days=7)
LASTING_REVIEW = timedelta(days=730)  # 长期: asked every two years
Names = Callable[[int | None], str]


@dataclass(frozen=True, slots=True)
class Ruling:
    """A tag may be noted: as it is, or as a proposal; what it replaces; until when."""

    tag: Tag
    reason: str
    proposal: bool
    replaces: tuple[Held, ...]
    expires_at: datetime | None
    review_at: datetime | None


def find_tag(taxonomy: Taxonomy, word: str) -> Tag:
    """The tag of a slug or a Chinese name.

    Raises:
        TagRefusedError: there is none; names the nearest.
    """
    word = word.strip()
    tag = taxonomy.by_slug.get(word) or taxonomy.by_name(word)
    if tag is not None:
        return tag
    near = process.extractOne(
        word, [t.name for t in taxonomy.by_slug.values()], score_cutoff=50
    ) or process.extractOne(word, list(taxonomy.by_slug), score_cutoff=70)
    hint = f"是不是“{near[0]}”？" if near else "只能用标签表里的。"
    raise TagRefusedError(f"没有“{word}”这个标签，{hint}")


def lives(
    tag: Tag, now: datetime, until: datetime | None = None
) -> tuple[datetime | None, datetime | None]:
    """When a tag that is noted now expires, and when somebody is asked whether it still holds."""
    if tag.expires_days is None and until is None:
        return None, now + LASTING_REVIEW
    expires = until or now + timedelta(days=tag.expires_days or 0)
    return expires, max(expires - REVIEW_AHEAD, now + (expires - now) / 2)


def rule(
    officer: Signed,
    noted: Noted,
    standing: Standing | None,
    library: Library,
    now: datetime,
    known_evidence: Collection[tuple[str, int]],
    names: Names,
) -> Ruling:
    """Judge one row.

    Args:
        known_evidence: resident and message of what is still kept.
        names: an officer's role and name by id, for what is said.

    Raises:
        TagRefusedError: in words that the officer reads.
    """
    if standing is None:
        raise TagRefusedError("没有这位居民。")
    taxonomy = library.taxonomy
    tag = find_tag(taxonomy, noted.tag)
    proposal = _proposal(officer.role, tag)
    require_of_age(standing, tag, taxonomy)
    _require_ground(noted.ground, standing, tag)
    try:
        reason = require_note(noted.reason, library.forbidden)
    except NoteRefusedError as error:
        raise TagRefusedError(str(error)) from None
    rests_on = (standing.resident_id, noted.evidence_id)
    if noted.evidence_id is not None and rests_on not in known_evidence:
        raise TagRefusedError("这条消息已过保存期限，或不是这位居民的，不能作依据。")
    expires, review = _life(tag, noted.expires_at, now)
    held = standing.current.get(tag.slug)
    if held is not None:
        raise TagConflictError(f"{_who(held, names)}已经记过“{tag.name}”。")
    in_the_way = conflicting(standing, tag, taxonomy)
    for each in in_the_way:
        # Who may not see a careful tag is not told of it here, and does not end it.
        if officer.role is not Role.POLICE and _guarded(each, taxonomy):
            raise TagConflictError(f"“{tag.name}”和一项受保护的标签不能同时有，请找民警。")
        if each.tag not in noted.replace:
            name = taxonomy.by_slug[each.tag].name if each.tag in taxonomy.by_slug else each.tag
            raise TagConflictError(
                f"“{tag.name}”和已有的“{name}”（{_who(each, names)}记）只能留一个，要换请选替换。"
            )
    return Ruling(tag, reason, proposal, in_the_way, expires, review)


def conflicting(standing: Standing, tag: Tag, taxonomy: Taxonomy) -> tuple[Held, ...]:
    """What stands on the file and cannot stand beside the tag."""
    others = taxonomy.conflicts(tag.slug)
    return tuple(held for slug, held in standing.current.items() if slug in others)


def _guarded(held: Held, taxonomy: Taxonomy) -> bool:
    known = taxonomy.by_slug.get(held.tag)
    return known is None or known.careful


def require_of_age(standing: Standing, tag: Tag, taxonomy: Taxonomy) -> None:
    """Under 14: no file. 14-17: only the groups that serve them.

    Raises:
        TagRefusedError: in words that the officer reads.
    """
    if standing.minor is Minor.UNDER_14:
        raise TagRefusedError("未满 14 周岁不建档，不记标签。")
    if standing.minor is Minor.TEEN and not tag.minors:
        raise TagRefusedError("14 到 17 周岁只记办事需求和沟通偏好。")


def _proposal(role: Role, tag: Tag) -> bool:
    """Whether the officer may only propose it."""
    if not {Applier.POLICE, Applier.AUXILIARY} & set(tag.applied_by):
        whose = "系统自动记" if Applier.SYSTEM in tag.applied_by else "居民本人选"
        raise TagRefusedError(f"“{tag.name}”由{whose}，这里不记。")
    if role is Role.POLICE:
        return False
    if role is Role.AUXILIARY:
        return tag.careful or Applier.AUXILIARY not in tag.applied_by
    raise TagRefusedError("这个账号不记标签。")


def _require_ground(ground: Ground, standing: Standing, tag: Tag) -> None:
    if ground is Ground.OWN_CHOICE:
        raise TagRefusedError("“本人自选”要居民自己选。")
    if ground is not Ground.CONSENT:
        return
    require_consent(standing, tag)


def require_consent(standing: Standing, tag: Tag) -> None:
    """The resident's consent to tags, and for a careful one the separate consent.

    Raises:
        ConsentNeededError: it was not given, or was taken back.
    """
    if not standing.consents.get(ConsentKind.TAGS):
        refused = ConsentKind.TAGS in standing.consents
        said = "本人不同意记标签" if refused else "还没征得本人同意"
        raise ConsentNeededError(f"{said}。属于法定职责或紧急情况的，把依据选成那一项。")
    if tag.careful and not standing.consents.get(ConsentKind.CAREFUL):
        raise ConsentNeededError(f"“{tag.name}”较私密，要本人单独同意。")


def _life(
    tag: Tag, until: datetime | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    if until is not None:
        if until <= now:
            raise TagRefusedError("到期要在今天以后。")
        if tag.expires_days is not None and until > now + timedelta(days=tag.expires_days + 1):
            raise TagRefusedError(f"“{tag.name}”最长 {tag.expires_days} 天。")
    return lives(tag, now, until)


def _who(held: Held, names: Names) -> str:
    when = held.started_at.astimezone(LOCAL)
    if held.source is TagSource.RESIDENT:
        who = "居民本人"
    else:
        who = names(held.confirmed_by or held.officer_id)
    return f"{who} {when.month}月{when.day}日 {when:%H:%M} "


def names_of(people: Mapping[int, Signed]) -> Names:
    """Role and name by an officer's id."""

    def name(officer: int | None) -> str:
        who = people.get(officer) if officer is not None else None
        return said_by(who.role, who.name) if who else "系统"

    return name
