"""The spine's throughput: callback → durable ack, and → understood → reply durable.

Every message comes from a resident of its own (the dearest case: each opens a conversation), is
encrypted as WeCom does it, and is one of the FAQ's own questions.
"""

import asyncio
import base64
import hashlib
import multiprocessing
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pydantic import SecretStr
from sqlalchemy import func, select

from jingxiaowei.app import make_app, open_house
from jingxiaowei.settings import Settings
from jingxiaowei.store.tables import INBOX, OUTBOX
from tests.bench.load import Load, post, put_load

CORP, TOKEN = "ww0000000000bench", "benchtoken"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


def _encrypt(text: str) -> str:
    key = base64.b64decode(KEY + "=")
    plain = os.urandom(16) + struct.pack(">I", len(text.encode())) + text.encode() + CORP.encode()
    pad = 32 - len(plain) % 32
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad)).decode()


def callback(number: int, text: str, port: int) -> bytes:
    """One text message of a member, on the wire."""
    inner = (
        f"<xml><ToUserName>{CORP}</ToUserName><FromUserName>bench-{number}</FromUserName>"
        f"<CreateTime>{int(time.time())}</CreateTime><MsgType>text</MsgType>"
        f"<Content><![CDATA[{text}]]></Content><MsgId>{number}</MsgId><AgentID>1</AgentID></xml>"
    )
    sealed = _encrypt(inner)
    stamp, nonce = str(int(time.time())), f"n{number}"
    sign = hashlib.sha1("".join(sorted((TOKEN, stamp, nonce, sealed))).encode())  # noqa: S324
    query = urlencode({"msg_signature": sign.hexdigest(), "timestamp": stamp, "nonce": nonce})
    body = f"<xml><ToUserName>{CORP}</ToUserName><Encrypt>{sealed}</Encrypt></xml>"
    return post(f"/wecom/callback?{query}", body.encode(), port)


def bench_settings(folder: Path, database_url: str) -> Settings:
    return Settings(
        _env_file=None,
        database_url=database_url,
        data_dir=folder,
        secret_key=SecretStr("a secret for the benchmark, long enough"),
        wecom_corp_id=CORP,
        wecom_agent_id="1",
        wecom_secret=SecretStr("s"),
        wecom_token=SecretStr(TOKEN),
        wecom_aes_key=SecretStr(KEY),
    )


async def _listen(app: web.Application, ready: object) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ready.put(runner.addresses[0][1])  # type: ignore[attr-defined]


async def _bare(ready: object) -> None:
    async def ok(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="ok")

    app = web.Application()
    app.add_routes([web.post("/{tail:.*}", ok)])
    await _listen(app, ready)
    await asyncio.Event().wait()


async def _product(ready: object, settings: Settings, think: bool) -> None:
    async with open_house(settings, upgrade=True) as house:
        await asyncio.to_thread(house.content.load)
        await house.officers.sync_areas(house.content.library)
        house.puller = None
        for turn in house.turns if think else ():
            house._start(f"turn-{id(turn)}", turn.run)
        await _listen(make_app(house), ready)
        await asyncio.Event().wait()


def _child(main: object, *arguments: object) -> None:
    sys.setswitchinterval(0.0002)  # as serve does
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*arguments))  # type: ignore[operator]


@contextmanager
def serving(main: object, *arguments: object) -> Iterator[int]:
    """A server in a process of its own; its port."""
    context = multiprocessing.get_context("fork")
    ready = context.Queue()
    process = context.Process(target=_child, args=(main, ready, *arguments))
    process.start()
    try:
        yield ready.get(timeout=60)
    finally:
        process.kill()
        process.join()


async def _wait_for_replies(settings: Settings, wanted: int) -> float:
    """The moment at which all replies are durable."""
    async with open_house(settings, upgrade=False) as house:
        while True:
            async with house.database.read() as connection:
                query = select(func.count()).select_from(OUTBOX)
                count = (await connection.execute(query)).scalar_one()
            if count >= wanted:
                return time.perf_counter()
            await asyncio.sleep(0.1)


async def _stored(settings: Settings) -> int:
    async with open_house(settings, upgrade=False) as house, house.database.read() as connection:
        query = select(func.count()).select_from(INBOX)
        stored: int = (await connection.execute(query)).scalar_one()
        return stored


def bare(requests: int) -> Load:
    """The yardstick."""
    with serving(_bare) as port:
        body = callback(1, "身份证丢了怎么补", port)
        put_load(port, [body] * 2000)
        return put_load(port, [body] * requests)


def durable_acks(settings: Settings, questions: list[str], messages: int) -> Load:
    """Callback → stored → ack."""
    with serving(_product, settings, False) as port:
        put_load(port, _requests(questions, port, -2000, 0))
        load = put_load(port, _requests(questions, port, 0, messages))
    if asyncio.run(_stored(settings)) != messages + 2000:
        raise SystemExit("messages were acknowledged and not stored")
    return load


def durable_replies(settings: Settings, questions: list[str], messages: int) -> tuple[Load, float]:
    """Callback → ack → understood → reply durable; replies a second."""
    with serving(_product, settings, True) as port:
        put_load(port, _requests(questions, port, -2000, 0))
        asyncio.run(_wait_for_replies(settings, 2000))
        requests = _requests(questions, port, 0, messages)
        started = time.perf_counter()
        load = put_load(port, requests)
        ended = asyncio.run(_wait_for_replies(settings, messages + 2000))
    return load, messages / (ended - started)


def _requests(questions: list[str], port: int, first: int, last: int) -> list[bytes]:
    return [callback(n, questions[n % len(questions)], port) for n in range(first, last)]
