"""Walks a document once, comparing every member with the facts of R4.

    resource ── members ── one of a primitive type ── its format, its code
             │          ├─ one of a complex type   ── its members …, then what holds between them
             │          └─ a resource              ── contained, in a Bundle, in Parameters
             ├── what must be there
             └── what may not be there together

Source: https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from models.definitions.primitives import Fault
from models.definitions.structures import Element, Structure, resource_names, structure
from models.document import member
from service.validate.bindings import check_code, check_concept
from service.validate.findings import Findings
from service.validate.invariants import check_invariants
from service.validate.references import check_contained, check_reference, contained_types

_NOT_AN_OBJECT = "This must be a JSON object."
_NOT_A_LIST = "This element may repeat: send a JSON array, even for one value."
_NOT_REPEATING = "This element does not repeat: send one value, not an array."
_EMPTY_OBJECT = "An empty object is not a value. Leave the element out. (ele-1)"
_EMPTY_LIST = "An empty array is not a value. Leave the element out."
_NO_VALUE = "An id alone is not a value. Send a value or an extension. (ele-1)"
_SAME_ID = "Two elements of the resource have the same id."
_NULL = "null is not a value. Leave the element out."
_REQUIRED = "This element is required."
_ONE_OF = "One of {} is required."
_CHOICE = "Only one of the types of {} may be sent."
_UNKNOWN = "{} has no such element in FHIR R4."
_UNKNOWN_MEANT = "{} has no such element in FHIR R4. Is {} meant?"
_SIBLING = "Only an element of a primitive type has a '_' sibling."
_SIBLING_LENGTH = "A '_' sibling of an array is an array with one entry for each value."
_RESOURCE_TYPE = "resourceType must name a resource type of FHIR R4."
_NO_SIBLING = "This element is an attribute, or markup, in XML: it has no id and no extensions."
_MAXIMUM_NAMES = 8

_BARE = {"Extension": "_url", "Narrative": "_div"}
"""Siblings of elements that cannot be extended, beside the id of whatever is no resource.
Source: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.representation"""

_ELEMENT = structure("Element")


def walk_resource(document: Any, resource_type: str, findings: Findings) -> None:
    """Note everything that is wrong with a resource and what is inside."""
    if not _is_object(document, resource_type, findings):
        return
    if document.get("resourceType") != resource_type:
        findings.add(
            "invalid", f"resourceType must be {resource_type} here.", f"{resource_type}.resourceType"
        )
    _Walk(document, findings).object(document, structure(resource_type), resource_type)


def _is_object(value: Any, path: str, findings: Findings) -> bool:
    if type(value) is dict and value:
        return True
    if type(value) is list:
        findings.add("structure", _NOT_REPEATING, path)
    elif value is None:
        findings.add("structure", _NULL, path)
    else:
        findings.add("structure", _NOT_AN_OBJECT if value != {} else _EMPTY_OBJECT, path)
    return False


class _Walk:
    """The walk through one resource and what it contains; ``#id`` is resolved among these."""

    def __init__(self, resource: dict[str, Any], findings: Findings) -> None:
        self.findings = findings
        self.contained = contained_types(resource)
        self.ids: set[str] = set()
        """The ids of elements so far, which are unique within the resource."""

    def object(self, value: dict[str, Any], shape: Structure, path: str) -> None:
        """Note what is wrong with the members of an object, and between them."""
        elements, findings = shape.elements, self.findings
        misshapen_before = findings.misshapen
        choices: dict[str, str] = {}
        for name, child in value.items():
            element = elements.get(name)
            if element is None:
                self._other_member(name, value, shape, path, choices)
                continue
            if element.choice is not None:
                self._choose(element, choices, path)
            if element.repeats:
                self._list(child, element, value, f"{path}.{name}")
            elif element.check is None:
                self._complex(child, element, f"{path}.{name}")
            elif (fault := element.check(child)) is not None:
                self._unfit(child, fault, f"{path}.{name}")
            elif element.codes is not None:
                check_code(child, element, f"{path}.{name}", findings)
        self._between(value, shape, choices, path, misshapen_before)

    def _identify(self, identifier: Any, path: str) -> None:
        if type(identifier) is not str:
            return
        if identifier in self.ids:
            self.findings.add("invariant", _SAME_ID, f"{path}.id")
        self.ids.add(identifier)

    def _between(
        self,
        value: dict[str, Any],
        shape: Structure,
        choices: dict[str, str],
        path: str,
        misshapen_before: int,
    ) -> None:
        """Note what is missing, and the rules that members break together.

        On members of wrong types no rule could be judged.
        """
        if not shape.required <= value.keys() or shape.required_choices:
            self._missing(value, shape, choices, path)
        if "id" in value and not shape.is_resource:
            self._identify(value["id"], path)
        if self.findings.misshapen != misshapen_before:
            return
        check_invariants(value, shape.name, path, self.findings)
        if "contained" in value and shape.is_resource:
            check_contained(value, path, self.findings)

    def _unfit(self, value: Any, fault: Fault, path: str) -> None:
        if value is None:
            self.findings.add("structure", _NULL, path)
        elif type(value) is list:
            self.findings.add("structure", _NOT_REPEATING, path)
        else:
            self.findings.add_fault(fault, path)

    def _complex(self, value: Any, element: Element, path: str) -> None:
        if not (type(value) is dict and value) and not _is_object(value, path, self.findings):
            return
        if element.type == "Resource":
            self._resource(value, element, path)
            return
        self.object(value, structure(element.type), path)
        if element.type == "Reference":
            check_reference(value, element.targets, self.contained, path, self.findings)
        elif element.codes is not None:
            check_concept(value, element, path, self.findings)

    def _list(self, value: Any, element: Element, owner: dict[str, Any], path: str) -> None:
        if type(value) is not list:
            self.findings.add("structure", _NOT_A_LIST if value is not None else _NULL, path)
        elif not value:
            self.findings.add("structure", _EMPTY_LIST, path)
        else:
            self.findings.count(len(value), path)
            self._items(value, element, owner, path)

    def _items(self, value: list[Any], element: Element, owner: dict[str, Any], path: str) -> None:
        if element.check is None:
            for index, item in enumerate(value):
                self._complex(item, element, f"{path}[{index}]")
        else:
            self._primitives(value, element, owner.get(f"_{element.name}"), path)

    def _primitives(self, values: list[Any], element: Element, sibling: Any, path: str) -> None:
        assert element.check is not None  # noqa: S101  (the caller has asked)
        siblings = sibling if type(sibling) is list else []
        for index, value in enumerate(values):
            if value is None and index < len(siblings) and siblings[index] is not None:
                continue
            place = f"{path}[{index}]"
            fault = element.check(value)
            if fault is not None:
                self._unfit(value, fault, place)
            elif element.codes is not None:
                check_code(value, element, place, self.findings)

    def _resource(self, value: dict[str, Any], element: Element, path: str) -> None:
        resource_type = value.get("resourceType")
        if type(resource_type) is not str or resource_type not in resource_names():
            self.findings.add("invalid", _RESOURCE_TYPE, f"{path}.resourceType")
        elif element.name == "contained":
            outer, self.ids = self.ids, set()
            self.object(value, structure(resource_type), path)
            self.ids = outer
        else:
            _Walk(value, self.findings).object(value, structure(resource_type), path)

    def _other_member(
        self, name: str, owner: dict[str, Any], shape: Structure, path: str, choices: dict[str, str]
    ) -> None:
        """Judge ``resourceType``, a ``_`` sibling, or a member that R4 does not know."""
        if name == "resourceType" and shape.is_resource:
            return
        element = shape.elements.get(name[1:]) if name[:1] == "_" else None
        if name == _BARE.get(shape.name) or (name == "_id" and not shape.is_resource):
            self.findings.add("structure", _NO_SIBLING, member(path, name))
            return
        if element is not None and element.check is not None:
            if element.choice is not None:
                self._choose(element, choices, path)
            self._sibling(owner[name], owner.get(element.name), element, f"{path}.{name}")
        elif element is not None:
            self.findings.add("structure", _SIBLING, member(path, name))
        else:
            meant = get_close_matches(name[:64], shape.elements, n=1)
            text = _UNKNOWN_MEANT.format(shape.name, meant[0]) if meant else _UNKNOWN.format(shape.name)
            self.findings.add("structure", text, member(path, name))

    def _sibling(self, value: Any, primitive: Any, element: Element, path: str) -> None:
        """Judge the id and the extensions of a primitive value, or of a list of them."""
        if not element.repeats:
            self._beside(value, path, has_value=primitive is not None)
            return
        if type(value) is not list or (type(primitive) is list and len(primitive) != len(value)):
            self.findings.add("structure", _SIBLING_LENGTH, path)
            return
        for index, item in enumerate(value):
            has_value = type(primitive) is list and primitive[index] is not None
            if item is not None or not has_value:
                self._beside(item, f"{path}[{index}]", has_value=has_value)

    def _beside(self, value: Any, path: str, *, has_value: bool) -> None:
        """Judge what stands beside one primitive value, or in its place."""
        if not _is_object(value, path, self.findings):
            return
        self.object(value, _ELEMENT, path)
        if not has_value and value.keys() == {"id"}:
            self.findings.add("invariant", _NO_VALUE, path)

    def _choose(self, element: Element, choices: dict[str, str], path: str) -> None:
        assert element.choice is not None  # noqa: S101  (the caller has asked)
        if choices.setdefault(element.choice, element.name) != element.name:
            self.findings.add("structure", _CHOICE.format(element.choice), f"{path}.{element.name}")

    def _missing(self, value: dict[str, Any], shape: Structure, choices: dict[str, str], path: str) -> None:
        for name in sorted(shape.required - value.keys()):
            if f"_{name}" not in value:
                self.findings.add("required", _REQUIRED, f"{path}.{name}")
        for choice in shape.required_choices:
            if choice not in choices:
                names = [element.name for element in shape.elements.values() if element.choice == choice]
                listed = ", ".join(names) if len(names) <= _MAXIMUM_NAMES else choice
                self.findings.add("required", _ONE_OF.format(listed), f"{path}.{choice.removesuffix('[x]')}")
