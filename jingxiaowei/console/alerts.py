"""Looking at alerts: today's log, one alert, the closed ones."""

from datetime import UTC, datetime

from aiohttp import web

from jingxiaowei.console.pages import officer_of, render
from jingxiaowei.services.alerts_house import AlertHouse
from jingxiaowei.services.alerts_rights import ALLOWED, Act
from jingxiaowei.services.alerts_rows import Row
from jingxiaowei.services.alerts_verdicts import FINDINGS
from jingxiaowei.services.alerts_words import VERDICTS
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.tickets import Tickets
from jingxiaowei.store.alert_tables import AlertVerdict

REASON_CHARACTERS = 100
# What a page says after a step, by the word in its address.
SAID = {
    "claimed": "我已认领。",
    "advised": "劝阻已发出。",
    "reached": "电话结果记下了。",
    "visited": "上门记下了。",
    "released": "已放回，通知下一位。",
    "transfer": "转账情况改了。",
    "pending": "已提请，待民警确认。",
    "confirmed": "已确认。",
    "declined": "已退回。",
    "reopened": "已重新打开。",
    "detached": "已移出同话术。",
    "told": "已告知，看下面的回执。",
}


class AlertPages:
    def __init__(self, alerts: AlertHouse, tickets: Tickets) -> None:
        self._alerts = alerts
        self._tickets = tickets

    async def today(self, request: web.Request) -> web.Response:
        """今天."""
        officer, now = officer_of(request), datetime.now(UTC)
        if Act.LIST not in ALLOWED[officer.role]:
            return render(request, "today.html", {"rows": None, "may": _may(officer)})
        rows = await self._alerts.book.today(officer, now)
        closed = request.query.get("closed", "")
        context = {
            "undo": closed if closed.isascii() and closed.isdecimal() else "",
            "last": await self._alerts.book.last_closed(now) if not rows else None,
            "pressing": await self._tickets.pressing(officer, now),
            "may": _may(officer),
        }
        return render(request, "today.html", _log(rows) | context)

    async def log(self, request: web.Request) -> web.Response:
        """The log alone, for a page that is open already."""
        officer, now = officer_of(request), datetime.now(UTC)
        rows = await self._alerts.book.today(officer, now, glance=True)
        pressing = await self._tickets.pressing(officer, now)
        return render(request, "log.html", _log(rows) | {"pressing": pressing})

    async def review(self, request: web.Request) -> web.Response:
        """One alert."""
        return await show_alert(self._alerts, request, SAID.get(request.query.get("said", ""), ""))

    async def original(self, request: web.Request) -> web.Response:
        """看原文: with a reason, which is recorded."""
        form = await request.post()
        reason = " ".join(str(form.get("reason", "")).split())[:REASON_CHARACTERS]
        if len(reason) < 2:
            return await show_alert(self._alerts, request, fault="看原文要写明事由。", status=400)
        return await show_alert(self._alerts, request, reason=reason)

    async def picture(self, request: web.Request) -> web.Response:
        """原图: as it may be seen, for the reason that the original was opened for."""
        reason = " ".join(request.query.get("for", "").split())[:REASON_CHARACTERS]
        if len(reason) < 2:
            raise web.HTTPBadRequest(text="看原图要写明事由。")
        shown = await self._alerts.pictures.show(
            officer_of(request),
            alert_id(request),
            request.match_info["media"],
            datetime.now(UTC),
            reason,
        )
        return web.Response(body=shown, content_type="image/jpeg")

    async def handover(self, request: web.Request) -> web.Response:
        """110 交接单."""
        sheet = await self._alerts.reviews.handover(
            officer_of(request), alert_id(request), datetime.now(UTC)
        )
        return render(request, "handover.html", {"id": alert_id(request), "sheet": sheet})

    async def recipients(self, request: web.Request) -> web.Response:
        """更正给问过的人: the list before, the receipts after."""
        officer, now, id_ = officer_of(request), datetime.now(UTC), alert_id(request)
        people = await self._alerts.verdicts.recipients(officer, id_, now)
        receipts = await self._alerts.verdicts.receipts(officer, id_, now)
        review = await self._alerts.reviews.review(officer, id_, now)
        said = SAID.get(request.query.get("said", ""), "")
        words = {VERDICTS[verdict]: verdict.value for verdict in FINDINGS}
        context = {
            "people": people,
            "receipts": receipts,
            "row": review.row,
            "said": said,
            "verdict_value": words.get(review.row.verdict, ""),
        }
        return render(request, "verdict.html", context)

    async def history(self, request: web.Request) -> web.Response:
        """已办结."""
        return await self._history(request, "")

    async def search(self, request: web.Request) -> web.Response:
        """By a number; posted, so that no address and no log of a proxy holds it."""
        form = await request.post()
        return await self._history(request, str(form.get("word", "")).strip()[:100])

    async def _history(self, request: web.Request, word: str) -> web.Response:
        officer = officer_of(request)
        rows = await self._alerts.book.history(officer, datetime.now(UTC), word)
        return render(request, "history.html", {"rows": rows, "word": word, "may": _may(officer)})


async def show_alert(
    alerts: AlertHouse,
    request: web.Request,
    said: str = "",
    fault: str = "",
    reason: str = "",
    status: int = 200,
    **more: object,
) -> web.Response:
    """An alert's page, with what is to be said about the step that led to it."""
    officer, now, id_ = officer_of(request), datetime.now(UTC), alert_id(request)
    review = await alerts.reviews.review(officer, id_, now, reason)
    rows = await alerts.book.today(officer, now, glance=True)
    ids = [row.id for row in rows]
    after = ids[ids.index(id_) + 1 :] if id_ in ids else ids
    context = {
        "review": review,
        "reason": reason,
        "row": review.row,
        "next_id": after[0] if after else None,
        "may": _may(officer),
        "verdicts": [(verdict.value, VERDICTS[verdict]) for verdict in AlertVerdict],
        "said": said,
        "fault": fault,
    }
    return render(request, "alert.html", context | more, status)


def alert_id(request: web.Request) -> int:
    return int(request.match_info["id"])


def _log(rows: list[Row]) -> dict[str, object]:
    """The rows, and the one whose button is the filled one: the first that nobody has."""
    first = next((row.id for row in rows if not row.claimed_by), None)
    urgent = [row for row in rows if row.transfer in {"done", "in_progress"}]
    waiting = [row for row in rows if not row.claimed_by]
    return {"rows": rows, "first": first, "urgent": urgent, "waiting": waiting}


def _may(officer: Signed) -> frozenset[str]:
    """What the officer's role may do, for what a page offers; the gate decides by itself."""
    return frozenset(act.value for act in ALLOWED[officer.role])
