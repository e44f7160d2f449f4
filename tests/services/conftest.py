"""The spine without its doors: inbox, turn and outbox on a real database."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from jingxiaowei.content.model import Library
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel, Outcome, Outgoing, Receipt
from jingxiaowei.services import alerts_house, files_house, own_house
from jingxiaowei.services.audit import Audit
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.inbox import Inbox
from jingxiaowei.services.leases import Leases
from jingxiaowei.services.ledger import Ledger
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.notice_delivery import NoTeller
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.outbox import Outbox
from jingxiaowei.services.roster import Roster
from jingxiaowei.services.turn import Turn
from jingxiaowei.store.engine import Database

# A real hash takes a third of a second on purpose; a test of something else need not wait for it.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class FarEnd:
    """A way out that keeps what it was given, once a key, and can be told to fail."""

    def __init__(self) -> None:
        self.delivered: dict[str, Outgoing] = {}
        self.calls: list[Outgoing] = []
        self.receipts: list[Receipt] = []

    async def send(self, out: Outgoing) -> Receipt:
        self.calls.append(out)
        receipt = self.receipts.pop(0) if self.receipts else Receipt(Outcome.SENT)
        if receipt.outcome is Outcome.SENT:
            self.delivered.setdefault(out.key, out)
        return receipt

    def texts(self, recipient: str) -> list[str]:
        return [out.text for out in self.delivered.values() if out.recipient == recipient]


@dataclass
class Content:
    """The content of the moment, fixed."""

    mind: Mind

    @property
    def library(self) -> Library:
        return self.mind.library


@dataclass
class Spine:
    database: Database
    content: Content
    bell: Bell
    inbox: Inbox
    turn: Turn
    outbox: Outbox
    roster: Roster
    officers: Officers
    audit: Audit
    media: MediaKeeper
    far: FarEnd = field(default_factory=FarEnd)

    async def settle(self) -> None:
        """Work until nothing is due."""
        while await self.turn.run_once() or await self.outbox.drain():
            pass

    async def rows(self, table: Any) -> list[Any]:
        async with self.database.read() as connection:
            return list(
                (await connection.execute(select(table).order_by(*table.primary_key))).all()
            )


def make_spine(database: Database, mind: Mind, folder: Path = Path("unused")) -> Spine:
    """A spine; pictures lie in ``folder``, which only a test that keeps some has to give."""
    far, bell, content, audit = FarEnd(), Bell(database), Content(mind), Audit(database)
    roster, officers = Roster(database, content), Officers(database, audit, QUICK)
    media = MediaKeeper(database, bell, folder, None)
    alerts = alerts_house.build(database, bell, content, audit, officers, NoTeller(), media)
    files = files_house.build(database, bell, content, audit, officers, media)
    own = own_house.build(database, content, audit, officers, files)
    ledger = Ledger(
        database,
        bell,
        alerts.alerts,
        alerts.emergencies,
        alerts.contacts,
        files.suggestions,
        files.minors,
        own.rights,
    )
    senders = dict.fromkeys(Channel, far)
    return Spine(
        database,
        content,
        bell,
        Inbox(database, bell),
        Turn(Leases(database), ledger, content, roster, bell, alerts.settled, "our window"),
        Outbox(database, bell, senders),
        roster,
        officers,
        audit,
        media,
        far,
    )


@pytest.fixture
async def spine(database: Database, mind: Mind) -> Spine:
    spine = make_spine(database, mind)
    await spine.officers.sync_areas(mind.library)
    return spine
