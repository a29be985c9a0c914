"""Every type of the server is stored, found, shown to its patient and kept from everybody else's.

The table names, for each of the types that came later, a resource that says the least it may.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from harness import Server

from models.definitions import RESOURCE_TYPES
from models.resource import WITHOUT_PATIENT
from service.access.decide import DIRECTORY
from service.access.organization import AUTHORS

Document = dict[str, Any]

KETAMINE = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "6130"}]}
TEXT = {"text": "for a test"}

SMALLEST: dict[str, tuple[Document, str]] = {
    "AdverseEvent": ({"actuality": "actual"}, "actuality=actual"),
    "AllergyIntolerance": (
        {
            "clinicalStatus": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                        "code": "active",
                    }
                ]
            },
            "lastOccurrence": "2026-05-01",
        },
        "last-date=2026-05-01&clinical-status=active",
    ),
    "Appointment": (
        {"status": "booked", "start": "2026-05-01T09:00:00Z", "end": "2026-05-01T10:00:00Z"},
        "date=2026-05-01",
    ),
    "Binary": ({"contentType": "text/plain", "data": "YQ=="}, "_id={id}"),
    "ClinicalImpression": ({"status": "completed", "date": "2026-05-01"}, "date=2026-05-01"),
    "Communication": ({"status": "completed", "sent": "2026-05-01T09:00:00Z"}, "sent=2026-05-01"),
    "Composition": (
        {
            "status": "final",
            "type": TEXT,
            "date": "2026-05-01",
            "title": "Summary",
            "author": [{"display": "the practice"}],
        },
        "title=Summary",
    ),
    "Coverage": (
        {"status": "active", "payor": [{"display": "the patient"}], "subscriberId": "S-1"},
        "status=active",
    ),
    "Flag": ({"status": "active", "code": TEXT}, "date:missing=true"),
    "HealthcareService": ({"name": "Integration"}, "name=integ"),
    "Location": ({"status": "active", "name": "Quiet room"}, "status=active"),
    "MedicationDispense": (
        {"status": "completed", "medicationCodeableConcept": KETAMINE, "whenHandedOver": "2026-05-01"},
        "code=6130&whenhandedover=2026-05",
    ),
    "MedicationStatement": (
        {"status": "active", "medicationCodeableConcept": KETAMINE, "effectiveDateTime": "2026-05-01"},
        "effective=2026-05-01",
    ),
    "PlanDefinition": ({"status": "active", "title": "The pathway", "date": "2026-05-01"}, "title=the"),
    "Procedure": ({"status": "completed", "performedDateTime": "2026-05-01"}, "date=2026-05"),
    "RiskAssessment": (
        {"status": "final", "prediction": [{"probabilityDecimal": 0.5}]},
        "probability=0.5",
    ),
}
"""For each type, what it must say besides its patient, and a search that finds it."""

PATIENT_AT = {"AllergyIntolerance": "patient", "Coverage": "beneficiary"}


def of_patient(resource_type: str, patient: str) -> Document:
    reference = {"reference": f"Patient/{patient}"}
    if resource_type in WITHOUT_PATIENT:
        return {}
    if resource_type == "Appointment":
        return {"participant": [{"actor": reference, "status": "accepted"}]}
    return {PATIENT_AT.get(resource_type, "subject"): reference}


def smallest(resource_type: str, patient: str) -> Document:
    return {
        "resourceType": resource_type,
        **SMALLEST[resource_type][0],
        **of_patient(resource_type, patient),
    }


@pytest.fixture(scope="module")
def operator(server: Server) -> Iterator[httpx.Client]:
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture
def patient(operator: httpx.Client) -> str:
    made: str = operator.post("/Patient", json={"resourceType": "Patient"}).json()["id"]
    return made


@pytest.mark.parametrize("resource_type", SMALLEST)
def test_a_type_is_stored_found_changed_and_deleted(
    operator: httpx.Client, patient: str, resource_type: str
) -> None:
    document = smallest(resource_type, patient)
    made = operator.post(f"/{resource_type}", json=document)
    assert made.status_code == 201, made.text
    key = made.json()["id"]
    assert made.json().items() >= document.items()

    search = SMALLEST[resource_type][1].format(id=key)
    found = operator.get(f"/{resource_type}?{search}&_id={key}").json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [key]

    language = {**document, "id": key, "language": "de"}
    assert operator.put(f"/{resource_type}/{key}", json=language).headers["etag"] == 'W/"2"'
    assert operator.delete(f"/{resource_type}/{key}").status_code == 204
    assert operator.get(f"/{resource_type}/{key}").status_code == 410


@pytest.mark.parametrize("resource_type", sorted(set(SMALLEST) - WITHOUT_PATIENT))
def test_a_type_of_the_compartment_is_found_by_its_patient_and_no_other(
    operator: httpx.Client, patient: str, resource_type: str
) -> None:
    key = operator.post(f"/{resource_type}", json=smallest(resource_type, patient)).json()["id"]
    parameter = "subject" if resource_type == "AdverseEvent" else "patient"
    mine = operator.get(f"/{resource_type}?{parameter}=Patient/{patient}").json()
    others = operator.get(f"/{resource_type}?{parameter}=Patient/{uuid4()}&_total=accurate").json()
    assert [entry["resource"]["id"] for entry in mine["entry"]] == [key]
    assert others["total"] == 0


@pytest.mark.parametrize("resource_type", SMALLEST)
def test_an_element_that_a_type_does_not_have_is_refused(
    operator: httpx.Client, patient: str, resource_type: str
) -> None:
    document = {**smallest(resource_type, patient), "unheardOf": True}
    refused = operator.post(f"/{resource_type}", json=document)
    assert refused.status_code == 400
    (issue,) = refused.json()["issue"]
    assert (issue["code"], issue["expression"]) == ("structure", [f"{resource_type}.unheardOf"])


def test_what_tells_of_no_patient_is_the_directory_and_the_binary() -> None:
    assert DIRECTORY | {"Binary"} == WITHOUT_PATIENT


def test_the_tables_of_types_name_types() -> None:
    assert set(AUTHORS) <= set(RESOURCE_TYPES)
    assert set(SMALLEST) <= set(RESOURCE_TYPES)
