"""What widespread clients send although R4 does not describe it: each is honoured, refused or ignored.

Prefer: return=presentation     every patch of the SMART JS client       ignored
criteria in a creation's URL    fhirpy's get_or_create and create        as If-None-Exist
a PATCH of plain members        fhirpy's patch                           tests/conditional/test_patch.py
_total=estimated                every estimate of HAPI's client          as estimate
a creation without a url        HAPI's transaction of a list             the type is the resource's
_at with prefixes               HAPI's history of a period               tests/history/test_history.py
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from practice_kit import findings, number, order, patient, transaction

SYSTEM = "https://habits.example"
JSON = {"Content-Type": "application/fhir+json"}


def marked(value: str) -> dict[str, Any]:
    return patient(identifier=[{"system": SYSTEM, "value": value}])


def stored(operator: httpx.Client, value: str) -> int:
    """Count the patients with an identifier."""
    found: int = operator.get(f"/Patient?identifier={SYSTEM}|{value}&_total=accurate").json()["total"]
    return found


@pytest.mark.parametrize("criteria", ["nonsense=1", "identifier=", "birthdate=x", "_sort=name", "x"])
def test_criteria_in_the_url_of_a_creation_that_would_match_anything_are_refused(
    criteria: str, operator: httpx.Client
) -> None:
    value = number()
    answer = operator.post(f"/Patient?{criteria}", json=marked(value))
    assert answer.status_code in {400, 412}, answer.text
    assert findings(answer)
    assert stored(operator, value) == 0


def test_criteria_in_the_url_and_in_the_header_are_refused(operator: httpx.Client) -> None:
    value = number()
    criteria = f"identifier={SYSTEM}|{value}"
    answer = operator.post(f"/Patient?{criteria}", json=marked(value), headers={"If-None-Exist": criteria})
    assert (answer.status_code, stored(operator, value)) == (400, 0)
    assert "once" in answer.json()["issue"][0]["details"]["text"]


def test_criteria_in_the_url_that_match_several_are_refused(operator: httpx.Client) -> None:
    value = number()
    for _ in range(2):
        assert operator.post("/Patient", json=marked(value)).status_code == 201
    answer = operator.post(f"/Patient?identifier={SYSTEM}|{value}", json=marked(value))
    assert (answer.status_code, stored(operator, value)) == (412, 2)


def test_of_concurrent_creations_with_criteria_in_the_url_one_stores(operator: httpx.Client) -> None:
    value = number()

    def send(_: int) -> tuple[int, str]:
        answer = operator.post(f"/Patient?identifier={SYSTEM}|{value}", json=marked(value))
        return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({key for _, key in answers}) == 1
    assert stored(operator, value) == 1


def test_criteria_in_the_url_of_an_entry_are_its_condition(operator: httpx.Client) -> None:
    value = number()
    bundle = transaction(("POST", f"Patient?identifier={SYSTEM}|{value}", marked(value)))
    statuses = [
        operator.post("", json=bundle).json()["entry"][0]["response"]["status"].split()[0] for _ in range(2)
    ]
    assert (statuses, stored(operator, value)) == (["201", "200"], 1)


def test_a_prescription_with_its_identifier_in_the_url_is_stored_once(operator: httpx.Client) -> None:
    sent = order()
    identifier = sent["identifier"][0]
    url = f"/MedicationRequest?identifier={identifier['system']}|{identifier['value']}"
    answers = [operator.post(url, json=sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()


def test_what_shapes_the_answer_is_no_criterion_of_a_creation(operator: httpx.Client) -> None:
    for _ in range(2):
        assert operator.post("/Patient?_format=json&_pretty=true", json=patient()).status_code == 201


@pytest.mark.parametrize(
    "unknown", ["return=everything", "return=presentation", "return=", "x", ";,=", "x=1; y"]
)
def test_a_preference_that_is_not_known_is_ignored(unknown: str, operator: httpx.Client) -> None:
    """RFC 7240 section 2 demands it."""
    sent = json.dumps(patient())
    answer = operator.post("/Patient", content=sent, headers={**JSON, "Prefer": unknown})
    assert (answer.status_code, answer.json()["resourceType"]) == (201, "Patient")
    known = operator.post("/Patient", content=sent, headers={**JSON, "Prefer": f"{unknown}, return=minimal"})
    assert (known.status_code, known.content) == (201, b"")
    assert operator.get("/Patient?unknown=1", headers={"Prefer": unknown}).status_code == 200


def test_an_estimate_may_be_called_estimated(operator: httpx.Client) -> None:
    value = number()
    operator.post("/Patient", json=marked(value))
    found = operator.get(f"/Patient?identifier={SYSTEM}|{value}&_total=estimated").json()
    assert found["total"] == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"request": {"method": "POST"}},
        {"request": {"method": "POST"}, "resource": {"id": "x"}},
        {"request": {"method": "POST"}, "resource": [patient()]},
        {"request": {"method": "PUT"}, "resource": patient()},
        {"request": {"method": "POST", "ifNoneExist": "name=x"}, "resource": patient()},
    ],
)
def test_an_entry_that_does_not_tell_what_it_is_about_is_refused(
    entry: dict[str, Any], operator: httpx.Client
) -> None:
    answer = operator.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert answer.status_code == 400
    assert findings(answer) == {("structure", "Bundle.entry[0].request")}


def test_a_creation_without_a_url_is_one_of_the_type_of_its_resource(operator: httpx.Client) -> None:
    value = number()
    entry = {"request": {"method": "POST"}, "resource": marked(value)}
    answer = operator.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 2})
    statuses = [entry["response"]["status"] for entry in answer.json()["entry"]]
    assert (statuses, stored(operator, value)) == (["201 Created"] * 2, 2)
