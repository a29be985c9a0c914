"""The audit trail: no answer leaves before its record is durable.

A write puts its record into the statement that stores the resource. Reads and refusals come here:
records that arrive while one commit is under way leave together in the next (group commit), so that
one flush to disk serves many requests.

    request ── record() ──▶ waiting list ──▶ one INSERT … unnest() per flush ──▶ all waiters resume

It has a database of its own (one connection), because requests that wait for their record may hold
every connection of the pool.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from models.errors import Unavailable

if TYPE_CHECKING:
    from service.database import Database

_INSERT = """
INSERT INTO audit_record
    (recorded, request_id, client_id, login, interaction, resource_type, resource_id, query, status)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[],
                     $6::text[], $7::text[], $8::text[], $9::int[])
"""

MAX_BATCH = 500
"""Requests per INSERT: bounds one statement's size under load."""


class AuditEntry(msgspec.Struct, frozen=True):
    """One decision: who asked for what, and the HTTP status that it was answered with."""

    recorded: datetime
    request_id: str
    client_id: str
    login: str | None
    interaction: str
    resource_type: str | None
    resource_id: str | None
    query: str | None
    status: int


class AuditTrail:
    """Writes audit records in groups; one per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Sequence[AuditEntry], asyncio.Future[None]]] = []
        self._flusher: asyncio.Task[None] | None = None

    async def record(self, entries: Sequence[AuditEntry]) -> None:
        """Return when the records are durable.

        Raises:
            Unavailable: they could not be stored; the answer must not leave.
        """
        if not entries:
            return
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, stored))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        await stored

    async def close(self) -> None:
        """Wait for records under way."""
        if self._flusher is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._flusher

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            failure = await self._insert([entry for entries, _ in batch for entry in entries])
            for _, stored in batch:
                if stored.done():
                    continue
                if failure is None:
                    stored.set_result(None)
                else:
                    stored.set_exception(failure)

    async def _insert(self, entries: Sequence[AuditEntry]) -> Unavailable | None:
        try:
            async with self._database.acquire() as connection:
                columns = zip(*map(msgspec.structs.astuple, entries), strict=True)
                await connection.execute(_INSERT, *map(list, columns))
        except Exception as error:  # noqa: BLE001 - every waiter must be told, whatever went wrong
            failure = Unavailable(
                "The audit trail cannot be written; nothing is answered.", headers={"Retry-After": "5"}
            )
            failure.__cause__ = error
            return failure
        return None
