"""JSON Schemas of the bodies, from the facts of R4.

    primitive types     a pattern or a range each
    DETAILED types      every element: cardinality, codes of required bindings, choices, ``_`` siblings
    other types         their resourceType; the server checks all of them in full all the same

A schema never refuses what the server accepts. It accepts more where JSON Schema cannot say it: where a
Reference may point, invariants between elements.

Source: https://hl7.org/fhir/R4/json.html, https://spec.openapis.org/oas/v3.1.0#schema-object
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from models.definitions import RESOURCE_TYPES
from models.definitions.structures import Element, Structure, structure

Schema = dict[str, Any]

DETAILED = ("DocumentReference", "EpisodeOfCare", "MedicationRequest")
"""The types of the three main jobs."""

MAX_CHOICE = 8
"""A choice of more types than these is described by the names of its members only."""

_YEAR = "([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_LEAP_YEAR = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
_MONTH = "(0[1-9]|1[0-2])"
_DAY = f"({_MONTH}-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = "(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_TEXT = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f]+$"
_INT32 = 2**31


def calendar(time: str = "") -> str:
    """Write the pattern of a year, a month, or a day that exists, this with a time when given."""
    return f"({_YEAR}(-{_MONTH}|-{_DAY}{time})?|{_LEAP_YEAR}-02-29{time})"


def _pattern(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


PRIMITIVES: dict[str, Schema] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": -_INT32, "maximum": _INT32 - 1},
    "unsignedInt": {"type": "integer", "minimum": 0, "maximum": _INT32 - 1},
    "positiveInt": {"type": "integer", "minimum": 1, "maximum": _INT32 - 1},
    "decimal": {"type": "number", "description": "Every digit that is sent is kept."},
    "string": _pattern(_TEXT),
    "markdown": _pattern(_TEXT),
    "xhtml": _pattern(_TEXT),
    "code": _pattern(r"^\S+( \S+)*$"),
    "id": _pattern(r"^[A-Za-z0-9\-.]{1,64}$"),
    "uri": _pattern(r"^\S+$"),
    "url": _pattern(r"^\S+$"),
    "canonical": _pattern(r"^\S+$"),
    "oid": _pattern(r"^urn:oid:[0-2](\.(0|[1-9][0-9]*))+$"),
    "uuid": _pattern("^urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
    "date": _pattern(f"^{calendar()}$"),
    "dateTime": _pattern(f"^{calendar(f'(T{_CLOCK}{_ZONE})?')}$"),
    "instant": _pattern(f"^({_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)T{_CLOCK}{_ZONE}$"),
    "time": _pattern(f"^{_CLOCK}$"),
    "base64Binary": _pattern(r"^[A-Za-z0-9+/=\s]+$"),
}
"""One schema for each primitive type; no tighter than ``models.definitions.primitives``."""

_CONTAINED: Schema = {
    "type": "object",
    "description": "A resource without an existence of its own, referred to as '#id'.",
    "required": ["resourceType", "id"],
    "properties": {"resourceType": _pattern("^[A-Z][A-Za-z]+$"), "id": {"$ref": "#/components/schemas/id"}},
}


XML: Schema = {
    "type": "string",
    "description": "The same as FHIR XML: https://hl7.org/fhir/R4/xml.html.",
}
CONTENT: Schema = {"type": "string", "format": "binary", "description": "Content of a Binary, as it is."}


def reference(name: str) -> Schema:
    """Refer to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas() -> dict[str, Schema]:
    """Describe the primitive types, the resource types, and the data types that the detailed ones need."""
    described: dict[str, Schema] = {}
    for name in DETAILED:
        _describe(name, described)
    generic = {name: _generic(name) for name in RESOURCE_TYPES if name not in DETAILED}
    return {
        **PRIMITIVES,
        "XML": XML,
        "ContainedResource": _CONTAINED,
        **described,
        **generic,
        "AnyResource": _any(),
    }


def _describe(name: str, described: dict[str, Schema]) -> None:
    """Describe a type and, once each, the types of its elements."""
    if name in described:
        return
    shape = structure(name)
    described[name] = _object(shape)
    for element in shape.elements.values():
        if element.check is None and element.type != "Resource" and not _is_wide(element, shape):
            _describe(element.type, described)
    _describe("Element", described)


def _object(shape: Structure) -> Schema:
    properties: dict[str, Schema] = {"resourceType": {"const": shape.name}} if shape.is_resource else {}
    wide = sorted(element.name for element in shape.elements.values() if _is_wide(element, shape))
    for name, element in shape.elements.items():
        if name not in wide:
            properties |= _members(element)
    complex_required = [name for name in sorted(shape.required) if shape.elements[name].check is None]
    schema: Schema = {"type": "object", "properties": properties}
    if shape.is_resource or complex_required:
        schema["required"] = ["resourceType"] * shape.is_resource + complex_required
    if wide:
        schema["patternProperties"] = {f"^_?({'|'.join(wide)})$": {}}
    schema["additionalProperties"] = False
    rules = _presence(shape) + _exclusions(shape)
    return {**schema, "allOf": rules} if rules else schema


def _members(element: Element) -> dict[str, Schema]:
    """Describe the JSON member of an element, and the ``_`` sibling of a primitive one."""
    value = _value(element)
    if element.check is None:
        return {element.name: _list(value) if element.repeats else value}
    sibling = reference("Element")
    if element.repeats:
        value, sibling = _list(_or_null(value)), _list(_or_null(sibling))
    return {element.name: value, f"_{element.name}": sibling}


def _value(element: Element) -> Schema:
    if element.type == "Resource":
        return reference("ContainedResource")
    if element.check is not None and element.codes is not None:
        return {"type": "string", "enum": sorted(element.codes)}
    return reference(element.type)


def _list(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


def _or_null(schema: Schema) -> Schema:
    """Allow the null that keeps a value and its sibling at the same place of their arrays."""
    return {"anyOf": [schema, {"type": "null"}]}


def _is_wide(element: Element, shape: Structure) -> bool:
    return element.choice is not None and len(_choice(shape, element.choice)) > MAX_CHOICE


def _choice(shape: Structure, choice: str) -> list[Element]:
    return [element for element in shape.elements.values() if element.choice == choice]


def _presence(shape: Structure) -> list[Schema]:
    """Demand what must be there: a primitive itself or its sibling, one member of a choice."""
    primitives = [[shape.elements[name]] for name in sorted(shape.required)]
    demanded = [group for group in primitives if group[0].check is not None]
    demanded += [_choice(shape, choice) for choice in shape.required_choices]
    return [_any_of(group) for group in demanded]


def _any_of(elements: list[Element]) -> Schema:
    names = [element.name for element in elements]
    names += [f"_{element.name}" for element in elements if element.check is not None]
    return {"anyOf": [{"required": [name]} for name in names]}


def _exclusions(shape: Structure) -> list[Schema]:
    """Refuse two members of one choice."""
    choices = dict.fromkeys(element.choice for element in shape.elements.values() if element.choice)
    groups = [_choice(shape, choice) for choice in choices]
    pairs = [pair for group in groups if len(group) <= MAX_CHOICE for pair in combinations(group, 2)]
    return [{"not": {"required": [one.name, other.name]}} for one, other in pairs]


def _generic(name: str) -> Schema:
    return {
        "type": "object",
        "description": f"Every element of https://hl7.org/fhir/R4/{name.lower()}.html.",
        "required": ["resourceType"],
        "properties": {
            "resourceType": {"const": name},
            "id": reference("id"),
            "meta": reference("Meta"),
        },
    }


def _any() -> Schema:
    return {"oneOf": [reference(name) for name in RESOURCE_TYPES]}
