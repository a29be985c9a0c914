"""Words and names that many resources share: the first rows in the order of the answer tell which they are.

PostgreSQL cannot know how frequent a word is among the notes, or a name among the patients: its statistics
know an index table as a whole. It would fetch all matches and put them in order for a page of fifty; and an
index of words reads all matches of a word before it gives the first.

    sample   the first rows in the order of the answer: do a few of them match?
    walk     if so, rows are probed in that order until the page is full, REACH rows at most
    matches  if not, or if the page was not filled, all are looked up in the index, and put in order

A page of a shared word then costs what it shows, and that of a rare one its matches. It is for an order that
an index has, and for a search that nothing else narrows but terms and dates, which a row holds itself.
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from models.resource import table_name
from service.search import comparisons, selectivity, spans
from service.search.criteria import AllOf, AnyOf, Clause, Criterion, Moment, Term, Text, Words
from service.search.ordering import LAST_UPDATED, Key, halves, reached
from service.search.predicates import MAX_ALTERNATIVES, Builder, literal
from service.search.query import Query

Ordered: TypeAlias = Callable[[str, int | str], str]
"""Writes the first rows in an order, of a condition and a number."""

FEW = 200
"""So many names are looked up and put in order sooner than a sample is looked at."""

SAMPLE = 100
SHARED = 2
"""So many matches among the sample at least make a walk worth while, and more for a larger page."""

REACH, FOR_EACH = 5000, 10
"""Rows that a walk probes at most, or for each row of a larger page: what the first share, others may not."""

BOUNDING = {
    "column": frozenset({"le", "lt", "sa"}),
    "last_updated": frozenset({"le", "lt", "eb", "ge", "gt", "sa"}),
}
"""The prefixes with which a date is compared by where it begins alone, by where it is stored."""


def drawing(build: Builder, query: Query, keys: Sequence[Key]) -> tuple[Clause, ...]:
    """Return the criteria of words and names, where nothing else but terms and dates decides; else none.

    Scopes of the access token may narrow the search as other criteria would.
    """
    shared = tuple(one for one in query.criteria if isinstance(one, Clause) and is_shared(one))
    if not shared or not walkable(keys, query.resource_type):
        return ()
    rest = [one for one in query.criteria if not any(one is other for other in shared)]
    return shared if all(map(is_plain, (*rest, *(build.narrow(query.resource_type) or ())))) else ()


def walkable(keys: Sequence[Key], resource_type: str) -> bool:
    """Whether one index has the rows in the order of all keys and the id.

    The index by date has absent ones last and is newest first: the other way round they would come first.
    """
    if len(keys) > 1:
        return False
    date = f"r.{spans.column(resource_type)}"
    return all(
        one.expression in {LAST_UPDATED.expression, "r.id"}
        or (one.expression == date and (one.descending or one.mirrored))
        for one in keys
    )


def is_shared(clause: Clause) -> bool:
    """Whether names, or words, decide."""
    kinds = {type(operand) for operand in clause.operands}
    return clause.modifier != "not" and kinds in ({Text}, {Words})


def is_plain(criterion: Criterion) -> bool:
    """Whether a row alone tells whether a criterion holds, which must not leave few rows, as a day does."""
    if isinstance(criterion, AllOf | AnyOf):
        # So a scope of the access token narrows: any of them, and all that one of them says.
        return criterion != AnyOf(()) and all(map(is_plain, criterion.criteria))
    if not isinstance(criterion, Clause) or not 0 < len(criterion.operands) <= MAX_ALTERNATIVES:
        return False
    if all(isinstance(one, Moment) and one.prefix != "eq" for one in criterion.operands):
        return criterion.parameter.store in BOUNDING
    return all(isinstance(one, Term) for one in criterion.operands) and not selectivity.leaves_few(criterion)


def bounds(criterion: Criterion, keys: Sequence[Key]) -> bool:
    """Whether a criterion says where in the order rows begin or end, which the index then knows."""
    if not (keys and isinstance(criterion, Clause) and len(criterion.operands) == 1):
        return False
    one, column = criterion.operands[0], criterion.parameter.column
    held = "r.last_updated" if criterion.parameter.store == "last_updated" else f"r.{column}_start"
    prefixes = BOUNDING.get(criterion.parameter.store, ())
    return isinstance(one, Moment) and one.prefix in prefixes and keys[0].expression == held


def rows(
    build: Builder,
    query: Query,
    keys: Sequence[Key],
    crowd: Sequence[Clause],
    where: Sequence[str],
    tail: str,
) -> str:
    """Write where the rows of a page come from.

    ``where`` is what else must hold, and at last where the page begins if it is not the first; ``tail`` is
    the order of the page, and how many rows it has.
    """
    kind, order, limit = query.resource_type, *tail.split(" LIMIT ")
    *rest, begins = (*where, "TRUE") if query.cursor is None else where
    bounding = (build.holds(one, kind, "r") for one in query.criteria if bounds(one, keys))
    first, found_first = both_ways(build, query, keys, " AND ".join([begins, *bounding]), order)
    probes = (build.matches(one, kind, by_id=True) for one in crowd)
    held = " AND ".join([*rest, *(f"(SELECT TRUE {probe} AND i.id = r.id LIMIT 1)" for probe in probes)])
    full = "(SELECT is_full FROM page)"
    if len(query.criteria) == 1:
        found = f"SELECT i.id {build.matches(crowd[0], kind, by_id=False)} AND NOT {full}"
        matching = f"r.id = ANY(ARRAY({found}))"
    else:
        matching = " AND ".join(build.holds(one, kind, "r") for one in crowd)
    are_many = " AND ".join(many(build, kind, one) for one in crowd)
    reach = max(REACH, FOR_EACH * query.count)
    # Half as many again as would fill the page just before the walk ends.
    enough = max(SHARED, query.count * SAMPLE * 3 // (reach * 2))
    return (
        f"FROM (WITH many AS MATERIALIZED (SELECT {are_many} AS are), "
        f"sample AS MATERIALIZED (SELECT count(*) >= {build.argument(enough)} AS matches FROM "
        f"({first('(SELECT are FROM many)', SAMPLE)}) r WHERE {held}), "
        f"walk AS MATERIALIZED (SELECT * FROM "
        f"({first('(SELECT matches FROM sample)', build.argument(reach))}) r WHERE {held} {tail}), "
        f"page AS MATERIALIZED (SELECT count(*) = {limit} AS is_full FROM walk) "
        f"SELECT * FROM walk WHERE {full} UNION ALL "
        f"({found_first(' AND '.join([*rest, f'NOT {full}', matching]), limit)})) r"
    )


def both_ways(
    build: Builder, query: Query, keys: Sequence[Key], place: str, order: str
) -> tuple[Ordered, Ordered]:
    """Make what writes the first rows in the order: to walk along, and found by their ids."""
    kind = query.resource_type
    by_date = bool(keys) and keys[0].expression == f"r.{spans.column(kind)}"
    parts = halves(build, query, keys) if by_date else ()
    # What is found by its id needs no index of dates, so a later page has no parts there.
    found = () if reached(query, keys) else parts
    return ordered(kind, place, order, parts), ordered(kind, place, order, found)


def ordered(resource_type: str, place: str, order: str, parts: Sequence[str]) -> Ordered:
    """Write the first rows in the order, given what else must hold and their number.

    In the order of dates they come in ``parts``, where one index does not serve all: with a lower bound, see
    ``spans``; and on a later page, which goes on to those without a date.
    """
    rows = f"SELECT * FROM {table_name(resource_type)} r WHERE {place}"

    def first(condition: str, count: int | str) -> str:
        if not parts:
            return f"{rows} AND {condition} {order} LIMIT {count}"
        found = (f"({rows} AND {part} AND {condition} {order} LIMIT {count})" for part in parts)
        return f"SELECT * FROM ({' UNION ALL '.join(found)}) r {order} LIMIT {count}"

    return first


def many(build: Builder, resource_type: str, one: Clause) -> str:
    """Ask the index of values whether it has many names that begin so; no other index can say so soon."""
    if one.modifier in {"contains", "ends"} or any(isinstance(operand, Words) for operand in one.operands):
        return "TRUE"
    parameter = literal(one.parameter.code)
    names = f"i.resource_type = {literal(resource_type)} AND i.parameter = {parameter}"
    begun = (
        comparisons.begins(build, "i", operand.folded)
        for operand in one.operands
        if isinstance(operand, Text)
    )
    counted = " UNION ALL ".join(
        f"(SELECT 1 FROM index_string i WHERE {names} AND {condition} LIMIT {FEW})" for condition in begun
    )
    return f"(SELECT count(*) >= {FEW} FROM ({counted}) i)"
