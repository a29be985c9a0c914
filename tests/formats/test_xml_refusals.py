"""Failures on a server that speaks XML: told in the format that was asked for, whoever refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import harness
import httpx
import pytest
from formats_kit import AS_XML, JSON_OUT, PATIENT, XML, issue, read

from models.xml import to_xml

PATIENT_TAG = b'<Patient xmlns="http://hl7.org/fhir">'


def test_who_has_no_token_is_told_so_in_xml(anybody: httpx.Client) -> None:
    answer = anybody.get("/Patient/x", headers={"Accept": XML})
    assert issue(answer, 401) == ("login", None)
    assert answer.headers["www-authenticate"]


def test_who_has_no_scope_is_told_so_in_xml(server: harness.Server) -> None:
    with server.client("admin", "system/Flag.r") as client:
        assert issue(client.get("/Patient/x?_format=xml"), 403)[0] == "forbidden"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/Patient/none", 404, "not-found"),
        ("GET", "/Nothing", 404, "not-found"),
        ("PUT", "/metadata", 405, "not-supported"),
        ("GET", "/Patient?birthdate=never", 400, "invalid"),
        ("GET", "/Patient?_pretty=maybe", 400, "invalid"),
    ],
)
def test_a_failure_is_told_in_the_format_that_was_asked_for(
    method: str, path: str, status: int, code: str, operator: httpx.Client
) -> None:
    assert issue(operator.request(method, path, headers={"Accept": XML}), status)[0] == code
    sign = "&" if "?" in path else "?"
    assert issue(operator.request(method, f"{path}{sign}_format=xml"), status)[0] == code
    plain = operator.request(method, path)
    assert plain.headers["content-type"] == JSON_OUT
    assert plain.json()["issue"][0]["code"] == code


def test_outside_fhir_and_for_browsers_failures_are_told_in_xml_too(
    server: harness.Server, operator: httpx.Client
) -> None:
    headers = {"Accept": XML, "Origin": "https://app.example"}
    assert issue(httpx.get(f"{server.base_url}/nowhere", headers=headers), 404) == ("not-found", None)
    assert issue(httpx.put(f"{server.base_url}/health/live", headers=headers), 405)[0] == "not-supported"
    assert issue(operator.get("/Patient/none", headers=headers), 404) == ("not-found", None)


@pytest.mark.parametrize("sent", [{"headers": {"Accept": "text/turtle"}}, {"params": {"_format": "ttl"}}])
def test_what_is_not_offered_is_refused_in_json_before_anything_is_stored(
    sent: dict[str, Any], operator: httpx.Client
) -> None:
    family = uuid4().hex
    answer = operator.post("/Patient", json={"resourceType": "Patient", "name": [{"family": family}]}, **sent)
    assert (answer.status_code, answer.headers["content-type"]) == (406, JSON_OUT)
    assert answer.json()["issue"][0]["code"] == "not-supported"
    assert operator.get(f"/Patient?family={family}&_total=accurate").json()["total"] == 0


@pytest.mark.parametrize(
    "content_type", [f"{XML}; charset=utf-16", "application/fhir+turtle", "application/xml-patch+xml"]
)
def test_a_body_of_another_type_is_refused_in_xml(content_type: str, operator: httpx.Client) -> None:
    answer = operator.post(
        "/Patient", content=to_xml(PATIENT), headers={**AS_XML, "Content-Type": content_type}
    )
    assert issue(answer, 415) == ("not-supported", None)
    patched = operator.patch(
        "/Patient/x", content=b"<x/>", headers={**AS_XML, "Content-Type": "application/xml-patch+xml"}
    )
    assert issue(patched, 415) == ("not-supported", None)


@pytest.mark.parametrize(
    ("body", "code", "expression"),
    [
        (b"", "structure", None),
        (b"<Patient", "structure", None),
        (b'{"resourceType":"Patient"}', "structure", None),
        (PATIENT_TAG + b'<secret value="s3cr3t"/></Patient>', "structure", "Patient.secret"),
        (PATIENT_TAG + b'<active value="s3cr3t"/></Patient>', "value", "Patient.active"),
        (PATIENT_TAG + b'<gender value="s3cr3t"/></Patient>', "code-invalid", "Patient.gender"),
        (b'<!DOCTYPE x [<!ENTITY e "s3cr3t">]><Patient xmlns="http://hl7.org/fhir"/>', "structure", None),
        (b'<Flag xmlns="http://hl7.org/fhir"/>', "structure", "Patient.resourceType"),
    ],
)
def test_a_malformed_body_is_refused_with_its_findings(
    body: bytes, code: str, expression: str | None, operator: httpx.Client
) -> None:
    answer = operator.post("/Patient", content=body, headers=AS_XML)
    assert answer.status_code == 400, answer.text
    found = read(answer)["issue"]
    assert (code, expression) in {(one["code"], one.get("expression", [None])[0]) for one in found}
    assert b"s3cr3t" not in answer.content


def test_every_finding_of_a_body_is_told_at_once(operator: httpx.Client) -> None:
    body = PATIENT_TAG + b'<active value="x"/><nothing/><deceasedBoolean value="y"/></Patient>'
    answer = operator.post("/Patient", content=body, headers=AS_XML)
    places = {one["expression"][0] for one in read(answer)["issue"]}
    assert answer.status_code == 400
    assert places == {"Patient.active", "Patient.nothing", "Patient.deceasedBoolean"}


def test_a_large_body_that_is_malformed_is_refused_with_its_findings(operator: httpx.Client) -> None:
    padding = b"<!-- " + b"x" * 100_000 + b" -->"
    answer = operator.post(
        "/Patient", content=PATIENT_TAG + padding + b"<nothing/></Patient>", headers=AS_XML
    )
    assert issue(answer, 400) == ("structure", "Patient.nothing")
