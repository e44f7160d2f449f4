"""待办 and 工单: what waits, and steps with a ticket."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from aiohttp import web

from jingxiaowei.console.pages import ROOT, officer_of, render
from jingxiaowei.console.residents import SAID, may
from jingxiaowei.errors import JingxiaoweiError, PermissionDeniedError
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.notes import NoteRefusedError
from jingxiaowei.services.replies import CHARACTERS, Draft, ReplyError
from jingxiaowei.services.requests import WORDS
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.services.tickets import NOTE_CHARACTERS, TicketConflictError

_ANSWER = 2 * CHARACTERS  # longer is refused in words, not cut
_TICKET_SAID = {
    "claimed": "我已认领。",
    "released": "已放回。",
    "closed": "办结了。",
    "told": "办结了，答复在发。发不到的会列在待办里。",
}
# What a step with a ticket may meet, and the answer's status.
_FAULTS: Mapping[type[JingxiaoweiError], int] = {
    NoteRefusedError: 400,
    ReplyError: 400,
    PermissionDeniedError: 403,
    TicketConflictError: 409,
}


@dataclass(frozen=True, slots=True)
class _Writing:
    """An answer that is being written: its words, and the message that they make."""

    text: str
    refused: bool = False
    draft: Draft | None = None


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
        writing: Mapping[int, _Writing] = MappingProxyType({}),
    ) -> web.Response:
        officer = officer_of(request)
        context = {
            "work": await self._desk.worklist.waiting(officer, datetime.now(UTC)),
            "said": said,
            "fault": fault,
            "writing": writing,
            "most": CHARACTERS,
            "may": may(officer),
            "kinds": WORDS,
        }
        return render(request, "work.html", context, status)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """答复 a resident's request, or 不能办 with the reason: looked at first, then sent."""
        form = await request.post()
        text, refused = _line(form.get("text")), request.match_info["step"] == "refuse"
        number, officer, now = _number(request), officer_of(request), datetime.now(UTC)
        requests = self._desk.files.requests
        try:
            if not text or _line(form.get("seen")) != text:
                draft = await requests.draft(officer, number, text, now, refused)
                return await self._work(request, writing={number: _Writing(text, refused, draft)})
            draft = await requests.answer(officer, number, text, now, refused)
        except TagRefusedError as refusal:
            status = 409 if isinstance(refusal, TagConflictError) else 400
            return await self._work(request, "", str(refusal), status, {number: _Writing(text)})
        said = "unsent" if draft.barred else "answered"
        raise web.HTTPSeeOther(f"{ROOT}/work?said={said}")

    async def called(self, request: web.Request) -> web.StreamResponse:
        """打过了: a resident whom no message reached."""
        number = _number(request)
        try:
            await self._desk.files.replies.called(officer_of(request), number, datetime.now(UTC))
        except ReplyError as refusal:
            return await self._work(request, "", str(refusal), 409)
        raise web.HTTPSeeOther(f"{ROOT}/work?said=called")

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
        words: str = "",
        draft: Draft | None = None,
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
            "words": words,
            "draft": draft,
            "most_words": CHARACTERS,
        }
        return render(request, "ticket.html", context, status)

    async def step(self, request: web.Request) -> web.StreamResponse:
        """认领, 放回, 办结."""
        step, number = request.match_info["step"], _number(request)
        officer, now = officer_of(request), datetime.now(UTC)
        form = await request.post()
        note = str(form.get("note", ""))[: 2 * NOTE_CHARACTERS]
        words = _line(form.get("words"))
        tickets = self._desk.tickets
        try:
            if step == "claim":
                await tickets.claim(officer, number, now)
                raise web.HTTPSeeOther(f"{ROOT}/tickets/{number}?said=claimed")
            if step == "release":
                await tickets.release(officer, number, now)
                raise web.HTTPSeeOther(f"{ROOT}/tickets?said=released")
            if words and _line(form.get("seen")) != words:
                draft = await tickets.draft(officer, number, words, now)
                return await self._ticket(request, note=note, words=words, draft=draft)
            await tickets.close(officer, number, note, now, words)
        except tuple(_FAULTS) as refusal:
            status = _FAULTS[type(refusal)]
            return await self._ticket(
                request, fault=str(refusal), status=status, note=note, words=words
            )
        raise web.HTTPSeeOther(f"{ROOT}/tickets?said={'told' if words else 'closed'}")


def _line(field: object) -> str:
    """A field in one line: browsers break its lines in their own ways."""
    return " ".join(str(field or "").split())[:_ANSWER]


def _number(request: web.Request) -> int:
    return int(request.match_info["number"])
