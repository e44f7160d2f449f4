"""How the turn raises suggestions: one statement for many, which needs no look-up before it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    LargeBinary,
    String,
    bindparam,
    func,
    literal,
    select,
    true,
)

from jingxiaowei.services.tagging_rows import CURRENT
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    CONSENT,
    SUGGESTION,
    ConsentKind,
    Ground,
    Minor,
    SuggestionState,
)
from jingxiaowei.store.prepared import Prepared
from jingxiaowei.store.tables import RESIDENT, UTCDateTime


def raising(database: Database) -> Prepared:
    """One INSERT … SELECT that knows by itself what must not be raised."""
    resident = bindparam("resident", type_=String())
    slug = bindparam("slug", type_=String())
    on_file = select(ASSIGNMENT.c.id).where(
        ASSIGNMENT.c.resident_id == resident,
        ASSIGNMENT.c.tag.in_((slug, bindparam("narrower", type_=String()))),
        CURRENT,
    )
    consent = (
        select(CONSENT.c.given)
        .where(CONSENT.c.resident_id == resident, CONSENT.c.kind == literal(ConsentKind.TAGS.value))
        .order_by(CONSENT.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    teens = bindparam("teens", type_=Boolean())
    of_age = (RESIDENT.c.minor == literal(Minor.NONE.value)) | (
        (RESIDENT.c.minor == literal(Minor.TEEN.value)) & teens
    )
    found = select(
        resident,
        slug,
        literal(SuggestionState.OPEN.value),
        bindparam("from_where", type_=String()),
        bindparam("words", type_=LargeBinary()),
        bindparam("message", type_=BigInteger()),
        literal(Ground.CONSENT.value),
        bindparam("at", type_=UTCDateTime()),
    ).where(RESIDENT.c.id == resident, of_age, ~on_file.exists(), func.coalesce(consent, true()))
    put = database.insert(SUGGESTION).from_select(_COLUMNS, found, include_defaults=False)
    return database.prepare(put.on_conflict_do_nothing())


_COLUMNS = (
    "resident_id",
    "tag",
    "state",
    "source",
    "quote",
    "inbox_id",
    "ground",
    "created_at",
)
