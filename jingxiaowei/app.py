"""The composition root: the only place that wires. Doors, workers and content of one process."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from jingxiaowei.channels import monitoring
from jingxiaowei.channels.web import make_chat, make_privacy
from jingxiaowei.channels.wecom import callback, cards, contacts
from jingxiaowei.channels.wecom.api import WeComApi
from jingxiaowei.channels.wecom.cards import CardTeller
from jingxiaowei.channels.wecom.codec import Codec
from jingxiaowei.channels.wecom.contacts import Contacts, OfferTeller
from jingxiaowei.channels.wecom.kf import Puller
from jingxiaowei.channels.wecom.kf_send import KfSender
from jingxiaowei.channels.wecom.members import MemberSender
from jingxiaowei.console import make_console
from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services import (
    alerts_house,
    contact_house,
    desk_house,
    files_house,
    own_house,
)
from jingxiaowei.services.alerts_house import AlertHouse
from jingxiaowei.services.audit import Audit
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.chat import ChatRoom, WebSender
from jingxiaowei.services.contact_house import ContactHouse
from jingxiaowei.services.curation import Curator
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.files_house import FileHouse
from jingxiaowei.services.inbox import Inbox
from jingxiaowei.services.leases import Leases
from jingxiaowei.services.ledger import Ledger
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.media_reading import MediaReader
from jingxiaowei.services.notice_delivery import NoTeller, Teller
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.outbox import Outbox, Sender
from jingxiaowei.services.own_house import OwnHouse
from jingxiaowei.services.picture_mail import PictureMail
from jingxiaowei.services.reading import Reader
from jingxiaowei.services.retention import Retention
from jingxiaowei.services.roster import Roster
from jingxiaowei.services.sheets_landing import Landing
from jingxiaowei.services.signins import SignIns
from jingxiaowei.services.surgery_files import TagFiles
from jingxiaowei.services.turn import Turn
from jingxiaowei.settings import Settings
from jingxiaowei.store.engine import Database

log = logging.getLogger(__name__)


@dataclass(slots=True)
class House:
    """Everything that runs in one process, wired."""

    settings: Settings
    database: Database
    bell: Bell
    content: Curator
    audit: Audit
    officers: Officers
    roster: Roster
    inbox: Inbox
    media: MediaKeeper
    reading: MediaReader
    alerts: AlertHouse
    files: FileHouse
    own: OwnHouse
    desk: DeskHouse
    sign_ins: SignIns
    outbox: Outbox
    retention: Retention
    lists: Landing
    turns: list[Turn]
    api: WeComApi | None = None  # the self-built app
    kf_api: WeComApi | None = None  # 微信客服, with its own secret
    puller: Puller | None = None
    contacts: ContactHouse | None = None  # 客户联系, where WeCom is connected
    demo_sign_in: str = ""  # the code of the demo's one-time sign-in
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def notice(self, open_kfid: str, token: str) -> None:
        """A callback said that a 微信客服 account has something."""
        await self.inbox.note_account(open_kfid, token)
        if self.puller is not None:
            self.puller.wake(open_kfid)

    def start_workers(self) -> None:
        """Start everything that works by itself."""
        self._start("listen", self.bell.listen)
        self._start("keys", self.database.watch_keys)
        self._start("outbox", self.outbox.run)
        self._start("media", self.media.run)
        self._start("reading", self.reading.run)
        self._start("alerts", self.alerts.watch.run)
        self._start("notices", self.alerts.delivery.run)
        self._start("content", self.content.watch)
        self._start("retention", self.retention.run)
        self._start("erasure", self.files.erasure.run)
        self._start("own-tags", self.files.asking.run)
        self._start("lists", self.lists.run)
        for i, turn in enumerate(self.turns):
            self._start(f"turn-{i}", turn.run)
        if self.puller is not None:
            self._start("puller", self.puller.run)
        if self.contacts is not None:
            self._start("contacts", self.contacts.watch.run)

    def _start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self.tasks[name] = asyncio.create_task(_keep_running(name, work), name=name)

    async def stop_workers(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def not_ready(self) -> str:
        """Why this process should get no traffic, or empty."""
        if not await self.database.ready():
            return "the database does not answer"
        dead = [name for name, task in self.tasks.items() if task.done()]
        if dead:
            return f"a worker has stopped: {', '.join(dead)}"
        return ""


async def _keep_running(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """A worker that fails starts again; one that has nothing to do may end."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("the worker %s failed and starts again", name)
            await asyncio.sleep(1)
        else:
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def open_house(
    settings: Settings, upgrade: bool | None = None, serves: bool = False
) -> AsyncIterator[House]:
    """Wire a process and open its database; nothing runs by itself yet.

    Args:
        upgrade: apply missing migrations first; by default in demo mode only.
        serves: be the one process that serves an SQLite file.
    """
    database = Database(settings.database_url)
    timeout = aiohttp.ClientTimeout(total=15, connect=5)
    try:
        if serves:
            database.claim()
        if settings.demo if upgrade is None else upgrade:
            await database.upgrade()
        await database.open(
            settings.secret_key.get_secret_value(), settings.secret_key_old.get_secret_value()
        )
        async with aiohttp.ClientSession(
            timeout=timeout, connector=aiohttp.TCPConnector(limit=100)
        ) as session:
            yield _wire(settings, database, session)
    finally:
        await database.close()


def _wire(settings: Settings, database: Database, session: aiohttp.ClientSession) -> House:
    bell = Bell(database)
    content = Curator(settings)
    audit = Audit(database)
    roster = Roster(database, content)
    inbox = Inbox(database, bell)
    senders: dict[Channel, Sender] = {Channel.WEB: WebSender()}
    api = kf_api = puller = None
    if settings.wecom_configured:
        api = _api(settings, session, settings.wecom_secret.get_secret_value())
        kf_secret = settings.wecom_kf_secret.get_secret_value()
        kf_api = _api(settings, session, kf_secret) if kf_secret else api
        puller = Puller(kf_api, inbox.receive_page, inbox)
        senders[Channel.WECOM_KF] = KfSender(kf_api)
        senders[Channel.WECOM_APP] = MemberSender(api)
    pictures = PictureMail(database, bell)
    media = MediaKeeper(
        database,
        bell,
        settings.data_dir / "media",
        kf_api.media if kf_api else None,
        pictures.lost,
    )
    officers = Officers(database, audit)
    teller: Teller = NoTeller()
    if api is not None:
        teller = CardTeller(api, settings.wecom_agent_id, settings.console_url)
    alerts = alerts_house.build(database, bell, content, audit, officers, teller, media)
    tag_files = TagFiles(settings.tags_dir, settings.lexicon_dir)
    files = files_house.build(database, bell, content, audit, officers, media, tag_files)
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
    privacy = settings.privacy_place
    # Two turns a process on PostgreSQL: while one waits for the database, the other thinks.
    turns = [
        Turn(Leases(database), ledger, content, roster, bell, alerts.settled, privacy)
        for _ in range(1 if database.sqlite else 2)
    ]
    return House(
        settings,
        database,
        bell,
        content,
        audit,
        officers,
        roster,
        inbox,
        media,
        MediaReader(database, bell, media, Reader(), pictures.seen),
        alerts,
        files,
        own,
        desk_house.build(database, bell, content, audit, officers, files, alerts),
        SignIns(database, officers, audit),
        Outbox(database, bell, senders),
        Retention(database, audit, media, files.reviews, files.erasure),
        Landing(database, audit, officers, files.suggestions, content, settings.wecom_corp_id),
        turns,
        api,
        kf_api,
        puller,
        _contacts(settings, database, audit, content, officers, files, api) if api else None,
    )


def _contacts(
    settings: Settings,
    database: Database,
    audit: Audit,
    content: Curator,
    officers: Officers,
    files: FileHouse,
    api: WeComApi,
) -> ContactHouse:
    return contact_house.build(
        database,
        audit,
        content,
        officers,
        files.tagging,
        files.suggestions,
        Contacts(api),
        OfferTeller(api, settings.wecom_agent_id),
        settings.wecom_corp_id,
        settings.privacy_place,
    )


def _api(settings: Settings, session: aiohttp.ClientSession, secret: str) -> WeComApi:
    return WeComApi(session, settings.wecom_api_base, settings.wecom_corp_id, secret)


async def _front(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/chat")


def make_app(house: House) -> web.Application:
    """Every door of the process."""
    settings = house.settings
    codec = None
    if settings.wecom_configured:
        codec = Codec(
            settings.wecom_token.get_secret_value(),
            settings.wecom_aes_key.get_secret_value(),
            settings.wecom_corp_id,
        )
    app = web.Application(client_max_size=64 * 1024)
    on_event = cards.on_event(house.desk.taps.take)
    if house.contacts is not None:
        watch = house.contacts.watch
        on_event = contacts.on_event(watch.take, watch.choose, on_event)
    app.add_routes(callback.routes(codec, house.notice, house.inbox.receive, on_event))
    token = settings.metrics_token.get_secret_value()
    app.add_routes(monitoring.routes(house.not_ready, house.content, token))
    app.router.add_get("/", _front)
    chat = ChatRoom(house.database, house.inbox, house.media, house.bell)
    app.add_subapp(
        "/chat",
        make_chat(
            chat,
            settings,
            lambda key: house.content.mind.speech.say(key),
            exports=house.own.exports,
        ),
    )
    app.add_subapp(
        "/privacy", make_privacy(settings, lambda: house.content.library.taxonomy.groups)
    )
    app.add_subapp(
        "/console",
        make_console(settings, house.alerts, house.desk, house.sign_ins, house.bell),
    )
    return app
