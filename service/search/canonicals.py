"""References by canonical URL, ``questionnaire=http://…|2.0``: how the two ends are joined in SQL.

    referring end   term  questionnaire:canonical=<url>|<version>     as it was sent, once
    definition      terms :canonical=<url>, :canonical=<url>|<version>, :canonical=<Type>/<id>

So a reference with a version leads to that version, and one without to every stored version.
Source: https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from service.search.registry import Parameter, has_canonical, is_canonical
from service.search.values import CANONICAL


def applies(one: Parameter, target_type: str) -> bool:
    """Whether a parameter refers to definitions of a type by their URL."""
    return is_canonical(one) and has_canonical(target_type)


def leading(one: Parameter, terms: str, table: str, far: str) -> str:
    """From each row's referring terms to rows of ``table``, as the rest of a FROM with its WHERE."""
    lead = f"{one.code}{CANONICAL}"
    key = f"ARRAY['{CANONICAL}' || substr(t, {len(lead) + 1})]"
    return (
        f"CROSS JOIN LATERAL unnest({terms}) t JOIN {table} {far} ON {far}.terms @> {key} "
        f"WHERE starts_with(t, '{lead}')"
    )


def following(one: Parameter, terms: str, table: str, near: str) -> str:
    """From each definition's terms to the rows of ``table`` that refer to it, likewise."""
    lead = f"{one.code}{CANONICAL}"
    key = f"ARRAY['{lead}' || substr(t, {len(CANONICAL) + 1})]"
    return (
        f"CROSS JOIN LATERAL unnest({terms}) t JOIN {table} {near} ON {near}.terms @> {key} "
        f"WHERE starts_with(t, '{CANONICAL}')"
    )
