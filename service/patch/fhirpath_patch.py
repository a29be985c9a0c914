"""FHIRPath Patch: operations on the elements of a resource, sent as Parameters.

    add      path, name, value             append to a list, or set what is absent
    insert   path, index, value            into a list, at most one behind its end
    delete   path                          one element; nothing to delete is no error
    replace  path, value                   one element that is there
    move     path, source, destination     within a list

Each is a parameter named ``operation`` whose parts are the words above and ``type``.

Source: https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.definitions.structures import Element
from models.errors import BadRequest
from service.patch.content import content, named_parts, primitive
from service.patch.expressions import Member, Step, parse
from service.patch.nodes import (
    Item,
    Node,
    alternatives,
    interchangeable,
    known_elements,
    opened,
    read,
    remove,
    replace,
    write,
)
from service.patch.operations import Effort, Refused, apply_each
from service.patch.selection import only, root, select

_NOT_PARAMETERS = "A FHIRPath Patch is a Parameters resource with a parameter for each operation."
_NOT_AN_OPERATION = "Every parameter of a FHIRPath Patch is named operation and has parts."
_UNKNOWN = "The part type must be add, insert, delete, replace or move."
_PARTS = "{} takes the parts type, {}, each of them once."
_EXISTS = "The element is there already and does not repeat; replace it."
_NOT_A_LIST = "The path must end with the name of an element that repeats, without an index or where()."
_INDEX = "The part {} must be from 0 to {}."
_EMPTY_LIST = "There is nothing in the list to move."


def apply_fhirpath_patch(document: dict[str, Any], parameters: Any) -> dict[str, Any]:
    """Return the resource as the operations leave it.

    Args:
        document: the resource as it is; it is not changed.
        parameters: the body of the request, read by ``models.document``; no parameter changes nothing.

    Raises:
        BadRequest: the body is no FHIRPath Patch, or an operation cannot be applied.
    """
    if not isinstance(parameters, dict) or parameters.get("resourceType") != "Parameters":
        raise BadRequest(_NOT_PARAMETERS)
    operations = parameters.get("parameter", [])
    if not isinstance(operations, list):
        raise BadRequest(_NOT_PARAMETERS, expression="Parameters.parameter")
    effort = Effort()

    def apply(patched: dict[str, Any], parameter: Any) -> dict[str, Any]:
        type_, parts = _read_operation(parameter)
        _APPLIED[type_](_Operation(patched, parts, effort))
        return patched

    return apply_each(document, operations, apply, expression="Parameters.parameter[{}]")


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation, and the document it changes."""

    document: dict[str, Any]
    parts: dict[str, dict[str, Any]]
    effort: Effort

    def path(self) -> Sequence[Step]:
        """Read the path as steps from the resource."""
        text = primitive(self.parts["path"], "string", "code")
        return parse(text, self.document["resourceType"], self.effort)

    def target(self) -> Node:
        """Return the one node that the path names."""
        return only(select(root(self.document), self.path(), self.effort).nodes)

    def list(self) -> tuple[dict[str, Any], Element, list[Item]]:
        """Return the list that the path names: its owner, its element, and its items, which may be none."""
        steps = self.path()
        last = steps[-1] if steps else None
        if not isinstance(last, Member):
            raise Refused(_NOT_A_LIST)
        node = only(select(root(self.document), steps[:-1], self.effort).nodes)
        element = known_elements(node.type, last.name)[0]
        if not element.repeats:
            raise Refused(_NOT_A_LIST)
        owner = opened(node)
        items = read(owner, element)
        self.effort.spend(len(items))
        return owner, element, items

    def index(self, name: str, maximum: int) -> int:
        """Return the part that is an index, if it is in range."""
        index: int = primitive(self.parts[name], "integer", "unsignedInt", "positiveInt")
        if not 0 <= index <= maximum:
            raise Refused(_INDEX.format(name, maximum) if maximum >= 0 else _EMPTY_LIST)
        return index


def _add(operation: _Operation) -> None:
    node = operation.target()
    name = primitive(operation.parts["name"], "string", "code", "id")
    element, item = content(operation.parts["value"], known_elements(node.type, name))
    owner = opened(node)
    present = [found for other in alternatives(node.type, element) for found in read(owner, other)]
    if present and not element.repeats:
        raise Refused(_EXISTS)
    operation.effort.spend(len(present))
    write(owner, element, [*present, item])


def _insert(operation: _Operation) -> None:
    owner, element, items = operation.list()
    index = operation.index("index", len(items))
    items.insert(index, content(operation.parts["value"], (element,))[1])
    write(owner, element, items)


def _delete(operation: _Operation) -> None:
    nodes = select(root(operation.document), operation.path(), operation.effort).nodes
    if nodes:
        remove(only(nodes))


def _replace(operation: _Operation) -> None:
    node = operation.target()
    replacement, item = content(operation.parts["value"], interchangeable(node))
    replace(node, replacement, item)


def _move(operation: _Operation) -> None:
    owner, element, items = operation.list()
    source = operation.index("source", len(items) - 1)
    destination = operation.index("destination", len(items) - 1)
    items.insert(destination, items.pop(source))
    write(owner, element, items)


_APPLIED: dict[str, Callable[[_Operation], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}
_TAKEN = {
    "add": ("path", "name", "value"),
    "insert": ("path", "index", "value"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}


def _read_operation(parameter: Any) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the type of an operation and its parts, if they are those that it takes."""
    if not isinstance(parameter, dict) or parameter.get("name") != "operation":
        raise Refused(_NOT_AN_OPERATION)
    named = named_parts(parameter)
    parts = dict(named)
    type_ = primitive(parts.pop("type"), "code", "string") if "type" in parts else None
    if type_ not in _TAKEN:
        raise Refused(_UNKNOWN)
    if parts.keys() != set(_TAKEN[type_]) or len(named) != len(parts) + 1:
        raise Refused(_PARTS.format(type_, ", ".join(_TAKEN[type_])))
    return type_, parts
