"""A name or a phone as a row of the file, for many at once."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.services.files_values import CONTACT as VALUE
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.file_tables import CONTACT_POINT, ContactKind, TagSource

__all__ = ["VALUE", "contact_row", "drop_contact", "phone_key"]


def phone_key(cipher: Cipher, phone: str) -> str:
    """What a phone is found by; digits only, without the country's."""
    return cipher.find("phone", phone)


def contact_row(
    cipher: Cipher,
    resident_id: str,
    kind: ContactKind,
    value: str,
    source: TagSource,
    now: datetime,
) -> dict[str, Any]:
    """A row to insert."""
    return {
        "resident_id": resident_id,
        "kind": kind,
        "value": cipher.seal(VALUE, value),
        "found": phone_key(cipher, value) if kind is ContactKind.PHONE else None,
        "source": source,
        "created_at": now,
    }


async def drop_contact(
    connection: AsyncConnection, cipher: Cipher, resident_id: str, kind: ContactKind, value: str
) -> bool:
    """Remove a value of a kind from a file; whether it was there."""
    rows = await connection.execute(
        select(CONTACT_POINT.c.id, CONTACT_POINT.c.value).where(
            CONTACT_POINT.c.resident_id == resident_id, CONTACT_POINT.c.kind == kind
        )
    )
    ids = [row.id for row in rows if cipher.open(VALUE, row.value) == value]
    if ids:
        await connection.execute(delete(CONTACT_POINT).where(CONTACT_POINT.c.id.in_(ids)))
    return bool(ids)
