"""What an operation is given: parameters of the URL, a Parameters resource, or one resource as the body.

    ?start=2026-01-01                                      ┐
    {"name": "start", "valueDate": "2026-01-01"}           ├─▶ Arguments.texts["start"]
    {"name": "type", "valueCoding": {"code": "x"}}         ┘   |x
    {"name": "resource", "resource": {…}}, or the body     ──▶ Arguments.resource

A parameter that is unknown, repeated or of another type is refused: to ignore it would widen the answer.
Source: https://hl7.org/fhir/R4/operations.html#request
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from models.errors import BadRequest, Issue
from service.kat.elements import children, text
from service.search.query import IGNORED
from service.search.values import escaped, interval

if TYPE_CHECKING:
    from service.interaction import Interaction
    from service.operations.catalogue import Operation, Parameter

_SAFE_NAME = re.compile(r"[\w:.-]{1,80}", re.ASCII)
_PRINTABLE = re.compile(r"[^\x00-\x1f\ud800-\udfff]+")
_FORMATS = {
    "boolean": re.compile("true|false"),
    "positiveInt": re.compile("[1-9][0-9]{0,8}"),
    "id": re.compile(r"(?:Patient/)?[A-Za-z0-9\-.]{1,64}"),
    "codes": re.compile(r"[A-Za-z]+(?:,[A-Za-z]+)*"),
    "code": re.compile("[a-z-]+"),
    "canonical": re.compile("[!-~]+"),
}


@dataclass(slots=True)
class Arguments:
    """The inputs of one call, by name; what is not given is absent."""

    texts: dict[str, str] = field(default_factory=dict)
    resource: dict[str, Any] | None = None
    meta: dict[str, Any] | None = None
    place: str = ""
    """Where the resource or the meta stands in the body, for expressions."""
    criteria: list[tuple[str, str]] = field(default_factory=list)
    """Search parameters, for an operation that takes them."""

    def number(self, name: str, default: int, greatest: int) -> int:
        """Return a count, at most the greatest that is served."""
        return min(int(self.texts.get(name, default)), greatest)


def read(ask: Interaction, operation: Operation) -> Arguments:
    """Read the inputs of an operation.

    Raises:
        BadRequest: one is unknown, missing, given twice, or cannot be read.
    """
    given = Arguments()
    known = {one.name: one for one in operation.parameters}
    for name, value in ask.query:
        if name not in IGNORED:
            _take_text(given, known.get(name), name, value, f"http.{name}", operation)
    if ask.document is not None:
        _take_body(given, known, ask.document, operation)
    missing = [
        one.name
        for one in operation.parameters
        if one.required and one.name not in given.texts and _complex(given, one) is None
    ]
    if missing:
        raise _refused(
            "required", f"The operation needs the parameter '{missing[0]}'.", "Parameters.parameter"
        )
    return given


def _complex(given: Arguments, one: Parameter) -> dict[str, Any] | None:
    return {"Resource": given.resource, "Meta": given.meta}.get(one.kind)


def _take_body(
    given: Arguments, known: dict[str, Parameter], document: dict[str, Any], operation: Operation
) -> None:
    if document.get("resourceType") != "Parameters":
        if all(one.kind != "Resource" for one in known.values()):
            raise _refused("structure", "Send a resource of type Parameters.", "Parameters")
        given.resource = document
        return
    listed = document.get("parameter", [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise _refused("structure", "Parameters.parameter is a list of objects.", "Parameters.parameter")
    for number, item in children(document, "parameter"):
        place = f"Parameters.parameter[{number}]"
        name = text(item, "name") or ""
        one = known.get(name)
        if one is not None and one.kind in {"Resource", "Meta"}:
            _take_complex(given, one, dict(item), place)
        else:
            _take_text(given, one, name, _spelled(dict(item), place), place, operation)


def _take_complex(given: Arguments, one: Parameter, item: dict[str, Any], place: str) -> None:
    key = "resource" if one.kind == "Resource" else "valueMeta"
    value = item.get(key)
    if not isinstance(value, dict):
        raise _refused("structure", f"The parameter '{one.name}' is given as {key}.", place)
    if given.place:
        raise _refused("structure", f"The parameter '{one.name}' is given twice.", place)
    given.place = f"{place}.{key}"
    if one.kind == "Resource":
        given.resource = value
    else:
        given.meta = value


def _take_text(
    given: Arguments, one: Parameter | None, name: str, value: str, place: str, operation: Operation
) -> None:
    if one is None and operation.takes_criteria:
        given.criteria.append((name, value))
        return
    place = place if place.isascii() and _SAFE_NAME.fullmatch(name) else "Parameters.parameter"
    if one is None or one.kind in {"Resource", "Meta"}:
        named = f"'{name}'" if _SAFE_NAME.fullmatch(name) else "with this name"
        raise _refused("not-supported", f"{operation.name} takes no parameter {named} here.", place)
    if one.name in given.texts:
        raise _refused("invalid", f"The parameter '{one.name}' is given twice.", place)
    if one.kind in {"date", "instant"}:
        value = value.replace(" ", "+")
    if not _is_readable(one.kind, value):
        raise _refused("invalid", f"The value of '{one.name}' is not of the type {one.kind}.", place)
    given.texts[one.name] = value


def _is_readable(kind: str, value: str) -> bool:
    if kind in {"date", "instant"}:
        return interval(value) is not None
    return bool(_FORMATS.get(kind, _PRINTABLE).fullmatch(value))


def _spelled(item: dict[str, Any], place: str) -> str:
    """Write the value of a parameter as it would stand in a URL."""
    values = [value for key, value in item.items() if key.startswith("value")]
    if len(values) == 1:
        match values[0]:
            case bool() as value:
                return "true" if value else "false"
            case str() | int() | Decimal() as value:
                return str(value)
            case {"coding": list()} as concept:
                return ",".join(_token(coding) for _, coding in children(concept, "coding"))
            case {"code": str()} as coding:
                return _token(coding)
            case {"reference": str() as reference}:
                return reference
    raise _refused("structure", "The parameter needs one value.", place)


def _token(coding: Any) -> str:
    system, code = (text(coding, name) for name in ("system", "code"))
    told = f"{escaped(system)}|{escaped(code or '')}" if system else escaped(code or "")
    return told.replace(",", r"\,")


def _refused(code: str, said: str, place: str) -> BadRequest:
    return BadRequest(issues=[Issue(code, said, place)])
