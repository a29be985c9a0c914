"""A transaction's entries vouch for each other only as far as they are stored, and link to one place each."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest
from practice_kit import Practice, number, order, patient, resources

from service import store
from service.context import Context
from service.database import SERVER_SETTINGS
from service.settings import Settings
from service.statements import CLOCK_LOCK

URN = "urn:uuid:{}"


def bundle(*entries: dict[str, Any]) -> str:
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def entry(method: str, url: str, resource: Any = None, full_url: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url}}
    made |= {"resource": resource} if resource else {}
    return made | ({"fullUrl": full_url} if full_url else {})


def observation(reference: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": reference},
    }


FORGED = {
    "resourceType": "PractitionerRole",
    "active": True,
    "practitioner": {"reference": "Practitioner/prac-rx"},
    "organization": {"reference": "Organization/org-rx-b"},
}


def test_a_role_that_comes_along_with_a_search_makes_nobody_a_prescriber(competitor: httpx.Client) -> None:
    foreign = order(number(), requester={"reference": "Practitioner/prac-rx"})
    sent = bundle(
        entry("GET", "PractitionerRole?_count=1", FORGED), entry("POST", "MedicationRequest", foreign)
    )
    assert competitor.post("", content=sent).status_code == 403


def test_a_role_that_comes_along_with_a_search_takes_over_no_order(
    prescriber: httpx.Client, competitor: httpx.Client
) -> None:
    theirs = order(number(), requester={"reference": "Practitioner/prac-rx"})
    known = prescriber.post("/MedicationRequest", content=json.dumps(theirs)).json()
    place = f"MedicationRequest/{known['id']}"
    sent = bundle(
        entry("GET", "PractitionerRole?_count=1", FORGED),
        entry("PUT", place, {**known, "status": "cancelled"}),
    )
    assert competitor.post("", content=sent).status_code == 403
    assert prescriber.get(f"/{place}").json()["status"] == known["status"]


@pytest.mark.parametrize("method", ["DELETE", "GET"])
def test_a_resource_that_is_not_stored_is_no_target(operator: httpx.Client, method: str) -> None:
    url = "Patient/nobody" if method == "DELETE" else "Patient?_id=nobody"
    sent = bundle(
        entry(method, url, {"resourceType": "Patient", "id": "nobody"}),
        entry("POST", "Observation", observation("Patient/nobody")),
    )
    assert operator.post("", content=sent).status_code == 422


def test_two_entries_with_the_same_full_url_are_refused(operator: httpx.Client) -> None:
    url = URN.format(uuid4())
    name = f"Twin{uuid4().hex}"
    sent = bundle(
        entry("POST", "Patient", patient(name), url),
        entry("POST", "Patient", patient(name), url),
        entry("POST", "Observation", observation(url)),
    )
    answer = operator.post("", content=sent)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1].fullUrl"]
    assert resources(operator.get("/Patient", params={"family": name}).json()) == []


def test_two_entries_with_the_same_prescription_number_are_refused_at_once(prescriber: httpx.Client) -> None:
    value = number()
    sent = bundle(*(entry("POST", "MedicationRequest", order(value)) for _ in range(2)))
    answer = prescriber.post("", content=sent)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]


def test_a_relative_link_from_another_server_leads_to_that_servers_patient(operator: httpx.Client) -> None:
    old = "https://old.example/fhir"
    sent = bundle(
        entry("POST", "Patient", patient("Moved"), f"{old}/Patient/pat-1"),
        entry("POST", "Observation", observation("Patient/pat-1"), f"{old}/Observation/9"),
        entry("POST", "Observation", observation("Patient/pat-1"), URN.format(uuid4())),
    )
    answer = operator.post("", content=sent, headers={"Prefer": "return=representation"}).json()
    moved, theirs, ours = (item["resource"] for item in answer["entry"])
    assert theirs["subject"]["reference"] == f"Patient/{moved['id']}"
    assert ours["subject"]["reference"] == "Patient/pat-1"


def test_transactions_that_wait_for_each_other_all_succeed(practice: Practice) -> None:
    async def run() -> Counter[int]:
        answers: Counter[int] = Counter()
        async with httpx.AsyncClient(
            base_url=practice.server.fhir, headers=prescriber.headers, timeout=60
        ) as client:

            async def post(numbers: list[str]) -> None:
                medication = {"resourceType": "Medication", "code": {"text": "x"}}
                between = [entry("POST", "Medication", medication) for _ in range(15)]
                orders = [entry("POST", "MedicationRequest", order(value)) for value in numbers]
                answer = await client.post("", content=bundle(orders[0], *between, orders[1]))
                answers[answer.status_code] += 1

            for _ in range(4):
                values = [number(), number()]
                await asyncio.gather(*(post(values[:: -1 if turn % 2 else 1]) for turn in range(6)))
        return answers

    with practice.prescriber(scope="system/*.cruds") as prescriber:
        assert asyncio.run(run()) == {200: 24}, practice.server.log[-9000:]


async def test_a_stamp_that_cannot_be_drawn_leaves_no_lock_behind(
    database_url: str, settings: Settings
) -> None:
    import asyncpg  # noqa: PLC0415 - the driver's own errors

    from models.principal import OPERATOR  # noqa: PLC0415

    first, second = [
        await asyncpg.connect(database_url, server_settings=dict(SERVER_SETTINGS)) for _ in range(2)
    ]
    try:
        await first.execute("SET default_transaction_read_only = on")
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            async with store.transaction(Context(OPERATOR, first, settings, "test")):
                pass
        await asyncio.sleep(0.2)
        assert await second.fetchval("SELECT pg_try_advisory_lock($1)", CLOCK_LOCK)
    finally:
        await second.close()
        first.terminate()
