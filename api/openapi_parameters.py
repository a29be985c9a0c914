"""What a request may say besides its body: path segments, search parameters, headers.

Search parameters come from the registry, one each; the rest is the grammar of FHIR's REST interface.

Source: https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from typing import Any

from api import binary
from api import openapi_values as values
from api.formats import MEDIA_TYPES, SHORT_NAMES
from api.openapi_schemas import reference
from models.definitions import RESOURCE_TYPES
from service.capability import is_common
from service.interaction import SEARCHES, Name
from service.search import compartments
from service.search.query import DEFAULT_COUNT, MAX_COUNT, SUMMARIES
from service.search.registry import Parameter, parameters, targets
from service.search.sounds import METHOD

Json = dict[str, Any]

_MEANING = {
    "token": "Code, or system|code.",
    "reference": "Reference, as Type/id or an id.",
    "string": "Start of the text, case and accents aside.",
    "date": "Date with an optional prefix eq, ne, gt, lt, ge, le, sa, eb or ap.",
    "quantity": "Number with an optional prefix and |system|unit.",
    "number": "Number with an optional prefix.",
    "uri": "URI, exactly.",
    "composite": "Values joined with $.",
    "special": "Place, as latitude|longitude|distance|unit; distance and unit may be left out.",
}


_OF_STORES = {
    "text": 'Words of its texts: word, "phrase", or, and - for not.',
    "sound": f"Words that sound alike, by {METHOD}.",
}


def shared() -> dict[str, Json]:
    """Describe the parameters that many operations have, by the name they are referred to with."""
    return {**_PATH, **_RESULT, **_PART, **_REQUEST_HEADERS, **_FORMAT}


def of_operation(name: str, resource_type: str, path: str, *, by_criteria: bool = False) -> list[Json]:
    """List the parameters of one operation."""
    named = [key for key in ("id", "version") if f"{{{key}}}" in path]
    named += _HEADERS_OF.get(name, ())
    own: list[Json] = []
    if by_criteria:
        named = [key for key in named if key != "If-Match"]
    if name in SEARCHES and not path.endswith("/_search"):
        own = searched(resource_type, path)
        named += _CONTROLS
    if resource_type == binary.TYPE and name in binary.WRITES:
        named.append("X-Security-Context")
    if name.startswith("history"):
        named += ("_count", "_since", "_at", "_part", "_elements")
    return own + [{"$ref": f"#/components/parameters/{key}"} for key in (*named, *_FORMAT, "X-Request-Id")]


def searched(resource_type: str, path: str) -> list[Json]:
    """Describe the search parameters of a type, of several types, or of a type that the path names."""
    if "{id}" in path:
        return [MEMBER, _ANY] if "{member}" in path else [_TYPE, _ANY]
    if resource_type:
        return [search_parameter(resource_type, one) for one in parameters(resource_type).values()]
    first = RESOURCE_TYPES[0]
    common = [one for one in parameters(first).values() if is_common(one.code)]
    return [_TYPE, *({**search_parameter(first, one), "description": _MEANING[one.kind]} for one in common)]


def search_parameter(resource_type: str, parameter: Parameter) -> Json:
    """Describe one row of the search registry."""
    return {
        "name": parameter.code,
        "in": "query",
        "description": " ".join(_sentences(resource_type, parameter)),
        "schema": values.of_parameter(resource_type, parameter),
    }


def _sentences(resource_type: str, parameter: Parameter) -> list[str]:
    sentences = [_OF_STORES.get(parameter.store) or _MEANING[parameter.kind]]
    if parameter.kind == "reference" and parameter.targets:
        sentences.append(f"Refers to {' or '.join(targets(parameter)) or 'other resources'}.")
    if parameter.paths:
        paths = [".".join(step.key for step in path.steps) for path in parameter.paths]
        sentences.append(f"Searches {', '.join(f'{resource_type}.{path}' for path in dict.fromkeys(paths))}.")
    if parameter.union:
        sentences.append(f"Searches {' and '.join(parameter.union)}.")
    if parameter.components:
        sentences.append(f"Joins {' and '.join(parameter.components)}.")
    return sentences


def _query(name: str, description: str, schema: Json, **more: Any) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def _header(name: str, description: str, schema: Json | None = None, **more: Any) -> Json:
    header = {"name": name, "in": "header", "description": description}
    return {**header, "schema": schema or {"type": "string"}, **more}


CRITERIA: Json = {
    "name": "criteria",
    "in": "query",
    "required": True,
    "description": "Search parameters of this type that at most one resource matches, 412 otherwise.",
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
    "example": {"identifier": "https://rx-a.example/rx|RX-A-1001"},
}
"""The condition of an update, a patch or a deletion without an id."""

_TYPE: Json = {
    "name": "_type",
    "in": "query",
    "description": "The types to search, all that the token allows unless said otherwise.",
    "style": "form",
    "explode": False,
    "schema": {"type": "array", "minItems": 1, "items": {"enum": list(RESOURCE_TYPES)}},
}
MEMBER: Json = {
    "name": "member",
    "in": "path",
    "required": True,
    "description": "A type of the patient compartment.",
    "schema": {"enum": list(compartments.members())},
}
_ANY: Json = {
    **CRITERIA,
    "required": False,
    "description": "Search parameters of the type, or those that every type has.",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}
_ANY.pop("example")

_PATH = {
    "id": {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "Logical id of the resource.",
        "example": "example",
        "schema": reference("id"),
    },
    "version": {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "Version, as in meta.versionId.",
        "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"},
    },
}

_RESULT = {
    "_count": _query(
        "_count",
        f"Entries on a page, {DEFAULT_COUNT} unless said otherwise, at most {MAX_COUNT}.",
        {"type": "integer", "minimum": 0, "maximum": 999_999_999},
        example=20,
    ),
    "_since": _query("_since", "Only versions stored at or after this instant.", values.MOMENT),
    "_at": _query(
        "_at",
        "Only versions that were current at this time, or in the period that ge, gt, le or lt before it "
        "mean; twice for both ends.",
        values.TIME_OF_HISTORY,
    ),
    "_sort": _query("_sort", "Search parameters to sort by, with commas; '-' sorts downwards.", values.SORT),
    "_include": _query(
        "_include",
        "Also the resources that matches refer to, as Type:parameter; may repeat.",
        {"type": "string", "pattern": r"^[^\u0000]*$"},
    ),
    "_revinclude": _query(
        "_revinclude",
        "Also the resources that refer to matches, as Type:parameter; may repeat.",
        {"type": "string", "pattern": r"^[^\u0000]*$"},
    ),
    "_total": _query(
        "_total",
        "Whether to count all matches.",
        {"type": "string", "enum": ["none", "estimate", "accurate"]},
    ),
    "_summary": _query(
        "_summary", "Which part of each resource to show.", {"type": "string", "enum": sorted(SUMMARIES)}
    ),
    "_explain": _query(
        "_explain",
        "Whether to tell how the search was read, and its SQL; for clients of kind admin.",
        {"type": "string", "enum": ["true", "false"]},
    ),
    "_elements": _query(
        "_elements", "Elements to show besides the mandatory ones, with commas.", values.NAMES
    ),
}
_CONTROLS = tuple(name for name in _RESULT if name not in {"_since", "_at"})

_PART = {
    "_part": _query(
        "_summary",
        "Which part of the resource to show.",
        {"type": "string", "enum": sorted(SUMMARIES - {"count"})},
    )
}

_FORMAT = {
    "_format": _query(
        "_format",
        "Overrides Accept; also makes a Binary be answered as the resource.",
        {"type": "string", "enum": [*SHORT_NAMES, *MEDIA_TYPES]},
    ),
    "_pretty": _query(
        "_pretty", "Whether to indent the answer.", {"type": "string", "enum": ["true", "false"]}
    ),
}

_REQUEST_HEADERS = {
    "If-Match": _header(
        "If-Match",
        "The version that is to be changed. The answer is 412 when there is a newer one.",
        {"type": "string", "pattern": '^(W/)?"[1-9][0-9]{0,8}"$'},
        example='W/"1"',
    ),
    "If-None-Exist": _header(
        "If-None-Exist",
        "Search query. The resource is stored only when nothing matches; a single match is the answer (200). "
        "The same criteria in the URL do the same.",
        example="identifier=https://rx-a.example/rx|RX-A-1001",
    ),
    "If-None-Match": _header(
        "If-None-Match", "Entity tags that are known. The answer is 304 when one of them is current."
    ),
    "_unless": _header(
        "If-None-Match",
        "Versions that must not be the newest; * stores only what is not there. The answer is 412 else.",
        {"type": "string", "pattern": '^(\\*|(W/)?"[1-9][0-9]{0,8}")$'},
        example="*",
    ),
    "X-Provenance": _header(
        "X-Provenance", "A Provenance as JSON, without a target; stored with what is written, or not at all."
    ),
    "If-Modified-Since": _header(
        "If-Modified-Since", "The answer is 304 when nothing has changed since (RFC 9110 date)."
    ),
    "Prefer": _header(
        "Prefer",
        "return=minimal, return=representation or return=OperationOutcome; handling=strict refuses unknown "
        "search parameters, handling=lenient ignores them.",
    ),
    "X-Security-Context": _header(
        "X-Security-Context",
        "Reference that becomes the securityContext of a Binary whose content is sent raw.",
        {"type": "string", "pattern": "^[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}$"},
    ),
    "X-Request-Id": _header("X-Request-Id", "Name of this request in the logs; comes back in the answer."),
}

_HEADERS_OF: dict[str, tuple[str, ...]] = {
    Name.READ: ("If-None-Match", "If-Modified-Since", "_part", "_elements"),
    Name.VREAD: ("If-None-Match", "If-Modified-Since", "_part", "_elements"),
    Name.SEARCH: ("Prefer",),
    Name.SEARCH_SYSTEM: ("Prefer",),
    Name.CREATE: ("If-None-Exist", "Prefer", "X-Provenance"),
    Name.UPDATE: ("If-Match", "_unless", "Prefer", "X-Provenance"),
    "patch": ("If-Match", "Prefer", "X-Provenance"),
    Name.DELETE: ("If-Match",),
    Name.BUNDLE: ("Prefer", "X-Provenance"),
}
