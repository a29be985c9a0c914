"""The paths of FHIR: the interactions of ``service/interaction.py``, once for each type.

    /fhir                          POST batch, transaction       /fhir/metadata        GET
    /fhir/{Type}                   GET search   POST create      /fhir/{Type}/_search  POST
    /fhir/{Type}/{id}              GET read     PUT update       DELETE delete
    /fhir/{Type}/{id}/_history     GET          /fhir/{Type}/{id}/_history/{version}   GET

Source: https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api import openapi_examples as examples
from api import openapi_parameters as parameters
from api import openapi_responses as responses
from api.openapi_schemas import reference
from models.definitions import RESOURCE_TYPES
from service.interaction import Name

Json = dict[str, Any]

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Row:
    """One interaction: where it is, what it is called, which scope letter it needs, what it takes."""

    name: Name
    method: str
    path: str
    title: str
    scope: str = ""
    body: str = ""
    """``resource``, ``form``, or empty."""


TYPE_ROWS = (
    Row(Name.SEARCH, "get", "", "Search {}", "s"),
    Row(Name.CREATE, "post", "", "Create a resource of type {}", "c", "resource"),
    Row(Name.SEARCH, "post", "/_search", "Search {} with a form", "s", "form"),
    Row(Name.READ, "get", "/{id}", "Read the newest version of a {}", "r"),
    Row(
        Name.UPDATE, "put", "/{id}", "Store a new version of a {}, or the first under an id", "u", "resource"
    ),
    Row(Name.DELETE, "delete", "/{id}", "Delete a {}", "d"),
    Row(Name.HISTORY, "get", "/{id}/_history", "List the versions of a {}, newest first", "r"),
    Row(Name.VREAD, "get", "/{id}/_history/{version}", "Read one version of a {}", "r"),
)
SYSTEM_ROWS = (
    Row(Name.BUNDLE, "post", "/fhir", "Execute a batch or a transaction", body="resource"),
    Row(Name.CAPABILITIES, "get", "/fhir/metadata", "Read the CapabilityStatement"),
)


def paths() -> dict[str, Json]:
    """Describe every path below the FHIR base."""
    described: dict[str, Json] = {}
    for row in SYSTEM_ROWS:
        described.setdefault(row.path, {})[row.method] = _operation(row, "")
    for resource_type in RESOURCE_TYPES:
        for row in TYPE_ROWS:
            path = f"/fhir/{resource_type}{row.path}"
            described.setdefault(path, {})[row.method] = _operation(row, resource_type)
    return described


def _operation(row: Row, resource_type: str) -> Json:
    described: Json = {
        "operationId": _operation_id(row, resource_type),
        "summary": row.title.format(resource_type),
        "tags": [resource_type or "System"],
        "parameters": parameters.of_operation(row.name, resource_type, row.path),
    }
    if row.scope:
        described["description"] = f"Scope: `system|user|patient/{resource_type}.{row.scope}`."
    if row.name is Name.CAPABILITIES:
        described["security"] = []
    if row.body:
        described["requestBody"] = {"required": True, "content": _content(row, resource_type)}
    described["responses"] = responses.of_operation(row.name, resource_type, has_body=bool(row.body))
    return described


def _operation_id(row: Row, resource_type: str) -> str:
    verb = row.name.value.partition("-")[0]
    return f"{verb}{resource_type}{'Form' if row.body == 'form' else ''}"


def _content(row: Row, resource_type: str) -> Json:
    if row.body == "form":
        form = {
            "type": "object",
            "description": "The parameters of the search by GET.",
            "additionalProperties": {"type": "string"},
        }
        return {FORM: {"schema": form}}
    schema = reference(resource_type or "RequestBundle")
    shown = examples.of_body(resource_type or "Bundle", of_update=row.name is Name.UPDATE)
    return {responses.FHIR_JSON: {"schema": schema, **shown}}
