"""``_include`` and ``_revinclude``: what the matches of a page refer to, and what refers to them.

    WITH page AS (matches, one more than asked for)
    SELECT the matches  UNION ALL  SELECT each included type, narrowed, once each

``:iterate`` repeats the step from what was included, with ``from_rows``.
Source: https://hl7.org/fhir/R4/search.html#include
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from models.resource import table_name
from service.search import canonicals
from service.search.criteria import Include
from service.search.ordering import Key
from service.search.predicates import Builder
from service.search.query import Query
from service.search.registry import targets

COLUMNS = "id, version, last_updated, body"

MAX_INCLUDED = 5000
"""Rows that one page may include; more is refused, with the advice to narrow the search."""


def with_page(build: Builder, query: Query, page: str, keys: tuple[Key, ...], limit: str) -> str:
    """The page's statement together with its includes; ``limit`` is one row more than the page."""
    names = "".join(f", key{number}" for number in range(len(keys)))
    nulls = "".join(f", NULL::{key.data_type}" for key in keys)
    branches = [
        f"SELECT 'match' AS mode, '{query.resource_type}' AS resource_type, {COLUMNS}{names}, place FROM page"
    ]
    hits = f"(SELECT * FROM page WHERE place < {limit})"
    branches += [
        f"(SELECT 'include', '{included_type}', {COLUMNS}{nulls}, NULL::bigint "
        f"FROM {table_name(included_type)} i WHERE {condition} LIMIT {MAX_INCLUDED + 1})"
        for included_type, condition in conditions(build, query.includes, query.resource_type, hits)
    ]
    return f"WITH page AS MATERIALIZED ({page}) {' UNION ALL '.join(branches)}"


def from_rows(build: Builder, includes: Iterable[Include], resource_type: str, ids: list[str]) -> str | None:
    """The statement that includes from given rows of a type; None when nothing can be."""
    hits = f"(SELECT * FROM {table_name(resource_type)} WHERE id = ANY({build.argument(ids, 'text[]')}))"
    branches = [
        f"(SELECT 'include' AS mode, '{included_type}' AS resource_type, {COLUMNS} "
        f"FROM {table_name(included_type)} i WHERE {condition} LIMIT {MAX_INCLUDED + 1})"
        for included_type, condition in conditions(build, includes, resource_type, hits)
    ]
    return " UNION ALL ".join(branches) or None


def conditions(
    build: Builder, includes: Iterable[Include], resource_type: str, hits: str
) -> list[tuple[str, str]]:
    """For each included type, which of its rows the hits lead to and may be seen."""
    leads: dict[str, list[str]] = defaultdict(list)
    for include in includes:
        if include.reverse:
            leads[include.source_type].append(referring(include, resource_type, hits))
        elif include.source_type == resource_type:
            for target in [include.target_type] if include.target_type else targets(include.parameter):
                leads[target].append(referred(include, target, hits))
    found = []
    for included_type, selections in leads.items():
        visible = build.visible(included_type, "i")
        if visible is not None:
            condition = f"{visible} AND i.id IN ({' UNION '.join(selections)})"
            if included_type == resource_type:
                condition += f" AND i.id NOT IN (SELECT h.id FROM {hits} h)"
            found.append((included_type, condition))
    return found


def referred(include: Include, target_type: str, hits: str) -> str:
    """The ids of a type that the hits refer to."""
    if include.parameter.in_patient_column and target_type == "Patient":
        return f"SELECT h.patient FROM {hits} h"
    stem = f"{include.parameter.code}={target_type}/"
    if canonicals.applies(include.parameter, target_type):
        table = table_name(target_type)
        return f"SELECT d.id FROM {hits} h {canonicals.leading(include.parameter, 'h.terms', table, 'd')}"
    return (
        f"SELECT substr(t, {len(stem) + 1}) FROM {hits} h CROSS JOIN LATERAL unnest(h.terms) t "
        f"WHERE starts_with(t, '{stem}')"
    )


def referring(include: Include, resource_type: str, hits: str) -> str:
    """The ids of the source type that refer to the hits."""
    table = table_name(include.source_type)
    if include.parameter.in_patient_column and resource_type == "Patient":
        return f"SELECT s.id FROM {hits} h JOIN {table} s ON s.patient = h.id"
    if canonicals.applies(include.parameter, resource_type):
        return f"SELECT s.id FROM {hits} h {canonicals.following(include.parameter, 'h.terms', table, 's')}"
    stem = f"{include.parameter.code}={resource_type}/"
    return f"SELECT s.id FROM {hits} h JOIN {table} s ON s.terms @> ARRAY['{stem}' || h.id]"
