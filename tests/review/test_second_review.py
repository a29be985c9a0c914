"""What a hostile reader of the second round found, each as the request that showed it."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.document import parse, serialize
from service.references import links, literals


@pytest.fixture(scope="module")
def client(server):
    with server.client("admin", "system/*.cruds") as client:
        client.timeout = 90
        yield client


@pytest.fixture
def patient(client):
    return client.post("/Patient", json={"resourceType": "Patient", "name": [{"family": "Kept"}]}).json()


def observation(reference, **members):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": reference, "display": "z"},
        **members,
    }


def first(answer, status):
    assert answer.status_code == status, answer.text
    return answer.json()["issue"][0]


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8) | st.sampled_from(
    ['a"b', "x\\", '\\"', 'x\\","reference":"y', "Patient/1"]
)
VALUES = st.recursive(
    st.fixed_dictionaries({"reference": TEXT}) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "reference", "b"]), inner)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["subject", "reference", "x"]), VALUES))
def test_the_references_read_from_the_text_are_those_of_the_document(document):
    read = parse(serialize(document))
    assert sorted(literals(read)) == sorted(link["reference"] for link in links(read))


@pytest.mark.parametrize(
    "reference", ["x\\", "Patient/x\\", 'Patient?name=x"y', 'Patient?identifier=http://x|a"b']
)
def test_a_reference_with_a_quote_or_a_backslash_is_no_fault_of_ours(client, reference):
    answer = client.post("/Observation", json=observation(reference))
    assert answer.status_code in {400, 422}
    assert answer.json()["issue"][0]["expression"] == ["Observation.subject.reference"]


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"name": [{"family": "x", "_id": {"extension": [{"url": "u", "valueCode": "c"}]}}]}, "name[0]._id"),
        ({"extension": [{"_url": {"id": "a"}}]}, "extension[0]._url"),
        ({"text": {"status": "empty", "_div": {"id": "a"}}}, "text._div"),
    ],
)
def test_what_xml_cannot_hold_is_refused(client, members, place):
    answer = client.post("/Patient", json={"resourceType": "Patient", **members})
    assert answer.status_code == 400
    assert f"Patient.{place}" in [issue.get("expression", [""])[0] for issue in answer.json()["issue"]]


def test_what_a_transaction_leaves_as_it_is_cannot_be_deleted_meanwhile(client):
    key = client.post("/Patient", json={"resourceType": "Patient"}).json()["id"]
    known = client.get(f"/Patient/{key}").json()
    entries = [
        {"resource": known, "request": {"method": "PUT", "url": f"Patient/{key}"}},
        {
            "resource": observation("Patient/" + key),
            "request": {"method": "POST", "url": "Observation"},
        },
        *(
            {
                "resource": {"resourceType": "Organization", "id": (name := uuid4().hex), "name": "x"},
                "request": {"method": "PUT", "url": f"Organization/{name}"},
            }
            for _ in range(600)
        ),
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    def delete(_):
        time.sleep(0.4)
        return client.delete(f"/Patient/{key}")

    with ThreadPoolExecutor(2) as threads:
        stored = threads.submit(client.post, "", json=bundle)
        deleted = threads.submit(delete, None)
        assert deleted.result().status_code in {204, 409}
        if stored.result().status_code == 200:
            assert client.get(f"/Patient/{key}").status_code == 200


def test_an_empty_object_does_not_take_an_array_with_it(client, patient):
    url = f"/Patient/{patient['id']}"
    headers = {"Content-Type": "application/merge-patch+json"}
    assert first(client.patch(url, content='{"name":{}}', headers=headers), 400)["expression"] == [
        "Patient.name"
    ]
    assert client.get(url).json()["name"] == [{"family": "Kept"}]
    assert client.patch(url, content='{"maritalStatus":{"text":null}}', headers=headers).status_code == 200


@pytest.mark.parametrize("media_type", ["application/merge-patch+json", "application/json-patch+json"])
def test_a_patch_is_one_json_value(client, patient, media_type):
    value = '{"gender":"male"}' if "merge" in media_type else "[]"
    answer = client.patch(
        f"/Patient/{patient['id']}", content=value + ',"x":1', headers={"Content-Type": media_type}
    )
    assert first(answer, 400)["code"] == "structure"


def test_the_references_of_a_summary_lead_to_its_entries(client, patient):
    answer = client.get(f"/DocumentReference/$docref?on-demand=true&patient={patient['id']}")
    data = answer.json()["entry"][0]["resource"]["content"][0]["attachment"]["data"]
    document = json.loads(base64.b64decode(data))
    places = {entry["fullUrl"] for entry in document["entry"]}
    assert document["entry"][0]["resource"]["subject"]["reference"] in places


def test_an_absolute_reference_to_what_the_same_transaction_stores_is_found(client, server):
    key = uuid4().hex
    entries = [
        {
            "resource": {"resourceType": "Patient", "id": key},
            "request": {"method": "PUT", "url": f"Patient/{key}"},
        },
        {
            "resource": observation(f"{server.fhir}/Patient/{key}"),
            "request": {"method": "POST", "url": "Observation"},
        },
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert client.post("", json=bundle).status_code == 200


def test_a_resource_with_arrays_without_end_is_refused_at_once(client):
    names = [{"family": "x"}] * 60_000
    before = time.monotonic()
    answer = client.post("/Patient", json={"resourceType": "Patient", "name": names})
    assert first(answer, 400)["code"] == "too-long"
    assert time.monotonic() - before < 10


def test_references_that_lead_nowhere_are_named_up_to_a_number(client):
    lost = [{"reference": f"Practitioner/none-{number}"} for number in range(150)]
    answer = client.post("/Patient", json={"resourceType": "Patient", "generalPractitioner": lost})
    assert answer.status_code == 422
    assert len(answer.json()["issue"]) == 101
    assert answer.json()["issue"][-1]["details"]["text"] == "50 more references lead nowhere."


def test_instants_grow_along_the_history_of_whoever_writes_by_criteria_and_by_id(client):
    system, value = "https://review.example/id", uuid4().hex
    sent = {"resourceType": "Organization", "identifier": [{"system": system, "value": value}]}
    key = client.post("/Organization", json=sent).json()["id"]

    def write(number):
        named = {**sent, "name": f"n{number}"}
        if number % 2:
            return client.put(f"/Organization?identifier={system}|{value}", json=named).status_code
        return client.put(f"/Organization/{key}", json={**named, "id": key}).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = set(threads.map(write, range(80)))
    assert statuses <= {200, 409}
    entries = client.get(f"/Organization/{key}/_history?_count=1000").json()["entry"]
    versions = [int(entry["resource"]["meta"]["versionId"]) for entry in entries]
    instants = [entry["resource"]["meta"]["lastUpdated"] for entry in entries]
    assert versions == list(range(len(versions), 0, -1))
    assert instants == sorted(instants, reverse=True)
