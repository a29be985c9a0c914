"""The wire itself: routes, methods, media types, sizes, bytes and headers that nobody should send.

Whatever is wrong, the answer is an OperationOutcome with the right status, and nothing is stored.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from practice_kit import Practice, findings, note, patient

FHIR_JSON = "application/fhir+json"
LIMIT = 16 * 1024 * 1024
PATIENT = json.dumps(patient()).encode()


@pytest.fixture(autouse=True)
def nothing_is_stored(practice: Practice) -> Iterator[None]:
    """Compare what is stored before and after each test of this file."""
    before = practice.vault.versions()
    yield
    assert practice.vault.versions() == before


UNROUTED = [
    ("GET", "/fhir/Nothing", 404),
    ("GET", "/fhir/patient", 404),
    ("GET", "/fhir/Patient/a/b", 404),
    ("GET", "/fhir/Patient/a/_history/1/x", 404),
    ("GET", "/fhir/Patient/a%20b", 404),
    ("GET", "/fhir/Patient/" + "a" * 65, 404),
    ("GET", "/fhir/Patient/a%00b", 404),
    ("GET", "/fhir/..%2f..%2fetc", 404),
    ("GET", "/nowhere", 404),
    ("POST", "/nowhere", 404),
    ("PUT", "/fhir", 405),
    ("DELETE", "/fhir/metadata", 405),
    ("PROPFIND", "/fhir/Patient", 405),
    ("POST", "/fhir/metadata", 405),
    ("POST", "/fhir/Patient/a", 405),
    ("PUT", "/fhir/Patient/a/_history/1", 405),
    ("TRACE", "/fhir/Patient/a", 405),
    ("PUT", "/health/live", 405),
    ("GET", "/fhir/Patient/" + "a" * 30_000, 404),
]


@pytest.mark.parametrize(("method", "path", "status"), UNROUTED, ids=lambda value: str(value)[:40])
def test_what_is_not_offered_is_refused_with_an_outcome(
    method: str, path: str, status: int, operator: httpx.Client, practice: Practice
) -> None:
    answer = operator.request(method, practice.server.base_url + path, content=PATIENT)
    assert answer.status_code == status
    assert findings(answer) == {("not-found" if status == 404 else "not-supported", "")}


def test_a_method_that_is_not_offered_is_told_which_are(operator: httpx.Client) -> None:
    answer = operator.post("/Patient/pat-1", content=PATIENT)
    assert {"GET", "PUT", "DELETE"} <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "text/turtle", "application/fhir+turtle", "multipart/form-data", "application/jsonx",
     "application/fhir+json; charset=utf-16", "application/fhir+json; charset=latin-1", "a" * 5000],
)  # fmt: skip
def test_a_body_of_another_type_is_refused(content_type: str, operator: httpx.Client) -> None:
    answer = operator.post("/Patient", content=PATIENT, headers={"Content-Type": content_type})
    assert answer.status_code == 415
    assert findings(answer) == {("not-supported", "")}


@pytest.mark.parametrize("accept", ["text/turtle", "text/html", "image/png", "application/fhir+json;q=0"])
def test_a_format_that_is_not_offered_is_refused_before_anything_is_stored(
    accept: str, operator: httpx.Client
) -> None:
    answer = operator.post("/Patient", content=PATIENT, headers={"Accept": accept})
    assert answer.status_code == 406
    assert operator.post("/Patient?_format=ttl", content=PATIENT).status_code == 406


def test_a_search_form_of_another_type_is_refused(operator: httpx.Client) -> None:
    for content_type in ({}, {"Content-Type": "application/json"}):
        answer = operator.post("/Patient/_search", content=b"family=x", headers=content_type)
        assert answer.status_code == 415


def test_a_search_form_may_be_empty(operator: httpx.Client) -> None:
    answer = operator.post("/Patient/_search?family=nobody-of-this-name")
    assert (answer.status_code, answer.json()["type"]) == (200, "searchset")


MALFORMED: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "spaces": (b"   ", 400),
    "half an object": (PATIENT[:-5], 400),
    "a trailing comma": (b'{"resourceType":"Patient",}', 400),
    "something after the end": (PATIENT + b"{}", 400),
    "a byte order mark": (b"\xef\xbb\xbf" + PATIENT, 400),
    "utf-16": (PATIENT.decode().encode("utf-16"), 400),
    "invalid utf-8": (b'{"resourceType":"Patient","id":"\xff\xfe"}', 400),
    "a key twice": (b'{"resourceType":"Patient","active":true,"active":false}', 400),
    "a key twice below": (b'{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}', 400),
    "a list": (b"[" + PATIENT + b"]", 400),
    "a number": (b"1", 400),
    "null": (b"null", 400),
    "a hundred thousand lists": (b"[" * 100_000, 400),
    "deep nesting": (b'{"resourceType":"Patient","a":' * 5000 + b"1" + b"}" * 5000, 400),
    "a lone surrogate": (b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}', 400),
    "a lone surrogate as key": (b'{"resourceType":"Patient","\\udfff":1}', 400),
    "an escaped nul": (b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}', 400),
    "a raw nul": (b'{"resourceType":"Patient","name":[{"family":"a\x00b"}]}', 400),
    "not a number": (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', 400),
    "infinity": (b'{"resourceType":"Patient","multipleBirthInteger":Infinity}', 400),
    "a huge exponent": (b'{"resourceType":"Patient","multipleBirthInteger":1e999999999}', 400),
    "a huge integer": (b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 50_000 + b"}", 400),
    "a huge fraction": (b'{"resourceType":"Patient","multipleBirthInteger":0.' + b"1" * 50_000 + b"}", 400),
    "another type": (b'{"resourceType":"Observation"}', 400),
    "a type that is no text": (b'{"resourceType":["Patient"]}', 400),
    "no type": (b'{"active":true}', 400),
    "a prototype": (b'{"resourceType":"Patient","__proto__":{"admin":true}}', 400),
    "a comment": (b'{"resourceType":"Patient"/* x */}', 400),
    "single quotes": (b"{'resourceType':'Patient'}", 400),
}


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_body_is_refused_that_is(case: str, method: str, operator: httpx.Client) -> None:
    body, status = MALFORMED[case]
    answer = operator.request(method, "/Patient" if method == "POST" else "/Patient/x", content=body)
    assert answer.status_code == status, answer.text
    assert findings(answer)
    assert operator.post("/", content=body).status_code == status


def test_a_body_over_the_limit_is_refused_whether_its_length_is_told_or_not(operator: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(LIMIT // 65536 + 2):
            yield b" " * 65536

    declared = operator.post("/Patient", content=b" " * (LIMIT + 1))
    chunked = operator.post("/Patient", content=chunks())
    for answer in (declared, chunked):
        assert answer.status_code == 413
        assert findings(answer) == {("too-long", "")}


def test_a_length_that_is_a_lie_is_refused_before_it_is_sent(
    practice: Practice, operator: httpx.Client
) -> None:
    head = request_head(operator, "POST", "/fhir/Patient", {"Content-Length": str(10**15)})
    assert raw(practice, head).startswith(b"HTTP/1.1 413")


def test_a_long_query_is_refused(operator: httpx.Client) -> None:
    assert operator.get("/Patient?" + "&".join(f"name=a{n}" for n in range(600))).status_code == 400
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = operator.post("/Patient/_search", content="name=" + "a" * 70_000, headers=form)
    assert answer.status_code in {400, 413}
    assert findings(answer)


@pytest.mark.parametrize(
    "query", ["name=%ff", "name=%c3%28", "%ff=x", "name=%00", "_id=%00", "birthdate=%00"]
)
def test_bytes_that_are_no_text_are_refused_in_url_and_form(query: str, operator: httpx.Client) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for answer in (
        operator.get(f"/Patient?{query}"),
        operator.post("/Patient/_search", content=query.encode(), headers=form),
        operator.post("/Patient", content=PATIENT, headers={"If-None-Exist": query}),
    ):
        assert answer.status_code == 400, answer.text
        assert findings(answer)


HEADERS: dict[str, tuple[list[str], int]] = {
    "If-Match": (["1", '"x"', "W/1", 'W/"1" W/"2"', '*, W/"1"', '"99999999999999999999"', "", '"1'], 400),
    "Authorization": (
        ["", "Bearer", "Basic eDp5", "Bearer a.b.c", "Bearer " + "a" * 30000, "é"],
        401,
    ),
}


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [(name, value, status) for name, (values, status) in HEADERS.items() for value in values],
)
def test_an_absurd_header_is_refused(name: str, value: str, status: int, operator: httpx.Client) -> None:
    document = json.dumps(patient(id="pat-1"))
    answer = operator.request(
        "PUT", "/Patient/pat-1", content=document, headers=[(name.encode(), value.encode())]
    )
    assert answer.status_code == status, answer.text
    assert findings(answer)


@pytest.mark.parametrize(
    "criteria", ["x", "=", "&", "?", "name", "name=", "unknown=1", "_sort=name", "_count=1"]
)
def test_criteria_that_would_match_anything_are_refused(criteria: str, operator: httpx.Client) -> None:
    answer = operator.post("/Patient", content=PATIENT, headers={"If-None-Exist": criteria})
    assert answer.status_code in {400, 412}, answer.text
    assert findings(answer)


def test_a_token_that_was_tampered_with_is_refused(operator: httpx.Client) -> None:
    head, payload, signature = operator.headers["Authorization"].removeprefix("Bearer ").split(".")
    for forged in (
        f"{head}.{payload}.",
        f"{head}.{payload[::-1]}.{signature}",
        f"{head}.{payload}.{signature[::-1]}",
    ):
        answer = operator.get("/Patient/pat-1", headers={"Authorization": f"Bearer {forged}"})
        assert answer.status_code == 401
        assert "Bearer" in answer.headers["www-authenticate"]


def test_a_caller_who_goes_away_in_the_middle_leaves_no_error(
    practice: Practice, operator: httpx.Client
) -> None:
    known = len(practice.server.log)
    for sent in (b"{", b'{"resourceType":"Patient"'):
        head = request_head(operator, "POST", "/fhir/Patient", {"Content-Length": "100"})
        with socket.create_connection(("127.0.0.1", practice.server.port), timeout=5) as connection:
            connection.sendall(head + sent)
    time.sleep(0.5)
    assert operator.get("/Patient/pat-1").status_code == 200
    assert '"error"' not in practice.server.log[known:]


def test_bytes_that_are_no_http_are_refused(practice: Practice) -> None:
    for sent in (
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
    ):
        assert raw(practice, sent).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{practice.server.base_url}/health/live").status_code == 200


def test_a_note_that_promises_more_than_it_holds_is_refused(operator: httpx.Client) -> None:
    document = note("text/plain", b"x")
    document["content"][0]["attachment"]["data"] = "not base64 !"
    answer = operator.post("/DocumentReference", json=document)
    assert answer.status_code == 400
    assert {path for _, path in findings(answer)} == {"DocumentReference.content[0].attachment.data"}


def request_head(client: httpx.Client, method: str, path: str, headers: dict[str, str]) -> bytes:
    fields = {
        "Host": "x",
        "Content-Type": FHIR_JSON,
        "Authorization": client.headers["Authorization"],
        **headers,
    }
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def raw(practice: Practice, sent: bytes) -> bytes:
    """Send bytes as they are, and read the beginning of what comes back."""
    with socket.create_connection(("127.0.0.1", practice.server.port), timeout=5) as connection:
        connection.sendall(sent)
        return connection.recv(4096)
