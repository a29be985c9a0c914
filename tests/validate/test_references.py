"""References and contained resources: https://hl7.org/fhir/R4/references.html."""

from __future__ import annotations

from typing import Any

import pytest

from service.validate import check

UUID = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
TARGETS = "This element may refer only to: Group, Patient."
FORMAT = "This is not a reference."
TYPE = "This is not a resource type of FHIR R4."


@pytest.mark.parametrize(
    ("reference", "code", "text"),
    [
        ("Practitioner/1", "value", TARGETS),
        ("https://ehr.example.org/fhir/Practitioner/1", "value", TARGETS),
        ("Practitioner/1/_history/2", "value", TARGETS),
        ("Practitioner?identifier=1", "value", TARGETS),
        ("Pateint/1", "value", TYPE),
        ("Patient/../1", "value", FORMAT),
        ("Patient/<script>", "value", FORMAT),
        ("Patient", "value", FORMAT),
        ("/Patient/1", "value", FORMAT),
        ("urn:uuid:1", "value", FORMAT),
        ("javascript:alert(1)", "value", FORMAT),
        ("#p", "invariant", "No contained resource has this id. (ref-1)"),
        ("", "structure", "An empty string is not a value."),
        (5, "structure", "This must be a JSON string."),
    ],
)
def test_a_reference_that_points_nowhere_or_elsewhere_is_refused(
    prescription: dict[str, Any], reference: Any, code: str, text: str
) -> None:
    prescription["subject"] = {"reference": reference}
    (issue,) = check(prescription, "MedicationRequest")
    assert (issue.code, issue.expression) == (code, "MedicationRequest.subject.reference")
    assert issue.text.startswith(text)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ({"type": "Practitioner", "display": "x"}, TARGETS),
        ({"type": "Practitioner", "reference": UUID}, TARGETS),
        ({"type": "Group", "reference": "Patient/1"}, "type and reference name different resource types."),
        ({"type": "Person1", "reference": "Patient/1"}, TYPE),
    ],
)
def test_a_stated_type_must_be_one_of_the_targets(
    prescription: dict[str, Any], subject: dict[str, Any], text: str
) -> None:
    prescription["subject"] = subject
    (issue,) = check(prescription, "MedicationRequest")
    assert (issue.code, issue.expression, issue.text) == ("value", "MedicationRequest.subject.type", text)


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/1"},
        {"reference": "Patient/1/_history/2"},
        {"reference": "Patient?identifier=http://a|1"},
        {"reference": "https://ehr.example.org/fhir/Patient/1", "type": "Patient"},
        {"reference": "https://ehr.example.org/fhir/Person1/1"},
        {"reference": "https://ehr.example.org/person?id=1"},
        {"reference": UUID, "type": "Patient"},
        {"reference": UUID, "type": "http://hl7.org/fhir/StructureDefinition/Patient"},
        {"identifier": {"system": "http://a", "value": "1"}, "type": "Patient"},
        {"display": "The patient"},
    ],
)
def test_every_way_to_refer_to_a_patient_is_accepted(
    prescription: dict[str, Any], subject: dict[str, Any]
) -> None:
    prescription["subject"] = subject
    assert check(prescription, "MedicationRequest") == []


MEDICATION = {"resourceType": "Medication", "id": "m", "code": {"text": "Ketamine"}}
ADDRESS = "MedicationRequest.contained[0]"


@pytest.mark.parametrize(
    ("changes", "code", "expression", "text"),
    [
        ({"id": "n"}, "invariant", ADDRESS, "Nothing refers to this contained resource"),
        (
            {"meta": {"versionId": "1"}},
            "invariant",
            f"{ADDRESS}.meta",
            "A contained resource has no meta.versionId",
        ),
        (
            {"resourceType": "Medicine"},
            "invalid",
            f"{ADDRESS}.resourceType",
            "resourceType must name a resource type",
        ),
        ({"status": "new"}, "code-invalid", f"{ADDRESS}.status", "This is not a code of medication-status."),
        (
            {"contained": [MEDICATION]},
            "invariant",
            f"{ADDRESS}.contained",
            "A contained resource may not contain",
        ),
    ],
)
def test_a_contained_resource_is_refused(
    prescription: dict[str, Any], changes: dict[str, Any], code: str, expression: str, text: str
) -> None:
    del prescription["medicationCodeableConcept"]
    prescription["medicationReference"] = {"reference": "#m"}
    prescription["contained"] = [{**MEDICATION, **changes}]
    found = {(issue.code, issue.expression): issue.text for issue in check(prescription, "MedicationRequest")}
    assert found[code, expression].startswith(text)


def test_a_contained_resource_has_an_id_of_its_own(prescription: dict[str, Any]) -> None:
    prescription["supportingInformation"] = [{"reference": "#m"}]
    anonymous = {name: value for name, value in MEDICATION.items() if name != "id"}
    prescription["contained"] = [MEDICATION, MEDICATION, anonymous]
    found = [(issue.code, issue.expression) for issue in check(prescription, "MedicationRequest")]
    assert found == [
        ("invariant", "MedicationRequest.contained[1].id"),
        ("required", "MedicationRequest.contained[2].id"),
    ]


def test_a_contained_resource_of_the_wrong_type_is_no_target(prescription: dict[str, Any]) -> None:
    prescription["subject"] = {"reference": "#m"}
    prescription["contained"] = [MEDICATION]
    (issue,) = check(prescription, "MedicationRequest")
    assert (issue.code, issue.text) == ("value", TARGETS)


def test_contained_resources_that_are_referred_to_or_refer_are_accepted(prescription: dict[str, Any]) -> None:
    del prescription["medicationCodeableConcept"]
    prescription["medicationReference"] = {"reference": "#m"}
    provenance = {
        "resourceType": "Provenance",
        "id": "p",
        "target": [{"reference": "#"}],
        "recorded": "2026-05-01T10:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/1"}}],
    }
    prescription["contained"] = [MEDICATION, provenance]
    assert check(prescription, "MedicationRequest") == []
