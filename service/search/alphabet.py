"""The order by a name: the index of names is walked, instead of looking up everybody's name for one page.

    named      index_string in the order of names ─▶ rows, each at the first of its names in the order
    nameless   those without any: only where the named do not fill the page, or backwards from one of these

A page then reads as much as it shows, however many rows there are.
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

from models.resource import table_name
from service.search import selectivity
from service.search.comparisons import PREFIX_LENGTH
from service.search.predicates import Builder, literal
from service.search.query import Query

VALUE = 'i.value COLLATE "C"'


def applies(query: Query) -> bool:
    """Whether a name alone orders rows that need not be few."""
    return (
        len(query.sort) == 1
        and query.sort[0].parameter.store == "string"
        and not selectivity.few(query.criteria)
    )


def rows(build: Builder, query: Query, condition: str, limit: str) -> str:
    """Write where the rows of a page come from; ``condition`` holds criteria and the place of the page."""
    table, backwards = table_name(query.resource_type), query.cursor is not None and query.cursor.backwards
    descending = query.sort[0].descending
    downwards = descending is not backwards
    code = literal(query.sort[0].parameter.code)
    names = f"i.resource_type = {literal(query.resource_type)} AND i.parameter = {code}"
    earlier = (
        f"SELECT FROM index_string e WHERE {names.replace('i.', 'e.')} AND e.id = i.id "
        f"AND ({VALUE.replace('i.', 'e.')}, e.ctid) {'>' if descending else '<'} ({VALUE}, i.ctid)"
    )
    way, ids = "DESC" if downwards else "ASC", "DESC" if backwards else "ASC"
    order = f"i.prefix {way}, {VALUE} {way}, r.id {ids}"
    named = (
        f"WITH named AS MATERIALIZED (SELECT r.* FROM index_string i JOIN {table} r ON r.id = i.id "
        f"WHERE {names} AND {beginning(build, query, downwards=downwards)} AND NOT EXISTS ({earlier}) "
        f"AND {condition} ORDER BY {order} LIMIT {limit}) SELECT * FROM named"
    )
    if only_named(query):
        return f"FROM ({named}) r"
    # Backwards from one without a name, those without come first.
    wanted = "" if backwards else f"AND (SELECT count(*) FROM named) < {limit} "
    return (
        f"FROM ({named} UNION ALL (SELECT r.* FROM {table} r WHERE {condition} {wanted}"
        f"AND COALESCE((SELECT FALSE FROM index_string i WHERE {names} AND i.id = r.id LIMIT 1), TRUE) "
        f"ORDER BY r.id {ids} LIMIT {limit})) r"
    )


def only_named(query: Query) -> bool:
    """Whether the page lies before somebody with a name: those without come after everybody with one."""
    return query.cursor is not None and query.cursor.backwards and query.cursor.keys[0] is not None


def beginning(build: Builder, query: Query, *, downwards: bool) -> str:
    """Say where in the index the page begins, if it is not the first."""
    if query.cursor is None:
        return "TRUE"
    (name,) = query.cursor.keys
    if name is None:
        return "TRUE" if query.cursor.backwards else "FALSE"
    return f"i.prefix {'<=' if downwards else '>='} {build.argument(name[:PREFIX_LENGTH])}"
