"""Following references in SQL: from a row to what it refers to (chain), and to what refers to it (``_has``).

From few rows it is cheap to look at each one's own references; otherwise the far end is asked first and the
rows that refer to it are found by their terms. The patient column is an ordinary join either way.

Source: https://hl7.org/fhir/R4/search.html#chaining, #has
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

from typing import TYPE_CHECKING

from models.resource import table_name
from service.search import canonicals, contained
from service.search.selectivity import leaves_few

if TYPE_CHECKING:
    from service.search.criteria import Chain, Criterion, Guarded, Has
    from service.search.predicates import Builder
    from service.search.registry import Parameter


def chain(build: Builder, criterion: Chain, resource_type: str, alias: str) -> str:
    """A row's reference leads to a visible row, of one of the types, that satisfies a criterion."""
    one, table = criterion.parameter, table_name(resource_type)
    parts: list[str] = []
    selections: list[str] = []
    for target_type, wanted in criterion.hops:
        far, near = build.alias(), build.alias()
        condition = satisfied(build, wanted, target_type, far)
        if condition is None:
            continue
        source, stem = f"FROM {table_name(target_type)} {far}", f"{one.code}={target_type}/"
        if one.in_patient_column and target_type == "Patient":
            selection = f"SELECT {far}.id {source} WHERE {condition}"
            parts.append(among(f"{alias}.patient", selection, few=leaves_few(wanted)))
        elif canonicals.applies(one, target_type):
            defined = f"{canonicals.following(one, f'{far}.terms', table, near)} AND {condition}"
            selections.append(f"SELECT {near}.id {source} {defined}")
        elif build.selective:
            parts += inside(build, one, target_type, wanted, (resource_type, alias))
            own = f"JOIN unnest({alias}.terms) t ON {far}.id = substr(t, {len(stem) + 1})"
            parts.append(f"EXISTS (SELECT {source} {own} WHERE starts_with(t, '{stem}') AND {condition})")
        else:
            referring = f"JOIN {table} {near} ON {near}.terms @> ARRAY['{stem}' || {far}.id]"
            selections.append(f"SELECT {near}.id {source} {referring} WHERE {condition}")
            holder = build.alias()
            selections += [
                f"SELECT {holder}.id FROM {table} {holder} WHERE {held}"
                for held in inside(build, one, target_type, wanted, (resource_type, holder))
            ]
    if selections:
        parts.append(among(f"{alias}.id", " UNION ALL ".join(selections), few=False))
    return f"({' OR '.join(parts)})" if parts else "FALSE"


def inside(
    build: Builder, one: Parameter, target_type: str, wanted: Criterion, row: tuple[str, str]
) -> list[str]:
    """The condition that a row, of a type and an alias, contains such a resource, where that is known."""
    own = contained.within(wanted, contained.stem(one.code, target_type))
    return [] if own is None else [build.holds(own, *row)]


def among(column: str, selection: str, *, few: bool) -> str:
    """A column holds one of the selected ids; if they are few, each is looked up by its key."""
    if few:
        return f"{column} = ANY(ARRAY({selection}))"
    return f"{column} IN ({selection})"


def satisfied(build: Builder, wanted: Criterion, resource_type: str, alias: str) -> str | None:
    """The condition that a row at the far end is visible and satisfies a criterion."""
    visible = build.visible(resource_type, alias)
    if visible is None:
        return None
    return f"{visible} AND {build.holds(wanted, resource_type, alias)}"


def has(build: Builder, criterion: Has, resource_type: str, alias: str) -> str:
    """A visible row of another type refers to this row and satisfies a criterion."""
    one, source_type = criterion.parameter, criterion.source_type
    source = build.alias()
    condition = satisfied(build, criterion.criterion, source_type, source)
    if condition is None:
        return "FALSE"
    table = table_name(source_type)
    if canonicals.applies(one, resource_type):
        far = build.alias()
        defined = canonicals.leading(one, f"{source}.terms", table_name(resource_type), far)
        return f"{alias}.id IN (SELECT {far}.id FROM {table} {source} {defined} AND {condition})"
    if one.in_patient_column and resource_type == "Patient":
        selection = f"SELECT {source}.patient FROM {table} {source} WHERE {condition}"
        return among(f"{alias}.id", selection, few=leaves_few(criterion.criterion))
    stem = f"{one.code}={resource_type}/"
    if build.selective:
        return (
            f"EXISTS (SELECT FROM {table} {source} "
            f"WHERE {source}.terms @> ARRAY['{stem}' || {alias}.id] AND {condition})"
        )
    selection = (
        f"SELECT substr(t, {len(stem) + 1}) FROM {table} {source} "
        f"CROSS JOIN LATERAL unnest({source}.terms) t WHERE starts_with(t, '{stem}') AND {condition}"
    )
    return among(f"{alias}.id", selection, few=leaves_few(criterion.criterion))


REFERS = ":ref="
"""Begins the term of each literal reference, whether or not a search parameter covers its element."""


def guarded(build: Builder, criterion: Guarded, alias: str) -> str:
    """Whatever a row refers to may be seen."""
    kind = f"split_part(substr(g, {len(REFERS) + 1}), '/', 1)"
    seen = [f"{kind} = ANY({build.argument(list(criterion.whole), 'text[]')})"]
    for target_type, criteria in criterion.parts:
        far, stem = build.alias(), f"{REFERS}{target_type}/"
        held = " AND ".join(build.holds(one, target_type, far) for one in criteria)
        seen.append(
            f"(starts_with(g, '{stem}') AND EXISTS (SELECT FROM {table_name(target_type)} {far} "
            f"WHERE {far}.id = substr(g, {len(stem) + 1}) AND NOT {far}.deleted AND {held}))"
        )
    references = f"SELECT FROM unnest({alias}.terms) g WHERE starts_with(g, '{REFERS}')"
    held = f"NOT EXISTS ({references} AND NOT ({' OR '.join(seen)}))"
    return f"(EXISTS ({references}) AND {held})" if criterion.required else held
