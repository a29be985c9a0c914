"""Reading a document whose shape is not yet trusted: an element of the wrong shape reads as absent.

Source: https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]

_NOTHING: Document = {}


def child(document: object, name: str) -> Document:
    """Read an object member; an empty one when it is absent."""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, dict) else _NOTHING


def children(document: object, name: str) -> Iterator[tuple[int, Document]]:
    """Read a list of objects with the index of each."""
    values = document.get(name) if isinstance(document, dict) else None
    if isinstance(values, list):
        for index, value in enumerate(values):
            if isinstance(value, dict):
                yield index, value


def text(document: object, name: str) -> str | None:
    """Read a string member; None when it is absent or empty."""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) and value else None


def texts(document: object, name: str) -> Iterator[str]:
    """Read a list of strings."""
    values = document.get(name) if isinstance(document, dict) else None
    if isinstance(values, list):
        yield from (value for value in values if isinstance(value, str))


def codings(concept: object) -> Iterator[tuple[str | None, str]]:
    """Read the (system, code) pairs of a CodeableConcept."""
    for _, coding in children(concept, "coding"):
        code = text(coding, "code")
        if code:
            yield text(coding, "system"), code


def contained(document: object, reference: str) -> Document | None:
    """Find the contained resource that ``#id`` names."""
    for _, resource in children(document, "contained"):
        if reference == f"#{text(resource, 'id')}":
            return resource
    return None
