"""For each type that came later, a resource that says the least it may, and a search that finds it."""

from __future__ import annotations

from typing import Any

from models.resource import WITHOUT_PATIENT

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
