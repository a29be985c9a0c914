"""What may be answered: every status with its headers and its body.

Which status an operation can answer is in ``STATUSES``; what a status means is in ``models/errors.py``.
A 500 is a defect of the server, so it is nowhere part of the contract.

Source: https://hl7.org/fhir/R4/http.html#summary
"""

from __future__ import annotations

from typing import Any

from api import binary
from api.formats import Format
from api.openapi_schemas import CONTENT, reference
from api.wire import CACHE_CONTROL, VARY
from models import errors
from service.interaction import Name
from service.operations.catalogue import OPERATIONS

Json = dict[str, Any]

FHIR_JSON, FHIR_XML = (format_.value for format_ in Format)

_WRITING = (400, 401, 403, 404, 406, 408, 409, 410, 412, 413, 415, 422, 503)

STATUSES: dict[str, tuple[int, ...]] = {
    Name.CAPABILITIES: (200, 304, 400, 406),
    Name.BUNDLE: (200, *_WRITING),
    Name.SEARCH: (200, 400, 401, 403, 406, 503),
    Name.SEARCH_SYSTEM: (200, 400, 401, 403, 406, 503),
    "search-compartment": (200, 400, 401, 403, 404, 406, 503),
    Name.CREATE: (200, 201, *_WRITING),
    Name.READ: (200, 304, 400, 401, 403, 404, 406, 410, 503),
    Name.VREAD: (200, 304, 400, 401, 403, 404, 406, 410, 503),
    Name.UPDATE: (200, 201, *_WRITING),
    "patch": (200, *_WRITING),
    Name.DELETE: (200, 204, 400, 401, 403, 404, 406, 409, 412, 422, 503),
    Name.HISTORY: (200, 400, 401, 403, 404, 406, 503),
    "history-type": (200, 400, 401, 403, 406, 503),
    "history-system": (200, 400, 401, 403, 406, 503),
    "$validate": (200, 400, 401, 403, 404, 406, 410, 503),
    "$everything": (200, 400, 401, 403, 404, 406, 410, 503),
    "$match": (200, 400, 401, 403, 406, 503),
    "$docref": (200, 400, 401, 403, 406, 503),
    "$lastn": (200, 400, 401, 403, 406, 503),
    "$meta": (200, 400, 401, 403, 404, 406, 410, 503),
    "$meta-add": (200, *_WRITING),
    "$meta-delete": (200, *_WRITING),
}
"""Every status that an operation can answer."""

_RETURNED = {"Bundle": "SearchBundle", "OperationOutcome": "OperationOutcome", "Parameters": "Labels"}
"""The schema of what an operation returns."""

_SUCCESS = {
    200: "Done.",
    201: "Stored.",
    204: "Deleted, or there was nothing to delete.",
    304: "What you have is current.",
}

_REFUSALS: dict[int, tuple[type[errors.FhirError], str]] = {
    400: (errors.BadRequest, "The request or the resource is malformed."),
    401: (errors.Unauthenticated, "There is no valid access token."),
    403: (errors.Forbidden, "The token's scopes, or rule RX-6, do not allow it."),
    404: (errors.NotFound, "There is no such resource, as far as this caller may know."),
    406: (errors.NotAcceptable, "No format or content coding on offer is acceptable."),
    408: (errors.TimedOut, "The body came too slowly."),
    409: (
        errors.Conflict,
        "The identifier is known with other content (RX-16), or others refer to what would go.",
    ),
    410: (errors.Gone, "The resource was deleted."),
    412: (errors.PreconditionFailed, "If-Match names an older version, or If-None-Exist matches several."),
    413: (errors.TooLarge, "The body is too large."),
    415: (
        errors.UnsupportedMediaType,
        "The body is not declared as a type, in a character set or in a content coding on offer.",
    ),
    422: (errors.Unprocessable, "A rule of the therapy or a reference is broken; every finding is listed."),
    503: (errors.Unavailable, "The server cannot answer now, or the request is too costly."),
}

_HEADERS: dict[str, Json] = {
    "X-Request-Id": {
        "description": "Name of this request in the logs.",
        "required": True,
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Version of the resource.",
        "required": True,
        "schema": {"type": "string", "pattern": '^W/"[1-9][0-9]*"$'},
    },
    "Last-Modified": {
        "description": "When this version was stored.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "URL of this version.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Vary": {
        "description": "Headers of the request that the answer depends on.",
        "required": True,
        "schema": {"const": VARY},
    },
    "Cache-Control": {
        "description": "That a cache serves one person, and asks before each use.",
        "required": True,
        "schema": {"const": CACHE_CONTROL},
    },
    "Content-Disposition": {
        "description": "That raw content is to be kept, not shown.",
        "schema": {"const": "attachment"},
    },
    "X-Security-Context": {
        "description": "The Binary's securityContext, where its content is raw.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
}

_ALWAYS = ("X-Request-Id", "Vary", "Cache-Control")
_VERSION = ("ETag", "Last-Modified", *_ALWAYS)


def headers() -> dict[str, Json]:
    """Describe the response headers."""
    return _HEADERS


def refusals() -> dict[str, Json]:
    """Describe the refusals, by the name of their error class."""
    return {error.__name__: _refusal(status) for status, (error, _) in _REFUSALS.items()}


def of_operation(name: str, resource_type: str, *, has_body: bool) -> dict[str, Json]:
    """List the responses of one operation by status."""
    statuses = {*STATUSES[name], *((408, 413, 415) if has_body else ())}
    return {str(status): _response(status, name, resource_type) for status in sorted(statuses)}


def content(schema: Json, media_type: str) -> Json:
    """Describe a body."""
    return {"content": {media_type: {"schema": schema}}}


def resource(schema: Json, **more: Json) -> Json:
    """Describe a body that is a resource, in each format; ``more`` is said of JSON only."""
    return {"content": {FHIR_JSON: {"schema": schema, **more}, FHIR_XML: {"schema": reference("XML")}}}


def _response(status: int, name: str, resource_type: str) -> Json:
    if status in _REFUSALS:
        return {"$ref": f"#/components/responses/{_REFUSALS[status][0].__name__}"}
    response: Json = {"description": _SUCCESS[status], "headers": _header_references(_sent(status, name))}
    if status in {204, 304}:
        return response
    response |= resource(_body(name, resource_type))
    if resource_type == binary.TYPE and name in binary.READS:
        response["content"][binary.ANY_TYPE] = {"schema": CONTENT}
        response["headers"] |= _header_references(("Content-Disposition", "X-Security-Context"))
    return response


def _sent(status: int, name: str) -> tuple[str, ...]:
    """Name the headers of a success."""
    if name in {Name.CREATE, Name.UPDATE, "patch"}:
        return ("Location", *_VERSION)
    return _VERSION if name in {Name.READ, Name.VREAD} and status in {200, 304} else _ALWAYS


def _body(name: str, resource_type: str) -> Json:
    if name in {Name.CREATE, Name.UPDATE, "patch"}:
        return {"oneOf": [reference(resource_type), reference("OperationOutcome")]}
    bundles: dict[str, str] = {
        Name.SEARCH: "SearchBundle",
        Name.SEARCH_SYSTEM: "SearchBundle",
        "search-compartment": "SearchBundle",
        Name.HISTORY: "HistoryBundle",
        "history-type": "HistoryBundle",
        "history-system": "HistoryBundle",
        Name.BUNDLE: "ResponseBundle",
        Name.CAPABILITIES: "CapabilityStatement",
        Name.DELETE: "OperationOutcome",
    }
    if name in OPERATIONS:
        return reference(_RETURNED[OPERATIONS[name].returns])
    return reference(bundles.get(name, resource_type))


def _refusal(status: int) -> Json:
    more = {401: ("WWW-Authenticate",), 503: ("Retry-After",)}.get(status, ())
    described = {"description": _REFUSALS[status][1], "headers": _header_references((*more, *_ALWAYS))}
    return {**described, **resource(reference("OperationOutcome"))}


def _header_references(names: tuple[str, ...]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
