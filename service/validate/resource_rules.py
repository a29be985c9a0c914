"""What must hold between the members of a resource, for the types that this server keeps.

Source: the constraints on each resource's page, for instance https://hl7.org/fhir/R4/condition.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from service.validate.datatype_rules import JSON, UCUM, Rules, has, has_choice, is_not_before

_ENTERED_IN_ERROR = frozenset({"entered-in-error"})
_ABATED = frozenset({"inactive", "resolved", "remission"})
_CANCELLED = frozenset({"cancelled", "noshow"})
_MAY_LACK_TIMES = frozenset({"proposed", "cancelled", "waitlist"})
_RESPONSE_BUNDLES = frozenset({"batch-response", "transaction-response", "history"})
_REQUEST_BUNDLES = frozenset({"batch", "transaction", "history"})
_PERCENT = 100


def codings(concept: Any) -> Iterator[JSON]:
    """Give the codings of a CodeableConcept that may be absent."""
    yield from (concept or {}).get("coding", ())


def _is_coded(value: JSON, name: str, codes: frozenset[str]) -> bool:
    return any(coding.get("code") in codes for coding in codings(value.get(name)))


def _any_of(*names: str) -> Callable[[JSON], bool]:
    return lambda value: any(has(value, name) for name in names)


def _not_both(first: str, second: str) -> Callable[[JSON], bool]:
    return lambda value: not (has(value, first) and has(value, second))


def _never_at_home(name: str) -> Callable[[JSON], bool]:
    return lambda value: all(item.get("use") != "home" for item in value.get(name, ()))


def _clinical_status_unless_in_error(value: JSON) -> bool:
    return _is_coded(value, "verificationStatus", _ENTERED_IN_ERROR) or has(value, "clinicalStatus")


def _no_clinical_status_in_error(value: JSON) -> bool:
    return not (_is_coded(value, "verificationStatus", _ENTERED_IN_ERROR) and has(value, "clinicalStatus"))


def _abated(value: JSON) -> bool:
    return not has_choice(value, "abatement") or _is_coded(value, "clinicalStatus", _ABATED)


def _patient_for(code: str) -> Callable[[JSON], bool]:
    codes = frozenset({code})
    return lambda value: has(value, "patient") or not _is_coded(value, "scope", codes)


def _on_behalf_of_practitioner(value: JSON) -> bool:
    reference = value.get("member", {}).get("reference", "Practitioner/")
    return not has(value, "onBehalfOf") or "Practitioner/" in reference or "/" not in reference


def _component_repeats_no_code(value: JSON) -> bool:
    if not has_choice(value, "value"):
        return True
    own = {(coding.get("system"), coding.get("code")) for coding in codings(value.get("code"))}
    return not any(
        (coding.get("system"), coding.get("code")) in own
        for component in value.get("component", ())
        for coding in codings(component.get("code"))
    )


def _probability(value: JSON) -> bool:
    return bool(value.get("probabilityDecimal", 0) <= _PERCENT)


def _probability_range(value: JSON) -> bool:
    range_ = value.get("probabilityRange", {})
    ends = [range_[end] for end in ("low", "high") if end in range_]
    return all(end.get("code") == "%" and end.get("system") == UCUM for end in ends)


def _one_parameter_value(value: JSON) -> bool:
    return has_choice(value, "value") + has(value, "resource") + has(value, "part") == 1


def _items(value: JSON) -> Iterator[JSON]:
    for item in value.get("item", ()):
        yield item
        yield from _items(item)


def _unique_link_ids(value: JSON) -> bool:
    link_ids = [item.get("linkId") for item in _items(value)]
    return len(link_ids) == len(set(link_ids))


def _nesting(value: JSON) -> bool:
    kind = value.get("type")
    return not ((kind == "group" and not has(value, "item")) or (kind == "display" and has(value, "item")))


def _not_for(kinds: frozenset[str], *names: str) -> Callable[[JSON], bool]:
    return lambda value: value.get("type") not in kinds or not any(has(value, name) for name in names)


def _only_for(kinds: frozenset[str], *names: str) -> Callable[[JSON], bool]:
    return lambda value: value.get("type") in kinds or not any(has(value, name) for name in names)


def _exists_is_boolean(value: JSON) -> bool:
    return value.get("operator") != "exists" or has(value, "answerBoolean")


def _enable_behavior(value: JSON) -> bool:
    return len(value.get("enableWhen", ())) <= 1 or has(value, "enableBehavior")


def _one_initial(value: JSON) -> bool:
    return value.get("repeats") is True or len(value.get("initial", ())) <= 1


def _is_identified(value: JSON) -> bool:
    identifier = value.get("identifier", {})
    return has(identifier, "system") and has(identifier, "value")


def _begins_with(kind: str, resource_type: str) -> Callable[[JSON], bool]:
    """Make the rule that the first entry of a Bundle of some type is a resource of a type."""

    def holds(value: JSON) -> bool:
        first: JSON = next(iter(value.get("entry", ())), {})
        return value.get("type") != kind or first.get("resource", {}).get("resourceType") == resource_type

    return holds


def _entries(value: JSON, name: str, types: frozenset[str], *, mandatory: bool) -> bool:
    """Whether a member is in every entry of Bundles of these types, and in no entry of any other."""
    entries = value.get("entry", ())
    if value.get("type") not in types:
        return not any(name in entry for entry in entries)
    return not mandatory or all(name in entry for entry in entries)


def _unique_full_urls(value: JSON) -> bool:
    keys = [
        (entry["fullUrl"], entry.get("resource", {}).get("meta", {}).get("versionId"))
        for entry in value.get("entry", ())
        if "fullUrl" in entry
    ]
    return value.get("type") == "history" or len(keys) == len(set(keys))


_DISPLAY = frozenset({"display"})
_CHOICES = frozenset({"choice", "open-choice"})
_OPTIONS = _CHOICES | {"decimal", "integer", "date", "dateTime", "time", "string", "quantity"}
_TEXTUAL = frozenset({"boolean", "decimal", "integer", "open-choice", "string", "text", "url"})

RESOURCE_RULES: Rules = {
    "AllergyIntolerance": (
        ("ait-1", _clinical_status_unless_in_error),
        ("ait-2", _no_clinical_status_in_error),
    ),
    "Appointment": (
        ("app-2", lambda value: has(value, "start") == has(value, "end")),
        (
            "app-3",
            lambda value: (
                value.get("status") in _MAY_LACK_TIMES or (has(value, "start") and has(value, "end"))
            ),
        ),
        (
            "app-4",
            lambda value: value.get("status") in _CANCELLED or not has(value, "cancelationReason"),
        ),
    ),
    "Appointment.participant": (("app-1", _any_of("type", "actor")),),
    "Bundle": (
        ("bdl-1", lambda value: value.get("type") in {"searchset", "history"} or not has(value, "total")),
        ("bdl-2", lambda value: _entries(value, "search", frozenset({"searchset"}), mandatory=False)),
        ("bdl-3", lambda value: _entries(value, "request", _REQUEST_BUNDLES, mandatory=True)),
        ("bdl-4", lambda value: _entries(value, "response", _RESPONSE_BUNDLES, mandatory=True)),
        ("bdl-7", _unique_full_urls),
        ("bdl-9", lambda value: value.get("type") != "document" or _is_identified(value)),
        ("bdl-10", lambda value: value.get("type") != "document" or has(value, "timestamp")),
        ("bdl-11", _begins_with("document", "Composition")),
        ("bdl-12", _begins_with("message", "MessageHeader")),
    ),
    "Bundle.entry": (
        ("bdl-5", _any_of("resource", "request", "response")),
        ("bdl-8", lambda value: "/_history/" not in value.get("fullUrl", "")),
    ),
    "CarePlan.activity": (("cpl-3", _not_both("detail", "reference")),),
    "CareTeam.participant": (("ctm-1", _on_behalf_of_practitioner),),
    "Composition.section": (
        ("cmp-1", _any_of("text", "entry", "section")),
        ("cmp-2", _not_both("emptyReason", "entry")),
    ),
    "Condition": (("con-4", _abated), ("con-5", _no_clinical_status_in_error)),
    "Condition.evidence": (("con-2", _any_of("code", "detail")),),
    "Condition.stage": (("con-1", _any_of("summary", "assessment")),),
    "Consent": (
        ("ppc-1", _any_of("policy", "policyRule")),
        ("ppc-2", _patient_for("patient-privacy")),
        ("ppc-3", _patient_for("research")),
        ("ppc-4", _patient_for("adr")),
        ("ppc-5", _patient_for("treatment")),
    ),
    "Goal.target": (("gol-1", lambda value: not has_choice(value, "detail") or has(value, "measure")),),
    "Group": (("grp-1", lambda value: value.get("actual") is not False or not has(value, "member")),),
    "MedicationAdministration.dosage": (
        ("mad-1", lambda value: has(value, "dose") or has_choice(value, "rate")),
    ),
    "MedicationDispense": (
        ("mdd-1", lambda value: is_not_before(value.get("whenHandedOver"), value.get("whenPrepared"))),
    ),
    "Observation": (
        ("obs-6", lambda value: not (has(value, "dataAbsentReason") and has_choice(value, "value"))),
        ("obs-7", _component_repeats_no_code),
    ),
    "Observation.referenceRange": (("obs-3", _any_of("low", "high", "text")),),
    "Organization": (
        ("org-1", _any_of("identifier", "name")),
        ("org-2", _never_at_home("address")),
        ("org-3", _never_at_home("telecom")),
    ),
    "Parameters.parameter": (("inv-1", _one_parameter_value),),
    "Patient.contact": (("pat-1", _any_of("name", "telecom", "address", "organization")),),
    "Questionnaire": (("que-2", _unique_link_ids),),
    "Questionnaire.item": (
        ("que-1", _nesting),
        ("que-3", _not_for(_DISPLAY, "code")),
        ("que-4", _not_both("answerOption", "answerValueSet")),
        ("que-5", _only_for(_OPTIONS, "answerOption", "answerValueSet")),
        ("que-6", _not_for(_DISPLAY, "required", "repeats")),
        ("que-8", _not_for(_DISPLAY | {"group"}, "initial")),
        ("que-9", _not_for(_DISPLAY, "readOnly")),
        ("que-10", _only_for(_TEXTUAL, "maxLength")),
        ("que-11", _not_both("answerOption", "initial")),
        ("que-12", _enable_behavior),
        ("que-13", _one_initial),
    ),
    "Questionnaire.item.enableWhen": (("que-7", _exists_is_boolean),),
    "QuestionnaireResponse.item": (("qrs-1", _not_both("answer", "item")),),
    "RiskAssessment.prediction": (("ras-1", _probability_range), ("ras-2", _probability)),
    "ServiceRequest": (("prr-1", lambda value: has(value, "code") or not has(value, "orderDetail")),),
    "Task": (("inv-1", lambda value: is_not_before(value.get("lastModified"), value.get("authoredOn"))),),
}
