"""The chat page's routes: each hands a message in, or shows what was said."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import aiohttp_jinja2
from aiohttp import web

from jingxiaowei.channels.web.intake import Gate, clean_text, make_enter, make_message
from jingxiaowei.channels.web.pages import clock, last_number, live_number, page_app
from jingxiaowei.channels.web.port import Chat, Exports, Limits, Say
from jingxiaowei.channels.web.rates import Buckets
from jingxiaowei.channels.web.refusals import (
    EXPORT_OVER,
    OTHER_SITE,
    RefusedError,
    json_response,
    not_stored,
)
from jingxiaowei.channels.web.scripts import Scripts
from jingxiaowei.channels.web.sessions import Session, Sessions, same_origin
from jingxiaowei.channels.web.streams import Streams
from jingxiaowei.channels.web.uploads import parse_form, read_body, read_picture
from jingxiaowei.content.tag_model import Tag, TagGroup
from jingxiaowei.errors import StoreError
from jingxiaowei.pipeline.messages import Incoming, MessageKind
from jingxiaowei.services.own_view import purposes_of
from jingxiaowei.services.transcript import Line
from jingxiaowei.settings import Settings

MENU_ID_BYTES = 64
# How long a page that is loaded whole waits for the reply to what led to it.
_WELCOME_SECONDS, _FORM_SECONDS = 1.0, 3.0


def make_chat(
    chat: Chat,
    settings: Settings,
    say: Say,
    limits: Limits | None = None,
    exports: Exports | None = None,
) -> web.Application:
    """The application for ``add_subapp("/chat", …)``; without routes while the page is off.

    Args:
        say: speaks a line of the voice; the page asks for ``rate`` and ``image_bad``.
        exports: hands residents the copy of their data that they asked for in the conversation.
    """
    if not settings.chat_open:
        return web.Application()
    limits = limits or Limits()
    sessions = Sessions(
        settings.secret_key.get_secret_value(),
        secure=not settings.demo,
        former=settings.secret_key_old.get_secret_value(),
    )
    gate = Gate(Buckets(limits.address), say, settings.trusted_proxy)
    door = _Door(chat, sessions, gate, say, limits, exports)
    streams = Streams(chat, sessions, limits)
    app = page_app(settings, "/chat")
    app.router.add_get("", door.page, allow_head=False)
    app.router.add_get("/", _to_page)
    app.router.add_post("/send", door.send)
    app.router.add_post("/images", door.images)
    app.router.add_get(r"/export/{name:[0-9A-Z]{5}\.(?:txt|json)}", door.export, allow_head=False)
    app.router.add_get("/events", streams.events, allow_head=False)
    app.on_shutdown.append(streams.close)
    if settings.demo:
        script_gate = Gate(Buckets(limits.script_address), say, settings.trusted_proxy)
        scripts = Scripts(chat, script_gate, Buckets(limits.script_messages))
        app.router.add_post("/messages", scripts.messages)
    return app


def make_privacy(
    settings: Settings, groups: Callable[[], Sequence[TagGroup]] = tuple
) -> web.Application:
    """The application for ``add_subapp("/privacy", …)``: 个人信息处理规则, open to everybody.

    Args:
        groups: the tag groups of the moment, listed in full.
    """

    async def rules(request: web.Request) -> web.Response:
        listed = [(group.name, [_listed(tag) for tag in group.tags]) for group in groups()]
        count = sum(len(tags) for _, tags in listed)
        context = {"groups": listed, "count": count}
        return aiohttp_jinja2.render_template("privacy.html", request, context)

    app = page_app(settings, "/privacy")
    app.router.add_get("", rules)
    app.router.add_get("/", rules)
    return app


def _listed(tag: Tag) -> str:
    """财务人员（防骗提醒，365 天）."""
    life = f"{tag.expires_days} 天" if tag.expires_days else "到您取消"
    careful = "，较私密" if tag.careful else ""
    return f"{tag.name}（{purposes_of(tag)}，{life}{careful}）"


async def _to_page(_request: web.Request) -> web.Response:
    raise web.HTTPPermanentRedirect("/chat")


class _Door:
    def __init__(
        self,
        chat: Chat,
        sessions: Sessions,
        gate: Gate,
        say: Say,
        limits: Limits,
        exports: Exports | None,
    ) -> None:
        self._chat = chat
        self._exports = exports
        self._sessions = sessions
        self._gate = gate
        self._say = say
        self._texts = Buckets(limits.messages)
        self._pictures = Buckets(limits.pictures)

    async def page(self, request: web.Request) -> web.Response:
        """The page with all that was said. A first visit begins a session and is welcomed."""
        session = self._sessions.of(request)
        try:
            if session.new:
                self._gate.admit(request)
                enter = make_enter(session.sender)
                await self._chat.receive([enter])
                await self._chat.reply_to(enter.message_id, session.sender, _WELCOME_SECONDS)
            lines = await self._chat.history(session.sender)
        except RefusedError as refusal:
            return self._render(request, [], refusal=refusal)
        except StoreError:
            return self._render(request, [], refusal=not_stored())
        response = self._render(request, lines)
        self._sessions.remember(response, session)
        return response

    async def send(self, request: web.Request) -> web.Response:
        """A text, or a tapped option: ``text``, with ``menu_id`` if tapped."""
        session = self._sessions.of(request)
        draft = ""
        try:
            _require_own_page(request)
            form = parse_form(await read_body(request))
            draft, menu_id = form.get("text", ""), form.get("menu_id", "")
            text = clean_text(draft)
            if len(menu_id.encode()) > MENU_ID_BYTES:
                raise RefusedError(400, "这个选项看不懂。请刷新页面再点。")
            self._gate.admit(request, self._texts, session.sender)
            message = make_message(
                session.sender,
                MessageKind.TEXT,
                form.get("message_id", ""),
                text=text,
                menu_id=menu_id,
            )
            return await self._accept(request, session, message)
        except (RefusedError, StoreError) as fault:
            return await self._refuse(request, session, fault, draft)

    async def images(self, request: web.Request) -> web.Response:
        """A picture, as ``image`` of a multipart form."""
        session = self._sessions.of(request)
        try:
            _require_own_page(request)
            self._gate.admit(request, self._pictures, session.sender)
            picture = await read_picture(request, self._say("image_bad"))
            media_id = await self._chat.keep_image(
                session.sender, picture.data, picture.content_type
            )
            message = make_message(
                session.sender, MessageKind.IMAGE, picture.message_id, media_id=media_id
            )
            return await self._accept(request, session, message)
        except (RefusedError, StoreError) as fault:
            return await self._refuse(request, session, fault)

    async def export(self, request: web.Request) -> web.Response:
        """The copy that a resident asked for: for the session that asked, and once."""
        session = self._sessions.of(request)
        try:
            self._gate.admit(request)
            found = None
            if self._exports is not None and not session.new:
                name = request.match_info["name"]
                found = await self._exports.take(session.sender, name, datetime.now(UTC))
            if found is None:
                raise RefusedError(410, EXPORT_OVER)
        except (RefusedError, StoreError) as fault:
            return await self._refuse(request, session, fault)
        return web.Response(
            body=found.data,
            content_type=found.content_type,
            charset="utf-8",
            headers={"Content-Disposition": f'attachment; filename="{found.name}"'},
        )

    async def _accept(
        self, request: web.Request, session: Session, message: Incoming
    ) -> web.Response:
        """Hand a message in, and say so: to the page's script in JSON, to a form with the page."""
        before = [make_enter(session.sender)] if session.new else []
        await self._chat.receive([*before, message])
        if _wants_json(request):
            response = json_response({"clock": clock(message.sent_at), "fresh": session.new})
        else:
            await self._chat.reply_to(message.message_id, session.sender, _FORM_SECONDS)
            response = web.Response(status=303, headers={"Location": "/chat#end"})
        if session.new:
            self._sessions.remember(response, session)
        return response

    async def _refuse(
        self, request: web.Request, session: Session, fault: Exception, draft: str = ""
    ) -> web.Response:
        """Say no: to the page's script in JSON, to a form with the page and what was written."""
        refusal = fault if isinstance(fault, RefusedError) else not_stored()
        if _wants_json(request):
            return refusal.as_json()
        lines: list[Line] = []
        if not session.new:
            with suppress(StoreError):
                lines = await self._chat.history(session.sender)
        return self._render(request, lines, draft, refusal)

    def _render(
        self,
        request: web.Request,
        lines: Sequence[Line],
        draft: str = "",
        refusal: RefusedError | None = None,
    ) -> web.Response:
        context = {
            "lines": lines,
            "live": live_number(lines),
            "after": last_number(lines),
            "draft": draft,
            "refusal": refusal,
        }
        response = aiohttp_jinja2.render_template("chat.html", request, context)
        return refusal.mark(response) if refusal else response


def _require_own_page(request: web.Request) -> None:
    if not same_origin(request):
        raise RefusedError(403, OTHER_SITE)


def _wants_json(request: web.Request) -> bool:
    return "application/json" in request.headers.get("Accept", "")
