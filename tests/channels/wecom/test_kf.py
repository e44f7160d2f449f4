"""微信客服: stories of pulling."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from jingxiaowei.channels.wecom.api import WeComApi, WeComError
from jingxiaowei.channels.wecom.kf import KfAccount, Puller
from jingxiaowei.pipeline.messages import Incoming, MessageKind
from tests.fakes import HOUR, FakeWeCom


class Store:
    """The service's side: one transaction for a page and its cursor; ``fails`` crashes before."""

    def __init__(self, fake: FakeWeCom, *open_kfids: str) -> None:
        self.fake = fake
        self.known = {open_kfid: KfAccount(open_kfid) for open_kfid in open_kfids}
        self.messages: dict[str, Incoming] = {}
        self.pages: list[int] = []
        self.fails = 0
        self.inside: set[str] = set()
        self.changed = asyncio.Event()

    async def accounts(self) -> Sequence[KfAccount]:
        return list(self.known.values())

    async def store_page(self, open_kfid: str, cursor: str, messages: list[Incoming]) -> None:
        assert open_kfid not in self.inside, "one account, two pullers"
        self.inside.add(open_kfid)
        await asyncio.sleep(0)
        self.inside.discard(open_kfid)
        if self.fails:
            self.fails -= 1
            raise OSError("disk full")
        account = self.known[open_kfid]
        self.known[open_kfid] = KfAccount(open_kfid, cursor, account.token, account.token_at)
        self.messages |= {message.message_id: message for message in messages}
        self.pages.append(len(messages))
        self.changed.set()

    def notice(self, open_kfid: str) -> None:
        account = self.known.get(open_kfid, KfAccount(open_kfid))
        token = self.fake.new_notice_token(open_kfid)
        self.known[open_kfid] = KfAccount(open_kfid, account.cursor, token, self.now())

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.fake.time(), UTC)

    def texts(self) -> list[str]:
        return [message.text for message in self.messages.values()]

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not done():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def store(fake: FakeWeCom) -> Store:
    return Store(fake, "wk1")


@pytest.fixture
def puller(api: WeComApi, store: Store) -> Puller:
    return Puller(api, store.store_page, store, poll_seconds=30, retry_seconds=0.01, now=store.now)


@asynccontextmanager
async def running(puller: Puller) -> AsyncIterator[None]:
    task = asyncio.create_task(puller.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


async def test_pages_are_stored_each_with_its_cursor(
    fake: FakeWeCom, store: Store, puller: Puller
) -> None:
    for number in range(7):
        fake.customer_says("wk1", "wm1", f"第{number}句")
    fake.page_size = 3
    store.notice("wk1")
    assert await puller.pull("wk1") == 7
    assert store.pages == [3, 3, 1]
    assert store.known["wk1"].cursor == "c7"
    assert store.texts() == [f"第{number}句" for number in range(7)]
    sync = [payload for path, payload in fake.requests if path == "kf/sync_msg"]
    assert sync[0] == {
        "open_kfid": "wk1",
        "limit": 1000,
        "voice_format": 0,
        "token": store.known["wk1"].token,
    }
    assert [payload.get("cursor") for payload in sync] == [None, "c3", "c6"]


async def test_a_second_pull_stores_only_what_is_new(
    fake: FakeWeCom, store: Store, puller: Puller
) -> None:
    fake.customer_says("wk1", "wm1", "一")
    assert await puller.pull("wk1") == 1
    assert await puller.pull("wk1") == 0
    assert store.pages == [1]
    fake.customer_says("wk1", "wm1", "二")
    assert await puller.pull("wk1") == 1


async def test_an_empty_page_with_more_behind_it(
    fake: FakeWeCom, store: Store, puller: Puller
) -> None:
    fake.customer_says("wk1", "wm1", "在吗")
    fake.empty_pages = 3
    assert await puller.pull("wk1") == 1
    assert store.pages == [0, 0, 0, 1]


async def test_a_cursor_that_stands_still_is_no_endless_loop(
    store: Store, session: aiohttp.ClientSession, aiohttp_server: Any
) -> None:
    calls = 0

    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        nonlocal calls
        calls += 1
        page = {"errcode": 0, "access_token": "t", "next_cursor": "c1", "has_more": 1}
        return aiohttp.web.json_response(page | {"msg_list": None})

    app = aiohttp.web.Application()
    app.router.add_route("*", "/cgi-bin/{path:.*}", answer)
    api = WeComApi(session, str((await aiohttp_server(app)).make_url("/")), "ww", "s")
    assert await Puller(api, store.store_page, store).pull("wk1") == 0
    assert calls == 3  # the token, the page to c1, the page that stays at c1
    assert store.pages == [0]


async def test_a_crash_between_pages_loses_nothing(
    fake: FakeWeCom, store: Store, puller: Puller
) -> None:
    for number in range(4):
        fake.customer_says("wk1", "wm1", f"{number}")
    fake.page_size = 2
    fake.fail_next("kf/sync_msg", 0)
    fake.cut_next("kf/sync_msg", times=9)
    with pytest.raises(WeComError):
        await puller.pull("wk1")
    assert store.texts() == ["0", "1"]
    fake.mend()
    store.fails = 1
    with pytest.raises(OSError, match="disk full"):
        await puller.pull("wk1")
    assert store.known["wk1"].cursor == "c2"
    assert await puller.pull("wk1") == 2
    assert store.texts() == ["0", "1", "2", "3"]


async def test_a_bad_token_is_left_away(fake: FakeWeCom, store: Store, puller: Puller) -> None:
    fake.customer_says("wk1", "wm1", "在吗")
    store.notice("wk1")
    fake.accounts["wk1"].tokens.clear()
    assert await puller.pull("wk1") == 1
    assert fake.calls["kf/sync_msg"] == 2
    fake.fail_next("kf/sync_msg", 95007, times=9)
    with pytest.raises(WeComError):
        await puller.pull("wk1")
    assert fake.calls["kf/sync_msg"] == 4


async def test_an_old_token_is_not_sent(fake: FakeWeCom, store: Store, puller: Puller) -> None:
    store.notice("wk1")
    fake.advance(601)
    await puller.pull("wk1")
    assert fake.calls["kf/sync_msg"] == 1
    assert "token" not in fake.requests[-1][1]


async def test_one_broken_item_does_not_stop_its_page(
    fake: FakeWeCom, store: Store, puller: Puller
) -> None:
    fake.customer_says("wk1", "wm1", "一")
    fake.accounts["wk1"].items.append({"send_time": int(fake.time()), "msgtype": 5})
    fake.system_event("wk1", "wm1", "servicer_status_change", status=1)
    fake.customer_says("wk1", "wm1", "二")
    assert await puller.pull("wk1") == 2
    assert store.texts() == ["一", "二"]


async def test_everything_that_can_happen_arrives(
    fake: FakeWeCom, store: Store, puller: Puller
) -> None:
    code = fake.enters_session("wk1", "wm1")
    fake.customer_says("wk1", "wm1", "你好", menu_id="1")
    fake.customer_sends("wk1", "wm1", "image", {"media_id": "m1"})
    fake.session_changes("wk1", "wm1", 1, new="zhou")
    fake.servicer_says("wk1", "wm1", "我是周警官")
    fake.system_event("wk1", "wm1", "user_recall_msg", recall_msgid="msg00000002")
    await puller.pull("wk1")
    messages = list(store.messages.values())
    assert [message.kind for message in messages] == [
        MessageKind.ENTER,
        MessageKind.TEXT,
        MessageKind.IMAGE,
        MessageKind.SESSION,
        MessageKind.SERVICER,
        MessageKind.RECALL,
    ]
    assert messages[0].data["welcome_code"] == code
    assert messages[3].data["new_servicer_userid"] == "zhou"
    assert {(message.account, message.sender) for message in messages} == {("wk1", "wm1")}


async def test_history_is_three_days(fake: FakeWeCom, store: Store, puller: Puller) -> None:
    fake.customer_says("wk1", "wm1", "旧")
    fake.advance(73 * HOUR)
    fake.customer_says("wk1", "wm1", "新")
    await puller.pull("wk1")
    assert store.texts() == ["新"]


async def test_two_pulls_of_one_account_take_turns(
    fake: FakeWeCom, store: Store, puller: Puller
) -> None:
    for number in range(20):
        fake.customer_says("wk1", "wm1", f"{number}")
    fake.page_size = 3
    counts = await asyncio.gather(*(puller.pull("wk1") for _ in range(5)))
    assert sum(counts) == 20
    assert sum(store.pages) == 20


async def test_accounts_are_pulled_side_by_side(
    fake: FakeWeCom, store: Store, puller: Puller
) -> None:
    names = [f"wk{number}" for number in range(1, 9)]
    for name in names:
        fake.customer_says(name, "wm1", name)
        store.notice(name)
    fake.delay_next("kf/sync_msg", 0.5, times=len(names))
    started = asyncio.get_running_loop().time()
    async with running(puller):
        await store.until(lambda: len(store.messages) == len(names))
    assert asyncio.get_running_loop().time() - started < 2.0  # one after the other: 4 s


async def test_a_notice_wakes_the_puller(fake: FakeWeCom, store: Store, puller: Puller) -> None:
    fake.customer_says("wk1", "wm1", "一")
    async with running(puller):
        await store.until(lambda: store.texts() == ["一"])
        fake.customer_says("wk1", "wm1", "二")
        store.notice("wk1")
        puller.wake("wk1")
        await store.until(lambda: store.texts() == ["一", "二"])
        fake.customer_says("wk-new", "wm2", "三")
        store.notice("wk-new")
        puller.wake("wk-new")
        await store.until(lambda: store.texts() == ["一", "二", "三"])


async def test_a_lost_notice_is_made_good_by_the_slow_poll(
    fake: FakeWeCom, api: WeComApi, store: Store
) -> None:
    puller = Puller(api, store.store_page, store, poll_seconds=0.05, now=store.now)
    async with running(puller):
        await asyncio.sleep(0.02)
        fake.customer_says("wk1", "wm1", "没有回调")
        await store.until(lambda: store.texts() == ["没有回调"])


async def test_a_notice_during_a_pull_is_not_lost(
    fake: FakeWeCom, store: Store, puller: Puller
) -> None:
    fake.accounts["wk1"]
    async with running(puller):
        fake.delay_next("kf/sync_msg", 0.05)
        await asyncio.sleep(0.02)
        puller.wake("wk1")
        await asyncio.sleep(0.1)
        fake.customer_says("wk1", "wm1", "一")
        puller.wake("wk1")
        await store.until(lambda: store.texts() == ["一"])


@pytest.mark.parametrize("errcode", [-1, 45009, 45033])
async def test_a_passing_fault_is_waited_out(
    fake: FakeWeCom, store: Store, puller: Puller, errcode: int
) -> None:
    fake.customer_says("wk1", "wm1", "在吗")
    store.notice("wk1")
    fake.fail_next("kf/sync_msg", errcode, times=3)
    async with running(puller):
        await store.until(lambda: store.texts() == ["在吗"])
    assert fake.calls["kf/sync_msg"] == 4


async def test_network_and_disk_faults_are_waited_out(
    fake: FakeWeCom, store: Store, puller: Puller
) -> None:
    fake.customer_says("wk1", "wm1", "在吗")
    fake.cut_next("kf/sync_msg", times=2)
    store.fails = 2
    async with running(puller):
        await store.until(lambda: store.texts() == ["在吗"])


async def test_a_configuration_fault_does_not_loop(
    fake: FakeWeCom, store: Store, puller: Puller, caplog: pytest.LogCaptureFixture
) -> None:
    fake.fail_next("kf/sync_msg", 95017, times=99)
    async with running(puller):
        await asyncio.sleep(0.2)
    assert fake.calls["kf/sync_msg"] == 1
    assert "the API switch of 微信客服 is off" in caplog.text


async def test_accounts_that_cannot_be_read_are_asked_for_again(
    fake: FakeWeCom, api: WeComApi, store: Store
) -> None:
    fake.customer_says("wk1", "wm1", "在吗")

    class Flaky(Store):
        broken = True

        async def accounts(self) -> Sequence[KfAccount]:
            if self.broken:
                self.broken = False
                raise OSError("the database is starting")
            return await super().accounts()

    flaky = Flaky(fake, "wk1")
    puller = Puller(api, flaky.store_page, flaky, poll_seconds=0.02)
    async with running(puller):
        await flaky.until(lambda: flaky.texts() == ["在吗"])
