"""Schemas of what is not stored: Bundles, OperationOutcome, CapabilityStatement, patches.

Source: https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations

from api.openapi_schemas import Schema, reference
from models.definitions.structures import codes

_ENTITY_TAG: Schema = {"type": "string", "pattern": '^W/"[1-9][0-9]*"$'}
_STATUS: Schema = {"type": "string", "pattern": "^[1-5][0-9]{2}"}


def bundles() -> dict[str, Schema]:
    """Describe every answer and request that is not one stored resource."""
    return {
        "OperationOutcome": _operation_outcome(),
        "SearchBundle": _search(),
        "HistoryBundle": _history(),
        "ResponseBundle": _response(),
        "RequestBundle": _request(),
        "CapabilityStatement": _capability_statement(),
        "JSONPatch": _json_patch(),
        "JSONMergePatch": _merge_patch(),
        "FHIRPathPatch": _fhirpath_patch(),
        "Parameters": _parameters(),
        "Labels": _labels(),
    }


def _closed(required: list[str], properties: Schema) -> Schema:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _bundle(kinds: list[str], entry: Schema, **more: Schema) -> Schema:
    properties = {
        "resourceType": {"const": "Bundle"},
        "type": {"enum": kinds},
        **more,
        "entry": {"type": "array", "minItems": 1, "items": entry},
    }
    return _closed(["resourceType", "type"], properties)


def _link() -> Schema:
    url = {"type": "string", "format": "uri"}
    relation = {"enum": ["self", "first", "previous", "next"]}
    return {"type": "array", "items": _closed(["relation", "url"], {"relation": relation, "url": url})}


def _search() -> Schema:
    entry = _closed(
        ["resource", "search"],
        {
            "fullUrl": {"type": "string", "format": "uri"},
            "resource": {"oneOf": [reference("AnyResource"), reference("OperationOutcome")]},
            "search": _closed(["mode"], _found_as()),
        },
    )
    told = "Present when _total or _summary=count asks, or all matches are on this page."
    total = {"type": "integer", "minimum": 0, "description": told}
    return _bundle(["searchset"], entry, total=total, link=_link())


def _found_as() -> Schema:
    """Why a resource is in a search set; how sure it is, where a person was looked for."""
    grade = _closed(["url", "valueCode"], {"url": reference("uri"), "valueCode": reference("code")})
    return {
        "mode": {"enum": ["match", "include", "outcome"]},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "extension": {"type": "array", "minItems": 1, "items": grade},
    }


def _history() -> Schema:
    request = _closed(
        ["method", "url"], {"method": {"enum": ["POST", "PUT", "PATCH", "DELETE"]}, "url": {"type": "string"}}
    )
    response = _closed(
        ["status", "etag", "lastModified"],
        {"status": _STATUS, "etag": _ENTITY_TAG, "lastModified": reference("instant")},
    )
    entry = _closed(
        ["fullUrl", "request", "response"],
        {
            "fullUrl": {"type": "string", "format": "uri"},
            "resource": reference("AnyResource"),
            "request": request,
            "response": response,
        },
    )
    told = "Versions on all pages: of one resource, of what fits on one page, or when _summary=count asks."
    total = {"type": "integer", "minimum": 0, "description": told}
    return _bundle(["history"], entry, total=total, link=_link())


def _response() -> Schema:
    answer = _closed(
        ["status"],
        {
            "status": _STATUS,
            "location": {"type": "string"},
            "etag": _ENTITY_TAG,
            "lastModified": reference("instant"),
            "outcome": reference("OperationOutcome"),
        },
    )
    resource = {"type": "object", "required": ["resourceType"]}
    full_url = {"type": "string", "format": "uri"}
    entry = _closed(["response"], {"fullUrl": full_url, "resource": resource, "response": answer})
    return _bundle(["batch-response", "transaction-response"], entry)


def _request() -> Schema:
    texts = ("ifNoneMatch", "ifModifiedSince", "ifMatch", "ifNoneExist")
    request: Schema = {
        "type": "object",
        "required": ["method", "url"],
        "properties": {
            "method": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
            "url": {"type": "string", "description": "Relative to the FHIR base."},
            **{name: {"type": "string"} for name in texts},
        },
    }
    entry: Schema = {
        "type": "object",
        "required": ["request"],
        "properties": {
            "fullUrl": {"type": "string", "description": "urn:uuid:…, to be referred to by other entries."},
            "resource": {"type": "object", "required": ["resourceType"]},
            "request": request,
        },
    }
    properties = {
        "resourceType": {"const": "Bundle"},
        "type": {"enum": ["batch", "transaction"]},
        "entry": {"type": "array", "items": entry},
    }
    return {"type": "object", "required": ["resourceType", "type"], "properties": properties}


def _operation_outcome() -> Schema:
    coding = _closed(["system", "code"], {"system": reference("uri"), "code": reference("code")})
    details = _closed(
        ["text"], {"text": reference("string"), "coding": {"type": "array", "minItems": 1, "items": coding}}
    )
    issue = _closed(
        ["severity", "code", "details"],
        {
            "severity": {"enum": sorted(codes("issue-severity"))},
            "code": {"enum": sorted(codes("issue-type"))},
            "details": details,
            "diagnostics": reference("string"),
            "expression": {"type": "array", "minItems": 1, "items": reference("string")},
        },
    )
    return _closed(
        ["resourceType", "issue"],
        {
            "resourceType": {"const": "OperationOutcome"},
            "issue": {"type": "array", "minItems": 1, "items": issue},
        },
    )


def _capability_statement() -> Schema:
    return {
        "type": "object",
        "required": ["resourceType", "status", "date", "kind", "fhirVersion", "format", "rest"],
        "properties": {
            "resourceType": {"const": "CapabilityStatement"},
            "fhirVersion": {"const": "4.0.1"},
            "rest": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["mode"]}},
        },
    }


def _json_patch() -> Schema:
    operation: Schema = {
        "type": "object",
        "required": ["op", "path"],
        "properties": {
            "op": {"enum": ["add", "copy", "move", "remove", "replace", "test"]},
            "path": {"type": "string"},
            "from": {"type": "string"},
            "value": {},
        },
    }
    return {"type": "array", "items": operation}


def _merge_patch() -> Schema:
    return {"type": "object", "description": "Members with their new values; null takes a member away."}


def _fhirpath_patch() -> Schema:
    parameter: Schema = {
        "type": "object",
        "required": ["name", "part"],
        "properties": {"name": {"const": "operation"}, "part": {"type": "array", "minItems": 1}},
    }
    return {
        "type": "object",
        "required": ["resourceType", "parameter"],
        "properties": {
            "resourceType": {"const": "Parameters"},
            "parameter": {"type": "array", "minItems": 1, "items": parameter},
        },
    }


def _parameters() -> Schema:
    parameter: Schema = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "resource": {"type": "object"}},
    }
    return {
        "type": "object",
        "required": ["resourceType"],
        "properties": {
            "resourceType": {"const": "Parameters"},
            "parameter": {"type": "array", "items": parameter},
        },
    }


def _labels() -> Schema:
    """The answer of $meta: profiles, tags and security labels."""
    parameter = _closed(["name", "valueMeta"], {"name": {"const": "return"}, "valueMeta": reference("Meta")})
    return _closed(
        ["resourceType"],
        {
            "resourceType": {"const": "Parameters"},
            "parameter": {"type": "array", "minItems": 1, "items": parameter},
        },
    )
