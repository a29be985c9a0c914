"""The interactions on one resource, as the checklist has them: statuses, headers and bodies.

Source: https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import httpx
import pytest
from conformance_kit import CONTENT_TYPE, observation, patient, refusal, stored, write
from practice_kit import Vault

from models.resource import table_name


def address(client, document, version):
    return (
        f"{str(client.base_url).rstrip('/')}/{document['resourceType']}/{document['id']}/_history/{version}"
    )


def versioned(answer, client, status, version):
    """Check the headers of a write and that they say what the body says."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["meta"]["versionId"] == version
    assert answer.headers["etag"] == f'W/"{version}"'
    assert answer.headers["location"] == address(client, body, version)
    changed = parsedate_to_datetime(answer.headers["last-modified"])
    assert body["meta"]["lastUpdated"].startswith(changed.strftime("%Y-%m-%dT%H:%M:%S"))
    assert answer.headers["content-type"] == CONTENT_TYPE
    return body


def test_a_creation_answers_with_the_first_version_and_where_it_is(client):
    made = versioned(client.post("/Patient", json=patient()), client, 201, "1")
    assert client.get(address(client, made, 1)).json() == made


def test_what_the_client_says_of_id_and_version_is_not_kept(client):
    meta = {"versionId": "9", "lastUpdated": "2001-01-01T00:00:00Z", "tag": [{"code": "kept"}]}
    made = versioned(client.post("/Patient", json=patient(id="mine", meta=meta)), client, 201, "1")
    assert made["id"] != "mine"
    assert made["meta"]["lastUpdated"] > "2026"
    assert made["meta"]["tag"] == [{"code": "kept"}]
    assert client.get("/Patient/mine").status_code == 404


@pytest.mark.parametrize("path", ["/Starship", "/patient", "/PATIENT"])
def test_an_unknown_type_is_not_found_and_case_counts(client, path):
    name = path.strip("/")
    refusal(client.post(path, json={"resourceType": name}), 404, "not-found")
    refusal(client.get(f"{path}/1"), 404, "not-found")
    refusal(client.get(path), 404, "not-found")


def test_the_type_in_the_body_has_the_case_of_the_url(client):
    refusal(
        client.post("/Patient", json={"resourceType": "patient"}), 400, "structure", "Patient.resourceType"
    )


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/octet-stream"])
def test_a_body_without_a_type_that_is_offered_is_refused(client, content_type):
    headers = {"Authorization": client.headers["Authorization"]}
    sent = headers if content_type is None else {**headers, "Content-Type": content_type}
    answer = httpx.post(f"{client.base_url}Patient", content=b'{"resourceType":"Patient"}', headers=sent)
    refusal(answer, 415, "not-supported")


INVALID = {
    "no JSON": (b'{"resourceType":"Patient"', "structure", None),
    "an unknown element": (b'{"resourceType":"Patient","nickname":"x"}', "structure", "Patient.nickname"),
    "an element of another shape": (
        b'{"resourceType":"Patient","active":"yes"}',
        "structure",
        "Patient.active",
    ),
    "no such date": (b'{"resourceType":"Patient","birthDate":"2026-02-30"}', "value", "Patient.birthDate"),
    "no such time": (
        b'{"resourceType":"Patient","deceasedDateTime":"2026-01-01T25:00:00Z"}',
        "value",
        "Patient.deceasedDateTime",
    ),
    "no such code": (b'{"resourceType":"Patient","gender":"m"}', "code-invalid", "Patient.gender"),
    "an active narrative": (
        b'{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\\"%b\\"><script/>"}}'
        % b"http://www.w3.org/1999/xhtml",
        "invariant",
        "Patient.text.div",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_resource_is_refused_at_its_place(client, case):
    content, code, expression = INVALID[case]
    answer = client.post("/Patient", content=content)
    refusal(answer, 400, code, expression)


def test_the_digits_of_a_decimal_come_back_as_they_were_sent(client):
    number = b"123456789.01234567890123456789012345678900"
    quantity = b'"valueQuantity":{"value":' + number + b"}"
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},' + quantity + b"}"
    answer = client.post("/Observation", content=body)
    assert answer.status_code == 201
    assert quantity in answer.content
    assert quantity in client.get(f"/Observation/{answer.json()['id']}").content


@pytest.mark.parametrize("hostile", ["..%2f..%2fetc", "%3Cscript%3E", "a%20b", "a_b", "a" * 65, "%00", "é"])
def test_a_hostile_id_is_no_id(client, hostile):
    for answer in (
        client.get(f"/Patient/{hostile}"),
        client.put(f"/Patient/{hostile}", json=patient(id=hostile)),
        client.delete(f"/Patient/{hostile}"),
    ):
        refusal(answer, 404, "not-found")


def test_a_read_tells_its_version_and_type(client):
    made = stored(client, patient())
    answer = client.get(f"/Patient/{made['id']}")
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"1"')
    assert answer.headers["last-modified"]
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert answer.json() == made
    head = client.head(f"/Patient/{made['id']}")
    assert (head.content, head.headers["etag"]) == (b"", 'W/"1"')
    assert head.headers["content-length"] == answer.headers["content-length"]


def test_an_unknown_id_is_not_found(client, value):
    refusal(client.get(f"/Patient/{value}"), 404, "not-found")


def test_what_was_deleted_is_gone_and_its_tag_is_the_deletions(client):
    made = stored(client, patient())
    client.delete(f"/Patient/{made['id']}")
    answer = client.get(f"/Patient/{made['id']}")
    refusal(answer, 410, "deleted")
    assert answer.headers["etag"] == 'W/"2"'


def test_each_version_is_read_for_itself(client, value):
    made = stored(client, patient())
    client.put(f"/Patient/{made['id']}", json={**made, "active": True})
    client.delete(f"/Patient/{made['id']}")
    history = f"/Patient/{made['id']}/_history"
    first, second = client.get(f"{history}/1"), client.get(f"{history}/2")
    assert (first.headers["etag"], second.headers["etag"]) == ('W/"1"', 'W/"2"')
    assert ("active" in first.json(), second.json()["active"]) == (False, True)
    refusal(client.get(f"{history}/3"), 410, "deleted")
    for unknown in ("4", "0", "-1", "x", "99999999999"):
        refusal(client.get(f"{history}/{unknown}"), 404, "not-found")
    refusal(client.get(f"/Patient/{value}/_history/1"), 404, "not-found")


def test_a_summary_of_the_text_holds_the_narrative(client):
    div = '<div xmlns="http://www.w3.org/1999/xhtml">Ada</div>'
    made = stored(client, patient(active=True, text={"status": "generated", "div": div}))
    part = client.get(f"/Patient/{made['id']}?_summary=text").json()
    assert part["text"]["div"] == div
    assert "active" not in part


def test_an_update_makes_the_next_version(client):
    made = stored(client, patient())
    answer = client.put(f"/Patient/{made['id']}", json={**made, "active": True})
    assert versioned(answer, client, 200, "2")["active"] is True


def test_an_update_of_an_unknown_id_creates_it(client, value):
    made = versioned(client.put(f"/Patient/{value}", json=patient(id=value)), client, 201, "1")
    assert made["id"] == value
    client.delete(f"/Patient/{value}")
    versioned(client.put(f"/Patient/{value}", json=patient(id=value)), client, 201, "3")


@pytest.mark.parametrize("id_", [None, "another", "", 1, ["x"]])
def test_an_update_whose_body_has_not_the_id_of_the_url_is_refused(client, id_):
    made = stored(client, patient())
    body = patient() if id_ is None else patient(id=id_)
    refusal(client.put(f"/Patient/{made['id']}", json=body), 400, "invalid", "Patient.id")
    assert client.get(f"/Patient/{made['id']}").headers["etag"] == 'W/"1"'


def test_an_update_with_the_same_content_makes_no_version(client):
    made = stored(client, patient(active=True))
    again = client.put(f"/Patient/{made['id']}", json=patient(id=made["id"], active=True))
    assert versioned(again, client, 200, "1") == made


def test_a_deletion_answers_without_a_body_however_often(client, value):
    made = stored(client, patient())
    for number, path in enumerate((made["id"], made["id"], value)):
        answer = client.delete(f"/Patient/{path}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers.get("etag") == ('W/"2"' if number == 0 else None)
    assert client.get(f"/Patient/{made['id']}").headers["etag"] == 'W/"2"'


def test_a_deletion_tells_its_outcome_to_who_prefers_it(client, value):
    made = stored(client, patient())
    for path in (f"/Patient/{made['id']}", f"/Patient/{value}", f"/Patient?identifier={value}"):
        answer = client.delete(path, headers={"Prefer": "return=OperationOutcome"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
        assert answer.json()["issue"][0]["severity"] == "information"
        assert answer.headers.get("etag") == ('W/"2"' if path.endswith(made["id"]) else None)
    refusal(client.get(f"/Patient/{made['id']}"), 410, "deleted")


PREFERENCES = ["", "return=representation", "return=minimal", "return=OperationOutcome", 'Return="minimal"']


@pytest.mark.parametrize("prefer", PREFERENCES)
@pytest.mark.parametrize("interaction", ["create", "match", "update", "patch", "repeat"])
def test_a_write_answers_what_is_preferred_with_the_same_headers(client, value, prefer, interaction):
    headers = {"Prefer": prefer} if prefer else {}
    exists = {"If-None-Exist": f"identifier=https://conformance.example/id|{value}"}
    made = {} if interaction == "create" else stored(client, patient(value))
    if interaction in {"create", "match"}:
        answer = client.post("/Patient", json=patient(value), headers={**headers, **exists})
    elif interaction == "repeat":
        answer = client.put(f"/Patient/{made['id']}", json=made, headers=headers)
    else:
        answer = write(client, {"update": "PUT", "patch": "PATCH"}[interaction], made, headers=headers)
    assert answer.status_code == (201 if interaction == "create" else 200)
    version = "1" if interaction in {"create", "match", "repeat"} else "2"
    assert answer.headers["etag"] == f'W/"{version}"'
    assert re.search(rf"/Patient/[^/]+/_history/{version}$", answer.headers["location"])
    current = client.get(answer.headers["location"])
    assert answer.headers["last-modified"] == current.headers["last-modified"]
    shown_as_preferred(answer, prefer, current)


def shown_as_preferred(answer, prefer, current):
    if "minimal" in prefer:
        assert (answer.content, answer.headers.get("content-type")) == (b"", None)
    elif "OperationOutcome" in prefer:
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert answer.json()["issue"][0]["severity"] == "information"
    else:
        assert answer.json() == current.json()


@pytest.mark.parametrize("prefer", ["return=everything", "return=", "return", "wait=10", "x"])
def test_a_preference_that_is_not_known_is_passed_over(client, prefer):
    answer = client.post("/Patient", json=patient(), headers={"Prefer": prefer})
    assert answer.status_code == 201
    assert answer.json()["resourceType"] == "Patient"


OFFERED = {"/metadata": "GET", "": "POST, GET", "/_history": "GET", "/Patient/_search": "POST"}


@pytest.mark.parametrize("path", OFFERED)
def test_a_method_that_is_not_offered_is_refused_with_those_that_are(client, path):
    answer = client.put(path, json=patient())
    refusal(answer, 405, "not-supported")
    assert answer.headers["allow"] == OFFERED[path]


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        ("", "POST, GET, HEAD, OPTIONS"),
        ("/metadata", "GET, HEAD, OPTIONS"),
        ("/Patient/1", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
        ("/Patient/$match", "POST, OPTIONS"),
    ],
)
def test_whoever_asks_is_told_the_methods_of_a_path(client, path, offered):
    for headers in ({}, {"Origin": "https://app.example"}):
        answer = httpx.options(f"{str(client.base_url).rstrip('/')}{path}", headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["allow"] == offered
    refusal(client.options("/Starship"), 404, "not-found")


def test_an_answer_is_not_taken_for_a_page(client):
    made = stored(client, patient())
    for path in (f"/Patient/{made['id']}", "/Patient", "/metadata", "/Patient/nobody"):
        assert client.get(path).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/fhir/Patient/1/2", "/fhir/nowhere", "/", "/nowhere", "/oauth/nowhere"])
@pytest.mark.parametrize("origin", [{}, {"Origin": "https://app.example"}])
def test_a_route_that_is_not_there_is_not_found_with_an_outcome(server, client, path, origin):
    answer = client.get(server.base_url + path, headers=origin)
    refusal(answer, 404, "not-found")


def test_an_error_of_the_server_is_an_outcome_that_tells_nothing(start_server):
    running = start_server()
    Vault(running.database_url).fetch(f"ALTER TABLE {table_name('Flag')} RENAME TO lost")
    with running.client("admin", "system/*.cruds") as client:
        for origin in ({}, {"Origin": "https://app.example"}):
            answer = client.get("/Flag/1", headers={"X-Request-Id": "fault-1", **origin})
            assert "flag" not in refusal(answer, 500, "exception").lower()
            assert answer.headers["x-request-id"] == "fault-1"


@pytest.mark.parametrize("path", ["/metadata", "/Patient/nobody", "/nowhere", "/Patient?_count=x"])
def test_a_request_id_comes_back_on_every_answer(client, path):
    answer = client.get(path, headers={"X-Request-Id": "check-1"})
    assert answer.headers["x-request-id"] == "check-1"
    assert client.get(path).headers["x-request-id"] not in {"", "check-1"}


@pytest.mark.parametrize("sent", ["urn:uuid:5a1b", "x y", "a" * 65])
def test_a_request_id_that_is_not_taken_over_comes_back_beside_ours(client, sent):
    answer = client.get("/metadata", headers={"X-Request-Id": sent})
    assert answer.headers["x-correlation-id"] == sent
    assert answer.headers["x-request-id"] not in {"", sent}
    assert "x-correlation-id" not in client.get("/metadata", headers={"X-Request-Id": "check-1"}).headers


def test_a_request_id_that_no_header_may_hold_does_not_come_back(client):
    for sent in (b"\xc3\xbc", b"a" * 300, b"a\tb"):
        answer = client.get("/metadata", headers=[(b"X-Request-Id", sent)])
        assert "x-correlation-id" not in answer.headers


def test_what_was_read_in_part_is_not_written_back(client):
    made = stored(client, patient(active=True, gender="other"))
    part = client.get(f"/Patient/{made['id']}?_elements=active").json()
    text = refusal(
        client.put(f"/Patient/{made['id']}", json=part), 422, "business-rule", "Patient.meta.tag[0]"
    )
    assert "SUBSETTED" in text
    refusal(client.post("/Patient", json=part), 422, "business-rule", "Patient.meta.tag[0]")
    assert client.get(f"/Patient/{made['id']}").json() == made


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_page_of_any_origin_may_ask(client, method):
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,if-match,if-none-exist,prefer",
    }
    answer = httpx.options(f"{client.base_url}Patient/1", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert method in answer.headers["access-control-allow-methods"]
    assert "if-none-exist" in answer.headers["access-control-allow-headers"].lower()


def test_a_page_of_any_origin_reads_the_headers_of_an_answer(client):
    made = stored(client, observation(f"Patient/{stored(client, patient())['id']}"))
    for path, status in ((f"/Observation/{made['id']}", 200), ("/Observation/nobody", 404)):
        answer = client.get(path, headers={"Origin": "https://app.example"})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "*"
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert {"etag", "location", "last-modified", "x-request-id"} <= set(exposed.split(", "))
