"""What a hostile reader of the third round found, each as the request that showed it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import practice_kit
import pytest

Document = dict[str, Any]
SYSTEM = "https://third.example/id"
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
COMMIT, CANCEL = "COMMIT", "CANCEL"


@pytest.fixture(scope="module")
def patient(operator: httpx.Client) -> Document:
    """A patient whom the confined client does not see."""
    person = practice_kit.patient(
        "Hidden", gender="male", identifier=[{"system": SYSTEM, "value": uuid4().hex}], birthDate="1980-01-02"
    )
    stored: Document = operator.post("/Patient", json=person).json()
    return stored


@pytest.fixture(scope="module")
def confined(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    scope = "system/MedicationRequest.cruds system/Patient.rs?gender=female"
    with practice.server.client("ehr", scope) as client:
        yield client


async def waiting(dsn: str, begin: str, ends: str, ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Ask for what has to wait for another transaction, until that ends or the work is cancelled."""
    holder, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    try:
        await holder.execute(f"BEGIN; {begin}")
        answer = asyncio.create_task(asyncio.to_thread(ask))
        async with asyncio.timeout(10):
            while not (found := await other.fetch(WAITING)):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
        if ends == COMMIT:
            await holder.execute(COMMIT)
        else:
            await other.execute("SELECT pg_cancel_backend($1)", found[0]["pid"])
        return await answer
    finally:
        await holder.close()
        await other.close()


def test_who_loses_a_race_leaves_no_claim_behind(
    operator: httpx.Client, practice: practice_kit.Practice
) -> None:
    sent = operator.post("/MedicationRequest", json=practice_kit.order()).json()
    wanted = practice_kit.number()
    identifier = [{"use": "official", "system": practice_kit.RX_SYSTEM, "value": wanted}]

    def replace() -> httpx.Response:
        return operator.put(
            f"/MedicationRequest/{sent['id']}",
            json={**sent, "identifier": identifier},
            headers={"If-Match": 'W/"1"'},
        )

    quicker = f"UPDATE fhir_medication_request SET version = 2 WHERE id = '{sent['id']}'"  # noqa: S608
    answer = asyncio.run(waiting(practice.server.database_url, quicker, COMMIT, replace))
    assert answer.status_code == 412
    answer = operator.post("/MedicationRequest", json=practice_kit.order(wanted))
    assert answer.status_code == 201, answer.text


MAKER = {"resourceType": "Organization", "id": "o", "name": "Quickmaker", "active": True}


@pytest.mark.parametrize("change", ["deletion", "update"])
def test_what_is_not_contained_any_more_leaves_nothing_in_the_index(
    operator: httpx.Client, practice: practice_kit.Practice, change: str
) -> None:
    name = f"Maker{uuid4().hex}"
    sent = practice_kit.order(contained=[{**MAKER, "name": name}], requester={"reference": "#o"})
    key = operator.post("/MedicationRequest", json=sent).json()["id"]
    asked = {"requester:Organization.name": name}
    assert [one["id"] for one in practice_kit.resources(found(operator, asked))] == [key]
    if change == "deletion":
        assert operator.delete(f"/MedicationRequest/{key}").status_code == 204
    else:
        without = practice_kit.order(sent["identifier"][0]["value"], id=key)
        assert operator.put(f"/MedicationRequest/{key}", json=without).status_code == 200
    assert practice_kit.resources(found(operator, asked)) == []
    rows = "SELECT count(*) FROM index_string WHERE resource_type = 'MedicationRequest' AND id = $1"
    assert practice.vault.count(rows, key) == 0


def found(client: httpx.Client, asked: dict[str, str]) -> Document:
    answer = client.get("/MedicationRequest", params=asked)
    assert answer.status_code == 200, answer.text
    bundle: Document = answer.json()
    return bundle


def described(identifier: Document, family: str, born: str) -> Document:
    person = practice_kit.patient(family, id="p", identifier=[identifier], birthDate=born)
    return practice_kit.order(subject={"reference": "#p"}, contained=[person])


@pytest.mark.parametrize("family", ["Hidden", "Other"])
def test_a_prescription_by_identifier_tells_nothing_of_a_hidden_patient(
    confined: httpx.Client, operator: httpx.Client, patient: Document, family: str
) -> None:
    absent = {"system": SYSTEM, "value": uuid4().hex}
    (hidden,) = patient["identifier"]
    for write in (
        lambda identifier: practice_kit.order(subject={"identifier": identifier}),
        lambda identifier: described(identifier, family, "1980-01-02"),
    ):
        of_absent, of_hidden = (
            confined.post("/MedicationRequest", json=write(one)) for one in (absent, hidden)
        )
        assert of_absent.status_code == 422
        assert (of_hidden.status_code, of_hidden.json()) == (422, of_absent.json())


def test_an_order_of_a_hidden_patient_that_is_seen_may_still_be_changed(
    confined: httpx.Client, operator: httpx.Client, patient: Document
) -> None:
    stored = operator.post(
        "/MedicationRequest", json=practice_kit.order(subject={"identifier": patient["identifier"][0]})
    )
    assert stored.status_code == 201, stored.text
    changed = {**stored.json(), "status": "on-hold"}
    assert confined.put(f"/MedicationRequest/{changed['id']}", json=changed).status_code == 200


def test_a_deleted_binary_is_told_to_whoever_saw_it(
    operator: httpx.Client, practice: practice_kit.Practice, patient: Document
) -> None:
    headers = {"Content-Type": "text/plain", "X-Security-Context": f"Patient/{patient['id']}"}
    made = operator.post("/Binary", content=b"x", headers=headers).headers["location"]
    path = f"/Binary/{made.rpartition('/Binary/')[2].partition('/')[0]}"
    assert operator.delete(path).status_code == 204
    for scope, status in (
        ("system/Binary.rs", 404),
        ("system/Binary.rs system/Patient.rs?gender=female", 404),
        ("system/Binary.rs system/Patient.rs?gender=male", 410),
        ("system/Binary.rs system/Patient.rs", 410),
        ("system/*.rs", 410),
    ):
        with practice.server.client("ehr", scope) as client:
            assert client.get(path).status_code == status, scope
            told = client.get("/Binary/_history", params={"_count": "1000"}).json().get("entry", [])
            assert any(path in one["fullUrl"] for one in told) == (status == 410), scope


def test_a_history_that_takes_too_long_is_given_up_with_advice_and_audited(
    operator: httpx.Client, practice: practice_kit.Practice
) -> None:
    request_id = str(uuid4())

    def ask() -> httpx.Response:
        return operator.get("/Questionnaire/_history", headers={"X-Request-Id": request_id})

    answer = asyncio.run(waiting(practice.server.database_url, "LOCK TABLE resource_history", CANCEL, ask))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    issue = answer.json()["issue"][0]
    assert (issue["code"], "narrow it" in issue["details"]["text"]) == ("too-costly", True)
    told = practice.vault.fetch("SELECT status FROM audit_record WHERE request_id = $1", request_id)
    assert [row["status"] for row in told] == [503]


def test_a_write_that_waits_too_long_is_audited_as_refused(
    operator: httpx.Client, practice: practice_kit.Practice
) -> None:
    request_id = str(uuid4())
    sent = operator.post("/Patient", json=practice_kit.patient()).json()

    def ask() -> httpx.Response:
        headers = {"X-Request-Id": request_id}
        return operator.put(f"/Patient/{sent['id']}", json={**sent, "gender": "other"}, headers=headers)

    held = f"SELECT FROM fhir_patient WHERE id = '{sent['id']}' FOR UPDATE"
    answer = asyncio.run(waiting(practice.server.database_url, held, CANCEL, ask))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["issue"][0]["code"] == "too-costly"
    told = practice.vault.fetch("SELECT status FROM audit_record WHERE request_id = $1", request_id)
    assert [row["status"] for row in told] == [503]
    assert operator.get(f"/Patient/{sent['id']}").headers["etag"] == 'W/"1"'
