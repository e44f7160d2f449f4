"""Doing something with an alert: each step is a form, and works without a script."""

from datetime import UTC, datetime

from aiohttp import web

from jingxiaowei.console.alerts import alert_id, show_alert
from jingxiaowei.console.pages import ROOT, officer_of
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.pipeline.screen.values import Transfer
from jingxiaowei.services.alerts_closing import NOTE_CHARACTERS, Closing
from jingxiaowei.services.alerts_house import AlertHouse
from jingxiaowei.services.alerts_values import AlertConflictError
from jingxiaowei.store.alert_tables import AlertState, AlertVerdict

_MOST_YUAN = 10**10


class AlertSteps:
    def __init__(self, alerts: AlertHouse) -> None:
        self._alerts = alerts

    async def call(self, request: web.Request) -> web.Response:
        """打电话: the number and the 通话提纲."""
        officer, id_ = officer_of(request), alert_id(request)
        try:
            sheet = await self._alerts.desk.call(officer, id_, datetime.now(UTC))
        except AlertConflictError as refusal:
            return await show_alert(self._alerts, request, fault=str(refusal), status=409)
        return await show_alert(self._alerts, request, sheet=sheet)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Any other step, by its name in the address."""
        step = request.match_info["step"]
        try:
            said = await self._take(request, step)
        except AlertConflictError as refusal:
            return await self._refused(request, refusal, 409)
        except PermissionDeniedError as refusal:
            return await self._refused(request, refusal, 403)
        form = await request.post()
        if said == "closed":
            raise web.HTTPSeeOther(f"{ROOT}/?closed={alert_id(request)}")
        if step == "claim" and form.get("from") == "today":
            raise web.HTTPSeeOther(f"{ROOT}/alerts/{alert_id(request)}?said=claimed")
        if step == "verdict":
            raise web.HTTPSeeOther(f"{ROOT}/alerts/{alert_id(request)}/verdict?said={said}")
        raise web.HTTPSeeOther(f"{ROOT}/alerts/{alert_id(request)}?said={said}")

    async def _refused(self, request: web.Request, refusal: Exception, status: int) -> web.Response:
        """The alert's page with the reason on it; what was written stays in the form."""
        form = await request.post()
        draft = {name: str(value) for name, value in form.items() if name != "csrf"}
        return await show_alert(
            self._alerts, request, fault=str(refusal), status=status, draft=draft
        )

    async def _take(self, request: web.Request, step: str) -> str:
        """Do it; the word that the next page tells it by."""
        officer, id_, now = officer_of(request), alert_id(request), datetime.now(UTC)
        form = await request.post()
        desk, closing = self._alerts.desk, self._alerts.closing
        if step == "claim":
            claim = await desk.claim(officer, id_, now)
            if not claim.won:
                raise AlertConflictError(f"刚被{claim.officer}认领。")
            return "claimed"
        if step == "release":
            await desk.release(officer, id_, now)
            return "released"
        if step == "advise":
            barred = await desk.advise(officer, id_, now)
            if barred:
                raise AlertConflictError(barred)
            return "advised"
        if step == "reached":
            await desk.reached(officer, id_, _transfer(str(form.get("transfer", ""))), now)
            return "reached"
        if step == "transfer":
            await desk.set_transfer(officer, id_, _transfer(str(form.get("transfer", ""))), now)
            return "transfer"
        if step == "visit":
            await desk.visit(officer, id_, now)
            return "visited"
        if step == "close":
            state = await closing.close(officer, id_, _closing(form), now)
            return "closed" if state is AlertState.CLOSED else "pending"
        if step == "confirm":
            await closing.confirm_lost(officer, id_, now)
            return "confirmed"
        if step == "decline":
            await closing.decline_lost(officer, id_, now)
            return "declined"
        if step == "reopen":
            await closing.reopen(officer, id_, now)
            return "reopened"
        if step == "detach":
            await closing.detach(officer, id_, now)
            return "detached"
        if step == "verdict":
            verdict = _verdict(str(form.get("verdict", "")))
            await self._alerts.verdicts.send(officer, id_, verdict, now)
            return "told"
        raise web.HTTPNotFound


def _transfer(word: str) -> Transfer:
    try:
        return Transfer(word)
    except ValueError:
        raise AlertConflictError("先选钱转了没有。") from None


def _verdict(word: str) -> AlertVerdict:
    try:
        return AlertVerdict(word)
    except ValueError:
        raise AlertConflictError("先选结论。") from None


def _closing(form: object) -> Closing:
    values = dict(form.items())  # type: ignore[attr-defined]
    return Closing(
        _verdict(str(values.get("verdict", ""))),
        _yuan(str(values.get("prevented", ""))),
        _yuan(str(values.get("loss", ""))),
        str(values.get("note", ""))[:NOTE_CHARACTERS],
    )


def _yuan(text: str) -> int | None:
    """Whole yuan, as written: 50000 or 50,000; empty where nothing is."""
    digits = text.replace(",", "").replace("，", "").strip().removesuffix("元").strip()
    if not digits:
        return None
    if not (digits.isascii() and digits.isdecimal()) or int(digits) > _MOST_YUAN:
        raise AlertConflictError("金额用数字写，单位元，比如 50000。")
    return int(digits)
