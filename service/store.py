"""The only writer of resources, and the readers of single versions.

A write is one statement (see ``service/statements.py``), so it is atomic without a transaction of its
own, and one round trip. Updates are optimistic: a row is changed only when its version is the one
that was read, so that ``last_updated`` grows along each resource's history and no row stays locked
while rules are evaluated.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from models.document import serialize
from models.resource import table_name
from service import contents, references
from service.context import Stamp
from service.interaction import Version
from service.statements import DRAW_STAMP, INDEX_COLUMNS, Shape, index_value, type_columns, write_statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

    from service.context import Context
    from service.database import Connection
    from service.search.extract import Extracted


MAX_GATHERED = 100
"""Creations of a bundle that wait to be sent together; more would only take memory."""


class LostRace(Exception):
    """Somebody else wrote the same resource, or claimed the same identifier, first."""


class Deadlocked(LostRace):
    """Two transactions waited for each other; this one was chosen to start again, and can do nothing else."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A business identifier that a write claims for its resource."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Change:
    """One version to be stored. ``version`` is the new one; 1 is a creation.

    ``document`` None is a deletion. ``method`` is the HTTP method that history will show. ``refers`` are
    the ids, by type, of what must be there and stay there until the version is stored. ``contained`` is
    False where the version before is known to hold no contained resource.
    """

    resource_type: str
    id: str
    version: int
    method: str
    document: dict[str, Any] | None = None
    extracted: Extracted | None = None
    claim: Claim | None = None
    refers: dict[str, list[str]] = field(default_factory=dict)
    contained: bool = True


_INTERACTION = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


async def write(ctx: Context, change: Change) -> Version:
    """Store one version: durably, or within the caller's transaction when ``ctx.stamp`` is set.

    Inside a bundle, a creation may wait until ``flush``. The version that is returned has its large contents,
    which those that are read have apart.

    Raises:
        LostRace: the row's version is not ``change.version - 1`` or is younger than the transaction's stamp,
            the id exists already, the business identifier is taken, or what is referred to was deleted;
            nothing was stored.
    """
    text = _text(change)
    indexes = index_rows(change.extracted)
    shape = Shape(
        change.resource_type,
        creates=change.version == 1,
        deletes=change.document is None,
        stamped=ctx.stamp is not None,
        claims=change.claim is not None,
        indexes=tuple(indexes),
        refers=tuple((name, len(ids) == 1) for name, ids in change.refers.items()),
        keeps=bool(text.kept),
        contained=change.contained and change.version > 1,
    )
    values: list[Any] = [change.id, change.version, change.method, ctx.actor, text.head, text.marked_tail]
    values += [ctx.request_id, ctx.principal.client_id, ctx.principal.user]
    values += [_INTERACTION[change.method], 201 if change.version == 1 else 200]
    if ctx.stamp is not None:
        values += [ctx.stamp.tx, ctx.stamp.at]
    values += [references.argument(ids) for ids in change.refers.values()]
    if change.claim is not None:
        values += [change.claim.system, change.claim.value]
    columns = change.extracted.columns if change.extracted else {"terms": []}
    values += [columns.get(name) for name, _ in type_columns(change.resource_type)]
    values += [index_value(table, rows) for table, rows in indexes.items()]
    if text.kept:
        values += [list(text.kept), list(text.kept.values())]
    at = await _send(ctx, shape, values)
    body = None if change.document is None else f"{text.head}{instant(at)}{text.tail}"
    return Version(change.resource_type, change.id, change.version, at, body, change.method)


def contains(version: Version | None) -> bool:
    """Tell whether a stored version may hold contained resources: no text in it looks like the member."""
    return version is not None and '"contained":' in (version.body or "")


async def _send(ctx: Context, shape: Shape, values: list[Any]) -> datetime:
    """Send a write, or let a creation of a bundle wait; returns its instant."""
    statement = write_statement(shape)
    if ctx.in_bundle and ctx.stamp is not None and shape.creates and not shape.claims:
        ctx.gathered.append((statement, values))
        if len(ctx.gathered) >= MAX_GATHERED:
            await flush(ctx)
        return ctx.stamp.at
    instants = await _stored(ctx, statement, [values])
    return instants[0]


async def flush(ctx: Context) -> None:
    """Send the creations that wait, those of one statement in one round trip.

    Whatever reads what the bundle has stored so far comes after this.

    Raises:
        LostRace: one of them could not be stored.
    """
    by_statement: dict[str, list[list[Any]]] = {}
    for statement, values in ctx.gathered:
        by_statement.setdefault(statement, []).append(values)
    ctx.gathered.clear()
    for statement, rows in by_statement.items():
        await _stored(ctx, statement, rows)


async def _stored(ctx: Context, statement: str, rows: Sequence[Sequence[Any]]) -> list[datetime]:
    """Execute a write statement for each row of values; returns their instants.

    Raises:
        LostRace: one of them stored nothing.
        Deadlocked: another transaction has to go first.
    """
    try:
        if len(rows) == 1:
            found = await ctx.connection.fetch(statement, *rows[0])
        else:
            found = await ctx.connection.fetchmany(statement, rows)
    except asyncpg.DeadlockDetectedError as error:
        # Rows and claims are waited for only after the clock's lock was let go.
        raise Deadlocked from error
    except asyncpg.PostgresError:
        # A failure between the halves of the clock would leave its lock with this session; end the session.
        ctx.connection.terminate()
        raise
    if len(found) != len(rows):
        raise LostRace
    return [row["at"] for row in found]


def instant(moment: datetime) -> str:
    """Write a UTC moment as a FHIR instant with the precision that is stored, microseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _Text(NamedTuple):
    """The body's text around its instant: whole, and with marks for large contents, which are kept apart."""

    head: str
    tail: str
    marked_tail: str
    kept: dict[bytes, str]


def _text(change: Change) -> _Text:
    head, tail = _around_instant(change)
    if change.document is None or len(tail) <= contents.LARGE:
        return _Text(head, tail, tail, {})
    marked, kept = contents.set_apart(change.document, f"{change.resource_type}/{change.id}")
    _, marked_tail = _around_instant(replace(change, document=marked)) if kept else (head, tail)
    return _Text(head, tail, marked_tail, kept)


def _around_instant(change: Change) -> tuple[str, str]:
    """Return the body's text before and after ``meta.lastUpdated``, which only the database knows."""
    if change.document is None:
        return "", ""
    rest = {
        name: value for name, value in change.document.items() if name not in {"resourceType", "id", "meta"}
    }
    meta = {k: v for k, v in change.document.get("meta", {}).items() if k not in {"versionId", "lastUpdated"}}
    head = (
        f'{{"resourceType":"{change.resource_type}","id":"{change.id}",'
        f'"meta":{{"versionId":"{change.version}","lastUpdated":"'
    )
    meta_text = "," + serialize(meta).decode()[1:] if meta else "}"
    rest_text = "," + serialize(rest).decode()[1:] if rest else "}"
    return head, f'"{meta_text}{rest_text}'


def index_rows(extracted: Extracted | None) -> dict[str, Sequence[tuple[Any, ...]]]:
    """The rows of each shared index table that a document has rows in."""
    if extracted is None:
        return {}
    rows: tuple[Sequence[tuple[Any, ...]], ...] = (
        extracted.strings,
        extracted.dates,
        extracted.quantities,
        extracted.texts,
    )
    return {table: values for table, values in zip(INDEX_COLUMNS, rows, strict=True) if values}


def repeats(previous: Version, change: Change) -> bool:
    """Tell whether a change would store the very same content again, kept apart or not."""
    text, at, stored = _text(change), instant(previous.last_updated), previous.body or ""
    if text.kept and stored.endswith(f"{at}{text.marked_tail}"):
        return True
    return stored.endswith(f"{at}{text.tail}")


async def hold(ctx: Context, version: Version) -> None:
    """Keep the newest version from deletion until the transaction ends, though it is not written.

    Raises:
        LostRace: it is not the newest any more.
    """
    held = await ctx.connection.fetchval(
        f"SELECT 1 FROM {table_name(version.resource_type)} "  # noqa: S608 - a name of our own table
        "WHERE id = $1 AND version = $2 AND NOT deleted FOR KEY SHARE",
        version.id,
        version.version,
    )
    if held is None:
        raise LostRace


@asynccontextmanager
async def transaction(ctx: Context, before_stamp: Awaitable[None] | None = None) -> AsyncIterator[None]:
    """Make several writes one: all are stored, or none. Joins a transaction that is under way.

    ``before_stamp`` waits for advisory locks, which draw no transaction id; nothing else may come
    before the stamp.
    """
    if ctx.stamp is not None:
        if before_stamp is not None:
            await before_stamp
        yield
        return
    try:
        async with ctx.connection.transaction():
            if before_stamp is not None:
                await before_stamp
            ctx.stamp = await draw_stamp(ctx.connection)
            yield
    finally:
        ctx.stamp = None


async def draw_stamp(connection: Connection) -> Stamp:
    """Draw the stamp of a writing transaction; must be its first statement."""
    try:
        row = await connection.fetchrow(DRAW_STAMP)
    except asyncpg.PostgresError:
        connection.terminate()  # as in ``write``
        raise
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return Stamp(row["tx"], row["at"])


async def current(ctx: Context, resource_type: str, resource_id: str) -> Version | None:
    """Read the newest version as it is stored, deletions included; None when the id was never used."""
    row = await ctx.connection.fetchrow(
        f"SELECT version, last_updated, deleted, body FROM {table_name(resource_type)} WHERE id = $1",  # noqa: S608
        resource_id,
    )
    return row and _version(resource_type, resource_id, row)


def _version(resource_type: str, resource_id: str, row: asyncpg.Record) -> Version | None:
    if row["version"] is None:
        return None
    body = None if row["deleted"] else row["body"]
    return Version(resource_type, resource_id, row["version"], row["last_updated"], body)


async def version(
    ctx: Context,
    resource_type: str,
    resource_id: str,
    number: int,
    *,
    same_patient: bool = False,
) -> Version | None:
    """Read one version of the history as it is stored, None when there is no such version.

    ``same_patient`` leaves out a version from when the resource was another patient's than it is now.
    """
    row = await ctx.connection.fetchrow(
        "SELECT last_updated, body, method FROM resource_history h"  # noqa: S608 - names of our own tables
        " WHERE resource_type = $1 AND id = $2 AND version = $3"
        f" AND ($4 OR patient IS NOT DISTINCT FROM (SELECT r.patient FROM {table_name(resource_type)} r"
        " WHERE r.id = h.id))",
        resource_type,
        resource_id,
        number,
        not same_patient,
    )
    return row and Version(
        resource_type, resource_id, number, row["last_updated"], row["body"], row["method"]
    )


class Holder(NamedTuple):
    """Which resource holds a business identifier: as it is now, and the version that claimed it."""

    id: str
    claimed: int
    current: Version | None


async def holder(ctx: Context, resource_type: str, claim: Claim) -> Holder | None:
    """Tell which resource holds a business identifier; None when it is free."""
    row = await ctx.connection.fetchrow(
        "SELECT b.id, b.version AS claimed, r.version, r.last_updated, r.deleted, r.body"  # noqa: S608 - our own names
        f" FROM business_identifier b LEFT JOIN {table_name(resource_type)} r ON r.id = b.id"
        " WHERE b.resource_type = $1 AND b.system = $2 AND b.value = $3",
        resource_type,
        claim.system,
        claim.value,
    )
    if row is None:
        return None
    return Holder(row["id"], row["claimed"], _version(resource_type, row["id"], row))
