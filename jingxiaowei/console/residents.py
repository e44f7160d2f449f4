"""居民: the register, and one person's file. Looking takes a reason, which is recorded."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from aiohttp import web

from jingxiaowei.console.pages import ROOT, officer_of, render
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.files_rights import ALLOWED, Act
from jingxiaowei.services.notes import NoteRefusedError, require_line
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.register import Sought
from jingxiaowei.services.residents_words import GROUNDS, OFFICERS_GROUNDS, PURPOSES
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.tagging_values import TagRefusedError

_OTHER, _FIELD, _REASON = "other", 60, 60
# Looking again after a step of one's own.
AGAIN = "again"
_LOOKS = dict(PURPOSES) | {AGAIN: "办完回看"}
SAID = {
    "noted": "记下了。",
    "proposed": "已提请，等民警确认。",
    "already": "已经记过了。",
    "ended": "去掉了。",
    "renewed": "保留了，到期日往后算。",
    "confirmed": "记下了。",
    "declined": "标为不合适，半年内不再提。",
}


class ResidentPages:
    """Looks only; steps are taken by :mod:`.tag_steps`."""

    def __init__(self, desk: DeskHouse) -> None:
        self._desk = desk

    async def list(self, request: web.Request) -> web.Response:
        """Who came last."""
        return await self._list(request, Sought(), "", "")

    async def search(self, request: web.Request) -> web.Response:
        """By phone, tag or area; posted, so that no address and no log of a proxy holds it."""
        form = await request.post()
        sought = Sought(*(str(form.get(name, "")).strip()[:_FIELD] for name in _FIELDS))
        code = str(form.get("for", ""))
        if not sought:
            return await self._list(request, sought, code, "写电话，或者选标签、辖区，再查。", 400)
        if code not in PURPOSES:
            return await self._list(request, sought, "", "先选为了什么事查。", 400)
        return await self._list(request, sought, code)

    async def _list(
        self,
        request: web.Request,
        sought: Sought,
        code: str,
        fault: str = "",
        status: int = 200,
    ) -> web.Response:
        officer, now = officer_of(request), datetime.now(UTC)
        page = None
        if not fault:
            try:
                reason = PURPOSES.get(code, "")
                page = await self._desk.register.find(officer, sought, reason, now)
            except TagRefusedError as refusal:
                fault, status = str(refusal), 400
            except PermissionDeniedError as refusal:
                if Act.SEARCH not in ALLOWED[officer.role]:
                    raise
                fault, status = str(refusal), 403
        context = {
            "page": page,
            "sought": sought,
            "code": code,
            "fault": fault,
            "areas": await self._desk.register.areas(),
            "groups": self._desk.taxonomy.groups,
            "purposes": PURPOSES,
            "careful": Act.SEARCH_CAREFUL in ALLOWED[officer.role],
        }
        return render(request, "residents.html", context, status)

    async def file(self, request: web.Request) -> web.Response:
        """一人一档; without a reason in the address, the question what for."""
        code = request.query.get("for", "")
        if code not in _LOOKS:
            return self._gate(request)
        said = SAID.get(request.query.get("said", ""), "")
        return await show_file(self._desk, request, code, said=said)

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """The gate's answer: a reason of the list stands in the address, own words do not."""
        form = await request.post()
        code = str(form.get("for", ""))
        if code in PURPOSES:
            raise web.HTTPSeeOther(f"{ROOT}/residents/{resident_id(request)}?for={code}")
        try:
            reason = reason_of(form)
        except NoteRefusedError as refusal:
            return self._gate(request, str(refusal), 400)
        return await show_file(self._desk, request, AGAIN, reason=reason)

    def _gate(self, request: web.Request, fault: str = "", status: int = 200) -> web.Response:
        if Act.VIEW not in ALLOWED[officer_of(request).role]:
            raise PermissionDeniedError("居民档案由民警、辅警看。")
        context = {"id": resident_id(request), "fault": fault, "purposes": PURPOSES}
        return render(request, "resident_gate.html", context, status)

    async def open(self, request: web.Request) -> web.Response:
        """看受保护标签, or 看原文 and contact: with a reason of its own."""
        form = await request.post()
        what = str(form.get("what", ""))
        code = code_of(form)
        try:
            reason = reason_of(form)
        except NoteRefusedError as refusal:
            return await show_file(self._desk, request, code, fault=str(refusal), status=400)
        return await show_file(
            self._desk,
            request,
            code,
            reason=reason,
            careful=what == "careful",
            original=what == "original",
        )


_FIELDS = ("phone", "tag", "area")


async def show_file(
    desk: DeskHouse,
    request: web.Request,
    code: str,
    *,
    said: str = "",
    fault: str = "",
    reason: str = "",
    careful: bool = False,
    original: bool = False,
    status: int = 200,
    **more: object,
) -> web.Response:
    """A file's page, with what is to be said about the step that led to it."""
    officer, now = officer_of(request), datetime.now(UTC)
    day = _day(request.query.get("as_of", ""))
    dossier = await desk.dossiers.read(
        officer,
        resident_id(request),
        reason or _LOOKS[code],
        now,
        careful=careful,
        original=original,
        as_of=day,
    )
    context = {
        "file": dossier,
        "code": code,
        "said": said,
        "fault": fault,
        "may": may(officer),
        "purposes": PURPOSES,
        "grounds": [(ground.value, GROUNDS[ground]) for ground in OFFICERS_GROUNDS],
        "yesterday": datetime.now(LOCAL).date(),
    }
    return render(request, "resident.html", context | more, status)


def resident_id(request: web.Request) -> str:
    return request.match_info["id"]


def may(officer: Signed) -> frozenset[str]:
    """What the officer's role may do, for what a page offers; the gate decides by itself."""
    return frozenset(act.value for act in ALLOWED[officer.role])


def code_of(form: Mapping[str, Any]) -> str:
    """The reason's code that a form on the file carries on."""
    code = str(form.get("look", ""))
    return code if code in _LOOKS else AGAIN


def reason_of(form: Mapping[str, Any]) -> str:
    """事由: one of the list, or 其他 in words.

    Raises:
        NoteRefusedError: none was chosen, or the words hold what the trail must not.
    """
    code = str(form.get("for", ""))
    if code in PURPOSES:
        return PURPOSES[code]
    if code != _OTHER:
        raise NoteRefusedError("先选为了什么事看。")
    return require_line(str(form.get("other", ""))[:500], _REASON, "选了“其他”，要写明什么事。")


def _day(text: str) -> date | None:
    """A day before today, as a browser's field writes it; anything else is today."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day < datetime.now(LOCAL).date() else None
