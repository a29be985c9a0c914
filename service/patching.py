"""Which patch was sent, and what it makes of a resource.

    application/json-patch+json   a list of operations; in a bundle a Binary that holds them
    application/fhir+json         Parameters with FHIRPath Patch operations

Source: https://hl7.org/fhir/R4/http.html#patch
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from models.document import parse
from models.errors import BadRequest, Malformed
from service.patch import apply_fhirpath_patch, apply_json_patch

JSON_PATCH = "application/json-patch+json"
OPERATIONS = "operations"
"""The member under which a JSON Patch, which is a list, travels as a document."""


def operations(body: bytes) -> dict[str, Any]:
    """Read the body of a JSON Patch.

    Raises:
        Malformed: there is none, or it is not JSON.
    """
    if not body.strip():
        raise Malformed("The request has no body; send a JSON Patch.")
    return parse(b'{"%s":%s}' % (OPERATIONS.encode(), body))


def patched(document: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Apply a patch of either kind to a copy of a resource.

    Raises:
        BadRequest: it is neither, or it cannot be applied.
    """
    if sent.get("resourceType") == "Parameters":
        return apply_fhirpath_patch(document, sent)
    if sent.get("resourceType") == "Binary" and sent.get("contentType") == JSON_PATCH:
        sent = operations(_data(sent))
    if OPERATIONS not in sent:
        raise BadRequest("Send a JSON Patch, or Parameters with FHIRPath Patch operations.")
    return apply_json_patch(document, sent[OPERATIONS])


def _data(binary: dict[str, Any]) -> bytes:
    try:
        return b64decode(str(binary.get("data", "")), validate=True)
    except binascii.Error:
        raise BadRequest("The data of the Binary is not base64.", expression="Binary.data") from None
