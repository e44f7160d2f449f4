"""Who is at the other end: the session in its cookie, the page a form came from, the address."""

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

COOKIE = "jxw_chat"
LIFETIME = 30 * 24 * 3600
_TOKEN_LENGTH = 43  # of token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that talks to us. The token never leaves the cookie; storage sees ``sender``."""

    token: str
    new: bool

    @property
    def sender(self) -> str:
        return hashlib.sha256(self.token.encode()).hexdigest()[:32]


class Sessions:
    """Makes sessions and knows its own again: the cookie carries a token and our seal on it.

    Args:
        former: the secret before this one, whose seals are still known; empty: none.
    """

    def __init__(self, secret: str, secure: bool, former: str = "") -> None:
        secrets_ = (secret, former) if former else (secret,)
        self._keys = [hmac.digest(each.encode(), b"chat session", "sha256") for each in secrets_]
        self._secure = secure

    def of(self, request: web.Request) -> Session:
        """The request's session; a new one for a cookie that is missing or not ours."""
        token, _, seal = request.cookies.get(COOKIE, "").partition(".")
        if len(token) == _TOKEN_LENGTH and any(
            hmac.compare_digest(seal.encode(errors="replace"), _seal(key, token).encode())
            for key in self._keys
        ):
            return Session(token, new=False)
        return Session(secrets.token_urlsafe(32), new=True)

    def remember(self, response: web.StreamResponse, session: Session) -> None:
        """Put the session into the browser's cookie, or give it another month."""
        response.set_cookie(
            COOKIE,
            f"{session.token}.{_seal(self._keys[0], session.token)}",
            max_age=LIFETIME,
            path="/chat",
            httponly=True,
            secure=self._secure,
            samesite="Lax",
        )


def _seal(key: bytes, token: str) -> str:
    return hmac.digest(key, token.encode(errors="replace"), "sha256").hex()


def same_origin(request: web.Request) -> bool | None:
    """Whether our own page sent this; None when the client does not say, as scripts don't."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return None if origin is None else urlsplit(origin).netloc == request.host


def address(request: web.Request, trusted_proxy: bool) -> str:
    """Whom to count a request for: an IPv4 address, or the network of an IPv6 one."""
    peer = request.remote or ""
    if trusted_proxy:
        peer = request.headers.get("X-Forwarded-For", peer).rpartition(",")[2].strip()
    try:
        parsed = ipaddress.ip_address(peer)
    except ValueError:
        return request.remote or ""
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
