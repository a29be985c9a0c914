"""Patches of both kinds over HTTP: what each refusal is, and that what is sent stays as it was sent.

Source: https://hl7.org/fhir/R4/http.html#patch, https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

import json

import pytest
from conformance_kit import JSON_PATCH, patient, refusal, stored
from patch_kit import add, delete, operation, part, path, replace

BORN = {"birthDate": "1984-02", "deceasedDateTime": "2026-01-01T10:00:00.100+02:00", "active": True}


@pytest.fixture
def ada(client):
    return stored(client, patient(**BORN))


def by_json(client, document, operations):
    body = operations if isinstance(operations, bytes) else json.dumps(operations).encode()
    return client.patch(f"/Patient/{document['id']}", content=body, headers=JSON_PATCH)


def by_fhirpath(client, document, *operations):
    body = {"resourceType": "Parameters", "parameter": list(operations)}
    return client.patch(f"/Patient/{document['id']}", json=body)


REFUSED_JSON = {
    "nothing": (b"", "structure", None),
    "no JSON": (b"[", "structure", None),
    "no list": ({}, "invalid", None),
    "an unknown operation": ([{"op": "change", "path": "/active"}], "invalid", None),
    "a path to nothing": ([{"op": "replace", "path": "/gender", "value": "other"}], "invalid", None),
    "the id": ([{"op": "replace", "path": "/id", "value": "x"}], "invalid", None),
    "the version": ([{"op": "replace", "path": "/meta/versionId", "value": "7"}], "invalid", None),
    "the instant": ([{"op": "remove", "path": "/meta/lastUpdated"}], "invalid", None),
    "the type": ([{"op": "replace", "path": "/resourceType", "value": "Group"}], "invalid", None),
    "the whole": ([{"op": "replace", "path": "", "value": {"resourceType": "Patient"}}], "invalid", None),
    "a test that fails": ([{"op": "test", "path": "/active", "value": False}], "invalid", None),
    "a value of another type": (
        [{"op": "replace", "path": "/active", "value": "yes"}],
        "structure",
        "Patient.active",
    ),
    "an element that is not there": (
        [{"op": "add", "path": "/nickname", "value": "x"}],
        "structure",
        "Patient.nickname",
    ),
    "an invalid result": (
        [{"op": "add", "path": "/gender", "value": "m"}],
        "code-invalid",
        "Patient.gender",
    ),
}


@pytest.mark.parametrize("case", REFUSED_JSON)
def test_a_json_patch_is_refused_for(client, ada, case):
    operations, code, expression = REFUSED_JSON[case]
    refusal(by_json(client, ada, operations), 400, code, expression)
    assert client.get(f"/Patient/{ada['id']}").json() == ada


REFUSED_FHIRPATH = {
    "an element that is there already": add("Patient", "active", {"valueBoolean": False}),
    "the id": replace("Patient.id", {"valueId": "x"}),
    "the version": replace("Patient.meta.versionId", {"valueId": "7"}),
    "a path to nothing": replace("Patient.gender", {"valueCode": "other"}),
    "an element that is not there": replace("Patient.nickname", {"valueString": "x"}),
    "a value of another type": replace("Patient.active", {"valueString": "yes"}),
    "an unknown operation": operation("change", path("Patient.active")),
    "an operation without a path": operation("delete"),
    "a part that is not known": operation("delete", path("Patient.active"), part("why", "because")),
}


@pytest.mark.parametrize("case", REFUSED_FHIRPATH)
def test_a_fhirpath_patch_is_refused_for(client, ada, case):
    answer = by_fhirpath(client, ada, REFUSED_FHIRPATH[case])
    refusal(answer, 400, "invalid", "Parameters.parameter[0]")
    assert client.get(f"/Patient/{ada['id']}").json() == ada


def test_a_fhirpath_patch_with_an_invalid_result_is_refused(client, ada):
    answer = by_fhirpath(client, ada, add("Patient", "gender", {"valueCode": "m"}))
    refusal(answer, 400, "code-invalid", "Patient.gender")


@pytest.mark.parametrize("kind", [by_json, by_fhirpath])
def test_a_patch_of_what_is_not_there_is_refused(client, ada, kind, value):
    operations = [{"op": "remove", "path": "/active"}] if kind is by_json else delete("Patient.active")
    refusal(kind(client, {"id": value}, operations), 404, "not-found")
    client.delete(f"/Patient/{ada['id']}")
    refusal(kind(client, ada, operations), 410, "deleted")


def test_a_body_that_is_no_patch_is_refused(client, ada):
    url = f"/Patient/{ada['id']}"
    refusal(client.patch(url, json=ada), 400, "invalid")
    text = {"Content-Type": "text/plain"}
    refusal(client.patch(url, content=b"[]", headers=text), 415, "not-supported")


def test_a_json_patch_is_applied(client, ada):
    answer = by_json(
        client, ada, [{"op": "test", "path": "/active", "value": True}, {"op": "remove", "path": "/active"}]
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert "active" not in answer.json()


def test_a_fhirpath_patch_is_applied(client, ada):
    answer = by_fhirpath(
        client, ada, delete("Patient.active"), add("Patient", "gender", {"valueCode": "other"})
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert (answer.json()["gender"], "active" in answer.json()) == ("other", False)


def test_dates_keep_their_offset_and_precision(client, ada):
    for answer in (
        by_json(client, ada, [{"op": "replace", "path": "/active", "value": False}]),
        by_fhirpath(client, ada, replace("Patient.active", {"valueBoolean": True})),
    ):
        assert answer.json()["deceasedDateTime"] == BORN["deceasedDateTime"]
        assert answer.json()["birthDate"] == "1984-02"
    changed = [{"op": "replace", "path": "/deceasedDateTime", "value": "2026-01-01T10:00:00.000-05:00"}]
    assert by_json(client, ada, changed).json()["deceasedDateTime"] == "2026-01-01T10:00:00.000-05:00"


@pytest.mark.parametrize("kind", [by_json, by_fhirpath])
def test_a_patch_that_changes_nothing_makes_no_version(client, ada, kind):
    answer = by_json(client, ada, []) if kind is by_json else by_fhirpath(client, ada)
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"1"')
