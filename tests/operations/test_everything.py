"""``$everything`` shows one patient's record, whole, page by page, and nobody else's."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from operations_kit import issue, observation, resources

from models.resource import WITHOUT_PATIENT
from service.operations.care_dates import CARE_DATES
from service.operations.everything import RECORD
from service.search.registry import parameters


@pytest.fixture
def patient(store):
    return store("Patient")


@pytest.fixture
def record(store, patient):
    organization = store("Organization", name="Clinic")
    practitioner = store("Practitioner", active=True)
    role = store(
        "PractitionerRole",
        practitioner={"reference": f"Practitioner/{practitioner['id']}"},
        organization={"reference": f"Organization/{organization['id']}"},
    )
    performer = [{"reference": f"PractitionerRole/{role['id']}"}]
    made = [
        store("Observation", **observation(patient, "a", f"2026-0{month}-10", performer=performer))
        for month in range(1, 6)
    ]
    subject = {"reference": f"Patient/{patient['id']}"}
    made.append(store("Goal", lifecycleStatus="active", description={"text": "rest"}, subject=subject))
    own = sorted(f"{one['resourceType']}/{one['id']}" for one in made)
    linked = [f"{one['resourceType']}/{one['id']}" for one in (organization, practitioner, role)]
    return f"Patient/{patient['id']}", own, linked


def pages(client, url):
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        yield answer
        url = next((link["url"] for link in answer.json()["link"] if link["relation"] == "next"), None)


def test_an_unknown_patient_is_not_found_and_a_deleted_one_gone(client, patient):
    assert issue(client.get("/Patient/nobody/$everything"), 404)["code"] == "not-found"
    client.delete(f"/Patient/{patient['id']}")
    assert issue(client.get(f"/Patient/{patient['id']}/$everything"), 410)["code"] == "deleted"


@pytest.mark.parametrize("place", ["x", "e30", "WyJ4Il0"])
def test_a_page_link_of_something_else_is_refused(client, place):
    assert issue(client.get(f"/Patient/pat-1/$everything?_page={place}"), 400)["code"] == "invalid"


def test_a_type_that_r4_does_not_have_is_refused(client):
    assert issue(client.get("/Patient/pat-1/$everything?_type=Goal,Nothing"), 400)["expression"] == [
        "http._type"
    ]


def test_it_holds_the_patient_their_resources_and_whom_these_refer_to(client, record):
    own_patient, own, linked = record
    answer = client.get(f"/{own_patient}/$everything")
    assert resources(answer) == [own_patient, *own, *linked]
    modes = [entry["search"]["mode"] for entry in answer.json()["entry"]]
    assert modes == ["match"] * 7 + ["include"] * 3
    assert (answer.json()["type"], answer.json()["total"]) == ("searchset", 7)
    assert [link["relation"] for link in answer.json()["link"]] == ["self"]
    first, *others = (page.json() for page in pages(client, f"/{own_patient}/$everything?_count=5"))
    assert not any("total" in page for page in (first, *others))


def test_pages_show_every_resource_once_while_others_are_written(client, record, store):
    own_patient, own, _ = record
    seen = []
    for page in pages(client, f"/{own_patient}/$everything?_count=2"):
        entries = [entry for entry in page.json()["entry"] if entry["search"]["mode"] == "match"]
        assert len(entries) <= 2
        seen += [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in entries]
        store("Goal", lifecycleStatus="active", description={"text": "x"}, subject={"reference": own_patient})
    assert [one for one in seen if one in own] == own
    assert len(seen) == len(set(seen))


def test_start_and_end_ask_for_the_date_of_care(client, record):
    own_patient, own, _ = record
    url = f"/{own_patient}/$everything?_type=Observation"
    assert len(resources(client.get(f"{url}&start=2026-02-10&end=2026-04"))) == 3
    assert len(resources(client.get(f"{url}&start=2026-02-11"))) == 3
    assert len(resources(client.get(f"{url}&end=2026-02-09"))) == 1
    undated = resources(client.get(f"/{own_patient}/$everything?start=2030-01-01"))
    assert undated == [own_patient, *(one for one in own if one.startswith("Goal"))]


def test_only_what_was_stored_since_an_instant(client, record, store):
    own_patient, *_ = record
    goal = store(
        "Goal", lifecycleStatus="active", description={"text": "x"}, subject={"reference": own_patient}
    )
    deadline = time.monotonic() + 20
    found = []
    while not found and time.monotonic() < deadline:  # held back while an older transaction is open
        answer = client.get(f"/{own_patient}/$everything", params={"_since": goal["meta"]["lastUpdated"]})
        found = resources(answer)
    assert found == [f"Goal/{goal['id']}"]


def test_of_a_type_that_is_not_kept_here_there_is_nothing(client):
    assert resources(client.get("/Patient/pat-1/$everything?_type=Device,Immunization")) == []
    both = "/Patient/pat-1/$everything?_type=Device,Patient"
    assert resources(client.get(both)) == resources(client.get("/Patient/pat-1/$everything?_type=Patient"))


def test_only_the_types_asked_for(client, record):
    own_patient, own, linked = record
    assert resources(client.get(f"/{own_patient}/$everything?_type=Goal")) == [own[0]]
    assert resources(client.get(f"/{own_patient}/$everything?_type=Organization,Patient")) == [
        own_patient,
        linked[0],
    ]


def test_only_what_the_caller_may_see(practice, record):
    own_patient, own, _ = record
    with practice.operator("system/Patient.r system/Goal.rs system/Practitioner.r") as client:
        assert resources(client.get(f"/{own_patient}/$everything")) == [own_patient, own[0]]
    with practice.operator(
        "system/Patient.r system/Observation.rs?code=b system/PractitionerRole.r"
    ) as client:
        assert resources(client.get(f"/{own_patient}/$everything")) == [own_patient]
    with practice.operator("system/Patient.r?gender=male") as client:
        assert client.get(f"/{own_patient}/$everything").status_code == 404


def test_it_can_be_stored_again_as_one_transaction(client, record):
    own_patient, *_ = record
    entries = [
        {
            "resource": entry["resource"],
            "request": {
                "method": "PUT",
                "url": f"{entry['resource']['resourceType']}/{entry['resource']['id']}",
            },
        }
        for entry in client.get(f"/{own_patient}/$everything").json()["entry"]
    ]
    answer = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert {entry["response"]["status"][:3] for entry in answer.json()["entry"]} == {"200"}


def test_a_text_that_looks_like_a_reference_leads_nowhere(client, store, patient):
    other = store("Practitioner", id=str(uuid4()))
    told = f'"reference":"Practitioner/{other["id"]}"'
    store("Observation", **observation(patient, "a", None, note=[{"text": told}]))
    assert f"Practitioner/{other['id']}" not in resources(client.get(f"/Patient/{patient['id']}/$everything"))


def test_every_type_of_a_record_with_a_date_has_a_date_of_care():
    for name in set(RECORD) - {"Patient", "RelatedPerson", "Group", "Coverage"}:
        columns = {one.column for one in parameters(name).values() if one.store == "column"}
        assert not columns or set(CARE_DATES[name]) <= columns
    assert not CARE_DATES.keys() & WITHOUT_PATIENT
