"""A database that nobody else writes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import harness
import pytest
from properties.archive import BASE_URL, Archive

from service.database import SERVER_SETTINGS
from service.settings import Settings


@pytest.fixture(scope="session")
def own_database_url(databases: harness.Databases) -> Iterator[str]:
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)


@pytest.fixture
async def archive(own_database_url: str, run_directory: Path) -> AsyncIterator[Archive]:
    connection = await asyncpg.connect(own_database_url, server_settings=dict(SERVER_SETTINGS))
    settings = Settings(data_dir=run_directory, base_url=BASE_URL, database_url=own_database_url)
    yield Archive(connection, settings)
    await connection.close()


@pytest.fixture(scope="module")
def own_server(databases: harness.Databases) -> Iterator[harness.Server]:
    """A server that nobody else writes to."""
    with harness.serving(databases) as running:
        yield running
