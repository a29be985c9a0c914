"""Which patch was sent, and what it makes of a resource.

    application/json-patch+json    a list of operations; in a bundle a Binary that holds them
    application/merge-patch+json   members with their new values; also a plain object without resourceType
    application/fhir+json          Parameters with FHIRPath Patch operations

Source: https://hl7.org/fhir/R4/http.html#patch
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from models.document import parse
from models.errors import BadRequest, Malformed
from service.patch import apply_fhirpath_patch, apply_json_patch, apply_merge_patch

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
MEMBERS = {JSON_PATCH: "operations", MERGE_PATCH: "changes"}
"""For each kind that tells itself by its media type, the member under which it travels as a document."""


def carried(media_type: str, body: bytes) -> dict[str, Any]:
    """Read the body of a patch whose media type is one of ``MEMBERS``.

    Raises:
        Malformed: there is none, or it is not JSON.
    """
    if not body.strip():
        raise Malformed("The request has no body; send a patch.")
    document = parse(b'{"%s":%s}' % (MEMBERS[media_type].encode(), body))
    if len(document) > 1:
        raise Malformed("The patch is not one JSON value.")
    return document


def patched(document: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Apply a patch of any kind to a copy of a resource.

    Raises:
        BadRequest: it is none, or it cannot be applied.
    """
    if sent.get("resourceType") == "Parameters":
        return apply_fhirpath_patch(document, sent)
    if sent.get("resourceType") == "Binary" and (media_type := _media_type(sent)) in MEMBERS:
        sent = carried(media_type, _data(sent))
    if MEMBERS[JSON_PATCH] in sent:
        return apply_json_patch(document, sent[MEMBERS[JSON_PATCH]])
    if MEMBERS[MERGE_PATCH] in sent:
        return apply_merge_patch(document, sent[MEMBERS[MERGE_PATCH]])
    if "resourceType" in sent:
        # It may be a whole resource that should have been PUT: to merge it would keep what it leaves out.
        raise BadRequest(
            "Send a JSON Patch, a JSON Merge Patch, or Parameters with FHIRPath Patch operations."
        )
    return apply_merge_patch(document, sent)


def _media_type(binary: dict[str, Any]) -> str:
    """Return what a Binary says that it holds, without parameters such as a character set."""
    return str(binary.get("contentType", "")).partition(";")[0].strip().lower()


def _data(binary: dict[str, Any]) -> bytes:
    try:
        return b64decode(str(binary.get("data", "")), validate=True)
    except binascii.Error:
        raise BadRequest("The data of the Binary is not base64.", expression="Binary.data") from None
