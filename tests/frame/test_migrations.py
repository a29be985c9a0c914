"""The schema is what the models say, and several processes may bring it there at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import harness
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from service import migrate


@pytest.fixture
def bare_database_url(databases: harness.Databases) -> Iterator[str]:
    dsn = databases.create(migrated=False)
    yield dsn
    databases.drop(dsn)


async def test_an_empty_database_is_not_current(bare_database_url: str) -> None:
    connection = await asyncpg.connect(bare_database_url)
    assert not await migrate.is_current(connection)
    await connection.close()


async def test_the_migrations_give_the_schema_of_the_models(database_url: str) -> None:
    differences: list[Any] = []

    def compare(connection: Connection) -> None:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences.extend(compare_metadata(context, migrate.metadata()))

    await migrate.on_connection(database_url, compare)
    assert differences == []


async def test_processes_that_migrate_at_once_wait_for_each_other(bare_database_url: str) -> None:
    await asyncio.gather(*(migrate.upgrade(bare_database_url) for _ in range(4)))
    connection = await asyncpg.connect(bare_database_url)
    assert await migrate.is_current(connection)
    await connection.close()
