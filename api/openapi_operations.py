"""The paths of FHIR: the interactions of ``service/interaction.py``, once for each type.

    /fhir                          POST batch, transaction    /fhir/metadata, /fhir/_history    GET
    /fhir                          GET search of several types, also POST /fhir/_search
    /fhir/Patient/{id}/{Type}, *   GET search in the patient's compartment
    /fhir/{Type}                   GET search   POST create   PUT, PATCH, DELETE by criteria
    /fhir/{Type}/_search           POST search                /fhir/{Type}/_history             GET
    /fhir/{Type}/{id}              GET read     PUT update    PATCH patch    DELETE delete
    /fhir/{Type}/{id}/_history     GET          /fhir/{Type}/{id}/_history/{version}            GET

A row is described only when the grammar of URLs offers it.
Source: https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api import binary
from api import openapi_examples as examples
from api import openapi_parameters as parameters
from api import openapi_responses as responses
from api.openapi_schemas import CONTENT, reference
from models.definitions import RESOURCE_TYPES
from models.errors import FhirError
from service.interaction import Name, interpret
from service.patching import JSON_PATCH, MERGE_PATCH

Json = dict[str, Any]

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Row:
    """One interaction: its name, method and path, its title, the scope letter it needs, what it takes."""

    name: str
    method: str
    path: str
    title: str
    scope: str = ""
    body: str = ""
    """``resource``, ``form``, ``patch``, or empty."""
    by_criteria: bool = False
    operation: str = ""
    """What the operation's identifier starts with, where name and type do not say it."""

    @property
    def verb(self) -> str:
        """What the operation's identifier starts with."""
        if self.operation:
            return self.operation
        verb, _, level = self.name.partition("-")
        ending = level.capitalize() if level in {"type", "system"} and verb == "history" else ""
        return f"{verb}{ending}ByCriteria" if self.by_criteria else verb + ending


PATCH = "patch"
TYPE_ROWS = (
    Row(Name.SEARCH, "get", "", "Search {}", "s"),
    Row(Name.CREATE, "post", "", "Create a resource of type {}", "c", "resource"),
    Row(Name.UPDATE, "put", "", "Update the only {} that matches", "u", "resource", by_criteria=True),
    Row(PATCH, "patch", "", "Patch the only {} that matches", "u", "patch", by_criteria=True),
    Row(Name.DELETE, "delete", "", "Delete the only {} that matches", "d", by_criteria=True),
    Row(Name.SEARCH, "post", "/_search", "Search {} with a form", "s", "form"),
    Row("history-type", "get", "/_history", "List the versions of every {}, newest first", "r"),
    Row(Name.READ, "get", "/{id}", "Read the newest version of a {}", "r"),
    Row(
        Name.UPDATE, "put", "/{id}", "Store a new version of a {}, or the first under an id", "u", "resource"
    ),
    Row(PATCH, "patch", "/{id}", "Change parts of a {}", "u", "patch"),
    Row(Name.DELETE, "delete", "/{id}", "Delete a {}", "d"),
    Row(Name.HISTORY, "get", "/{id}/_history", "List the versions of a {}, newest first", "r"),
    Row(Name.VREAD, "get", "/{id}/_history/{version}", "Read one version of a {}", "r"),
)
SYSTEM_ROWS = (
    Row(Name.BUNDLE, "post", "", "Execute a batch or a transaction", body="resource"),
    Row(Name.CAPABILITIES, "get", "/metadata", "Read the CapabilityStatement"),
    Row("history-system", "get", "/_history", "List the versions of all resources, newest first"),
    Row(Name.SEARCH_SYSTEM, "get", "", "Search several types", operation="searchSystem"),
    Row(
        Name.SEARCH_SYSTEM,
        "post",
        "/_search",
        "Search several types with a form",
        body="form",
        operation="searchSystem",
    ),
    Row(
        Name.SEARCH_SYSTEM,
        "get",
        "/Patient/{id}/*",
        "Search everything that belongs to a patient",
        operation="searchCompartment",
    ),
    Row(
        Name.SEARCH,
        "get",
        "/Patient/{id}/{member}",
        "Search one type of what belongs to a patient",
        operation="searchCompartmentType",
    ),
)


def paths() -> dict[str, Json]:
    """Describe every path below the FHIR base."""
    described: dict[str, Json] = {}
    for resource_type, rows in (("", SYSTEM_ROWS), *((name, TYPE_ROWS) for name in RESOURCE_TYPES)):
        for row in rows:
            path = f"/{resource_type}{row.path}" if resource_type else row.path
            if _is_offered(row, path):
                described.setdefault(f"/fhir{path}", {})[row.method] = _operation(row, resource_type)
    return described


def _is_offered(row: Row, path: str) -> bool:
    try:
        found = interpret(row.method.upper(), path.format(id="1", version="1", member="Observation"))
    except FhirError:
        return False
    return found.name == row.name


def _operation(row: Row, resource_type: str) -> Json:
    described: Json = {
        "operationId": f"{row.verb}{resource_type}{'Form' if row.body == 'form' else ''}",
        "summary": row.title.format(resource_type),
        "tags": [resource_type or "System"],
        "parameters": _parameters(row, resource_type),
    }
    if row.scope:
        described["description"] = f"Scope: `system|user|patient/{resource_type}.{row.scope}`."
    if row.name is Name.CAPABILITIES:
        described["security"] = []
    if row.body:
        described["requestBody"] = {"required": True, "content": _content(row, resource_type)}
    answered = "search-compartment" if row.operation.startswith("searchCompartment") else row.name
    described["responses"] = responses.of_operation(answered, resource_type, has_body=bool(row.body))
    return described


def _parameters(row: Row, resource_type: str) -> list[Json]:
    described = parameters.of_operation(row.name, resource_type, row.path, by_criteria=row.by_criteria)
    return [parameters.CRITERIA, *described] if row.by_criteria else described


def _content(row: Row, resource_type: str) -> Json:
    if row.body == "form":
        form = {
            "type": "object",
            "description": "The parameters of the search by GET.",
            "additionalProperties": {"type": "string"},
        }
        return {FORM: {"schema": form}}
    if row.body == "patch":
        return {
            JSON_PATCH: {"schema": reference("JSONPatch")},
            MERGE_PATCH: {"schema": reference("JSONMergePatch")},
            **responses.resource(reference("FHIRPathPatch"))["content"],
        }
    shown = (
        {}
        if row.by_criteria
        else examples.of_body(resource_type or "Bundle", of_update=row.name == Name.UPDATE)
    )
    content: Json = responses.resource(reference(resource_type or "RequestBundle"), **shown)["content"]
    return {**content, binary.ANY_TYPE: {"schema": CONTENT}} if resource_type == binary.TYPE else content
