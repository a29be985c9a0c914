"""Following references in SQL: from a row to what it refers to (chain), and to what refers to it (``_has``).

From few rows it is cheap to look at each one's own references; otherwise the far end is asked first and the
rows that refer to it are found by their terms. The patient column is an ordinary join either way.

Source: https://hl7.org/fhir/R4/search.html#chaining, #has
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

from typing import TYPE_CHECKING

from models.resource import table_name

if TYPE_CHECKING:
    from service.search.criteria import Chain, Criterion, Has
    from service.search.predicates import Builder
    from service.search.registry import Parameter


def chain(build: Builder, criterion: Chain, resource_type: str, alias: str) -> str:
    """A row's reference leads to a visible row, of one of the types, that satisfies a criterion."""
    parts = []
    for target_type, wanted in criterion.hops:
        target = build.alias()
        condition = satisfied(build, wanted, target_type, target)
        if condition is not None:
            parts.append(
                hop(build, criterion.parameter, (resource_type, alias), (target_type, target), condition)
            )
    return f"({' OR '.join(parts)})" if parts else "FALSE"


def satisfied(build: Builder, wanted: Criterion, resource_type: str, alias: str) -> str | None:
    """The condition that a row at the far end is visible and satisfies a criterion."""
    visible = build.visible(resource_type, alias)
    if visible is None:
        return None
    return f"{visible} AND {build.holds(wanted, resource_type, alias)}"


def hop(
    build: Builder, one: Parameter, source: tuple[str, str], target: tuple[str, str], condition: str
) -> str:
    """One reference from the source row to target rows under a condition."""
    (source_type, alias), (target_type, far) = source, target
    table = table_name(target_type)
    if one.in_patient_column and target_type == "Patient":
        return f"{alias}.patient IN (SELECT {far}.id FROM {table} {far} WHERE {condition})"
    stem = f"{one.code}={target_type}/"
    if build.selective:
        return (
            f"EXISTS (SELECT FROM unnest({alias}.terms) t JOIN {table} {far} "
            f"ON {far}.id = substr(t, {len(stem) + 1}) WHERE starts_with(t, '{stem}') AND {condition})"
        )
    near = build.alias()
    return (
        f"{alias}.id IN (SELECT {near}.id FROM {table} {far} JOIN {table_name(source_type)} {near} "
        f"ON {near}.terms @> ARRAY['{stem}' || {far}.id] WHERE {condition})"
    )


def has(build: Builder, criterion: Has, resource_type: str, alias: str) -> str:
    """A visible row of another type refers to this row and satisfies a criterion."""
    one, source_type = criterion.parameter, criterion.source_type
    source = build.alias()
    condition = satisfied(build, criterion.criterion, source_type, source)
    if condition is None:
        return "FALSE"
    table = table_name(source_type)
    if one.in_patient_column and resource_type == "Patient":
        return f"{alias}.id IN (SELECT {source}.patient FROM {table} {source} WHERE {condition})"
    stem = f"{one.code}={resource_type}/"
    if build.selective:
        return (
            f"EXISTS (SELECT FROM {table} {source} "
            f"WHERE {source}.terms @> ARRAY['{stem}' || {alias}.id] AND {condition})"
        )
    return (
        f"{alias}.id IN (SELECT substr(t, {len(stem) + 1}) FROM {table} {source} "
        f"CROSS JOIN LATERAL unnest({source}.terms) t WHERE starts_with(t, '{stem}') AND {condition})"
    )
