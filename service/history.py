"""History of a resource, a type or the whole server: what changed, newest first, deletions included.

    parameters ─▶ Asked ─▶ one SELECT a type, merged by (last_updated, seq) ─▶ Bundle of type history

A place in the sequence is the instant and the sequence number of a version, so pages neither repeat nor
leave out anything while others write. Except for one resource read without ``_since``, a version is held
back while a transaction older than its own is under way: a client may resume from the greatest instant it
saw. Whose current version a caller may not see, has no history for them, and a granular scope shows the
current version only. A page ends before the versions that would make it too large.

Source: https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from models.definitions import RESOURCE_TYPES
from models.document import serialize
from models.errors import BadRequest, Forbidden, NotFound
from models.resource import table_name
from service import contents, store
from service.access import decide
from service.interaction import Answer, Interaction, Version
from service.search import compile as compiled
from service.search import summary
from service.search.criteria import Moment
from service.search.cursors import PARAMETER
from service.search.operands import date
from service.search.query import DEFAULT_COUNT, MAX_COUNT
from service.search.values import ALWAYS, NEVER, Interval, interval, rank
from service.searchset import bundle, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from service.access.decide import Permission
    from service.context import Context

_PLACE = re.compile(r"(newer|older)-([0-9]{1,17})-([0-9]{1,18})")
_COUNT = re.compile(r"[0-9]{1,9}")
_TOLD = (
    "h.resource_type, h.id, h.version, h.last_updated, h.body, h.method, h.seq, "
    "h.version = 1 OR (h.method = 'PUT' AND EXISTS (SELECT FROM resource_history o WHERE o.method = 'DELETE' "
    "AND o.resource_type = h.resource_type AND o.id = h.id AND o.version = h.version - 1)) AS created"
)
_COLUMNS = "resource_type, id, version, last_updated, method, seq, created"
_MEMBERS = ("resource_type", "id", "version", "last_updated", "body", "method")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENDS = 2
_SPANS: dict[str, Callable[[datetime, datetime], Interval]] = {
    "eq": lambda start, end: (start, end),
    "ge": lambda start, _: (start, ALWAYS),
    "gt": lambda _, end: (end, ALWAYS),
    "le": lambda _, end: (NEVER, end),
    "lt": lambda start, _: (NEVER, start),
}
"""The time that ``_at`` means, by its prefix: https://hl7.org/fhir/R4/search.html#date."""


@dataclass(frozen=True, slots=True)
class Place:
    """A version's place in the sequence; ``newer`` asks for what came after it, else for what came before."""

    at: datetime
    seq: int
    newer: bool


class Told(NamedTuple):
    """A version with its sequence number, and whether it is the first or the first after a deletion."""

    version: Version
    seq: int
    created: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the history is asked for."""

    count: int = DEFAULT_COUNT
    since: datetime | None = None
    at: Interval | None = None
    place: Place | None = None
    used: tuple[tuple[str, str], ...] = ()
    partly: bool = False
    """Whether only a part of each resource is asked for."""


async def history(ctx: Context, ask: Interaction) -> Answer:
    """Return one page of the versions of a resource, a type, or everything.

    Raises:
        NotFound: the resource does not exist for this caller.
        Forbidden: no scope allows reading the type, or any type at all.
        BadRequest: a parameter cannot be read.
    """
    asked = read_parameters(ask)
    sources = _sources(ctx, ask)
    rows, more = await _rows(ctx, ask, asked, sources)
    if ask.id and not rows and not await _exists(ctx, ask, sources[ask.resource_type]):
        raise NotFound
    return Answer(200, document=_rendered(ctx, ask, asked, rows, more=more))


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
    """Read a page in the order of reading, and tell whether there is more."""
    values: list[Any] = []
    order = "ASC" if asked.place and asked.place.newer else "DESC"
    tail = f"ORDER BY last_updated {order}, seq {order} LIMIT {asked.count + 1}"
    branches = [
        f"(SELECT {_TOLD} FROM resource_history h "  # noqa: S608 - built from parameters and names of our own
        f"WHERE {' AND '.join(_conditions(ctx, ask, asked, name, permission, values))} {tail})"
        for name, permission in sources.items()
    ]
    sql = f"SELECT * FROM ({' UNION ALL '.join(branches)}) AS changes {tail}"  # noqa: S608 - as above
    sql = compiled.measured(sql, _COLUMNS, f"last_updated {order}, seq {order}")
    records = await ctx.connection.fetch(sql, *values)
    rows = [
        Told(Version(*(one[name] for name in _MEMBERS)), one["seq"], one["created"])
        for one in compiled.fitting(records[: asked.count])
    ]
    count = contents.fitting([told.version.body or "" for told in rows], compiled.MAX_BYTES)
    return rows[:count], len(records) > count


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
        yield "h.tx < pg_snapshot_xmin(pg_current_snapshot())"
    if asked.since:
        yield f"h.last_updated >= {take(asked.since, 'timestamptz')}"
    if asked.at:
        start, end = (take(side, "timestamptz") for side in asked.at)
        yield f"h.last_updated < {end}"
        yield (
            "NOT EXISTS (SELECT FROM resource_history l WHERE l.resource_type = h.resource_type "
            f"AND l.id = h.id AND l.version = h.version + 1 AND l.last_updated <= {start})"
        )
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


def read_parameters(ask: Interaction) -> Asked:
    """Read ``_count``, ``_since``, ``_at``, what part to show, and the place of a page link.

    Raises:
        BadRequest: one of them cannot be read, or is unknown.
    """
    values = dict(ask.query)
    if values.keys() - {"_count", "_since", "_at", "_summary", "_elements", PARAMETER}:
        raise BadRequest("History takes _count, _since, _at, _summary and _elements.")
    summary.asked_of_read(ask.resource_type, ask.query)
    count = values.get("_count", "")
    if count and not _COUNT.fullmatch(count):
        raise BadRequest("_count is a whole number.")
    since = _moment(values, "_since")
    return Asked(
        count=min(int(count) if count else DEFAULT_COUNT, MAX_COUNT),
        since=since[0] if since else None,
        at=_period([text for name, text in ask.query if name == "_at"]),
        place=_place(values.get(PARAMETER)),
        partly=not values.keys().isdisjoint({"_summary", "_elements"}),
        used=tuple(pair for pair in ask.query if pair[0] != PARAMETER),
    )


def _moment(values: dict[str, str], name: str) -> Interval | None:
    text = values.get(name)
    covered = interval(text.replace(" ", "+")) if text else None
    if text is not None and covered is None:
        raise BadRequest(f"{name} is a date or an instant, such as 2026-11-21T15:00:00Z.")
    return covered


def _period(texts: list[str]) -> Interval | None:
    """Read ``_at``: a time, ``ge…`` or ``le…``, or the two ends of a period."""
    if len(texts) > _ENDS:
        raise BadRequest("_at may be given twice, as the two ends of a period.")
    try:
        asked = [moment for text in texts for moment in date(text)]
        covered = [_SPANS[one.prefix](one.start, one.end) for one in asked if isinstance(one, Moment)]
    except (ValueError, KeyError):
        raise BadRequest(
            "_at is a date or an instant, such as 2026-11-21T15:00:00Z, or begins with ge, gt, le or lt."
        ) from None
    if not covered:
        return None
    start = max((start for start, _ in covered), key=rank)
    end = min((end for _, end in covered), key=rank)
    if rank(start) >= rank(end):
        raise BadRequest("_at ends before it begins.")
    return start, end


def _place(text: str | None) -> Place | None:
    if text is None:
        return None
    match = _PLACE.fullmatch(text)
    if match is None:
        raise BadRequest("The page link is not one of this history; start again at its first page.")
    return Place(_EPOCH + timedelta(microseconds=int(match[2])), int(match[3]), newer=match[1] == "newer")


def _spelled(row: Told, *, newer: bool) -> tuple[str, str]:
    micros = (row.version.last_updated - _EPOCH) // timedelta(microseconds=1)
    return PARAMETER, f"{'newer' if newer else 'older'}-{micros}-{row.seq}"


def _rendered(ctx: Context, ask: Interaction, asked: Asked, rows: Sequence[Told], *, more: bool) -> str:
    backwards = asked.place is not None and asked.place.newer
    shown = rows[::-1] if backwards else rows
    has_newer = more if backwards else asked.place is not None
    has_older = True if backwards else more
    path = "/".join(filter(None, (ctx.fhir_base, ask.resource_type, ask.id, "_history")))
    used = [*asked.used, *ctx.kept]
    links = [("self", url_of(path, used))]
    if shown and (has_newer or has_older):
        links.append(("first", url_of(path, used)))
    if shown and has_newer:
        links.append(("previous", url_of(path, [*used, _spelled(shown[0], newer=True)])))
    if shown and has_older:
        links.append(("next", url_of(path, [*used, _spelled(shown[-1], newer=False)])))
    told = [_shown(one, ask.query) for one in shown] if asked.partly else shown
    # To count what is on other pages would cost more than the page.
    total = len(shown) if ask.id and asked.place is None and not more else None
    return bundle("history", total, links, [_entry(ctx.fhir_base, one) for one in told])


def _shown(row: Told, query: tuple[tuple[str, str], ...]) -> Told:
    """Show the part of a version that ``_summary`` or ``_elements`` ask for."""
    body = row.version.body
    part = None if body is None else summary.of_read(row.version.resource_type, body, query)
    return row._replace(version=structs.replace(row.version, body=part))


def _entry(base: str, row: Told) -> str:
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
    body = "" if deleted else f'"resource":{version.body},'
    told = f'"request":{serialize(request).decode()},"response":{serialize(response).decode()}'
    return f'{{"fullUrl":"{base}/{place}",{body}{told}}}'
