"""The first job: an outside prescriber's platform posts a prescription and learns what became of it.

The platform speaks through fhirpy where it does what platforms do, and through plain HTTP where it errs.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import fhirpy
import httpx
import practice_kit
import pytest
from fhirpy.base.exceptions import OperationOutcome
from practice_kit import Practice, findings, number, order, rules

from models.kat.systems import DEA, NPI
from service.demo.build import identifier

REPEATS = "MedicationRequest.dispenseRequest.numberOfRepeatsAllowed"
VALIDITY_END = "MedicationRequest.dispenseRequest.validityPeriod.end"
DOSE = "MedicationRequest.dosageInstruction[0].doseAndRate[0].doseQuantity"
REQUESTER = "MedicationRequest.requester"


def post(client: httpx.Client, document: Any, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/MedicationRequest", content=json.dumps(document), headers=named)


def dispensed(**changes: Any) -> dict[str, Any]:
    return {**order()["dispenseRequest"], **changes}


def dosed(value: Any, code: str = "mg") -> list[dict[str, Any]]:
    instructions: list[dict[str, Any]] = order()["dosageInstruction"][:1]
    quantity = {"value": value, "unit": code, "system": "http://unitsofmeasure.org", "code": code}
    instructions[0]["doseAndRate"] = [{"doseQuantity": quantity}]
    return instructions


def prescribed_by(npi: str | None = None, dea: str | None = None) -> dict[str, Any]:
    systems = {NPI: npi, DEA: dea}
    identifiers = [{"system": system, "value": value} for system, value in systems.items() if value]
    contained = [{"resourceType": "Practitioner", "id": "p", "identifier": identifiers}]
    return {"contained": contained, "requester": {"reference": "#p"}}


PLACEHOLDER = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [identifier("mrn", "KAT-0002")],
    "name": [{"family": "Placeholder"}],
    "birthDate": "1979-07-05",
}

REFUSED: dict[str, tuple[dict[str, Any], int, tuple[str, str]]] = {
    "a dose that is text": ({"dosageInstruction": dosed("200")}, 400, ("structure", f"{DOSE}.value")),
    "a unit of volume": ({"dosageInstruction": dosed(200, "mL")}, 422, ("RX-10", f"{DOSE}.code")),
    "a unit in capitals": ({"dosageInstruction": dosed(200, "MG")}, 422, ("RX-10", f"{DOSE}.code")),
    "six refills": ({"dispenseRequest": dispensed(numberOfRepeatsAllowed=6)}, 422, ("RX-1", REPEATS)),
    "negative refills": ({"dispenseRequest": dispensed(numberOfRepeatsAllowed=-1)}, 400, ("value", REPEATS)),
    "half a refill": (
        {"dispenseRequest": dispensed(numberOfRepeatsAllowed=5.5)},
        400,
        ("structure", REPEATS),
    ),
    "refills as text": (
        {"dispenseRequest": dispensed(numberOfRepeatsAllowed="5")},
        400,
        ("structure", REPEATS),
    ),
    "a validity of years": (
        {"dispenseRequest": dispensed(validityPeriod={"start": "2026-11-21", "end": "2029-01-01"})},
        422,
        ("RX-2", VALIDITY_END),
    ),
    "a date to come": ({"authoredOn": "2098-01-05"}, 422, ("RX-3", "MedicationRequest.authoredOn")),
    "an unknown patient": (
        {"subject": {"reference": "Patient/nope"}},
        422,
        ("RX-7", "MedicationRequest.subject.reference"),
    ),
    "a status that does not exist": (
        {"status": "expired"},
        400,
        ("code-invalid", "MedicationRequest.status"),
    ),
    "an element that does not exist": ({"dose": 1}, 400, ("structure", "MedicationRequest.dose")),
    "an empty list": ({"identifier": []}, 400, ("structure", "MedicationRequest.identifier")),
    "no number of its own": (
        {"identifier": [{"value": "refused without a system"}]},
        422,
        ("RX-16", "MedicationRequest.identifier"),
    ),
    "a contained order for somebody else": (
        {
            "contained": [
                {
                    "resourceType": "MedicationRequest",
                    "id": "m",
                    "status": "active",
                    "intent": "order",
                    "medicationCodeableConcept": {"text": "x"},
                    "subject": {"reference": "Patient/pat-1"},
                }
            ],
            "supportingInformation": [{"reference": "#m"}],
        },
        422,
        ("RX-7", "MedicationRequest.contained[0].subject"),
    ),
    "a patient of another birth date": (
        {"contained": [PLACEHOLDER], "subject": {"reference": "#p"}},
        422,
        ("RX-7", "MedicationRequest.contained[0].birthDate"),
    ),
    "a therapist as requester": (
        {"requester": {"reference": "PractitionerRole/role-th"}},
        403,
        ("RX-6", "MedicationRequest.requester"),
    ),
    "a requester of another organization": (
        {"requester": {"reference": "PractitionerRole/role-np"}},
        403,
        ("RX-6", "MedicationRequest.requester"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_prescription_is_refused_and_not_stored_for(
    case: str, prescriber: httpx.Client, practice: Practice
) -> None:
    changes, status, finding = REFUSED[case]
    value = number("refused")
    answer = post(prescriber, {**order(value), **changes})
    assert answer.status_code == status, answer.text
    assert finding in findings(answer) | (rules(answer) if finding[0].startswith("RX-") else set())
    assert practice.vault.orders(value) == 0


@pytest.mark.parametrize(
    ("numbers", "kind"), [({"npi": "1999999985"}, "NPI"), ({"npi": "1999999984", "dea": "FM0000013"}, "DEA")]
)
def test_a_wrong_check_digit_is_refused(numbers: dict[str, str], kind: str, practice: Practice) -> None:
    with practice.operator("system/MedicationRequest.c") as anybody:
        answer = post(anybody, {**order(), **prescribed_by(**numbers)})
    assert answer.status_code == 422, answer.text
    at = len(numbers) - 1
    assert ("RX-5", f"MedicationRequest.contained[0].identifier[{at}].value") in rules(answer)
    assert kind in answer.json()["issue"][0]["details"]["text"]


def test_every_finding_is_told_at_once(prescriber: httpx.Client) -> None:
    answer = post(
        prescriber,
        {
            **order(),
            "identifier": [{"value": "RX-A-1"}],
            "subject": {"reference": "Patient/nope"},
            "authoredOn": "2098-01-05",
            "dosageInstruction": dosed(200, "mL"),
            "dispenseRequest": dispensed(
                numberOfRepeatsAllowed=6, validityPeriod={"start": "2098-01-05", "end": "2099-01-01"}
            ),
        },
    )
    assert answer.status_code == 422
    assert {rule for rule, _ in rules(answer)} == {"RX-1", "RX-2", "RX-3", "RX-7", "RX-10", "RX-16"}


def test_a_prescriber_writes_nothing_foreign(prescriber: httpx.Client, practice: Practice) -> None:
    before = practice.vault.versions()
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "performer": [{"reference": "Practitioner/prac-th"}],
    }
    assert prescriber.post("/Observation", json=observation).status_code == 403
    assert prescriber.post("/Patient", json=practice_kit.patient()).status_code == 403
    role = {
        "resourceType": "PractitionerRole",
        "organization": {"reference": "Organization/org-kat"},
        "practitioner": {"reference": "Practitioner/prac-rx"},
    }
    assert prescriber.post("/PractitionerRole", json=role).status_code == 403
    assert practice.vault.versions() == before


def test_another_platform_cannot_change_or_delete_a_prescription(
    prescriber: httpx.Client, practice: Practice
) -> None:
    stored = post(prescriber, order()).json()
    with practice.prescriber("org-rx-b") as other:
        taken_over = {**stored, "requester": {"reference": "PractitionerRole/role-np"}}
        assert other.put(f"/MedicationRequest/{stored['id']}", json=taken_over).status_code == 403
        assert other.delete(f"/MedicationRequest/{stored['id']}").status_code == 403
    assert prescriber.get(f"/MedicationRequest/{stored['id']}").json() == stored


def test_the_same_number_with_other_content_is_a_conflict_that_names_the_paths(
    prescriber: httpx.Client,
) -> None:
    document = order()
    stored = post(prescriber, document).json()
    changed = {**document, "dosageInstruction": dosed(400), "status": "on-hold"}
    for headers in (
        {},
        {"If_None_Exist": f"identifier={practice_kit.RX_SYSTEM}|{document['identifier'][0]['value']}"},
    ):
        answer = post(prescriber, changed, **headers)
        assert answer.status_code == 409
        paths = {path for _, path in findings(answer)}
        assert "MedicationRequest.status" in paths
        assert f"{DOSE}.value" in paths
    assert prescriber.get(f"/MedicationRequest/{stored['id']}").json() == stored


@pytest.mark.parametrize("conditional", [False, True])
def test_a_retry_is_answered_with_what_is_stored(
    prescriber: httpx.Client, practice: Practice, *, conditional: bool
) -> None:
    value = number()
    document = order(value)
    headers = {"If_None_Exist": f"identifier={practice_kit.RX_SYSTEM}|{value}"} if conditional else {}
    first = post(prescriber, document, **headers)
    shuffled = dict(reversed(document.items()))
    with ThreadPoolExecutor(2) as both:
        retries = [*both.map(lambda sent: post(prescriber, sent, **headers), [document, shuffled])]
    assert first.status_code == 201
    for retry in [*retries, post(prescriber, shuffled, **headers)]:
        assert retry.status_code == 200
        assert (retry.content, retry.headers["etag"]) == (first.content, first.headers["etag"])
    assert first.headers["etag"] == 'W/"1"'
    assert practice.vault.orders(value) == 1


def test_a_retry_after_an_update_finds_the_same_prescription(prescriber: httpx.Client) -> None:
    document = order()
    stored = post(prescriber, document).json()
    changed = prescriber.put(f"/MedicationRequest/{stored['id']}", json={**stored, "status": "on-hold"})
    assert changed.status_code == 200
    retry = post(prescriber, document)
    assert retry.status_code == 200
    assert retry.json() == changed.json()


def test_the_same_number_of_another_system_is_another_prescription(
    prescriber: httpx.Client, practice: Practice
) -> None:
    value = number()
    elsewhere = order(value, requester={"reference": "PractitionerRole/role-np"})
    elsewhere["identifier"][0]["system"] = "https://rx-b.example/rx"
    stored = post(prescriber, order(value))
    with practice.prescriber("org-rx-b") as other:
        answer = post(other, elsewhere)
    assert (stored.status_code, answer.status_code) == (201, 201)
    assert answer.json()["id"] != stored.json()["id"]


def test_criteria_that_match_two_prescriptions_are_refused(
    prescriber: httpx.Client, practice: Practice
) -> None:
    twins = number("twins")
    for _ in range(2):
        document = order()
        document["identifier"].append({"use": "secondary", "system": "urn:twins", "value": twins})
        assert post(prescriber, document).status_code == 201
    value = number()
    answer = post(prescriber, order(value), If_None_Exist=f"identifier=urn:twins|{twins}")
    assert answer.status_code == 412
    assert findings(answer) == {("conflict", "")}
    assert practice.vault.orders(value) == 0


def test_an_update_of_a_version_that_is_no_longer_the_newest_is_refused(prescriber: httpx.Client) -> None:
    stored = post(prescriber, order()).json()
    url, if_match = f"/MedicationRequest/{stored['id']}", {"If-Match": 'W/"1"'}
    second = prescriber.put(url, json={**stored, "status": "on-hold"}, headers=if_match)
    third = prescriber.put(url, json={**stored, "status": "stopped"}, headers=if_match)
    assert (second.status_code, third.status_code) == (200, 412)
    assert prescriber.get(url).content == second.content


def test_a_transaction_is_stored_as_a_whole_or_not_at_all(
    prescriber: httpx.Client, practice: Practice
) -> None:
    good, bad = order(), order(status="expired")
    bundle = practice_kit.transaction(("POST", "MedicationRequest", good), ("POST", "MedicationRequest", bad))
    answer = prescriber.post("/", json=bundle)
    assert answer.status_code == 400
    assert ("code-invalid", "Bundle.entry[1].resource.status") in findings(answer)
    assert practice.vault.orders(good["identifier"][0]["value"]) == 0


def test_what_the_sender_says_of_id_and_version_is_not_used(prescriber: httpx.Client) -> None:
    answer = post(
        prescriber, order(id="mine", meta={"versionId": "7", "lastUpdated": "2001-01-01T00:00:00Z"})
    )
    assert answer.status_code == 201
    assert answer.json()["id"] != "mine"
    assert answer.json()["meta"]["versionId"] == "1"
    assert not answer.json()["meta"]["lastUpdated"].startswith("2001")


def test_numbers_keep_the_precision_they_were_written_with(prescriber: httpx.Client) -> None:
    text = json.dumps(order(dosageInstruction=dosed(200))).replace('"value": 200,', '"value": 200.50,')
    answer = prescriber.post("/MedicationRequest", content=text)
    assert answer.status_code == 201
    assert re.search(r'"value":200\.50[,}]', answer.text)
    assert json.loads(answer.text, parse_float=Decimal)


def test_five_refills_are_allowed(prescriber: httpx.Client) -> None:
    assert post(prescriber, order(dispenseRequest=dispensed(numberOfRepeatsAllowed=5))).status_code == 201


def test_an_independent_client_posts_finds_and_is_told_why_not(practice: Practice) -> None:
    client = practice.server.add_client(
        "prescriber", practice_kit.PRESCRIBER_SCOPE, organization="Organization/org-rx-a"
    )
    token = practice.server.token(client, practice_kit.PRESCRIBER_SCOPE)
    platform = fhirpy.SyncFHIRClient(practice.server.fhir, authorization=f"Bearer {token}")
    value = number()
    criteria = {"identifier": f"{practice_kit.RX_SYSTEM}|{value}"}
    sent = platform.resource(**{"resource_type": "MedicationRequest", **without_type(order(value))})
    stored, created = platform.resources("MedicationRequest").search(**criteria).get_or_create(sent)
    again, created_again = (
        platform.resources("MedicationRequest")
        .search(**criteria)
        .get_or_create(platform.resource("MedicationRequest", **without_type(order(value))))
    )
    assert (created, created_again, again["id"]) == (True, False, stored["id"])
    assert platform.resources("MedicationRequest").search(**criteria).fetch_all() == [stored]
    with pytest.raises(OperationOutcome, match="RX-7"):
        platform.resource(
            "MedicationRequest", **without_type(order(subject={"reference": "Patient/nope"}))
        ).save()


def without_type(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "resourceType"}
