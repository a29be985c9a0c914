"""What a write refers to is taken to be there until the store finds that it is not: then all is told as ever.

Source: https://hl7.org/fhir/R4/http.html#create, project rule RX-16
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from harness import Server

Document = dict[str, Any]
SYSTEM = "https://granted.example/rx"
MISSING = "The resource referred to does not exist on this server; store it first."


@pytest.fixture(scope="module")
def operator(server: Server) -> Iterator[httpx.Client]:
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture
def patient(operator: httpx.Client) -> str:
    return f"Patient/{operator.post('/Patient', json={'resourceType': 'Patient'}).json()['id']}"


def pulse(**members: Any) -> Document:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "pulse"}, **members}


def order(patient: str, **members: Any) -> Document:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "ketamine"},
        "subject": {"reference": patient},
        "authoredOn": "2026-11-02",
        **members,
    }


def found(answer: httpx.Response, status: int) -> set[tuple[str, str, str]]:
    assert answer.status_code == status, answer.text
    return {
        (issue["code"], issue["expression"][0], issue["details"]["text"]) for issue in answer.json()["issue"]
    }


def test_what_is_not_there_is_named_and_nothing_is_stored(server: Server, operator: httpx.Client) -> None:
    key = f"lost-{uuid4()}"
    document = pulse(id=key, subject={"reference": "Patient/nobody"}, focus=[{"reference": "Device/none"}])
    answer = operator.put(f"/Observation/{key}", json=document)
    assert found(answer, 422) == {
        ("not-found", "Observation.subject.reference", MISSING),
        ("not-found", "Observation.focus[0].reference", MISSING),
    }
    assert operator.get(f"/Observation/{key}").status_code == 404
    assert operator.get(f"/Observation/{key}/_history").status_code == 404


async def statuses(dsn: str, request_id: str) -> list[int]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT status FROM audit_record WHERE request_id = $1", request_id)
    finally:
        await connection.close()
    return [row["status"] for row in rows]


def test_a_refusal_is_audited_as_one_and_not_as_a_creation(server: Server, operator: httpx.Client) -> None:
    request_id = str(uuid4())
    document = pulse(subject={"reference": "Patient/nobody"})
    operator.post("/Observation", json=document, headers={"X-Request-Id": request_id})
    assert asyncio.run(statuses(server.database_url, request_id)) == [422]


def test_a_broken_rule_and_a_missing_patient_are_told_at_once(operator: httpx.Client) -> None:
    document = order("Patient/nobody", dispenseRequest={"numberOfRepeatsAllowed": 6})
    expressions = {place for _, place, _ in found(operator.post("/MedicationRequest", json=document), 422)}
    assert expressions == {
        "MedicationRequest.dispenseRequest.numberOfRepeatsAllowed",
        "MedicationRequest.subject.reference",
    }


def test_a_name_that_is_not_the_patients_is_refused(operator: httpx.Client) -> None:
    named = {"resourceType": "Patient", "name": [{"family": "Abara"}]}
    patient = f"Patient/{operator.post('/Patient', json=named).json()['id']}"
    document = order(patient, subject={"reference": patient, "display": "Bianchi"})
    answer = operator.post("/MedicationRequest", json=document)
    assert {place for _, place, _ in found(answer, 422)} == {"MedicationRequest.subject.display"}


def test_what_was_deleted_is_not_referred_to_by_a_new_version(operator: httpx.Client, patient: str) -> None:
    key = operator.post("/Observation", json=pulse()).json()["id"]
    assert operator.delete(f"/{patient}").status_code == 204
    answer = operator.put(f"/Observation/{key}", json=pulse(id=key, subject={"reference": patient}))
    assert found(answer, 422) == {("not-found", "Observation.subject.reference", MISSING)}
    assert operator.get(f"/Observation/{key}").headers["etag"] == 'W/"1"'


@pytest.mark.parametrize("reference", ["Observation/{key}", "Observation/{key}/_history/1", "Slot/1"])
def test_nothing_refers_to_what_is_not_there_before_it(operator: httpx.Client, reference: str) -> None:
    key = f"own-{uuid4()}"
    extension = {"url": "urn:x", "valueReference": {"reference": reference.format(key=key)}}
    answer = operator.put(f"/Observation/{key}", json=pulse(id=key, extension=[extension]))
    assert found(answer, 422) == {
        ("not-found", "Observation.extension[0].valueReference.reference", MISSING),
    }
    assert operator.get(f"/Observation/{key}").status_code == 404


def test_a_later_version_may_refer_to_its_own_resource(operator: httpx.Client) -> None:
    key = operator.post("/Observation", json=pulse()).json()["id"]
    for reference in (f"Observation/{key}", f"Observation/{key}/_history/1"):
        document = pulse(id=key, derivedFrom=[{"reference": reference}])
        assert operator.put(f"/Observation/{key}", json=document).status_code == 200


def test_an_order_that_is_expected_to_be_known_is_answered_whatever_became_of_the_rules(
    operator: httpx.Client, patient: str
) -> None:
    value = uuid4().hex
    criteria = {"If-None-Exist": f"identifier={SYSTEM}|{value}"}
    document = order(patient, identifier=[{"system": SYSTEM, "value": value}])
    first = operator.post("/MedicationRequest", json=document, headers=criteria)
    assert first.status_code == 201
    refused_now = {**document, "dispenseRequest": {"numberOfRepeatsAllowed": 6}}
    again = operator.post("/MedicationRequest", json=refused_now, headers=criteria)
    assert (again.status_code, again.json()) == (200, first.json())
    operator.delete(f"/MedicationRequest/{first.json()['id']}")
    gone = operator.post("/MedicationRequest", json=document, headers=criteria)
    assert gone.status_code == 410
    assert gone.json()["issue"][0]["code"] == "deleted"


def test_of_many_conditional_creations_at_once_one_creates(operator: httpx.Client, patient: str) -> None:
    value = uuid4().hex
    criteria = {"If-None-Exist": f"identifier={SYSTEM}|{value}"}
    document = order(patient, identifier=[{"system": SYSTEM, "value": value}])

    def post(_: int) -> httpx.Response:
        return operator.post("/MedicationRequest", json=document, headers=criteria)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_of_many_writers_who_trust_and_lose_each_stores_its_version(
    operator: httpx.Client, patient: str
) -> None:
    key = operator.post("/Observation", json=pulse()).json()["id"]

    def put(number: int) -> int:
        document = pulse(id=key, subject={"reference": patient}, valueInteger=number)
        return operator.put(f"/Observation/{key}", json=document).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(put, range(8))) == {200}
    assert operator.get(f"/Observation/{key}").headers["etag"] == 'W/"9"'
