"""Composite parameters: two values that belong to the same element.

    component-code-value-quantity   index_quantity, parameter "component-code-value-quantity=<code>"
    component-code-value-concept    term "component-code-value-concept=<code>$<concept>"

A composite over the resource itself (``code-value-quantity``) needs no rows: each of its elements occurs
once, so it is asked as both of its components.

Source: https://hl7.org/fhir/R4/search.html#composite
"""

from __future__ import annotations

from typing import Any

from service.search.leaves import Rows, Visit
from service.search.registry import Parameter
from service.search.values import term


def key(composite: str, first: str) -> str:
    """Name the pair of a composite with its first component's value (``code`` or ``system|code``)."""
    return term(f"{composite}={first}")


def pair(one: Parameter, first: Visit, second: Visit) -> Visit:
    """Index each first value together with each second value of the same element."""

    def visit(node: Any, rows: Rows) -> None:
        right = Rows(rows.fhir_base)
        second(node, right)
        if not (right.terms or right.quantities):
            return
        left = Rows(rows.fhir_base)
        first(node, left)
        tails = values(right)
        for head in values(left):
            named = key(one.code, head)
            rows.terms.extend([term(f"{named}${tail}") for tail in tails])
            rows.quantities.extend([(named, *quantity[1:]) for quantity in right.quantities])

    return visit


def values(rows: Rows) -> list[str]:
    """The tokens and references found, without the parameter's name; no bare systems and no marks."""
    found = (text.partition("=")[2] for text in rows.terms)
    return [value for value in found if value and not value.endswith("|")]
