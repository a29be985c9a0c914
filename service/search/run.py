"""One search against the database: a page of rows, in one SELECT where no include iterates.

    Query ──► page statement ──► rows, one more than asked for: is there a next page?
          ──► total statement, when asked
          ──► further statements for ``:iterate``

Bodies stay text as stored, with large contents apart (``service/contents.py``): a page is cut by its size
with them. Only ``_summary`` and ``_elements`` look into bodies, and may leave contents out.
Source: https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from models.errors import Issue, TooCostly
from service import contents
from service.database import RETRY_AFTER_S
from service.search import compile as compiling
from service.search import cursors, summary
from service.search.compile import Statement
from service.search.criteria import Include, Narrow
from service.search.includes import MAX_INCLUDED, from_rows
from service.search.predicates import Builder
from service.search.query import Query

MAX_ROUNDS = 5
"""How often an include may iterate."""

ADVICE = "The search takes too much work; narrow it, for instance to one patient or a shorter time."

Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"


class Row(NamedTuple):
    """One resource of a page. ``mode`` is ``match`` or ``include``."""

    resource_type: str
    id: str
    version: int
    last_updated: datetime
    body: str
    mode: str


@dataclass(frozen=True, slots=True)
class Page:
    """What a search answers. ``next`` and ``previous`` are values of the ``_page`` parameter."""

    rows: tuple[Row, ...] = ()
    total: int | None = None
    next: str | None = None
    previous: str | None = None
    issues: tuple[Issue, ...] = ()


async def search(
    connection: Connection, query: Query, narrow: Narrow, *, now: datetime | None = None
) -> Page:
    """Run a search and shape its page.

    Raises:
        TooCostly: the database gave up on it, or a page would include too many resources.
        BadRequest: a page link does not belong to this search.
    """
    try:
        total = await count(connection, query, narrow, now=now)
        if query.counts_only:
            return Page(total=total, issues=tuple(query.issues))
        statement = compiling.page(query, narrow, now=now)
        if statement is None:
            return Page(total=total, issues=tuple(query.issues))
        records = await connection.fetch(statement.sql, *statement.arguments)
        page = paged(query, statement, records, total)
        rows = await included(connection, query, narrow, page.rows, records, now=now)
    except asyncpg.QueryCanceledError as error:
        raise given_up() from error
    rows = answered(rows, query)
    return Page(tuple(rows), page.total, page.next, page.previous, page.issues)


def given_up() -> TooCostly:
    """Make the answer for a statement that ran into its time limit: others may have been the reason."""
    return TooCostly(ADVICE, headers={"Retry-After": str(RETRY_AFTER_S)})


async def count(
    connection: Connection, query: Query, narrow: Narrow, *, now: datetime | None = None
) -> int | None:
    """The number of matches, when it was asked for; see also ``told``."""
    if not query.counts:
        return None
    statement = compiling.total(query, narrow, now=now)
    if statement is None:
        return 0
    return int(await connection.fetchval(statement.sql, *statement.arguments))


def paged(query: Query, statement: Statement, records: Sequence[Any], total: int | None) -> Page:
    """Cut the row too many, put the rows in order, and name the neighbouring pages."""
    matches = [record for record in records if record[0] == "match"] if query.includes else list(records)
    included = [record for record in records if record[0] != "match"]
    if any(record[5] is None for record in included):
        raise TooCostly(ADVICE)
    asked = [record for record in matches[: query.count] if record[5] is not None]
    rows = fitting(matched(asked, query), query)
    more = len(matches) > len(rows)
    matches = asked[: len(rows)]
    cursor = query.cursor
    backwards = cursor is not None and cursor.backwards
    if backwards:
        matches.reverse()
        rows.reverse()
    after = more or backwards
    before = more if backwards else cursor is not None
    total = told(query, total, len(rows), whole=not more and cursor is None)
    rows += [Row._make((*record[1:6], "include")) for record in included]
    return Page(
        tuple(rows),
        total,
        place(statement, matches[-1], backwards=False) if after and matches else None,
        place(statement, matches[0], backwards=True) if before and matches else None,
        tuple(query.issues),
    )


def told(query: Query, counted: int | None, rows: int, *, whole: bool) -> int | None:
    """The number of matches: as counted, or as seen where the first page is the last and none was refused."""
    return rows if whole and not query.total else counted


def matched(records: Iterable[Any], query: Query) -> list[Row]:
    """The rows of the matches, each with as much of its resource as is asked for."""
    rows = [Row._make((*record[1:6], "match")) for record in records]
    return [summary.shaped(row, query) for row in rows] if shapes(query) else rows


def fitting(rows: list[Row], query: Query) -> list[Row]:
    """Leave out the matches with which an answer would become too large; the first one always stays.

    They leave the half of it to what they include.
    """
    limit = compiling.MAX_BYTES // 2 if query.includes else compiling.MAX_BYTES
    return rows[: contents.fitting([row.body for row in rows], limit)]


def answered(rows: list[Row], query: Query) -> list[Row]:
    """The rows of an answer: what is included is shaped like the matches, and must fit in whole.

    Raises:
        TooCostly: it does not fit.
    """
    if not query.includes:
        return rows
    if shapes(query):
        rows = [row if row.mode == "match" else summary.shaped(row, query) for row in rows]
    if contents.fitting([row.body for row in rows], compiling.MAX_BYTES) < len(rows):
        raise TooCostly(ADVICE)
    return rows


def shapes(query: Query) -> bool:
    """Whether only a part of each resource is asked for."""
    return query.summary != "false" or bool(query.elements)


def place(statement: Statement, record: Any, *, backwards: bool) -> str:
    """The cursor next to a row."""
    keys = [record[f"key{number}"] for number in range(len(statement.keys))]
    return cursors.write(backwards=backwards, keys=keys, row_id=record[2])


async def included(
    connection: Connection,
    query: Query,
    narrow: Narrow,
    rows: Sequence[Row],
    records: Sequence[Any],
    *,
    now: datetime | None,
) -> list[Row]:
    """The rows with all that they include; asked for again where matches were cut, whose includes go too."""
    if query.includes:
        matches = [row for row in rows if row.mode == "match"]
        found = sum(record[0] == "match" for record in records)
        if len(matches) < min(found, query.count):
            rows = [*matches, *await step(connection, query.includes, narrow, matches, now=now)]
    return await iterated(connection, query, narrow, rows, now=now)


async def iterated(
    connection: Connection, query: Query, narrow: Narrow, rows: Sequence[Row], *, now: datetime | None
) -> list[Row]:
    """Follow the includes that iterate, until nothing new is found."""
    found = {(row.resource_type, row.id): row for row in rows}
    iterating = [include for include in query.includes if include.iterate]
    frontier = list(rows)
    for _ in range(MAX_ROUNDS if iterating else 0):
        if len(found) - query.count > MAX_INCLUDED:
            break
        fresh = await step(connection, iterating, narrow, frontier, now=now)
        frontier = [row for row in fresh if (row.resource_type, row.id) not in found]
        found |= {(row.resource_type, row.id): row for row in frontier}
        if not frontier:
            break
    if len(found) - query.count > MAX_INCLUDED:
        raise TooCostly(ADVICE)
    return list(found.values())


async def step(
    connection: Connection,
    includes: Sequence[Include],
    narrow: Narrow,
    rows: Sequence[Row],
    *,
    now: datetime | None = None,
) -> list[Row]:
    """Include from rows of several types, one statement a type."""
    fresh: list[Row] = []
    for resource_type in sorted({row.resource_type for row in rows}):
        build = Builder(resource_type, narrow, now, selective=True)
        ids = [row.id for row in rows if row.resource_type == resource_type]
        sql = from_rows(build, includes, resource_type, ids)
        if sql is not None:
            records = await connection.fetch(sql, *build.arguments)
            fresh += [Row._make((*record[1:6], "include")) for record in records]
    return fresh
