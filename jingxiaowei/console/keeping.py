"""For admins and auditors: 未答问题, 标签表, 留痕."""

from datetime import UTC, datetime

from aiohttp import web

from jingxiaowei.console.pages import ROOT, officer_of, render
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.tag_counts import SMALLEST
from jingxiaowei.services.tag_words import APPLIERS, PURPOSE_WORDS
from jingxiaowei.services.trail import SHOWN
from jingxiaowei.services.trail_words import TOPICS
from jingxiaowei.store.tables import QuestionState

_SETTLED = {"done": "标为补好了。", "ignored": "标为不用答。", "new": "放回了。"}


class KeepingPages:
    def __init__(self, desk: DeskHouse) -> None:
        self._desk = desk

    async def questions(self, request: web.Request) -> web.Response:
        """未答问题, the most asked first."""
        settled = request.query.get("settled") == "1"
        context = {
            "questions": await self._desk.questions.missed(officer_of(request), settled),
            "settled": settled,
            "said": _SETTLED.get(request.query.get("said", ""), ""),
        }
        return render(request, "questions.html", context)

    async def settle(self, request: web.Request) -> web.StreamResponse:
        """补好了, 不用答, 放回."""
        state = QuestionState(request.match_info["state"])
        key = request.match_info["key"]
        await self._desk.questions.settle(officer_of(request), key, state, datetime.now(UTC))
        settled = "settled=1&" if state is QuestionState.NEW else ""
        raise web.HTTPSeeOther(f"{ROOT}/questions?{settled}said={state.value}")

    async def tags(self, request: web.Request) -> web.Response:
        """标签表."""
        counts = await self._desk.counts.counts(officer_of(request), datetime.now(UTC))
        context = {
            "taxonomy": self._desk.taxonomy,
            "counts": counts,
            "smallest": SMALLEST,
            "appliers": APPLIERS,
            "uses": PURPOSE_WORDS,
        }
        return render(request, "tags.html", context)

    async def trail(self, request: web.Request) -> web.Response:
        """留痕, the newest first."""
        return await self._trail(request)

    async def verify(self, request: web.Request) -> web.Response:
        """核验: whether any event was changed or removed."""
        broken = await self._desk.trail.verify(officer_of(request))
        if broken is None:
            return await self._trail(request, said="未发现断链。")
        return await self._trail(request, fault=f"第 {broken} 条和前一条接不上，请报告。")

    async def _trail(self, request: web.Request, said: str = "", fault: str = "") -> web.Response:
        topic = request.query.get("topic", "")
        who = _number(request.query.get("who", ""))
        before = _number(request.query.get("before", ""))
        traces = await self._desk.trail.read(officer_of(request), topic, who, before)
        context = {
            "traces": traces,
            "topics": TOPICS,
            "people": await self._desk.trail.people(),
            "topic": topic if topic in TOPICS else "",
            "who": who,
            "before": traces[-1].id if len(traces) == SHOWN else None,
            "said": said,
            "fault": fault,
        }
        return render(request, "trail.html", context)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None
