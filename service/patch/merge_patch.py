"""JSON Merge Patch: members with their new values; null takes a member away.

    {"gender": "male"}              the new value
    {"birthDate": null}             taken away
    {"maritalStatus": {"text": …}}  objects are merged, member by member
    {"name": [{…}]}                 an array is a value: it replaces the old one whole

FHIR does not name it, but clients in Python and of Aidbox patch in no other way.
Source: https://www.rfc-editor.org/rfc/rfc7396
"""

from __future__ import annotations

from typing import Any

from models.errors import BadRequest
from service.patch.operations import apply_each

_NOT_AN_OBJECT = "A JSON Merge Patch is a JSON object of members with their new values."


def apply_merge_patch(document: dict[str, Any], changes: Any) -> dict[str, Any]:
    """Return the resource with the changes merged into it.

    Args:
        document: the resource as it is; it is not changed.
        changes: the body of the request, read by ``models.document``; an empty object changes nothing.

    Raises:
        BadRequest: the body is no object, or the result is out of bounds.
    """
    if not isinstance(changes, dict):
        raise BadRequest(_NOT_AN_OBJECT)
    return apply_each(document, [changes], _merged)


def _merged(target: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge in place. An object that is left empty goes, because FHIR's JSON has none.

    It does not take an array or a text with it: there it stays, and is refused as no valid content.
    """
    for name, value in changes.items():
        if isinstance(value, dict):
            known = target.get(name)
            value = _merged(known if isinstance(known, dict) else {}, value)  # noqa: PLW2901 - the merged one
            if not value and isinstance(known, dict | None):
                value = None  # noqa: PLW2901 - nothing is left
        if value is None:
            target.pop(name, None)
        else:
            target[name] = value
    return target
