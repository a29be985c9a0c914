"""Patch through a real server: both kinds, in a bundle too, and what is refused."""

import base64
import json

import pytest

JSON_PATCH = "application/json-patch+json"
FHIR_JSON = "application/fhir+json"


@pytest.fixture(scope="module")
def client(server):
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture
def patient(client):
    answer = client.post(
        "/Patient", json={"resourceType": "Patient", "active": True, "birthDate": "1984-02-29"}
    )
    return answer.json()


def send(client, patient, patch, content_type=JSON_PATCH, **headers):
    body = patch if isinstance(patch, bytes) else json.dumps(patch).encode()
    address = f"/Patient/{patient['id']}"
    return client.patch(address, content=body, headers={"Content-Type": content_type, **headers})


def fhirpath(path, name, value):
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": path},
        {"name": "value", name: value},
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


def version(client, patient):
    return client.get(f"/Patient/{patient['id']}").headers["etag"]


@pytest.mark.parametrize(
    "patch",
    [
        b"",
        b"{",
        [{"op": "replace", "path": "/no/such", "value": 1}],
        [{"op": "replace", "path": "/id", "value": "other"}],
        [{"op": "test", "path": "/active", "value": False}],
        [{"op": "replace", "path": "/active", "value": "yes"}],
        [{"op": "add", "path": "/unknown", "value": 1}],
    ],
)
def test_a_patch_that_cannot_be_applied_is_refused_and_changes_nothing(client, patient, patch):
    answer = send(client, patient, patch)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert version(client, patient) == 'W/"1"'


def test_a_patch_of_another_content_type_is_refused(client, patient):
    assert send(client, patient, [], "application/xml-patch+xml").status_code == 415


def test_a_patch_of_a_version_that_is_not_the_newest_is_refused(client, patient):
    patch = [{"op": "replace", "path": "/active", "value": False}]
    assert send(client, patient, patch, **{"If-Match": 'W/"7"'}).status_code == 412
    assert version(client, patient) == 'W/"1"'


def test_a_patch_of_nothing_is_not_found_and_of_something_deleted_gone(client, patient):
    patch = [{"op": "replace", "path": "/active", "value": False}]
    assert send(client, {"id": "never-used"}, patch).status_code == 404
    client.delete(f"/Patient/{patient['id']}")
    assert send(client, patient, patch).status_code == 410


def test_a_json_patch_makes_a_new_version(client, patient):
    patch = [{"op": "replace", "path": "/active", "value": False}]
    answer = send(client, patient, patch, **{"If-Match": 'W/"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert answer.json()["active"] is False
    history = client.get(f"/Patient/{patient['id']}/_history").json()["entry"]
    assert history[0]["request"]["method"] == "PATCH"


@pytest.mark.parametrize("content_type", ["application/merge-patch+json", "application/json"])
def test_a_merge_patch_makes_a_new_version(client, patient, content_type):
    answer = send(client, patient, {"active": False, "birthDate": None}, content_type)
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert answer.json().keys() == {"resourceType", "id", "meta", "active"}


def test_a_whole_resource_is_no_merge_patch(client, patient):
    """Whoever sends one perhaps meant to replace what is there."""
    answer = send(client, patient, {"resourceType": "Patient", "active": False}, FHIR_JSON)
    assert (answer.status_code, version(client, patient)) == (400, 'W/"1"')


def test_a_fhirpath_patch_makes_a_new_version(client, patient):
    answer = send(client, patient, fhirpath("Patient.birthDate", "valueDate", "1985-01-02"), FHIR_JSON)
    assert (answer.status_code, answer.json()["birthDate"]) == (200, "1985-01-02")


def test_a_transaction_patches_with_a_binary_and_with_parameters(client, patient):
    data = base64.b64encode(json.dumps([{"op": "replace", "path": "/active", "value": False}]).encode())
    binary = {"resourceType": "Binary", "contentType": JSON_PATCH, "data": data.decode()}
    request = {"method": "PATCH", "url": f"Patient/{patient['id']}"}
    for resource in (binary, fhirpath("Patient.birthDate", "valueDate", "1985-01-02")):
        entry = {"resource": resource, "request": request}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        answer = client.post("", json=bundle)
        assert answer.json()["entry"][0]["response"]["status"] == "200 OK"
    patched = client.get(f"/Patient/{patient['id']}").json()
    assert (patched["active"], patched["birthDate"]) == (False, "1985-01-02")
