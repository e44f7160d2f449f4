"""A name or a phone as a row of the file, for many at once."""

from datetime import datetime
from typing import Any

from jingxiaowei.services.files_values import CONTACT as VALUE
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.file_tables import ContactKind, TagSource

__all__ = ["VALUE", "contact_row", "phone_key"]


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
