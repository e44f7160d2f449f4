"""The envelope of WeCom's callback: signature, AES and XML, and nothing of what a message means."""

import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from jingxiaowei.errors import BadMessageError, BadSignatureError, SettingsError

_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")

# The envelope is not signed as a whole, so it is matched instead of parsed: one flat <xml> of
# leaves, without attributes, comments, DTD or nesting. The quantifiers are possessive: the time
# is linear in a hostile body, and 3 µs (xmltodict: 18 µs) in an honest one.
_ENVELOPE = re.compile(
    rb"\s*+(?:<\?xml[^<>?]*+\?>\s*+)?<xml>\s*+"
    rb"(?:<(\w++)>[^<]*+(?:<!\[CDATA\[[^<\]]*+\]\]>[^<]*+)?</\1>\s*+)*+"
    rb"</xml>\s*+"
)
_ENCRYPT = re.compile(rb"<Encrypt>\s*+(?:<!\[CDATA\[\s*+)?([^<\]\s]++)")

# A DTD may only stand before the root element, so a text that begins with its root has none, and
# declares no entities: ElementTree (11 µs, xmltodict: 29 µs) has nothing to expand or to fetch.
_ROOT = re.compile(rb"\s*+(?:<\?xml[^<>?]*+\?>\s*+)?<xml>")

# Nearly every message is one flat <xml> of leaves with nothing in them that a parser would have to
# work out: no entity, no markup, no line end or character that XML changes or forbids. Such a one
# is read as it stands, in a quarter of the parser's time; whatever else comes is the parser's.
_PLAIN = r"[^\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff<&\]]*+"
_LEAF = (
    r"<(?P<name>[A-Za-z_][A-Za-z0-9_]*+)>"
    rf"(?:<!\[CDATA\[({_PLAIN})\]\]>|({_PLAIN}))</(?P=name)>[\t\n ]*+"
)
_LEAVES = re.compile(_LEAF)
_FLAT = re.compile(rf"<xml>[\t\n ]*+((?:{_LEAF})++)</xml>[\t\n ]*+")
_RANDOM_BYTES = 16
_LENGTH_BYTES = 4
_PADDING_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Sealed:
    """What stood in a callback that WeCom has signed and encrypted for us.

    Attributes:
        fields: the children of ``<xml>``.
        digest: SHA-256 of the plaintext: the only safe key for events, which carry no id. It is
            also the answer to replays, since a repeated key is dropped.
    """

    plaintext: bytes
    fields: dict[str, Any]
    digest: str


class Codec:
    """Verifies and decrypts callbacks for one token, key and receiver.

    wechatpy holds the key and does the AES; the order of the checks and their strictness are ours,
    because wechatpy parses before it verifies, and leaves padding and lengths unchecked.
    """

    def __init__(self, token: str, aes_key: str, receive_id: str) -> None:
        if not token:
            raise SettingsError("JXW_WECOM_TOKEN is empty: copy the callback's Token into .env")
        if not receive_id:
            raise SettingsError("JXW_WECOM_CORP_ID is empty: copy the 企业ID into .env")
        if not _AES_KEY.fullmatch(aes_key):
            raise SettingsError(
                "JXW_WECOM_AES_KEY is not 43 letters and digits: copy the EncodingAESKey into .env"
            )
        self._token = token.encode()
        self._receive_id = receive_id.encode()
        # Loaded only where a WeCom is connected: it takes as long as all that is ours.
        from wechatpy.work.crypto import PrpCrypto, WeChatCrypto

        self._cipher = PrpCrypto(WeChatCrypto(token, aes_key, receive_id).key).cipher

    def verify_url(self, query: Mapping[str, str]) -> str:
        """The plaintext that WeCom wants to read back when an admin saves the callback's address.

        Raises:
            BadSignatureError: it does not come from WeCom, or not for us.
            BadMessageError: it is signed but cannot be read.
        """
        # Base64 has no spaces: one is a plus that somebody forgot to escape.
        echo = query.get("echostr", "").replace(" ", "+").encode(errors="replace")
        try:
            return self._decrypt(query, echo).decode()
        except UnicodeDecodeError:
            raise BadMessageError("the echo string is not UTF-8") from None

    def open(self, query: Mapping[str, str], body: bytes) -> Sealed:
        """Verify, decrypt and parse one callback.

        Raises:
            BadSignatureError: it does not come from WeCom, or not for us.
            BadMessageError: it is no callback, or signed but cannot be read.
        """
        found = _ENCRYPT.search(body)
        if not found or body.count(b"<Encrypt>") != 1 or not _ENVELOPE.fullmatch(body):
            raise BadMessageError("the callback's body is not an <xml> with exactly one <Encrypt>")
        plaintext = self._decrypt(query, found[1])
        return Sealed(plaintext, _fields(plaintext), hashlib.sha256(plaintext).hexdigest())

    def _decrypt(self, query: Mapping[str, str], encrypted: bytes) -> bytes:
        signed = (
            self._token,
            query.get("timestamp", "").encode(errors="replace"),
            query.get("nonce", "").encode(errors="replace"),
            encrypted,
        )
        expected = hashlib.sha1(b"".join(sorted(signed))).hexdigest()  # noqa: S324 - the protocol's
        given = query.get("msg_signature", "").encode(errors="replace")
        if not hmac.compare_digest(expected.encode(), given):
            raise BadSignatureError("the callback's signature is wrong: compare JXW_WECOM_TOKEN")
        try:
            raw = binascii.a2b_base64(encrypted, strict_mode=True)
        except binascii.Error:
            raise BadMessageError("the callback's ciphertext is not base64") from None
        return self._unpack(raw)

    def _unpack(self, raw: bytes) -> bytes:
        """``16 random bytes | length | message | receiver | padding``, every part checked."""
        padded: bytes
        try:
            padded = self._cipher.decrypt(raw)
        except ValueError:
            padded = b""
        padding = padded[-1] if padded else 0
        content = padded[_RANDOM_BYTES : len(padded) - padding]
        if (
            not 1 <= padding <= _PADDING_BLOCK
            or not padded.endswith(bytes([padding]) * padding)
            or len(content) < _LENGTH_BYTES
        ):
            raise BadSignatureError("the callback cannot be decrypted: compare JXW_WECOM_AES_KEY")
        end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "big")
        if content[end:] != self._receive_id:
            raise BadSignatureError("the callback is for another receiver: see JXW_WECOM_CORP_ID")
        return content[_LENGTH_BYTES:end]


def _fields(plaintext: bytes) -> dict[str, Any]:
    if not _ROOT.match(plaintext):
        raise BadMessageError("the decrypted callback does not begin with <xml>")
    plain = _flat_fields(plaintext)
    if plain is not None:
        return plain
    try:
        # The parser's encoding wins over one that the text declares.
        root = ElementTree.fromstring(plaintext, ElementTree.XMLParser(encoding="utf-8"))  # noqa: S314
        fields = _value(root)
    except (ElementTree.ParseError, RecursionError):
        raise BadMessageError("the decrypted callback is not well-formed XML") from None
    if not isinstance(fields, dict):
        raise BadMessageError("the decrypted callback has no fields")
    return fields


def _flat_fields(plaintext: bytes) -> dict[str, Any] | None:
    """The fields of a plain flat message, exactly as the parser gives them; None for any other."""
    try:
        flat = _FLAT.fullmatch(plaintext.decode())
    except UnicodeDecodeError:
        return None
    if flat is None:
        return None
    leaves = _LEAVES.findall(flat[1])
    fields = {name: (marked or bare).strip() or None for name, marked, bare in leaves}
    return fields if len(fields) == len(leaves) else None


def _value(element: ElementTree.Element) -> Any:
    """A leaf's text or None; a branch's children by name, in a list where a name is repeated."""
    if not len(element):
        return (element.text or "").strip() or None
    children: dict[str, Any] = {}
    for child in element:
        value = _value(child)
        if child.tag not in children:
            children[child.tag] = value
        elif isinstance(children[child.tag], list):
            children[child.tag].append(value)
        else:
            children[child.tag] = [children[child.tag], value]
    return children
