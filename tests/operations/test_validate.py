"""``$validate`` finds what a write would find, and stores nothing."""

from __future__ import annotations

from uuid import uuid4

import pytest
from operations_kit import issue, parameters
from practice_kit import PRESCRIBER_SCOPE, order

PATIENT = {"resourceType": "Patient"}


def findings(answer):
    assert answer.status_code == 200, answer.text
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    return outcome["issue"]


def told(issues):
    return [(one["code"], one["details"]["text"], one.get("expression")) for one in issues]


@pytest.mark.parametrize(
    ("resource_type", "document"),
    [
        ("Patient", {**PATIENT, "gender": "x", "birthDate": "2026-02-30"}),
        ("Patient", {**PATIENT, "unknown": 1}),
        ("Patient", {"resourceType": "Goal"}),
        ("Patient", {**PATIENT, "managingOrganization": {"reference": "Organization/never"}}),
        ("MedicationRequest", order(status="x")),
        ("MedicationRequest", order(authoredOn="2099-01-01")),
        ("MedicationRequest", order(dispenseRequest={"numberOfRepeatsAllowed": 9})),
    ],
)
def test_the_findings_are_those_of_a_creation(client, resource_type, document):
    refused = client.post(f"/{resource_type}", json=document)
    assert refused.status_code in {400, 422}
    for body in (document, parameters(resource=document, mode__valueCode="create")):
        found = findings(client.post(f"/{resource_type}/$validate", json=body))
        assert told(found) == told(refused.json()["issue"])


def test_who_may_not_write_it_is_told_so_as_a_finding(practice):
    document = order()
    with practice.prescriber("org-rx-b", PRESCRIBER_SCOPE) as client:
        refused = client.post("/MedicationRequest", json=document)
        assert refused.status_code == 403
        found = findings(client.post("/MedicationRequest/$validate", json=document))
    assert told(found) == told(refused.json()["issue"])
    assert found[0]["code"] == "forbidden"


def test_an_identifier_that_is_taken_by_another_content_is_a_finding(client):
    document = order()
    assert client.post("/MedicationRequest", json=document).status_code == 201
    changed = {**document, "note": [{"text": "changed"}]}
    assert findings(client.post("/MedicationRequest/$validate", json=changed))[0]["code"] == "conflict"
    assert (
        findings(client.post("/MedicationRequest/$validate", json=document))[0]["severity"] == "information"
    )


def test_a_resource_outside_a_granular_scope_is_a_finding(practice):
    with practice.operator("system/Patient.c?gender=female") as client:
        found = findings(client.post("/Patient/$validate", json={**PATIENT, "gender": "male"}))
        assert [one["code"] for one in found] == ["forbidden"]
        assert findings(client.post("/Patient/$validate", json={**PATIENT, "gender": "female"}))[0][
            "severity"
        ] == ("information")


def test_nothing_is_stored(client, practice):
    before = practice.vault.versions(), practice.vault.count("SELECT count(*) FROM business_identifier")
    document = order()
    found = findings(client.post("/MedicationRequest/$validate", json=document))
    assert [one["severity"] for one in found] == ["information"]
    key = str(uuid4())
    assert findings(client.post(f"/Patient/{key}/$validate", json={**PATIENT, "id": key}))
    assert findings(client.post("/Patient/pat-1/$validate?mode=delete"))
    after = practice.vault.versions(), practice.vault.count("SELECT count(*) FROM business_identifier")
    assert after == before
    assert client.get(f"/Patient/{key}").status_code == 404
    assert client.get("/Patient/pat-1").status_code == 200


def test_an_update_is_validated_at_its_instance(client):
    found = findings(client.post("/Patient/pat-1/$validate", json={**PATIENT, "id": "pat-2"}))
    assert found[0]["expression"] == ["Patient.id"]
    found = findings(client.post("/Patient/$validate?mode=update", json={**PATIENT, "id": "pat-2"}))
    assert found[0]["severity"] == "information"
    refused = client.post("/Patient/$validate?mode=update", json=PATIENT)
    assert issue(refused, 400)["expression"] == ["Patient.id"]


def test_without_a_resource_the_stored_one_is_validated(client):
    assert findings(client.get("/Patient/pat-1/$validate"))[0]["severity"] == "information"
    assert issue(client.get("/Patient/nobody/$validate"), 404)["code"] == "not-found"


@pytest.mark.parametrize(
    "url",
    ["/Patient/$validate?mode=delete", "/Patient/pat-1/$validate?mode=create", "/Patient/$validate?mode=x"],
)
def test_a_mode_that_makes_no_sense_there_is_refused(client, url):
    assert issue(client.post(url, json=PATIENT), 400)["code"] == "invalid"


def test_without_anything_to_validate_the_request_is_refused(client):
    assert issue(client.post("/Patient/$validate"), 400)["code"] == "required"


def test_a_profile_that_is_not_known_here_is_not_said_to_be_kept(client):
    url = "/Patient/$validate?profile=https://profiles.example/patient"
    assert [one["code"] for one in findings(client.post(url, json=PATIENT))] == ["not-supported"]
    url = "/Patient/$validate?mode=profile&profile=http://hl7.org/fhir/StructureDefinition/Patient|4.0.1"
    assert findings(client.post(url, json=PATIENT))[0]["severity"] == "information"


def test_whoever_may_read_may_validate_the_shape_alone(practice):
    with practice.operator("system/Patient.r") as client:
        found = findings(client.post("/Patient/$validate?mode=profile", json={**PATIENT, "gender": "x"}))
    assert found[0]["expression"] == ["Patient.gender"]


def test_inside_a_transaction_only_the_writes_stay(client):
    key, tried = str(uuid4()), str(uuid4())
    entries = [
        {"request": {"method": "PUT", "url": f"Patient/{key}"}, "resource": {**PATIENT, "id": key}},
        {
            "request": {"method": "POST", "url": f"Patient/{tried}/$validate"},
            "resource": {**PATIENT, "id": tried},
        },
    ]
    answer = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == ["201", "200"]
    assert client.get(f"/Patient/{key}").status_code == 200
    assert client.get(f"/Patient/{tried}").status_code == 404
