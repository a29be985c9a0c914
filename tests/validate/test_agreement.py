"""The walk over R4's facts and fhir.resources agree, on resources made from the facts themselves."""

from __future__ import annotations

import random
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.definitions import RESOURCE_TYPES
from models.definitions.structures import Element, Structure, codings, resource_names, structure
from service.validate import check

UUID = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
PRIMITIVES: dict[str, list[Any]] = {
    "boolean": [True, False],
    "integer": [0, -5, 2147483647],
    "unsignedInt": [0, 7],
    "positiveInt": [1, 9],
    "decimal": [Decimal("1.50"), 3, Decimal("1E-7"), Decimal("-0.0"), Decimal("12345678901234567890.123")],
    "string": ["a", "é\n\tb", "  x "],
    "markdown": ["# a\n* b"],
    "code": ["a", "a b", "x-y"],
    "id": ["a", "A.b-1", "1" * 64],
    "uri": ["http://a/b", UUID, "urn:oid:1.2.3", "mailto:x@y", "rel/path", "tel:123"],
    "url": [
        "http://a/b",
        "ftp://x/y",
        "mailto:a@b.c",
        "Binary/1",
        "mllp:10.1.1.10:1980",
        "https://a/b?c=d#e",
    ],
    "canonical": ["http://a/b|1.0", "Questionnaire/1", UUID],
    "oid": ["urn:oid:1.2.3", "urn:oid:2.16.840.1"],
    "uuid": [UUID],
    "date": ["2020", "2020-02", "2020-02-29", "0001-01-01", "9999-12-31"],
    "dateTime": [
        "2020",
        "2020-02",
        "2020-02-29T10:00:00Z",
        "2020-02-29T10:00:00.123+14:00",
        "2016-12-31T23:59:60Z",
    ],
    "instant": ["2020-02-29T10:00:00Z", "2020-02-29T10:00:00.123456-13:59", "2016-12-31T23:59:60Z"],
    "time": ["10:00:00", "23:59:59.999", "23:59:60"],
    "base64Binary": ["QUJD", "QQ=="],
    "xhtml": ['<div xmlns="http://www.w3.org/1999/xhtml"><p>a <b>c</b></p></div>'],
}


FORMATTED = {"language": ["en", "de-CH-1996"], "currency": ["USD"]}
"""Codes by the name of their element, where the value set is too large to list."""


class Maker:
    """Makes resources that keep to the facts; constraints between members may be broken."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def value(self, element: Element, depth: int) -> Any:
        if element.check is not None:
            values = FORMATTED.get(element.name, PRIMITIVES[element.type])
            return self.chance.choice(sorted(element.codes) if element.codes else values)
        if element.type == "Reference":
            target = self.chance.choice(sorted(element.targets or resource_names()))
            return {
                "reference": self.chance.choice([f"{target}/1", f"https://a/fhir/{target}/1", UUID]),
                "type": target,
            }
        made = self.object(structure(element.type), depth - 1)
        if element.codes:
            system, code = self.chance.choice(sorted(codings(element.value_set)))
            made["coding"] = [{"system": system, "code": code}]
        return made

    def object(self, shape: Structure, depth: int) -> dict[str, Any]:
        made = {
            element.name: [self.value(element, depth)] if element.repeats else self.value(element, depth)
            for element in self.members(shape, depth)
        }
        return made or {"id": "x"}

    def members(self, shape: Structure, depth: int) -> list[Element]:
        """Choose every required element and a few others, one for each choice."""
        chosen = [
            element
            for element in shape.elements.values()
            if element.choice is None
            and element.type not in {"Extension", "Resource"}
            and (element.name in shape.required or self.chance.random() < 0.2 * depth)
        ]
        for choice in sorted({e.choice for e in shape.elements.values() if e.choice}):
            members = [e for e in shape.elements.values() if e.choice == choice and e.type != "Meta"]
            if choice in shape.required_choices or self.chance.random() < 0.2 * depth:
                chosen.append(
                    self.chance.choice(members if depth > 0 else [e for e in members if e.check] or members)
                )
        return chosen


def model_accepts(document: dict[str, Any]) -> bool:
    name = document["resourceType"]
    try:
        getattr(import_module(f"fhir.resources.R4B.{name.lower()}"), name).model_validate(document)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
@settings(max_examples=10, deadline=None)
@given(chance=st.randoms(use_true_random=False))
def test_what_keeps_to_the_facts_is_accepted_by_both(resource_type: str, chance: random.Random) -> None:
    document = {"resourceType": resource_type, **Maker(chance).object(structure(resource_type), 2)}
    issues = check(document, resource_type)
    assert [issue for issue in issues if issue.code != "invariant"] == []
    assert model_accepts(document)


NONSENSE = [
    None,
    True,
    1,
    Decimal("5.5"),
    "",
    "x" * 70,
    "2020-02-30",
    [],
    {},
    [None],
    [{}],
    {"a": 1},
    ["a"],
    "a  b",
]


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
@settings(max_examples=10, deadline=None)
@given(chance=st.randoms(use_true_random=False), nonsense=st.sampled_from(NONSENSE))
def test_what_the_model_refuses_the_check_refuses(
    resource_type: str, chance: random.Random, nonsense: Any
) -> None:
    document = {"resourceType": resource_type, **Maker(chance).object(structure(resource_type), 2)}
    document[chance.choice(sorted(structure(resource_type).elements))] = nonsense
    assert check(document, resource_type) or model_accepts(document)
