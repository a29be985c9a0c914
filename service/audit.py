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
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from models.errors import Unavailable

if TYPE_CHECKING:
    from service.database import Database

_INTO = """
INSERT INTO audit_record
    (recorded, request_id, client_id, login, interaction, resource_type, resource_id, query, status)
"""
_MANY = f"""{_INTO}SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[],
                     $6::text[], $7::text[], $8::text[], $9::int[])"""  # noqa: S608 - a constant of this file

FEW = 8
"""Records that are written as a list of values, which costs half as much as arrays do."""

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


@cache
def _few(count: int) -> str:
    """Write the statement that inserts so many records."""
    width = len(AuditEntry.__struct_fields__)
    rows = (
        ", ".join(f"${number}" for number in range(first, first + width))
        for first in range(1, count * width, width)
    )
    return f"{_INTO}VALUES {', '.join(f'({row})' for row in rows)}"


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
            rows = [msgspec.structs.astuple(entry) for entry in entries]
            async with self._database.acquire() as connection:
                if len(rows) <= FEW:
                    await connection.execute(_few(len(rows)), *chain.from_iterable(rows))
                else:
                    await connection.execute(_MANY, *map(list, zip(*rows, strict=True)))
        except Exception as error:  # noqa: BLE001 - every waiter must be told, whatever went wrong
            failure = Unavailable(
                "The audit trail cannot be written; nothing is answered.", headers={"Retry-After": "5"}
            )
            failure.__cause__ = error
            return failure
        return None
