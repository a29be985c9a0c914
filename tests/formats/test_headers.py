"""Headers of a request as HTTP has them: lists in several lines, conditions that are not for every method."""

from __future__ import annotations

import httpx
from formats_kit import JSON_OUT, PATIENT, XML, XML_OUT

from api import wire


def test_a_deletion_on_a_condition_of_reads_says_that_it_deleted(
    operator: httpx.Client, patient: str
) -> None:
    headers = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    assert operator.get(f"/Patient/{patient}", headers=headers).status_code == 304
    assert operator.delete(f"/Patient/{patient}", headers=headers).status_code == 204
    assert operator.get(f"/Patient/{patient}").status_code == 410


def test_lists_in_several_lines_are_one_list(operator: httpx.Client, patient: str) -> None:
    url = f"/Patient/{patient}"
    first = [("Accept", "application/fhir+xml;q=0.1"), ("Accept", "application/fhir+json")]
    assert operator.get(url, headers=first).headers["content-type"] == JSON_OUT
    assert operator.get(url, headers=first[::-1]).headers["content-type"] == JSON_OUT
    refused = operator.get("/Patient/none", headers=[("Accept", "text/turtle"), ("Accept", XML)][::-1])
    assert (refused.status_code, refused.headers["content-type"]) == (404, XML_OUT)
    known = operator.get(url, headers=[("If-None-Match", 'W/"1"'), ("If-None-Match", 'W/"7"')])
    assert known.status_code == 304
    made = operator.post(
        "/Patient", json=PATIENT, headers=[("Prefer", "return=minimal"), ("Prefer", "respond-async")]
    )
    assert (made.status_code, made.content) == (201, b"")


def test_of_a_header_that_is_no_list_the_last_line_counts() -> None:
    lines = [(b"authorization", b"a"), (b"accept", b"x"), (b"authorization", b"b"), (b"cookie", b"c")]
    assert wire.headers_of({"headers": lines}) == {"authorization": "b", "accept": "x"}
