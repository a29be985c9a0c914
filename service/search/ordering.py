"""The order of a result, and the place after a row of it.

    _sort=-date  ──► ORDER BY r.date_start DESC NULLS LAST, r.id
    cursor       ──► (date_start < $1 OR date_start IS NULL) OR (date_start = $1 AND id > $2)

The id ends every order, so that no two rows are equal. Without ``_sort`` the order is by id, which no write
changes; a search with a lower bound on ``_lastUpdated`` goes by time, so that a client can resume from
the last row it saw. Rows without a value come last in either direction. Of several values that counts which
comes first in the order: the least upwards, the greatest downwards.

Source: https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.resource import BY_DATE
from service.search import spans
from service.search.criteria import Sort
from service.search.cursors import Cursor, read_key
from service.search.cursors import Key as Value
from service.search.predicates import Builder, literal
from service.search.query import Query


@dataclass(frozen=True, slots=True)
class Key:
    """One expression that rows are ordered by."""

    expression: str
    data_type: str
    descending: bool = False
    nullable: bool = True
    mirrored: bool = False
    """The index has ids against the direction of this key: newest first with ids upwards."""


CODE_FIRST = """COALESCE({first}(t COLLATE "C") FILTER (WHERE strpos(t, '|') = 0), {first}(t COLLATE "C"))"""
"""A token's code where it has one, a URL without its version; other terms have a system, or a version."""

QUANTITY = "COALESCE({first}(i.canonical_low), {first}(i.canonical_high), {first}(i.low), {first}(i.high))"
"""What is measured, in a unit that makes it comparable; of a quantity with an open side, the other."""

HELD = {
    "date": ("{first}(i.range_start) FROM index_date", "timestamptz"),
    "string": ('{first}(i.value COLLATE "C") FROM index_string', "text"),
    "quantity": (f"{QUANTITY} FROM index_quantity", "numeric"),
}
"""The value that decides of a parameter that a shared index table holds, with its column type."""

LAST_UPDATED = Key("r.last_updated", "timestamptz", nullable=False)


def keys(query: Query, *, resumable: bool) -> tuple[Key, ...]:
    """The keys of a search besides the id."""
    if not query.sort:
        return (LAST_UPDATED,) if resumable else ()
    return tuple(key(one, query) for one in query.sort)


def key(sort: Sort, query: Query) -> Key:
    """Where the index holds a parameter's value, of several the first in the order."""
    one, code, resource_type = sort.parameter, literal(sort.parameter.code), query.resource_type
    rows = f"i WHERE i.resource_type = {literal(resource_type)} AND i.parameter = {code} AND i.id = r.id)"
    if one.store in {"id", "last_updated"}:
        data_type = "text" if one.store == "id" else "timestamptz"
        return Key(f"r.{one.store}", data_type, sort.descending, nullable=False)
    if one.store == "column":
        # Who asks for dates gets no row without one.
        known = BY_DATE.get(resource_type) == one.column and bool(spans.dated(query.criteria, resource_type))
        return Key(
            f"r.{one.column}_start", "timestamptz", sort.descending, nullable=not known, mirrored=known
        )
    first = "max" if sort.descending else "min"
    if one.store in HELD:
        value, data_type = HELD[one.store]
        return Key(f"(SELECT {value.format(first=first)} {rows}", data_type, sort.descending)
    terms = f"FROM unnest(r.terms) t WHERE starts_with(t, {literal(one.code + '=')})"
    held = f"(SELECT {CODE_FIRST.format(first=first)} {terms})"
    if one.in_patient_column:
        held = f"COALESCE({literal(one.code + '=Patient/')} || r.patient, {held})"
    return Key(f'({held} COLLATE "C")', "text", sort.descending)


def order_by(ordered: tuple[Key, ...], *, backwards: bool) -> str:
    """The ORDER BY list, or its exact reverse."""
    parts = []
    for one in ordered:
        direction = "DESC" if one.descending is not backwards else "ASC"
        first = direction == "ASC" if one.mirrored else backwards
        nulls = f" NULLS {'FIRST' if first else 'LAST'}" if one.nullable or one.mirrored else ""
        parts.append(f"{one.expression} {direction}{nulls}")
    direction = "DESC" if ids_descend(ordered) is not backwards else "ASC"
    return ", ".join([*parts, f"r.id {direction}"])


def ids_descend(ordered: tuple[Key, ...]) -> bool:
    """Whether one index can be read for all keys and the id when the ids go down."""
    return bool(ordered) and all(not one.nullable and one.descending is not one.mirrored for one in ordered)


def after(build: Builder, ordered: tuple[Key, ...], cursor: Cursor) -> str:
    """The condition that a row comes after the cursor's row (before it, when going backwards).

    Raises:
        ValueError: the cursor belongs to another order.
    """
    if len(cursor.keys) != len(ordered):
        raise ValueError
    values = [read_key(text, one.data_type) for one, text in zip(ordered, cursor.keys, strict=True)]
    descending = ids_descend(ordered)
    operator = "<" if cursor.backwards is not descending else ">"
    if all(not one.nullable and one.descending is descending for one in ordered):
        if None in values:
            raise ValueError
        return row_comparison(build, ordered, values, operator, cursor.id)
    return lexicographic(build, ordered, values, operator, cursor)


def reached(query: Query, ordered: Sequence[Key]) -> Value:
    """Return the date after which a page of a list newest first goes on, where rows may be without one."""
    cursor = query.cursor
    if cursor is None or cursor.backwards or len(ordered) != 1:
        return None
    (one,) = ordered
    dated = one.expression == f"r.{spans.column(query.resource_type)}"
    return read_key(cursor.keys[0], one.data_type) if dated and one.nullable and one.descending else None


def halves(build: Builder, query: Query, ordered: Sequence[Key]) -> tuple[str, ...]:
    """Two conditions that part the rows so that an index serves each part; none where one serves all."""
    if parts := spans.parts(build, query.criteria, query.resource_type):
        return parts
    if (at := reached(query, ordered)) is None:
        return ()
    (date,) = ordered
    return f"{date.expression} <= {build.argument(at, date.data_type)}", f"{date.expression} IS NULL"


def row_comparison(
    build: Builder, ordered: tuple[Key, ...], values: list[Value], operator: str, row_id: str
) -> str:
    """Compare whole rows: an index over the same columns serves this."""
    left = ", ".join([*(one.expression for one in ordered), "r.id"])
    bound = [build.argument(value, one.data_type) for one, value in zip(ordered, values, strict=True)]
    right = ", ".join([*bound, build.argument(row_id)])
    return f"({left}) {operator} ({right})"


def lexicographic(
    build: Builder, ordered: tuple[Key, ...], values: list[Value], operator: str, cursor: Cursor
) -> str:
    """Equal in the first keys and strictly after in the next, for each number of first keys."""
    equal: list[str] = []
    options: list[str] = []
    for one, value in zip(ordered, values, strict=True):
        options.append(" AND ".join([*equal, beyond(build, one, value, backwards=cursor.backwards)]))
        if value is None:
            equal.append(f"{one.expression} IS NULL")
        else:
            equal.append(f"{one.expression} = {build.argument(value, one.data_type)}")
    options.append(" AND ".join([*equal, f"r.id {operator} {build.argument(cursor.id)}"]))
    found = "(" + " OR ".join(f"({option})" for option in options) + ")"
    first, value = ordered[0], values[0]
    if value is None or (first.nullable and not cursor.backwards):
        return found
    # Said only to let the planner begin where the page begins.
    operator = "<=" if first.descending is not cursor.backwards else ">="
    return f"({first.expression} {operator} {build.argument(value, first.data_type)} AND {found})"


def beyond(build: Builder, one: Key, value: Value, *, backwards: bool) -> str:
    """Strictly after a value, where the absent ones come last."""
    if value is None:
        return f"{one.expression} IS NOT NULL" if backwards else "FALSE"
    operator = "<" if one.descending is not backwards else ">"
    compared = f"{one.expression} {operator} {build.argument(value, one.data_type)}"
    return compared if backwards or not one.nullable else f"({compared} OR {one.expression} IS NULL)"
