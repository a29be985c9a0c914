"""``Patient/[id]/$everything``: one patient's record, page by page, and whom it refers to.

    page    one SELECT a type over the column ``patient``, all in one statement, ordered by (type, id)
    linked  what a page refers to outside the record: practitioners, organizations, medications …
            one more statement for each hop, so that a page can be understood, and stored, by itself

Every type is narrowed as a search of it would be. A page ends before what would make it too large, and is
refused when what it refers to does. The next page begins after the last (type, id), so that
rows written meanwhile move nobody's place.

    start, end   by the date of care; what has none, such as the patient, always belongs to the record
    _since       also holds back what a transaction under way may still precede, as a search does

Source: https://hl7.org/fhir/R4/patient-operation-everything.html
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import asyncpg

from models.definitions import RESOURCE_TYPES
from models.definitions.structures import resource_names
from models.errors import BadRequest, Issue, TooCostly
from models.resource import WITHOUT_PATIENT, table_name
from service import contents, read
from service.access import decide
from service.interaction import Answer
from service.operations.care_dates import CARE_DATES
from service.search import compile as compiling
from service.search import cursors
from service.search.predicates import Builder
from service.search.query import MAX_COUNT
from service.search.run import ADVICE, MAX_ROUNDS, Row
from service.search.settled import settled
from service.search.values import ALWAYS, NEVER, Interval, interval
from service.searchset import bundle, entries_of, url_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.context import Context
    from service.interaction import Interaction
    from service.operations.arguments import Arguments
    from service.search.criteria import Narrow

RECORD = ("Patient", *(name for name in RESOURCE_TYPES if name not in WITHOUT_PATIENT | {"Patient"}))
"""The types of a record, in the order of the pages."""

LINKED = tuple(name for name in RESOURCE_TYPES if name in WITHOUT_PATIENT)
"""Types that belong to nobody's record."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the record is asked for. ``after`` is the (type, id) that the page begins after."""

    patient: str
    count: int = MAX_COUNT
    types: tuple[str, ...] = RESOURCE_TYPES
    care: Interval | None = None
    since: Interval | None = None
    after: tuple[str, str] = (RECORD[0], "")


async def everything(ctx: Context, ask: Interaction, given: Arguments) -> Answer:
    """Return one page of a patient's record.

    Raises:
        NotFound, Gone: there is no such patient for this caller.
        TooCostly: the database gave up, or what a page refers to is too large.
    """
    permission = decide.authorize(ctx.principal, "r", "Patient", base_url=ctx.settings.base_url)
    narrow = decide.visible(ctx.principal, base_url=ctx.settings.base_url)
    asked = _asked(ask, given)
    rows, linked, more = await record(ctx, asked, narrow)
    if not rows or rows[0].resource_type != "Patient":
        read.present(await read.newest(ctx, "Patient", ask.id, permission))
    shown = [*(row for row in rows if row.resource_type in asked.types), *linked]
    links = _links(ctx, f"{ctx.fhir_base}/Patient/{ask.id}/$everything", given, rows[-1] if more else None)
    is_whole = not more and cursors.PARAMETER not in given.texts
    total = sum(row.mode == "match" for row in shown) if is_whole else None
    return Answer(200, document=bundle("searchset", total, links, entries_of(ctx.fhir_base, shown)))


async def record(ctx: Context, asked: Asked, narrow: Narrow) -> tuple[list[Row], list[Row], bool]:
    """Read one page of a record: its rows, what they refer to outside of it, and whether there is more.

    Raises:
        TooCostly: the database gave up, or what a page refers to is too large.
    """
    try:
        rows, more = await _page(ctx, asked, narrow)
        linked = await _linked(ctx, rows, narrow, frozenset(asked.types))
    except asyncpg.QueryCanceledError as error:
        raise TooCostly(ADVICE) from error
    bodies = [row.body for row in (*rows, *linked)]
    if contents.fitting(bodies, 2 * compiling.MAX_BYTES) < len(bodies):
        raise TooCostly(ADVICE)
    return rows, linked, more


def _asked(ask: Interaction, given: Arguments) -> Asked:
    types = tuple(given.texts["_type"].split(",")) if "_type" in given.texts else RESOURCE_TYPES
    if not frozenset(types) <= resource_names():
        text = "_type names a type that FHIR R4 does not have."
        raise BadRequest(issues=[Issue("not-supported", text, "http._type")])
    since = interval(given.texts["_since"]) if "_since" in given.texts else None
    return Asked(
        ask.id,
        given.number("_count", MAX_COUNT, MAX_COUNT),
        types,
        care(given),
        since,
        _place(given.texts.get(cursors.PARAMETER)),
    )


def care(given: Arguments) -> Interval | None:
    """Return the time of care that ``start`` and ``end`` bound; None where neither is given."""
    start, end = (interval(given.texts[name]) if name in given.texts else None for name in ("start", "end"))
    return (start[0] if start else NEVER, end[1] if end else ALWAYS) if start or end else None


def _place(text: str | None) -> tuple[str, str]:
    if text is None:
        return RECORD[0], ""
    try:
        cursor = cursors.read(text)
    except ValueError:
        cursor = None
    if cursor is None or len(cursor.keys) != 1 or cursor.keys[0] not in RECORD:
        raise BadRequest("The page link is not one of this record; start again at its first page.")
    return cursor.keys[0] or "", cursor.id


async def _page(ctx: Context, asked: Asked, narrow: Narrow) -> tuple[list[Row], bool]:
    """Read a page, of every type where only what it refers to is wanted, and tell whether there is more."""
    build = Builder("Patient", narrow, ctx.now(), selective=True)
    patient = build.argument(asked.patient)
    wanted = RECORD if any(name in LINKED for name in asked.types) else asked.types
    branches = []
    for place, name in enumerate(RECORD):
        visible = build.visible(name, "r")
        if name not in wanted or visible is None or place < RECORD.index(asked.after[0]):
            continue
        where = [f"r.patient = {patient}", visible, *_conditions(build, asked, name)]
        branches.append(
            f"SELECT {place} AS part, '{name}' AS resource_type, r.id, r.version, r.last_updated, r.body "
            f"FROM {table_name(name)} r WHERE {' AND '.join(where)}"
        )
    if not branches:
        return [], False
    limit = build.argument(asked.count + 1)
    sql = f"{' UNION ALL '.join(branches)} ORDER BY part, id LIMIT {limit}"
    columns = "resource_type, id, version, last_updated"
    records = await ctx.connection.fetch(compiling.measured(sql, columns, "part, id"), *build.arguments)
    rows = [Row._make((*record[:5], "match")) for record in compiling.fitting(records[: asked.count])]
    rows = rows[: contents.fitting([row.body for row in rows], compiling.MAX_BYTES)]
    return rows, len(records) > len(rows)


def _conditions(build: Builder, asked: Asked, name: str) -> Iterable[str]:
    if asked.after[1] and name == asked.after[0]:
        yield f"r.id > {build.argument(asked.after[1])}"
    if asked.since:
        yield f"r.last_updated >= {build.argument(asked.since[0], 'timestamptz')}"
        yield settled("r")
    columns = CARE_DATES.get(name)
    if asked.care and columns:
        start, end = (
            f"coalesce({', '.join(f'r.{column}_{side}' for column in columns)})" for side in ("start", "end")
        )
        first, last = (build.argument(side, "timestamptz") for side in asked.care)
        yield f"({start} IS NULL OR ({start} < {last} AND {end} > {first}))"


async def _linked(ctx: Context, rows: Sequence[Row], narrow: Narrow, types: frozenset[str]) -> list[Row]:
    """Follow references out of the record, hop by hop, until nothing new is found."""
    found: dict[tuple[str, str], Row] = {}
    seen: set[tuple[str, str]] = set()
    frontier: Sequence[Row] = rows if any(name in types for name in LINKED) else ()
    for _ in range(MAX_ROUNDS):
        targets = _targets(ctx.fhir_base, frontier) - seen
        if not targets:
            break
        seen |= targets
        frontier = await _fetched(ctx, targets, narrow)
        found |= {(row.resource_type, row.id): row for row in frontier}
    return [found[key] for key in sorted(found) if key[0] in types]


def _targets(fhir_base: str, rows: Iterable[Row]) -> set[tuple[str, str]]:
    pattern = _references(fhir_base)
    return {target for row in rows for target in pattern.findall(row.body)}


@cache
def _references(fhir_base: str) -> re.Pattern[str]:
    """Find references in a stored body, whose JSON is spelled in one way; a text's quotes are escaped."""
    return re.compile(
        rf'"reference":"(?:{re.escape(fhir_base)}/)?({"|".join(LINKED)})/([A-Za-z0-9\-.]{{1,64}})["/]'
    )


async def _fetched(ctx: Context, targets: Iterable[tuple[str, str]], narrow: Narrow) -> list[Row]:
    ids: dict[str, list[str]] = defaultdict(list)
    for name, key in sorted(targets):
        ids[name].append(key)
    build = Builder("Patient", narrow, ctx.now(), selective=True)
    branches = [
        f"SELECT '{name}' AS resource_type, r.id, r.version, r.last_updated, r.body "
        f"FROM {table_name(name)} r WHERE r.id = ANY({build.argument(keys, 'text[]')}) AND {visible}"
        for name, keys in ids.items()
        if (visible := build.visible(name, "r")) is not None
    ]
    if not branches:
        return []
    records = await ctx.connection.fetch(" UNION ALL ".join(branches), *build.arguments)
    return [Row._make((*record, "include")) for record in records]


def _links(ctx: Context, url: str, given: Arguments, last: Row | None) -> list[tuple[str, str]]:
    used = [(name, value) for name, value in given.texts.items() if name != cursors.PARAMETER]
    used += ctx.kept
    links = [("self", url_of(url, used))]
    if cursors.PARAMETER in given.texts or last is not None:
        links.append(("first", url_of(url, used)))
    if last is not None:
        place = cursors.write(backwards=False, keys=[last.resource_type], row_id=last.id)
        links.append(("next", url_of(url, [*used, (cursors.PARAMETER, place)])))
    return links
