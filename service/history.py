"""History of a resource, a type or the whole server: what changed, newest first, deletions included.

    parameters ─▶ Asked ─▶ one SELECT a type, merged by (last_updated, seq) ─▶ Bundle of type history

A place in the sequence is the instant and the sequence number of a version, so pages neither repeat nor
leave out anything while others write. Except for one resource read without ``_since``, a version is held
back while a transaction older than its own is under way: a client may resume from the greatest instant it
saw. Whose current version a caller may not see, has no history for them, and a granular scope shows the
current version only. A page ends before the versions that would make it too large. The total is told where
it costs next to nothing: of one resource, of what fits on one page, and when it is what is asked for.

Source: https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from models.definitions import RESOURCE_TYPES
from models.document import serialize
from models.errors import Forbidden, NotFound
from models.resource import table_name
from service import contents, paging, store
from service.access import decide
from service.history_parameters import Place, read_parameters
from service.interaction import Answer, Interaction, Version
from service.search import compile as compiled
from service.search import summary
from service.search.run import given_up
from service.search.settled import settled, with_horizon
from service.searchset import bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from service.access.decide import Permission
    from service.context import Context
    from service.history_parameters import Asked, Period
    from service.search.query import Query

_TOLD = (
    "h.resource_type, h.id, h.version, h.last_updated, h.body, h.method, h.seq, "
    "h.version = 1 OR (h.method = 'PUT' AND EXISTS (SELECT FROM resource_history o WHERE o.method = 'DELETE' "
    "AND o.resource_type = h.resource_type AND o.id = h.id AND o.version = h.version - 1)) AS created"
)
_COLUMNS = "resource_type, id, version, last_updated, method, seq, created"
_MEMBERS = ("resource_type", "id", "version", "last_updated", "body", "method")


class Told(NamedTuple):
    """A version with its sequence number, and whether it is the first or the first after a deletion."""

    version: Version
    seq: int
    created: bool


async def history(ctx: Context, ask: Interaction) -> Answer:
    """Return one page of the versions of a resource, a type, or everything.

    Raises:
        NotFound: the resource does not exist for this caller.
        Forbidden: no scope allows reading the type, or any type at all.
        BadRequest: a parameter cannot be read.
    """
    asked = read_parameters(ask)
    sources = _sources(ctx, ask)
    counts = asked.shape.counts_only
    rows, more = ([], False) if counts else await _rows(ctx, ask, asked, sources)
    if ask.id and not rows and not await _exists(ctx, ask, sources[ask.resource_type]):
        raise NotFound
    total: int | None = None
    if not counts and not more and asked.place is None:
        total = len(rows)
    elif counts or ask.id:
        total = await _total(ctx, ask, asked, sources)
    return Answer(200, document=_rendered(ctx, ask, asked, rows, more=more, total=total))


def _sources(ctx: Context, ask: Interaction) -> dict[str, Permission]:
    """Return the types to look into, each with what the caller may see of it."""
    base_url = ctx.settings.base_url
    if ask.resource_type:
        return {ask.resource_type: decide.authorize(ctx.principal, "r", ask.resource_type, base_url=base_url)}
    found = {name: decide.readable(ctx.principal, name, base_url=base_url) for name in RESOURCE_TYPES}
    sources = {name: permission for name, permission in found.items() if permission is not None}
    if not sources:
        raise Forbidden("The access token has no scope to read any type.")
    return sources


async def _exists(ctx: Context, ask: Interaction, permission: Permission) -> bool:
    if permission.unrestricted:
        return await store.current(ctx, ask.resource_type, ask.id) is not None
    condition, values = compiled.predicate(ask.resource_type, permission.criteria, "r", 2, now=ctx.now())
    sql = f"SELECT 1 FROM {table_name(ask.resource_type)} r WHERE r.id = $1 AND {condition}"  # noqa: S608 - compiled with parameters
    return await ctx.connection.fetchval(sql, ask.id, *values) is not None


async def _rows(
    ctx: Context, ask: Interaction, asked: Asked, sources: dict[str, Permission]
) -> tuple[list[Told], bool]:
    """Read a page in the order of reading, and tell whether there is more.

    Raises:
        TooCostly: the database gave up.
    """
    values: list[Any] = []
    newer = asked.place.newer if asked.place else asked.ascending
    order = "ASC" if newer else "DESC"
    tail = f"ORDER BY last_updated {order}, seq {order} LIMIT {asked.count + 1}"
    branches = [
        f"(SELECT {_TOLD} FROM resource_history h "  # noqa: S608 - built from parameters and names of our own
        f"WHERE {' AND '.join(_conditions(ctx, ask, asked, name, permission, values))} {tail})"
        for name, permission in sources.items()
    ]
    sql = f"SELECT * FROM ({' UNION ALL '.join(branches)}) AS changes {tail}"  # noqa: S608 - as above
    sql = compiled.measured(sql, _COLUMNS, f"last_updated {order}, seq {order}")
    try:
        records = await ctx.connection.fetch(sql, *values)
    except asyncpg.QueryCanceledError as error:
        raise given_up() from error
    rows = [
        Told(Version(*(one[name] for name in _MEMBERS)), one["seq"], one["created"])
        for one in compiled.fitting(records[: asked.count])
    ]
    count = contents.fitting([told.version.body or "" for told in rows], compiled.MAX_BYTES)
    return rows[:count], len(records) > count


def _current(at: Period, take: Callable[[Any, str], str]) -> Iterator[str]:
    """Keep what was current at some time of a period: begun before its end, and not over before it.

    What will be current in a time to come, nobody knows.
    """
    start, end = at
    if end is not None:
        yield f"h.last_updated < {take(end, 'timestamptz')}"
    if start is not None:
        began = take(start, "timestamptz")
        yield f"{began} <= now()"
        yield (
            "NOT EXISTS (SELECT FROM resource_history l WHERE l.resource_type = h.resource_type "
            f"AND l.id = h.id AND l.version = h.version + 1 AND l.last_updated <= {began})"
        )


async def _total(ctx: Context, ask: Interaction, asked: Asked, sources: dict[str, Permission]) -> int:
    """Count the versions on all pages.

    Raises:
        TooCostly: the database gave up.
    """
    values: list[Any] = []
    whole = replace(asked, place=None)
    branches = [
        f"SELECT FROM resource_history h WHERE {' AND '.join(_conditions(ctx, ask, whole, *source, values))}"
        for source in sources.items()
    ]
    sql = with_horizon(f"SELECT count(*) FROM ({' UNION ALL '.join(branches)}) AS changes")  # noqa: S608 - as above
    try:
        total: int = await ctx.connection.fetchval(sql, *values)
    except asyncpg.QueryCanceledError as error:
        raise given_up() from error
    return total


def _conditions(
    ctx: Context, ask: Interaction, asked: Asked, name: str, permission: Permission, values: list[Any]
) -> Iterator[str]:
    def take(value: Any, cast: str) -> str:
        values.append(value)
        return f"${len(values)}::{cast}"

    yield f"h.resource_type = '{name}'"
    if ask.id:
        yield f"h.id = {take(ask.id, 'text')}"
    if not ask.id or asked.since:
        yield settled("h")
    if asked.since:
        yield f"h.last_updated >= {take(asked.since, 'timestamptz')}"
    yield from _current(asked.at, take)
    if asked.place:
        relation = ">" if asked.place.newer else "<"
        at, seq = take(asked.place.at, "timestamptz"), take(asked.place.seq, "bigint")
        yield f"(h.last_updated, h.seq) {relation} ({at}, {seq})"
    if not permission.unrestricted:
        seen, more = compiled.predicate(name, permission.criteria, "r", len(values) + 1, now=ctx.now())
        values.extend(more)
        # A version from when the resource was another patient's is not told.
        same = f"{seen} AND r.patient IS NOT DISTINCT FROM h.patient"
        same += " AND r.version = h.version" if permission.by_content else ""
        yield f"EXISTS (SELECT FROM {table_name(name)} r WHERE r.id = h.id AND {same})"


def _place(row: Told, *, newer: bool) -> str:
    """Spell a version's place, from which a link reads on."""
    return str(Place(row.version.last_updated, row.seq, newer))


def _rendered(
    ctx: Context, ask: Interaction, asked: Asked, rows: Sequence[Told], *, more: bool, total: int | None
) -> str:
    shown = rows[::-1] if asked.backwards else rows
    has_previous = more if asked.backwards else asked.place is not None
    has_next = True if asked.backwards else more
    path = "/".join(filter(None, (ask.resource_type, ask.id, "_history")))
    links = [("self", paging.url_of(ctx, path, asked.used))]
    if shown and (has_previous or has_next):
        links.append(("first", paging.url_of(ctx, path, asked.used)))
    if shown and has_previous:
        previous = _place(shown[0], newer=not asked.ascending)
        links.append(("previous", paging.url_of(ctx, path, asked.used, previous)))
    if shown and has_next:
        following = _place(shown[-1], newer=asked.ascending)
        links.append(("next", paging.url_of(ctx, path, asked.used, following)))
    return bundle("history", total, links, [_entry(ctx.fhir_base, told, asked.shape) for told in shown])


def _entry(base: str, row: Told, shape: Query) -> str:
    version = row.version
    place = f"{version.resource_type}/{version.id}"
    deleted = version.body is None
    status = HTTPStatus.CREATED if row.created else HTTPStatus.NO_CONTENT if deleted else HTTPStatus.OK
    request = {"method": version.method, "url": version.resource_type if version.method == "POST" else place}
    response = {
        "status": f"{status.value} {status.phrase}",
        "etag": f'W/"{version.version}"',
        "lastModified": store.instant(version.last_updated),
    }
    body = ""
    if version.body is not None:
        shown = summary.of(version.resource_type, version.body, shape, is_match=True)
        body = f'"resource":{shown},'
    told = f'"request":{serialize(request).decode()},"response":{serialize(response).decode()}'
    return f'{{"fullUrl":"{base}/{place}",{body}{told}}}'
