"""``$meta`` shows labels; ``$meta-add`` and ``$meta-delete`` change them by an ordinary update."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from operations_kit import audited, issue, parameters

SYSTEM = "https://labels.example"


@pytest.fixture
def unique():
    return uuid4().hex


@pytest.fixture
def patient(store, unique):
    return store("Patient", meta={"tag": [{"system": SYSTEM, "code": f"Own-{unique}"}]}, active=True)


def tag(code):
    return {"system": SYSTEM, "code": code}


def meta(answer):
    assert answer.status_code == 200, answer.text
    (parameter,) = answer.json()["parameter"]
    assert parameter["name"] == "return"
    return parameter["valueMeta"]


def test_an_unknown_resource_has_no_labels(client):
    assert issue(client.get("/Patient/nobody/$meta"), 404)["code"] == "not-found"
    body = parameters(meta__valueMeta={"tag": [tag("x")]})
    assert issue(client.post("/Patient/nobody/$meta-add", json=body), 404)["code"] == "not-found"


@pytest.mark.parametrize(
    ("sent", "expression"),
    [
        ({"tag": [{"code": 1}]}, "Parameters.parameter[0].valueMeta.tag[0].code"),
        ({"tag": {}}, "Parameters.parameter[0].valueMeta.tag"),
        ({"profile": ["a b"]}, "Parameters.parameter[0].valueMeta.profile[0]"),
        ({"unknown": 1}, "Parameters.parameter[0].valueMeta.unknown"),
    ],
)
def test_labels_that_are_not_valid_are_refused_with_their_place(client, patient, sent, expression):
    body = parameters(meta__valueMeta=sent)
    assert issue(client.post(f"/Patient/{patient['id']}/$meta-add", json=body), 400)["expression"] == [
        expression
    ]
    assert client.get(f"/Patient/{patient['id']}").json()["meta"]["versionId"] == "1"


def test_without_labels_the_request_is_refused(client, patient):
    url = f"/Patient/{patient['id']}/$meta-add"
    assert issue(client.post(url), 400)["code"] == "required"
    twice = {"resourceType": "Parameters", "parameter": parameters(meta__valueMeta={})["parameter"] * 2}
    assert issue(client.post(url, json=twice), 400)["code"] == "structure"


def test_a_resource_shows_its_labels(client, patient, unique):
    assert meta(client.get(f"/Patient/{patient['id']}/$meta"))["tag"] == [tag(f"Own-{unique}")]


def test_added_labels_make_a_new_version_once(client, patient, unique):
    url = f"/Patient/{patient['id']}/$meta-add"
    body = parameters(meta__valueMeta={"tag": [tag("x"), tag("x")], "profile": ["https://labels.example/p"]})
    added = meta(client.post(url, json=body))
    assert [one["code"] for one in added["tag"]] == [f"Own-{unique}", "x"]
    assert (added["profile"], added["versionId"]) == (["https://labels.example/p"], "2")
    assert meta(client.post(url, json=body)) == added
    stored = client.get(f"/Patient/{patient['id']}").json()
    assert stored["meta"] == added
    assert stored["active"] is True
    found = client.get(f"/Patient?_tag={SYSTEM}|x&_id={patient['id']}").json()
    assert len(found["entry"]) == 1


def test_deleted_labels_are_gone_and_an_unknown_one_is_no_error(client, patient, unique):
    body = parameters(meta__valueMeta={"tag": [tag(f"Own-{unique}"), tag("never")]})
    left = meta(client.post(f"/Patient/{patient['id']}/$meta-delete", json=body))
    assert "tag" not in left
    assert left["versionId"] == "2"


def test_labels_of_many_at_once_are_all_kept(client, patient):
    url = f"/Patient/{patient['id']}/$meta-add"

    def add(number):
        return client.post(url, json=parameters(meta__valueMeta={"tag": [tag(f"n{number}")]})).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(add, range(4)))
    held = {one["code"] for one in meta(client.get(f"/Patient/{patient['id']}/$meta"))["tag"]}
    assert {f"n{number}" for number, status in enumerate(statuses) if status == 200} <= held
    assert set(statuses) <= {200, 409}


def test_a_version_that_is_not_the_newest_is_refused(client, patient):
    body = parameters(meta__valueMeta={"tag": [tag("x")]})
    answer = client.post(f"/Patient/{patient['id']}/$meta-add", json=body, headers={"If-Match": 'W/"7"'})
    assert issue(answer, 412)["code"] == "conflict"


def test_the_update_is_audited_beside_the_operation(client, practice, patient):
    request_id = str(uuid4())
    body = parameters(meta__valueMeta={"tag": [tag("x")]})
    client.post(f"/Patient/{patient['id']}/$meta-add", json=body, headers={"X-Request-Id": request_id})
    assert audited(practice, request_id) == [("update", 200), ("$meta-add", 200)]


def test_a_scope_that_would_no_longer_cover_the_resource_is_refused(practice, patient, unique):
    with practice.operator(f"system/Patient.u?_tag={SYSTEM}|Own-{unique}") as client:
        body = parameters(meta__valueMeta={"tag": [tag(f"Own-{unique}")]})
        assert client.post(f"/Patient/{patient['id']}/$meta-delete", json=body).status_code == 403


def test_the_labels_in_use_are_those_of_what_the_caller_may_see(client, practice, patient, unique):
    mine = tag(f"Own-{unique}")
    assert mine in meta(client.get("/Patient/$meta"))["tag"]
    assert mine in meta(client.get("/$meta"))["tag"]
    with practice.operator("system/Patient.rs?gender=male system/Goal.rs") as other:
        for url in ("/$meta", "/Patient/$meta"):
            assert mine not in meta(other.get(url)).get("tag", [])


def test_two_entries_of_a_transaction_that_write_the_same_resource_are_refused(client, patient):
    label = {"request": {"method": "POST", "url": f"Patient/{patient['id']}/$meta-add"}}
    label["resource"] = parameters(meta__valueMeta={"tag": [tag("x")]})
    update = {"request": {"method": "PUT", "url": f"Patient/{patient['id']}"}, "resource": patient}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [label, update]}
    assert client.post("", json=bundle).status_code == 400
    bundle["entry"] = [label]
    assert client.post("", json=bundle).status_code == 200
    assert client.get(f"/Patient/{patient['id']}").json()["meta"]["versionId"] == "2"


def test_where_no_labels_are_in_use_the_answer_says_so(client):
    """The answer must have a Meta, and no element may be empty."""
    told = meta(client.get("/RiskAssessment/$meta"))
    (extension,) = told["extension"]
    assert told == {"extension": [extension]}
    assert extension["url"].endswith("/data-absent-reason")
    assert extension["valueCode"] == "not-applicable"
