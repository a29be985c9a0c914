"""What a request leaves behind: an audit record always, a log line and a figure without anybody's data.

Canaries are values that appear nowhere else. They are sent wherever a client can put a value, and then
looked for wherever they must not be: in logs, in figures, and in the answers to refused requests. The
name of a search parameter is no value: a refusal may repeat it.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import harness
import httpx
import practice_kit
import pytest
from practice_kit import Practice, note, order, patient

CANARY = "Quetzalcanary"


def audited(practice: Practice, request_id: str) -> list[tuple[str, str | None, int]]:
    rows = practice.vault.fetch(
        "SELECT interaction, resource_type, status FROM audit_record WHERE request_id = $1 ORDER BY id",
        request_id,
    )
    return [tuple(row) for row in rows]


AUDITED: dict[str, tuple[str, str, Any, tuple[str, str | None, int]]] = {
    "a creation": ("POST", "/Patient", patient(), ("create", "Patient", 201)),
    "a refused creation": ("POST", "/Patient", patient(gender="x"), ("create", "Patient", 400)),
    "a body that is no JSON": ("POST", "/Patient", "{", ("create", "Patient", 400)),
    "a read": ("GET", "/Patient/pat-1", None, ("read", "Patient", 200)),
    "a read of nothing": ("GET", "/Patient/nope", None, ("read", "Patient", 404)),
    "a version": ("GET", "/Patient/pat-1/_history/1", None, ("vread", "Patient", 200)),
    "a history": ("GET", "/Patient/pat-1/_history", None, ("history-instance", "Patient", 200)),
    "a search": ("GET", "/Patient?name=x", None, ("search-type", "Patient", 200)),
    "a refused search": ("GET", "/Patient?birthdate=x", None, ("search-type", "Patient", 400)),
    "a body of another type": ("POST", "/Patient", "a Patient", ("create", "Patient", 415)),
    "a forbidden search": ("GET", "/Consent", None, ("search-type", "Consent", 403)),
    "a forbidden creation": ("POST", "/Consent", {"resourceType": "Consent"}, ("create", "Consent", 403)),
    "a forbidden deletion": ("DELETE", "/Consent/x", None, ("delete", "Consent", 403)),
    "a wrong update": ("PUT", "/Patient/a", patient(id="b"), ("update", "Patient", 400)),
}


@pytest.fixture(scope="session")
def clerk(practice: Practice) -> Iterator[httpx.Client]:
    """Somebody who may do everything to patients and nothing else."""
    with practice.operator("system/Patient.cruds") as client:
        yield client


@pytest.mark.parametrize("case", AUDITED)
def test_an_audit_record_is_left_by(case: str, clerk: httpx.Client, practice: Practice) -> None:
    method, url, body, record = AUDITED[case]
    request_id = str(uuid4())
    content = json.dumps(body) if isinstance(body, dict) else body
    headers = {"X-Request-Id": request_id} | (
        {"Content-Type": "text/turtle"} if content == "a Patient" else {}
    )
    answer = clerk.request(method, url, content=content, headers=headers)
    assert (answer.status_code, audited(practice, request_id)) == (record[2], [record])


def test_a_request_without_a_valid_token_leaves_its_record(practice: Practice) -> None:
    for authorization in ("", "Bearer x", "Basic eDp5"):
        request_id = str(uuid4())
        headers = {"X-Request-Id": request_id, "Authorization": authorization}
        with practice.server.http() as http:
            assert http.get("/fhir/Patient/pat-1", headers=headers).status_code == 401
        assert audited(practice, request_id) == [("read", "Patient", 401)]


def test_every_entry_of_a_transaction_leaves_its_record(clerk: httpx.Client, practice: Practice) -> None:
    request_id = str(uuid4())
    bundle = practice_kit.transaction(
        ("POST", "Patient", patient()), ("PUT", "Patient/of-audit", patient(id="of-audit"))
    )
    assert clerk.post("/", json=bundle, headers={"X-Request-Id": request_id}).status_code == 200
    assert {("create", "Patient", 201), ("update", "Patient", 201)} <= set(audited(practice, request_id))


def test_a_record_names_client_and_resource(clerk: httpx.Client, practice: Practice) -> None:
    request_id = str(uuid4())
    clerk.get("/Patient/pat-1", headers={"X-Request-Id": request_id})
    row = practice.vault.fetch(
        "SELECT client_id, resource_id FROM audit_record WHERE request_id = $1", request_id
    )[0]
    assert row["resource_id"] == "pat-1"
    assert (
        practice.vault.count("SELECT count(*) FROM oauth_client WHERE client_id = $1", row["client_id"]) == 1
    )


def test_a_request_id_is_taken_over_when_it_is_usable_and_else_replaced(clerk: httpx.Client) -> None:
    assert clerk.get("/Patient/pat-1", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    for unusable in ("", "x" * 65, "a b", "<script>", "é"):
        answer = clerk.get("/Patient/pat-1", headers=[(b"X-Request-Id", unusable.encode())])
        assert len(answer.headers["x-request-id"]) == 36
    with httpx.Client(base_url=clerk.base_url.copy_with(path="/")) as nobody:
        for path in ("/health/live", "/nowhere", "/fhir/Patient", "/oauth/token"):
            assert nobody.get(path, headers={"X-Request-Id": "mine-2"}).headers["x-request-id"] == "mine-2"


def logged(practice: Practice, request_id: str) -> list[dict[str, Any]]:
    """Read what the log says about a request; it is written when the answer has left."""
    deadline = time.monotonic() + 10
    while True:
        found = [line for line in practice.server.log.splitlines() if request_id in line]
        if found or time.monotonic() > deadline:
            return [json.loads(line) for line in found]
        time.sleep(0.05)


def test_a_log_line_tells_what_was_done_by_whom_and_how_it_ended(
    clerk: httpx.Client, practice: Practice
) -> None:
    request_id = str(uuid4())
    clerk.get("/Patient/nope", headers={"X-Request-Id": request_id})
    lines = logged(practice, request_id)
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "read Patient", 404)
    ]
    assert lines[0]["client_id"]


def canaries(where: str) -> str:
    """Make a value that tells where it was put in."""
    return f"{CANARY}-{where}-{uuid4().hex[:8]}"


def stored_values(client: httpx.Client) -> None:
    """Store values, and look for them, in ways that are allowed."""
    family, text = canaries("family"), canaries("note")
    born = client.post(
        "/Patient", json=patient(family, identifier=[{"system": "urn:x", "value": canaries("mrn")}])
    )
    assert born.status_code == 201
    assert client.post(
        "/DocumentReference", json=note("text/plain", text.encode(), description=text)
    ).is_success
    assert client.post("/MedicationRequest", json=order(canaries("rx"))).status_code == 201
    for query in (f"family={family}", f"identifier=urn:x|{family}", f"name:contains={family}&_sort=family"):
        assert client.get(f"/Patient?{query}").status_code == 200
    searched = client.post("/Patient/_search", data={"family": family}, headers=FORM)
    assert searched.status_code == 200


STRICT = {"Prefer": "handling=strict"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def refused_requests() -> list[dict[str, Any]]:
    """Write requests that are refused for each reason there is, with a canary at the fault."""

    def post(content: Any, url: str = "/Patient", method: str = "POST", **headers: str) -> dict[str, Any]:
        body = content if isinstance(content, str) else json.dumps(content)
        return {"method": method, "url": url, "content": body, "headers": headers}

    c = canaries
    secret = base64.b64encode(c("data").encode()).decode()
    return [
        post(f'{{"resourceType":"Patient","{c("key")}":1}}'),
        post(f'{{"resourceType":"Patient","gender":"{c("broken")}"'),
        post(f'{{"{c("twice")}":1,"resourceType":"Patient","a":"{c("x")}","a":2}}'),
        post(f'"{c("scalar")}"'),
        post({"resourceType": c("type")}),
        post(patient(gender=c("code"))),
        post(patient(birthDate=c("date"))),
        post(patient(active=c("boolean"))),
        post(patient(photo=[{"data": c("base64 !")}])),
        post(patient(photo=[{"contentType": "text/plain", "data": secret, "size": c("size")}])),
        post(patient(managingOrganization={"reference": f"Organization/{c('reference')}"})),
        post(patient(managingOrganization={"reference": f"Organization?name={c('criteria')}"})),
        post(patient(managingOrganization={"reference": f"Practitioner/{c('target')}"})),
        post(patient(extension=[{"url": "urn:x", c("member"): 1}])),
        post(patient(text={"status": "generated", "div": f"<div><script>{c('div')}</script></div>"})),
        post({**order(), "subject": {"reference": f"Patient/{c('subject')}"}}, "/MedicationRequest"),
        post({**order(), "status": c("status")}, "/MedicationRequest"),
        post({**order(), "authoredOn": "2098-01-01", "note": [{"text": c("text")}]}, "/MedicationRequest"),
        post(order(subject={"identifier": {"system": "urn:x", "value": c("mrn")}}), "/MedicationRequest"),
        post(patient(id="other"), f"/Patient/{c('id')}", "PUT"),
        post(patient(id="pat-1"), "/Patient/pat-1", "PUT", **{"If-Match": c("if-match")}),
        post(patient(), **{"If-None-Exist": f"nonsense={c('value')}"}),
        post(patient(), **{"If-None-Exist": f"birthdate={c('value')}"}),
        post(patient(), **{"Content-Type": f"text/{c('type')}"}),
        post(practice_kit.transaction(("POST", c("url"), patient()))  , "/"),
        post(practice_kit.transaction(("POST", "Patient", patient(gender=c("code")))), "/"),
        post({"resourceType": "Bundle", "type": c("type")}, "/"),
        post({"resourceType": "Bundle", "type": "transaction", "entry": [{"fullUrl": c("full")}]}, "/"),
        *({"method": "GET", "url": url} for url in (
            f"/{c('type')}",
            f"/Patient/{c('id')}",
            f"/Patient/{c('id')}/_history",
            f"/Patient/pat-1/_history/{c('version')}",
            f"/Patient/pat-1/${c('operation')}",
            f"/Patient?birthdate={c('date')}",
            f"/Patient?_lastUpdated={c('instant')}",
            f"/Patient?_count={c('count')}",
            f"/Patient?_page={c('page')}",
            f"/Patient?_format={c('format')}",
            f"/Observation?value-quantity={c('quantity')}",
        )),
        {"method": "GET", "url": f"/Patient?nonsense={c('value')}", "headers": STRICT},
        {"method": "GET", "url": "/Patient/pat-1", "headers": {"Authorization": f"Bearer {c('token')}"}},
        {"method": "GET", "url": "/Patient/pat-1", "headers": {"Accept": f"text/{c('accept')}"}},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def disturbed(databases: harness.Databases) -> Iterator[tuple[Practice, list[httpx.Response]]]:
    """A server that was sent every canary, and its answers to the requests that it refused."""
    server = harness.Server(databases.create(), environment={"KAT_LOG_LEVEL": "debug"})
    server.start()
    practice_kit.load(server)
    practice = Practice(server)
    with practice.operator() as client:
        stored_values(client)
        refused = [client.request(**request) for request in refused_requests()]
    yield practice, refused
    server.dispose()
    databases.drop(server.database_url)


Disturbed = tuple[Practice, list[httpx.Response]]


def test_each_is_refused_with_an_outcome_that_does_not_repeat_what_was_sent(disturbed: Disturbed) -> None:
    for answer in disturbed[1]:
        assert 400 <= answer.status_code < 500, (str(answer.request.url), answer.text)
        practice_kit.findings(answer)
        assert CANARY not in answer.text, answer.text
        assert CANARY not in str(answer.headers)


def test_no_log_line_holds_a_value(disturbed: Disturbed) -> None:
    log = disturbed[0].server.log
    assert log.count("request answered") > len(disturbed[1])
    assert CANARY.casefold() not in log.casefold()
    assert base64.b64encode(CANARY.encode()).decode()[:12] not in log


def test_no_figure_holds_a_value(disturbed: Disturbed) -> None:
    with disturbed[0].server.http() as http:
        figures = http.get("/metrics").text
    assert "kat_requests_total" in figures
    assert CANARY.casefold() not in figures.casefold()


def test_no_fault_of_a_client_is_logged_as_ours(disturbed: Disturbed) -> None:
    lines = [line for line in disturbed[0].server.log.splitlines() if line.startswith("{")]
    levels = {json.loads(line)["level"] for line in lines}
    assert levels <= {"debug", "info", "warning"}
