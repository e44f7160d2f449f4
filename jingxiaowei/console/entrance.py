"""Signing in and out."""

from datetime import UTC, datetime

from aiohttp import web

from jingxiaowei.console.guard import COOKIE, Guard, safe_path
from jingxiaowei.console.pages import ROOT, render
from jingxiaowei.services.signins import FAILURES, SignIns

_FIELD = 200  # characters; longer is no account and no password of ours


class Entrance:
    def __init__(self, sign_ins: SignIns, guard: Guard) -> None:
        self._sign_ins = sign_ins
        self._guard = guard

    async def page(self, request: web.Request) -> web.Response:
        """账号 and 密码."""
        expired = request.query.get("expired") == "1"
        fault = "登录过期，登录后接着办。" if expired else ""
        return self._show(request, fault, request.query.get("next", ""))

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        account = str(form.get("account", ""))[:_FIELD].strip()
        password = str(form.get("password", ""))[:_FIELD]
        onward = str(form.get("next", ""))
        attempt = await self._sign_ins.sign_in(account, password, datetime.now(UTC))
        if attempt.token:
            return self._in(attempt.token, safe_path(onward))
        if attempt.locked_minutes:
            fault = f"连错 {FAILURES} 次，{attempt.locked_minutes} 分钟后再试。"
        else:
            fault = "账号或密码不对。"
        return self._show(request, fault, onward, account, status=401)

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """A one-time link, as the demo prints it."""
        code = request.query.get("code", "")
        token = await self._sign_ins.enter(code, datetime.now(UTC))
        if token:
            return self._in(token, f"{ROOT}/")
        return self._show(request, "这个链接用过了，或者过期了。请用账号登录。", status=401)

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        await self._sign_ins.sign_out(request.cookies.get(COOKIE, ""))
        response = web.Response(status=303, headers={"Location": f"{ROOT}/sign-in"})
        response.del_cookie(COOKIE, path=ROOT)
        return response

    def _in(self, token: str, onward: str) -> web.Response:
        response = web.Response(status=303, headers={"Location": onward})
        self._guard.remember(response, token)
        return response

    def _show(
        self,
        request: web.Request,
        fault: str,
        onward: str = "",
        account: str = "",
        status: int = 200,
    ) -> web.Response:
        context = {"fault": fault, "next": safe_path(onward), "account": account}
        return render(request, "sign_in.html", context, status)
