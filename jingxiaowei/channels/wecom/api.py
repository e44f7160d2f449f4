"""WeCom's API: the access token, the calls, the media, and what the errors mean for a sender."""

import asyncio
import io
import json as jsonlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp

from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.messages import Outcome, Receipt

TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=3)
MEDIA_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=3, sock_read=10)
ERROR_BYTES = 64 * 1024

UNREACHABLE = -2  # ours: no answer, or one that is not WeCom's
BUSY, RATE, CONCURRENCY = -1, 45009, 45033
TOO_LARGE = 45001
STALE_TOKEN = frozenset({40014, 41001, 42001})

# A person must change something; trying again is useless.
CONFIGURATION = {
    40001: "the secret is wrong: compare JXW_WECOM_SECRET and JXW_WECOM_KF_SECRET",
    40013: "the corp id is wrong: compare JXW_WECOM_CORP_ID",
    48002: "the app may not use this API: allow it in WeCom's console",
    60020: "this machine's address is not among the app's trusted IPs (企业可信IP)",
    95000: "WeCom does not know this 客服账号",
    95012: "微信客服 is not enabled for this corporation",
    95017: "the API switch of 微信客服 is off",
}
_RETRY_AFTER = {RATE: 60.0, CONCURRENCY: 5.0, BUSY: 2.0, UNREACHABLE: 5.0}
_STALE_RETRY_AFTER = 30.0
_DEFAULT_LIFE = 7200

T = TypeVar("T")


class WeComError(JingxiaoweiError):
    """WeCom refused a call (``errcode``, ``errmsg``), or could not be reached (``UNREACHABLE``)."""

    def __init__(self, errcode: int, errmsg: str, api: str) -> None:
        advice = CONFIGURATION.get(errcode, errmsg)
        super().__init__(f"{api} failed with {errcode}: {advice}")
        self.errcode = errcode
        self.errmsg = errmsg
        self.api = api

    @property
    def retryable(self) -> bool:
        """Whether the fault passes by itself: busy, rate, concurrency, network, timeout."""
        return self.errcode in _RETRY_AFTER


class MediaTooLargeError(WeComError):
    """A medium is larger than the caller takes; the rest was not read."""


def receipt(error: WeComError) -> Receipt:
    """What a failed sending attempt came to. WeCom's own text is left out: it may name a person."""
    reason = f"{error.api} failed with {error.errcode}"
    if error.retryable:
        return Receipt(Outcome.RETRY, reason, _RETRY_AFTER[error.errcode])
    if error.errcode in STALE_TOKEN:
        return Receipt(Outcome.RETRY, reason, _STALE_RETRY_AFTER)
    if error.errcode in CONFIGURATION:
        reason += f": {CONFIGURATION[error.errcode]}"
    return Receipt(Outcome.REFUSED, reason)


class WeComApi:
    """Calls WeCom with one app's secret. The token is shared, and fetched by one caller at a time.

    Args:
        base: WeCom's address without ``/cgi-bin``.
        clock: monotonic seconds, for the token's life.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        corp_id: str,
        secret: str,
        clock: Callable[[], float] = time.monotonic,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
    ) -> None:
        self._session = session
        self._base = base.rstrip("/")
        self._corp_id = corp_id
        self._secret = secret
        self._clock = clock
        self._timeout = timeout
        self._token = ""
        self._renew_at = 0.0
        self._renewal: asyncio.Task[str] | None = None

    async def call(self, path: str, json: Mapping[str, Any]) -> dict[str, Any]:
        """POST a JSON object to ``/cgi-bin/{path}``.

        Raises:
            WeComError: WeCom refused, or could not be reached.
        """
        return await self._authorised(
            lambda token: self._json("POST", path, {"access_token": token}, json=json)
        )

    async def get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """GET ``/cgi-bin/{path}``. Raises as ``call``."""
        return await self._authorised(
            lambda token: self._json("GET", path, {**params, "access_token": token})
        )

    async def media(self, media_id: str, limit_bytes: int) -> tuple[bytes, str]:
        """A medium's bytes and its content type.

        Raises:
            MediaTooLargeError: it has more than ``limit_bytes``.
            WeComError: as ``call``.
        """
        return await self._authorised(lambda token: self._download(media_id, limit_bytes, token))

    async def upload_media(
        self, kind: str, filename: str, content: bytes, content_type: str
    ) -> str:
        """Upload a temporary medium (``image``, ``voice``, ``video``, ``file``); its media_id."""

        async def upload(token: str) -> dict[str, Any]:
            form = aiohttp.FormData()
            medium = io.BytesIO(content)
            form.add_field("media", medium, filename=filename, content_type=content_type)
            params = {"access_token": token, "type": kind}
            return await self._json("POST", "media/upload", params, MEDIA_TIMEOUT, data=form)

        media_id = (await self._authorised(upload)).get("media_id")
        if not isinstance(media_id, str):
            raise WeComError(UNREACHABLE, "the answer has no media_id", "media/upload")
        return media_id

    async def _authorised(self, operation: Callable[[str], Awaitable[T]]) -> T:
        """Run with the token; if WeCom no longer knows it, once again with a new one."""
        token = await self._access_token()
        try:
            return await operation(token)
        except WeComError as error:
            if error.errcode not in STALE_TOKEN:
                raise
        return await operation(await self._access_token(stale=token))

    async def _access_token(self, stale: str = "") -> str:
        if self._token not in ("", stale) and self._clock() < self._renew_at:
            return self._token
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(self._renewed)
        return await asyncio.shield(self._renewal)

    async def _renew(self) -> str:
        asked_at = self._clock()
        params = {"corpid": self._corp_id, "corpsecret": self._secret}
        answer = await self._json("GET", "gettoken", params)
        token, life = answer.get("access_token"), answer.get("expires_in", _DEFAULT_LIFE)
        if not token or not isinstance(token, str) or not isinstance(life, int):
            raise WeComError(UNREACHABLE, "the answer has no access token", "gettoken")
        self._token, self._renew_at = token, asked_at + 0.9 * life
        return token

    def _renewed(self, renewal: asyncio.Task[str]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            renewal.exception()  # each caller has it already; nobody may be left to read it

    async def _json(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        within: aiohttp.ClientTimeout | None = None,
        **body: Any,
    ) -> dict[str, Any]:
        async with self._request(method, path, params, within or self._timeout, **body) as answer:
            return self._read(path, answer.status, await answer.read())

    async def _download(self, media_id: str, limit: int, token: str) -> tuple[bytes, str]:
        params = {"access_token": token, "media_id": media_id}
        async with self._request("GET", "media/get", params, MEDIA_TIMEOUT) as answer:
            # An error comes as JSON in place of the bytes; a resident's own file has a name.
            is_error = answer.status != 200 or (
                answer.content_type in ("application/json", "text/plain")
                and "Content-Disposition" not in answer.headers
            )
            limit = ERROR_BYTES if is_error else limit
            content = bytearray()
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > limit:
                    raise MediaTooLargeError(TOO_LARGE, f"more than {limit} bytes", "media/get")
            if is_error:
                self._read("media/get", answer.status, bytes(content))
            return bytes(content), answer.content_type

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        within: aiohttp.ClientTimeout,
        **body: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request. aiohttp's errors may name the address, and so the token: only their type
        goes on. Redirects are not followed, for the same reason.
        """
        if self._session.closed:
            raise WeComError(UNREACHABLE, "the program is stopping", path)
        url = f"{self._base}/cgi-bin/{path}"
        try:
            async with self._session.request(
                method, url, params=params, timeout=within, allow_redirects=False, **body
            ) as answer:
                yield answer
        except (aiohttp.ClientError, OSError) as error:
            raise WeComError(UNREACHABLE, type(error).__name__, path) from None

    def _read(self, path: str, status: int, raw: bytes) -> dict[str, Any]:
        # The standard library's parser, because orjson refuses a whole page for one lone surrogate.
        try:
            answer = jsonlib.loads(raw.decode(errors="replace"))
        except ValueError:
            answer = None
        errcode = answer.get("errcode", 0) if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or not isinstance(errcode, int):
            raise WeComError(UNREACHABLE, f"HTTP {status} without WeCom's JSON", path)
        if errcode != 0:
            raise WeComError(errcode, self._redact(str(answer.get("errmsg", ""))), path)
        if status != 200:
            raise WeComError(UNREACHABLE, f"HTTP {status}", path)
        return answer

    def _redact(self, errmsg: str) -> str:
        for hidden in (self._secret, self._token):
            if hidden:
                errmsg = errmsg.replace(hidden, "…")
        return errmsg[:200]
