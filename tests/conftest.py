"""Fixtures of every test; the parts are made in harness.py.

postgres        DSN of the server's administration database        session
database_url    a migrated database of this xdist worker           session
empty_database_url   a migrated database of one test               function
database        Database on ``database_url``                       function
connection      asyncpg connection, rolled back at the end         function
settings        Settings on ``database_url``                       session
server          a running ``kat-fhir serve`` process               session
start_server    makes further ones: start_server(workers=2)        function
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import harness
import pytest

from service.database import SERVER_SETTINGS, Connection, Database
from service.settings import Settings

RUN_DIRECTORY = "KAT_TEST_RUN_DIRECTORY"


def pytest_configure(config: pytest.Config) -> None:
    """Make the run directory before the workers start; they inherit its name."""
    if not hasattr(config, "workerinput"):
        os.environ[RUN_DIRECTORY] = tempfile.mkdtemp(prefix="kat-fhir-test-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the run directory when the last worker has ended."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ[RUN_DIRECTORY], ignore_errors=True)


@pytest.fixture(scope="session")
def run_directory() -> Path:
    return Path(os.environ[RUN_DIRECTORY])


@pytest.fixture(scope="session")
def postgres(run_directory: Path) -> Iterator[str]:
    with harness.postgres(run_directory) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def databases(postgres: str, run_directory: Path) -> harness.Databases:
    return harness.Databases(postgres, run_directory)


@pytest.fixture(scope="session")
def database_url(databases: harness.Databases) -> Iterator[str]:
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def empty_database_url(databases: harness.Databases) -> Iterator[str]:
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url, min_size=1, max_size=10)
    yield opened
    await opened.close()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    opened = await asyncpg.connect(database_url, server_settings=dict(SERVER_SETTINGS))
    transaction = opened.transaction()
    await transaction.start()
    yield opened
    await transaction.rollback()
    await opened.close()


@pytest.fixture(scope="session")
def settings(database_url: str, run_directory: Path) -> Settings:
    return Settings(
        data_dir=run_directory, base_url="http://fhir.test", database_url=database_url, log_level="warning"
    )


@pytest.fixture(scope="session")
def server(databases: harness.Databases) -> Iterator[harness.Server]:
    with harness.serving(databases) as running:
        yield running


@pytest.fixture
def start_server(databases: harness.Databases) -> Iterator[harness.ServerFactory]:
    started: list[harness.Server] = []

    def start(**options: Any) -> harness.Server:
        running = harness.Server(options.pop("database_url", None) or databases.create(), **options)
        started.append(running)
        running.start()
        return running

    yield start
    for running in started:
        running.dispose()
        databases.drop(running.database_url)
