"""Connections to PostgreSQL: one asyncpg pool for the hot path, one SQLAlchemy factory for the rest.

    Database.acquire()     -> asyncpg connection    reads, searches and writes of resources
    Database.sessions()    -> AsyncSession          OAuth and administration, made on first use

No statement may leave session state behind: settings are ``SET LOCAL`` and locks belong to transactions.
Therefore a connection returns to the pool without the round trip of a reset; asyncpg still rolls back a
transaction that was left open.

When the database goes away, whoever needs it gets ``Unavailable`` (503 with Retry-After), and the pool
connects again by itself.

Source: https://magicstack.github.io/asyncpg/current/api/index.html#connection-pools
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from models.errors import FhirError, TooCostly, Unavailable

RETRY_AFTER_S = 5
PARKED_S = 60
"""How long connections stay at hand before the pool gets them back, which closes those that nobody needs."""

STATEMENT_TIMEOUT_S = 30
ACQUIRE_TIMEOUT_S = 10
"""How long a request waits for a free connection before it is told to come back."""

SERVER_SETTINGS: Mapping[str, str] = {
    "application_name": "kat-fhir",
    "jit": "off",
    "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}

GONE = (
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    # What asyncpg 0.32 raises for a session that the server ended while it was idle.
    asyncpg.InternalClientError,
    FileNotFoundError,
)
"""What the driver raises when the database is away: no socket, shutting down, a replica, not accepting."""

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[Any]
    Lent: TypeAlias = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    # The class takes its type parameter in its stubs only.
    Connection = asyncpg.Connection
"""What runs a statement. A pooled connection is a proxy with the same methods."""


class Database:
    """The database as one process sees it. Make it with ``open`` and close it at the end.

    A connection that comes back sound is parked, not released: the next borrower takes it in 2 microseconds.
    The pool's queue, timers and task take 12, a thirtieth of a read by key.
    """

    def __init__(self, dsn: str, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self.dsn = dsn
        self.pool = pool
        self.size = pool.get_max_size()
        self.lent = 0
        """How many have a connection or wait for one."""
        self._parked: list[Connection] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._is_closing = False
        self._engine: AsyncEngine | None = None

    @classmethod
    async def open(
        cls, dsn: str, *, min_size: int = 1, max_size: int = 10, patience_s: float = 30, plans: str = "auto"
    ) -> Database:
        """Connect, waiting up to ``patience_s`` seconds for a database that is starting.

        ``plans`` is PostgreSQL's ``plan_cache_mode``: ``auto`` plans a statement by key once,
        ``force_custom_plan`` plans each execution for its values.

        Raises:
            Unavailable: The database did not answer in time.
        """
        deadline = time.monotonic() + patience_s
        pause_s = 0.1
        while True:
            try:
                return cls(dsn, await _pool(dsn, min_size, max_size, plans))
            except (*GONE, OSError) as error:
                if time.monotonic() + pause_s > deadline:
                    raise unavailable() from error
            await asyncio.sleep(pause_s)
            pause_s = min(2.0, pause_s * 2)

    async def close(self) -> None:
        """Close every connection, letting statements that run come to their end."""
        if self._engine is not None:
            await self._engine.dispose()
        self._is_closing = True
        if self._sweep is not None:
            self._sweep.cancel()
        await self._release_parked()
        try:
            await asyncio.wait_for(self.pool.close(), timeout=STATEMENT_TIMEOUT_S)
        except TimeoutError:
            self.pool.terminate()

    def taken(self) -> Connection | None:
        """Take a parked connection that is still open; None when there is none."""
        while self._parked:
            connection = self._parked.pop()
            # One that the server ended is the pool's again, at once or by this.
            with suppress(asyncpg.InterfaceError):
                if not connection.is_closed():
                    return connection
                connection.terminate()
        return None

    def park(self, connection: Connection) -> bool:
        """Keep a connection at hand; False when the pool must have it: somebody waits, or it is not idle."""
        is_wanted = self._is_closing or self.lent > self.size
        if is_wanted or connection.is_closed() or connection.is_in_transaction():
            return False
        self._parked.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(PARKED_S, self._give_back)
        return True

    def _give_back(self) -> None:
        self._sweep = None
        self._sweeping = asyncio.create_task(self._release_parked())

    async def _release_parked(self) -> None:
        parked, self._parked = self._parked, []
        for connection in parked:
            await self.pool.release(cast("Lent", connection))

    def acquire(self) -> Lease:
        """Lend a connection; a loss of the database inside the block becomes Unavailable.

        Raises:
            Unavailable: The database is away, or no connection became free in time.
            TooCostly: A statement ran into the time limit.
        """
        return Lease(self)

    @cached_property
    def sessions(self) -> async_sessionmaker[AsyncSession]:
        """Make sessions of SQLAlchemy on the same driver; objects stay readable after a commit."""
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            pool_size=2,
            max_overflow=8,
            pool_pre_ping=True,
        )
        return async_sessionmaker(self._engine, expire_on_commit=False)

    async def _connect(self) -> Connection:
        return await asyncpg.connect(self.dsn, server_settings=dict(SERVER_SETTINGS), timeout=5)


class Lease:
    """``async with`` a connection of the pool; a class, because a generator costs more than a row read."""

    __slots__ = ("_connection", "_database")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Connection:
        database = self._database
        if (parked := database.taken()) is not None:
            database.lent += 1
            self._connection = parked
            return parked
        # A timer is needed only by those who must wait for somebody else's connection.
        timeout = None if database.lent < database.size else ACQUIRE_TIMEOUT_S
        database.lent += 1
        try:
            self._connection = cast("Connection", await database.pool.acquire(timeout=timeout))
        except BaseException as error:
            database.lent -= 1
            _raise_translated(error)
            raise
        return self._connection

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is None and self._parked():
            return
        try:
            if isinstance(error, asyncpg.InterfaceError | asyncpg.DataError):
                # The driver may have prepared a statement and then refused its arguments, without telling the
                # server that nothing follows: the server's time limit would hit whoever borrows this next.
                with suppress(asyncpg.InterfaceError):  # It is not ours any more when the server ended it.
                    self._connection.terminate()
            await self._database.pool.release(cast("Lent", self._connection))
        except Exception as lost:
            _raise_translated(lost)
            raise
        finally:
            self._database.lent -= 1
        if error is not None:
            _raise_translated(error)

    def _parked(self) -> bool:
        try:
            parked = self._database.park(self._connection)
        except asyncpg.InterfaceError:  # The server ended it, and the pool has it back.
            parked = False
        if parked:
            self._database.lent -= 1
        return parked


def _raise_translated(error: BaseException) -> None:
    answer = translated(error)
    if answer is not None:
        raise answer from error


def unavailable() -> Unavailable:
    """Make the answer for a database that is away."""
    return Unavailable(headers={"Retry-After": str(RETRY_AFTER_S)})


def translated(error: BaseException) -> FhirError | None:
    """Tell what a driver's error means for the caller; None when it is not about the database's health."""
    if isinstance(error, FhirError):
        return None
    if isinstance(error, DBAPIError):
        return unavailable() if error.connection_invalidated else _translated_cause(error)
    if isinstance(error, asyncpg.QueryCanceledError):
        return TooCostly(headers={"Retry-After": str(RETRY_AFTER_S)})
    if isinstance(error, asyncpg.InterfaceError):
        # A connection that the server ended leaves the pool by itself: "closed", or "released".
        return unavailable() if re.search("clos|released", str(error)) else None
    return unavailable() if isinstance(error, GONE) else None


def _translated_cause(error: DBAPIError) -> FhirError | None:
    """SQLAlchemy wraps its adapter's error, which wraps the driver's."""
    cause = error.orig.__cause__ if error.orig is not None else None
    return translated(cause) if cause is not None else None


async def _pool(dsn: str, min_size: int, max_size: int, plans: str) -> asyncpg.Pool[asyncpg.Record]:
    return await asyncpg.create_pool(
        dsn,
        min_size=min(min_size, max_size),
        max_size=max_size,
        max_inactive_connection_lifetime=300,
        max_queries=1_000_000,
        reset=_keep,
        timeout=5,
        command_timeout=STATEMENT_TIMEOUT_S + 5,
        statement_cache_size=512,
        max_cached_statement_lifetime=0,
        server_settings={**SERVER_SETTINGS, "plan_cache_mode": plans},
    )


async def _keep(_connection: Connection) -> None:
    """Leave the session as it is; see the module's docstring."""
