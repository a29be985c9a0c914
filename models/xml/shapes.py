"""What the facts of R4 mean in XML: which members are attributes, and in which order elements stand.

    primitive  <status value="active"/>          resource   <contained><Patient>…</Patient></contained>
    complex    <subject>…</subject>              division   <div xmlns="http://www.w3.org/1999/xhtml">…</div>
    attributes id of everything but a resource, url of an Extension

Source: https://hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache

from models.definitions.structures import Element, Structure, resource_names, structure
from models.xml.values import Converter, converter

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
SEPARATOR = " "
"""Stands between a namespace and a name in what the XML parser reports."""
TAG = FHIR + SEPARATOR


class Kind(Enum):
    """How a member is written."""

    PRIMITIVE = "primitive"
    COMPLEX = "complex"
    RESOURCE = "resource"
    DIVISION = "division"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member that is written as an element."""

    name: str
    sibling: str
    """Its member for the id and the extensions of a primitive value."""
    kind: Kind
    repeats: bool
    content: str
    """The type whose members stand inside: Element for a primitive, nothing for a resource, not known yet."""
    convert: Converter
    """Reads the value of a primitive type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A type of R4 as XML shows it."""

    name: str
    is_resource: bool
    members: dict[str, Member]
    tags: dict[str, Member]
    """The same by the name that the XML parser reports."""
    attributes: frozenset[str]
    order: dict[str, int]
    """The place of every JSON member, siblings, attributes and ``resourceType`` included."""


@cache
def shape(name: str) -> Shape:
    """Describe a type of R4; ``name`` must be one."""
    facts = structure(name)
    attributes = _attributes(facts)
    members = {
        element.name: _member(element)
        for element in facts.elements.values()
        if element.name not in attributes
    }
    order = {"resourceType": 0} if facts.is_resource else dict.fromkeys(attributes, 0)
    for place, member in enumerate(members.values(), start=1):
        order[member.name] = place
        if member.kind is Kind.PRIMITIVE:
            order[member.sibling] = place
    return Shape(
        name=name,
        is_resource=facts.is_resource,
        members=members,
        tags={TAG + member.name: member for member in members.values()},
        attributes=attributes,
        order=order,
    )


@cache
def resource_tags() -> dict[str, str]:
    """Name every resource type of R4 by the name that the XML parser reports."""
    return {TAG + name: name for name in resource_names()}


def _attributes(facts: Structure) -> frozenset[str]:
    if facts.is_resource:
        return frozenset()
    return frozenset({"id", "url"}) if facts.name == "Extension" else frozenset({"id"})


def _member(element: Element) -> Member:
    kind = _kind(element)
    return Member(
        name=element.name,
        sibling=f"_{element.name}",
        kind=kind,
        repeats=element.repeats,
        content={Kind.PRIMITIVE: "Element", Kind.COMPLEX: element.type}.get(kind, ""),
        convert=converter(element.type),
    )


def _kind(element: Element) -> Kind:
    if element.type == "Resource":
        return Kind.RESOURCE
    if element.type == "xhtml":
        return Kind.DIVISION
    return Kind.COMPLEX if element.check is None else Kind.PRIMITIVE
