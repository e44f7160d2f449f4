"""试问: a text tried out, and why it is answered as it is."""

from aiohttp import web

from jingxiaowei.console.pages import officer_of, render
from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.trial import LONGEST, try_out
from jingxiaowei.store.tables import Role


class TrialPages:
    def __init__(self, content: ContentAndMind) -> None:
        self._content = content

    async def page(self, request: web.Request) -> web.Response:
        """An empty box."""
        return _show(request, "")

    async def ask(self, request: web.Request) -> web.Response:
        """The reply and its reasons. By post: what somebody asked belongs into no address."""
        text = str((await request.post()).get("text", "")).strip().replace("\r\n", "\n")
        if not text:
            return _show(request, "", "写一句居民会问的话。", 400)
        if len(text) > LONGEST:
            return _show(request, text[:LONGEST], f"太长了，最多 {LONGEST} 字。", 400)
        _require(request)
        trial = try_out(self._content.mind, text)
        widest = max([one.loss for one in trial.why.counted] if trial.why else [], default=0.0)
        context = {"text": text, "trial": trial, "widest": widest, "longest": LONGEST}
        return render(request, "trial.html", context)


def _show(request: web.Request, text: str, fault: str = "", status: int = 200) -> web.Response:
    _require(request)
    context = {"text": text, "trial": None, "fault": fault, "longest": LONGEST}
    return render(request, "trial.html", context, status)


def _require(request: web.Request) -> None:
    if officer_of(request).role is Role.AUDITOR:
        raise PermissionDeniedError("试问给民警、辅警和管理员用。")
