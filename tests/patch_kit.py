"""Writes FHIRPath Patches, so that a test reads as what it changes.

Source: https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from service.patch import apply_fhirpath_patch

PATIENT = {"resourceType": "Patient"}
MARRIED = {"valueCodeableConcept": {"text": "married"}}


def part(name, value=None, type_="String", **members):
    return {"name": name, **({} if value is None else {f"value{type_}": value}), **members}


def operation(type_, *parts, **members):
    return {"name": "operation", "part": [part("type", type_, "Code"), *parts], **members}


def path(text):
    return part("path", text)


def add(where, name, value):
    return operation("add", path(where), part("name", name), {"name": "value", **value})


def insert(where, index, value):
    return operation("insert", path(where), part("index", index, "Integer"), {"name": "value", **value})


def delete(where):
    return operation("delete", path(where))


def replace(where, value):
    return operation("replace", path(where), {"name": "value", **value})


def move(where, source, destination):
    numbers = part("source", source, "Integer"), part("destination", destination, "Integer")
    return operation("move", path(where), *numbers)


def patch(document, *operations):
    return apply_fhirpath_patch(document, {"resourceType": "Parameters", "parameter": list(operations)})


def identifiers(*values):
    items = [{"system": "http://example.org", "value": f"value {value}"} for value in values]
    return {"resourceType": "Patient", "identifier": items}
