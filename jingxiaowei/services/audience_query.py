"""圈人 in SQL: an audience's normal form as one query, on both databases.

Tags that must be there are looked up in the index by tag, which holds all that is asked; tags
that must not be are probed for each resident. Children, and residents merged into another, are
never part of an audience.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, exists, not_, or_, select

from jingxiaowei.pipeline.audience import AllOf, AnyOf, Audience, Clause, Test
from jingxiaowei.services.scopes import Scope
from jingxiaowei.store.file_tables import ASSIGNMENT, IS_CURRENT, MERGE, Minor
from jingxiaowei.store.tables import CONVERSATION, IDENTITY, RESIDENT


def residents_of(audience: Audience, scope: Scope, now: datetime) -> Select[tuple[str, str | None]]:
    """Ids and areas of an audience's members within a scope."""
    return residents_where(audience.to_clauses(), scope, now)


def residents_where(clause: Clause, scope: Scope, now: datetime) -> Select[tuple[str, str | None]]:
    """Ids and areas of those for whom a clause holds."""
    merged = exists().where(MERGE.c.gone_id == RESIDENT.c.id, MERGE.c.undone_at.is_(None))
    query = select(RESIDENT.c.id, RESIDENT.c.area).where(
        _condition(clause, now), RESIDENT.c.minor != Minor.UNDER_14.value, ~merged
    )
    return query if scope.everywhere else query.where(RESIDENT.c.area.in_(scope.areas))


def _condition(clause: Clause, now: datetime) -> ColumnElement[bool]:
    match clause:
        case Test():
            return _test(clause, now)
        case AllOf(parts):
            return and_(*(_condition(part, now) for part in parts))
        case AnyOf(parts):
            # Tags of which one is enough are one look into the index.
            tags = [str(p.value) for p in parts if isinstance(p, Test) and _is_tag(p)]
            rest = [p for p in parts if not (isinstance(p, Test) and _is_tag(p))]
            found = [_condition(part, now) for part in rest]
            return or_(*([_has_any(tags, now)] if tags else []), *found)


def _is_tag(test: Test) -> bool:
    return test.kind == "tag" and test.wanted


def _test(test: Test, now: datetime) -> ColumnElement[bool]:
    if _is_tag(test):
        return _has_any([str(test.value)], now)
    if test.kind == "tag":
        return ~exists().where(
            ASSIGNMENT.c.resident_id == RESIDENT.c.id, ASSIGNMENT.c.tag == test.value, _holds(now)
        )
    if test.kind == "area":
        same = RESIDENT.c.area == test.value
        return same if test.wanted else or_(RESIDENT.c.area.is_(None), not_(same))
    since = now - timedelta(days=int(test.value))
    contacted = (
        select(IDENTITY.c.id)
        .join(CONVERSATION, CONVERSATION.c.id == IDENTITY.c.id)
        .where(IDENTITY.c.resident_id == RESIDENT.c.id, CONVERSATION.c.heard_at >= since)
        .exists()
    )
    return contacted if test.wanted else ~contacted


def _has_any(tags: list[str], now: datetime) -> ColumnElement[bool]:
    return RESIDENT.c.id.in_(
        select(ASSIGNMENT.c.resident_id).where(ASSIGNMENT.c.tag.in_(tags), _holds(now))
    )


def _holds(now: datetime) -> ColumnElement[bool]:
    running = or_(ASSIGNMENT.c.expires_at.is_(None), ASSIGNMENT.c.expires_at > now)
    return and_(IS_CURRENT, running)
