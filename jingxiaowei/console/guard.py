"""Who may come in: the session in its cookie, and that a form came from our own page."""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import RequestPayloadError

from jingxiaowei.console.pages import CSRF, OFFICER, ROOT, render
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.alerts_values import AlertConflictError, AlertMissingError
from jingxiaowei.services.questions import QuestionMissingError
from jingxiaowei.services.signins import ABSOLUTE, SignIns
from jingxiaowei.services.tagging_values import TagRefusedError
from jingxiaowei.services.tickets import TicketConflictError, TicketMissingError

COOKIE = "jxw_console"
_MISSING = (AlertMissingError, QuestionMissingError, TicketMissingError)
_CONFLICTS = (AlertConflictError, TagRefusedError, TicketConflictError)
# What reading a form raises where it is no form, or not packed or written as it says.
_UNREADABLE = (ValueError, LookupError, HttpProcessingError, RequestPayloadError)
_OPEN = ("/console/sign-in", "/console/enter", "/console/static/")
_SUBJECT = re.compile(
    rf"{ROOT}/(?:residents/[0-9a-f]{{32}}(?:/tag$|/merge$)?|(?:tickets|alerts)/\d+)"
)
# Fetched by the page itself: no sign of life of the officer's.
_BY_ITSELF = ("/console/log", "/console/events")


class Guard:
    """A middleware's state: knows sessions, makes and checks the forms' tokens."""

    def __init__(self, sign_ins: SignIns, secret: str, secure: bool) -> None:
        self._sign_ins = sign_ins
        self._key = hmac.digest(secret.encode(), b"console csrf", "sha256")
        self._secure = secure

    def middleware(self) -> Middleware:
        """Lets signed-in officers in, and puts refusals into a page."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.method == "POST":
                refused = await _refuse_form(request)
                if refused is not None:
                    return refused
            if not request.path.startswith(_OPEN):
                sent_away = await self._admit(request)
                if sent_away is not None:
                    return sent_away
            try:
                return await handler(request)
            except PermissionDeniedError as refusal:
                return _refusal(request, 403, str(refusal))
            except _MISSING as refusal:
                return _refusal(request, 404, str(refusal))
            except _CONFLICTS as refusal:
                return _refusal(request, 409, str(refusal))
            except web.HTTPNotFound:
                if OFFICER not in request:
                    raise
                return _refusal(request, 404, "没有这一页。请从上面的菜单进。")

        return guard

    async def _admit(self, request: web.Request) -> web.Response | None:
        token = request.cookies.get(COOKIE, "")
        by_hand = not request.path.startswith(_BY_ITSELF)
        now = datetime.now(UTC)
        officer = await self._sign_ins.whose(token, now, by_hand=by_hand) if token else None
        if officer is None:
            if not by_hand:
                return web.Response(status=401, text="登录过期")
            back = quote(request.path_qs if request.method == "GET" else _left(request))
            raise web.HTTPSeeOther(f"{ROOT}/sign-in?expired={int(bool(token))}&next={back}")
        request[OFFICER], request[CSRF] = officer, self.csrf(token)
        if request.method == "POST":
            form = await request.post()
            given = str(form.get("csrf", ""))
            if not hmac.compare_digest(given.encode(errors="replace"), self.csrf(token).encode()):
                return _refusal(request, 403, "页面过期了，这一步没有做。请刷新再试。")
        return None

    def csrf(self, token: str) -> str:
        """The token that this session's forms carry."""
        return hmac.new(self._key, token.encode(errors="replace"), hashlib.sha256).hexdigest()

    def remember(self, response: web.StreamResponse, token: str) -> None:
        """Put the session into the browser's cookie."""
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(ABSOLUTE.total_seconds()),
            path=ROOT,
            httponly=True,
            secure=self._secure,
            samesite="Lax",
        )


async def _refuse_form(request: web.Request) -> web.Response | None:
    """Say no to a form that is not ours or cannot be read; a good one is read, once for all."""
    if not _own_page(request):
        return _refusal(request, 403, "这一步不是从本页来的，没有做。请刷新再试。")
    try:
        await request.post()
    except web.HTTPRequestEntityTooLarge:
        return _refusal(request, 413, "写得太长，没有存。退回上一页，写的还在，缩短再试。")
    except _UNREADABLE:
        return _refusal(request, 400, "没看懂发来的内容，这一步没有做。请刷新再试。")
    return None


def _own_page(request: web.Request) -> bool:
    """Whether a page of ours sent this. A client that says neither is no browser of today."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc == request.host


def _left(request: web.Request) -> str:
    """The page from which a form came, to go back to after signing in."""
    came = urlsplit(request.headers.get("Referer", ""))
    if came.netloc != request.host:
        return ""
    # What a step answers has no address of its own: its subject's page has.
    subject = _SUBJECT.match(came.path)
    if subject and came.path != subject[0]:
        return subject[0]
    if came.path.startswith((f"{ROOT}/requests/", f"{ROOT}/replies/")):
        return f"{ROOT}/work"
    return came.path + (f"?{came.query}" if came.query else "")


def _refusal(request: web.Request, status: int, text: str) -> web.Response:
    heading = "这一步没有做" if request.method == "POST" else "这一页看不了"
    return render(request, "refused.html", {"text": text, "heading": heading}, status)


def safe_path(path: str) -> str:
    """A path inside the console to go on to after signing in, whatever the query says."""
    inside = path.startswith(f"{ROOT}/") and "//" not in path and "\\" not in path
    return path if inside and path.isprintable() else f"{ROOT}/"
