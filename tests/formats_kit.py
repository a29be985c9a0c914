"""Reads answers that must be FHIR XML, and tells what an OperationOutcome in XML says."""

from __future__ import annotations

from typing import Any

import httpx

from models.xml import from_xml

XML = "application/fhir+xml"
JSON = "application/fhir+json"
XML_OUT = "application/fhir+xml; charset=utf-8"
JSON_OUT = "application/fhir+json; charset=utf-8"
AS_XML = {"Accept": XML, "Content-Type": XML}
PATIENT = {"resourceType": "Patient", "name": [{"family": "Ixem", "given": ["El"]}], "active": True}


def read(answer: httpx.Response) -> dict[str, Any]:
    """Read an answer that must be XML."""
    assert answer.headers["content-type"] == XML_OUT, answer.text
    return from_xml(answer.content)


def issue(answer: httpx.Response, status: int) -> tuple[str, str | None]:
    """Give code and expression of the only finding of an OperationOutcome in XML."""
    assert answer.status_code == status, answer.text
    outcome = read(answer)
    assert outcome["resourceType"] == "OperationOutcome"
    (found,) = outcome["issue"]
    assert found["details"]["text"]
    return found["code"], found.get("expression", [None])[0]
