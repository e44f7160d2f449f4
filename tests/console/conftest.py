"""The console on a real server, over a real database with the demo's alerts and files."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from jingxiaowei.console import make_console
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.services import desk_house, files_house
from jingxiaowei.services.alerts_samples import seed_alerts, seed_officers
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.files_samples import seed_files
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.signins import SignIns
from jingxiaowei.services.surgery_files import TagFiles
from jingxiaowei.store.engine import Database
from tests.conftest import ROOT, make_settings, migrated_url
from tests.services.alerting import Alarm, make_alarm

OURS = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Site:
    """A running console, and what stands behind it."""

    alarm: Alarm
    sign_ins: SignIns
    police: Signed
    auxiliary: Signed
    desk: DeskHouse
    url: str = ""

    async def link(self, officer: Signed) -> str:
        """A one-time link."""
        code = await self.sign_ins.one_time(officer.id, self.alarm.now)
        return f"{self.url}/console/enter?code={code}"


async def open_site(database: Database, mind: Mind, folder: Path) -> AsyncIterator[Site]:
    alarm = await make_alarm(database, mind, folder)
    people = await seed_officers(alarm.spine.officers, alarm.spine.roster)
    await seed_alerts(database, alarm.house)
    spine = alarm.spine
    # A test that wants the tags' files puts them there.
    tag_files = TagFiles(folder / "tags", ROOT / "jingxiaowei" / "content" / "lexicon")
    files = files_house.build(
        database, spine.bell, spine.content, spine.audit, spine.officers, spine.media, tag_files
    )
    desk = desk_house.build(
        database, spine.bell, spine.content, spine.audit, spine.officers, files, alarm.house
    )
    await seed_files(database, spine.inbox, files, people)
    await spine.settle()
    sign_ins = SignIns(database, alarm.spine.officers, alarm.spine.audit)
    settings = make_settings(folder, "sqlite+aiosqlite://")
    app = web.Application()
    app.add_subapp("/console", make_console(settings, alarm.house, desk, sign_ins, spine.bell))
    site = Site(alarm, sign_ins, people[0], people[1], desk)
    async with TestServer(app) as server:
        site.url = str(server.make_url("")).rstrip("/")
        yield site


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, unless a test is marked with ``both``: a page only shows what services do, and
    theirs are tested on each."""
    return migrated_url(request, getattr(request, "param", "sqlite"), tmp_path)


both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
async def site(database: Database, mind: Mind, tmp_path: Path) -> AsyncIterator[Site]:
    async for site in open_site(database, mind, tmp_path):
        yield site


class Hands:
    """Somebody with a browser."""

    def __init__(self, site: Site, session: aiohttp.ClientSession) -> None:
        self.site, self.session = site, session
        self.page, self.status, self.at = "", 0, ""

    async def get(self, path: str) -> str:
        url = path if path.startswith("http") else self.site.url + path
        async with self.session.get(url) as answer:
            self.page, self.status = await answer.text(), answer.status
            self.at = answer.url.path_qs
        return self.page

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.page)
        form = {"csrf": found[1] if found else ""} | fields
        sent = OURS if headers is None else headers
        url = self.site.url + path
        async with self.session.post(url, data=form, headers=sent) as answer:
            text, self.status = await answer.text(), answer.status
            self.at = answer.url.path_qs
        if self.status < 400:
            self.page = text
        return text


@pytest.fixture
async def hands(site: Site) -> AsyncIterator[Hands]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Hands(site, session)


@pytest.fixture
async def at_work(hands: Hands) -> Hands:
    """Signed in as the auxiliary."""
    await hands.get(await hands.site.link(hands.site.auxiliary))
    return hands
