"""The paths of FHIR's operations: one for each row of the catalogue, level and method.

    /fhir/$name    /fhir/{Type}/$name    /fhir/{Type}/{id}/$name

Source: https://hl7.org/fhir/R4/operations.html, service/operations/catalogue.py
"""

from __future__ import annotations

from typing import Any

from api import openapi_responses as responses
from api import openapi_values as values
from api.openapi_parameters import search_parameter
from api.openapi_schemas import reference
from models.definitions import RESOURCE_TYPES
from service.operations.catalogue import Operation, Parameter, offered
from service.search.registry import parameters

Json = dict[str, Any]

_PLACES = {"system": "/fhir", "type": "/fhir/{}", "instance": "/fhir/{}/{{id}}"}
_ALWAYS = ("_format", "_pretty", "X-Request-Id")
_CRITERIA = ("patient", "category", "code", "date")
_MODES = {"type": ["create", "update", "profile"], "instance": ["update", "delete", "profile"]}
_TYPES = "|".join(RESOURCE_TYPES)

_KINDS: dict[str, Json] = {
    "date": values.MOMENT,
    "instant": values.MOMENT,
    "positiveInt": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    "boolean": {"type": "string", "enum": ["true", "false"]},
    "id": {"type": "string", "pattern": r"^(Patient/)?[A-Za-z0-9\-.]{1,64}$"},
    "codes": {"type": "string", "pattern": f"^({_TYPES})(,({_TYPES}))*$"},
    "canonical": {"type": "string", "pattern": "^[!-~]+$"},
}


def paths() -> dict[str, Json]:
    """Describe every operation at every level."""
    described: dict[str, Json] = {}
    for resource_type in ("", *RESOURCE_TYPES):
        for one in offered(resource_type):
            for level in one.levels:
                if (level == "system") is not (resource_type == ""):
                    continue
                path = f"{_PLACES[level].format(resource_type)}/{one.name}"
                described[path] = {
                    method.lower(): _call(one, method, level, resource_type)
                    for method in one.methods_at(level)
                }
    return described


def _call(one: Operation, method: str, level: str, resource_type: str) -> Json:
    name = "".join(part.capitalize() for part in one.name[1:].split("-"))
    described: Json = {
        "operationId": f"{method.lower()}{name}{level.capitalize()}{resource_type}",
        "summary": one.title.format(resource_type),
        "tags": [resource_type or "System"],
        "parameters": _parameters(one, method, level),
    }
    if resource_type:
        described["description"] = f"Scope: `system|user|patient/{resource_type}.{one.scope}`."
    if method == "POST":
        required = any(given.required for given in one.parameters if given.kind in {"Resource", "Meta"})
        described["requestBody"] = {
            "required": required or level in one.needs_body_at,
            **responses.resource(_body(one, resource_type)),
        }
    described["responses"] = responses.of_operation(one.name, resource_type, has_body=method == "POST")
    return described


def _body(one: Operation, resource_type: str) -> Json:
    """Describe a body; what is to be validated may be anything."""
    if one.name == "$validate":
        return {"type": "object"}
    if any(given.kind == "Resource" for given in one.parameters):
        return {"anyOf": [reference(resource_type), reference("Parameters")]}
    return reference("Parameters")


def _parameters(one: Operation, method: str, level: str) -> list[Json]:
    """List the path's id, and for GET what a query can hold."""
    named = [*(["id"] if level == "instance" else []), *(["If-Match"] if one.affects_state else []), *_ALWAYS]
    own: list[Json] = []
    if method == "GET":
        own = [
            _query(one, given, level)
            for given in one.parameters
            if given.kind not in {"Resource", "Meta"} and given.name != "_page"
        ]
    if method == "GET" and one.takes_criteria:
        own += [_criterion(one.types[0], code) for code in _CRITERIA]
    return own + [{"$ref": f"#/components/parameters/{name}"} for name in named]


def _criterion(resource_type: str, code: str) -> Json:
    described = search_parameter(resource_type, parameters(resource_type)[code])
    if code == "patient":
        return {**described, "required": True, "schema": _KINDS["id"]}
    return {**described, "schema": {**described["schema"], "minLength": 1}}


def _query(one: Operation, given: Parameter, level: str) -> Json:
    schema = _KINDS.get(given.kind, {"type": "string"})
    if given.name == "mode":
        schema = {"type": "string", "enum": _MODES[level]}
    if given.name == "on-demand":
        schema = {"type": "string", "enum": ["false"]}
    if given.kind == "token":
        schema = {**values.of_parameter(one.types[0], parameters(one.types[0])[given.name]), "minLength": 1}
    described = {"name": given.name, "in": "query", "description": given.meaning, "schema": schema}
    return {**described, "required": True} if given.required else described
