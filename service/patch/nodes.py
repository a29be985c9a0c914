"""Where the values of a resource are, by its elements instead of by its JSON.

    Node ── owner     the JSON object that has the member
         ├─ element   what R4 says about the member
         ├─ index     which of its items
         ├─ item      value and ``_`` sibling: id and extensions of a primitive value
         └─ parent    the node of the owner

A primitive value and its ``_`` sibling are one item, in lists too: whoever moves one moves both. What has
become empty leaves the document, as FHIR's JSON has no empty array or object.

Source: https://hl7.org/fhir/R4/json.html#primitive
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest
from typing import Any, NamedTuple

from models.definitions.primitives import CHECKS
from models.definitions.structures import Element, resource_names, structure
from service.patch.operations import Refused

_MISSHAPEN = "The path leads through content that is not of its type in FHIR R4."
_THE_RESOURCE = "The resource itself cannot be the target; name one of its elements."
_QUANTITIES = frozenset({"SimpleQuantity"})


class Item(NamedTuple):
    """One occurrence of an element."""

    value: Any
    sibling: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One occurrence of an element, and where it is; the resource itself has no owner."""

    item: Item
    owner: dict[str, Any] = field(default_factory=dict)
    element: Element | None = None
    index: int = 0
    parent: Node | None = None

    @property
    def type(self) -> str:
        """The FHIR type of the value."""
        if self.element is not None and self.element.type != "Resource":
            return type_of(self.element)
        name = self.item.value.get("resourceType") if isinstance(self.item.value, dict) else None
        if not isinstance(name, str) or name not in resource_names():
            raise Refused(_MISSHAPEN)
        return name

    @property
    def members(self) -> dict[str, Any]:
        """The JSON object that has the members of this node; empty when a primitive has none."""
        is_primitive = self.element is not None and self.element.check is not None
        members = (self.item.sibling or {}) if is_primitive else self.item.value
        if not isinstance(members, dict):
            raise Refused(_MISSHAPEN)
        return members


def type_of(element: Element) -> str:
    """Name the type of an element as a path does."""
    return "Quantity" if element.type in _QUANTITIES else element.type


@cache
def elements(type_: str, name: str) -> tuple[Element, ...]:
    """List the elements that a member of a path can mean: of a choice, all. None if the type has none."""
    shape = structure("Element" if type_ in CHECKS else type_).elements
    if name in shape:
        return (shape[name],)
    return tuple(element for element in shape.values() if element.choice == f"{name}[x]")


def known_elements(type_: str, name: str) -> tuple[Element, ...]:
    """List the elements that a name can mean; raises ``Refused`` when the type has none."""
    found = elements(type_, name)
    if not found:
        raise Refused(no_such_element(type_))
    return found


def no_such_element(*types: str) -> str:
    """Say that a name is not that of an element."""
    return f"{' or '.join(sorted(types))} has no such element in FHIR R4."


def alternatives(type_: str, element: Element) -> tuple[Element, ...]:
    """List the elements that exclude each other: of a choice, all."""
    if element.choice is None:
        return (element,)
    return elements(type_, element.choice.removesuffix("[x]"))


def read(owner: dict[str, Any], element: Element) -> list[Item]:
    """List the items of an element, none if it is absent."""
    value = owner.get(element.name)
    sibling = owner.get(f"_{element.name}") if element.check is not None else None
    if not element.repeats:
        return [] if value is None and sibling is None else [Item(value, sibling)]
    values, siblings = value or [], sibling or []
    if not isinstance(values, list) or not isinstance(siblings, list):
        raise Refused(_MISSHAPEN)
    return [Item(*pair) for pair in zip_longest(values, siblings)]


def write(owner: dict[str, Any], element: Element, items: list[Item]) -> None:
    """Put the items of an element in place of what is there."""
    for name, parts in (
        (element.name, [item.value for item in items]),
        (f"_{element.name}", [item.sibling for item in items]),
    ):
        if all(part is None for part in parts):
            owner.pop(name, None)
        else:
            owner[name] = parts if element.repeats else parts[0]


def opened(node: Node) -> dict[str, Any]:
    """Return the object that has the members of a node, made where a primitive has none yet."""
    if node.element is None or node.element.check is None or node.item.sibling:
        return node.members
    members: dict[str, Any] = {}
    replace(node, node.element, Item(node.item.value, members))
    return members


def interchangeable(node: Node) -> tuple[Element, ...]:
    """List the elements that may stand where a node is: of a choice, all."""
    parent, element, _ = _place(node)
    return alternatives(parent.type, element)


def replace(node: Node, element: Element, item: Item) -> None:
    """Put an item in place of a node; the element is the node's, or another of the same choice."""
    _, present, owner = _place(node)
    if element.name == present.name:
        items = read(owner, element)
        items[node.index] = item
        write(owner, element, items)
    else:
        write(owner, present, [])
        write(owner, element, [item])


def remove(node: Node) -> None:
    """Take a node out, and what it was the last content of."""
    parent, element, owner = _place(node)
    items = read(owner, element)
    del items[node.index]
    write(owner, element, items)
    if parent.element is None or parent.members:
        return
    if parent.element.check is not None and parent.item.value is not None:
        replace(parent, parent.element, Item(parent.item.value))
    else:
        remove(parent)


def _place(node: Node) -> tuple[Node, Element, dict[str, Any]]:
    """Return where a node is; the resource itself is nowhere."""
    if node.parent is None or node.element is None:
        raise Refused(_THE_RESOURCE)
    return node.parent, node.element, node.owner
