"""Where a Reference may point, and what may be contained.

    Patient/1, Patient/1/_history/2     relative: the type is known, and must be one of the targets
    Patient?identifier=…                conditional: as above, resolved when the request is executed
    https://…/Patient/1                 absolute: as above, if it looks like a resource's URL
    urn:uuid:…, urn:oid:…               the type is not known here
    #id                                 contained: it must be there, and be one of the targets

Source: https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from models.definitions.structures import resource_names
from service.validate.findings import Findings

_ID = r"[A-Za-z0-9\-.]{1,64}"
_RELATIVE = re.compile(rf"([A-Z][A-Za-z]+)/{_ID}(?:/_history/{_ID})?(?:#\S+)?")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?\S+")
_ABSOLUTE = re.compile(
    rf"https?://[^\s/?#]+/(?:[^\s?#]+/)?([A-Z][A-Za-z]+)/{_ID}(?:/_history/{_ID})?(?:#\S+)?"
)
_OTHER = re.compile(r"(?:https?|urn|ftp|mllp|cid):[^\s<>\"]+")
_URN = re.compile(r"urn:(?:uuid:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|oid:[0-2](?:\.\d+)+)")

_FORMAT = (
    "This is not a reference. Write Type/id, an absolute URL, urn:uuid:… or #id of a contained resource."
)
_TYPE = "This is not a resource type of FHIR R4."
_MISMATCH = "type and reference name different resource types."
_NOT_CONTAINED = "No contained resource has this id. (ref-1)"
_NO_ID = "A contained resource must have an id."
_SAME_ID = "Two contained resources have the same id."
_NESTED = "A contained resource may not contain another. (dom-2)"
_UNREFERENCED = "Nothing refers to this contained resource, and it does not refer to its container. (dom-3)"
_CONTAINED_META = (
    "A contained resource has no meta.versionId, meta.lastUpdated or meta.security. (dom-4, dom-5)"
)

Contained = Mapping[str, str]
"""The resource type of each contained resource by ``#id``; the resource itself is ``#``."""


def contained_types(resource: Mapping[str, Any]) -> Contained:
    """Index what a resource contains, as far as it is well-formed."""
    contained = resource.get("contained")
    items = [resource, *contained] if type(contained) is list else [resource]
    return {
        f"#{item.get('id') if item is not resource else ''}": item["resourceType"]
        for item in items
        if type(item) is dict and type(item.get("resourceType")) is str
    }


def check_reference(
    value: Mapping[str, Any],
    targets: frozenset[str] | None,
    contained: Contained,
    path: str,
    findings: Findings,
) -> None:
    """Note a reference that is none, or that points to a type it may not point to."""
    reference, stated = value.get("reference"), value.get("type")
    found: str | None = None
    if type(reference) is str and reference:
        found = _target(reference, contained, f"{path}.reference", findings)
        if found is not None and targets is not None and found not in targets:
            findings.add("value", _wrong_target(targets), f"{path}.reference")
    if type(stated) is str:
        _check_stated_type(stated, found, targets, f"{path}.type", findings)


def _target(reference: str, contained: Contained, path: str, findings: Findings) -> str | None:
    """Tell the type to which a reference points, if that can be told."""
    if reference[:1] == "#":
        if reference not in contained:
            findings.add("invariant", _NOT_CONTAINED, path)
        return contained.get(reference)
    match = _RELATIVE.fullmatch(reference) or _CONDITIONAL.fullmatch(reference)
    if match is not None:
        if match[1] in resource_names():
            return match[1]
        findings.add("value", _TYPE, path)
        return None
    match = _ABSOLUTE.fullmatch(reference)
    if match is not None:
        return match[1] if match[1] in resource_names() else None
    if not (_URN if reference.startswith("urn:") else _OTHER).fullmatch(reference):
        findings.add("value", _FORMAT, path)
    return None


def _check_stated_type(
    stated: str, found: str | None, targets: frozenset[str] | None, path: str, findings: Findings
) -> None:
    if ":" in stated:
        return
    if stated not in resource_names():
        findings.add("value", _TYPE, path)
    elif found is not None and stated != found:
        findings.add("value", _MISMATCH, path)
    elif found is None and targets is not None and stated not in targets:
        findings.add("value", _wrong_target(targets), path)


def _wrong_target(targets: frozenset[str]) -> str:
    return f"This element may refer only to: {', '.join(sorted(targets))}."


def check_contained(resource: Mapping[str, Any], path: str, findings: Findings) -> None:
    """Note contained resources that nobody could refer to, or that are more than contained."""
    seen: set[str] = set()
    mentioned = {text for text in _strings(resource) if text[:1] == "#"}
    for index, item in enumerate(resource["contained"]):
        place = f"{path}.contained[{index}]"
        identifier = item.get("id")
        if identifier is None:
            findings.add("required", _NO_ID, f"{place}.id")
        elif identifier in seen:
            findings.add("invariant", _SAME_ID, f"{place}.id")
        elif f"#{identifier}" not in mentioned and "#" not in _strings(item):
            findings.add("invariant", _UNREFERENCED, place)
        seen.add(identifier or "")
        _check_contained_item(item, place, findings)


def _check_contained_item(item: Mapping[str, Any], place: str, findings: Findings) -> None:
    if "contained" in item:
        findings.add("invariant", _NESTED, f"{place}.contained")
    if not {"versionId", "lastUpdated", "security"}.isdisjoint(item.get("meta", ())):
        findings.add("invariant", _CONTAINED_META, f"{place}.meta")


def _strings(value: Any) -> Iterator[str]:
    """Give every reference and URI, and the other strings with them."""
    if type(value) is str:
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from _strings(child)
    elif type(value) is list:
        for child in value:
            yield from _strings(child)
