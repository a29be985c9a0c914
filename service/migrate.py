"""Bring the database's schema to what this version of the service expects.

    upgrade(dsn)        applies the missing migrations, one process at a time
    is_current(c)       tells whether none is missing

Replicas may start together: a session's advisory lock lets one migrate while the others wait and then find
nothing to do. Each migration is a transaction of its own that gives up a table lock after five seconds, so
a deployment never queues up behind a long query.

Source: https://alembic.sqlalchemy.org/en/latest/api/commands.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import cast

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import MetaData
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from models.columns import TransactionId
from service import database

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
LOCK = 0x4B41_5446
"""Key of the advisory lock that a migrating process holds; any number that nothing else uses."""

TABLE_MODULES = ("models.contents", "models.history", "models.oauth", "models.resource")


def metadata() -> MetaData:
    """Collect the tables of every model, and teach SQLAlchemy to read back the one type it does not know."""
    ischema_names["xid8"] = TransactionId
    for name in TABLE_MODULES:
        import_module(name)
    return SQLModel.metadata


@cache
def head() -> str:
    """Name the newest migration."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


async def is_current(connection: database.Connection) -> bool:
    """Tell whether every migration has been applied."""
    try:
        applied = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return False
    return cast("str | None", applied) == head()


async def upgrade(dsn: str) -> None:
    """Apply the migrations that are missing; alone, whoever else tries at the same time."""
    guard = await asyncpg.connect(dsn, timeout=10)
    try:
        await guard.execute("SELECT pg_advisory_lock($1)", LOCK)
        if not await is_current(guard):
            await on_connection(dsn, _upgrade)
    finally:
        await guard.close()


async def on_connection(dsn: str, run: Callable[[SyncConnection], None]) -> None:
    """Run a synchronous function on a connection of SQLAlchemy."""

    async def connect() -> database.Connection:
        return await asyncpg.connect(dsn, timeout=10)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: SyncConnection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(year)d-%%(month).2d-%%(day).2d_%%(rev)s_%%(slug)s")
    return config
