"""Referral, prescription, dose, and who vouches for them.

    ServiceRequest ── Task ──> MedicationRequest ── MedicationAdministration
                                      └── Provenance

The prescription is a copy of the legal order, which goes from prescriber to pharmacy.
Source: https://hl7.org/fhir/R4/medicationrequest.html, https://hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from models.kat.code import Code, concept
from models.kat.drugs import KETAMINE, SUBLINGUAL, TROCHE
from models.kat.local import OFF_LABEL
from models.kat.systems import (
    COURSE_OF_THERAPY,
    MEDICATION_REQUEST_CATEGORY,
    PERFORMER_FUNCTION,
    PROVENANCE_AGENT,
    SNOMED,
    SUBSTITUTION,
)
from service.demo.build import Resource, identifier, later, period, quantity, reference
from service.demo.chart import Chart
from service.kat.dates import months_later
from service.kat.validity import VALIDITY_MONTHS

LOZENGE_MG = 100
LOZENGE = "Medication/med-lozenge-100"
REFERRAL = Code(SNOMED, "306206005", "Referral to service")
SERVICE_CATEGORY = Code(SNOMED, "409063005", "Counseling")
COMMUNITY = Code(MEDICATION_REQUEST_CATEGORY, "community", "Community")
PERFORMER = Code(PERFORMER_FUNCTION, "performer", "Performer")
WITNESS = Code(PERFORMER_FUNCTION, "witness", "Witness")


def lozenge() -> Resource:
    """Write the compounded lozenge: an ingredient with strength and form, for it has no product code."""
    return {
        "resourceType": "Medication",
        "id": LOZENGE.partition("/")[2],
        "code": concept(KETAMINE, text="Ketamine 100 mg sublingual troche (compounded)"),
        "status": "active",
        "form": concept(TROCHE),
        "ingredient": [
            {
                "itemCodeableConcept": concept(KETAMINE),
                "isActive": True,
                "strength": {
                    "numerator": quantity(LOZENGE_MG, "mg"),
                    "denominator": quantity(1, "lozenge", "{lozenge}"),
                },
            }
        ],
    }


def referral(chart: Chart, organization: str, day: str, encounter: str) -> Resource:
    """Ask an outside prescriber to evaluate the patient."""
    return {
        "resourceType": "ServiceRequest",
        "id": chart.id("sr", "evaluation"),
        "extension": chart.of_episode(),
        "identifier": [identifier("referral", chart.id("R"))],
        "status": "active",
        "intent": "order",
        "category": [concept(SERVICE_CATEGORY)],
        "code": concept(REFERRAL, text="Medical evaluation for ketamine-assisted therapy"),
        "subject": chart.patient,
        "encounter": reference(encounter),
        "occurrencePeriod": period(day, later(day, 14)),
        "authoredOn": day,
        "requester": reference(chart.therapist),
        "performer": [reference(organization)],
        "reasonReference": [reference(f"Condition/{chart.id('cond')}")],
    }


def task(chart: Chart, name: str, status: str, words: str, day: str, **more: Any) -> Resource:
    """Hand work to somebody; ``more`` names owner, focus and output."""
    return {
        "resourceType": "Task",
        "id": chart.id("task", name),
        "status": status,
        "intent": "order",
        "description": words,
        "for": chart.patient,
        "authoredOn": f"{day}T17:00:00Z",
        "lastModified": f"{day}T17:00:00Z",
        "requester": reference(chart.therapist),
        **more,
    }


def prescription(
    chart: Chart,
    number: tuple[str, str],
    issued: str,
    requester: str,
    dose: tuple[int, int],
    sessions: int,
    **more: Any,
) -> Resource:
    """Write lozenges for a series: ``dose`` is (initial, booster) in mg, ``number`` (system, value)."""
    initial_mg, booster_mg = dose
    lozenges = sessions * (initial_mg + booster_mg) // LOZENGE_MG
    return {
        "resourceType": "MedicationRequest",
        "id": chart.id("rx"),
        "extension": [{"url": OFF_LABEL, "valueBoolean": True}],
        "identifier": [{"use": "official", "system": number[0], "value": number[1]}],
        "status": "active",
        "intent": "order",
        "category": [concept(COMMUNITY)],
        "reportedBoolean": False,
        "medicationReference": reference(LOZENGE, "Ketamine 100 mg sublingual troche"),
        "subject": chart.patient,
        "supportingInformation": [chart.episode],
        "authoredOn": issued,
        "requester": reference(requester),
        "reasonReference": [reference(f"Condition/{chart.id('cond')}")],
        "courseOfTherapyType": concept(Code(COURSE_OF_THERAPY, "acute", "Short course (acute) therapy")),
        "dosageInstruction": [_initial(initial_mg, sessions), _booster(booster_mg, initial_mg + booster_mg)],
        "dispenseRequest": {
            "validityPeriod": period(issued, _last_valid_day(issued)),
            "numberOfRepeatsAllowed": 0,
            "quantity": quantity(lozenges, "lozenge", "{lozenge}"),
            "expectedSupplyDuration": quantity(7 * sessions, "day", "d"),
        },
        "substitution": {"allowedCodeableConcept": concept(Code(SUBSTITUTION, "N", "none"))},
        **more,
    }


def _last_valid_day(issued: str) -> str:
    return months_later(date.fromisoformat(issued), VALIDITY_MONTHS).isoformat()


def _initial(dose_mg: int, sessions: int) -> Resource:
    return {
        "sequence": 1,
        "text": f"{dose_mg} mg under the tongue at the start of each of {sessions} sessions; then spit out",
        "patientInstruction": "Only with your therapist present. Do not drive until the next day.",
        "timing": {"repeat": {"count": sessions, "frequency": 1, "period": 1, "periodUnit": "wk"}},
        "route": concept(SUBLINGUAL),
        "doseAndRate": [{"doseQuantity": quantity(dose_mg, "mg")}],
    }


def _booster(dose_mg: int, most_mg: int) -> Resource:
    return {
        "sequence": 2,
        "text": f"Booster of {dose_mg} mg under the tongue, once in the same session if needed",
        "asNeededBoolean": True,
        "route": concept(SUBLINGUAL),
        "doseAndRate": [{"doseQuantity": quantity(dose_mg, "mg")}],
        "maxDosePerPeriod": {"numerator": quantity(most_mg, "mg"), "denominator": quantity(72, "h")},
    }


def administration(
    chart: Chart, name: str, encounter: str, during: tuple[str, str], dose_mg: int
) -> Resource:
    """Write a dose that the patient took while the therapist witnessed it."""
    return {
        "resourceType": "MedicationAdministration",
        "id": chart.id("dose", name),
        "status": "completed",
        "medicationReference": reference(LOZENGE),
        "subject": chart.patient,
        "context": reference(encounter),
        "effectivePeriod": period(*during),
        "performer": [
            {"function": concept(PERFORMER), "actor": chart.patient},
            {"function": concept(WITNESS), "actor": reference(chart.therapist)},
        ],
        "request": reference(f"MedicationRequest/{chart.id('rx')}"),
        "dosage": {
            "text": "Held under the tongue, then spat out",
            "route": concept(SUBLINGUAL),
            "dose": quantity(Decimal(dose_mg), "mg"),
        },
    }


def provenance(chart: Chart, name: str, targets: list[str], recorded: str, who: tuple[str, str]) -> Resource:
    """Name author and transmitter of some resources; ``who`` is (person, organization)."""
    person, organization = who
    agents = {"author": person, "transmitter": organization}
    systems = {
        "author": PROVENANCE_AGENT,
        "transmitter": "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type",
    }
    return {
        "resourceType": "Provenance",
        "id": chart.id("prov", name),
        "target": [reference(target) for target in targets],
        "recorded": recorded,
        "agent": [
            {
                "type": concept(Code(systems[kind], kind, kind.capitalize())),
                "who": reference(who_did),
                "onBehalfOf": reference(organization),
            }
            for kind, who_did in agents.items()
        ],
    }
