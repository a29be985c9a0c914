"""A conditional reference finds what the same transaction stores, in whatever order the entries come.

Source: https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any
from uuid import uuid4

import httpx
import pytest
from harness import Server

Document = dict[str, Any]
SYSTEM = "https://integrity.example/id"


@pytest.fixture(scope="module")
def operator(server: Server) -> Iterator[httpx.Client]:
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture
def value() -> str:
    return uuid4().hex


def seeking(resource_type: str, value: str) -> Document:
    return {"reference": f"{resource_type}?identifier={SYSTEM}|{value}"}


def named(resource_type: str, value: str, **members: Any) -> Document:
    return {"resourceType": resource_type, "identifier": [{"system": SYSTEM, "value": value}], **members}


def observation(value: str, **members: Any) -> Document:
    subject = seeking("Patient", value)
    return {
        **named("Observation", value, status="final", code={"text": "pulse"}, subject=subject),
        **members,
    }


def entry(document: Document, method: str = "POST", criteria: str = "") -> Document:
    url = f"{document['resourceType']}{criteria}"
    return {"resource": document, "request": {"method": method, "url": url}}


def post(client: httpx.Client, *entries: Document) -> httpx.Response:
    return client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": list(entries)})


def newest(client: httpx.Client, answer: httpx.Response, number: int) -> Document:
    location = answer.json()["entry"][number]["response"]["location"]
    found: Document = client.get(location.partition("/_history/")[0]).json()
    return found


def test_one_that_matches_the_stored_and_the_new_is_refused(operator: httpx.Client, value: str) -> None:
    assert operator.post("/Patient", json=named("Patient", value)).status_code == 201
    answer = post(operator, entry(observation(value)), entry(named("Patient", value)))
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource.subject.reference"]
    assert operator.get(f"/Patient?identifier={value}&_summary=count").json()["total"] == 1


def test_one_that_matches_what_the_transaction_deletes_is_refused(operator: httpx.Client, value: str) -> None:
    patient = operator.post("/Patient", json=named("Patient", value)).json()["id"]
    deletion = {"request": {"method": "DELETE", "url": f"Patient/{patient}"}}
    assert post(operator, entry(observation(value)), deletion).status_code == 422
    assert operator.get(f"/Patient/{patient}").status_code == 200


def test_two_that_can_only_find_each_other_are_refused(operator: httpx.Client, value: str) -> None:
    patient = named("Patient", value, managingOrganization=seeking("Organization", value))
    link = {"url": "https://integrity.example/patient", "valueReference": seeking("Patient", value)}
    answer = post(operator, entry(patient), entry(named("Organization", value, extension=[link])))
    assert answer.status_code == 422
    assert operator.get(f"/Patient?identifier={value}&_summary=count").json()["total"] == 0


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_chain_of_new_resources_is_resolved_in_any_order(
    operator: httpx.Client, value: str, order: tuple[int, ...]
) -> None:
    entries = [
        entry(observation(value)),
        entry(named("Patient", value, managingOrganization=seeking("Organization", value))),
        entry(named("Organization", value)),
    ]
    answer = post(operator, *(entries[at] for at in order))
    assert answer.status_code == 200, answer.text
    seen, patient, organization = (newest(operator, answer, order.index(at)) for at in range(3))
    assert seen["subject"] == {"reference": f"Patient/{patient['id']}"}
    assert patient["managingOrganization"] == {"reference": f"Organization/{organization['id']}"}


@pytest.mark.parametrize("step", [1, -1])
def test_a_reference_to_another_of_its_type_is_resolved(
    operator: httpx.Client, value: str, step: int
) -> None:
    panel = observation(value, hasMember=[seeking("Observation", f"{value}-member")])
    member = observation(value, identifier=[{"system": SYSTEM, "value": f"{value}-member"}])
    entries = [entry(panel), entry(member), entry(named("Patient", value))]
    answer = post(operator, *entries[::step])
    assert answer.status_code == 200, answer.text
    seen, found, _ = [newest(operator, answer, at) for at in range(3)][::step]
    assert seen["hasMember"] == [{"reference": f"Observation/{found['id']}"}]


def test_a_creation_finds_what_an_update_by_criteria_creates(operator: httpx.Client, value: str) -> None:
    criteria = f"?identifier={SYSTEM}|{value}"
    entries = (entry(observation(value)), entry(named("Patient", value), "PUT", criteria))
    first = post(operator, *entries)
    assert [one["response"]["status"][:3] for one in first.json()["entry"]] == ["201", "201"]
    patient = newest(operator, first, 1)["id"]
    assert newest(operator, first, 0)["subject"] == {"reference": f"Patient/{patient}"}
    again = post(operator, *entries)
    assert [one["response"]["status"][:3] for one in again.json()["entry"]] == ["201", "200"]
    assert newest(operator, again, 0)["subject"] == {"reference": f"Patient/{patient}"}


def test_a_conditional_creation_that_is_repeated_gives_the_stored_resource(
    operator: httpx.Client, value: str
) -> None:
    creation = entry(named("Patient", value))
    creation["request"]["ifNoneExist"] = f"identifier={SYSTEM}|{value}"
    first, again = (post(operator, entry(observation(value)), creation) for _ in range(2))
    assert [one["response"]["status"][:3] for one in again.json()["entry"]] == ["201", "200"]
    subjects = {newest(operator, answer, 0)["subject"]["reference"] for answer in (first, again)}
    assert subjects == {f"Patient/{newest(operator, first, 1)['id']}"}
