"""The whole product and a WeCom on loopback: what happens between a callback and a phone."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from jingxiaowei.app import House
from jingxiaowei.channels.wecom.callback import PATH
from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services.bell import Stage
from jingxiaowei.services.inbox import conversation_id, message_key
from jingxiaowei.serving import running
from jingxiaowei.settings import Settings
from jingxiaowei.store.tables import CONVERSATION, INBOX, OUTBOX, InboxState, OutboxState
from tests.fakes import Delivered, FakeWeCom, Json

ACCOUNT = "wkDesk"
PATIENCE = 30.0
Value = TypeVar("Value")


async def until(
    look: Callable[[], Value | Awaitable[Value]], what: str, seconds: float = PATIENCE
) -> Value:
    """Look until there is something to see, and hand it back."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        value: Value = await seen if inspect.isawaitable(seen) else seen
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {seconds:.0f} s")
        await asyncio.sleep(0.02)


@dataclass(repr=False)
class Town:
    """The product, the WeCom it is connected to, and the residents with their phones."""

    house: House
    fake: FakeWeCom
    address: str

    @property
    def callback(self) -> str:
        return self.address + PATH

    async def notify(self, account: str = ACCOUNT) -> None:
        assert await self.fake.notify(self.callback, account) == 200

    async def says(self, who: str, *texts: str, menu_id: str = "", account: str = ACCOUNT) -> str:
        """A resident writes one or more messages at once; the last one's msgid."""
        msgids = [self.fake.customer_says(account, who, text, menu_id) for text in texts]
        await self.notify(account)
        return msgids[-1]

    async def sends(self, who: str, kind: str, body: Json) -> str:
        """A resident sends something that is no text."""
        msgid = self.fake.customer_sends(ACCOUNT, who, kind, body)
        await self.notify()
        return msgid

    def phone(self, who: str) -> list[Delivered]:
        """What stands on a phone."""
        return self.fake.delivered[who]

    async def hears(self, who: str, count: int = 1) -> Delivered:
        """The newest message of so many on a phone, as soon as it is there; never one more."""
        await until(lambda: len(self.phone(who)) >= count, f"message {count} for {who}")
        assert len(self.phone(who)) == count
        return self.phone(who)[-1]

    async def handled(self, msgid: str, account: str = ACCOUNT) -> Any:
        """The inbox row of a message that is dealt with, and whose replies are on their way."""
        key = message_key(self.house.database.cipher, Channel.WECOM_KF, account, msgid)

        async def done() -> Any:
            for row in await self.rows(INBOX, INBOX.c.key == key):
                waiting = await self.rows(
                    OUTBOX,
                    OUTBOX.c.conversation_id == row.conversation_id,
                    OUTBOX.c.state == OutboxState.PENDING,
                )
                if row.state is InboxState.DONE and not waiting:
                    return row
            return None

        return await until(done, f"{msgid} is handled")

    async def caught_up(self, account: str = ACCOUNT) -> None:
        """All that was said to an account before is read: a marker behind it is answered."""
        marker = f"marker{len(self.fake.accounts[account].items)}"
        await self.says(marker, "你好", account=account)
        await self.hears(marker)

    async def rows(self, table: Any, *where: Any) -> list[Any]:
        async with self.house.database.read() as connection:
            return list(
                (
                    await connection.execute(
                        select(table).where(*where).order_by(*table.primary_key)
                    )
                ).all()
            )

    async def about(self, table: Any, who: str, account: str = ACCOUNT) -> list[Any]:
        """A resident's rows, oldest first."""
        key = conversation_id(self.house.database.cipher, Channel.WECOM_KF, account, who)
        column = table.c.id if table is CONVERSATION else table.c.conversation_id
        return sorted(await self.rows(table, column == key), key=lambda row: row.id)

    async def waits(self, who: str, reason: str) -> Any:
        """The resident's newest outbox row, once it waits for another attempt."""

        async def waiting() -> Any:
            rows = await self.about(OUTBOX, who)
            again = rows and rows[-1].state is OutboxState.PENDING and reason in rows[-1].reason
            return rows[-1] if again and rows[-1].leased_by is None else None

        return await until(waiting, f"a row for {who} that waits because of {reason}")

    async def time_passes(self) -> None:
        """Every back-off is over."""
        async with self.house.database.write() as connection:
            await connection.execute(update(OUTBOX).values(not_before=datetime.now(UTC)))
        self.house.bell.ring(Stage.OUTBOX)

    def line(self, key: str, **fields: object) -> str:
        """A line of the voice."""
        return self.house.content.mind.speech.say(key, **fields)


def connected(settings: Settings, fake: FakeWeCom) -> Settings:
    """The settings with the fake's identity."""
    return settings.model_copy(
        update={
            "wecom_corp_id": fake.corp_id,
            "wecom_agent_id": fake.agent_id,
            "wecom_secret": SecretStr(fake.secret),
            "wecom_kf_secret": SecretStr(fake.kf_secret),
            "wecom_token": SecretStr(fake.callback_token),
            "wecom_aes_key": SecretStr(fake.aes_key),
            "wecom_api_base": fake.base,
        }
    )


@pytest.fixture
async def fake() -> AsyncIterator[FakeWeCom]:
    async with FakeWeCom() as wecom:
        yield wecom


@pytest.fixture
async def town(settings: Settings, fake: FakeWeCom) -> AsyncIterator[Town]:
    async with running(connected(settings, fake)) as (house, address):
        yield Town(house, fake, address)
