"""Index again what is stored, as today's search parameters read it, while the service goes on.

    each type ─► a batch by id ─► extract ─► lock the type's writers out ─► replace ─► next batch

Versions, history and ``lastUpdated`` stay as they are, and nobody who pulls changes is told any. Who writes
meanwhile wins: what has another version by then is left alone, its writer has indexed it. Writers of the type
wait while a batch is put in place, a few dozen milliseconds: a statement that began before would not see the
new index rows, and leave them behind.

How far it has come is stored with each batch, so that the next run goes on where one was stopped; it begins
anew when the code that indexes has changed since.
"""

# ruff: noqa: S608 - names come from the models, every value is an argument

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from models import definitions
from models.document import parse
from models.errors import Unavailable
from models.principal import OPERATOR
from models.resource import table_name
from service import contents, integrity, references, search, statements
from service.context import Context, random_id
from service.references import literals
from service.search.extract import extract
from service.statements import index_value, reindex_statement, type_columns
from service.store import index_rows

if TYPE_CHECKING:
    from service.database import Connection, Database
    from service.settings import Settings

BATCH_ROWS = 100
BATCH_BYTES = 8 * 1024 * 1024
"""Text of a batch; one resource may be larger."""

LOCK_TIMEOUT_MS = 200
"""How long writers queue behind a batch that waits for others."""

PATIENCE_MS = 2_000
"""Likewise while the table is vacuumed: PostgreSQL stops autovacuum for whoever has waited for a second
(``deadlock_timeout``), and lets nobody through who gives up before."""

VACUUMED = """SELECT EXISTS (SELECT FROM pg_locks WHERE relation = $1::regclass AND granted
    AND mode = 'ShareUpdateExclusiveLock')"""

PAUSES_S = (0.05, 0.1, 0.2, 0.5, *[1.0] * 300)
"""Between attempts to lock a type: transactions of clients end within minutes."""

Progress = Callable[[int, int | None], None]
"""Told how many resources have been looked at, of how many."""


class Stored(NamedTuple):
    """One resource as it was read."""

    id: str
    version: int
    body: str


class Summary(NamedTuple):
    """How many resources were indexed again, and how many their writers were quicker with."""

    resources: int
    changed_meanwhile: int


async def reindex(
    database: Database,
    settings: Settings,
    *,
    types: Sequence[str] = (),
    restart: bool = False,
    on_progress: Progress | None = None,
) -> Summary:
    """Index every resource of some types, or of all, again.

    Args:
        database: where they are.
        settings: give the public address, by which references of this server are recognized.
        types: supported types; all when empty.
        restart: begin anew, even where an earlier run was stopped.
        on_progress: is told after each batch.

    Raises:
        Unavailable: writers hold a type for minutes; a further run goes on from there.
    """
    chosen = tuple(types) or definitions.RESOURCE_TYPES
    async with database.acquire() as connection:
        if restart:
            await _forget(connection, chosen)
        starts = {name: await _start(connection, name) for name in chosen}
        remaining = {name: await _remaining(connection, name, start) for name, start in starts.items()}
    total, seen, indexed = sum(remaining.values()), 0, 0
    for resource_type, start in starts.items():
        async for rows, same in _batches(database, settings, resource_type, start):
            seen, indexed = seen + rows, indexed + same
            if on_progress:
                on_progress(seen, max(total, seen))
    async with database.acquire() as connection:
        await _forget(connection, chosen)
    return Summary(indexed, seen - indexed)


async def _batches(
    database: Database, settings: Settings, resource_type: str, start: str | None
) -> AsyncIterator[tuple[int, int]]:
    """Index a type batch by batch; tells of each how many rows it had and how many were still the same."""
    after = start
    while after is not None:
        async with database.acquire() as connection:
            rows = await _batch(connection, resource_type, after)
            after = rows[-1].id if rows else None
            if rows:
                yield len(rows), await _replaced(connection, settings, resource_type, rows)
            else:
                await _remember(connection, resource_type, None)


@cache
def recipe() -> str:
    """Name the code and the facts that decide what is indexed: the same name, the same index."""
    digest = blake2b(digest_size=16)
    folders = (Path(search.__file__).parent, Path(definitions.__file__).parent)
    files = sorted(path for folder in folders for path in folder.iterdir() if path.is_file())
    modules = (integrity.__file__, references.__file__, statements.__file__)
    for path in (*files, *map(Path, modules)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


async def _start(connection: Connection, resource_type: str) -> str | None:
    """The id after which to go on; empty for the beginning, None when the type is done."""
    row = await connection.fetchrow(
        "SELECT last_id, done FROM reindex_progress WHERE resource_type = $1 AND recipe = $2",
        resource_type,
        recipe(),
    )
    if row is None:
        return ""
    return None if row["done"] else row["last_id"]


async def _remaining(connection: Connection, resource_type: str, start: str | None) -> int:
    if start is None:
        return 0
    table = table_name(resource_type)
    return int(
        await connection.fetchval(f"SELECT count(*) FROM {table} WHERE id > $1 AND NOT deleted", start)
    )


async def _batch(connection: Connection, resource_type: str, after: str) -> list[Stored]:
    """Read the next resources by id, as many as fit; always one if there is one."""
    sized = (
        "SELECT id, version, body, sum(octet_length(body)) OVER (ORDER BY id) AS size, "
        "row_number() OVER (ORDER BY id) AS place "
        f"FROM (SELECT id, version, body FROM {table_name(resource_type)} "
        "WHERE id > $1 AND NOT deleted ORDER BY id LIMIT $2) next"
    )
    rows = await connection.fetch(
        f"SELECT id, version, body FROM ({sized}) sized WHERE size <= $3 OR place = 1 ORDER BY id",
        after,
        BATCH_ROWS,
        BATCH_BYTES,
    )
    return [Stored(*row) for row in rows]


async def _replaced(
    connection: Connection, settings: Settings, resource_type: str, rows: Sequence[Stored]
) -> int:
    """Put a batch in place together with how far it has come; returns how many were still the same."""
    groups: dict[tuple[str, ...], list[list[Any]]] = defaultdict(list)
    ctx = Context(OPERATOR, connection, settings, random_id())
    for row in rows:
        whole = row._replace(body=await contents.whole_text(ctx, row.body))
        indexes, values = _indexed(settings, resource_type, whole)
        groups[indexes].append(values)
    before, table = [(row.id, row.version) for row in rows], table_name(resource_type)
    for pause_s in PAUSES_S:
        patience_ms = PATIENCE_MS if await connection.fetchval(VACUUMED, table) else LOCK_TIMEOUT_MS
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {patience_ms}")
                await connection.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
                same = await _count_same(connection, resource_type, before)
                for indexes, values in groups.items():
                    await connection.executemany(reindex_statement(resource_type, indexes), values)
                await _remember(connection, resource_type, rows[-1].id)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(pause_s)
        else:
            return same
    raise Unavailable(f"Writers have held {resource_type} for minutes; run the command again to go on.")


def _indexed(settings: Settings, resource_type: str, row: Stored) -> tuple[tuple[str, ...], list[Any]]:
    """Extract what finds a resource: which index tables it has rows in, and the statement's values."""
    document = parse(row.body.encode())
    found = extract(resource_type, document, base_url=settings.base_url)
    fhir_base = f"{settings.base_url}/fhir"
    found.columns["terms"] += integrity.terms(literals(document), found.columns["patient"], fhir_base)
    indexes = index_rows(found)
    values: list[Any] = [row.id, row.version]
    values += [found.columns.get(name) for name, _ in type_columns(resource_type)]
    values += [index_value(table, entries) for table, entries in indexes.items()]
    return tuple(indexes), values


async def _count_same(connection: Connection, resource_type: str, before: Sequence[tuple[str, int]]) -> int:
    return int(
        await connection.fetchval(
            f"SELECT count(*) FROM {table_name(resource_type)} r "
            "JOIN unnest($1::text[], $2::int[]) AS seen(id, version) USING (id, version) WHERE NOT r.deleted",
            [key for key, _ in before],
            [version for _, version in before],
        )
    )


async def _remember(connection: Connection, resource_type: str, last_id: str | None) -> None:
    """Store how far a type has come; it is done where there is no last id."""
    await connection.execute(
        "INSERT INTO reindex_progress (resource_type, recipe, last_id, done) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (resource_type) DO UPDATE SET recipe = excluded.recipe, last_id = excluded.last_id, "
        "done = excluded.done",
        resource_type,
        recipe(),
        last_id,
        last_id is None,
    )


async def _forget(connection: Connection, types: Sequence[str]) -> None:
    await connection.execute("DELETE FROM reindex_progress WHERE resource_type = ANY($1)", list(types))
