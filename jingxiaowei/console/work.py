"""待办 and 工单: what waits, and steps with a ticket."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from aiohttp import web

from jingxiaowei.console.pages import ROOT, officer_of, render
from jingxiaowei.console.residents import SAID, may
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.notes import NoteRefusedError
from jingxiaowei.services.requests import WORDS
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.services.tickets import NOTE_CHARACTERS, TicketConflictError

_ANSWER = 1000
_TICKET_SAID = {
    "claimed": "我已认领。",
    "released": "已放回。",
    "closed": "办结了。",
}


class WorkPages:
    def __init__(self, desk: DeskHouse) -> None:
        self._desk = desk

    async def work(self, request: web.Request) -> web.Response:
        """待办."""
        return await self._work(request, SAID.get(request.query.get("said", ""), ""))

    async def _work(
        self,
        request: web.Request,
        said: str = "",
        fault: str = "",
        status: int = 200,
        draft: Mapping[int, str] = MappingProxyType({}),
    ) -> web.Response:
        officer = officer_of(request)
        context = {
            "work": await self._desk.worklist.waiting(officer, datetime.now(UTC)),
            "said": said,
            "fault": fault,
            "draft": draft,
            "may": may(officer),
            "kinds": WORDS,
        }
        return render(request, "work.html", context, status)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """答复 a resident's request, or 不能办 with the reason."""
        form = await request.post()
        text, refused = str(form.get("text", ""))[:_ANSWER], request.match_info["step"] == "refuse"
        number = _number(request)
        try:
            await self._desk.files.requests.answer(
                officer_of(request), number, text, datetime.now(UTC), refused
            )
        except TagRefusedError as refusal:
            status = 409 if isinstance(refusal, TagConflictError) else 400
            return await self._work(request, "", str(refusal), status, {number: text})
        raise web.HTTPSeeOther(f"{ROOT}/work?said=answered")

    async def tickets(self, request: web.Request) -> web.Response:
        """工单, by due time; or those that are done."""
        officer, now = officer_of(request), datetime.now(UTC)
        closed = request.query.get("closed") == "1"
        tickets = self._desk.tickets
        rows = await (tickets.closed if closed else tickets.waiting)(officer, now)
        said = _TICKET_SAID.get(request.query.get("said", ""), "")
        context = {"tickets": rows, "closed": closed, "said": said}
        return render(request, "tickets.html", context)

    async def ticket(self, request: web.Request) -> web.Response:
        """One ticket with its conversation."""
        return await self._ticket(request, _TICKET_SAID.get(request.query.get("said", ""), ""))

    async def _ticket(
        self,
        request: web.Request,
        said: str = "",
        fault: str = "",
        status: int = 200,
        note: str = "",
    ) -> web.Response:
        officer = officer_of(request)
        ticket, lines = await self._desk.tickets.look(officer, _number(request), datetime.now(UTC))
        context = {
            "ticket": ticket,
            "lines": lines,
            "held": ticket.mine or (ticket.state == "claimed" and officer.role == "police"),
            "said": said,
            "fault": fault,
            "note": note,
            "most": NOTE_CHARACTERS,
        }
        return render(request, "ticket.html", context, status)

    async def step(self, request: web.Request) -> web.StreamResponse:
        """认领, 放回, 办结."""
        step, number = request.match_info["step"], _number(request)
        officer, now = officer_of(request), datetime.now(UTC)
        form = await request.post()
        note = str(form.get("note", ""))[: 2 * NOTE_CHARACTERS]
        try:
            if step == "claim":
                await self._desk.tickets.claim(officer, number, now)
                raise web.HTTPSeeOther(f"{ROOT}/tickets/{number}?said=claimed")
            if step == "release":
                await self._desk.tickets.release(officer, number, now)
                raise web.HTTPSeeOther(f"{ROOT}/tickets?said=released")
            await self._desk.tickets.close(officer, number, note, now)
        except TicketConflictError as refusal:
            return await self._ticket(request, fault=str(refusal), status=409, note=note)
        except NoteRefusedError as refusal:
            return await self._ticket(request, fault=str(refusal), status=400, note=note)
        except PermissionDeniedError as refusal:
            return await self._ticket(request, fault=str(refusal), status=403, note=note)
        raise web.HTTPSeeOther(f"{ROOT}/tickets?said=closed")


def _number(request: web.Request) -> int:
    return int(request.match_info["number"])
