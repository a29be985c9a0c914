"""The SQL of the store: one statement that puts a version everywhere it must be.

    clock    transaction id and instant, drawn together under a momentary lock
    held     the resources referred to: still there, and kept from deletion until the commit
    claim    the business identifier, first come first served        (prescriptions only)
    row      the type's table: current body and search columns
    version  resource_history
    indexes  strings, dates and quantities that a resource may have several of
    kept     contents too large for the row                           (see service/contents.py)
    audited  the audit record of this very write

Each part selects FROM the parts before it, so that a lost claim, a stale version or the loss of what is
referred to stores nothing at all and the statement returns no row. Only the claim of a stale version would
stay: an update that claims is rolled back (``service/write.py``). Texts are built from the tables' own
column names, never from input, and kept; values travel as parameters.

Why the clock: a reader of changes stops before the first transaction under way. That loses nothing only if
transaction ids and ``last_updated`` order alike, so both are drawn while one advisory lock is held,
which is let go at once and not at commit. ``server_clock`` keeps instants growing when the operating
system's clock steps back. PostgreSQL evaluates a target list from left to right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

from models.document import serialize
from models.resource import table_name
from service.access.decide import GUARDED
from service.search.links import REFERS
from service.search.registry import parameters as search_parameters
from service.search.values import ALWAYS, NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CLOCK_LOCK = 5_422_853_148_741_386_307
"""Key of the advisory lock under which stamps are drawn; nothing else may use it."""

DRAW_CLOCK = f"""SELECT pg_advisory_lock({CLOCK_LOCK}), pg_current_xact_id() AS tx,
        setval('server_clock', greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
                                        (SELECT last_value + 1 FROM server_clock))) AS micros,
        pg_advisory_unlock({CLOCK_LOCK})"""  # noqa: S608 - a constant of this file

DRAW_STAMP = (
    f"SELECT tx, timestamptz 'epoch' + micros * interval '1 microsecond' AS at FROM ({DRAW_CLOCK}) AS clock"  # noqa: S608
)
"""Draw the stamp that all writes of one transaction share; must be the transaction's first statement."""

FIXED = (
    ("id", "text"),
    ("version", "int"),
    ("method", "text"),
    ("actor", "text"),
    ("head", "text"),
    ("tail", "text"),
    ("request_id", "text"),
    ("client_id", "text"),
    ("login", "text"),
    ("interaction", "text"),
    ("status", "int"),
)
"""The parameters that every write has, in order."""

INDEX_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "index_string": (("parameter", "text"), ("value", "text"), ("exact", "text")),
    "index_date": (("parameter", "text"), ("range_start", "timestamptz"), ("range_end", "timestamptz")),
    "index_quantity": (
        ("parameter", "text"),
        ("system", "text"),
        ("code", "text"),
        ("value", "numeric"),
        ("low", "numeric"),
        ("high", "numeric"),
        ("canonical_unit", "text"),
        ("canonical_low", "numeric"),
        ("canonical_high", "numeric"),
    ),
    "index_text": (("parameter", "text"), ("words", "text")),
}

_STORED_IN = {"string": "index_string", "date": "index_date", "quantity": "index_quantity"}
"""The index table of each store of search parameters; words are in ``index_text`` for every type."""

_ENDLESS = {ALWAYS: "infinity", NEVER: "-infinity"}

COMPUTED = {
    "words": "CASE entry.parameter WHEN ':text' THEN array_to_tsvector(string_to_array(entry.words, ' ')) "
    "ELSE to_tsvector('english', entry.words) END"
}
"""What is stored where it is not the value: words of displays as given, prose as PostgreSQL reads it."""

_BASE_COLUMNS = frozenset({"id", "version", "tx", "last_updated", "deleted", "body"})


@dataclass(frozen=True, slots=True)
class Shape:
    """What distinguishes one write statement of a type from another.

    ``refers`` are the types of what must be there, each with whether it is one resource only.
    ``contained`` tells that the version before may have held contained resources, whose names and dates are
    indexed with it.
    """

    resource_type: str
    creates: bool
    deletes: bool
    stamped: bool
    claims: bool
    indexes: tuple[str, ...]
    refers: tuple[tuple[str, bool], ...] = ()
    keeps: bool = False
    contained: bool = False


@cache
def type_columns(resource_type: str) -> tuple[tuple[str, str], ...]:
    """List the search columns of a type's table as (name, SQL type), in parameter order."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return tuple(
        (column.name, column.type.compile(dialect))
        for column in SQLModel.metadata.tables[table_name(resource_type)].columns
        if column.name not in _BASE_COLUMNS
    )


@cache
def index_tables(resource_type: str) -> tuple[str, ...]:
    """List the index tables in which resources of a type have rows of their own."""
    stores = {one.store for one in search_parameters(resource_type).values()}
    held = {_STORED_IN[store] for store in stores & _STORED_IN.keys()} | {"index_text"}
    return tuple(table for table in INDEX_COLUMNS if table in held)


def index_value(table: str, rows: Iterable[tuple[Any, ...]]) -> str:
    """Write the rows of an index table as one parameter of a write: a JSON array of objects.

    An array for each column would take the driver several times as long, most of all for numbers.
    """
    names = [name for name, _ in INDEX_COLUMNS[table]]
    if table == "index_date":
        rows = [(code, *(_ENDLESS.get(side, side) for side in sides)) for code, *sides in rows]
    return serialize([dict(zip(names, row, strict=True)) for row in rows]).decode()


class _Parameters:
    """Numbers placeholders in the order in which the store passes the values."""

    def __init__(self) -> None:
        self._count = 0

    def take(self, *columns: tuple[str, str], array: bool = False) -> dict[str, str]:
        placeholders = {}
        for name, cast in columns:
            self._count += 1
            placeholders[name] = f"${self._count}::{cast}{'[]' if array else ''}"
        return placeholders


@cache
def write_statement(shape: Shape) -> str:
    """Build the statement for one shape; it returns ``at`` when the version was stored, else no row."""
    parameters = _Parameters()
    p = parameters.take(*FIXED)
    parts = [_stamp(parameters, shape)]
    source = "stamp"
    if shape.deletes:
        parts.append(_held_back(p, shape))
        source = "stamp, held"
    elif shape.refers:
        parts.extend(_held(parameters, shape))
        source = "stamp, held"
    if shape.claims:
        parts.append(_claim(parameters, p, shape, source))
        source += ", claim"
    columns = parameters.take(*type_columns(shape.resource_type))
    parts.append(_row(p, columns, shape, source))
    parts.append(_history(p, shape))
    if not shape.creates:
        tables = tuple(INDEX_COLUMNS) if shape.contained else index_tables(shape.resource_type)
        parts.extend(_old_rows(p, shape.resource_type, tables))
    parts.extend(_indexes(parameters, p, shape))
    if shape.keeps:
        parts.append(_kept(parameters, p, shape))
    parts.append(_audit(p, shape))
    return "WITH " + ",\n".join(parts) + "\nSELECT stamp.at FROM stamp, stored"


@cache
def reindex_statement(resource_type: str, indexes: tuple[str, ...]) -> str:
    """Build the statement that replaces what finds one version: columns, then rows of each index.

    Everything else of the row stays, its transaction id too: nothing has changed for who pulls changes.
    It takes ``id``, ``version``, the search columns and the rows of each index, and needs the lock that keeps
    writers of the type out: a write that began before would not see the new rows and leave them behind.
    """
    shape = Shape(resource_type, creates=False, deletes=False, stamped=True, claims=False, indexes=indexes)
    table, parameters = table_name(resource_type), _Parameters()
    p = parameters.take(("id", "text"), ("version", "int"))
    columns = parameters.take(*type_columns(resource_type))
    # Whose record it is may have been decided by more than the document when it was written.
    columns["patient"] = f"coalesce({columns['patient']}, {table}.patient)"
    changes = ", ".join(f"{_quoted(name)} = {value}" for name, value in columns.items())
    stored = (
        f"stored AS (UPDATE {table} SET {changes} "  # noqa: S608 - names of our own tables
        f"WHERE id = {p['id']} AND version = {p['version']} AND NOT deleted RETURNING 1)"
    )
    # Rows of a parameter that there was when the version was stored go too, wherever they are.
    old, new = _old_rows(p, resource_type, tuple(INDEX_COLUMNS)), _indexes(parameters, p, shape)
    return "WITH " + ",\n".join([stored, *old, *new]) + "\nSELECT FROM stored"


def _stamp(parameters: _Parameters, shape: Shape) -> str:
    if shape.stamped:
        given = parameters.take(("tx", "xid8"), ("at", "timestamptz"))
        drawn = f"SELECT {given['tx']} AS tx, {given['at']} AS at"
    else:
        drawn = "SELECT tx, timestamptz 'epoch' + micros * interval '1 microsecond' AS at FROM clock"
    instant = """to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS instant"""
    stamp = f"stamp AS MATERIALIZED (SELECT tx, at, {instant} FROM ({drawn}) AS drawn)"  # noqa: S608
    return stamp if shape.stamped else f"clock AS MATERIALIZED ({DRAW_CLOCK}),\n{stamp}"


def _held(parameters: _Parameters, shape: Shape) -> Iterator[str]:
    """Hold what is referred to as a foreign key does; it comes after the clock, or it would draw the id."""
    kept = []
    for number, (resource_type, is_one) in enumerate(shape.refers):
        (ids,) = parameters.take(("ids", "text"), array=not is_one).values()
        yield (
            f"held_{number} AS MATERIALIZED (SELECT r.id FROM stamp, {table_name(resource_type)} r "  # noqa: S608
            f"WHERE r.id = {ids if is_one else f'ANY({ids})'} AND NOT r.deleted FOR KEY SHARE OF r)"
        )
        kept.append(
            f"EXISTS (SELECT FROM held_{number})"
            if is_one
            else f"(SELECT count(*) FROM held_{number}) = cardinality({ids})"  # noqa: S608
        )
    yield f"held AS MATERIALIZED (SELECT FROM stamp WHERE {' AND '.join(kept)})"


def _held_back(p: dict[str, str], shape: Shape) -> str:
    """Wait for everybody who holds what goes, before it is marked as deleted.

    Whoever comes later waits for this deletion; without the lock, a mere update would not stop a holder.
    """
    rows = f"{table_name(shape.resource_type)} r WHERE r.id = {p['id']}"
    return f"held AS MATERIALIZED (SELECT FROM stamp, {rows} FOR UPDATE OF r)"


def _claim(parameters: _Parameters, p: dict[str, str], shape: Shape, source: str) -> str:
    key = parameters.take(("system", "text"), ("value", "text"))
    return f"""claim AS (INSERT INTO business_identifier (resource_type, system, value, id, version)
    SELECT '{shape.resource_type}', {key["system"]}, {key["value"]}, {p["id"]}, {p["version"]} FROM {source}
    ON CONFLICT DO NOTHING RETURNING 1)"""  # noqa: S608


def _row(p: dict[str, str], columns: dict[str, str], shape: Shape, source: str) -> str:
    table = table_name(shape.resource_type)
    body = _body(p, shape)
    values = {
        "version": p["version"],
        "tx": "stamp.tx",
        "last_updated": "stamp.at",
        "deleted": str(shape.deletes).lower(),
        "body": body,
        **columns,
    }
    if shape.creates:
        return f"""stored AS (INSERT INTO {table} (id, {", ".join(map(_quoted, values))})
    SELECT {p["id"]}, {", ".join(values.values())} FROM {source} ON CONFLICT DO NOTHING RETURNING patient)"""  # noqa: S608
    if shape.deletes:  # whose record it was stays known, so that the tombstone is shown to the same people
        values["patient"] = f"coalesce({table}.patient, {values['patient']})"
        if shape.resource_type == GUARDED:
            kept = f"SELECT t FROM unnest({table}.terms) t WHERE starts_with(t, '{REFERS}')"  # noqa: S608
            values["terms"] = f"{values['terms']} || ARRAY({kept})"
    changes = ", ".join(f"{_quoted(name)} = {value}" for name, value in values.items())
    return f"""stored AS (UPDATE {table} SET {changes} FROM {source}
    WHERE {table}.id = {p["id"]} AND {table}.version = {p["version"]} - 1
        AND {table}.last_updated <= stamp.at RETURNING {table}.patient)"""  # noqa: S608


def _history(p: dict[str, str], shape: Shape) -> str:
    return f"""history AS (INSERT INTO resource_history
        (resource_type, id, version, tx, last_updated, method, patient, actor, body)
    SELECT '{shape.resource_type}', {p["id"]}, {p["version"]}, stamp.tx, stamp.at, {p["method"]},
           stored.patient, {p["actor"]}, {_body(p, shape)} FROM stamp, stored)"""  # noqa: S608


def _old_rows(p: dict[str, str], resource_type: str, tables: tuple[str, ...]) -> list[str]:
    """Remove what found the version before."""
    return [
        f"old_{table} AS (DELETE FROM {table} USING stored "  # noqa: S608
        f"WHERE resource_type = '{resource_type}' AND id = {p['id']})"
        for table in tables
    ]


def _indexes(parameters: _Parameters, p: dict[str, str], shape: Shape) -> list[str]:
    parts = []
    for table in shape.indexes:
        columns = INDEX_COLUMNS[table]
        (rows,) = parameters.take(("rows", "json")).values()
        names = ", ".join(_quoted(name) for name, _ in columns)
        typed = ", ".join(f"{_quoted(name)} {type_}" for name, type_ in columns)
        values = ", ".join(COMPUTED.get(name, f"entry.{_quoted(name)}") for name, _ in columns)
        parts.append(
            f"{table}_rows AS (INSERT INTO {table} (resource_type, id, {names}) "  # noqa: S608
            f"SELECT '{shape.resource_type}', {p['id']}, {values} "
            f"FROM stored, json_to_recordset({rows}) AS entry({typed}))"
        )
    return parts


def _kept(parameters: _Parameters, p: dict[str, str], shape: Shape) -> str:
    """Keep contents that no version of the resource has had; nobody else's insertion is waited for."""
    digests, texts = parameters.take(("sha256", "bytea"), ("content", "text"), array=True).values()
    return f"""kept AS (INSERT INTO large_content (resource_type, id, sha256, content)
    SELECT '{shape.resource_type}', {p["id"]}, entry.sha256, entry.content
    FROM stored, unnest({digests}, {texts}) AS entry(sha256, content) ON CONFLICT DO NOTHING)"""  # noqa: S608


def _audit(p: dict[str, str], shape: Shape) -> str:
    return f"""audited AS (INSERT INTO audit_record
        (recorded, request_id, client_id, login, interaction, resource_type, resource_id, status)
    SELECT stamp.at, {p["request_id"]}, {p["client_id"]}, {p["login"]}, {p["interaction"]},
           '{shape.resource_type}', {p["id"]}, {p["status"]} FROM stamp, stored)"""  # noqa: S608


def _body(p: dict[str, str], shape: Shape) -> str:
    """The body with its instant between head and tail; null for a deletion, whose head and tail are empty."""
    return (
        f"nullif({p['head']} || {p['tail']}, '')"
        if shape.deletes
        else f"{p['head']} || stamp.instant || {p['tail']}"
    )


def _quoted(name: str) -> str:
    return f'"{name}"'
