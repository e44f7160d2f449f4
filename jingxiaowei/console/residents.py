"""居民: the register, and one person's file. Looking takes a reason, which is recorded."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from aiohttp import web

from jingxiaowei.console.pages import ROOT, officer_of, render
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.dossiers import Why
from jingxiaowei.services.files_rights import ALLOWED, Act
from jingxiaowei.services.files_values import Purpose
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.register import Page, Sought
from jingxiaowei.services.residents_words import (
    CONSENTS,
    CONTACTS,
    GROUNDS,
    MINORS,
    OFFICERS_GROUNDS,
    PURPOSES,
    SOURCES,
)
from jingxiaowei.services.roster import LOCAL
from jingxiaowei.services.tagging_values import TagRefusedError
from jingxiaowei.services.trail_words import act_word
from jingxiaowei.store.tables import Role

_OTHER, _FIELD, _REASON = "other", 60, 200
# Looking again after a step of one's own.
AGAIN = "again"
_LOOKS = dict(PURPOSES) | {AGAIN: "办完回看"}
SAID = {
    "noted": "记下了。",
    "proposed": "已提请，等民警确认。",
    "already": "已经记过了。",
    "ended": "去掉了。",
    "reworded": "依据改好了。原来写的封存，到期清除。",
    "unworded": "依据撤回了，这项标签已列入待复核。",
    "renewed": "保留了，到期日往后算。",
    "confirmed": "记下了。",
    "declined": "标为不合适，半年内不再提。",
    "answered": "答复在发。发不到的会列在下面“需电话联系”里。",
    "unsent": "答复记下了，微信发不出，请打电话告诉本人。",
    "called": "记下了，已电话告知。",
    "contact": "联系方式记下了。",
    "uncontact": "去掉了。留痕里记着谁去掉的、为什么，不记号码。",
    "placed": "改好了。",
    "minor": "记下了。",
    "merged": "合并好了。错了可以撤销。",
    "unmerged": "撤销了，那一份还是单独的。",
}


class ResidentPages:
    """Looks only; steps are taken by :mod:`.tag_steps` and :mod:`.person_steps`."""

    def __init__(self, desk: DeskHouse) -> None:
        self._desk = desk

    async def list(self, request: web.Request) -> web.Response:
        """Who came last."""
        officer = officer_of(request)
        page = await self._desk.register.recent(officer, datetime.now(UTC))
        return await self._list(request, page)

    async def search(self, request: web.Request) -> web.Response:
        """By phone, tag or area; posted, so that no address and no log of a proxy holds it."""
        form = await request.post()
        sought = Sought(*(str(form.get(name, "")).strip()[:_FIELD] for name in _FIELDS))
        code = str(form.get("for", ""))
        if code not in PURPOSES:
            return await self._list(request, None, sought, "", "先选为了什么事查。", 400)
        why, now = _why(code), datetime.now(UTC)
        officer = officer_of(request)
        try:
            page = await self._desk.register.find(officer, sought, why.purpose, why.note, now)
        except TagRefusedError as refusal:
            return await self._list(request, None, sought, code, str(refusal), 400)
        except PermissionDeniedError as refusal:
            if Act.SEARCH not in ALLOWED[officer.role]:
                raise
            return await self._list(request, None, sought, code, str(refusal), 403)
        return await self._list(request, page, sought, code)

    async def _list(
        self,
        request: web.Request,
        page: Page | None,
        sought: Sought | None = None,
        code: str = "",
        fault: str = "",
        status: int = 200,
    ) -> web.Response:
        context = {
            "page": page,
            "sought": sought or Sought(),
            "code": code,
            "fault": fault,
            "areas": await self._desk.register.areas(),
            "groups": self._desk.taxonomy.groups,
            "purposes": PURPOSES,
            "careful": Act.SEARCH_CAREFUL in ALLOWED[officer_of(request).role],
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
            return await show_file(self._desk, request, AGAIN, why=why_of(form))
        except TagRefusedError as refusal:
            return self._gate(request, str(refusal), 400)

    def _gate(self, request: web.Request, fault: str = "", status: int = 200) -> web.Response:
        if Act.VIEW not in ALLOWED[officer_of(request).role]:
            raise PermissionDeniedError("居民档案由民警、辅警看。")
        context = {"id": resident_id(request), "fault": fault, "purposes": PURPOSES}
        return render(request, "resident_gate.html", context, status)

    async def careful(self, request: web.Request) -> web.Response:
        """看受保护标签: with a reason of its own."""
        form = await request.post()
        code = code_of(form)
        try:
            return await show_file(self._desk, request, code, why=why_of(form), careful=True)
        except TagRefusedError as refusal:
            return await show_file(self._desk, request, code, fault=str(refusal), status=400)

    async def contact(self, request: web.Request) -> web.Response:
        """看全联系方式, to ring somebody up."""
        form = await request.post()
        code, now = code_of(form), datetime.now(UTC)
        try:
            why = why_of(form)
            contacts = await self._desk.files.files.contact(
                officer_of(request), resident_id(request), why.purpose, now, why.note
            )
        except TagRefusedError as refusal:
            return await show_file(self._desk, request, code, fault=str(refusal), status=400)
        return await show_file(self._desk, request, code, why=why, contacts=contacts)

    async def notes(self, request: web.Request) -> web.Response:
        """看改过的依据: what stood beside the tags before, for a reason."""
        form = await request.post()
        try:
            why = why_of(form)
            former = await self._desk.files.notes.former(
                officer_of(request), resident_id(request), why.purpose, datetime.now(UTC), why.note
            )
        except TagRefusedError as refusal:
            return await show_file(
                self._desk, request, code_of(form), fault=str(refusal), status=400
            )
        context = {"id": resident_id(request), "former": former}
        return render(request, "former_notes.html", context)

    async def original(self, request: web.Request) -> web.Response:
        """看原文: one message, for a reason."""
        form = await request.post()
        number = int(request.match_info["number"])
        text, fault = "", ""
        if request.method == "POST":
            try:
                why = why_of(form)
                text = await self._desk.files.files.original(
                    officer_of(request), number, why.purpose, datetime.now(UTC), why.note
                )
            except TagRefusedError as refusal:
                fault = str(refusal)
        elif Act.ORIGINAL not in ALLOWED[officer_of(request).role]:
            raise PermissionDeniedError("居民档案由民警、辅警看。")
        context = {
            "id": resident_id(request),
            "number": number,
            "text": text,
            "fault": fault,
            "purposes": PURPOSES,
        }
        return render(request, "original.html", context, 400 if fault else 200)


_FIELDS = ("phone", "tag", "area")


async def show_file(
    desk: DeskHouse,
    request: web.Request,
    code: str,
    *,
    said: str = "",
    fault: str = "",
    why: Why | None = None,
    careful: bool = False,
    status: int = 200,
    **more: object,
) -> web.Response:
    """A file's page, with what is to be said about the step that led to it."""
    officer, now = officer_of(request), datetime.now(UTC)
    view = await desk.dossiers.read(
        officer,
        resident_id(request),
        why or _why(code),
        now,
        careful=careful,
        as_of=_day(request.query.get("as_of", "")),
    )
    dossier = view.dossier
    context: dict[str, Any] = {
        "view": view,
        "file": dossier,
        "contacts": dossier.contacts,
        "code": code,
        "said": said,
        "fault": fault,
        "may": may(officer),
        "purposes": PURPOSES,
        "grounds": [(ground.value, GROUNDS[ground]) for ground in OFFICERS_GROUNDS],
        "today_date": now.astimezone(LOCAL).date(),
        "words": {
            "consents": CONSENTS,
            "contacts": CONTACTS,
            "grounds": GROUNDS,
            "minors": MINORS,
            "sources": SOURCES,
        },
        "act_word": act_word,
    }
    if Act.PLACE in ALLOWED[officer.role]:
        people = await desk.colleagues.everybody()
        context["areas"] = await desk.register.areas()
        context["police"] = {id_: p.name for id_, p in people.items() if p.role is Role.POLICE}
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


def why_of(form: Mapping[str, Any]) -> Why:
    """事由: one of the list, or 其他 in words.

    Raises:
        TagRefusedError: none was chosen.
    """
    code = str(form.get("for", ""))
    if code in PURPOSES:
        return _why(code)
    if code != _OTHER:
        raise TagRefusedError("先选为了什么事看。")
    return Why(Purpose.OTHER, str(form.get("other", ""))[:_REASON])


def _why(code: str) -> Why:
    """A reason by its code: the purposes of the trail, or one of ours as 其他."""
    word = _LOOKS[code]
    known = {purpose.value: purpose for purpose in Purpose}
    return Why(known[word]) if word in known else Why(Purpose.OTHER, word)


def _day(text: str) -> date | None:
    """A day before today, as a browser's field writes it; anything else is today."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day < datetime.now(LOCAL).date() else None
