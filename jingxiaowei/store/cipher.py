"""Encryption at rest: two random keys a database has, wrapped with the operator's secret.

The data key encrypts (AES-256-GCM), the index key hashes what must be found again (HMAC-SHA256,
128 bits). Changing the secret re-wraps the two keys and touches no row.
"""

import base64
import hashlib
import hmac
import os
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jingxiaowei.errors import StoreError

_NONCE = 12


def _wrapper(secret: str) -> AESGCM:
    derived = HKDF(SHA256(), 32, salt=None, info=b"jingxiaowei key wrap v1").derive(secret.encode())
    return AESGCM(derived)


def new_key() -> bytes:
    return os.urandom(32)


def wrap(secret: str, purpose: str, key: bytes) -> bytes:
    """A key, encrypted with the operator's secret and bound to its purpose."""
    nonce = os.urandom(_NONCE)
    return nonce + _wrapper(secret).encrypt(nonce, key, purpose.encode())


def unwrap(secret: str, purpose: str, wrapped: bytes) -> bytes:
    """The key again.

    Raises:
        StoreError: the secret is not the one that this database was made with.
    """
    try:
        return _wrapper(secret).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], purpose.encode())
    except InvalidTag:
        raise StoreError(
            "JXW_SECRET_KEY does not fit this database: use the secret it was made with"
        ) from None


class Cipher:
    """Encrypts and finds. ``purpose`` binds a ciphertext to its column: it opens nowhere else."""

    def __init__(self, data_key: bytes, index_key: bytes) -> None:
        self._aead = AESGCM(data_key)
        self._index_key = index_key

    def seal_bytes(self, purpose: bytes, data: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._aead.encrypt(nonce, data, purpose)

    def open_bytes(self, purpose: bytes, sealed: bytes) -> bytes:
        """The data again.

        Raises:
            StoreError: the bytes are damaged or belong to another column.
        """
        try:
            return self._aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose)
        except InvalidTag:
            raise StoreError("an encrypted value cannot be read: damaged, or moved") from None

    def seal(self, purpose: bytes, text: str) -> bytes:
        return self.seal_bytes(purpose, text.encode(errors="replace"))

    def open(self, purpose: bytes, sealed: bytes) -> str:
        return self.open_bytes(purpose, sealed).decode()

    def seal_json(self, purpose: bytes, value: object) -> bytes:
        """Anything that JSON can hold, frozen dataclasses included."""
        return self.seal_bytes(purpose, orjson.dumps(value))

    def open_json(self, purpose: bytes, sealed: bytes) -> dict[str, Any]:
        value: dict[str, Any] = orjson.loads(self.open_bytes(purpose, sealed))
        return value

    def find(self, *parts: str) -> str:
        """A keyed hash of the parts, 32 characters of ``[0-9a-f]``: equal parts, equal hash."""
        text = "\0".join(parts).encode(errors="replace")
        return hmac.digest(self._index_key, text, "sha256").hex()[:32]


def token(*parts: object) -> str:
    """An idempotent id from parts: 26 characters of ``[0-9a-z]``, the same at every call."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return base64.b32encode(digest[:16]).decode().rstrip("=").lower()
