"""``$docref`` with ``on-demand=true`` makes a summary of the record: a document in a DocumentReference."""

from __future__ import annotations

import base64
import json

import pytest
from operations_kit import issue, observation

from service import validate

URL = "/DocumentReference/$docref?on-demand=true&patient="


@pytest.fixture
def patient(store):
    return store("Patient", name=[{"family": 'Ö, with "quotes"'}])


def reference(answer):
    assert answer.status_code == 200, answer.text
    (entry,) = answer.json()["entry"]
    return entry["resource"]


def document(answer):
    attachment = reference(answer)["content"][0]["attachment"]
    body = base64.b64decode(attachment["data"])
    assert attachment["size"] == len(body)
    assert attachment["contentType"] == "application/fhir+json"
    return json.loads(body)


def held(bundle):
    return [f"{one['resource']['resourceType']}/{one['resource'].get('id')}" for one in bundle["entry"][1:]]


def test_a_patient_who_is_not_there_has_no_summary(client):
    answer = client.get(f"{URL}nobody")
    assert answer.status_code == 200
    assert (answer.json()["total"], answer.json().get("entry")) == (0, None)


def test_a_token_that_may_not_read_patients_gets_no_summary(practice, patient):
    with practice.server.client("ehr", "system/DocumentReference.rs") as narrow:
        assert issue(narrow.get(f"{URL}{patient['id']}"), 403)["code"] == "forbidden"


def test_a_document_of_another_type_is_not_made(client, patient):
    answer = client.get(f"{URL}{patient['id']}&type=http://loinc.org|11488-4")
    assert answer.json()["total"] == 0
    assert reference(client.get(f"{URL}{patient['id']}&type=http://loinc.org|34133-9"))["status"] == "current"


def test_a_summary_is_a_valid_document_of_the_whole_record_and_nothing_is_stored(client, store, patient):
    mine = {"reference": f"Patient/{patient['id']}"}
    taken = store("Observation", **observation(patient, "weight", "2026-01-02"))
    problem = store(
        "Condition",
        subject=mine,
        clinicalStatus={
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
            ]
        },
    )
    answer = client.get(f"{URL}{patient['id']}")
    found, bundle = reference(answer), document(answer)
    assert validate.check(found, "DocumentReference") == []
    assert validate.check(bundle, "Bundle") == []
    composition = bundle["entry"][0]["resource"]
    places = [entry["fullUrl"] for entry in bundle["entry"]]
    assert composition["subject"]["reference"] == places[1]
    assert places[1].endswith(f"/fhir/Patient/{patient['id']}")
    assert [section["title"] for section in composition["section"]] == ["Problems", "Findings"]
    (problems,), (findings,) = (section["entry"] for section in composition["section"])
    assert problems["reference"].endswith(f"/fhir/Condition/{problem['id']}")
    assert findings["reference"].endswith(f"/fhir/Observation/{taken['id']}")
    assert {problems["reference"], findings["reference"]} <= set(places)
    assert sorted(held(bundle)) == sorted(
        [f"Patient/{patient['id']}", f"Condition/{problem['id']}", f"Observation/{taken['id']}"]
    )
    assert bundle["entry"][1]["resource"]["name"] == patient["name"]
    assert client.get(f"/DocumentReference/{found['id']}").status_code == 404


def test_a_summary_holds_only_the_time_of_care_that_is_asked_for(client, store, patient):
    store("Observation", **observation(patient, "weight", "2026-01-02"))
    later = store("Observation", **observation(patient, "weight", "2026-03-02"))
    answer = client.get(f"{URL}{patient['id']}&start=2026-02-01&end=2026-12-31")
    assert held(document(answer)) == [f"Patient/{patient['id']}", f"Observation/{later['id']}"]
    assert reference(answer)["context"]["period"] == {"start": "2026-02-01", "end": "2026-12-31"}


def test_a_summary_holds_only_what_the_caller_may_read(practice, store, patient):
    store("Observation", **observation(patient, "weight", "2026-01-02"))
    scope = "system/DocumentReference.rs system/Patient.rs"
    with practice.server.client("ehr", scope) as narrow:
        assert held(document(narrow.get(f"{URL}{patient['id']}"))) == [f"Patient/{patient['id']}"]


def test_a_summary_holds_large_attachments_whole(client, store, patient):
    data = base64.b64encode(bytes(range(256)) * 5_000).decode()
    note = store(
        "DocumentReference",
        status="current",
        subject={"reference": f"Patient/{patient['id']}"},
        content=[{"attachment": {"contentType": "application/pdf", "data": data}}],
    )
    bundle = document(client.get(f"{URL}{patient['id']}"))
    (found,) = [one["resource"] for one in bundle["entry"] if one["resource"].get("id") == note["id"]]
    assert found["content"][0]["attachment"]["data"] == data
