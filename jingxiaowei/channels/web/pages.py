"""Templates, static files and the headers that keep other hosts out."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from jingxiaowei.services.transcript import Line
from jingxiaowei.settings import Settings

PAGES = Path(__file__).parent.parent / "pages"
CHINA = timezone(timedelta(hours=8))
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
_FOLD_AFTER, _FOLD_AT = 600, 300


def page_app(settings: Settings, root: str) -> web.Application:
    """An application that will be mounted under ``root``, with the shared look."""
    app = web.Application()
    env = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(PAGES / "templates"),
        filters={"clock": clock},
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(unit=settings.unit_name, root=root, fold=fold)
    app.on_response_prepare.append(_put_headers)
    app.router.add_static("/static", PAGES / "static")
    return app


async def _put_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    static = isinstance(response, web.FileResponse)
    response.headers["Cache-Control"] = "no-cache" if static else "no-store"


def clock(at: datetime) -> str:
    """When something was said, on China's clock: 10:02, or 6月2日 10:02 on another day."""
    local = at.astimezone(CHINA)
    if local.date() == datetime.now(CHINA).date():
        return f"{local:%H:%M}"
    return f"{local.month}月{local.day}日 {local:%H:%M}"


def fold(text: str) -> tuple[str, str]:
    """A text's beginning, and the rest that is folded away when the text is long."""
    return (text, "") if len(text) <= _FOLD_AFTER else (text[:_FOLD_AT], text[_FOLD_AT:])


def live_number(lines: Sequence[Line]) -> int:
    """The number of the line whose options still count: the newest, if nothing was said since."""
    for line in reversed(lines):
        if line.who == "resident":
            break
        if line.options:
            return line.number
    return 0


def last_number(lines: Sequence[Line]) -> int:
    """The number of the newest line that was not the resident's own."""
    return max((line.number for line in lines if line.who != "resident"), default=0)


def event(request: web.Request, line: Line) -> bytes:
    """A line as a server-sent event: its number, and the HTML that the page takes in as it is."""
    html = aiohttp_jinja2.render_string("line.html", request, {"line": line, "live": True})
    data = "".join(f"data: {row}\n" for row in re.split(r"\r\n|\r|\n", html.strip()))
    return f"id: {line.number}\n{data}\n".encode()
