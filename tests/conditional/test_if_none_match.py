"""``If-None-Match`` on an update: store only what is not there yet, through a real server.

Source: https://hl7.org/fhir/R5/http.html#upsert, https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
"""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest


@pytest.fixture(scope="module")
def client(server):
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture
def put(client):
    key = uuid4().hex

    def put(tag, name="x"):
        document = {"resourceType": "Organization", "id": key, "name": name}
        return client.put(f"/Organization/{key}", json=document, headers={"If-None-Match": tag})

    return put


@pytest.mark.parametrize("tag", ["1", '"x"', '"0"', '*, W/"1"', ""])
def test_what_is_no_entity_tag_is_refused(put, tag):
    answer = put(tag)
    assert answer.status_code == 400
    assert "If-None-Match" in answer.json()["issue"][0]["details"]["text"]


def test_a_resource_that_is_there_is_not_overwritten(client, put):
    assert put("*").status_code == 201
    refused = put("*", "other")
    assert refused.status_code == 412
    assert refused.json()["issue"][0]["code"] == "conflict"
    assert put('W/"2", W/"1"', "other").status_code == 412
    assert put('W/"2"', "other").status_code == 200
    assert put('W/"2"', "another").status_code == 412


def test_a_deleted_resource_is_created_anew(client, put):
    key = put("*").json()["id"]
    assert client.delete(f"/Organization/{key}").status_code == 204
    assert put("*").status_code == 201


def test_of_many_who_create_the_same_resource_at_once_one_does(put):
    with ThreadPoolExecutor(8) as threads:
        found = sorted(threads.map(lambda number: put("*", f"name {number}").status_code, range(8)))
    assert found == [201] + [412] * 7


def test_an_entry_of_a_transaction_may_rule_out_what_is_there(client, put):
    key = put("*").json()["id"]
    request = {"method": "PUT", "url": f"Organization/{key}", "ifNoneMatch": "*"}
    entry = {"resource": {"resourceType": "Organization", "id": key, "name": "y"}, "request": request}
    answer = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert answer.status_code == 412
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[0]"]
