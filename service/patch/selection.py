"""Follows the steps of a path through a resource to the nodes that it names.

    steps ── select ──> nodes that are there, and the types that could be there

The types are followed even where the resource has nothing, so that a misspelt element is refused and not
taken for one that is absent.

Source: http://hl7.org/fhirpath/N1/#path-selection
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from service.patch.expressions import At, Combined, Compared, Criterion, Found, Literal, Member, OfType, Step
from service.patch.nodes import Item, Node, elements, no_such_element, read, type_of
from service.patch.operations import Effort, Refused

_NO_SUCH_TYPE = "The element is never of the type that the path names."
_NOTHING = "The path leads to nothing in the resource."
_SEVERAL = "The path leads to several elements; name one, for instance with [0] or where()."


class Selection(NamedTuple):
    """What a path has led to so far."""

    nodes: Sequence[Node]
    types: frozenset[str]
    """What the nodes may be; empty when nobody can know, as of what an absent contained resource holds."""


def select(start: Selection, steps: Sequence[Step], effort: Effort) -> Selection:
    """Follow a path; raises ``Refused`` for an element or a type that cannot be there."""
    selection = start
    for step in steps:
        effort.spend(1 + len(selection.nodes))
        if isinstance(step, Member):
            selection = _members(selection, step.name, effort)
        elif isinstance(step, At):
            nodes = selection.nodes[step.index :][:1] if selection.nodes else ()
            selection = Selection(nodes, selection.types)
        elif isinstance(step, OfType):
            selection = _of_type(selection, step.type)
        else:
            _require_known(step.criterion, selection.types, effort)
            nodes = [node for node in selection.nodes if _holds(step.criterion, node, effort)]
            selection = Selection(nodes, selection.types)
    return selection


def root(document: dict[str, Any]) -> Selection:
    """Select the resource itself."""
    node = Node(Item(document))
    return Selection((node,), frozenset({node.type}))


def only(nodes: Sequence[Node]) -> Node:
    """Return the node, if it is exactly one."""
    if len(nodes) != 1:
        raise Refused(_SEVERAL if nodes else _NOTHING)
    return nodes[0]


def _members(selection: Selection, name: str, effort: Effort) -> Selection:
    known = {type_: elements(type_, name) for type_ in selection.types}
    if known and not any(known.values()):
        raise Refused(no_such_element(*known))
    nodes: list[Node] = []
    for node in selection.nodes:
        owner = node.members
        for element in elements(node.type, name):
            items = read(owner, element)
            effort.spend(len(items))
            nodes += [Node(item, owner, element, index, node) for index, item in enumerate(items)]
    types = {type_of(element) for found in known.values() for element in found}
    if "Resource" in types:
        types = {node.type for node in nodes}
    return Selection(nodes, frozenset(types))


def _of_type(selection: Selection, type_: str) -> Selection:
    if selection.types and type_ not in selection.types:
        raise Refused(_NO_SUCH_TYPE)
    return Selection([node for node in selection.nodes if node.type == type_], frozenset({type_}))


def _require_known(criterion: Criterion, types: frozenset[str], effort: Effort) -> None:
    if isinstance(criterion, Combined):
        for part in criterion.criteria:
            _require_known(part, types, effort)
    else:
        select(Selection((), types), criterion.path, effort)


def _holds(criterion: Criterion, node: Node, effort: Effort) -> bool:
    if isinstance(criterion, Combined):
        results = (_holds(part, node, effort) for part in criterion.criteria)
        return all(results) if criterion.needs_all else any(results)
    found = select(Selection((node,), frozenset({node.type})), criterion.path, effort).nodes
    if isinstance(criterion, Found):
        return bool(found) is criterion.expected
    values = [other.item.value for other in found if other.item.value is not None]
    if not values:
        return False
    return (len(values) == 1 and _equal(values[0], criterion)) is criterion.equal


def _equal(value: Any, criterion: Compared) -> bool:
    literal: Literal = criterion.literal
    if isinstance(value, bool) or isinstance(literal, bool):
        return value is literal
    if isinstance(literal, Decimal):
        return isinstance(value, int | Decimal) and value == literal
    return isinstance(value, str) and value == literal
