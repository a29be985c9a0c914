"""A database transaction of the authorization server, on SQLAlchemy's session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from service.database import Database, translated


@asynccontextmanager
async def transaction(database: Database) -> AsyncIterator[AsyncSession]:
    """Lend a session that is committed at the end of the block.

    Raises:
        Unavailable: the database is away.
    """
    try:
        async with database.sessions.begin() as session:
            yield session
    except Exception as error:
        answer = translated(error)
        if answer is None:
            raise
        raise answer from error
