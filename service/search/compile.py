"""From a ``Query`` to SQL; pure.

    Query + Narrow ──► Statement   one page: matches, and their includes in the same statement
                   ──► Statement   the number of matches (``_total``)
    criteria       ──► predicate   for reading one resource under a granular scope

Every type that a statement touches — matches, chain hops, ``_has`` sources, includes — is narrowed where it
is touched, so that nothing is filtered afterwards and nothing invisible can be counted or followed.
Source: https://hl7.org/fhir/R4/search.html
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.errors import BadRequest
from models.resource import table_name
from service.search import alphabet, crowds, includes, ordering, selectivity
from service.search.criteria import AllOf, AnyOf, Clause, Criterion, Moment, Narrow, everything
from service.search.cursors import Cursor
from service.search.ordering import Key
from service.search.predicates import Builder
from service.search.query import Query
from service.search.settled import settled, with_horizon

MAX_BYTES = 32 * 1024 * 1024
"""Text of one page; a note may hold an attachment of several megabytes, and a page a thousand notes."""

LOWER_BOUNDS = frozenset({"eq", "gt", "ge", "sa"})

BOUNDS = frozenset({"gt", "ge", "sa", "lt", "le", "eb"})


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT. Its rows are (mode, resource_type, id, version, last_updated, body, key…)."""

    sql: str
    arguments: tuple[Any, ...]
    keys: tuple[Key, ...] = ()


def page(query: Query, narrow: Narrow, *, now: datetime | None = None) -> Statement | None:
    """One page of matches, one row more than asked for, with their includes; None when nothing is visible.

    ``now`` is what an approximate date (``ap``) is near to; the database's clock when absent.
    """
    build = Builder(query.resource_type, narrow, now, selective=selectivity.named(query.criteria))
    keys = ordering.keys(query, resumable=resumable(query.criteria))
    crowd = crowds.drawing(build, query, keys)
    where = conditions(build, query, apart=crowd)
    if where is None:
        return None
    backwards = query.cursor is not None and query.cursor.backwards
    if query.cursor is not None:
        where.append(place(build, query.cursor, keys))
    order = ordering.order_by(keys, backwards=backwards)
    selected = "".join(f", {key.expression} AS key{number}" for number, key in enumerate(keys))
    columns = "r.id, r.version, r.last_updated, r.body"
    limit = build.argument(query.count + 1)
    tail = f"ORDER BY {order} LIMIT {limit}"
    if alphabet.applies(query):
        source = f"{alphabet.rows(build, query, ' AND '.join(where), limit)} {tail}"
    else:
        source = f"{rows(build, query, keys, where, tail, crowd)} {tail}"
    numbered = f"{selected}, row_number() OVER (ORDER BY {order}) AS place"
    if query.includes:
        matches = f"SELECT {columns}, r.patient, r.terms{numbered} {source}"
        sql = includes.with_page(build, query, matches, keys, limit)
    else:
        sql = (
            f"SELECT 'match' AS mode, '{query.resource_type}' AS resource_type, {columns}{numbered} {source}"
        )
    return Statement(bounded(sql, keys), tuple(build.arguments), keys)


def place(build: Builder, cursor: Cursor, keys: tuple[Key, ...]) -> str:
    """The condition that a row lies on the page or after it."""
    try:
        return ordering.after(build, keys, cursor)
    except ValueError:
        raise BadRequest("The page link is not one of this search; start again at its first page.") from None


def bounded(sql: str, keys: tuple[Key, ...]) -> str:
    """Leave out the bodies that would make an answer too large; the first one always stays."""
    names = "".join(f", key{number}" for number in range(len(keys)))
    fits = f"sum(octet_length(body)) OVER (ORDER BY place NULLS LAST ROWS UNBOUNDED PRECEDING) <= {MAX_BYTES}"
    body = f"CASE WHEN place = 1 OR {fits} THEN body END AS body"
    head = f"SELECT mode, resource_type, id, version, last_updated, {body}{names}"
    return with_horizon(f"{head} FROM ({sql}) AS answered ORDER BY place NULLS LAST")


def measured(sql: str, columns: str, order: str) -> str:
    """The same for another module's statement, whose rows have a body: columns, body, and bytes so far."""
    total = f"sum(octet_length(body)) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING) AS bytes"
    body = f"CASE WHEN bytes <= {MAX_BYTES} OR bytes = octet_length(body) THEN body END AS body"
    counted = f"(SELECT *, {total} FROM ({sql}) AS found) AS counted"
    return with_horizon(f"SELECT {columns}, {body}, bytes FROM {counted} ORDER BY {order}")


def fitting(records: Sequence[Any]) -> Sequence[Any]:
    """The measured rows that fit into an answer: all before the first whose body was left out."""
    for number, record in enumerate(records):
        if record["body"] is None and (record["bytes"] or 0) > MAX_BYTES:
            return records[:number]
    return records


def rows(
    build: Builder, query: Query, keys: Sequence[Key], where: list[str], tail: str, crowd: Sequence[Clause]
) -> str:
    """The matches; found before they are put in order where they can only be few, by date in two parts."""
    table, condition = table_name(query.resource_type), " AND ".join(where)
    if crowd:
        return crowds.rows(build, query, keys, crowd, where, tail)
    if selectivity.few(query.criteria):
        # OFFSET 0 keeps the planner from reading the table in the order of the answer instead.
        return f"FROM (SELECT * FROM {table} r WHERE {condition} OFFSET 0) r"
    if parts := ordering.halves(build, query, keys):
        found = (f"(SELECT * FROM {table} r WHERE {condition} AND {part} {tail})" for part in parts)
        return f"FROM ({' UNION ALL '.join(found)}) r"
    return f"FROM {table} r WHERE {condition}"


def total(query: Query, narrow: Narrow, *, now: datetime | None = None) -> Statement | None:
    """The number of matches; None when nothing is visible."""
    build = Builder(query.resource_type, narrow, now, selective=selectivity.named(query.criteria))
    where = conditions(build, query)
    if where is None:
        return None
    sql = f"SELECT count(*) FROM {table_name(query.resource_type)} r WHERE {' AND '.join(where)}"
    return Statement(with_horizon(sql), tuple(build.arguments))


def conditions(build: Builder, query: Query, *, apart: Sequence[Criterion] = ()) -> list[str] | None:
    """What a row must satisfy to match and to be seen; but for the criteria ``apart``."""
    visible = build.visible(query.resource_type, "r")
    if visible is None:
        return None
    criteria = [one for one in query.criteria if not any(one is other for other in apart)]
    where = [visible, *(build.holds(criterion, query.resource_type, "r") for criterion in criteria)]
    return [*where, settled("r")] if resumable(query.criteria) or begins(query) else where


def predicate(
    resource_type: str,
    criteria: Iterable[Criterion],
    alias: str,
    first_argument: int,
    *,
    now: datetime | None = None,
) -> tuple[str, list[Any]]:
    """The condition that all criteria hold for a row of a type, for a statement of another module.

    Args:
        resource_type: the row's type.
        criteria: what must hold; see ``query.clauses`` and ``criteria.AnyOf``.
        alias: the row's alias in the statement.
        first_argument: the number of the first ``$n`` that is free.
        now: what an approximate date is near to.
    """
    build = Builder(resource_type, everything, now, selective=True, root=alias, first_argument=first_argument)
    parts = [build.holds(criterion, resource_type, alias) for criterion in criteria]
    return " AND ".join(parts) or "TRUE", build.arguments


def resumable(criteria: Iterable[Criterion]) -> bool:
    """Whether the search has a lower bound on ``_lastUpdated``, as a client that resumes a pull sends."""
    return any(
        resumable(criterion.criteria)
        if isinstance(criterion, AllOf | AnyOf)
        else isinstance(criterion, Clause)
        and criterion.parameter.store == "last_updated"
        and any(isinstance(one, Moment) and one.prefix in LOWER_BOUNDS for one in criterion.operands)
        for criterion in criteria
    )


def pulls(query: Query) -> bool:
    """Whether a search asks only what has changed since an instant, in that order.

    One plan serves all instants: the index of changes, read from there on until the page is full.
    """
    return (
        resumable(query.criteria)
        and all(is_bound(criterion) for criterion in query.criteria)
        and all(sort.parameter.store == "last_updated" for sort in query.sort)
        and not (query.includes or query.counts)
    )


def is_bound(criterion: Criterion) -> bool:
    """Whether a criterion is one bound on ``_lastUpdated``."""
    return (
        isinstance(criterion, Clause)
        and criterion.parameter.store == "last_updated"
        and len(criterion.operands) == 1
        and isinstance(criterion.operands[0], Moment)
        and criterion.operands[0].prefix in BOUNDS
    )


def begins(query: Query) -> bool:
    """Whether the search goes from the oldest change on, as a client does that will resume from its end."""
    return (
        bool(query.sort) and query.sort[0].parameter.store == "last_updated" and not query.sort[0].descending
    )
