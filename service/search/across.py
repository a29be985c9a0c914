"""One search over several types: of the whole server, or of everything in a patient's compartment.

    _type=A,B&_lastUpdated=gt…  ──► one Query a type, with the parameters that every named type has
                                ──► one SELECT: the places of the page, then the rows in those places

The order is by type and id, or first by last change (``_sort=_lastUpdated``, or a lower bound on it).
Every type is narrowed for itself. Includes follow in a second step.
Source: https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/search.html#_type
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import asyncpg

from models.definitions import RESOURCE_TYPES
from models.errors import BadRequest, Issue
from models.resource import table_name
from service.search import compile as compiling
from service.search import cursors, query, reading, run, selectivity
from service.search.criteria import Criterion, Narrow, Unknown
from service.search.cursors import Cursor
from service.search.predicates import Builder
from service.search.query import Query
from service.search.run import Connection, Page, Row

TYPES = "_type"
INCLUDING = frozenset({"_include", "_revinclude"})
HAS = "_has"

MAX_NAMED = 4
"""Types that are named, of a search whose plan is kept."""

MAX_TEXT = 256 * 1024
"""Characters that one search reads: those of its parameters, as often as it has types."""

TOO_LONG = "The search is too long for so many types; name fewer in _type, or ask in several searches."


@dataclass(slots=True)
class Across:
    """A search over several types; ``lead`` says what the page looks like."""

    queries: tuple[Query, ...]
    lead: Query
    descending: bool | None = None
    """The direction of an order by last change; None where types and ids alone decide."""


def named_types(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The types that ``_type`` names, in the order of the registry; none when it is absent.

    Raises:
        BadRequest: one of them is not kept here.
    """
    wanted = {name.strip() for key, value in pairs if key == TYPES for name in value.split(",")}
    if wanted - set(RESOURCE_TYPES):
        raise BadRequest(
            issues=[
                Issue("not-supported", "_type names a type that this server does not keep.", "http._type")
            ]
        )
    return tuple(name for name in RESOURCE_TYPES if name in wanted)


def parse(
    within: Mapping[str, tuple[Criterion, ...]],
    pairs: Iterable[tuple[str, str]],
    *,
    base_url: str,
    strict: bool,
) -> Across:
    """Read a search over the types of ``within``, each with the criteria that it is confined to.

    Raises:
        BadRequest: see ``query.parse``; or it is too long for so many types.
    """
    lead = Query("Resource")
    understood: list[tuple[str, str]] = []
    reader = reading.Reader(f"{base_url}/fhir/")
    for name, value in bounded(pairs, len(within)):
        if name == TYPES:
            lead.used.append((name, value))
            continue
        try:
            require_known(within, name, value, reader)
        except Unknown as unknown:
            query.refuse_or_note(lead, name, unknown, strict=strict)
        else:
            understood.append((name, value))
    # An include that is another type's is ignored by this one.
    queries = [query.parse(resource_type, understood, base_url=base_url) for resource_type in within]
    descending = order(queries)
    for one in queries:
        one.criteria = [*within[one.resource_type], *one.criteria]
    used = [query.as_used(queries[0], *pair) for pair in page_free(understood)]
    shown = replace(queries[0], resource_type="", issues=lead.issues, used=[*lead.used, *used])
    shown.includes = query.together(include for one in queries for include in one.includes)
    reached = [one for one in queries if refers(one, understood)]
    return Across(tuple(reached), shown, descending)


def bounded(pairs: Iterable[tuple[str, str]], types: int) -> list[tuple[str, str]]:
    """The different pairs, each of which is read for every type.

    Raises:
        BadRequest: they are too many, or too long.
    """
    different = list(dict.fromkeys(pairs))
    shaping = {TYPES, *query.CONTROLS, *query.IGNORED}
    if sum(name.partition(":")[0] not in shaping for name, _ in different) > query.MAX_CRITERIA:
        raise BadRequest(query.TOO_MANY_CRITERIA)
    if types * sum(len(name) + len(value) for name, value in different) > MAX_TEXT:
        raise BadRequest(TOO_LONG)
    return different


def page_free(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs without the place of a page."""
    return [pair for pair in pairs if pair[0] not in {cursors.PARAMETER, *query.IGNORED}]


def require_known(types: Iterable[str], name: str, value: str, reader: reading.Reader) -> None:
    """Refuse a parameter that not every type has; includes and ``_has`` are understood when one has them."""
    missing: list[Unknown] = []
    found = 0
    for resource_type in types:
        try:
            query.take(Query(resource_type), reader, name, query.printable(name, value))
            found += 1
        except Unknown as unknown:
            missing.append(unknown)
    of_some = name.partition(":")[0] in {*INCLUDING, HAS}
    if missing and not (of_some and found) and name not in query.IGNORED:
        raise missing[0]
    if name == "_sort" and value.removeprefix("-") != "_lastUpdated":
        raise Unknown("Several types together have no order but by _lastUpdated.")


def refers(one: Query, understood: Iterable[tuple[str, str]]) -> bool:
    """Whether a type knows every ``_has``: no resource matches that nothing can refer to like this."""
    return all(pair in one.used for pair in understood if pair[0].startswith(f"{HAS}:"))


def order(queries: Sequence[Query]) -> bool | None:
    """Take the order out of the queries."""
    if queries[0].sort:
        return queries[0].sort[-1].descending
    return False if compiling.resumable(queries[0].criteria) else None


async def search(
    connection: Connection, asked: Across, narrow: Narrow, *, now: datetime | None = None, kept: bool = False
) -> Page:
    """Run the search and shape its page; ``kept`` says that its plan is, see ``keeps_plan``.

    Raises:
        TooCostly: the database gave up on it, or a page would include too many resources.
        BadRequest: a page link does not belong to this search.
    """
    lead = asked.lead
    try:
        counts = [await run.count(connection, one, narrow, now=now) for one in asked.queries]
        total = None if None in counts else sum(count or 0 for count in counts)
        if lead.counts_only:
            return Page(total=total)
        sql, arguments = statement(asked, narrow, now=now)
        async with planned_once(connection, kept=kept):
            records = await connection.fetch(sql, *arguments) if sql else []
        page = paged(asked, records, total)
        fresh = await run.step(connection, lead.includes, narrow, page.rows, now=now)
        known = {(row.resource_type, row.id): row for row in (*fresh, *page.rows)}
        first = list(dict.fromkeys((*page.rows, *known.values())))
        rows = await run.iterated(connection, lead, narrow, first, now=now)
    except asyncpg.QueryCanceledError as error:
        raise run.given_up() from error
    return replace(page, rows=tuple(run.answered(rows, lead)))


def keeps_plan(asked: Across, narrow: Narrow) -> bool:
    """Whether one plan serves everybody's search: the rows are those of named patients, whoever they are.

    To plan a search over all types takes several times as long as to answer it. A plan takes up memory, too,
    so there is one for the first page of all types, or of a few.
    """
    lead = asked.lead
    names_many = any(name == TYPES for name, _ in lead.used) and len(asked.queries) > MAX_NAMED
    if names_many or lead.cursor is not None or lead.includes or lead.counts:
        return False
    held = [(*one.criteria, *(narrow(one.resource_type) or ())) for one in asked.queries]
    return all(selectivity.steady(criteria) or selectivity.confined(criteria) for criteria in held)


@asynccontextmanager
async def planned_once(connection: Connection, *, kept: bool) -> AsyncIterator[None]:
    """Let PostgreSQL keep the plan of a statement, for what it asks once in a while.

    Of a term that it does not see it expects a two-hundredth of the table. Left to itself, it would plan a
    search over all types of a large practice each time: that takes several times as long as two round trips.
    """
    if not kept or connection.is_in_transaction():
        yield
        return
    async with connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        yield


def statement(asked: Across, narrow: Narrow, *, now: datetime | None = None) -> tuple[str, list[Any]]:
    """The one SELECT of a page, one row more than asked for; empty when nothing is visible."""
    arguments: list[Any] = []
    branches: list[str] = []
    bodies: list[str] = []
    for one in asked.queries:
        build = Builder(one.resource_type, narrow, now, selectivity.named(one.criteria))
        build.first_argument = len(arguments) + 1
        matches = branch(build, asked, one)
        if matches is not None:
            branches.append(matches)
            bodies.append(
                "SELECT 'match' AS mode, p.resource_type, r.id, r.version, r.last_updated, r.body, p.place "
                # Where a row lies is known, and is the same throughout a statement.
                f"FROM page p JOIN {table_name(one.resource_type)} r ON r.ctid = p.lies "
                f"WHERE p.resource_type = '{one.resource_type}'"
            )
            arguments += build.arguments
    if not branches:
        return "", []
    whole = order_by(asked, "", across=True)
    places = (
        f"SELECT *, row_number() OVER (ORDER BY {whole}) AS place FROM ({' UNION ALL '.join(branches)}) a"
    )
    arguments.append(asked.lead.count + 1)
    limited = f"{places} ORDER BY {whole} LIMIT ${len(arguments)}::bigint"
    sql = f"WITH page AS MATERIALIZED ({limited}) {' UNION ALL '.join(bodies)}"
    return compiling.bounded(sql, ()), arguments


def branch(build: Builder, asked: Across, one: Query) -> str | None:
    """The places of one type's matches; None when none can be seen or come after the cursor."""
    where = compiling.conditions(build, one)
    after = beyond(build, asked, one.resource_type)
    if where is None or after is None:
        return None
    rows = f"FROM {table_name(one.resource_type)} r WHERE {' AND '.join([*where, after])}"
    found = f"SELECT r.id, r.last_updated, r.ctid AS lies {rows}"
    if selectivity.few(one.criteria):
        # OFFSET 0 keeps the planner from reading the table in the order of the answer instead.
        found += " OFFSET 0"
    return (
        f"(SELECT '{one.resource_type}' AS resource_type, r.id, r.last_updated, r.lies FROM ({found}) r "
        f"ORDER BY {order_by(asked, 'r.')} LIMIT {build.argument(one.count + 1, 'bigint')})"
    )


def order_by(asked: Across, alias: str, *, across: bool = False) -> str:
    """The order within a type, or across them."""
    backwards = asked.lead.cursor is not None and asked.lead.cursor.backwards
    direction = "DESC" if backwards is not bool(asked.descending) else "ASC"
    keys = ['resource_type COLLATE "C"'] if across else []
    if asked.descending is not None:
        keys.insert(0, f"{alias}last_updated")
    return ", ".join(f"{key} {direction}" for key in (*keys, f"{alias}id"))


def beyond(build: Builder, asked: Across, resource_type: str) -> str | None:
    """The condition that a row of a type comes after the page's cursor; None when none does.

    Raises:
        BadRequest: the cursor belongs to another search.
    """
    cursor = asked.lead.cursor
    if cursor is None:
        return "TRUE"
    at, cursor_type = place(asked, cursor)
    upwards = cursor.backwards is bool(asked.descending)
    operator, is_after = (">", resource_type > cursor_type) if upwards else ("<", resource_type < cursor_type)
    row_id = build.argument(cursor.id)
    if at is None:
        if resource_type == cursor_type:
            return f"r.id {operator} {row_id}"
        return f"{row_id}::text IS NOT NULL" if is_after else None
    instant = build.argument(at, "timestamptz")
    if resource_type == cursor_type:
        return f"(r.last_updated, r.id) {operator} ({instant}, {row_id})"
    equal = "=" if is_after else ""
    return f"(r.last_updated {operator}{equal} {instant} AND {row_id}::text IS NOT NULL)"


def place(asked: Across, cursor: Cursor) -> tuple[datetime | None, str]:
    """The instant and the type that a cursor names."""
    wanted = 1 if asked.descending is None else 2
    try:
        *instants, resource_type = [key or "" for key in cursor.keys]
        if len(cursor.keys) != wanted or resource_type not in RESOURCE_TYPES:
            raise ValueError  # noqa: TRY301 - answered below like a time that cannot be read
        at = cursors.read_key(instants[0], "timestamptz") if instants else None
        return (at if isinstance(at, datetime) else None), resource_type
    except ValueError:
        raise BadRequest("The page link is not one of this search; start again at its first page.") from None


def paged(asked: Across, records: Sequence[Any], total: int | None) -> Page:
    """Cut the row too many, put the rows in order, and name the neighbouring pages."""
    cursor = asked.lead.cursor
    backwards = cursor is not None and cursor.backwards
    kept = [record for record in records[: asked.lead.count] if record[5] is not None]
    rows = tuple(run.fitting(run.matched(kept, asked.lead), asked.lead))
    more = len(records) > len(rows)
    if backwards:
        rows = rows[::-1]
    following = rows and (more or backwards)
    preceding = rows and (more if backwards else cursor is not None)
    return Page(
        rows,
        run.told(asked.lead, total, len(rows), whole=not more and cursor is None),
        written(asked, rows[-1], backwards=False) if following else None,
        written(asked, rows[0], backwards=True) if preceding else None,
    )


def written(asked: Across, row: Row, *, backwards: bool) -> str:
    """The cursor next to a row."""
    instant = [] if asked.descending is None else [row.last_updated]
    return cursors.write(backwards=backwards, keys=[*instant, row.resource_type], row_id=row.id)
