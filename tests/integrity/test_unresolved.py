"""References to what has no address of its own: contained resources, entries of a transaction, identifiers.

Source: https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/references.html#contained
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from harness import Server

Document = dict[str, Any]
NOT_CONTAINED = "No contained resource has this id. (ref-1)"
OID = "urn:oid:2.16.840.1.113883.4.814.9"


@pytest.fixture(scope="module")
def operator(server: Server) -> Iterator[httpx.Client]:
    with server.client("admin", "system/*.cruds") as client:
        yield client


def observation(subject: str | Document, **members: Any) -> Document:
    found = {"resourceType": "Observation", "status": "final", "code": {"text": "pulse"}}
    named = {"reference": subject} if isinstance(subject, str) else subject
    return {**found, "subject": named, **members}


def urn() -> str:
    return f"urn:uuid:{uuid4()}"


def told(answer: httpx.Response, status: int = 422) -> list[tuple[str, str, str]]:
    assert answer.status_code == status, answer.text
    return [(one["code"], one["expression"][0], one["details"]["text"]) for one in answer.json()["issue"]]


def entry(document: Document, full_url: str = "", method: str = "POST", url: str = "") -> Document:
    request = {"method": method, "url": url or document["resourceType"]}
    return {"request": request, "resource": document, **({"fullUrl": full_url} if full_url else {})}


def bundle(kind: str, *entries: Document) -> Document:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def test_a_contained_resource_that_is_not_there_is_refused(operator: httpx.Client) -> None:
    contained = [{"resourceType": "Patient", "id": "one"}]
    answer = operator.post("/Observation", json=observation("#two", contained=contained))
    assert ("invariant", "Observation.subject.reference", NOT_CONTAINED) in told(answer, 400)


def test_what_is_contained_refers_to_its_container_and_is_referred_to(operator: httpx.Client) -> None:
    provenance = {
        "resourceType": "Provenance",
        "id": "made",
        "target": [{"reference": "#"}],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "Somebody"}}],
    }
    contained = [{"resourceType": "Patient", "id": "one"}, provenance]
    answer = operator.post("/Observation", json=observation("#one", contained=contained))
    assert answer.status_code == 201, answer.text


def test_entries_refer_to_each_other_by_uuid_and_oid(operator: httpx.Client) -> None:
    url = urn()
    entries = entry({"resourceType": "Patient"}, url), entry(observation(url), OID)
    answer = operator.post(
        "", json=bundle("transaction", *entries, entry(observation(url, hasMember=[{"reference": OID}])))
    )
    assert answer.status_code == 200, answer.text
    location = answer.json()["entry"][2]["response"]["location"]
    stored = operator.get(location).json()
    assert stored["hasMember"][0]["reference"].startswith("Observation/")
    assert stored["subject"]["reference"].startswith("Patient/")


def test_an_identifier_alone_is_kept_as_it_is(operator: httpx.Client) -> None:
    subject = {"identifier": {"system": "urn:oid:1.2.3", "value": "urn:uuid:x"}}
    answer = operator.post("/Observation", json=observation(subject))
    assert (answer.status_code, answer.json()["subject"]) == (201, subject)
