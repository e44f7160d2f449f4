"""How a resident's name and phone stand in the file: encrypted, the phone findable by a keyed
hash."""

from datetime import datetime
from typing import Any

from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.file_tables import ContactKind, TagSource

VALUE = b"contact.value"


def phone_key(cipher: Cipher, phone: str) -> str:
    """What a phone is found by; digits only, without the country's."""
    return cipher.find("contact", "phone", phone)


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
