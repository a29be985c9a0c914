"""JSON Patch: operations on the JSON of a resource, each with a pointer.

    add  remove  replace  move  copy  test

The library ``jsonpatch`` applies them; here is what it leaves to its caller: every refusal as a
``BadRequest`` without the document in it, bounds for what an operation may copy, and no empty array or
object where the last member was removed, because FHIR's JSON has none.

Source: https://www.rfc-editor.org/rfc/rfc6902, https://hl7.org/fhir/R4/http.html#patch
"""

from __future__ import annotations

from typing import Any

import jsonpatch

from models.document import MAXIMUM_DEPTH, serialize
from models.errors import BadRequest
from service.patch.operations import MAXIMUM_BYTES, TOO_LARGE, Refused, apply_each

_MEMBERS = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "from"),
    "copy": ("path", "from"),
    "test": ("path", "value"),
}

_NOT_A_LIST = "A JSON Patch is a JSON array of operations."
_NOT_AN_OBJECT = "An operation is a JSON object."
_UNKNOWN = f"op must be one of {', '.join(_MEMBERS)}."
_MISSING = "{} must have the member {}."
_POINTER = "{} must be a JSON Pointer such as /status: empty or starting with '/', with ~ written as ~0."
_TOO_LONG = f"A pointer may have at most {MAXIMUM_DEPTH} steps."
_TOO_DEEP = "The resource would be nested too deeply."
_NOT_THERE = "A pointer of {} leads to nothing, or to a place outside its array."
_TEST_FAILED = "The value tested for is not there."
_INTO_ITSELF = "A value cannot be moved into itself."


def apply_json_patch(document: dict[str, Any], operations: Any) -> dict[str, Any]:
    """Return the resource as the operations leave it.

    Args:
        document: the resource as it is; it is not changed.
        operations: the body of the request, read by ``models.document``; an empty list changes nothing.

    Raises:
        BadRequest: the body is no JSON Patch, an operation cannot be applied, or a test failed.
    """
    if not isinstance(operations, list):
        raise BadRequest(_NOT_A_LIST)
    patch = _Patch(len(serialize(document)))
    return _without_emptied(apply_each(document, operations, patch.apply), patch.emptied)


class _Patch:
    """What is remembered from operation to operation."""

    def __init__(self, size: int) -> None:
        self._size = size
        """Bytes of the document and of all that was put into it: it bounds the work, not only the result."""
        self.emptied: list[Any] = []
        """The arrays and objects from which something was removed."""

    def apply(self, document: Any, operation: Any) -> Any:
        """Apply one operation in place."""
        _require_shape(operation)
        try:
            self._prepare(document, operation)
            return jsonpatch.apply_patch(document, [operation], in_place=True)
        except RecursionError:
            raise Refused(_TOO_DEEP) from None
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
            # The library's texts hold the document, so they must not be chained.
            raise Refused(_reason(error, operation)) from None

    def _prepare(self, document: Any, operation: dict[str, Any]) -> None:
        if operation["op"] in {"add", "replace"}:
            self._grow(operation["value"])
        elif operation["op"] == "copy":
            self._grow(jsonpatch.JsonPointer(operation["from"]).resolve(document))
        elif operation["op"] in {"remove", "move"}:
            pointer = operation["path" if operation["op"] == "remove" else "from"]
            self.emptied.append(jsonpatch.JsonPointer(pointer.rpartition("/")[0]).resolve(document))

    def _grow(self, value: Any) -> None:
        if isinstance(value, dict | list | str):
            self._size += len(serialize(value))
        if self._size > MAXIMUM_BYTES:
            raise Refused(TOO_LARGE)


def _require_shape(operation: Any) -> None:
    if not isinstance(operation, dict):
        raise Refused(_NOT_AN_OBJECT)
    name = operation.get("op")
    if not isinstance(name, str) or name not in _MEMBERS:
        raise Refused(_UNKNOWN)
    for member in _MEMBERS[name]:
        if member not in operation:
            raise Refused(_MISSING.format(name, member))
        if member != "value":
            _require_pointer(operation[member], member)


def _require_pointer(pointer: Any, member: str) -> None:
    if not isinstance(pointer, str):
        raise Refused(_POINTER.format(member))
    if pointer.count("/") > MAXIMUM_DEPTH:
        raise Refused(_TOO_LONG)
    try:
        jsonpatch.JsonPointer(pointer)
    except jsonpatch.JsonPointerException:
        raise Refused(_POINTER.format(member)) from None


def _reason(error: Exception, operation: dict[str, Any]) -> str:
    if isinstance(error, jsonpatch.JsonPatchTestFailed):
        return _TEST_FAILED
    if operation["op"] == "move" and operation["path"].startswith(f"{operation['from']}/"):
        return _INTO_ITSELF
    return _NOT_THERE.format(operation["op"])


def _without_emptied(document: dict[str, Any], emptied: list[Any]) -> dict[str, Any]:
    """Take out what the patch has left empty; what it has put there empty stays, to be refused."""
    if not all(emptied):
        _prune(document, {id(container) for container in emptied})
    return document


def _prune(container: dict[str, Any] | list[Any], emptied: set[int]) -> None:
    children = container.items() if isinstance(container, dict) else enumerate(container)
    doomed: list[Any] = []
    for key, child in children:
        if not isinstance(child, dict | list):
            continue
        was_empty = not child
        _prune(child, emptied)
        if not child and (not was_empty or id(child) in emptied):
            doomed.append(key)
    for key in reversed(doomed):
        del container[key]
