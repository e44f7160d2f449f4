"""What is noted of a person beside tags: contact, area, 责任民警, age, and that two are one."""

from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from jingxiaowei.console.pages import ROOT, officer_of, render
from jingxiaowei.console.residents import code_of, resident_id, show_file
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.dossiers import Why
from jingxiaowei.services.files_rights import ALLOWED, Act
from jingxiaowei.services.files_values import Purpose
from jingxiaowei.services.tagging_values import TagConflictError, TagRefusedError
from jingxiaowei.store.file_tables import ContactKind, Minor

_FIELD = 100
_NOTING = Why(Purpose.OTHER, "记资料")
# Why two files are one: a choice, for the trail takes no name and no number.
SAME: Mapping[str, str] = {
    "said": "本人说是同一个人",
    "phone": "号码一样，打电话核对过",
    "met": "当面核对过",
}


class PersonSteps:
    def __init__(self, desk: DeskHouse) -> None:
        self._desk = desk

    async def contact(self, request: web.Request) -> web.StreamResponse:
        """记联系方式, or 去掉 one that was noted wrongly."""
        form = await request.post()
        try:
            kind = ContactKind(str(form.get("kind", "")))
        except ValueError:
            return await self._refused(request, TagRefusedError("先选记哪一样。"))
        value, files = str(form.get("value", ""))[:_FIELD], self._desk.files.files
        officer, whom, now = officer_of(request), resident_id(request), datetime.now(UTC)
        wrong = str(form.get("what", "")) == "remove"
        try:
            if wrong:
                why = str(form.get("why", ""))[:_FIELD]
                await files.remove_contact(officer, whom, kind, value, why, now)
            else:
                await files.note_contact(officer, whom, kind, value, now)
        except TagRefusedError as refusal:
            return await self._refused(request, refusal, contact=value)
        done = "uncontact" if wrong else "contact"
        raise web.HTTPSeeOther(self._file(request, code_of(form), done))

    async def place(self, request: web.Request) -> web.StreamResponse:
        """Into an area, to a responsible officer."""
        form = await request.post()
        area, officer = str(form.get("area", "")), str(form.get("officer", ""))
        try:
            await self._desk.files.files.place(
                officer_of(request),
                resident_id(request),
                datetime.now(UTC),
                area or None,
                int(officer) if officer.isascii() and officer.isdecimal() else None,
            )
        except TagRefusedError as refusal:
            return await self._refused(request, refusal)
        raise web.HTTPSeeOther(self._file(request, code_of(form), "placed"))

    async def minor(self, request: web.Request) -> web.StreamResponse:
        """Under age, or no longer so; what has to go with it goes at once."""
        form = await request.post()
        try:
            minor = Minor(str(form.get("minor", "")))
        except ValueError:
            return await self._refused(request, TagRefusedError("先选是哪一种。"))
        if minor is not Minor.NONE and form.get("sure") != "1":
            return await self._refused(request, TagRefusedError("先勾上“核对过了”。"))
        try:
            await self._desk.files.minors.note(
                officer_of(request), resident_id(request), minor, datetime.now(UTC)
            )
        except TagRefusedError as refusal:
            return await self._refused(request, refusal)
        raise web.HTTPSeeOther(self._file(request, code_of(form), "minor"))

    async def merging(self, request: web.Request) -> web.Response:
        """Which other file, before anything is done."""
        return await self._merging(request)

    async def merge(self, request: web.Request) -> web.StreamResponse:
        """What merging would do; and, looked at, the merging."""
        form = await request.post()
        officer, now = officer_of(request), datetime.now(UTC)
        kept, whom = resident_id(request), str(form.get("whom", "")).strip()[:_FIELD]
        merging, why = self._desk.files.merging, str(form.get("why", ""))
        try:
            gone = await self._desk.register.one(officer, whom, "合并", now)
            if form.get("seen") == gone and why in SAME:
                await merging.merge(officer, kept, gone, SAME[why], now)
                raise web.HTTPSeeOther(self._file(request, code_of(form), "merged"))
            together = await merging.preview(officer, kept, gone, now)
        except TagRefusedError as refusal:
            status = 409 if isinstance(refusal, TagConflictError) else 400
            return await self._merging(request, str(refusal), status, whom=whom)
        fault = "先选怎么知道是同一个人。" if form.get("seen") == gone else ""
        labels = await self._desk.register.labels([kept, gone])
        return await self._merging(
            request,
            fault,
            400 if fault else 200,
            whom=whom,
            gone=gone,
            together=together,
            labels=labels,
        )

    async def _merging(
        self, request: web.Request, fault: str = "", status: int = 200, **more: object
    ) -> web.Response:
        if Act.MERGE not in ALLOWED[officer_of(request).role]:
            raise PermissionDeniedError("合并档案由民警办。")
        form = await request.post()
        context = {
            "id": resident_id(request),
            "code": code_of(form or {"look": request.query.get("for", "")}),
            "fault": fault,
            "reasons": SAME,
        }
        return render(request, "merging.html", context | more, status)

    async def unmerge(self, request: web.Request) -> web.StreamResponse:
        """撤销合并."""
        form = await request.post()
        number = int(request.match_info["number"])
        try:
            await self._desk.files.merging.undo(officer_of(request), number, datetime.now(UTC))
        except TagRefusedError as refusal:
            return await self._refused(request, refusal)
        raise web.HTTPSeeOther(self._file(request, code_of(form), "unmerged"))

    async def _refused(
        self, request: web.Request, refusal: TagRefusedError, **more: object
    ) -> web.Response:
        """The file with the reason on it, and what was typed."""
        form = await request.post()
        status = 409 if isinstance(refusal, TagConflictError) else 400
        return await show_file(
            self._desk,
            request,
            code_of(form),
            why=_NOTING,
            fault=str(refusal),
            status=status,
            draft=more,
        )

    def _file(self, request: web.Request, code: str, said: str) -> str:
        return f"{ROOT}/residents/{resident_id(request)}?for={code}&said={said}"
