"""Which operations there are, where, by which method, and what they take."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from operations_kit import audited, issue, parameters

from models.definitions import RESOURCE_TYPES
from models.errors import MethodNotAllowed, NotFound
from service.interaction import Name, interpret
from service.operations.catalogue import LEVELS, OPERATIONS, offered
from service.operations.deeds import DEEDS

PLACES = {"system": "", "type": "/{}", "instance": "/{}/x"}


@pytest.mark.parametrize(
    "path",
    [
        "/$nothing",
        "/$validate",
        "/Patient/$nothing",
        "/Patient/$everything",
        "/Observation/1/$everything",
        "/Observation/$match",
        "/Patient/$lastn",
        "/Patient/1/$docref",
        "/Patient/1/_history/1/$meta",
        "/Nothing/$meta",
        "/Patient/a_b/$meta",
        "/metadata/$meta",
        "/_history/$meta",
        "/Patient/_history/$meta",
        "/$meta/Patient",
    ],
)
def test_there_is_no_operation_where_none_is_offered(path):
    with pytest.raises(NotFound):
        interpret("POST", path)


@pytest.mark.parametrize("name", [name for name, row in OPERATIONS.items() if "GET" not in row.methods])
def test_an_operation_that_changes_something_or_needs_a_resource_is_not_offered_by_get(name):
    row = OPERATIONS[name]
    place = PLACES[row.levels[-1]].format((row.types or RESOURCE_TYPES)[0])
    with pytest.raises(MethodNotAllowed) as refused:
        interpret("GET", f"{place}/{name}")
    assert refused.value.headers == {"Allow": "POST"}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_no_operation_is_offered_by_another_method(client, method):
    answer = client.request(method, "/Patient/x/$meta", json={})
    assert issue(answer, 405)["code"] == "not-supported"
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_offered_at_its_levels(name):
    row = OPERATIONS[name]
    for level in row.levels:
        for resource_type in row.types or RESOURCE_TYPES:
            for method in row.methods_at(level):
                found = interpret(method, f"{PLACES[level].format(resource_type)}/{name}")
                assert (found.name, found.operation) == (Name.OPERATION, name)
                assert found.title == name


def test_every_operation_has_a_deed():
    assert DEEDS.keys() == OPERATIONS.keys()
    assert all(set(row.levels) <= set(LEVELS) for row in OPERATIONS.values())


def test_the_capability_statement_names_every_operation(client):
    rest = client.get("/metadata").json()["rest"][0]
    told = {one["type"]: one["operation"] for one in rest["resource"]} | {"": rest["operation"]}
    assert told == {
        name: [{"name": row.name[1:], "definition": row.url} for row in offered(name)]
        for name in ("", *RESOURCE_TYPES)
    }


@pytest.mark.parametrize(
    ("url", "code", "expression"),
    [
        ("/Patient/pat-1/$everything?start=yesterday", "invalid", "http.start"),
        ("/Patient/pat-1/$everything?_count=0", "invalid", "http._count"),
        ("/Patient/pat-1/$everything?_count=1&_count=2", "invalid", "http._count"),
        ("/Patient/pat-1/$everything?_types=Goal", "not-supported", "http._types"),
        ("/Patient/pat-1/$everything?%00=1", "not-supported", "Parameters.parameter"),
        ("/Patient/pat-1/$validate?resource=x", "not-supported", "http.resource"),
        ("/DocumentReference/$docref", "required", "Parameters.parameter"),
        ("/DocumentReference/$docref?patient=a/b", "invalid", "http.patient"),
        ("/$meta?x=1", "not-supported", "http.x"),
    ],
)
def test_a_parameter_that_is_unknown_missing_or_unreadable_is_refused(client, url, code, expression):
    found = issue(client.get(url), 400)
    assert (found["code"], found["expression"]) == (code, [expression])
    assert "yesterday" not in json.dumps(found)


@pytest.mark.parametrize(
    ("body", "expression"),
    [
        ({"resourceType": "Patient"}, "Parameters"),
        ({"resourceType": "Parameters", "parameter": {}}, "Parameters.parameter"),
        ({"resourceType": "Parameters", "parameter": [1]}, "Parameters.parameter"),
        (parameters(start__valueDate=[]), "Parameters.parameter[0]"),
        (parameters(start__valueDate="soon"), "Parameters.parameter[0]"),
        (parameters(start=1), "Parameters.parameter[0]"),
        (parameters(resource={"resourceType": "Patient"}), "Parameters.parameter[0]"),
        ({"resourceType": "Parameters", "parameter": [{"valueDate": "2026-01-01"}]}, "Parameters.parameter"),
    ],
)
def test_parameters_that_cannot_be_read_are_refused_with_their_place(client, body, expression):
    assert issue(client.post("/Patient/pat-1/$everything", json=body), 400)["expression"] == [expression]


def test_a_body_that_is_not_fhir_json_is_refused(client):
    headers = {"Content-Type": "text/plain"}
    assert issue(client.post("/Patient/pat-1/$everything", content="x", headers=headers), 415)


def test_parameters_may_stand_in_the_url_the_body_or_nowhere(client):
    url = "/Patient/pat-1/$everything"
    by_url = client.get(f"{url}?_type=Goal&_format=json").json()
    by_body = client.post(url, json=parameters(_type__valueString="Goal")).json()
    assert by_url["entry"] == by_body["entry"]
    by_nothing = client.post(url, headers={"Content-Type": ""})
    assert by_nothing.json()["entry"] == client.get(url).json()["entry"]


@pytest.mark.parametrize(
    ("method", "url", "scope", "name", "status"),
    [
        ("GET", "/Patient/pat-1/$everything", "system/Patient.r", "$everything", 200),
        ("GET", "/Patient/nobody/$everything", "system/Patient.r", "$everything", 404),
        ("GET", "/Patient/pat-1/$everything", "system/Goal.r", "$everything", 403),
        ("GET", "/Observation/$lastn?patient=pat-1", "system/Goal.r", "$lastn", 403),
        ("GET", "/DocumentReference/$docref?patient=pat-1", "system/DocumentReference.r", "$docref", 403),
        ("POST", "/Patient/$match", "system/Patient.r", "$match", 400),
        ("POST", "/Patient/$validate", "system/Patient.ruds", "$validate", 403),
        ("GET", "/Patient/pat-1/$meta", "system/Goal.r", "$meta", 403),
        ("GET", "/Patient/$meta", "system/Goal.r", "$meta", 403),
        ("POST", "/Patient/pat-1/$meta-add", "system/Patient.r", "$meta-add", 400),
        ("POST", "/Patient/pat-1/$meta-delete", "system/Patient.r", "$meta-delete", 400),
    ],
)
def test_an_audit_record_under_its_own_name_is_left_by(practice, method, url, scope, name, status):
    request_id = str(uuid4())
    with practice.operator(scope) as client:
        answer = client.request(method, url, headers={"X-Request-Id": request_id})
    assert answer.status_code == status, answer.text
    assert audited(practice, request_id) == [(name, status)]


def test_without_a_token_no_operation_is_performed(server):
    with server.http() as http:
        assert http.get("/fhir/Patient/pat-1/$everything").status_code == 401
        assert http.get("/fhir/$meta").status_code == 401


def test_the_figures_name_the_operation_and_no_id(client, server):
    client.get("/Patient/pat-1/$everything")
    with server.http() as http:
        assert "$everything Patient" in http.get("/metrics").text


def test_entries_of_a_batch_call_operations(client):
    entries = [
        {"request": {"method": "GET", "url": "Patient/pat-1/$everything?_type=Patient"}},
        {"request": {"method": "POST", "url": "Patient/$validate"}, "resource": {"resourceType": "Patient"}},
        {"request": {"method": "GET", "url": "Patient/pat-1/$meta-add"}},
        {"request": {"method": "GET", "url": "Patient/pat-1/$nothing"}},
    ]
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["200", "200", "405", "404"]
    assert answer["entry"][0]["resource"]["entry"][0]["resource"]["id"] == "pat-1"
    assert answer["entry"][1]["resource"]["resourceType"] == "OperationOutcome"
