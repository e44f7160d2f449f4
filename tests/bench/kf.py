"""微信客服 end to end: a page of customers' messages pulled, answered, and at the far end.

The yardstick is a bare relay: it pulls the same pages from the same fake WeCom and answers "ok"
without storing or thinking, with as many sends under way as the product has.
"""

import asyncio
import multiprocessing
import time
from pathlib import Path

import aiohttp
import uvloop
from pydantic import SecretStr

from jingxiaowei.app import open_house
from jingxiaowei.services.outbox import UNDER_WAY
from jingxiaowei.settings import Settings
from tests.bench.callbacks import serving
from tests.fakes import FakeWeCom

ACCOUNT = "wk-bench"
_PATIENCE = 60


async def _far_end(ready: object, questions: list[str], messages: int, count: object) -> None:
    async with FakeWeCom() as fake:
        for n in range(messages):
            fake.customer_says(ACCOUNT, f"wm-{n}", questions[n % len(questions)])
        ready.put(  # type: ignore[attr-defined]
            {
                "base": fake.base,
                "corp": fake.corp_id,
                "agent": fake.agent_id,
                "secret": fake.secret,
                "kf_secret": fake.kf_secret,
                "token": fake.callback_token,
                "aes": fake.aes_key,
            }
        )
        while True:
            count.value = len(fake.delivered)  # type: ignore[attr-defined]
            await asyncio.sleep(0.02)


async def _relay(ready: object, far: dict[str, str]) -> None:
    """Pull, answer ok, nothing else."""
    base = far["base"] + "/cgi-bin/"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)) as session:
        query = {"corpid": far["corp"], "corpsecret": far["kf_secret"]}
        async with session.get(base + "gettoken", params=query) as response:
            token = {"access_token": (await response.json())["access_token"]}
        gate = asyncio.Semaphore(UNDER_WAY)

        async def answer(item: dict[str, str]) -> None:
            body = {
                "touser": item["external_userid"],
                "open_kfid": ACCOUNT,
                "msgid": item["msgid"][:32],
                "msgtype": "text",
                "text": {"content": "ok"},
            }
            async with gate, session.post(base + "kf/send_msg", params=token, json=body) as sent:
                await sent.read()

        ready.put(0)  # type: ignore[attr-defined]
        cursor, tasks = "", []
        while True:
            body = {"open_kfid": ACCOUNT, "limit": 1000} | ({"cursor": cursor} if cursor else {})
            async with session.post(base + "kf/sync_msg", params=token, json=body) as response:
                page = await response.json()
            tasks += [asyncio.create_task(answer(item)) for item in page["msg_list"]]
            cursor = page["next_cursor"]
            if not page["has_more"]:
                break
        await asyncio.gather(*tasks)
        await asyncio.Event().wait()


async def _product(ready: object, far: dict[str, str], folder: Path, url: str) -> None:
    settings = Settings(
        _env_file=None,
        database_url=url,
        data_dir=folder,
        secret_key=SecretStr("a secret for the benchmark, long enough"),
        wecom_corp_id=far["corp"],
        wecom_agent_id=far["agent"],
        wecom_secret=SecretStr(far["secret"]),
        wecom_kf_secret=SecretStr(far["kf_secret"]),
        wecom_token=SecretStr(far["token"]),
        wecom_aes_key=SecretStr(far["aes"]),
        wecom_api_base=far["base"],
    )
    async with open_house(settings, upgrade=True) as house:
        await asyncio.to_thread(house.content.load)
        await house.officers.sync_areas(house.content.library)
        await house.inbox.note_account(ACCOUNT, "")
        ready.put(0)  # type: ignore[attr-defined]
        house.start_workers()
        await asyncio.Event().wait()


def _child(main: object, *arguments: object) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*arguments))  # type: ignore[operator]


def _timed(questions: list[str], messages: int, folder: Path, url: str) -> float:
    """Messages a second until all are delivered; an empty url means the bare relay."""
    context = multiprocessing.get_context("fork")
    ready, count = context.Queue(), context.Value("l", 0)
    far_end = context.Process(target=_child, args=(_far_end, ready, questions, messages, count))
    far_end.start()
    try:
        far = ready.get(timeout=60)
        arguments = (_product, far, folder, url) if url else (_relay, far)
        with serving(*arguments):
            started = time.perf_counter()
            while count.value < messages:
                if time.perf_counter() - started > _PATIENCE:
                    raise SystemExit(f"only {count.value} of {messages} arrived")
                time.sleep(0.02)
            return messages / (time.perf_counter() - started)
    finally:
        far_end.kill()
        far_end.join()


def relay(questions: list[str], messages: int, folder: Path) -> float:
    return _timed(questions, messages, folder, "")


def product(questions: list[str], messages: int, folder: Path, url: str) -> float:
    return _timed(questions, messages, folder, url)
