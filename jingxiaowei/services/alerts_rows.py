"""An alert as a row of the log: nothing in it names, numbers or identifies anybody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.pipeline.screen.values import Screening, Transfer
from jingxiaowei.services.alerts_text import pieces
from jingxiaowei.services.alerts_values import CONTACT_BODY, EVIDENCE_BODY, screening_from
from jingxiaowei.services.alerts_words import (
    SHAPES,
    STATES,
    TRANSFERS,
    TYPES,
    VERDICTS,
    mask_name,
    money,
)
from jingxiaowei.services.notices import said_by
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.store.alert_tables import ALERT, CONTACT, EVIDENCE
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.tables import AREA

_QUOTE = 28


@dataclass(frozen=True, slots=True)
class Row:
    """An alert in the log."""

    id: int
    state: str
    state_word: str
    transfer: str
    mark: str  # ■ 已转
    title: str  # 冒充老板·约 5 万元
    since: datetime  # what its clock counts from
    quote: str
    who: str  # 陈**·甲公司** or 未留名
    station: str
    claimed_by: str  # 辅警王芳, or empty
    mine: bool
    silence: str  # 沉默，该打电话
    lost_pending: bool
    same: int  # how many tell the same script
    verdict: str = ""
    closed_at: datetime | None = None


def open_evidence(cipher: Cipher, evidence: Any) -> tuple[str, Screening]:
    """A piece of evidence: what was said, and what the screening made of it."""
    body = cipher.open_json(EVIDENCE_BODY, evidence.body)
    return str(body["text"]), screening_from(body["screening"])


async def make_rows(
    connection: AsyncConnection,
    cipher: Cipher,
    officers: Officers,
    found: Sequence[Any],
    officer: Signed,
) -> list[Row]:
    """Rows for alerts, with what stands in other tables about them, a query each for all."""
    if not found:
        return []
    ids = [row.id for row in found]
    people = await officers.names(connection)
    areas = {r.slug: r for r in await connection.execute(select(AREA))}
    contacts = {
        r.alert_id: cipher.open_json(CONTACT_BODY, r.body)
        for r in await connection.execute(select(CONTACT).where(CONTACT.c.alert_id.in_(ids)))
    }
    newest = (
        select(func.max(EVIDENCE.c.id))
        .where(EVIDENCE.c.alert_id.in_(ids))
        .group_by(EVIDENCE.c.alert_id)
    )
    quotes = {
        r.alert_id: _quote(cipher, r)
        for r in await connection.execute(select(EVIDENCE).where(EVIDENCE.c.id.in_(newest)))
    }
    cases = {row.case_id for row in found if row.case_id is not None}
    counts = await connection.execute(
        select(ALERT.c.case_id, func.count().label("n"))
        .where(ALERT.c.case_id.in_(cases))
        .group_by(ALERT.c.case_id)
    )
    same = {r.case_id: r.n for r in counts}
    rows = []
    for row in found:
        claimant = people.get(row.claimed_by)
        rows.append(
            Row(
                row.id,
                row.state.value,
                STATES[row.state],
                row.transfer,
                f"{SHAPES[row.transfer]} {TRANSFERS[row.transfer]}",
                "·".join(filter(None, (TYPES[row.scam_type], money(row.amount)))),
                _since(row),
                quotes.get(row.id, ""),
                _who(contacts.get(row.id, {}), row.forwarded_by is not None),
                areas[row.area].station,
                said_by(claimant.role, claimant.name) if claimant else "",
                row.claimed_by == officer.id,
                ("", "", "该打电话", "该上门")[row.silence],
                row.lost_pending,
                same.get(row.case_id, 1),
                VERDICTS[row.verdict] if row.verdict else "",
                row.closed_at,
            )
        )
    return rows


def _quote(cipher: Cipher, evidence: Any) -> str:
    """The most telling words, veiled and short: what the log quotes."""
    text, screening = open_evidence(cipher, evidence)
    shown = "".join(piece.text for piece in pieces(text, screening)).strip()
    hits = sorted(screening.signals, key=lambda s: s.weight, reverse=True)
    start = 0
    if len(shown) > _QUOTE and hits:
        start = max(0, min(hits[0].start - 6, len(shown) - _QUOTE))
    cut = shown[start : start + _QUOTE].replace("\n", " ")
    return ("…" if start else "") + cut + ("…" if len(shown) > start + _QUOTE else "")


def _since(row: Any) -> datetime:
    """What the clock counts from: the money's going, else the resident's waiting."""
    moment: datetime = row.transfer_at if row.transfer == Transfer.DONE else row.created_at
    return moment


def _who(contact: Mapping[str, str], forwarded: bool) -> str:
    """陈**·甲公**, as far as the resident said."""
    company = contact.get("company", "")
    parts = [mask_name(contact.get("name", "")), company[:2] + "**" if company else ""]
    return "·".join(filter(None, parts)) or ("民警转来" if forwarded else "未留名")
