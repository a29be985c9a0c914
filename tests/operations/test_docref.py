"""``$docref`` finds a patient's documents for a time of care, newest first."""

from __future__ import annotations

import pytest
from operations_kit import issue, parameters, resources

KIND = {"system": "http://loinc.org", "code": "11488-4"}


@pytest.fixture
def patient(store):
    return store("Patient")


@pytest.fixture
def documents(store, patient):
    def write(date, **members):
        stored = store(
            "DocumentReference",
            status=members.pop("status", "current"),
            subject={"reference": f"Patient/{patient['id']}"},
            date=f"{date}T10:00:00Z",
            content=[{"attachment": {"contentType": "text/plain", "data": "eA=="}}],
            **members,
        )
        return f"DocumentReference/{stored['id']}"

    return [
        write("2026-01-10"),
        write("2026-02-10", type={"coding": [KIND]}),
        write("2026-03-10", context={"period": {"start": "2025-06-01", "end": "2025-06-30"}}),
        write("2026-04-10", status="superseded"),
    ]


@pytest.fixture
def url(patient, documents):
    return f"/DocumentReference/$docref?patient={patient['id']}"


def test_without_a_patient_it_is_refused(client):
    assert issue(client.get("/DocumentReference/$docref?start=2026-01-01"), 400)["code"] == "required"


def test_an_unknown_patient_has_no_documents(client):
    assert resources(client.get("/DocumentReference/$docref?patient=nobody")) == []


def test_without_dates_the_current_documents_are_shown_newest_first(client, url, documents):
    assert resources(client.get(url)) == documents[2::-1]


def test_the_time_of_care_is_the_period_else_the_date(client, url, documents):
    assert resources(client.get(f"{url}&start=2026-02-01")) == [documents[3], documents[1]]
    assert resources(client.get(f"{url}&end=2026-01-31")) == [documents[2], documents[0]]
    assert resources(client.get(f"{url}&start=2025-06-15&end=2025-06-16")) == [documents[2]]


def test_only_the_type_asked_for(client, url, patient, documents):
    assert resources(client.get(f"{url}&type=http://loinc.org|11488-4")) == [documents[1]]
    body = parameters(patient__valueId=patient["id"], type__valueCodeableConcept={"coding": [KIND]})
    assert resources(client.post("/DocumentReference/$docref", json=body)) == [documents[1]]


def test_pages_lead_through_all(client, url, documents):
    seen, following = [], f"{url}&_count=1"
    while following:
        answer = client.get(following)
        seen += resources(answer)
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        assert "/DocumentReference/$docref?" in links["self"]
        following = links.get("next")
    assert seen == documents[2::-1]


def test_only_what_the_caller_may_see(practice, url, documents):
    with practice.operator("system/DocumentReference.s?type=11488-4") as client:
        assert resources(client.get(url)) == [documents[1]]
