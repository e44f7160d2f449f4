"""Encryption at rest: two random keys a database has, wrapped with the operator's secret.

The data key encrypts (AES-256-GCM), the index key hashes what must be found again (HMAC-SHA256,
128 bits). Changing the secret re-wraps the two keys and touches no row; changing the data key is
:mod:`jingxiaowei.services.key_rotation`'s.
"""

import base64
import contextlib
import hashlib
import hmac
import os
from collections.abc import Sequence
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


def unwrap(secrets: Sequence[str], purpose: str, wrapped: bytes) -> bytes:
    """The key again, by whichever of the secrets it is wrapped with.

    Raises:
        StoreError: by none of them: not the secret that this database was made with.
    """
    for secret in secrets:
        with contextlib.suppress(InvalidTag):
            return _wrapper(secret).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], purpose.encode())
    raise StoreError("JXW_SECRET_KEY does not fit this database: use the secret it was made with")


class Cipher:
    """Encrypts and finds. ``purpose`` binds a ciphertext to its column: it opens nowhere else.

    While the data key is being changed there are others beside it, by which values are read too.
    """

    def __init__(self, data_key: bytes, index_key: bytes) -> None:
        self._index_key = index_key
        self.adopt(data_key)

    def adopt(self, data_key: bytes, others: Sequence[bytes] = ()) -> None:
        """Write under a data key from now on, and read under it and others."""
        self._aead = AESGCM(data_key)
        self._others = tuple(AESGCM(key) for key in others)

    def seal_bytes(self, purpose: bytes, data: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._aead.encrypt(nonce, data, purpose)

    def renew(self, purpose: bytes, sealed: bytes) -> bytes | None:
        """A value encrypted under the data key that was under another; nothing where it stands
        under the data key already.

        Raises:
            StoreError: no key opens it.
        """
        with contextlib.suppress(InvalidTag):
            self._aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose)
            return None
        return self.seal_bytes(purpose, self.open_bytes(purpose, sealed))

    def open_bytes(self, purpose: bytes, sealed: bytes) -> bytes:
        """The data again.

        Raises:
            StoreError: the bytes are damaged or belong to another column.
        """
        for aead in (self._aead, *self._others):
            with contextlib.suppress(InvalidTag):
                return aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose)
        raise StoreError("an encrypted value cannot be read: damaged, or moved")

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
