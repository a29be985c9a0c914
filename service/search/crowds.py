"""Words and names that many resources share: whether there are many is asked first, in the same statement.

PostgreSQL cannot know how frequent a word is among the notes, or a name among the patients: its statistics
know an index table as a whole. It would fetch all matches and put them in order for a page of fifty.

    found    the first MANY matches of the index table
    fewer    they are all there is: look them up, put them in order
    as many  walk the rows in the order of the answer, and probe each, until the page is full

Either way costs milliseconds, whatever the number of matches.
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

from collections.abc import Sequence

from models.resource import BY_DATE, table_name
from service.search import selectivity
from service.search.criteria import Clause, Text, Words
from service.search.ordering import LAST_UPDATED, Key
from service.search.predicates import Builder
from service.search.query import Query

MANY = 2000
"""So many are put in order in about the time in which a walk meets fifty of so many among 200,000."""


def drawing(query: Query, keys: Sequence[Key]) -> Clause | None:
    """Return the one criterion that may draw a crowd; None when others decide, or no index has the order."""
    if selectivity.few(query.criteria) or not all(walkable(one, query.resource_type) for one in keys):
        return None
    found = [one for one in query.criteria if isinstance(one, Clause) and is_shared(one)]
    return found[0] if len(found) == 1 else None


def walkable(key: Key, resource_type: str) -> bool:
    """Whether an index has the rows in the order of a key."""
    return key == LAST_UPDATED or key.expression == f"r.{BY_DATE.get(resource_type)}_start"


def is_shared(clause: Clause) -> bool:
    """Whether names, or words, decide."""
    kinds = {type(operand) for operand in clause.operands}
    return clause.modifier != "not" and kinds in ({Text}, {Words})


def rows(build: Builder, query: Query, crowd: Clause, condition: str, tail: str) -> str:
    """Write where the rows of a page come from; ``condition`` holds all other criteria."""
    table = table_name(query.resource_type)
    matches, probe = (build.matches(crowd, query.resource_type, by_id=by_id) for by_id in (False, True))
    return (
        f"FROM (WITH found AS MATERIALIZED (SELECT i.id {matches} LIMIT {MANY}), "
        f"crowd AS MATERIALIZED (SELECT count(*) = {MANY} AS is_large FROM found) "
        f"(SELECT * FROM {table} r WHERE {condition} AND NOT (SELECT is_large FROM crowd) "
        f"AND r.id = ANY(ARRAY(SELECT f.id FROM found f)) {tail}) UNION ALL "
        f"(SELECT * FROM {table} r WHERE {condition} AND (SELECT is_large FROM crowd) "
        f"AND (SELECT TRUE {probe} AND i.id = r.id LIMIT 1) {tail})) r"
    )
