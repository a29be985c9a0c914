"""In which format an answer comes, and how a request says so.

Source: https://hl7.org/fhir/R4/http.html#mime-type, https://hl7.org/fhir/R4/http.html#parameters
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

import httpx
import pytest
from conformance_kit import CONTENT_TYPE, patient, refusal, stored

XML_TYPE = "application/fhir+xml; charset=utf-8"

ACCEPTED = [
    "application/fhir+json",
    "application/json",
    "text/json",
    "application/fhir+json; fhirVersion=4.0",
    "application/fhir+json;charset=utf-8",
    "*/*",
    "application/*",
    "text/html, application/json;q=0.5",
    "",
]
NAMED = [
    "json",
    "application/json",
    "application/fhir+json",
    "application/fhir%2Bjson",
    "text/json",
    "application/fhir%2Bjson;%20fhirVersion=4.0",
    "application/json;charset=utf-8",
]


@pytest.fixture(scope="module")
def places(client):
    made = stored(client, patient())
    return [
        f"/Patient/{made['id']}",
        f"/Patient/{made['id']}/_history",
        f"/Patient?_id={made['id']}",
        f"/Patient/{made['id']}/$everything",
        "/metadata",
    ]


@pytest.mark.parametrize("accept", ACCEPTED)
def test_json_is_answered_as_fhir_json_whatever_it_was_called(client, places, accept):
    for place in places:
        answer = client.get(place, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
        assert answer.json()["resourceType"]


@pytest.mark.parametrize("name", NAMED)
def test_the_parameter_comes_before_the_header(client, places, name):
    for place in places:
        question = "&" if "?" in place else "?"
        answer = client.get(f"{place}{question}_format={name}", headers={"Accept": "image/png"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)


@pytest.mark.parametrize("name", ["application/fhir+xml", "application/xml", "text/xml"])
def test_xml_is_answered_as_fhir_xml_whatever_it_was_called(client, places, name):
    for place in places:
        question = "&" if "?" in place else "?"
        by_name = [client.get(f"{place}{question}_format={one}") for one in (name.replace("+", "%2B"), "xml")]
        for answer in (client.get(place, headers={"Accept": name}), *by_name):
            assert (answer.status_code, answer.headers["content-type"]) == (200, XML_TYPE)
            assert ET.fromstring(answer.content).tag.startswith("{http://hl7.org/fhir}")  # noqa: S314 - ours


@pytest.mark.parametrize("asked", ["image/png", "text/html", "text/turtle", "application/fhir+turtle"])
def test_a_format_that_is_not_offered_is_refused(client, places, asked):
    for place in places:
        refusal(client.get(place, headers={"Accept": asked}), 406, "not-supported")


@pytest.mark.parametrize(
    "name",
    ["ttl", "html", "text/turtle", "nonsense", "", ";", ",", "application/fhir%2Bjson;fhirVersion=3.0"],
)
def test_a_format_that_the_parameter_names_wrongly_is_refused(client, places, name):
    for place in places:
        question = "&" if "?" in place else "?"
        refusal(client.get(f"{place}{question}_format={name}"), 406, "not-supported")


def test_a_refusal_and_a_write_have_the_type_of_fhir_json_too(client, value):
    for answer in (
        client.get(f"/Patient/{value}", headers={"Accept": "application/json"}),
        client.post("/Patient", json=patient(), headers={"Accept": "application/json"}),
        client.post("/Patient", json=patient(active="x"), headers={"Accept": "application/json"}),
        httpx.get(f"{client.base_url}Patient/{value}"),
    ):
        assert answer.headers["content-type"] == CONTENT_TYPE


@pytest.mark.parametrize(
    "asked", ["_pretty=x", "_summary=most", "_summary=count", "_elements=", "_elements=a b"]
)
def test_what_cannot_be_read_about_the_statement_is_refused(client, asked):
    refusal_of = client.get(f"/metadata?{asked}")
    assert refusal_of.status_code == 400
    assert refusal_of.json()["issue"][0]["code"] == "invalid"


@pytest.mark.parametrize("asked", ["", "?_format=xml", "?_elements=software"])
def test_the_statement_is_not_sent_again_to_who_has_it(client, asked):
    first = client.get(f"/metadata{asked}")
    tag = first.headers["etag"]
    for known in (tag, f'W/"other", {tag}', "*"):
        answer = client.get(f"/metadata{asked}", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert client.get(f"/metadata{asked}", headers={"If-None-Match": 'W/"other"'}).content == first.content


def test_a_part_of_the_statement_is_shown(client):
    whole = client.get("/metadata").json()
    part = client.get("/metadata?_elements=software").json()
    mandatory = {"resourceType", "status", "date", "kind", "fhirVersion", "format"}
    assert set(part) == {*mandatory, "software", "meta"}
    assert part["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert set(client.get("/metadata?_summary=text").json()) == {*mandatory, "meta"}
    for same in ("true", "data", "false"):
        assert client.get(f"/metadata?_summary={same}").json() == whole
    assert client.get("/metadata?_pretty=true").json() == whole
