"""From a document to its index rows, by functions compiled once for each type.

    registry paths ──► {first JSON member: [functions]} ──► one pass over the members that are present

Nothing is looked up in a document but what it has, so an absent element costs nothing. The document must
have passed validation; what a function cannot read it leaves out.

Source: https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, TypeAlias

from service.search import composites, contained, leaves, prose
from service.search.leaves import Rows, Visit
from service.search.registry import Parameter, Path, Step, has_canonical, parameters, patient_parameter
from service.search.units import canonical
from service.search.values import CANONICAL, DEFINING, term, versions
from service.search.words import DISPLAYS, displays

Plan: TypeAlias = dict[str, tuple[Visit, ...]]


@dataclass(frozen=True, slots=True)
class Extracted:
    """The index of one document: columns of its type table, and rows of the shared tables.

    ``columns`` has ``patient``, ``terms`` and both sides of every date column, null where absent.
    """

    columns: dict[str, Any]
    strings: list[tuple[str, str, str]] = field(default_factory=list)
    """(parameter, value, exact)"""
    dates: list[tuple[str, Any, Any]] = field(default_factory=list)
    """(parameter, range_start, range_end)"""
    quantities: list[tuple[str, str | None, str | None, Any, Any, Any, str | None, Any, Any]] = field(
        default_factory=list
    )
    """(parameter, system, code, value, low, high, canonical_unit, canonical_low, canonical_high)"""
    texts: list[tuple[str, str]] = field(default_factory=list)
    """(parameter, text)"""


def extract(resource_type: str, document: dict[str, Any], *, base_url: str) -> Extracted:
    """Index a document. ``base_url`` is the server's public origin (``Settings.base_url``)."""
    visits, empty = plan(resource_type)
    rows = Rows(f"{base_url}/fhir/")
    for key, value in document.items():
        for visit in visits.get(key, ()):
            visit(value, rows)
    if rows.contained:
        contained.add(rows, document, partial(extract, base_url=base_url))
    columns: dict[str, Any] = empty | rows.columns
    if resource_type == "Patient":
        columns["patient"] = document.get("id")
        rows.terms.append(f"deceased={deceased(document)}")
    else:
        columns["patient"] = next(iter(rows.patients)) if len(rows.patients) == 1 else None
    if has_canonical(resource_type):
        rows.terms.extend(canonicals(resource_type, document))
    columns["terms"] = list(dict.fromkeys(rows.terms))
    texts = prose.texts(resource_type, document)
    if rows.words:
        texts.append((DISPLAYS, displays(rows.words)))
    return Extracted(
        columns,
        list(dict.fromkeys(rows.strings)),
        rows.dates,
        [(*row, *canonical(row[1], row[2], row[4], row[5])) for row in dict.fromkeys(rows.quantities)],
        texts,
    )


def canonicals(resource_type: str, document: dict[str, Any]) -> Iterator[str]:
    """The ways in which others refer to a definition: by its URL, with or without its version, or its id."""
    if key := document.get("id"):
        yield f"{CANONICAL}{resource_type}/{key}"
    if url := document.get("url"):
        yield CANONICAL + term(url)
        if version := document.get("version"):
            yield CANONICAL + term(f"{url}|{version}")
            yield from (term(f"{DEFINING}:below={each}") for each in versions(f"{url}|{version}"))


def deceased(document: dict[str, Any]) -> str:
    """``true`` for a patient known to be dead, ``false`` otherwise, absence included."""
    known = document.get("deceasedBoolean") is True or "deceasedDateTime" in document
    return "true" if known else "false"


@cache
def plan(resource_type: str) -> tuple[Plan, dict[str, Any]]:
    """Compile the visits of a type, by first JSON member, and its own columns filled with null."""
    known = parameters(resource_type)
    visits: dict[str, list[Visit]] = {}
    empty: dict[str, Any] = {}
    for one in known.values():
        if one.store == "column":
            empty |= {f"{one.column}_start": None, f"{one.column}_end": None}
        if one.store == "place":
            empty |= {f"{one.column}_latitude": None, f"{one.column}_longitude": None}
        for way in one.paths:
            leaf = leaves.leaf(one, way)
            visits.setdefault(way.steps[0].key, []).append(follow(way.steps, leaf))
        if one.store == "composite" and one.base:
            first, second = (known[code] for code in one.components)
            pair = composites.pair(one, below(first, one.base), below(second, one.base))
            visits.setdefault(one.base, []).append(follow((Step(one.base, repeats=True),), pair))
    if (deciding := patient_parameter(resource_type)) is not None:
        for way in known[deciding].paths:
            visits.setdefault(way.steps[0].key, []).append(follow(way.steps, leaves.patient))
    return {key: tuple(functions) for key, functions in visits.items()}, empty


def below(one: Parameter, base: str) -> Callable[[Any, Rows], None]:
    """Read a component's values from one repetition of the composite's base element."""
    functions = [
        child(way.steps[1:], leaves.leaf(one, Path(way.steps[1:], way.data_type, way.target)))
        for way in one.paths
        if way.steps[0].key == base
    ]

    def visit(node: Any, rows: Rows) -> None:
        for function in functions:
            function(node, rows)

    return visit


def follow(steps: tuple[Step, ...], leaf: Visit) -> Visit:
    """Visit the values at ``steps``, given the value of the first step's member."""
    step, rest = steps[0], steps[1:]
    inner = child(rest, leaf) if rest else leaf
    if step.where is not None:
        inner = filtered(step.where, inner)

    def visit(value: Any, rows: Rows) -> None:
        if isinstance(value, list):
            for item in value:
                if item is not None:
                    inner(item, rows)
        else:
            inner(value, rows)

    return visit


def child(steps: tuple[Step, ...], leaf: Visit) -> Visit:
    """Visit the values at ``steps`` below an object."""
    key = steps[0].key
    next_visit = follow(steps, leaf)

    def visit(node: Any, rows: Rows) -> None:
        if isinstance(node, dict) and (value := node.get(key)) is not None:
            next_visit(value, rows)

    return visit


def filtered(where: tuple[str, str], inner: Visit) -> Visit:
    """Visit only the objects whose member has a value."""
    key, wanted = where

    def visit(node: Any, rows: Rows) -> None:
        if isinstance(node, dict) and node.get(key) == wanted:
            inner(node, rows)

    return visit
