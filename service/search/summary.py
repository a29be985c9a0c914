"""Answers that show only a part of each resource: ``_summary`` and ``_elements``.

    true    the elements that R4 marks as a summary      text   id, meta, text and mandatory elements
    data    everything but the narrative                 _elements=a,b   those and mandatory elements

Values are kept as the bytes they were stored as. A part is tagged SUBSETTED, so that nobody writes it back.
Source: https://hl7.org/fhir/R4/search.html#summary, #elements
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from models.definitions import summary_elements
from models.definitions.structures import structure
from models.errors import BadRequest
from service.search.query import CONTROLS, Query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.search.run import Row

ALWAYS_SHOWN = frozenset({"resourceType", "id", "meta", "implicitRules"})
SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}
MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def shaped(row: Row, query: Query) -> Row:
    """Show the part of a resource that the search asks for; included resources are summarized too."""
    return row._replace(body=of(row.resource_type, row.body, query, is_match=row.mode == "match"))


def of(resource_type: str, body: str, query: Query, *, is_match: bool) -> str:
    """The part of a resource that is asked for."""
    if query.elements and is_match:
        return part(body, members(resource_type, query.elements) | mandatory(resource_type))
    if query.summary == "data":
        return part(body, None)
    if query.summary in {"true", "text"}:
        more = summarized(resource_type) if query.summary == "true" else {"text"}
        return part(body, mandatory(resource_type) | more)
    return body


def of_read(resource_type: str, body: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The part of one resource that a read asks for.

    Raises:
        BadRequest: ``_summary`` or ``_elements`` cannot be read, or asks for a count.
    """
    return of(resource_type, body, asked_of_read(resource_type, pairs), is_match=True)


def asked_of_read(resource_type: str, pairs: Iterable[tuple[str, str]]) -> Query:
    """Read what part of one resource a read asks for; other parameters do not matter to it.

    Raises:
        BadRequest: ``_summary`` or ``_elements`` cannot be read, or asks for a count.
    """
    asked = Query(resource_type)
    for name, value in pairs:
        if name in {"_summary", "_elements"}:
            CONTROLS[name](asked, name, value)
    if asked.summary == "count":
        raise BadRequest("A read has nothing to count; _summary is true, text, data or false.")
    return asked


@cache
def mandatory(resource_type: str) -> frozenset[str]:
    """The elements that no answer may leave out."""
    return members(resource_type, summary_elements()[resource_type]["mandatory"]) | ALWAYS_SHOWN


@cache
def summarized(resource_type: str) -> frozenset[str]:
    """The elements of a type's summary."""
    return members(resource_type, summary_elements()[resource_type]["summary"])


def members(resource_type: str, elements: Iterable[str]) -> frozenset[str]:
    """The members that stand for elements: ``value[x]`` and ``value`` show ``valueQuantity``."""
    named = choices(resource_type)
    names = [element.removesuffix("[x]") for element in elements]
    return frozenset(names).union(*(named[name] for name in names if name in named))


@cache
def choices(resource_type: str) -> dict[str, frozenset[str]]:
    """The members of each element that has a choice of types, by its name without ``[x]``."""
    found = [(one.choice, name) for name, one in structure(resource_type).elements.items() if one.choice]
    return {
        choice.removesuffix("[x]"): frozenset(name for other, name in found if other == choice)
        for choice, _ in found
    }


def part(body: str, wanted: frozenset[str] | None) -> str:
    """Keep the wanted members, or all but the narrative, and tag the rest's absence."""
    kept: dict[str, Any] = {
        name: value
        for name, value in MEMBERS.decode(body.encode()).items()
        if (name != "text" if wanted is None else name.removeprefix("_") in wanted)
    }
    meta = msgspec.json.decode(kept.get("meta", b"{}"))
    kept["meta"] = meta | {"tag": [*meta.get("tag", ()), SUBSETTED]}
    return msgspec.json.encode(kept).decode()
