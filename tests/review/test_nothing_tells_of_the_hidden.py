"""What a caller may not see is answered as what is not there, by whatever path it is asked for.

Each probe is sent about an id that nobody has, and about one whose resource the caller's scope hides.
Source: https://hl7.org/fhir/R4/security.html#6.1.0.11
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import practice_kit
import pytest

Document = dict[str, Any]
Probe = Callable[[httpx.Client, "Known"], httpx.Response]
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SCOPE = (
    f"system/Observation.cruds?category={CATEGORY}|survey system/Patient.rs?gender=female "
    "system/MedicationRequest.cruds?status=active"
)
SYSTEM = "https://hidden.example/id"
PATCH = {"Content-Type": "application/json-patch+json"}


class Known:
    """The ids and identifiers that a probe asks about."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.observation, self.patient = f"obs-{name}", f"pat-{name}"

    def named(self) -> Document:
        return {"system": SYSTEM, "value": self.name}


def observation(category: str, subject: str, **members: Any) -> Document:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"text": "mood"},
        "subject": {"reference": subject},
        **members,
    }


@pytest.fixture(scope="module")
def hidden(operator: httpx.Client) -> Known:
    known = Known(uuid4().hex[:12])
    person = practice_kit.patient(id=known.patient, gender="male", identifier=[known.named()])
    assert operator.put(f"/Patient/{known.patient}", json=person).status_code == 201
    seen = observation(
        "laboratory", f"Patient/{known.patient}", id=known.observation, identifier=[known.named()]
    )
    assert operator.put(f"/Observation/{known.observation}", json=seen).status_code == 201
    return known


@pytest.fixture(scope="module")
def visible(operator: httpx.Client) -> str:
    """A patient whom the confined client sees."""
    return f"Patient/{operator.post('/Patient', json=practice_kit.patient(gender='female')).json()['id']}"


@pytest.fixture(scope="module")
def confined(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    with practice.server.client("ehr", SCOPE) as client:
        yield client


def put(client: httpx.Client, known: Known, **headers: str) -> httpx.Response:
    document = observation("survey", "Patient/pat-1", id=known.observation)
    return client.put(f"/Observation/{known.observation}", json=document, headers=headers)


def refer(client: httpx.Client, known: Known, **members: Any) -> httpx.Response:
    return client.post("/Observation", json=observation("survey", f"Patient/{known.patient}", **members))


def replace_by_criteria(client: httpx.Client, known: Known) -> httpx.Response:
    document = observation("survey", "Patient/pat-1", id=known.observation)
    return client.put(f"/Observation?identifier={SYSTEM}|nobody-has-this", json=document)


def transaction(client: httpx.Client, method: str, url: str, document: Document) -> httpx.Response:
    return client.post("", json=practice_kit.transaction((method, url, document)))


def validated(client: httpx.Client, known: Known) -> httpx.Response:
    return client.post("/Observation/$validate", json=observation("survey", f"Patient/{known.patient}"))


def put_in_transaction(client: httpx.Client, known: Known) -> httpx.Response:
    document = observation("survey", "Patient/pat-1", id=known.observation)
    return transaction(client, "PUT", f"Observation/{known.observation}", document)


def create_unless_exists(client: httpx.Client, known: Known) -> httpx.Response:
    headers = {"If-None-Exist": f"identifier={SYSTEM}|{known.name}"}
    return client.post("/Observation", json=observation("survey", "Patient/pat-1"), headers=headers)


def refer_by_criteria(client: httpx.Client, known: Known) -> httpx.Response:
    sent = observation("survey", f"Patient?identifier={SYSTEM}|{known.name}")
    return client.post("/Observation", json=sent)


def prescribe(client: httpx.Client, known: Known) -> httpx.Response:
    subject = {"reference": f"Patient/{known.patient}"}
    return client.post("/MedicationRequest", json=practice_kit.order(subject=subject))


def patched(client: httpx.Client, known: Known) -> httpx.Response:
    patch = [{"op": "add", "path": "/status", "value": "amended"}]
    return client.patch(f"/Observation/{known.observation}", json=patch, headers=PATCH)


PROBES: dict[str, tuple[int, Probe]] = {
    "read": (404, lambda client, known: client.get(f"/Observation/{known.observation}")),
    "vread": (404, lambda client, known: client.get(f"/Observation/{known.observation}/_history/1")),
    "history": (404, lambda client, known: client.get(f"/Observation/{known.observation}/_history")),
    "everything": (404, lambda client, known: client.get(f"/Patient/{known.patient}/$everything")),
    "meta": (404, lambda client, known: client.get(f"/Observation/{known.observation}/$meta")),
    "update": (404, put),
    "update of a version": (412, lambda client, known: put(client, known, **{"If-Match": 'W/"1"'})),
    "update of none": (404, lambda client, known: put(client, known, **{"If-None-Match": "*"})),
    "update by criteria": (404, replace_by_criteria),
    "update in a transaction": (404, put_in_transaction),
    "patch": (404, patched),
    "deletion": (204, lambda client, known: client.delete(f"/Observation/{known.observation}")),
    "deletion of a version": (
        412,
        lambda client, known: client.delete(
            f"/Observation/{known.observation}", headers={"If-Match": 'W/"1"'}
        ),
    ),
    "deletion by criteria": (
        204,
        lambda client, known: client.delete(f"/Observation?identifier={SYSTEM}|{known.name}"),
    ),
    "creation unless it exists": (201, create_unless_exists),
    "reference": (422, refer),
    "reference from an element": (
        422,
        lambda client, known: client.post(
            "/Observation",
            json=observation(
                "survey", "Patient/pat-1", hasMember=[{"reference": f"Observation/{known.observation}"}]
            ),
        ),
    ),
    "reference by criteria": (422, refer_by_criteria),
    "reference of a prescription": (422, prescribe),
    "validation": (200, validated),
}


def told(answer: httpx.Response, known: Known) -> tuple[int, str]:
    """What an answer says, but for the names that were sent and what is new in each."""
    text = answer.text.replace(known.name, "NAME")
    return answer.status_code, re.sub(r'"id":"[^"]*"|"(?:versionId|lastUpdated)":"[^"]*"', "", text)


@pytest.mark.parametrize("probe", PROBES)
def test_what_is_hidden_is_answered_as_what_is_not_there(
    confined: httpx.Client, operator: httpx.Client, hidden: Known, probe: str
) -> None:
    status, ask = PROBES[probe]
    absent = Known(uuid4().hex[:12])
    of_absent, of_hidden = told(ask(confined, absent), absent), told(ask(confined, hidden), hidden)
    assert of_absent == of_hidden
    assert of_absent[0] == status
    assert operator.get(f"/Observation/{hidden.observation}").json()["meta"]["versionId"] == "1"


def test_what_may_be_seen_is_referred_to_and_changed(confined: httpx.Client, visible: str) -> None:
    stored = confined.post("/Observation", json=observation("survey", visible))
    assert stored.status_code == 201, stored.text
    document = stored.json() | {"status": "amended"}
    assert confined.put(f"/Observation/{document['id']}", json=document).status_code == 200
    value = uuid4().hex
    document = observation("survey", visible, identifier=[{"system": SYSTEM, "value": value}])
    answer = confined.put(f"/Observation?identifier={SYSTEM}|{value}", json=document)
    assert answer.status_code == 201, answer.text


def test_a_reference_that_was_there_before_may_stay(
    confined: httpx.Client, operator: httpx.Client, hidden: Known
) -> None:
    sent = observation("survey", f"Patient/{hidden.patient}")
    document = operator.post("/Observation", json=sent).json() | {"status": "amended"}
    assert confined.put(f"/Observation/{document['id']}", json=document).status_code == 200
    operator.delete(f"/Observation/{document['id']}")


def test_a_deletion_names_no_hidden_referrer(
    confined: httpx.Client, operator: httpx.Client, visible: str
) -> None:
    own = confined.post("/Observation", json=observation("survey", visible)).json()["id"]
    other = observation("laboratory", visible, hasMember=[{"reference": f"Observation/{own}"}])
    key = operator.post("/Observation", json=other).json()["id"]
    answer = confined.delete(f"/Observation/{own}")
    text = answer.json()["issue"][0]["details"]["text"]
    assert (answer.status_code, key in answer.text) == (409, False)
    assert text.startswith("A resource that you may not see refers to it")


def test_who_could_not_see_a_prescription_does_not_learn_that_it_was_deleted(
    practice: practice_kit.Practice, operator: httpx.Client
) -> None:
    sent = practice_kit.order()
    bundle = practice_kit.transaction(("POST", "MedicationRequest", sent))
    with practice.prescriber() as own, practice.prescriber("org-rx-b") as other:
        key = own.post("/MedicationRequest", json=sent).json()["id"]
        alone, inside = (
            other.post(path, json=one) for path, one in (("/MedicationRequest", sent), ("", bundle))
        )
        assert operator.delete(f"/MedicationRequest/{key}").status_code == 204
        assert own.post("/MedicationRequest", json=sent).status_code == 410
        again = other.post("/MedicationRequest", json=sent), other.post("", json=bundle)
    for before, after, status in ((alone, again[0], 403), (inside, again[1], 409)):
        assert (before.status_code, before.text) == (status, after.text)
        assert after.status_code == status
