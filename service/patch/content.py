"""Reads what an operation of a FHIRPath Patch puts into a resource.

    value[x]    a primitive value with its ``_`` sibling, or a data type
    part        the members of a type that Parameters has no value[x] for, such as Patient.contact
    resource    for contained

A value fits an element of its own type, or of one that JSON writes the same way and that accepts it.

Source: https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.definitions.primitives import CHECKS
from models.definitions.structures import Element, resource_names, structure
from service.patch.nodes import Item, known_elements, type_of, write
from service.patch.operations import Refused, clone

_PART = structure("Parameters.parameter").elements
_PARTS = "Parts must be a JSON array of JSON objects, each with a name and one value[x], part or resource."
_WRONG_TYPE = "The value is not of the type of the element."
_NEEDS_CHOICE = "Name the element with its type, such as valueQuantity, when its value is given in parts."
_TWICE = "A part that does not repeat was given twice."

_INTERCHANGEABLE = (
    frozenset({"string", "markdown", "code", "id", "xhtml"}),
    frozenset({"uri", "url", "canonical", "oid", "uuid"}),
    frozenset({"date", "dateTime", "instant"}),
    frozenset({"integer", "unsignedInt", "positiveInt", "decimal"}),
    frozenset({"Quantity", "Age", "Count", "Distance", "Duration"}),
)
_NOT_WRITTEN_AS_STRING = frozenset({"boolean", "integer", "unsignedInt", "positiveInt", "decimal"})


def named_parts(owner: Any) -> list[tuple[str, dict[str, Any]]]:
    """List the parts of a parameter, or of a part, with their names."""
    parts = owner.get("part", []) if isinstance(owner, dict) else None
    if not isinstance(parts, list):
        raise Refused(_PARTS)
    named = []
    for part in parts:
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise Refused(_PARTS)
        named.append((name, part))
    return named


def primitive(part: dict[str, Any], *types: str) -> Any:
    """Return the value of a part that must be of one of these primitive types."""
    element, item = _value(part)
    check = CHECKS[type_of(element)] if type_of(element) in types else None
    if check is None or check(item.value) is not None:
        raise Refused(f"The part {part['name']} must be value{types[0][0].upper()}{types[0][1:]}.")
    return item.value


def content(part: dict[str, Any], candidates: Sequence[Element]) -> tuple[Element, Item]:
    """Return what a part holds, with the element it fits among the candidates (several for a choice)."""
    if "part" in part:
        return _only_content(part, "part", _from_parts(part, candidates))
    if "resource" in part:
        return _only_content(part, "resource", _resource(part, candidates))
    given, item = _value(part)
    element = _fitting(type_of(given), candidates)
    if element.check is None:
        if not isinstance(item.value, dict) or not item.value:
            raise Refused(_WRONG_TYPE)
    elif item.value is not None and (fault := element.check(item.value)) is not None:
        raise Refused(fault.text)
    return element, Item(clone(item.value), clone(item.sibling))


def _only_content(part: dict[str, Any], name: str, result: tuple[Element, Item]) -> tuple[Element, Item]:
    if set(part) - {"id", "extension", "modifierExtension", "name", name}:
        raise Refused(_PARTS)
    return result


def _value(part: dict[str, Any]) -> tuple[Element, Item]:
    """Return the one value[x] of a part."""
    names = {name.removeprefix("_") for name in part} - {"id", "extension", "modifierExtension", "name"}
    element = _PART.get(names.pop()) if len(names) == 1 else None
    if element is None or element.choice is None:
        raise Refused(_PARTS)
    sibling = part.get(f"_{element.name}")
    if sibling is not None and (element.check is None or not isinstance(sibling, dict) or not sibling):
        raise Refused(_PARTS)
    item = Item(part.get(element.name), sibling)
    if item == Item(None):
        raise Refused(_PARTS)
    return element, item


def _fitting(given: str, candidates: Sequence[Element]) -> Element:
    for element in candidates:
        if type_of(element) == given:
            return element
    for element in candidates:
        if any({given, type_of(element)} <= types for types in _INTERCHANGEABLE):
            return element
    for element in candidates:
        if given == "string" and element.check is not None and element.type not in _NOT_WRITTEN_AS_STRING:
            return element
    raise Refused(_WRONG_TYPE)


def _resource(part: dict[str, Any], candidates: Sequence[Element]) -> tuple[Element, Item]:
    resource, element = part["resource"], candidates[0]
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    if element.type != "Resource" or not isinstance(name, str) or name not in resource_names():
        raise Refused(_WRONG_TYPE)
    return element, Item(clone(resource))


def _from_parts(part: dict[str, Any], candidates: Sequence[Element]) -> tuple[Element, Item]:
    if len(candidates) > 1:
        raise Refused(_NEEDS_CHOICE)
    element = candidates[0]
    if element.check is not None or element.type == "Resource":
        raise Refused(_WRONG_TYPE)
    gathered: dict[str, tuple[Element, list[Item]]] = {}
    for name, member in named_parts(part):
        inner, item = content(member, known_elements(type_of(element), name))
        items = gathered.setdefault(inner.name, (inner, []))[1]
        if items and not inner.repeats:
            raise Refused(_TWICE)
        items.append(item)
    built: dict[str, Any] = {}
    for inner, items in gathered.values():
        write(built, inner, items)
    if not built:
        raise Refused(_PARTS)
    return element, Item(built)
