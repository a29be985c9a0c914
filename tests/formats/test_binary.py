"""Binary, raw and wrapped: content in and out as it is, and never run by a browser."""

from __future__ import annotations

import base64
import json
from typing import Any

import harness
import httpx
import pytest

from models.xml import from_xml, to_xml

PDF = b"%PDF-1.7\n\x00\xff\xfe\r\n binary \x80"
JSON = {"Accept": "application/fhir+json"}
XML = {"Accept": "application/fhir+xml"}
ANY = {"Accept": "*/*"}


def wrapped(content: bytes, content_type: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Binary",
        "contentType": content_type,
        "data": base64.b64encode(content).decode(),
        **more,
    }


def stored(operator: httpx.Client, content: bytes, content_type: str, **more: Any) -> str:
    """Store a Binary as a resource and give its URL."""
    made = operator.post("/Binary", json=wrapped(content, content_type, **more), headers=JSON)
    assert made.status_code == 201, made.text
    return f"/Binary/{made.json()['id']}"


def refusal(answer: httpx.Response, status: int) -> tuple[str, str | None, str]:
    assert answer.status_code == status, answer.text
    (found,) = answer.json()["issue"]
    return found["code"], found.get("expression", [None])[0], found["details"]["text"]


@pytest.mark.parametrize("accept", ["image/png", "*/*", "application/json"])
def test_a_content_that_is_not_there_is_told_as_an_outcome(accept: str, operator: httpx.Client) -> None:
    answer = operator.get("/Binary/none", headers={"Accept": accept})
    assert refusal(answer, 404)[0] == "not-found"
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"


def test_content_is_behind_the_same_door_as_the_resource(
    server: harness.Server, operator: httpx.Client
) -> None:
    url = stored(operator, PDF, "application/pdf")
    assert refusal(httpx.get(server.fhir + url, headers=ANY), 401)[0] == "login"
    with server.client("admin", "system/Patient.cruds") as client:
        assert refusal(client.get(url, headers=ANY), 403)[0] == "forbidden"
        sent = client.post("/Binary", content=PDF, headers={"Content-Type": "application/pdf"})
        assert refusal(sent, 403)[0] == "forbidden"
    operator.delete(url)
    assert refusal(operator.get(url, headers=ANY), 410)[0] == "deleted"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "pdf",
        "text/",
        "/plain",
        "text/plain; charset",
        'text/plain; a="b',
        "text/plain; a=\tb",
        "a" * 600 + "/b",
        "text/pläin",
        "text/plain, text/html",
        "text/plain" + " " * 60_000 + "x",
        "*/*",
    ],
)
def test_content_without_a_sound_type_is_refused(content_type: str, operator: httpx.Client) -> None:
    answer = operator.post("/Binary", content=PDF, headers={b"Content-Type": content_type.encode("latin-1")})
    code, _, text = refusal(answer, 415)
    assert (code, text) == ("not-supported", "Send the type of the content as Content-Type.")


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_form_is_refused_as_content(content_type: str, operator: httpx.Client) -> None:
    answer = operator.post("/Binary", content=b"a=b", headers={"Content-Type": content_type})
    assert refusal(answer, 415)[2].startswith("A form is not a document;")


def test_empty_content_is_refused(operator: httpx.Client) -> None:
    answer = operator.post("/Binary", content=b"", headers={"Content-Type": "application/pdf"})
    assert refusal(answer, 400) == ("invalid", "Binary.data", "The content is empty.")


@pytest.mark.parametrize("value", ["", "a b", "Patient/ä", "x" * 1025])
def test_a_security_context_that_is_no_reference_is_refused(value: str, operator: httpx.Client) -> None:
    headers = {b"Content-Type": b"application/pdf", b"X-Security-Context": value.encode("latin-1")}
    answer = operator.post("/Binary", content=PDF, headers=headers)
    assert refusal(answer, 400)[1] == "Binary.securityContext"


def test_a_security_context_that_leads_nowhere_is_refused(operator: httpx.Client) -> None:
    headers = {"Content-Type": "application/pdf", "X-Security-Context": "Patient/nowhere"}
    assert operator.post("/Binary", content=PDF, headers=headers).status_code == 422


@pytest.mark.parametrize("content_type", ["application/fhir+json", "application/json+fhir"])
def test_fhirs_own_type_takes_only_a_binary(content_type: str, operator: httpx.Client) -> None:
    for body in (json.dumps({"resourceType": "Patient"}).encode(), b'{"resourceType":"Binary"}', b"{"):
        answer = operator.post("/Binary", content=body, headers={"Content-Type": content_type})
        assert answer.status_code == 400


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"resourceType":"Binary","nothing":1}'),
        ("application/json", b'{"resourceType":"Binary"'),
        (
            "application/xml",
            b'<?xml version="1.0"?><!-- x --><Binary xmlns="http://hl7.org/fhir"><x/></Binary>',
        ),
    ],
)
def test_a_faulty_binary_is_refused_not_kept_as_content(
    content_type: str, body: bytes, operator: httpx.Client
) -> None:
    answer = operator.post("/Binary", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 400


def test_other_types_take_no_content(operator: httpx.Client) -> None:
    answer = operator.post("/Patient", content=PDF, headers={"Content-Type": "application/pdf"})
    assert refusal(answer, 415)[0] == "not-supported"
    assert operator.get("/Binary", headers={"Accept": "application/pdf"}).status_code == 406
    assert operator.get("/Binary/x/_history", headers={"Accept": "application/pdf"}).status_code == 406


@pytest.mark.parametrize(
    "hostile",
    [
        "text/html\r\nSet-Cookie: a=b",
        "text/html\nX: y",
        "text/plain; a=\u2028",
        "text/ht\u00e4ml",
        "x",
        "a/" + "b" * 700,
    ],
)
def test_a_malformed_content_type_never_reaches_a_header(hostile: str, operator: httpx.Client) -> None:
    made = operator.post("/Binary", json=wrapped(b"<script>", hostile), headers=JSON)
    if made.status_code == 201:
        answer = operator.get(f"/Binary/{made.json()['id']}", headers=ANY)
        assert (answer.status_code, answer.content) == (200, b"<script>")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert not {"set-cookie", "x"} & answer.headers.keys()
    else:
        assert made.status_code == 400


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/pdf", "text/javascript"])
def test_a_browser_never_runs_what_is_stored(content_type: str, operator: httpx.Client) -> None:
    content = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
    for origin in ({}, {"Origin": "https://app.example"}):
        answer = operator.get(stored(operator, content, content_type), headers={**ANY, **origin})
        assert answer.headers["content-type"] == content_type
        assert answer.headers["content-disposition"] == "attachment"
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "sandbox"} <= set(policy)


@pytest.mark.parametrize("accept", ["*/*", "application/pdf", "image/png", "text/html, */*;q=0.1"])
def test_content_is_answered_raw_unless_fhir_is_asked_for(accept: str, operator: httpx.Client) -> None:
    url = stored(operator, PDF, "application/pdf")
    for path in (url, f"{url}/_history/1", f"{url}?_summary=true"):
        answer = operator.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.content) == (200, PDF)
        assert (answer.headers["content-type"], answer.headers["etag"]) == ("application/pdf", 'W/"1"')
        assert answer.headers["last-modified"]
        assert answer.headers["vary"] == "Accept, Accept-Encoding"


def test_the_resource_is_answered_where_fhir_is_asked_for(operator: httpx.Client) -> None:
    fhir = b'{"resourceType":"Patient"}'
    url = stored(operator, fhir, "application/fhir+json")
    expected = wrapped(fhir, "application/fhir+json")
    for sent in (JSON, {"Accept": "application/fhir+json, */*;q=0.1"}):
        assert operator.get(url, headers=sent).json().items() >= expected.items()
    for format_ in ("json", "application/json", "text/json"):
        assert operator.get(url, params={"_format": format_}, headers=ANY).json()["resourceType"] == "Binary"
    assert from_xml(operator.get(url, headers=XML).content).items() >= expected.items()
    assert from_xml(operator.get(f"{url}?_format=xml", headers=ANY).content).items() >= expected.items()
    assert operator.get(url, headers=ANY).content == fhir


def test_the_generic_type_means_the_content_only_where_that_is_of_it(operator: httpx.Client) -> None:
    as_json = {"Accept": "application/json"}
    assert operator.get(stored(operator, b"[1]", "application/json; x=y"), headers=as_json).json() == [1]
    assert (
        operator.get(stored(operator, PDF, "application/pdf"), headers=as_json).json()["resourceType"]
        == "Binary"
    )
    as_xml = {"Accept": "text/xml"}
    assert operator.get(stored(operator, b"<a/>", "text/xml"), headers=as_xml).content == b"<a/>"
    assert operator.get(stored(operator, b"<a/>", "text/html"), headers=as_xml).text.startswith("<?xml")


def test_a_known_version_is_not_sent_again(operator: httpx.Client) -> None:
    url = stored(operator, PDF, "application/pdf")
    answer = operator.get(url, headers={**ANY, "If-None-Match": 'W/"1"'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", 'W/"1"')
    moment = operator.get(url, headers=ANY).headers["last-modified"]
    assert operator.get(url, headers={**ANY, "If-Modified-Since": moment}).status_code == 304


def test_parts_are_left_out_of_the_resource_but_not_of_its_content(operator: httpx.Client) -> None:
    as_json = {"Accept": "application/json"}
    url = stored(operator, PDF, "application/pdf")
    assert operator.get(url, params={"_elements": "contentType"}, headers=as_json).json().keys() == {
        "resourceType", "id", "meta", "contentType",
    }  # fmt: skip
    refused = operator.get(url, params={"_summary": "count"}, headers=as_json)
    assert refusal(refused, 400)[2] == "A read has nothing to count; _summary is true, text, data or false."
    assert operator.get(url, params={"_elements": "contentType"}, headers=ANY).content == PDF
    content = operator.get(
        stored(operator, b"[1]", "application/json"), params={"_summary": "true"}, headers=as_json
    )
    assert content.json() == [1]


@pytest.mark.parametrize("sent", ["application/pdf;", "application/pdf ;", "application/pdf;;"])
def test_an_empty_parameter_of_a_content_type_is_passed_over(sent: str, operator: httpx.Client) -> None:
    made = operator.post("/Binary", content=PDF, headers={**JSON, "Content-Type": sent})
    assert made.status_code == 201, made.text
    assert made.json()["contentType"] == "application/pdf"


def test_a_binary_without_content_is_answered_empty(operator: httpx.Client) -> None:
    made = operator.post(
        "/Binary", json={"resourceType": "Binary", "contentType": "text/plain"}, headers=JSON
    )
    answer = operator.get(f"/Binary/{made.json()['id']}", headers=ANY)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", "text/plain")


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/pdf", PDF),
        ("text/plain; charset=utf-8", "Grüße".encode()),
        ("text/plain ;  charset=utf-8", b"x"),
        ("application/octet-stream", bytes(range(256)) * 300),
        ("application/json", b' {"a": 1.50}\n'),
        ("application/json", b'{"resourceType":"Patient"}'),
        ("application/json", b"[1]"),
        ("text/xml", b"<?xml version='1.0'?><ClinicalDocument xmlns='urn:hl7-org:v3'/>"),
        ("application/xml", b"<broken"),
        ("application/json-patch+json", b"[]"),
        ("application/fhir+turtle", b"a b c"),
        ("application/xml", b" " * 2_000_000),
    ],
)
def test_content_is_stored_and_given_back_byte_for_byte(
    content_type: str, content: bytes, operator: httpx.Client
) -> None:
    made = operator.post("/Binary", content=content, headers={"Content-Type": content_type, **JSON})
    assert made.status_code == 201, made.text
    document = made.json()
    assert base64.b64decode(document["data"]) == content
    assert document["contentType"].replace(" ", "") == content_type.replace(" ", "")
    answer = operator.get(made.headers["location"], headers={"Accept": "application/x-any"})
    assert (answer.content, answer.headers["content-type"]) == (content, document["contentType"])


def test_content_is_replaced_and_created_under_an_id_of_the_clients(operator: httpx.Client) -> None:
    url = "/Binary/raw-by-put"
    first = operator.put(url, content=b"one", headers={"Content-Type": "text/plain"})
    assert (first.status_code, first.headers["etag"]) == (201, 'W/"1"')
    headers = {"Content-Type": "image/png", "If-Match": 'W/"1"', "Prefer": "return=minimal"}
    second = operator.put(url, content=b"two", headers=headers)
    assert (second.status_code, second.headers["etag"], second.content) == (200, 'W/"2"', b"")
    assert operator.put(url, content=b"three", headers=headers).status_code == 412
    assert [operator.get(f"{url}/_history/{n}", headers=ANY).content for n in (1, 2)] == [b"one", b"two"]


def test_the_security_context_travels_as_a_header(operator: httpx.Client, patient: str) -> None:
    headers = {"Content-Type": "application/pdf", "X-Security-Context": f"Patient/{patient}", **JSON}
    made = operator.post("/Binary", content=PDF, headers=headers)
    assert made.json()["securityContext"] == {"reference": f"Patient/{patient}"}
    answer = operator.get(f"/Binary/{made.json()['id']}", headers=ANY)
    assert answer.headers["x-security-context"] == f"Patient/{patient}"


@pytest.mark.parametrize("content_type", ["application/json", "text/json", "application/xml", "text/xml"])
def test_a_binary_of_the_generic_type_is_taken_as_the_resource(
    content_type: str, operator: httpx.Client
) -> None:
    document = wrapped(PDF, "application/pdf")
    body = json.dumps(document).encode() if "json" in content_type else to_xml(document)
    made = operator.post("/Binary", content=body, headers={"Content-Type": content_type, **JSON})
    assert made.json().items() >= document.items()


def test_text_is_coded_and_what_is_small_already_is_not(operator: httpx.Client) -> None:
    text = stored(operator, b"word " * 1000, "text/plain")
    image = stored(operator, b"\x00" * 5000, "image/png")
    headers = {**ANY, "Accept-Encoding": "gzip"}
    answer = operator.get(text, headers=headers)
    assert (answer.headers["content-encoding"], answer.content) == ("gzip", b"word " * 1000)
    assert "content-encoding" not in operator.get(image, headers=headers).headers
    forced = operator.get(image, headers={**ANY, "Accept-Encoding": "gzip, identity;q=0"})
    assert (forced.headers["content-encoding"], forced.content) == ("gzip", b"\x00" * 5000)


def test_inside_a_bundle_a_binary_is_always_the_resource(operator: httpx.Client) -> None:
    url = stored(operator, PDF, "application/pdf")
    found = operator.get(f"/Binary?_id={url.rpartition('/')[2]}", headers=ANY).json()
    assert found["entry"][0]["resource"].items() >= wrapped(PDF, "application/pdf").items()
