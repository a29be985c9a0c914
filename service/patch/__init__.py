"""Changes parts of a resource in the two ways that FHIR R4 has for it, and one more; nothing is stored here.

    apply_json_patch      RFC 6902: pointers into the JSON            json_patch
    apply_merge_patch     RFC 7396: members with their new values     merge_patch
    apply_fhirpath_patch  Parameters: paths into the elements         fhirpath_patch
                            expressions (text to steps) ── selection (steps to nodes) ── nodes
                            content (what an operation puts there)
    apply_each            what all keep to: limits , fixed members    operations

The document given is never changed. Every refusal is a ``BadRequest`` that names the operation by its
number, the first being 1, and repeats no value. The result is not validated: it is to pass through the
ordinary update, which finds a wrong type, an unknown member or an invalid resource.

Source: https://hl7.org/fhir/R4/http.html#patch
"""

from __future__ import annotations

from service.patch.fhirpath_patch import apply_fhirpath_patch
from service.patch.json_patch import apply_json_patch
from service.patch.merge_patch import apply_merge_patch

__all__ = ["apply_fhirpath_patch", "apply_json_patch", "apply_merge_patch"]
