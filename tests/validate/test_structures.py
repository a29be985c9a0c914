"""R4's structures against fhir.resources' R4B, and our rules against FHIR's list of constraints."""

from __future__ import annotations

import typing
from importlib import import_module
from typing import Any

import pytest

from models.definitions import RESOURCE_TYPES
from models.definitions.structures import Element, Structure, codes, facts, resource_names, structure
from service.validate.invariants import RULES

TYPES = (*RESOURCE_TYPES, "Bundle", "Parameters")

ONLY_IN_R4 = {("Extension", "valueMeta")}
ONLY_IN_R4B = {
    ("Extension", "valueCodeableReference"),
    ("Extension", "valueRatioRange"),
    ("PlanDefinition", "subjectCanonical"),
    ("PlanDefinition.action", "subjectCanonical"),
    ("SimpleQuantity", "comparator"),
}
"""The walk refuses these. R4's SimpleQuantity is R4B's Quantity, whose model has the comparator."""
OTHER_TARGETS = {("Group.member", "entity"), ("Observation", "subject")}
"""R4B lets these refer to more types; the walk does not."""
MODEL_NAMES = {"base64Binary": "EncodedBytes", "uuid": "UuidVersion", "SimpleQuantity": "Quantity"}
"""What fhir.resources calls the types that it does not call as FHIR does."""

NOT_CHECKED = {
    "dom-2": "references.check_contained",
    "dom-3": "references.check_contained",
    "dom-4": "references.check_contained",
    "dom-5": "references.check_contained",
    "ele-1": "the walk refuses what is empty",
    "ref-1": "references.check_reference",
    "sqty-1": "SimpleQuantity has no comparator",
}
"""Constraints that no rule names, with the place that sees to them, or the reason why none does."""


def structures_of(name: str) -> dict[str, Structure]:
    """A type and every type inside it."""
    found: dict[str, Structure] = {}
    pending = [name]
    while pending:
        shape = structure(pending.pop())
        if shape.name not in found:
            found[shape.name] = shape
            pending += [e.type for e in shape.elements.values() if e.check is None and e.type != "Resource"]
    return found


def model_of(name: str) -> Any:
    path = {"SimpleQuantity": "Quantity"}.get(name, name).split(".")
    module = import_module(f"fhir.resources.R4B.{path[0].lower()}")
    return getattr(module, "".join(part[0].upper() + part[1:] for part in path))


def members_of(model: Any) -> dict[str, Any]:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return {name: field for name, field in fields.items() if name not in {"resourceType", "fhir_comments"}}


def unwrapped(annotation: Any) -> tuple[bool, Any]:
    """Whether a field is a list, and the type of one value."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list:
        return True, unwrapped(arguments[0])[1]
    if type(None) in arguments:
        return unwrapped(next(argument for argument in arguments if argument is not type(None)))
    return False, annotation


def type_name(annotation: Any) -> str:
    if annotation is bool:
        return "boolean"
    if hasattr(annotation, "_model_klass"):
        return str(annotation.get_model_klass().__name__)
    for mark in getattr(annotation, "__metadata__", ()):
        return str(getattr(mark, "__visit_name__", type(mark).__name__))
    return str(annotation)


def expected_name(element: Element) -> str:
    name = "".join(part[0].upper() + part[1:] for part in element.type.split("."))
    return MODEL_NAMES.get(element.type, element.type if element.check else name)


@pytest.fixture(scope="module")
def shapes() -> dict[str, Structure]:
    return {name: shape for type_ in TYPES for name, shape in structures_of(type_).items()}


def test_r4_and_r4b_have_the_same_elements_but_for_the_known_ones(shapes: dict[str, Structure]) -> None:
    only_r4, only_r4b = set(), set()
    for name, shape in shapes.items():
        members = {member for member in members_of(model_of(name)) if not member.startswith("_")}
        only_r4 |= {(name, element) for element in shape.elements.keys() - members}
        only_r4b |= {(name, element) for element in members - shape.elements.keys()}
    assert only_r4 == ONLY_IN_R4
    assert only_r4b == ONLY_IN_R4B


def shared(shapes: dict[str, Structure]) -> list[tuple[str, Element, Any]]:
    return [
        (name, element, members[element.name])
        for name, shape in shapes.items()
        for members in [members_of(model_of(name))]
        for element in shape.elements.values()
        if element.name in members
    ]


def test_r4_and_r4b_agree_on_types_and_repetition(shapes: dict[str, Structure]) -> None:
    for name, element, field in shared(shapes):
        repeats, annotation = unwrapped(field.annotation)
        if typing.get_origin(annotation) is None and field.metadata:
            annotation = typing.Annotated[annotation, field.metadata[0]]
        assert repeats == element.repeats, (name, element.name)
        assert type_name(annotation).lower() == expected_name(element).lower(), (name, element.name)


def test_r4_and_r4b_agree_on_what_is_required(shapes: dict[str, Structure]) -> None:
    for name, element, field in shared(shapes):
        if element.choice is None:
            extra = field.json_schema_extra or {}
            required = field.is_required() or bool(extra.get("element_required"))
            assert required == (element.name in shapes[name].required), (name, element.name)
        else:
            required = bool(field.json_schema_extra["one_of_many_required"])
            assert required == (element.choice in shapes[name].required_choices), (name, element.name)


def test_r4_and_r4b_agree_on_the_targets_of_references_but_for_the_known_ones(
    shapes: dict[str, Structure],
) -> None:
    different = {
        (name, element.name)
        for name, element, field in shared(shapes)
        if element.type == "Reference"
        and element.targets is not None
        and set(field.json_schema_extra["enum_reference_types"]) != element.targets
    }
    assert different == OTHER_TARGETS


def test_every_constraint_of_our_types_has_a_rule_or_a_reason(shapes: dict[str, Structure]) -> None:
    names = {*shapes, "DomainResource", "Element"}
    stated = {
        key
        for place, sentences in facts().invariants.items()
        if place in names or place.rpartition(".")[0] in names
        for key in sentences
    }
    implemented = {key for rules in RULES.values() for key, _ in rules}
    assert stated - implemented == NOT_CHECKED.keys()
    assert implemented <= stated


def test_every_structure_is_made_of_known_types() -> None:
    for name in facts().structures:
        for element in structure(name).elements.values():
            assert element.check is not None or element.type in facts().structures


def test_every_enumerated_value_set_has_codes() -> None:
    assert all(any(systems.values()) for systems in facts().value_sets.values())


def test_the_resource_types_are_those_of_r4() -> None:
    assert resource_names() == set(codes("resource-types")) - {"Resource", "DomainResource"}
