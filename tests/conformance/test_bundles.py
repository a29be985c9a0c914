"""The entries of batches and transactions: what each may ask for, and what a batch is.

Source: https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import httpx
import pytest
from conformance_kit import (
    SYSTEM,
    bundle,
    criteria,
    entry,
    found,
    json_patch,
    observation,
    organization,
    patient,
    refusal,
    responses,
    send,
    statuses,
    stored,
    total,
    urn,
)
from patch_kit import replace

XHTML = "http://www.w3.org/1999/xhtml"
BOTH = pytest.mark.parametrize("kind", ["batch", "transaction"])


MISROUTED = {
    "no request": ({"resource": patient()}, 400, "Bundle.entry[0].request"),
    "no url": ({"request": {"method": "GET"}}, 400, "Bundle.entry[0].request"),
    "an unknown method": (entry("TRACE", "Patient"), 400, "Bundle.entry[0].request.method"),
    "an unknown type": (entry("GET", "Starship/1"), 404, "Bundle.entry[0].request.url"),
    "another server": (
        entry("GET", "https://else.example/fhir/Patient/1"),
        404,
        "Bundle.entry[0].request.url",
    ),
    "a route that is none": (entry("GET", "Patient/1/2/3"), 404, "Bundle.entry[0].request.url"),
    "a method that is not offered": (entry("POST", "Patient/1"), 405, "Bundle.entry[0].request.url"),
    "an operation that is none": (entry("GET", "Patient/$nothing"), 404, "Bundle.entry[0].request.url"),
    "a bundle": (entry("POST", "", bundle("batch")), 405, "Bundle.entry[0]"),
    "no resource": (entry("POST", "Patient"), 400, "Bundle.entry[0]"),
    "no patch": (entry("PATCH", "Patient/1"), 400, "Bundle.entry[0]"),
    "a patch of no known kind": (
        entry("PATCH", "Patient/1", {"resourceType": "Binary", "data": "W10="}),
        404,
        "Bundle.entry[0]",
    ),
    "no criteria": (entry("POST", "Patient", patient(), ifNoneExist=""), 400, "Bundle.entry[0]"),
    "another type": (entry("POST", "Group", patient()), 400, "Bundle.entry[0].resource.resourceType"),
    "an unknown condition": (
        entry("POST", "Patient", patient(), ifNoneExists="x"),
        400,
        "Bundle.entry[0].request",
    ),
    "an unknown member": ({**entry("GET", "Patient"), "body": {}}, 400, "Bundle.entry[0]"),
}


@pytest.mark.parametrize("case", MISROUTED)
def test_an_entry_that_asks_for_nothing_on_offer_is_refused(client, case):
    asked, status, expression = MISROUTED[case]
    answer = send(client, "transaction", asked)
    assert answer.status_code == status
    assert answer.json()["issue"][0]["expression"] == [expression]
    assert statuses(send(client, "batch", asked)) == [status]


def test_an_entry_of_a_batch_fails_alone(client, value):
    person = urn()
    answer = send(
        client,
        "batch",
        entry("POST", "Patient", patient(value), person),
        entry("POST", "Observation", observation(person)),
        entry("POST", "Patient", patient(gender="m")),
        entry("GET", "Patient/never-there"),
        entry("GET", f"Patient?{criteria(value)}"),
    )
    assert statuses(answer) == [201, 400, 400, 404, 200]
    outcomes = [one.get("outcome", {}).get("resourceType") for one in responses(answer)]
    assert outcomes == [None, *["OperationOutcome"] * 3, None]
    assert answer.json()["entry"][4]["resource"]["entry"][0]["resource"]["id"]


@pytest.mark.parametrize(
    "body",
    [{"resourceType": "Patient"}, {"resourceType": "Parameters"}, {"resourceType": "Bundle"}, {}]
    + [bundle(kind) for kind in ("searchset", "history", "collection", "document", "", "Batch")],
)
def test_what_is_neither_a_batch_nor_a_transaction_is_refused(client, body):
    refusal(client.post("", json=body), 400, "structure", "Bundle.type")


@BOTH
def test_a_bundle_with_an_unknown_member_is_refused_and_an_empty_one_is_not(client, kind):
    refusal(client.post("", json={**bundle(kind), "entries": []}), 400, "structure", "Bundle")
    answer = client.post("", json=bundle(kind))
    assert answer.json() == {"resourceType": "Bundle", "type": f"{kind}-response"}


@BOTH
def test_a_thousand_entries_are_stored(client, kind):
    entries = [entry("POST", "Organization", organization(f"{number}"), urn()) for number in range(1000)]
    answer = send(client, kind, *entries)
    assert statuses(answer) == [201] * 1000
    assert len({one["location"] for one in responses(answer)}) == 1000


@BOTH
def test_who_does_not_sign_in_gets_nothing_done(client, kind, value):
    body = bundle(kind, entry("POST", "Patient", patient(value)))
    answer = httpx.post(f"{client.base_url}", json=body, headers={"Content-Type": "application/fhir+json"})
    refusal(answer, 401, "login")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert total(client, value) == 0


def test_a_scope_that_one_entry_lacks_fails_the_transaction(client, narrow, value):
    person = stored(client, patient())
    seen = observation(f"Patient/{person['id']}", identifier=[{"system": SYSTEM, "value": value}])
    asked = [entry("POST", "Observation", seen), entry("POST", "Patient", patient())]
    refusal(send(narrow, "transaction", *asked), 403, "forbidden", "Bundle.entry[1]")
    assert found(client.get(f"/Observation?identifier={value}")) == []


def test_a_scope_that_one_entry_lacks_fails_this_entry_of_a_batch(client, narrow):
    person = stored(client, patient())
    answer = send(
        narrow,
        "batch",
        entry("POST", "Observation", observation(f"Patient/{person['id']}")),
        entry("POST", "Patient", patient()),
        entry("GET", f"Patient/{person['id']}"),
        entry("GET", "Condition"),
        entry("DELETE", f"Patient/{person['id']}"),
    )
    assert statuses(answer) == [201, 403, 200, 403, 403]
    codes = [one.get("outcome", {"issue": [{}]})["issue"][0].get("code") for one in responses(answer)]
    assert codes == [None, "forbidden", None, "forbidden", "forbidden"]


@BOTH
def test_entries_patch_by_either_kind(client, kind):
    made = stored(client, patient(active=True, birthDate="1984-02-29"))
    url = f"Patient/{made['id']}"
    parameters = {
        "resourceType": "Parameters",
        "parameter": [replace("Patient.birthDate", {"valueDate": "1985"})],
    }
    binary = json_patch({"op": "replace", "path": "/active", "value": False})
    spelled = {**binary, "contentType": "application/JSON-Patch+json; charset=utf-8"}
    for resource in (spelled, parameters):
        assert statuses(send(client, kind, entry("PATCH", url, resource))) == [200]
    kept = client.get(f"/{url}").json()
    assert (kept["active"], kept["birthDate"], kept["meta"]["versionId"]) == (False, "1985", "3")
    stale = send(client, "batch", entry("PATCH", url, binary, ifMatch='W/"1"'))
    assert statuses(stale) == [412]


@BOTH
def test_entries_read_on_a_condition(client, kind):
    made = stored(client, patient())
    url = f"Patient/{made['id']}"
    answer = send(
        client,
        kind,
        entry("GET", url, ifNoneMatch='W/"1"'),
        entry("GET", f"{url}/_history/1", ifModifiedSince=made["meta"]["lastUpdated"]),
        entry("GET", url, ifNoneMatch='W/"9"'),
        entry("GET", url, ifModifiedSince="2020-01-01T00:00:00Z"),
    )
    assert statuses(answer) == [304, 304, 200, 200]
    assert ["resource" in one for one in answer.json()["entry"]] == [False, False, True, True]
    assert {one["etag"] for one in responses(answer)} == {'W/"1"'}


@BOTH
def test_an_entry_asks_for_the_head_alone(client, kind):
    made = stored(client, patient())
    asked = [entry("HEAD", f"Patient/{made['id']}"), entry("HEAD", f"Patient?_id={made['id']}")]
    answer = send(client, kind, *asked)
    assert statuses(answer) == [200, 200]
    assert not any("resource" in one for one in answer.json()["entry"])
    assert responses(answer)[0]["etag"] == 'W/"1"'


@BOTH
def test_every_kind_of_reading_is_an_entry(client, kind):
    made = stored(client, patient())
    url = f"Patient/{made['id']}"
    reads = [url, f"/{url}", f"{client.base_url}{url}", f"{url}/_history/1"]
    searches = [f"Patient?_id={made['id']}&_format=xml", f"{url}/$everything", f"{url}/*"]
    bundles = [f"{url}/_history?_pretty=true&_format=json", *searches]
    answer = send(client, kind, *(entry("GET", one) for one in [*reads, *bundles, "metadata", "/metadata"]))
    entries = answer.json()["entry"]
    kinds = [one["resource"]["resourceType"] for one in entries]
    assert [one.get("fullUrl") for one in entries] == [f"{client.base_url}{url}"] * 4 + [None] * 6
    assert kinds == ["Patient"] * 4 + ["Bundle"] * 4 + ["CapabilityStatement"] * 2
    assert answer.json()["entry"][-1]["resource"] == client.get("/metadata").json()


@BOTH
@pytest.mark.parametrize("prefer", ["", "return=minimal", "return=representation"])
def test_what_an_entry_stored_is_shown_when_it_is_preferred(client, kind, prefer):
    answer = send(
        client, kind, entry("POST", "Patient", patient(active=True)), **({"Prefer": prefer} if prefer else {})
    )
    only = answer.json()["entry"][0]
    assert ("resource" in only) == (prefer == "return=representation")
    assert ("fullUrl" in only) == ("resource" in only)
    if "resource" in only:
        assert only["resource"]["meta"]["versionId"] == "1"
        assert only["fullUrl"] == f"{client.base_url}Patient/{only['resource']['id']}"


@BOTH
@pytest.mark.parametrize("prefer", ["", "return=minimal", "return=representation", "return=OperationOutcome"])
def test_what_a_write_found_is_shown_like_what_it_stored(client, kind, prefer, value):
    made = stored(client, patient(value))
    asked = [
        entry("POST", "Patient", patient(value), ifNoneExist=criteria(value)),
        entry("PUT", f"Patient/{made['id']}", made)
        if kind == "batch"
        else entry("POST", "Patient", patient()),
        entry("DELETE", "Patient/never-there"),
    ]
    answer = send(client, kind, *asked, **({"Prefer": prefer} if prefer else {}))
    assert statuses(answer) == [200, 200 if kind == "batch" else 201, 204]
    shown = ["resource" in one for one in answer.json()["entry"]]
    assert shown == ([True, True, False] if "representation" in prefer else [False] * 3)
    told = [one.get("outcome", {"issue": [{}]})["issue"][0].get("severity") for one in responses(answer)]
    assert told == (["information", "information", None] if "Outcome" in prefer else [None] * 3)
    assert responses(answer)[0]["location"].endswith(f"/Patient/{made['id']}/_history/1")


def test_an_unknown_parameter_of_an_entry_is_refused_when_the_bundle_asks_for_it(client):
    asked = entry("GET", "Patient?nonsense=1")
    assert statuses(send(client, "batch", asked)) == [200]
    assert statuses(send(client, "batch", asked, Prefer="handling=strict")) == [400]
