"""移交: an officer's files and open work to another; 标签调整 looked at before it is done."""

import hashlib
from datetime import UTC, datetime

from aiohttp import web

from jingxiaowei.console.pages import ROOT, officer_of, render
from jingxiaowei.errors import AudienceError, PermissionDeniedError
from jingxiaowei.services.alerts_words import ROLES
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.files_rights import ALLOWED, Act
from jingxiaowei.services.handing_over import Handed, OpenWork
from jingxiaowei.services.surgery_files import Proposal
from jingxiaowei.services.surgery_values import Effect, Kind, Plan
from jingxiaowei.services.tagging_values import TagRefusedError
from jingxiaowei.store.tables import Role

KINDS = {
    Kind.RENAME: "改名",
    Kind.MERGE: "合并",
    Kind.SPLIT: "拆分",
    Kind.MOVE: "移组",
    Kind.RETIRE: "停用",
}
COUNTS = {"residents": "居民", "tickets": "工单", "alerts": "预警", "requests": "权利请求"}


class MovingPages:
    def __init__(self, desk: DeskHouse) -> None:
        self._desk = desk

    async def handover(self, request: web.Request) -> web.Response:
        """Who gives, who takes, and what is open."""
        return await self._handover(request)

    async def hand_over(self, request: web.Request) -> web.Response:
        """Do it; the page shows what changed hands, and what the taker has open now."""
        form = await request.post()
        people = await self._desk.colleagues.everybody()
        giver = people.get(_number(str(form.get("giver", ""))))
        taker = people.get(_number(str(form.get("taker", ""))))
        area = str(form.get("area", "")) or None
        if giver is None or taker is None:
            return await self._handover(request, "先选交的人和接的人。", 400)
        if form.get("sure") != "1":
            return await self._handover(request, "先勾上“核对过了”。", 400)
        try:
            handed = await self._desk.files.handing_over.hand_over(
                officer_of(request), giver, taker, datetime.now(UTC), area
            )
        except TagRefusedError as refusal:
            return await self._handover(request, str(refusal), 400)
        return await self._handover(request, handed=handed)

    async def _handover(
        self,
        request: web.Request,
        fault: str = "",
        status: int = 200,
        handed: Handed | None = None,
    ) -> web.Response:
        officer = officer_of(request)
        if Act.HANDOVER not in ALLOWED[officer.role]:
            raise PermissionDeniedError("移交由民警或管理员办。")
        mine: OpenWork | None = None
        if officer.role is Role.POLICE:
            mine = await self._desk.files.handing_over.open_work(officer, datetime.now(UTC))
        form = await request.post()
        context = {
            "people": {
                id_: f"{ROLES[who.role]}{who.name}"
                for id_, who in (await self._desk.colleagues.everybody()).items()
            },
            "areas": await self._desk.register.areas(),
            "mine": mine,
            "handed": handed,
            "kinds": COUNTS,
            "draft": {} if handed else form,
            "fault": fault,
        }
        return render(request, "moving.html", context, status)

    async def surgery(self, request: web.Request) -> web.Response:
        """What an adjustment of the taxonomy would touch."""
        return await self._surgery(request)

    async def preview(self, request: web.Request) -> web.StreamResponse:
        """Count it; looked at, do it. A plan that was changed since is counted again."""
        form = await request.post()
        fields = {name: str(form.get(name, "")).strip()[:500] for name in _FIELDS}
        try:
            plan = Plan(
                Kind(fields["kind"]),
                tuple(fields["sources"].replace("、", " ").replace(",", " ").split()),
                fields["target"],
                fields["expression"],
            )
            surgery, officer, now = self._desk.files.surgery, officer_of(request), datetime.now(UTC)
            effect = await surgery.preview(officer, plan, now)
            seen = _print_of(plan, effect)
            if form.get("seen") == seen:
                write = form.get("files") == "1"
                await surgery.apply(officer, plan, now, write=write)
                raise web.HTTPSeeOther(f"{ROOT}/tags/surgery?said=done")
            proposal = await surgery.proposal(officer, plan)
            if form.get("patch") == "1":
                name = {"Content-Disposition": 'attachment; filename="tags.patch"'}
                return web.Response(text=proposal.patch, content_type="text/x-diff", headers=name)
        except (TagRefusedError, AudienceError) as refusal:
            return await self._surgery(request, fields, str(refusal), 400)
        except ValueError:
            return await self._surgery(request, fields, "先选怎么调整。", 400)
        fault = "情况变了，再看一遍影响。" if form.get("seen") else ""
        return await self._surgery(
            request, fields, fault, effect=effect, seen=seen, proposal=proposal
        )

    async def undo(self, request: web.Request) -> web.StreamResponse:
        """撤销调整."""
        number = int(request.match_info["number"])
        try:
            surgery = self._desk.files.surgery
            whole = await surgery.undo(officer_of(request), number, datetime.now(UTC))
        except TagRefusedError as refusal:
            return await self._surgery(request, fault=str(refusal), status=409)
        said = "undone" if whole else "half_undone"
        raise web.HTTPSeeOther(f"{ROOT}/tags/surgery?said={said}")

    async def _surgery(
        self,
        request: web.Request,
        fields: dict[str, str] | None = None,
        fault: str = "",
        status: int = 200,
        effect: Effect | None = None,
        seen: str = "",
        proposal: Proposal | None = None,
    ) -> web.Response:
        if Act.SURGERY not in ALLOWED[officer_of(request).role]:
            raise PermissionDeniedError("标签体系由管理员调整。")
        context = {
            "kinds": KINDS,
            "fields": fields or dict.fromkeys(_FIELDS, ""),
            "fault": fault,
            "effect": effect,
            "seen": seen,
            "proposal": proposal,
            "said": _SURGERY_SAID.get(request.query.get("said", ""), ""),
            "past": await self._desk.files.surgery.past(officer_of(request)),
        }
        return render(request, "surgery.html", context, status)


_SURGERY_SAID = {
    "done": "调整好了，档案已跟上。错了可以撤销。",
    "undone": "撤销了，之后有人改过的不动。",
    "half_undone": "档案撤销了。tags 文件后来又改过，没有动，请照着改回去。",
}
_FIELDS = ("kind", "sources", "target", "expression")


def _print_of(plan: Plan, effect: Effect) -> str:
    """What was looked at: a plan and its figures."""
    return hashlib.sha256(repr((plan, effect)).encode()).hexdigest()[:32]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0
