"""XML on the wire: every interaction takes it and answers it, and decimals keep their digits."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import httpx
import pytest
from formats_kit import AS_XML, JSON, JSON_OUT, PATIENT, XML, issue, read

from api import fhir, formats, wire
from api.formats import Format
from models.errors import NotAcceptable
from models.xml import to_xml
from service.interaction import Answer, Interaction, Name, Version
from service.settings import Settings


@pytest.mark.parametrize("media_type", [XML, "application/xml", "text/xml", "application/xml+fhir"])
def test_a_resource_is_created_and_read_in_every_spelling_of_xml(
    media_type: str, operator: httpx.Client
) -> None:
    headers = {"Accept": media_type, "Content-Type": f"{media_type}; charset=utf-8"}
    made = operator.post("/Patient", content=to_xml(PATIENT), headers=headers)
    assert made.status_code == 201, made.text
    document = read(made)
    assert document.items() >= PATIENT.items()
    assert made.headers["etag"] == 'W/"1"'
    assert made.headers["location"].endswith(f"/Patient/{document['id']}/_history/1")
    url = f"/Patient/{document['id']}"
    assert read(operator.get(url, headers={"Accept": media_type})) == document
    assert read(operator.get(url, params={"_format": media_type})) == document
    assert operator.get(url).json() == document


@pytest.mark.parametrize(
    "name", ["xml", "text/xml", "application/fhir+xml", "application/xml+fhir", "xml+fhir"]
)
def test_the_format_parameter_overrides_accept_also_with_a_bare_plus(
    name: str, operator: httpx.Client, patient: str
) -> None:
    answer = operator.get(f"/Patient/{patient}?_format={name}", headers={"Accept": JSON})
    assert read(answer)["id"] == patient
    back = operator.get(f"/Patient/{patient}?_format=json", headers={"Accept": XML})
    assert back.headers["content-type"] == JSON_OUT


def test_caches_are_told_what_an_answer_depends_on(operator: httpx.Client, patient: str) -> None:
    for answer in (
        operator.get(f"/Patient/{patient}"),
        operator.get(f"/Patient/{patient}", headers={"Accept": XML}),
        operator.get(f"/Patient/{patient}", headers={"If-None-Match": 'W/"1"'}),
        operator.get("/Patient/none"),
        operator.get("/metadata"),
    ):
        assert answer.headers["vary"] == "Accept, Accept-Encoding"
        assert answer.headers["cache-control"] == "private, no-cache"


def test_an_update_and_its_conditional_form_take_xml(operator: httpx.Client, patient: str) -> None:
    document = {**PATIENT, "id": patient, "gender": "other"}
    changed = operator.put(
        f"/Patient/{patient}", content=to_xml(document), headers={**AS_XML, "If-Match": 'W/"1"'}
    )
    assert (changed.status_code, read(changed)["gender"]) == (200, "other")
    again = operator.put(
        f"/Patient?_id={patient}", content=to_xml({**document, "gender": "female"}), headers=AS_XML
    )
    assert (again.status_code, again.headers["etag"], read(again)["gender"]) == (200, 'W/"3"', "female")
    stale = operator.put(
        f"/Patient/{patient}", content=to_xml(document), headers={**AS_XML, "If-Match": 'W/"1"'}
    )
    assert issue(stale, 412) == ("conflict", None)


def test_a_conditional_creation_takes_xml(operator: httpx.Client) -> None:
    value = uuid4().hex
    document = {**PATIENT, "identifier": [{"system": "urn:wire", "value": value}]}
    headers = {**AS_XML, "If-None-Exist": f"identifier=urn:wire|{value}"}
    first = operator.post("/Patient", content=to_xml(document), headers=headers)
    second = operator.post("/Patient", content=to_xml(document), headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert read(second) == read(first)


def test_a_fhirpath_patch_in_xml_and_a_json_patch_answer_in_xml(operator: httpx.Client, patient: str) -> None:
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Patient.active"},
        {"name": "value", "valueBoolean": False},
    ]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    first = operator.patch(f"/Patient/{patient}", content=to_xml(patch), headers=AS_XML)
    assert (first.status_code, read(first)["active"]) == (200, False)
    second = operator.patch(
        f"/Patient/{patient}",
        json=[{"op": "add", "path": "/gender", "value": "other"}],
        headers={"Accept": XML, "Content-Type": "application/json-patch+json"},
    )
    assert (second.status_code, read(second)["gender"]) == (200, "other")


@pytest.mark.parametrize(
    ("prefer", "type_"),
    [("minimal", None), ("representation", "Patient"), ("OperationOutcome", "OperationOutcome")],
)
def test_the_return_preference_holds_in_xml(prefer: str, type_: str | None, operator: httpx.Client) -> None:
    headers = {**AS_XML, "Prefer": f"return={prefer}"}
    made = operator.post("/Patient", content=to_xml(PATIENT), headers=headers)
    assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"')
    if type_ is None:
        assert made.content == b""
        assert "content-type" not in made.headers
    else:
        assert read(made)["resourceType"] == type_


def test_a_deletion_and_what_is_gone_are_told_in_xml(operator: httpx.Client, patient: str) -> None:
    deleted = operator.delete(f"/Patient/{patient}", headers={"Accept": XML})
    assert (deleted.status_code, deleted.content) == (204, b"")
    gone = operator.get(f"/Patient/{patient}", headers={"Accept": XML})
    assert issue(gone, 410) == ("deleted", None)
    assert gone.headers["etag"] == 'W/"2"'


def test_a_known_version_is_not_sent_again(operator: httpx.Client, patient: str) -> None:
    answer = operator.get(f"/Patient/{patient}", headers={"Accept": XML, "If-None-Match": 'W/"1"'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", 'W/"1"')


@pytest.mark.parametrize(
    "literal", ["1.50", "0.10", "100", "2.0", "-0.00", "0.000001", "12345678901234567890.0123456789"]
)
def test_decimals_keep_their_digits_both_ways(literal: str, operator: httpx.Client, patient: str) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
        "valueQuantity": {"value": "DIGITS", "unit": "mg"},
    }
    body = json.dumps(observation).replace('"DIGITS"', literal)
    made = operator.post("/Observation", content=body, headers={"Accept": XML})
    assert made.status_code == 201, made.text
    assert f'<value value="{literal}"/>' in made.text
    again = operator.post("/Observation", content=made.content, headers={"Content-Type": XML, "Accept": JSON})
    assert f'"value":{literal},' in again.text
    back = operator.get(f"/Observation/{again.json()['id']}?_format=xml")
    assert f'<value value="{literal}"/>' in back.text


def test_a_searchset_its_pages_and_its_parts_are_written_in_xml(operator: httpx.Client) -> None:
    family = f"F{uuid4().hex}"
    for _ in range(3):
        operator.post(
            "/Patient", json={"resourceType": "Patient", "name": [{"family": family}], "gender": "other"}
        )
    page = read(
        operator.get(f"/Patient?family={family}&_count=2&_total=accurate&nonsense=1", headers={"Accept": XML})
    )
    modes = [entry["search"]["mode"] for entry in page["entry"]]
    assert (page["type"], page["total"], modes) == ("searchset", 3, ["match", "match", "outcome"])
    (following,) = [link["url"] for link in page["link"] if link["relation"] == "next"]
    rest = read(operator.get(following, headers={"Accept": XML}))
    assert len([entry for entry in rest["entry"] if entry["search"]["mode"] == "match"]) == 1
    part = read(operator.get(f"/Patient?family={family}&_elements=gender&_format=xml"))["entry"][0][
        "resource"
    ]
    assert part.keys() == {"resourceType", "id", "meta", "gender"}
    count = read(operator.get(f"/Patient?family={family}&_summary=count&_format=xml"))
    assert (count["total"], "entry" in count) == (3, False)


def test_a_search_form_may_name_the_format(operator: httpx.Client, patient: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    form = {"_id": patient, "_format": "application/fhir+xml", "_pretty": "true"}
    answer = operator.post("/Patient/_search", data=form, headers=headers)
    assert read(answer)["entry"][0]["resource"]["id"] == patient
    assert answer.text.count("\n") > 10
    other = operator.post(
        "/_search", data={**form, "_type": "Patient"}, headers={**headers, "Accept": "text/turtle"}
    )
    assert read(other)["entry"][0]["resource"]["id"] == patient
    refused = operator.post(
        "/Patient/_search", data={"_id": patient}, headers={**headers, "Accept": "text/turtle"}
    )
    assert refused.status_code == 406
    assert operator.post("/Patient/_search", data={"_format": "ttl"}, headers=headers).status_code == 406


def await_told(operator: httpx.Client, url: str) -> None:
    """Wait until a history tells two changes: it waits for older transactions of its database."""
    deadline = time.monotonic() + 20
    while len(operator.get(url).json().get("entry", [])) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)


def test_history_and_versions_are_written_in_xml(operator: httpx.Client, patient: str) -> None:
    operator.put(f"/Patient/{patient}", json={**PATIENT, "id": patient, "gender": "male"})
    for url in (f"/Patient/{patient}/_history", "/Patient/_history?_count=2", "/_history?_count=2"):
        await_told(operator, url)
        bundle = read(operator.get(url, headers={"Accept": XML}))
        assert (bundle["type"], len(bundle["entry"])) == ("history", 2)
    assert "gender" not in read(operator.get(f"/Patient/{patient}/_history/1?_format=xml"))


def test_links_keep_the_format_for_clients_that_cannot_send_headers(
    operator: httpx.Client, patient: str
) -> None:
    for _ in range(2):
        operator.post(
            "/Flag",
            json={
                "resourceType": "Flag",
                "status": "active",
                "code": {"text": "x"},
                "subject": {"reference": f"Patient/{patient}"},
            },
        )
    await_told(operator, "/Flag/_history?_count=2")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    data = {"patient": patient, "_count": "1", "_format": "xml", "_pretty": "true"}
    pages = [
        operator.get(f"/Flag?patient={patient}&_count=1&_format=application/fhir+xml"),
        operator.post("/Flag/_search", data=data, headers=form),
        operator.get("/Flag/_history?_count=1&_format=xml"),
        operator.get(f"/Patient/{patient}/$everything?_count=1&_format=xml"),
        operator.get(f"/Patient/{patient}/*?_count=1&_format=xml"),
    ]
    for page in pages:
        links = {link["relation"]: link["url"] for link in read(page)["link"]}
        assert {"self", "first", "next"} <= links.keys()
        assert all("_format=" in url for url in links.values())
        assert read(operator.get(links["next"]))["resourceType"] == "Bundle"


def bundle(type_: str, *entries: tuple[str, str, dict[str, Any] | None]) -> bytes:
    made = [
        {**({"resource": resource} if resource else {}), "request": {"method": method, "url": url}}
        for method, url, resource in entries
    ]
    return to_xml({"resourceType": "Bundle", "type": type_, "entry": made})


def test_batch_and_transaction_are_read_and_answered_in_xml(operator: httpx.Client, patient: str) -> None:
    batch = bundle("batch", ("GET", f"Patient/{patient}", None), ("GET", "Patient/none", None))
    answer = read(operator.post("/", content=batch, headers=AS_XML))
    first, second = answer["entry"]
    assert (answer["type"], first["resource"]["id"]) == ("batch-response", patient)
    assert (second["response"]["status"], second["response"]["outcome"]["resourceType"]) == (
        "404 Not Found", "OperationOutcome",
    )  # fmt: skip
    transaction = bundle("transaction", ("POST", "Patient", PATIENT), ("POST", "Patient", PATIENT))
    stored = read(operator.post("/", content=transaction, headers=AS_XML))
    assert [entry["response"]["status"] for entry in stored["entry"]] == ["201 Created"] * 2
    failing = bundle("transaction", ("POST", "Patient", PATIENT), ("POST", "Flag", {"resourceType": "Flag"}))
    refused = operator.post("/", content=failing, headers=AS_XML)
    assert refused.status_code == 400
    assert all(one["expression"][0].startswith("Bundle.entry[1]") for one in read(refused)["issue"])


def test_operations_take_and_give_xml(operator: httpx.Client, patient: str) -> None:
    valid = operator.post("/Patient/$validate", content=to_xml(PATIENT), headers=AS_XML)
    assert (valid.status_code, read(valid)["resourceType"]) == (200, "OperationOutcome")
    everything = operator.get(f"/Patient/{patient}/$everything", headers={"Accept": XML})
    assert read(everything)["entry"][0]["resource"]["id"] == patient
    tag = {"system": "urn:wire", "code": "x"}
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [tag]}}]}
    added = operator.post(f"/Patient/{patient}/$meta-add", content=to_xml(parameters), headers=AS_XML)
    assert read(added)["parameter"][0]["valueMeta"]["tag"] == [tag]


def test_the_capability_statement_is_written_in_xml_and_names_what_works(anybody: httpx.Client) -> None:
    as_xml, as_json = anybody.get("/metadata?_format=xml"), anybody.get("/metadata")
    assert read(as_xml) == as_json.json()
    statement = as_json.json()
    assert statement["format"] == [JSON, XML, "json", "xml"]
    for name in statement["format"]:
        assert anybody.get("/metadata", params={"_format": name}).status_code == 200
    assert statement["patchFormat"] == [
        "application/json-patch+json",
        "application/merge-patch+json",
        JSON,
        XML,
    ]


def test_pretty_answers_say_the_same_on_many_lines(operator: httpx.Client, patient: str) -> None:
    url = f"/Patient/{patient}"
    plain, pretty = (operator.get(f"{url}?_format=xml&_pretty={flag}") for flag in ("false", "true"))
    assert read(pretty) == read(plain)
    assert plain.text.count("\n") == 0
    assert "\n  <active" in pretty.text
    failure = operator.get("/Patient/none?_format=xml&_pretty=true")
    assert "\n  <issue>" in failure.text
    assert "\n  " in operator.get("/Patient/none?_pretty=true").text


def test_what_is_large_is_read_and_written_as_what_is_small(operator: httpx.Client) -> None:
    family = f"Large{uuid4().hex}"
    patients = [
        {"resourceType": "Patient", "name": [{"family": family, "given": [str(number)] * 5}]}
        for number in range(300)
    ]
    sent = bundle("transaction", *(("POST", "Patient", one) for one in patients))
    assert len(sent) > 64 * 1024
    stored = operator.post("/", content=sent, headers=AS_XML)
    assert (stored.status_code, len(read(stored)["entry"])) == (200, 300)
    url = f"/Patient?family={family}&_count=300"
    plain = operator.get(url, headers={"Accept-Encoding": "identity"}).json()
    for coding in ("identity", "gzip", "br", "zstd"):
        answer = operator.get(url, headers={"Accept": XML, "Accept-Encoding": coding})
        assert len(answer.content) > 64 * 1024
        assert read(answer) == plain


def test_the_deepest_resource_that_may_be_sent_is_written_inside_a_page(
    operator: httpx.Client, patient: str
) -> None:
    item: dict[str, Any] = {"linkId": "deepest"}
    for level in range(30):
        item = {"linkId": str(level), "item": [item]}
    answers = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": {"reference": f"Patient/{patient}"},
        "item": [item],
    }
    made = operator.post("/QuestionnaireResponse", json=answers)
    assert made.status_code == 201, made.text
    for pretty in ("false", "true"):
        page = operator.get(f"/QuestionnaireResponse?subject=Patient/{patient}&_format=xml&_pretty={pretty}")
        assert page.status_code == 200, page.text
        elements = ET.fromstring(page.content).iter()  # noqa: S314 - ours
        (deepest,) = [one for one in elements if one.get("value") == "deepest"]
        assert deepest.tag == "{http://hl7.org/fhir}linkId"


@pytest.mark.parametrize(
    "literal", ["-0", "0", "1.50", "1E-7", "12345678901234567890", "-9223372036854775809"]
)
def test_a_page_keeps_the_digits_of_what_is_stored(literal: str) -> None:
    content = f'{{"resourceType":"Observation","valueQuantity":{{"value":{literal}}}}}'.encode()
    assert f'<value value="{literal}"/>'.encode() in formats.written(content, Format.XML, pretty=False)


ONLY_IN_JSON = '{"resourceType":"Patient","name":[{"_id":{"id":"a"},"family":"F"}]}'
NOT_EVEN_IN_A_PAGE = '{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Nobody"}}]}'
CREATED = Answer(201, Version("Patient", "1", 1, datetime(2026, 1, 1, tzinfo=UTC), ONLY_IN_JSON))


@pytest.mark.parametrize(
    ("name", "answer", "body"),
    [
        (Name.CREATE, CREATED, ONLY_IN_JSON),
        (Name.BUNDLE, Answer(200, document=NOT_EVEN_IN_A_PAGE), NOT_EVEN_IN_A_PAGE),
    ],
)
async def test_what_was_stored_is_answered_in_json_where_xml_cannot_hold_it(
    name: Name, answer: Answer, body: str
) -> None:
    settings, manner = Settings(data_dir=Path(), base_url="http://fhir.test"), wire.Manner(Format.XML)
    written = await fhir.written(answer, settings, manner, Interaction(name), reads=False)
    assert (written.status_code, written.headers["content-type"]) == (answer.status, JSON_OUT)
    assert bytes(written.body).decode() == body
    with pytest.raises(NotAcceptable):
        await fhir.written(answer, settings, manner, Interaction(Name.READ), reads=True)
