"""Creations of a transaction that wait to be sent together: found by whoever looks, undone with it."""

from uuid import uuid4

import pytest

SYSTEM = "https://gathered.example/id"


@pytest.fixture(scope="module")
def client(server):
    with server.client("admin", "system/*.cruds") as client:
        yield client


def organization(value, **members):
    return {"resourceType": "Organization", "identifier": [{"system": SYSTEM, "value": value}], **members}


def post(resource, **request):
    url = f"urn:uuid:{uuid4()}"
    request = {"method": "POST", "url": resource["resourceType"], **request}
    return {"fullUrl": url, "resource": resource, "request": request}


def get(url):
    return {"request": {"method": "GET", "url": url}}


def send(client, *entries):
    return client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": list(entries)})


def total(client, value):
    return client.get(f"/Organization?identifier={SYSTEM}|{value}&_summary=count").json()["total"]


def test_entries_with_the_same_criteria_are_refused(client):
    value = uuid4().hex
    criteria = f"identifier={SYSTEM}|{value}"
    answer = send(client, *(post(organization(value), ifNoneExist=criteria) for _ in range(3)))
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
    assert total(client, value) == 0


def test_a_search_in_the_same_transaction_finds_what_was_created(client):
    value = uuid4().hex
    answer = send(
        client,
        get(f"Organization?identifier={SYSTEM}|{value}"),
        *(post(organization(value, name=f"n{number}")) for number in range(5)),
    )
    assert len(answer.json()["entry"][0]["resource"]["entry"]) == 5


def test_what_waits_is_undone_with_the_transaction(client):
    value = uuid4().hex
    broken = post({"resourceType": "Observation", "status": "final", "code": {"text": "x"}})
    broken["resource"]["subject"] = {"reference": "Patient/is-not-there"}
    answer = send(client, *(post(organization(value)) for _ in range(5)), broken)
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[5].resource.subject.reference"]
    assert total(client, value) == 0


def test_a_thousand_creations_are_one_transaction_and_answer_in_their_order(client):
    value = uuid4().hex
    entries = [post(organization(value, name=f"n{number}")) for number in range(1_000)]
    answer = send(client, *entries)
    assert answer.status_code == 200
    assert total(client, value) == 1_000
    for number in (0, 499, 999):
        response = answer.json()["entry"][number]["response"]
        assert response["status"] == "201 Created"
        stored = client.get(response["location"].partition("/_history")[0])
        assert stored.json()["name"] == f"n{number}"
        assert stored.json()["meta"]["lastUpdated"] == response["lastModified"]


def test_what_is_only_validated_in_a_transaction_is_not_stored_with_it(client):
    value = uuid4().hex
    validated = {
        "resource": organization(value),
        "request": {"method": "POST", "url": "Organization/$validate"},
    }
    answer = send(client, post(organization(value)), validated)
    assert answer.status_code == 200
    assert answer.json()["entry"][1]["resource"]["resourceType"] == "OperationOutcome"
    assert total(client, value) == 1
