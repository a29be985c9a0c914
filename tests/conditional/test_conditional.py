"""Interactions that name their resource by search criteria, through a real server."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

SYSTEM = "https://conditional.example/id"


@pytest.fixture(scope="module")
def client(server):
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture
def value():
    return uuid4().hex


def organization(value, **members):
    return {"resourceType": "Organization", "identifier": [{"system": SYSTEM, "value": value}], **members}


def criteria(value):
    return f"Organization?identifier={SYSTEM}|{value}"


def found(client, value):
    return [entry["resource"] for entry in client.get(f"/{criteria(value)}").json().get("entry", [])]


@pytest.mark.parametrize("query", ["", "identifier=", "_tag="])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_criteria_that_would_mean_everything_are_refused(client, method, query, value):
    before = len(found(client, value))
    body = None if method == "DELETE" else organization(value)
    answer = client.request(
        method, f"/Organization?{query}", json=body, headers={"Content-Type": "application/fhir+json"}
    )
    assert answer.status_code == 412
    assert answer.json()["issue"][0]["code"] == "conflict"
    assert len(found(client, value)) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_criterion_that_is_not_understood_is_refused_and_not_ignored(client, method, value):
    client.post("/Organization", json=organization(value))
    body = None if method == "DELETE" else organization(value)
    answer = client.request(method, f"/{criteria(value)}&no-such=x", json=body)
    assert answer.status_code == 400
    assert len(found(client, value)) == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_criteria_that_several_resources_match_are_refused(client, method, value):
    for _ in range(2):
        client.post("/Organization", json=organization(value))
    body = None if method == "DELETE" else organization(value)
    assert client.request(method, f"/{criteria(value)}", json=body).status_code == 412
    assert len(found(client, value)) == 2


def test_an_update_whose_body_has_another_id_than_the_match_is_refused(client, value):
    client.post("/Organization", json=organization(value))
    answer = client.put(f"/{criteria(value)}", json=organization(value, id=uuid4().hex))
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Organization.id"]


def test_a_patch_of_what_nobody_matches_is_not_found(client, value):
    patch = [{"op": "add", "path": "/active", "value": True}]
    answer = client.patch(
        f"/{criteria(value)}", json=patch, headers={"Content-Type": "application/json-patch+json"}
    )
    assert answer.status_code == 404


def test_an_update_without_a_match_creates_and_with_one_updates(client, value):
    made = client.put(f"/{criteria(value)}", json=organization(value))
    again = client.put(f"/{criteria(value)}", json=organization(value, active=True))
    assert (made.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == made.json()["id"]
    assert again.headers["etag"] == 'W/"2"'


def test_an_update_without_a_match_keeps_the_clients_id(client, value):
    made = client.put(f"/{criteria(value)}", json=organization(value, id=value))
    assert made.status_code == 201
    assert made.json()["id"] == value


def test_a_deletion_without_a_match_is_no_error_and_with_one_deletes(client, value):
    made = client.post("/Organization", json=organization(value)).json()
    assert client.delete(f"/{criteria(value)}").status_code == 204
    assert client.get(f"/Organization/{made['id']}").status_code == 410
    assert client.delete(f"/{criteria(value)}").status_code == 204


def test_many_updates_by_the_same_criteria_at_once_create_one_resource(client, value):
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: client.put(f"/{criteria(value)}", json=organization(value, name=f"n{n}")), range(24)
            )
        )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 23 + [201]
    (only,) = found(client, value)
    assert only["meta"]["versionId"] == "24"
    history = client.get(f"/Organization/{only['id']}/_history?_count=100").json()["entry"]
    instants = [entry["response"]["lastModified"] for entry in history]
    assert instants == sorted(instants, reverse=True)


def test_a_transaction_updates_and_deletes_by_criteria(client, value):
    gone = client.post("/Organization", json=organization(f"{value}-gone")).json()
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{uuid4()}",
                "resource": organization(value),
                "request": {"method": "PUT", "url": criteria(value)},
            },
            {"request": {"method": "DELETE", "url": criteria(f"{value}-gone")}},
            {"request": {"method": "DELETE", "url": criteria(f"{value}-never")}},
        ],
    }
    answer = client.post("", json=bundle)
    assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == ["201", "204", "204"]
    assert len(found(client, value)) == 1
    assert client.get(f"/Organization/{gone['id']}").status_code == 410


def test_two_criteria_for_the_same_resource_in_one_transaction_are_refused(client, value):
    client.post("/Organization", json=organization(value, name="same"))
    entry = {"resource": organization(value), "request": {"method": "PUT", "url": criteria(value)}}
    other = {"request": {"method": "DELETE", "url": f"{criteria(value)}&name=same"}}
    answer = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry, other]})
    assert answer.status_code == 400
    assert len(found(client, value)) == 1
