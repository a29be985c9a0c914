"""Words and names that many resources share: whether there are many is asked first, in the same statement.

PostgreSQL cannot know how frequent a word is among the notes, or a name among the patients: its statistics
know an index table as a whole. It would fetch all matches and put them in order for a page of fifty.

    found    the first MANY matches of the index table
    fewer    they are all there is: look them up, put them in order
    as many  walk the rows in the order of the answer, and probe each, until the page is full

Either way costs milliseconds, whatever the number of matches. It is for a search that nothing else narrows,
in an order that an index has: a walk that meets no match for long would probe the whole table.
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

from collections.abc import Sequence

from models.resource import table_name
from service.search import spans
from service.search.criteria import Clause, Text, Words
from service.search.ordering import LAST_UPDATED, Key
from service.search.predicates import Builder
from service.search.query import Query

MANY = 2000
"""So many are put in order in about the time in which a walk meets fifty of so many among 200,000."""


def drawing(query: Query, keys: Sequence[Key]) -> Clause | None:
    """Return the criterion that may draw a crowd: alone, since a walk to what another leaves over is long."""
    if len(query.criteria) != 1 or not walkable(keys, query.resource_type):
        return None
    (one,) = query.criteria
    return one if isinstance(one, Clause) and is_shared(one) else None


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


def rows(build: Builder, query: Query, crowd: Clause, condition: str, tail: str) -> str:
    """Write where the rows of a page come from; ``condition`` is what else must hold.

    Scopes of the access token may narrow the search as other criteria would.
    """
    table = table_name(query.resource_type)
    if build.narrow(query.resource_type):
        return f"FROM {table} r WHERE {condition} AND {build.holds(crowd, query.resource_type, 'r')}"
    matches, probe = (build.matches(crowd, query.resource_type, by_id=by_id) for by_id in (False, True))
    return (
        f"FROM (WITH found AS MATERIALIZED (SELECT i.id {matches} LIMIT {MANY}), "
        f"crowd AS MATERIALIZED (SELECT count(*) = {MANY} AS is_large FROM found) "
        f"(SELECT * FROM {table} r WHERE {condition} AND NOT (SELECT is_large FROM crowd) "
        f"AND r.id = ANY(ARRAY(SELECT f.id FROM found f)) {tail}) UNION ALL "
        f"(SELECT * FROM {table} r WHERE {condition} AND (SELECT is_large FROM crowd) "
        f"AND (SELECT TRUE {probe} AND i.id = r.id LIMIT 1) {tail})) r"
    )
