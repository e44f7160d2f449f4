"""The paths beside the doors: alive, ready, measured, asked by scripts, edited while running."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from jingxiaowei.app import House, open_house
from jingxiaowei.channels.wecom import callback
from jingxiaowei.errors import StoreError
from jingxiaowei.serving import running
from jingxiaowei.settings import Settings
from tests.conftest import ROOT, make_settings
from tests.stories.conftest import until

PROXIED = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def get(client: aiohttp.ClientSession, url: str) -> tuple[int, Any]:
    async with client.get(url) as answer:
        return answer.status, await answer.json()


async def ask(client: aiohttp.ClientSession, address: str, text: str, session: str) -> Any:
    message = {"session": session, "text": text}
    async with client.post(f"{address}/chat/messages", json=message) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_the_paths_of_a_running_house(
    settings: Settings, client: aiohttp.ClientSession
) -> None:
    settings = settings.model_copy(update={"metrics_token": SecretStr("measure-me")})
    async with running(settings) as (house, address):
        await it_is_alive_and_ready(client, address)
        await the_front_leads_to_the_chat(client, address)
        await scripts_are_answered(client, address)
        await metrics_are_for_this_machine_or_a_token(client, address)
        await without_an_account_the_callback_says_so(client, address)
        await a_dead_worker_is_told_of(client, address, house)


async def it_is_alive_and_ready(client: aiohttp.ClientSession, address: str) -> None:
    assert await get(client, f"{address}/healthz") == (200, {"ok": True})
    status, ready = await get(client, f"{address}/readyz")
    assert (status, ready["ok"]) == (200, True)
    assert ready["entries"] > 200
    assert "content" not in ready


async def the_front_leads_to_the_chat(client: aiohttp.ClientSession, address: str) -> None:
    async with client.get(address, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/chat")
    for path, words in (("/chat", "我是警小微"), ("/privacy", "个人信息")):
        async with client.get(address + path) as answer:
            assert answer.status == 200
            assert words in await answer.text()
    async with client.get(f"{address}/nowhere") as answer:
        assert answer.status == 404


async def scripts_are_answered(client: aiohttp.ClientSession, address: str) -> None:
    answer = await ask(client, address, "身份证丢了怎么补", "s1")
    assert (answer["kind"], answer["fact"]) == ("answer", "H03")
    assert answer["faq"]
    assert "补领" in answer["reply"]
    urgent = await ask(client, address, "家里着火了", "s1")
    assert urgent["kind"] == "emergency"
    assert "faq" not in urgent
    menu = await ask(client, address, "菜单", "s1")
    assert menu["kind"] == "command"
    assert {"id": "human", "label": "转人工"} in menu["options"]
    together = await asyncio.gather(
        *(ask(client, address, "身份证丢了怎么补", f"many-{n}") for n in range(20))
    )
    assert {one["fact"] for one in together} == {"H03"}
    for broken in (b"{", b"[]", b'{"session": "s"}', b'{"session": 1, "text": "x"}'):
        async with client.post(f"{address}/chat/messages", data=broken) as refused:
            assert refused.status == 400
            assert (await refused.json())["error"]


async def metrics_are_for_this_machine_or_a_token(
    client: aiohttp.ClientSession, address: str
) -> None:
    async def look(headers: dict[str, str]) -> tuple[int, str]:
        async with client.get(f"{address}/metrics", headers=headers) as answer:
            return answer.status, await answer.text()

    status, text = await look({})
    assert status == 200
    for name in ("jxw_inbox_messages_total", "jxw_turns_total", "jxw_outbox_messages_total"):
        assert name in text
    assert "jxw_content_edit_refused 0.0" in text
    assert (await look(PROXIED))[0] == 403
    assert (await look(PROXIED | {"Authorization": "Bearer guess"}))[0] == 403
    assert (await look(PROXIED | {"Authorization": "Bearer measure-me"}))[0] == 200


async def without_an_account_the_callback_says_so(
    client: aiohttp.ClientSession, address: str
) -> None:
    for answer in (
        await client.get(f"{address}/wecom/callback"),
        await client.post(f"{address}/wecom/callback", data=b"<xml/>"),
    ):
        assert answer.status == 503
        assert "JXW_WECOM" in await answer.text()


async def a_dead_worker_is_told_of(
    client: aiohttp.ClientSession, address: str, house: House
) -> None:
    house.tasks["media"].cancel()
    await asyncio.wait([house.tasks["media"]])
    status, ready = await get(client, f"{address}/readyz")
    assert (status, ready["ok"]) == (503, False)
    assert "media" in ready["reason"]
    assert (await get(client, f"{address}/healthz"))[0] == 200


async def test_a_database_that_is_gone_is_told_of(
    settings: Settings, client: aiohttp.ClientSession
) -> None:
    async with running(settings) as (_, address):
        assert (await get(client, f"{address}/readyz"))[0] == 200
        await remove_database(settings)

        async def unready() -> Any:
            status, ready = await get(client, f"{address}/readyz")
            return ready if status == 503 else None

        ready = await until(unready, "/readyz says that the database is gone")
        assert "database" in ready["reason"]
        if not settings.sqlite:  # an unlinked file still takes what is written to it
            message = {"session": "s", "text": "身份证丢了怎么补"}
            async with client.post(f"{address}/chat/messages", json=message) as answer:
                assert answer.status == 503  # not stored, and said so
        assert (await get(client, f"{address}/healthz"))[0] == 200


async def remove_database(settings: Settings) -> None:
    url = make_url(settings.database_url)
    assert url.database
    if settings.sqlite:
        for path in Path(url.database).parent.glob(f"{Path(url.database).name}*"):
            path.unlink()
        return
    server = url.set(drivername="postgresql", database="postgres")
    connection = await asyncpg.connect(server.render_as_string(hide_password=False))
    await connection.execute(f'DROP DATABASE "{url.database}" WITH (FORCE)')
    await connection.close()


async def test_a_database_file_is_served_by_one_process(settings: Settings) -> None:
    async with running(settings):
        if settings.sqlite:
            with pytest.raises(StoreError, match=r"another process \(pid \d+\) serves .*test"):
                async with running(settings):
                    pass
        else:
            async with running(settings) as (beside, _):
                assert not await beside.not_ready()
        async with open_house(settings) as visitor:  # who only looks in is not kept out
            assert await visitor.database.ready()


async def test_an_encoding_nobody_reads_is_refused_in_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/test.db")
    async with running(settings) as (_, address):
        for encoding in ("br", "zstd"):
            answer = await posted(address, encoding)
            assert answer.split()[1] == "400"
            refusal = [r for r in caplog.records if r.name == "jingxiaowei.http"][-1]
            assert (refusal.levelname, refusal.exc_info) == ("WARNING", None)
            assert encoding in refusal.getMessage()
    assert "Traceback" not in caplog.text


async def posted(address: str, encoding: str) -> str:
    """What comes back for a callback in an encoding; a client of aiohttp would not send it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rsplit(":", 1)[1]))
    head = f"POST {callback.PATH} HTTP/1.1\r\nHost: x\r\nContent-Encoding: {encoding}\r\n"
    writer.write(f"{head}Content-Length: 3\r\n\r\nabc".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return answer.decode()


async def test_an_edit_is_in_force_within_seconds(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    faq = tmp_path / "faq"
    shutil.copytree(ROOT / "faq", faq)
    settings = make_settings(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/test.db", faq_dir=faq)
    file = next(path for path in faq.rglob("*.yaml") if "fact: H03\n" in path.read_text("utf-8"))
    async with running(settings) as (house, address):
        asked = 0

        async def reply() -> str:
            nonlocal asked
            asked += 1
            answer = await ask(client, address, "身份证丢了怎么补", f"edit-{asked}")
            return str(answer["reply"])

        async def edit(text: str) -> None:
            """As an editor saves: beside the file, then over it."""
            beside = file.with_name(".edit.yaml~")
            beside.write_text(text, encoding="utf-8")
            beside.replace(file)

        async def complains() -> bool:
            status, ready = await get(client, f"{address}/readyz")
            assert status == 200  # the old content answers: no reason to take the traffic away
            return "content" in ready

        shipped = file.read_text("utf-8")
        answer = next(e for e in house.content.library.entries if e.fact == "H03").answer
        assert answer in shipped
        await asyncio.sleep(0.2)  # for the watching to have begun
        await edit(shipped.replace(answer, "先别急，带户口簿去窗口。第一次改。"))
        await until(lambda: says(reply, "第一次改"), "the edit is in force", 20)

        await edit(
            shipped.replace(answer, "第二次改。").replace("domain: hukou", "domain: moon", 1)
        )
        await until(complains, "/readyz tells of the broken edit", 20)
        assert "第一次改" in await reply()
        async with client.get(f"{address}/metrics") as metrics:
            assert "jxw_content_edit_refused 1.0" in await metrics.text()

        await edit("- {id: [")
        await asyncio.sleep(0)
        assert "第一次改" in await reply()

        await edit(shipped.replace(answer, "第三次改。"))
        await until(lambda: says(reply, "第三次改"), "the mended edit is in force", 20)
        assert not await complains()


async def says(reply: Any, words: str) -> bool:
    return words in await reply()
