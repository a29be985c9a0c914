"""Who writes a prescription in whose name (RX-6)."""

from __future__ import annotations

import pytest

REQUESTER = "MedicationRequest.requester"
NPI = "http://hl7.org/fhir/sid/us-npi"


@pytest.fixture
def platform(as_client):
    return as_client("prescriber", "Organization/org-rx-a")


@pytest.mark.parametrize(
    "requester",
    [
        {"reference": "PractitionerRole/role-th"},
        {"reference": "Practitioner/prac-th"},
        {"reference": "PractitionerRole/role-th-outside"},
        {"reference": "PractitionerRole/role-np"},
        {"reference": "Practitioner/prac-np"},
        {"reference": "PractitionerRole/role-left"},
        {"reference": "PractitionerRole/nobody"},
        {"reference": "Organization/org-rx-a"},
        {"reference": "https://elsewhere.example/fhir/PractitionerRole/role-rx"},
        {"identifier": {"system": NPI, "value": "1000000012"}},
        {"display": "Dr Mockingham"},
        None,
    ],
)
def test_a_platform_may_write_only_for_its_own_prescribers(find, platform, requester):
    (finding,) = find({"requester": requester}, writer=platform)
    assert (finding.rule.id, finding.status, finding.issue.code) == ("RX-6", 403, "forbidden")
    assert finding.expression == REQUESTER
    assert finding.text == (
        "The requester has no current prescribing role in the organization of this client. "
        "Name a prescriber of that organization."
    )


def test_a_contained_role_cannot_claim_another_organization(found, platform, sound):
    forged = {
        "resourceType": "PractitionerRole",
        "id": "r",
        "practitioner": {"reference": "Practitioner/prac-np"},
        "organization": {"reference": "Organization/org-rx-a"},
    }
    changes = {"contained": [*sound["contained"], forged], "requester.reference": "#r"}
    assert found(changes, writer=platform) == [("RX-6", REQUESTER)]


def test_a_platform_without_an_organization_writes_nothing(found, as_client):
    assert found(writer=as_client("prescriber")) == [("RX-6", REQUESTER)]


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        ("coach-app", "coach"),
        ("patient-app", "patient"),
        ("coach-app", None),
        ("ehr", "patient"),
        ("ehr", "auditor"),
    ],
)
def test_a_coach_or_a_patient_never_writes_a_prescription(find, as_client, kind, role):
    (finding,) = find(
        {"reportedBoolean": True, "recorder": {"reference": "Practitioner/prac-th"}},
        writer=as_client(kind, role=role),
    )
    assert (finding.rule.id, finding.status, finding.expression) == ("RX-6", 403, REQUESTER)
    assert finding.text == "Only a prescriber may write a prescription, or a therapist a transcript of one."


@pytest.mark.parametrize(
    ("kind", "role"), [("therapist-app", "therapist"), ("therapist-app", None), ("ehr", "therapist")]
)
def test_a_therapists_own_prescription_is_refused(found, as_client, kind, role):
    assert found({"requester.reference": "PractitionerRole/role-th"}, writer=as_client(kind, role=role)) == [
        ("RX-6", "MedicationRequest.reported"),
        ("RX-6", "MedicationRequest.recorder"),
        ("RX-6", REQUESTER),
    ]


def test_a_prescriber_who_signs_in_writes_only_as_themselves(found, as_client):
    other = as_client("ehr", role="prescriber", fhir_user="Practitioner/prac-np")
    assert found(writer=other) == [("RX-6", REQUESTER)]
    own = as_client("ehr", role="prescriber", fhir_user="Practitioner/prac-rx")
    assert found(writer=own) == []


@pytest.mark.parametrize(
    "requester",
    [
        {"reference": "PractitionerRole/role-rx"},
        {"reference": "PractitionerRole/role-rx/_history/3"},
        {"reference": "https://kat.example/fhir/PractitionerRole/role-rx"},
        {"reference": "Practitioner/prac-rx"},
        {"identifier": {"system": NPI, "value": "1999999984"}},
    ],
)
def test_a_platform_writes_for_its_own_prescriber(found, platform, requester):
    assert found({"requester": requester}, writer=platform) == []


@pytest.mark.parametrize("status", ["stopped", "cancelled", "completed", "entered-in-error"])
def test_a_prescription_can_be_ended_after_its_prescriber_left(found, platform, status):
    changes = {"requester.reference": "PractitionerRole/role-left", "status": status}
    assert found(changes, writer=platform) == []


def test_a_contained_prescriber_is_recognized_by_npi(found, platform, sound):
    holder = {
        "resourceType": "Practitioner",
        "id": "d",
        "identifier": [{"system": NPI, "value": "1999999984"}],
    }
    changes = {"contained": [*sound["contained"], holder], "requester.reference": "#d"}
    assert found(changes, writer=platform) == []


def test_a_therapist_transcribes_a_prescription(found, as_client):
    changes = {"reportedBoolean": True, "recorder": {"reference": "PractitionerRole/role-th"}}
    assert found(changes, writer=as_client("therapist-app", role="therapist")) == []


@pytest.mark.parametrize("kind", ["admin", "ehr"])
def test_an_import_is_not_restricted(found, as_client, kind):
    assert found({"requester.reference": "Practitioner/prac-th"}, writer=as_client(kind)) == []


@pytest.mark.parametrize(
    ("system", "code", "prescribes"),
    [
        ("https://kat-fhir.example/fhir/CodeSystem/kat-role", "coach", False),
        ("https://kat-fhir.example/fhir/CodeSystem/kat-role", "therapist", False),
        ("https://kat-fhir.example/fhir/CodeSystem/kat-role", "prescriber", True),
        ("http://nucc.org/provider-taxonomy", "103T00000X", False),
        ("http://nucc.org/provider-taxonomy", "103TP0016X", True),
        ("https://elsewhere.example/roles", "doctor", True),
        (None, "doctor", True),
    ],
)
def test_the_codes_of_a_role_tell_whether_it_prescribes(found, platform, resources, system, code, prescribes):
    coding = {"code": code, **({"system": system} if system else {})}
    role = {**resources["PractitionerRole/role-rx"], "code": [{"coding": [coding]}]}
    findings = [] if prescribes else [("RX-6", REQUESTER)]
    assert found(writer=platform, stored={"PractitionerRole/role-rx": role}) == findings
