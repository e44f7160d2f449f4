"""The API client against the fake far end: token, retry, errors, media, and no secret let out."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from jingxiaowei.channels.wecom.api import (
    BUSY,
    CONCURRENCY,
    RATE,
    UNREACHABLE,
    MediaTooLargeError,
    WeComApi,
    WeComError,
    receipt,
)
from jingxiaowei.pipeline.messages import Outcome
from tests.fakes import FakeWeCom

Serve = Callable[[web.Application], Awaitable[TestServer]]

STATE = {"open_kfid": "wk1", "external_userid": "wm1"}


@pytest.fixture(autouse=True)
def account(fake: FakeWeCom) -> None:
    fake.customer_says("wk1", "wm1", "你好")


async def test_many_callers_fetch_one_token(fake: FakeWeCom, api: WeComApi) -> None:
    fake.delay_next("gettoken", 0.05)
    answers = await asyncio.gather(*(api.call("kf/service_state/get", STATE) for _ in range(50)))
    assert [answer["service_state"] for answer in answers] == [0] * 50
    assert fake.calls["gettoken"] == 1


async def test_many_callers_share_a_failure(fake: FakeWeCom, api: WeComApi) -> None:
    fake.fail_next("gettoken", 60020)
    calls = (api.call("kf/service_state/get", STATE) for _ in range(20))
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert {error.errcode for error in errors if isinstance(error, WeComError)} == {60020}
    assert fake.calls["gettoken"] == 1
    assert await api.call("kf/service_state/get", STATE)


async def test_a_caller_who_gives_up_does_not_spoil_it_for_the_others(
    fake: FakeWeCom, api: WeComApi
) -> None:
    fake.delay_next("gettoken", 0.1)
    hasty = asyncio.create_task(api.call("kf/service_state/get", STATE))
    patient = asyncio.create_task(api.call("kf/service_state/get", STATE))
    await asyncio.sleep(0.03)
    hasty.cancel()
    assert (await patient)["service_state"] == 0
    assert fake.calls["gettoken"] == 1


async def test_the_token_is_renewed_at_90_percent_of_its_life(
    fake: FakeWeCom, session: aiohttp.ClientSession
) -> None:
    clock = [1000.0]
    api = WeComApi(session, fake.base, fake.corp_id, fake.secret, clock=lambda: clock[0])
    for now, fetched in ((1000.0, 1), (1000.0 + 6479, 1), (1000.0 + 6481, 2), (8000.0, 2)):
        clock[0] = now
        await api.call("kf/service_state/get", STATE)
        assert fake.calls["gettoken"] == fetched


@pytest.mark.parametrize("errcode", [40014, 41001, 42001])
async def test_a_stale_token_is_replaced_once(fake: FakeWeCom, api: WeComApi, errcode: int) -> None:
    fake.fail_next("kf/service_state/get", errcode)
    assert (await api.call("kf/service_state/get", STATE))["errcode"] == 0
    assert fake.calls == {"gettoken": 2, "kf/service_state/get": 2}


async def test_a_token_that_stays_stale_ends_the_call(fake: FakeWeCom, api: WeComApi) -> None:
    fake.fail_next("kf/service_state/get", 40014, times=99)
    with pytest.raises(WeComError) as caught:
        await api.call("kf/service_state/get", STATE)
    assert caught.value.errcode == 40014
    assert fake.calls == {"gettoken": 2, "kf/service_state/get": 2}


async def test_a_revocation_under_load_costs_one_token(fake: FakeWeCom, api: WeComApi) -> None:
    await api.call("kf/service_state/get", STATE)
    fake.revoke_tokens()
    await asyncio.gather(*(api.call("kf/service_state/get", STATE) for _ in range(30)))
    assert fake.calls["gettoken"] == 2


@pytest.mark.parametrize("errcode", [BUSY, RATE, CONCURRENCY])
async def test_passing_faults(fake: FakeWeCom, api: WeComApi, errcode: int) -> None:
    fake.fail_next("kf/service_state/get", errcode)
    with pytest.raises(WeComError) as caught:
        await api.call("kf/service_state/get", STATE)
    assert caught.value.retryable
    assert fake.calls["kf/service_state/get"] == 1
    assert receipt(caught.value).outcome is Outcome.RETRY


async def test_a_wrong_secret_says_what_to_do(
    fake: FakeWeCom, session: aiohttp.ClientSession
) -> None:
    api = WeComApi(session, fake.base, fake.corp_id, "wrong-secret")
    with pytest.raises(WeComError, match="JXW_WECOM_SECRET") as caught:
        await api.call("kf/service_state/get", STATE)
    assert (caught.value.errcode, caught.value.api) == (40001, "gettoken")
    assert not caught.value.retryable
    assert receipt(caught.value).outcome is Outcome.REFUSED


async def test_get(fake: FakeWeCom, api: WeComApi) -> None:
    fake.accounts["wk1"].on_duty = {"zhou": True}
    answer = await api.get("kf/servicer/list", {"open_kfid": "wk1"})
    assert answer["servicer_list"] == [{"userid": "zhou", "status": 0}]


def assert_unreachable(error: WeComError, fake: FakeWeCom) -> None:
    assert error.errcode == UNREACHABLE
    assert error.retryable
    text = "".join(traceback.format_exception(error))
    assert fake.secret not in text
    assert "ACCESS" not in text


async def test_a_cut_connection(
    fake: FakeWeCom, api: WeComApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await api.call("kf/service_state/get", STATE)
    for path in ("gettoken", "kf/service_state/get"):
        fake.revoke_tokens()
        fake.cut_next(path, times=9)
        with pytest.raises(WeComError) as caught:
            await api.call("kf/service_state/get", STATE)
        assert_unreachable(caught.value, fake)
        fake.mend()
    assert fake.secret not in caplog.text
    assert "ACCESS" not in caplog.text


async def test_a_timeout(fake: FakeWeCom, session: aiohttp.ClientSession) -> None:
    patience = aiohttp.ClientTimeout(total=0.05)
    api = WeComApi(session, fake.base, fake.corp_id, fake.secret, timeout=patience)
    fake.delay_next("kf/service_state/get", 0.3)
    with pytest.raises(WeComError) as caught:
        await api.call("kf/service_state/get", STATE)
    assert_unreachable(caught.value, fake)


async def test_nobody_listens(
    fake: FakeWeCom, session: aiohttp.ClientSession, unused_tcp_port: int
) -> None:
    api = WeComApi(session, f"http://127.0.0.1:{unused_tcp_port}", "ww", fake.secret)
    with pytest.raises(WeComError) as caught:
        await api.call("kf/service_state/get", STATE)
    assert_unreachable(caught.value, fake)


async def test_a_closed_session(fake: FakeWeCom) -> None:
    async with aiohttp.ClientSession() as session:
        api = WeComApi(session, fake.base, fake.corp_id, fake.secret)
    with pytest.raises(WeComError, match="stopping"):
        await api.call("kf/service_state/get", STATE)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, "<html>Bad gateway</html>"),
        (200, "<html>Sign in to this hotel's network</html>"),
        (200, "[]"),
        (200, '{"errcode": "none"}'),
        (200, '{"access_token": 5}'),
        (200, "{}"),
        (500, '{"errcode": 0, "access_token": "t"}'),
        (302, ""),
        (200, "\udcff"),
    ],
)
async def test_answers_that_are_not_wecoms(
    session: aiohttp.ClientSession, aiohttp_server: Serve, status: int, body: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        headers = {"Location": "http://127.0.0.1:1/?stolen"} if status == 302 else {}
        raw = body.encode(errors="surrogateescape")
        return web.Response(status=status, body=raw, headers=headers)

    app = web.Application()
    app.router.add_get("/cgi-bin/gettoken", answer)
    base = str((await aiohttp_server(app)).make_url("/"))
    api = WeComApi(session, base, "ww", "hidden-secret")
    with pytest.raises(WeComError) as caught:
        await api.call("kf/service_state/get", STATE)
    assert caught.value.retryable
    assert "hidden-secret" not in str(caught.value)


async def test_an_error_text_that_repeats_our_secrets(
    session: aiohttp.ClientSession, aiohttp_server: Serve
) -> None:
    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "TOKEN-1", "expires_in": 7200})

    async def refuse(request: web.Request) -> web.Response:
        said = f"invalid token {request.query['access_token']} of hidden-secret"
        return web.json_response({"errcode": 99999, "errmsg": said})

    app = web.Application()
    app.add_routes([web.get("/cgi-bin/gettoken", token), web.post("/cgi-bin/kf/send_msg", refuse)])
    api = WeComApi(session, str((await aiohttp_server(app)).make_url("/")), "ww", "hidden-secret")
    with pytest.raises(WeComError) as caught:
        await api.call("kf/send_msg", {})
    assert str(caught.value) == "kf/send_msg failed with 99999: invalid token … of …"
    assert receipt(caught.value).reason == "kf/send_msg failed with 99999"


async def test_media_up_and_down(fake: FakeWeCom, api: WeComApi) -> None:
    picture = bytes(range(256)) * 5000
    media_id = await api.upload_media("image", "截图.png", picture, "image/png")
    fake.revoke_tokens()
    assert await api.media(media_id, 2_000_000) == (picture, "image/png")


async def test_a_medium_that_is_too_large(fake: FakeWeCom, api: WeComApi) -> None:
    fake.media["m1"] = (b"x" * 300_000, "video/mp4")
    with pytest.raises(MediaTooLargeError) as caught:
        await api.media("m1", 299_999)
    assert not caught.value.retryable
    assert len((await api.media("m1", 300_000))[0]) == 300_000


async def test_a_medium_that_is_gone_comes_as_json(fake: FakeWeCom, api: WeComApi) -> None:
    with pytest.raises(WeComError) as caught:
        await api.media("gone", 10)
    assert caught.value.errcode == 40007


async def test_a_json_file_of_a_resident_is_a_medium(fake: FakeWeCom, api: WeComApi) -> None:
    fake.media["m1"] = (b'{"errcode": 5}', "application/json")
    assert await api.media("m1", 100) == (b'{"errcode": 5}', "application/json")


async def test_a_cut_download(fake: FakeWeCom, api: WeComApi) -> None:
    fake.cut_next("media/get", times=9)
    with pytest.raises(WeComError) as caught:
        await api.media("m1", 100)
    assert_unreachable(caught.value, fake)


async def test_an_upload_without_an_id(
    session: aiohttp.ClientSession, aiohttp_server: Serve
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"errcode": 0, "access_token": "t"})

    app = web.Application()
    app.router.add_route("*", "/cgi-bin/{path:.*}", answer)
    api = WeComApi(session, str((await aiohttp_server(app)).make_url("/")), "ww", "s")
    with pytest.raises(WeComError, match="media_id"):
        await api.upload_media("file", "a.txt", b"a", "text/plain")
