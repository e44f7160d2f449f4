"""Templates, static files, the words of small things, and the headers of every page."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web

from jingxiaowei.services.alerts_words import ROLES, waited
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.settings import Settings
from jingxiaowei.store.tables import Role

HERE = Path(__file__).parent
ROOT = "/console"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would then send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
}
# Put there by the guard, for whoever is signed in.
OFFICER = web.RequestKey("officer", Signed)
CSRF = web.RequestKey("csrf", str)
_WEEKDAYS = "一二三四五六日"
_DESK = (
    ("today", "", "今天"),
    ("work", "work", "待办"),
    ("residents", "residents", "居民"),
    ("tickets", "tickets", "工单"),
    ("audience", "audience", "受众"),
    ("tags", "tags", "标签表"),
    ("ask", "ask", "试问"),
)
# The main menu by role: page, path, word. What a role may not see is not offered; the gates
# decide by themselves.
MENU = {
    Role.POLICE: (*_DESK, ("history", "history", "已办结"), ("handover", "handover", "移交")),
    Role.AUXILIARY: _DESK,
    Role.ADMIN: (
        ("today", "", "今天"),
        ("questions", "questions", "未答问题"),
        ("ask", "ask", "试问"),
        ("tags", "tags", "标签表"),
        ("handover", "handover", "移交"),
    ),
    Role.AUDITOR: (("today", "", "今天"), ("trail", "trail", "留痕")),
}


def set_up(app: web.Application, settings: Settings) -> None:
    """Give an application the console's look."""
    env = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        filters={"clock": clock, "since": since, "stamp": stamp, "day": day, "left": left},
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(
        unit=settings.unit_name, root=ROOT, roles=ROLES, menu=MENU, demo=settings.demo
    )
    app.on_response_prepare.append(_put_headers)
    app.router.add_static("/static", HERE / "static")


async def _put_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    static = isinstance(response, web.FileResponse)
    response.headers["Cache-Control"] = "no-cache" if static else "no-store"


def render(
    request: web.Request, template: str, context: dict[str, Any], status: int = 200
) -> web.Response:
    """A whole page, for whoever is signed in."""
    now = datetime.now(UTC)
    local = now.astimezone(LOCAL)
    common = {
        "officer": request.get(OFFICER),
        "csrf": request.get(CSRF, ""),
        "today": f"{local.month}月{local.day}日 周{_WEEKDAYS[local.weekday()]}",
    }
    return aiohttp_jinja2.render_template(template, request, common | context, status=status)


def officer_of(request: web.Request) -> Signed:
    """Who is signed in; the doors let nobody else in."""
    return request[OFFICER]


def clock(at: datetime) -> str:
    """10:02, or 6月2日 10:02 on another day."""
    local = at.astimezone(LOCAL)
    if local.date() == datetime.now(LOCAL).date():
        return f"{local:%H:%M}"
    return f"{local.month}月{local.day}日 {local:%H:%M}"


def since(at: datetime) -> str:
    """How long ago, on a clock."""
    return waited(at, datetime.now(UTC))


def stamp(at: datetime) -> str:
    """For ``datetime`` attributes and the page's clocks."""
    return at.isoformat()


def day(at: datetime) -> str:
    """6月2日, or 2027年6月2日 in another year."""
    local = at.astimezone(LOCAL)
    year = "" if local.year == datetime.now(LOCAL).year else f"{local.year}年"
    return f"{year}{local.month}月{local.day}日"


def left(at: datetime) -> str:
    """还有 12 分, 过了 3 天: how long until something is due, or since it was."""
    seconds = int((at - datetime.now(UTC)).total_seconds())
    minutes = abs(seconds) // 60
    if minutes < 60:
        length = f"{minutes} 分"
    elif minutes < 24 * 60:
        length = f"{minutes // 60} 小时"
    else:
        length = f"{minutes // (24 * 60)} 天"
    return f"还有 {length}" if seconds >= 0 else f"过了 {length}"
