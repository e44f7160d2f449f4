"""Tags onto a file and off it, suggestions decided: each step is a form."""

from datetime import UTC, datetime

from aiohttp import web

from jingxiaowei.console.pages import ROOT, officer_of, render
from jingxiaowei.console.residents import code_of, may, resident_id, show_file
from jingxiaowei.content.tag_model import Applier, Tag
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.dossiers import FileView, Why
from jingxiaowei.services.files_rights import ALLOWED, Act
from jingxiaowei.services.files_values import Purpose
from jingxiaowei.services.residents_words import GROUNDS, OFFICERS_GROUNDS
from jingxiaowei.services.tagging_values import Did, TagConflictError, TagRefusedError
from jingxiaowei.store.file_tables import Ended, Ground
from jingxiaowei.store.tables import Role

_SAID = {Did.APPLIED: "noted", Did.PROPOSED: "proposed", Did.ALREADY: "already"}
_WORDS = 200
_NOTING = Why(Purpose.OTHER, "记标签")


class TagSteps:
    def __init__(self, desk: DeskHouse) -> None:
        self._desk = desk

    async def picker(self, request: web.Request) -> web.Response:
        """记一笔: the 102 by group, and what it rests on."""
        return await self._picker(request, code_of({"look": request.query.get("for", "")}))

    async def note(self, request: web.Request) -> web.StreamResponse:
        """Note one tag; what stands in its way is named, with 换成."""
        form = await request.post()
        code, slug = code_of(form), str(form.get("tag", ""))
        tag = self._desk.taxonomy.by_slug.get(slug)
        draft = {name: str(value)[:_WORDS] for name, value in form.items() if name != "csrf"}
        if tag is None:
            return await self._picker(request, code, "先选一个标签。", 400, draft)
        instead = frozenset(filter(None, str(form.get("instead", "")).split(",")))
        try:
            outcome = await self._desk.files.tagging.apply(
                officer_of(request),
                resident_id(request),
                slug,
                draft.get("reason", ""),
                datetime.now(UTC),
                ground=_ground(draft.get("ground", "")),
                replace=instead,
            )
        except TagConflictError as refusal:
            return await self._picker(request, code, str(refusal), 409, draft, tag)
        except TagRefusedError as refusal:
            return await self._picker(request, code, str(refusal), 400, draft)
        said = _SAID[outcome.did]
        raise web.HTTPSeeOther(_file(resident_id(request), code, said))

    async def _picker(
        self,
        request: web.Request,
        code: str,
        fault: str = "",
        status: int = 200,
        draft: dict[str, str] | None = None,
        conflict: Tag | None = None,
    ) -> web.Response:
        officer = officer_of(request)
        if Act.TAG not in ALLOWED[officer.role]:
            raise PermissionDeniedError("标签由民警、辅警记。")
        view = await self._read(request, careful=conflict is not None)
        taxonomy = self._desk.taxonomy
        groups = [
            (group, [tag for tag in group.tags if _applied_here(tag)]) for group in taxonomy.groups
        ]
        in_the_way = _in_the_way(view, taxonomy.conflicts(conflict.slug)) if conflict else {}
        context = {
            "view": view,
            "code": code,
            "fault": fault,
            "draft": draft or {},
            "groups": [(group, tags) for group, tags in groups if tags],
            "held": {line.held.tag for line in view.dossier.tags},
            "proposes": officer.role is Role.AUXILIARY,
            "grounds": [(ground.value, GROUNDS[ground]) for ground in OFFICERS_GROUNDS],
            "conflict": conflict,
            "in_the_way": in_the_way,
            "may": may(officer),
        }
        return render(request, "tag_picker.html", context, status)

    async def end(self, request: web.Request) -> web.StreamResponse:
        """去掉, 更正 or 本人要求."""
        form = await request.post()
        try:
            because = Ended(str(form.get("because", "")))
            await self._desk.files.tagging.end(
                officer_of(request), _number(request), because, datetime.now(UTC)
            )
        except ValueError:
            return await self._refused(request, TagRefusedError("先选为什么去掉。"))
        except TagRefusedError as refusal:
            return await self._refused(request, refusal)
        raise web.HTTPSeeOther(_file(resident_id(request), code_of(form), "ended"))

    async def renew(self, request: web.Request) -> web.StreamResponse:
        """保留: it still holds."""
        form = await request.post()
        reason = str(form.get("reason", ""))[:_WORDS]
        try:
            await self._desk.files.tagging.renew(
                officer_of(request), _number(request), reason, datetime.now(UTC)
            )
        except TagRefusedError as refusal:
            return await self._refused(request, refusal)
        raise web.HTTPSeeOther(_file(resident_id(request), code_of(form), "renewed"))

    async def reword(self, request: web.Request) -> web.StreamResponse:
        """改依据, or with ``what=back`` 撤回."""
        form = await request.post()
        notes, officer, now = self._desk.files.notes, officer_of(request), datetime.now(UTC)
        back = form.get("what") == "back"
        try:
            if back:
                await notes.take_back(officer, _number(request), now)
            else:
                reason = str(form.get("reason", ""))[:_WORDS]
                await notes.correct(officer, _number(request), reason, now)
        except TagRefusedError as refusal:
            return await self._refused(request, refusal)
        said = "unworded" if back else "reworded"
        raise web.HTTPSeeOther(_file(resident_id(request), code_of(form), said))

    async def confirm(self, request: web.Request) -> web.StreamResponse:
        """记下, or for an auxiliary's careful one 提请."""
        form = await request.post()
        ground = str(form.get("ground", ""))
        instead = frozenset(filter(None, str(form.get("instead", "")).split(",")))
        suggestion = int(request.match_info["number"])
        try:
            made = await self._desk.files.suggestions.confirm(
                officer_of(request),
                suggestion,
                datetime.now(UTC),
                ground=_ground(ground) if ground else None,
                replace_tags=instead,
            )
        except TagRefusedError as refusal:
            return await self._refused(request, refusal, suggestion)
        return self._onward(request, code_of(form), "confirmed" if made else "proposed")

    async def decline(self, request: web.Request) -> web.StreamResponse:
        """不合适."""
        form = await request.post()
        try:
            await self._desk.files.suggestions.decline(
                officer_of(request), int(request.match_info["number"]), datetime.now(UTC)
            )
        except TagRefusedError as refusal:
            return await self._refused(request, refusal)
        return self._onward(request, code_of(form), "declined")

    def _onward(self, request: web.Request, code: str, said: str) -> web.StreamResponse:
        """Back to where the tap was: the file, or the list of what waits."""
        if request.query.get("from") == "work":
            raise web.HTTPSeeOther(f"{ROOT}/work?said={said}")
        raise web.HTTPSeeOther(_file(resident_id(request), code, said))

    async def _refused(
        self, request: web.Request, refusal: TagRefusedError, suggestion: int = 0
    ) -> web.Response:
        """The file with the reason on it; beside a suggestion what else it may rest on."""
        form = await request.post()
        status = 409 if isinstance(refusal, TagConflictError) else 400
        view = await self._read(request, careful=suggestion > 0)
        in_the_way: dict[str, str] = {}
        if suggestion and isinstance(refusal, TagConflictError):
            for each in view.suggestions:
                if each.waiting.id == suggestion:
                    others = self._desk.taxonomy.conflicts(each.waiting.tag)
                    in_the_way = _in_the_way(view, others)
        return await show_file(
            self._desk,
            request,
            code_of(form),
            fault=str(refusal),
            careful=view.careful,
            why=_NOTING,
            status=status,
            stuck=suggestion,
            in_the_way=in_the_way,
        )

    async def _read(self, request: web.Request, careful: bool) -> FileView:
        """The file to note something on; with what is careful, for police, where that is needed
        to see what stands in the way."""
        officer = officer_of(request)
        careful = careful and Act.VIEW_CAREFUL in ALLOWED[officer.role]
        return await self._desk.dossiers.read(
            officer, resident_id(request), _NOTING, datetime.now(UTC), careful=careful
        )


def _number(request: web.Request) -> int:
    return int(request.match_info["number"])


def _file(resident: str, code: str, said: str) -> str:
    return f"{ROOT}/residents/{resident}?for={code}&said={said}"


def _ground(word: str) -> Ground:
    try:
        return Ground(word)
    except ValueError:
        return Ground.CONSENT


def _applied_here(tag: Tag) -> bool:
    """Whether police or auxiliaries note it: what residents or the system note is not offered."""
    return bool({Applier.POLICE, Applier.AUXILIARY} & set(tag.applied_by))


def _in_the_way(view: FileView, others: frozenset[str]) -> dict[str, str]:
    """The tags of a file that another would take the place of: names by slug."""
    return {line.held.tag: line.name for line in view.dossier.tags if line.held.tag in others}
