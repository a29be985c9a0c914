"""An order's identifier opens nothing: who may not see the order is not told what is in it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import practice_kit
import pytest
from practice_kit import RX_SYSTEM, Practice, number, order, transaction


def stored(prescriber: httpx.Client) -> dict[str, Any]:
    answer = prescriber.post("/MedicationRequest", content=json.dumps(order(number())))
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def guess(known: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"resourceType": "MedicationRequest", "identifier": known["identifier"], **members}


def told(answer: httpx.Response, known: dict[str, Any]) -> bool:
    """Whether an answer gives the order away: its id, or that a guess was wrong."""
    return known["id"] in answer.text or "Another content" in answer.text


def test_another_organizations_guess_is_refused_for_what_it_is(
    prescriber: httpx.Client, competitor: httpx.Client
) -> None:
    known = stored(prescriber)
    for document in (guess(known), order(known["identifier"][0]["value"])):
        answer = competitor.post("/MedicationRequest", content=json.dumps(document))
        assert answer.status_code in {400, 403}
        assert not told(answer, known)


def test_another_organizations_own_order_under_a_taken_number_learns_no_differences(
    prescriber: httpx.Client, competitor: httpx.Client
) -> None:
    known = stored(prescriber)
    own = order(known["identifier"][0]["value"], requester={"reference": "PractitionerRole/role-np"})
    answer = competitor.post("/MedicationRequest", content=json.dumps(own))
    assert answer.status_code == 409
    assert len(answer.json()["issue"]) == 1
    assert "expression" not in answer.json()["issue"][0]
    assert not told(answer, known)


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_conditional_create_finds_only_what_the_scope_lets_search(
    practice: Practice, prescriber: httpx.Client, *, in_transaction: bool
) -> None:
    known = stored(prescriber)
    criteria = f"identifier={RX_SYSTEM}|{known['identifier'][0]['value']}"
    scope = "system/MedicationRequest.c system/MedicationRequest.s?status=completed"
    with practice.server.client("ehr", scope) as ehr:
        if in_transaction:
            bundle = transaction(("POST", "MedicationRequest", guess(known)))
            bundle["entry"][0]["request"]["ifNoneExist"] = criteria
            answer = ehr.post("", content=json.dumps(bundle))
        else:
            answer = ehr.post(
                "/MedicationRequest", content=json.dumps(guess(known)), headers={"If-None-Exist": criteria}
            )
    assert answer.status_code in {400, 409}
    assert not told(answer, known)


@pytest.mark.parametrize("whole", [False, True])
def test_a_transaction_without_a_scope_to_create_learns_nothing(
    practice: Practice, prescriber: httpx.Client, *, whole: bool
) -> None:
    known = stored(prescriber)
    document = order(known["identifier"][0]["value"]) if whole else guess(known)
    with practice.server.client("ehr", "system/Observation.rs") as ehr:
        answer = ehr.post("", content=json.dumps(transaction(("POST", "MedicationRequest", document))))
    assert answer.status_code == 403
    assert not told(answer, known)


def test_a_transaction_without_a_scope_to_create_matches_nothing(practice: Practice) -> None:
    bundle = transaction(("POST", "Patient", {"resourceType": "Patient"}))
    bundle["entry"][0]["request"]["ifNoneExist"] = "_id=pat-1"
    with practice.server.client("ehr", "system/Patient.s") as ehr:
        answer = ehr.post("", content=json.dumps(bundle))
    assert answer.status_code == 403
    assert "pat-1" not in answer.text


def test_what_a_transaction_finds_stored_already_is_audited(
    practice: Practice, operator: httpx.Client
) -> None:
    bundle = transaction(("POST", "Patient", {"resourceType": "Patient"}))
    bundle["entry"][0]["request"]["ifNoneExist"] = "_id=pat-2"
    sql = "SELECT count(*) FROM audit_record WHERE interaction = 'create' AND resource_id = 'pat-2'"
    before = practice.vault.count(sql)
    assert operator.post("", content=json.dumps(bundle)).status_code == 200
    assert practice.vault.count(sql) == before + 1


def test_a_version_from_when_a_note_was_another_patients_is_not_shown_under_a_scope(
    practice: Practice, operator: httpx.Client
) -> None:
    def observation(of: str, **members: Any) -> dict[str, Any]:
        coding = {
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs",
        }
        return {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "x"},
            "category": [{"coding": [coding]}],
            "subject": {"reference": f"Patient/{of}"},
            **members,
        }

    first = operator.post("/Observation", content=json.dumps(observation("pat-1", valueString="CANARY")))
    place = f"/Observation/{first.json()['id']}"
    moved = observation("pat-2", id=first.json()["id"])
    assert operator.put(place, content=json.dumps(moved)).status_code == 200
    with practice.server.client("ehr", "system/Observation.rs?category=vital-signs") as ehr:
        assert ehr.get(f"{place}/_history/2").status_code == 200
        assert ehr.get(f"{place}/_history/1").status_code == 404
        for history in (f"{place}/_history", "/Observation/_history"):
            assert "CANARY" not in ehr.get(history).text
    assert "CANARY" in operator.get(f"{place}/_history").text


def test_the_kit_sends_sound_orders(prescriber: httpx.Client) -> None:
    known = stored(prescriber)
    again = {name: value for name, value in known.items() if name not in {"id", "meta"}}
    assert prescriber.post("/MedicationRequest", content=json.dumps(again)).json()["id"] == known["id"]
    assert known["identifier"][0]["system"] == practice_kit.RX_SYSTEM
