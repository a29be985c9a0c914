"""Constraints between members: https://hl7.org/fhir/R4/conformance-rules.html#constraints."""

from __future__ import annotations

from typing import Any

import pytest

from models.definitions.structures import facts
from service.validate import check
from service.validate.invariants import RULES

PATIENT = {"reference": "Patient/1"}
CONCEPT = {"text": "x"}
UCUM = "http://unitsofmeasure.org"
STATUS = "http://terminology.hl7.org/CodeSystem/"


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": STATUS + system, "code": code}]}


SCOPE = {code: {"coding": [{"code": code}]} for code in ("patient-privacy", "research", "adr", "treatment")}
MINIMAL: dict[str, dict[str, Any]] = {
    "AllergyIntolerance": {
        "patient": PATIENT,
        "clinicalStatus": coded("allergyintolerance-clinical", "active"),
    },
    "Appointment": {"status": "proposed", "participant": [{"status": "accepted", "actor": PATIENT}]},
    "Bundle": {"type": "collection"},
    "CarePlan": {"status": "active", "intent": "plan", "subject": PATIENT},
    "CareTeam": {},
    "Composition": {
        "status": "final",
        "type": CONCEPT,
        "date": "2026-05-01",
        "author": [{"display": "x"}],
        "title": "x",
    },
    "Condition": {"subject": PATIENT},
    "Consent": {"status": "active", "scope": CONCEPT, "category": [CONCEPT], "policyRule": CONCEPT},
    "Goal": {"lifecycleStatus": "active", "description": CONCEPT, "subject": PATIENT},
    "Group": {"type": "person", "actual": True},
    "MedicationAdministration": {
        "status": "completed",
        "medicationCodeableConcept": CONCEPT,
        "subject": PATIENT,
        "effectiveDateTime": "2026-05-01",
    },
    "MedicationDispense": {"status": "completed", "medicationCodeableConcept": CONCEPT},
    "Observation": {
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
    },
    "Organization": {"name": "x"},
    "Parameters": {},
    "Patient": {},
    "PlanDefinition": {"status": "draft"},
    "Questionnaire": {"status": "draft"},
    "QuestionnaireResponse": {"status": "completed"},
    "RiskAssessment": {"status": "final", "subject": PATIENT},
    "ServiceRequest": {"status": "active", "intent": "order", "subject": PATIENT},
    "Task": {"status": "requested", "intent": "order"},
}


def value(**values: Any) -> dict[str, Any]:
    """An extension carries any data type."""
    return {"extension": [{"url": "http://a", **values}]}


def repeat(**members: Any) -> dict[str, Any]:
    return value(valueTiming={"repeat": members})


def item(**members: Any) -> dict[str, Any]:
    return {"item": [{"linkId": "1", "type": "string", **members}]}


def filtered(**members: Any) -> dict[str, Any]:
    return value(valueDataRequirement={"type": "Patient", **members})


OTHER_ITEM = {"linkId": "2", "type": "string"}
ENABLE = {"question": "2", "operator": "=", "answerInteger": 1}
DURATION = {"value": 1, "system": UCUM, "code": "d"}
START_ONLY = {"start": "2026-05-01T10:00:00Z", "status": "proposed"}

RESPONSE = {"response": {"status": "200"}}
REQUEST = {"method": "GET", "url": "Patient/1"}
ENTRY = {"fullUrl": "http://a/Patient/1", "resource": {"resourceType": "Patient"}}
PAPER = {
    "type": "document",
    "identifier": {"system": "http://a", "value": "1"},
    "timestamp": "2026-05-01T10:00:00Z",
    "entry": [
        {
            "fullUrl": "http://a/Composition/1",
            "resource": {"resourceType": "Composition", **MINIMAL["Composition"]},
        }
    ],
}

BROKEN: list[tuple[str, str, dict[str, Any], str]] = [
    ("qty-3", "Observation", {"valueQuantity": {"value": 1, "code": "mg"}}, "valueQuantity"),
    ("age-1", "Condition", {"onsetAge": {"value": 5}}, "onsetAge"),
    ("age-1", "Condition", {"onsetAge": {"value": 0, "system": UCUM, "code": "a"}}, "onsetAge"),
    (
        "cnt-3",
        "Patient",
        value(valueCount={"value": 1, "system": UCUM, "code": "d"}),
        "extension[0].valueCount",
    ),
    ("dis-1", "Patient", value(valueDistance={"value": 1}), "extension[0].valueDistance"),
    ("drt-1", "Patient", value(valueDuration={"code": "d", "system": UCUM}), "extension[0].valueDuration"),
    (
        "drt-1",
        "Patient",
        value(valueDuration=DURATION | {"system": "http://a"}),
        "extension[0].valueDuration",
    ),
    ("att-1", "Patient", {"photo": [{"data": "QUJD"}]}, "photo[0]"),
    ("cpt-2", "Patient", {"telecom": [{"value": "1"}]}, "telecom[0]"),
    (
        "drq-1",
        "Patient",
        filtered(codeFilter=[{"id": "x"}]),
        "extension[0].valueDataRequirement.codeFilter[0]",
    ),
    (
        "drq-2",
        "Patient",
        filtered(dateFilter=[{"id": "x"}]),
        "extension[0].valueDataRequirement.dateFilter[0]",
    ),
    ("exp-1", "Patient", value(valueExpression={"language": "text/cql"}), "extension[0].valueExpression"),
    ("ext-1", "Patient", {"extension": [{"url": "http://a"}]}, "extension[0]"),
    ("ext-1", "Patient", value(valueString="x", extension=[{"url": "b", "valueCode": "x"}]), "extension[0]"),
    ("txt-1", "Patient", {"text": {"status": "generated", "div": "x"}}, "text.div"),
    (
        "txt-2",
        "Patient",
        {"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"> </div>'}},
        "text.div",
    ),
    ("per-1", "CareTeam", {"period": {"start": "2026-05", "end": "2026-04-30"}}, "period"),
    (
        "per-1",
        "CareTeam",
        {"period": {"start": "2026-05-01T10:00:00Z", "end": "2026-05-01T11:00:00+02:00"}},
        "period",
    ),
    ("rng-2", "Observation", {"valueRange": {"low": {"value": 2}, "high": {"value": 1}}}, "valueRange"),
    ("rat-1", "Observation", {"valueRatio": {"numerator": {"value": 2}}}, "valueRatio"),
    ("rat-1", "Observation", {"valueRatio": {"id": "x"}}, "valueRatio"),
    ("tim-1", "Patient", repeat(duration=1), "extension[0].valueTiming.repeat"),
    ("tim-2", "Patient", repeat(period=1), "extension[0].valueTiming.repeat"),
    ("tim-4", "Patient", repeat(duration=-1, durationUnit="d"), "extension[0].valueTiming.repeat"),
    ("tim-5", "Patient", repeat(period=-1, periodUnit="d"), "extension[0].valueTiming.repeat"),
    ("tim-6", "Patient", repeat(periodMax=1), "extension[0].valueTiming.repeat"),
    ("tim-7", "Patient", repeat(durationMax=1), "extension[0].valueTiming.repeat"),
    ("tim-8", "Patient", repeat(countMax=1), "extension[0].valueTiming.repeat"),
    ("tim-9", "Patient", repeat(offset=1), "extension[0].valueTiming.repeat"),
    ("tim-9", "Patient", repeat(offset=1, when=["CM"]), "extension[0].valueTiming.repeat"),
    ("tim-10", "Patient", repeat(timeOfDay=["10:00:00"], when=["MORN"]), "extension[0].valueTiming.repeat"),
    (
        "trd-1",
        "Patient",
        value(
            valueTriggerDefinition={"type": "periodic", "timingDate": "2026", "data": [{"type": "Patient"}]}
        ),
        "extension[0].valueTriggerDefinition",
    ),
    (
        "trd-2",
        "Patient",
        value(
            valueTriggerDefinition={
                "type": "named-event",
                "name": "x",
                "condition": {"language": "text/cql", "expression": "x"},
            }
        ),
        "extension[0].valueTriggerDefinition",
    ),
    (
        "trd-3",
        "Patient",
        value(valueTriggerDefinition={"type": "data-added"}),
        "extension[0].valueTriggerDefinition",
    ),
    ("ait-1", "AllergyIntolerance", {"clinicalStatus": ...}, ""),
    (
        "ait-2",
        "AllergyIntolerance",
        {"verificationStatus": coded("allergyintolerance-verification", "entered-in-error")},
        "",
    ),
    ("app-1", "Appointment", {"participant": [{"status": "accepted"}]}, "participant[0]"),
    ("app-2", "Appointment", START_ONLY, ""),
    ("app-3", "Appointment", {"status": "booked"}, ""),
    ("app-4", "Appointment", {"cancelationReason": CONCEPT}, ""),
    ("bdl-1", "Bundle", {"total": 1}, ""),
    ("bdl-2", "Bundle", {"entry": [ENTRY | {"search": {"mode": "match"}}]}, ""),
    ("bdl-3", "Bundle", {"entry": [{"request": REQUEST}]}, ""),
    ("bdl-3", "Bundle", {"type": "batch", "entry": [{"resource": {"resourceType": "Patient"}}]}, ""),
    ("bdl-4", "Bundle", {"entry": [RESPONSE]}, ""),
    ("bdl-4", "Bundle", {"type": "batch-response", "entry": [ENTRY]}, ""),
    ("bdl-5", "Bundle", {"entry": [{"fullUrl": "http://a/Patient/1"}]}, "entry[0]"),
    (
        "bdl-7",
        "Bundle",
        {"entry": [{"fullUrl": "http://a/Patient/1", "resource": {"resourceType": "Patient"}}] * 2},
        "",
    ),
    (
        "bdl-8",
        "Bundle",
        {"entry": [{"fullUrl": "http://a/Patient/1/_history/1", "resource": {"resourceType": "Patient"}}]},
        "entry[0]",
    ),
    ("bdl-9", "Bundle", PAPER | {"identifier": {"value": "1"}}, ""),
    ("bdl-9", "Bundle", PAPER | {"identifier": ...}, ""),
    ("bdl-10", "Bundle", PAPER | {"timestamp": ...}, ""),
    ("bdl-11", "Bundle", PAPER | {"entry": [ENTRY]}, ""),
    ("bdl-11", "Bundle", PAPER | {"entry": ...}, ""),
    ("bdl-12", "Bundle", {"type": "message", "entry": [ENTRY]}, ""),
    (
        "cpl-3",
        "CarePlan",
        {"activity": [{"reference": {"reference": "Task/1"}, "detail": {"status": "completed"}}]},
        "activity[0]",
    ),
    (
        "ctm-1",
        "CareTeam",
        {"participant": [{"member": PATIENT, "onBehalfOf": {"reference": "Organization/1"}}]},
        "participant[0]",
    ),
    ("cmp-1", "Composition", {"section": [{"title": "x"}]}, "section[0]"),
    ("cmp-2", "Composition", {"section": [{"emptyReason": CONCEPT, "entry": [PATIENT]}]}, "section[0]"),
    ("con-1", "Condition", {"stage": [{"type": CONCEPT}]}, "stage[0]"),
    ("con-2", "Condition", {"evidence": [{"id": "x"}]}, "evidence[0]"),
    (
        "con-4",
        "Condition",
        {"abatementString": "x", "clinicalStatus": coded("condition-clinical", "active")},
        "",
    ),
    (
        "con-5",
        "Condition",
        {
            "verificationStatus": coded("condition-ver-status", "entered-in-error"),
            "clinicalStatus": coded("condition-clinical", "active"),
        },
        "",
    ),
    ("ppc-1", "Consent", {"policyRule": ...}, ""),
    ("ppc-2", "Consent", {"scope": SCOPE["patient-privacy"]}, ""),
    ("ppc-3", "Consent", {"scope": SCOPE["research"]}, ""),
    ("ppc-4", "Consent", {"scope": SCOPE["adr"]}, ""),
    ("ppc-5", "Consent", {"scope": SCOPE["treatment"]}, ""),
    ("gol-1", "Goal", {"target": [{"detailInteger": 1}]}, "target[0]"),
    ("grp-1", "Group", {"actual": False, "member": [{"entity": PATIENT}]}, ""),
    ("mad-1", "MedicationAdministration", {"dosage": {"text": "x"}}, "dosage"),
    ("mdd-1", "MedicationDispense", {"whenPrepared": "2026-05-02", "whenHandedOver": "2026-05-01"}, ""),
    ("obs-3", "Observation", {"referenceRange": [{"type": CONCEPT}]}, "referenceRange[0]"),
    ("obs-6", "Observation", {"valueInteger": 1, "dataAbsentReason": CONCEPT}, ""),
    (
        "obs-7",
        "Observation",
        {"valueInteger": 1, "component": [{"code": MINIMAL["Observation"]["code"], "valueInteger": 1}]},
        "",
    ),
    ("org-1", "Organization", {"name": ..., "active": True}, ""),
    ("org-2", "Organization", {"address": [{"use": "home"}]}, ""),
    ("org-3", "Organization", {"telecom": [{"use": "home"}]}, ""),
    ("inv-1", "Parameters", {"parameter": [{"name": "x"}]}, "parameter[0]"),
    ("inv-1", "Task", {"authoredOn": "2026-05-02", "lastModified": "2026-05-01"}, ""),
    ("pat-1", "Patient", {"contact": [{"gender": "female"}]}, "contact[0]"),
    ("que-1", "Questionnaire", item(type="group"), "item[0]"),
    ("que-1", "Questionnaire", item(type="display", item=[OTHER_ITEM]), "item[0]"),
    ("que-2", "Questionnaire", {"item": [OTHER_ITEM, OTHER_ITEM]}, ""),
    ("que-3", "Questionnaire", item(type="display", code=[{"code": "x"}]), "item[0]"),
    (
        "que-4",
        "Questionnaire",
        item(type="choice", answerOption=[{"valueString": "x"}], answerValueSet="http://a"),
        "item[0]",
    ),
    ("que-5", "Questionnaire", item(type="boolean", answerValueSet="http://a"), "item[0]"),
    ("que-6", "Questionnaire", item(type="display", required=True), "item[0]"),
    ("que-7", "Questionnaire", item(enableWhen=[ENABLE | {"operator": "exists"}]), "item[0].enableWhen[0]"),
    (
        "que-8",
        "Questionnaire",
        item(type="group", item=[OTHER_ITEM], initial=[{"valueString": "x"}]),
        "item[0]",
    ),
    ("que-9", "Questionnaire", item(type="display", readOnly=True), "item[0]"),
    ("que-10", "Questionnaire", item(type="date", maxLength=3), "item[0]"),
    (
        "que-11",
        "Questionnaire",
        item(answerOption=[{"valueString": "x"}], initial=[{"valueString": "x"}]),
        "item[0]",
    ),
    ("que-12", "Questionnaire", item(enableWhen=[ENABLE, ENABLE]), "item[0]"),
    ("que-13", "Questionnaire", item(initial=[{"valueString": "x"}, {"valueString": "y"}]), "item[0]"),
    (
        "qrs-1",
        "QuestionnaireResponse",
        {"item": [{"linkId": "1", "answer": [{"valueInteger": 1}], "item": [{"linkId": "2"}]}]},
        "item[0]",
    ),
    (
        "ras-1",
        "RiskAssessment",
        {"prediction": [{"probabilityRange": {"low": {"value": 1}}}]},
        "prediction[0]",
    ),
    ("ras-2", "RiskAssessment", {"prediction": [{"probabilityDecimal": 101}]}, "prediction[0]"),
    ("prr-1", "ServiceRequest", {"orderDetail": [CONCEPT]}, ""),
]


def document(resource_type: str, changes: dict[str, Any]) -> dict[str, Any]:
    members = {"resourceType": resource_type, **MINIMAL[resource_type], **changes}
    return {name: member for name, member in members.items() if member is not ...}


@pytest.mark.parametrize(("key", "resource_type", "changes", "place"), BROKEN)
def test_a_broken_constraint_is_named_by_its_key(
    key: str, resource_type: str, changes: dict[str, Any], place: str
) -> None:
    (issue,) = check(document(resource_type, changes), resource_type)
    assert (issue.code, issue.severity) == ("invariant", "error")
    assert issue.expression == f"{resource_type}.{place}".rstrip(".")
    assert issue.text.endswith(f" ({key})")


def test_every_rule_is_shown_to_refuse() -> None:
    implemented = {key for rules in RULES.values() for key, _ in rules}
    assert implemented == {key for key, *_ in BROKEN}


def test_the_text_is_the_sentence_of_fhir() -> None:
    (issue,) = check(document("Consent", {"policyRule": ...}), "Consent")
    assert issue.text == f"{facts().invariants['Consent']['ppc-1']}. (ppc-1)"


def test_no_rule_is_judged_on_members_of_wrong_types() -> None:
    period = {"start": 5, "end": "2026"}
    (issue,) = check(document("CareTeam", {"period": period}), "CareTeam")
    assert (issue.code, issue.expression) == ("structure", "CareTeam.period.start")


@pytest.mark.parametrize(
    ("resource_type", "changes"),
    [
        *[(resource_type, {}) for resource_type in MINIMAL if resource_type not in {"CareTeam", "Patient"}],
        ("CareTeam", {"period": {"start": "2026-05-01", "end": "2026-05"}}),
        ("CareTeam", {"period": {"start": "2026-05-01T10:00:00Z", "end": "2026-05-01T10:00:00Z"}}),
        ("CareTeam", {"period": {"start": "2016-12-31T23:59:60Z", "end": "2017-01-01T01:00:00+01:00"}}),
        ("CareTeam", {"period": {"start": "0001-01-01T00:00:00+14:00", "end": "9999-12-31T23:59:59-14:00"}}),
        ("Bundle", PAPER),
        ("Bundle", {"type": "history", "entry": [ENTRY | RESPONSE | {"request": REQUEST}]}),
        ("CareTeam", {"period": {"end": "2026"}}),
        ("Observation", {"valueRange": {"low": {"value": 1}, "high": {"value": 1}}}),
        (
            "Observation",
            {"valueRange": {"low": {"value": 1, "system": UCUM, "code": "g"}, "high": {"value": 0}}},
        ),
        ("Observation", {"valueRatio": value(valueString="x")}),
        ("Patient", value(valueDuration=DURATION)),
        ("Patient", repeat(offset=1, when=["MORN"])),
        ("Consent", {"scope": SCOPE["research"], "patient": PATIENT}),
        ("Condition", {"abatementString": "x", "clinicalStatus": coded("condition-clinical", "resolved")}),
        ("Appointment", START_ONLY | {"status": "booked", "end": "2026-05-01T11:00:00Z"}),
        ("Questionnaire", item(enableWhen=[ENABLE, ENABLE], enableBehavior="any")),
        ("Questionnaire", item(type="group", item=[OTHER_ITEM])),
    ],
)
def test_what_keeps_the_constraints_is_accepted(resource_type: str, changes: dict[str, Any]) -> None:
    members = document(resource_type, changes)
    assert check({"id": "x", **members}, resource_type) == []
