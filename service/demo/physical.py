"""The physical before the first dose, at the primary care provider in another organization.

    ServiceRequest (ECG) ── Procedure ── Observation (rhythm)
    Encounter ─┬─ vital signs, mental status, allergy
               └─ DocumentReference

Source: https://hl7.org/fhir/us/core/StructureDefinition-us-core-encounter.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from models.kat import background as known
from models.kat.code import Code, concept
from models.kat.documents import HISTORY_NOTE
from models.kat.measures import (
    BODY_HEIGHT,
    BODY_MASS_INDEX,
    BODY_TEMPERATURE,
    BODY_WEIGHT,
    EXAM,
    HEART_RATE,
    MEAN_BLOOD_PRESSURE,
    MEAN_DIASTOLIC,
    MEAN_SYSTOLIC,
    OXYGEN_CONCENTRATION,
    OXYGEN_FLOW,
    OXYGEN_SATURATION,
    PULSE_OXIMETRY,
    RESPIRATORY_RATE,
)
from models.kat.systems import ALLERGY_STATUS, ALLERGY_VERIFICATION
from service.demo import measured
from service.demo.build import Resource, identifier, later, period, quantity, reference
from service.demo.chart import AMBULATORY, HOME, PRIMARY_PERFORMER, Chart, note

EXAMINER = "Practitioner/prac-pcp"
CLINIC = "Organization/org-ehr"

SIGNS: tuple[tuple[str, Code, Resource], ...] = (
    ("height", BODY_HEIGHT, quantity(168, "cm")),
    ("weight", BODY_WEIGHT, quantity(72, "kg")),
    ("bmi", BODY_MASS_INDEX, quantity(Decimal("25.5"), "kg/m2")),
    ("temperature", BODY_TEMPERATURE, quantity(Decimal("36.8"), "Cel")),
    ("breaths", RESPIRATORY_RATE, quantity(14, "breaths/minute", "/min")),
    ("pulse", HEART_RATE, quantity(68, "beats/minute", "/min")),
)
"""Name, code and value of the vital signs that were taken."""


def physical(chart: Chart, day: str) -> list[Resource]:
    """Write the visit of a day, with the tracing that the provider ordered."""
    meeting = _visit(chart, day)
    during = {"performer": [reference(EXAMINER)], "encounter": reference(f"Encounter/{meeting['id']}")}
    when = f"{day}T15:10:00Z"
    text = "Heart and lungs sound. Sinus rhythm. Nothing that speaks against a trial of ketamine."
    author = [reference(EXAMINER)]
    return [
        meeting,
        *_signs(chart, when, during),
        *_findings(chart, when, during),
        *_tracing(chart, day, meeting),
        allergy(chart, day),
        note(chart, "physical", HISTORY_NOTE, meeting, text, author=author, custodian=reference(CLINIC)),
    ]


def _visit(chart: Chart, day: str) -> Resource:
    during = period(f"{day}T15:00:00Z", f"{day}T15:40:00Z")
    examiner = {"type": [concept(PRIMARY_PERFORMER)], "period": during, "individual": reference(EXAMINER)}
    return {
        "resourceType": "Encounter",
        "id": chart.id("enc", "physical"),
        "identifier": [identifier("visit", chart.id("V", "physical"))],
        "status": "finished",
        "class": AMBULATORY.coding(),
        "type": [concept(known.CHECK_UP)],
        "subject": chart.patient,
        "participant": [examiner],
        "period": during,
        "reasonCode": [{"text": "Physical before ketamine-assisted therapy"}],
        "hospitalization": {"dischargeDisposition": concept(HOME)},
        "location": [{"location": reference("Location/loc-ehr")}],
        "serviceProvider": reference(CLINIC),
    }


def _signs(chart: Chart, when: str, during: Resource) -> list[Resource]:
    signs = [
        measured.observation(chart, f"physical-{name}", [code], when, valueQuantity=value, **during)
        for name, code, value in SIGNS
    ]
    return [
        *signs,
        measured.blood_pressure(chart, "physical-bp", when, (126, 80), **during),
        measured.blood_pressure(chart, "physical-bp-standing", when, (118, None), **during),
        measured.blood_pressure(chart, "physical-bp-lying", when, (None, 78), **during),
        _saturation(chart, when, during),
        _mean(chart, when[:10]),
    ]


def _saturation(chart: Chart, when: str, during: Resource) -> Resource:
    air = [
        {"code": concept(OXYGEN_FLOW), "valueQuantity": quantity(0, "L/min")},
        {"code": concept(OXYGEN_CONCENTRATION), "valueQuantity": quantity(21, "%")},
    ]
    codes = [OXYGEN_SATURATION, PULSE_OXIMETRY]
    value = quantity(98, "%")
    return measured.observation(
        chart, "physical-spo2", codes, when, valueQuantity=value, component=air, **during
    )


def _mean(chart: Chart, day: str) -> Resource:
    """Write the mean of a week of cuff readings that the patient took at home."""
    means: dict[str, Any] = {
        "performer": [chart.patient],
        "effectivePeriod": period(later(day, -7), later(day, -1)),
        "component": [measured.pressure(MEAN_SYSTOLIC, 124), measured.pressure(MEAN_DIASTOLIC, 79)],
    }
    written = measured.observation(chart, "home-bp-mean", [MEAN_BLOOD_PRESSURE], day, **means)
    del written["effectiveDateTime"]
    return written


def _findings(chart: Chart, when: str, during: Resource) -> list[Resource]:
    rows: tuple[tuple[str, Code, Resource], ...] = (
        ("mental", known.MENTAL_STATUS, {"valueString": "Mood low, affect congruent. No psychosis."}),
        ("alertness", known.ALERTNESS, {"valueQuantity": quantity(15, "{score}")}),
        ("rhythm", known.HEART_RHYTHM, {"valueCodeableConcept": concept(known.SINUS_RHYTHM)}),
    )
    return [
        measured.observation(chart, f"physical-{name}", [code], when, (EXAM,), **value, **during)
        for name, code, value in rows
    ]


def _tracing(chart: Chart, day: str, meeting: Resource) -> list[Resource]:
    """Write the electrocardiogram, ordered and made."""
    common = {
        "status": "completed",
        "code": concept(known.ELECTROCARDIOGRAM),
        "subject": chart.patient,
        "encounter": reference(f"Encounter/{meeting['id']}"),
        "reasonCode": [{"text": "Before ketamine-assisted therapy"}],
    }
    order = {
        "resourceType": "ServiceRequest",
        "id": chart.id("sr", "ecg"),
        "identifier": [identifier("order", chart.id("O", "ecg"))],
        "intent": "order",
        "category": [concept(known.EVALUATION)],
        "occurrencePeriod": period(day, day),
        "authoredOn": f"{day}T15:05:00Z",
        "requester": reference(EXAMINER),
        **common,
    }
    made = {
        "resourceType": "Procedure",
        "id": chart.id("proc", "ecg"),
        "basedOn": [reference(f"ServiceRequest/{order['id']}")],
        "performedDateTime": f"{day}T15:20:00Z",
        "performer": [{"actor": reference(EXAMINER)}],
        **common,
    }
    return [order, made]


def allergy(chart: Chart, day: str) -> Resource:
    """Write an allergy that matters for gloves and cuffs, not for the medicine."""
    return {
        "resourceType": "AllergyIntolerance",
        "id": chart.id("allergy", "latex"),
        "clinicalStatus": concept(Code(ALLERGY_STATUS, "active", "Active")),
        "verificationStatus": concept(Code(ALLERGY_VERIFICATION, "confirmed", "Confirmed")),
        "category": ["environment"],
        "code": concept(known.LATEX),
        "patient": chart.patient,
        "recordedDate": day,
        "recorder": reference(EXAMINER),
        "reaction": [{"manifestation": [concept(known.RASH)], "severity": "mild"}],
    }
