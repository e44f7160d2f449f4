"""受众: how many an expression finds, where they are, and why somebody is in or out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from jingxiaowei.console.pages import officer_of, render
from jingxiaowei.console.residents import may
from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.errors import AudienceError, PermissionDeniedError
from jingxiaowei.pipeline.audience import Line
from jingxiaowei.services.audiences import OTHERS, SMALLEST, Count
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.files_rights import ALLOWED, Act
from jingxiaowei.services.tagging_values import TagRefusedError

_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class _Bar:
    """A line of a chart; ``share``: of the longest, in percent."""

    name: str
    count: int
    share: int


class AudiencePages:
    def __init__(self, desk: DeskHouse) -> None:
        self._desk = desk

    async def page(self, request: web.Request) -> web.Response:
        """An empty box, and what was saved."""
        return await self._show(request, "")

    async def ask(self, request: web.Request) -> web.Response:
        """看人数, 再按标签大项分, 这位在不在, 存下来: one form, four buttons."""
        form = await request.post()
        text = " ".join(str(form.get("expression", "")).split())[: _LONGEST + 1]
        whom = str(form.get("whom", "")).strip()[:40]
        officer, now = officer_of(request), datetime.now(UTC)
        audiences = self._desk.files.audiences
        what = str(form.get("what", "count"))
        try:
            if what == "explain":
                resident = await self._desk.register.one(officer, whom, "圈人", now)
                holds, lines = await audiences.explain(officer, text, resident, now)
                return await self._show(request, text, whom=whom, holds=holds, lines=lines)
            if what == "save":
                name = str(form.get("name", ""))
                await audiences.save(officer, name, text, now)
                return await self._show(request, text, said=f"存为“{name.strip()}”。")
            grouped = what == "groups"
            count = await audiences.count(officer, text, now, grouped=grouped)
            return await self._show(request, text, count=count, grouped=grouped)
        except AudienceError as error:
            return await self._show(request, text, fault=str(error), at=error.position, status=400)
        except TagRefusedError as refusal:
            return await self._show(request, text, fault=str(refusal), whom=whom, status=400)
        except PermissionDeniedError as refusal:
            if Act.COUNT not in ALLOWED[officer.role]:
                raise
            return await self._show(request, text, fault=str(refusal), status=403)

    async def _show(
        self,
        request: web.Request,
        text: str,
        *,
        fault: str = "",
        at: int | None = None,
        said: str = "",
        count: Count | None = None,
        grouped: bool = False,
        whom: str = "",
        holds: bool | None = None,
        lines: tuple[Line, ...] = (),
        status: int = 200,
    ) -> web.Response:
        officer = officer_of(request)
        areas = await self._desk.register.areas()
        context = {
            "expression": text,
            "fault": fault,
            "at": at,
            "said": said,
            "count": count,
            "charts": _charts(count, areas, self._desk.taxonomy) if count else (),
            "grouped": grouped,
            "smallest": SMALLEST,
            "whom": whom,
            "holds": holds,
            "lines": lines,
            "saved": await self._desk.files.audiences.saved(officer),
            "groups": self._desk.taxonomy.groups,
            "areas": areas,
            "may": may(officer),
        }
        return render(request, "audience.html", context, status)


def _charts(
    count: Count, areas: Mapping[str, str], taxonomy: Taxonomy
) -> tuple[tuple[str, str, tuple[_Bar, ...]], ...]:
    """Caption, what a line is, lines; charts that have none are left out."""
    groups = {group.slug: group.name for group in taxonomy.groups}
    charts = (
        ("按辖区", "辖区", _bars(count.by_area, areas)),
        ("按标签大项（有其中一项，受保护的不算）", "大项", _bars(count.by_group, groups)),
    )
    return tuple(chart for chart in charts if chart[2])


def _bars(counts: Mapping[str, int], names: Mapping[str, str]) -> tuple[_Bar, ...]:
    widest = max(counts.values(), default=1)
    ordered = sorted(counts.items(), key=lambda pair: (pair[0] == OTHERS, -pair[1]))
    return tuple(_Bar(names.get(slug, slug), n, round(100 * n / widest)) for slug, n in ordered)
