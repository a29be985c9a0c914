"""What is learned at intake beside the complaint: statuses, social history, wishes, coverage, answers.

    QuestionnaireResponse (intake) ── Observation (housing, supports)
    QuestionnaireResponse (PHQ-9)  ── Observation (panel) ── Observation (total, item)

Source: https://hl7.org/fhir/us/core/screening-and-assessments.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from models.kat import background as known
from models.kat.background import COGNITIVE_STATUS, DISABILITY_STATUS, SDOH, SOCIAL_HISTORY
from models.kat.code import Code, concept
from models.kat.conditions import INSOMNIA, PSYCHOSOCIAL
from models.kat.measures import AUDIT_C, PHQ_9, PHQ_9_DEATH, SURVEY, form_url
from models.kat.systems import (
    CLINICAL_STATUS,
    COVERAGE_CLASS,
    IDENTIFIER_TYPE,
    SUBSCRIBER_RELATIONSHIP,
    US_CORE,
    V3_ACT_CODE,
    local_form,
)
from service.demo import measured
from service.demo.build import Resource, identifier, later, period, quantity, reference
from service.demo.chart import HEALTH_CONCERN, Chart, condition

ASSERTED_DATE = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"
DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
DISPLAY = "http://hl7.org/fhir/StructureDefinition/display"
FORM_URI = f"{US_CORE}StructureDefinition/us-core-extension-questionnaire-uri"

Row = tuple[str, Code, tuple[Code, ...], Resource]

STATUSES: tuple[Row, ...] = (
    (
        "transport",
        known.TRANSPORT_TOO_EXPENSIVE,
        (SDOH,),
        {"valueBoolean": False},
    ),
    (
        "function",
        known.FUNCTION,
        (known.FUNCTIONAL_STATUS,),
        {"valueCodeableConcept": concept(known.DRESSES_ALONE)},
    ),
    (
        "cognition",
        known.COGNITION,
        (COGNITIVE_STATUS,),
        {"valueString": "Alert and oriented; follows a long conversation."},
    ),
    (
        "treatment-wishes",
        known.TREATMENT_WISHES,
        (known.TREATMENT_PREFERENCE,),
        {"valueString": "A lozenge rather than an injection; nothing that keeps me from driving for days."},
    ),
    (
        "care-wishes",
        known.CARE_WISHES,
        (known.CARE_PREFERENCE,),
        {"valueString": "Eyeshade, music without words, nobody speaks unless I do."},
    ),
    (
        "tobacco",
        known.TOBACCO,
        (SOCIAL_HISTORY,),
        {"valueCodeableConcept": concept(known.NEVER_SMOKED)},
    ),
    (
        "exercise",
        known.EXERCISE,
        (SOCIAL_HISTORY, known.ACTIVITY),
        {"valueQuantity": quantity(3, "days per week", "d/wk")},
    ),
)
"""Name, code, categories and value of what the therapist noted."""


def background(chart: Chart, day: str) -> list[Resource]:
    """Write what was learned on the day of intake; the PHQ-9 of that day must be in the chart."""
    when = f"{day}T16:40:00Z"
    return [
        *(
            measured.observation(chart, name, [code], when, categories, **value)
            for name, code, categories, value in STATUSES
        ),
        _occupation(chart, when),
        *_phq_9(chart, when),
        intake_form(chart, when),
        _undated_form(chart),
        *_answered(chart, when),
        _insomnia(chart, day),
        _concern(chart, day),
        coverage(chart, day),
    ]


def _occupation(chart: Chart, when: str) -> Resource:
    worked = {
        "valueCodeableConcept": {"text": "Librarian"},
        "component": [{"code": concept(known.INDUSTRY), "valueCodeableConcept": {"text": "Public library"}}],
        "effectivePeriod": period(later(when[:10], -2000)),
    }
    written = measured.observation(chart, "occupation", [known.OCCUPATION], when, (SOCIAL_HISTORY,), **worked)
    del written["effectiveDateTime"]
    return written


def _phq_9(chart: Chart, when: str) -> list[Resource]:
    """Write the instrument as a panel, its item on thoughts of death, and what the clinician makes of it."""
    name = "phq9-baseline"
    source = [reference(f"QuestionnaireResponse/{chart.id('qr', name)}")]
    item = measured.observation(
        chart,
        f"{name}-death",
        [PHQ_9_DEATH],
        when,
        measured.SCREENING,
        valueCodeableConcept=concept(known.NOT_AT_ALL),
        derivedFrom=source,
    )
    members = [{"id": chart.id("obs", name)}, item]
    panel = measured.panel(chart, name, PHQ_9, when, members)
    severity = measured.observation(
        chart,
        "severity",
        [known.DEPRESSION_SEVERITY],
        when,
        (SURVEY, DISABILITY_STATUS),
        valueCodeableConcept=concept(known.MODERATE),
        derivedFrom=[reference(f"Observation/{panel['id']}")],
    )
    return [item, panel, severity]


def intake_form(chart: Chart, when: str) -> Resource:
    """Write the interview of the intake: groups, numbers, choices, and a question below an answer."""
    tried = {
        "linkId": "tried",
        "text": "Have other treatments been tried?",
        "answer": [
            {
                "valueCoding": known.YES.coding(),
                "item": [measured.item("which", "Which?", valueString="Two antidepressants, a year each")],
            }
        ],
    }
    sleep = {
        "linkId": "sleep",
        "text": "Sleep",
        "item": [
            measured.item("hours", "Hours a night", valueDecimal=Decimal("5.5")),
            measured.item("waking", "What wakes you?", valueString="The day before, again and again"),
        ],
    }
    form = measured.answers(chart, "intake", local_form("kat-intake"), when, [tried, sleep])
    named = [
        {"url": DISPLAY, "valueString": "Intake interview"},
        {"url": FORM_URI, "valueUri": "https://kat-fhir.example/forms/intake/2026-03"},
    ]
    return {**form, "_questionnaire": {"extension": named}, "author": reference("Practitioner/prac-th")}


def _undated_form(chart: Chart) -> Resource:
    """Write a paper form that the patient brought along and had not dated."""
    items = [measured.item(str(number), f"AUDIT-C item {number}", valueInteger=0) for number in range(1, 4)]
    form = measured.answers(chart, "auditc-paper", form_url(AUDIT_C), "", items)
    del form["authored"]
    unknown = [{"url": DATA_ABSENT, "valueCode": known.UNKNOWN.code}]
    return {**form, "_authored": {"extension": unknown}}


def _answered(chart: Chart, when: str) -> list[Resource]:
    """Write what the interview said as observations."""
    derived = [reference(f"QuestionnaireResponse/{chart.id('qr', 'intake')}")]
    rows: tuple[tuple[str, Code, Any], ...] = (
        ("housing", known.HOUSING, {"valueCodeableConcept": concept(known.HOUSED)}),
        ("supports", known.SUPPORTS, {"valueString": "My sister, and the choir on Thursdays."}),
    )
    return [
        measured.observation(chart, name, [code], when, (SURVEY, SDOH), derivedFrom=derived, **value)
        for name, code, value in rows
    ]


def _insomnia(chart: Chart, day: str) -> Resource:
    """Write a problem that has passed."""
    return condition(
        chart,
        "insomnia",
        [INSOMNIA],
        day,
        extension=[{"url": ASSERTED_DATE, "valueDateTime": later(day, -890)}],
        clinicalStatus=concept(Code(CLINICAL_STATUS, "resolved", "Resolved")),
        onsetDateTime=later(day, -900),
        abatementDateTime=later(day, -400),
    )


def _concern(chart: Chart, day: str) -> Resource:
    asserted = [{"url": ASSERTED_DATE, "valueDateTime": day}]
    return condition(chart, "psychosocial", [PSYCHOSOCIAL], day, (HEALTH_CONCERN, SDOH), extension=asserted)


def coverage(chart: Chart, day: str) -> Resource:
    """Write the patient's own health plan."""
    member = concept(Code(IDENTIFIER_TYPE, "MB", "Member Number"))
    groups = {"group": ("SAG-LIB", "City libraries"), "plan": ("SILVER", "Saguaro Silver")}
    return {
        "resourceType": "Coverage",
        "id": chart.id("cov"),
        "identifier": [{"type": member, **identifier("member", f"SHP-{chart.number}")}],
        "status": "active",
        "type": concept(Code(V3_ACT_CODE, "HIP", "health insurance plan policy")),
        "subscriberId": f"SHP-{chart.number}",
        "beneficiary": chart.patient,
        "relationship": concept(Code(SUBSCRIBER_RELATIONSHIP, "self", "Self")),
        "period": period(later(day, -220)),
        "payor": [reference("Organization/org-payer")],
        "class": [
            {"type": concept(Code(COVERAGE_CLASS, kind, kind.capitalize())), "value": value, "name": name}
            for kind, (value, name) in groups.items()
        ],
    }
