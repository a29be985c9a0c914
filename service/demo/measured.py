"""What was measured and answered: vital signs, questionnaires and their scores.

    QuestionnaireResponse ──derivedFrom── Observation (total)
    MedicationAdministration ──partOf── Observation (vital sign at a time point)

Source: https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/us/core/StructureDefinition-us-core-vital-signs.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.kat.background import COGNITIVE_STATUS, UNKNOWN
from models.kat.code import Code, concept
from models.kat.measures import (
    BLOOD_PRESSURE,
    DIASTOLIC,
    HEART_RATE,
    OXYGEN_SATURATION,
    PHQ_9,
    PHQ_9_ITEMS,
    PULSE_OXIMETRY,
    SURVEY,
    SYSTOLIC,
    VITAL_SIGNS,
    form_url,
)
from models.kat.systems import LOINC
from service.demo.build import Resource, concepts, identifier, quantity, reference
from service.demo.chart import Chart

SCREENING = (SURVEY, COGNITIVE_STATUS)
"""By what an EHR finds the results of an instrument."""


def observation(
    chart: Chart,
    name: str,
    codes: Sequence[Code],
    when: str,
    categories: Sequence[Code] = (VITAL_SIGNS,),
    **more: Any,
) -> Resource:
    """Write a final observation by the therapist."""
    return {
        "resourceType": "Observation",
        "id": chart.id("obs", name),
        "status": "final",
        "category": concepts(categories),
        "code": concept(*codes),
        "subject": chart.patient,
        "effectiveDateTime": when,
        "performer": [reference(chart.therapist)],
        **more,
    }


def blood_pressure(
    chart: Chart, name: str, when: str, mm_hg: tuple[int | None, int | None], **more: Any
) -> Resource:
    """Write a blood pressure, systolic and diastolic; a value that was not heard is None."""
    component = [pressure(code, value) for code, value in zip((SYSTOLIC, DIASTOLIC), mm_hg, strict=True)]
    return observation(chart, name, [BLOOD_PRESSURE], when, component=component, **more)


def pressure(code: Code, mm_hg: int | None) -> Resource:
    """Write one component of a blood pressure."""
    if mm_hg is None:
        return {"code": concept(code), "dataAbsentReason": concept(UNKNOWN)}
    return {"code": concept(code), "valueQuantity": quantity(mm_hg, "mmHg", "mm[Hg]")}


def vital_signs(
    chart: Chart, name: str, when: str, signs: tuple[tuple[int, int], int, int], **more: Any
) -> list[Resource]:
    """Write blood pressure, heart rate and oxygen saturation of one moment."""
    mm_hg, beats, percent = signs
    rate = quantity(beats, "beats/minute", "/min")
    saturation = [OXYGEN_SATURATION, PULSE_OXIMETRY]
    return [
        blood_pressure(chart, f"{name}-bp", when, mm_hg, **more),
        observation(chart, f"{name}-hr", [HEART_RATE], when, valueQuantity=rate, **more),
        observation(chart, f"{name}-spo2", saturation, when, valueQuantity=quantity(percent, "%"), **more),
    ]


def score(chart: Chart, name: str, total: Code, when: str, value: int, **more: Any) -> Resource:
    """Write the total of an instrument; derived from the answers of the same name unless told otherwise."""
    derived = {"derivedFrom": [reference(f"QuestionnaireResponse/{chart.id('qr', name)}")]}
    more = {**derived, **more, "valueQuantity": quantity(value, "{score}")}
    return observation(chart, name, [total], when, SCREENING, **more)


def panel(chart: Chart, name: str, code: Code, when: str, members: Sequence[Resource]) -> Resource:
    """Write an instrument as a whole: its total and items, from the answers of the same name."""
    return observation(
        chart,
        f"{name}-panel",
        [code],
        when,
        SCREENING,
        hasMember=[reference(f"Observation/{member['id']}") for member in members],
        derivedFrom=[reference(f"QuestionnaireResponse/{chart.id('qr', name)}")],
    )


def answers(chart: Chart, name: str, form: str, authored: str, items: Sequence[Resource]) -> Resource:
    """Write the patient's answers to a questionnaire."""
    return {
        "resourceType": "QuestionnaireResponse",
        "id": chart.id("qr", name),
        "extension": chart.of_episode(),
        "identifier": identifier("answers", chart.id("Q", name)),
        "questionnaire": form,
        "status": "completed",
        "subject": chart.patient,
        "authored": authored,
        "author": chart.patient,
        "source": chart.patient,
        "item": list(items),
    }


def item(link: str, text: str, **value: Any) -> Resource:
    """Write one answered item, for instance ``item("urge", "Urge to repeat", valueInteger=0)``."""
    return {"linkId": link, "text": text, "answer": [value]}


def phq_9_items(total: int) -> dict[str, int]:
    """Spread a total over the items as evenly as it goes, leaving the last (thoughts of death) at zero."""
    items = dict.fromkeys(PHQ_9_ITEMS, 0)
    for turn in range(total):
        items[PHQ_9_ITEMS[turn % (len(PHQ_9_ITEMS) - 1)]] += 1
    return items


def phq_9_answers(chart: Chart, name: str, authored: str, scores: Mapping[str, int]) -> Resource:
    """Write the answers to PHQ-9 by LOINC code of the item."""
    items = [
        item(f"/{code}", f"PHQ-9 item {number}", valueInteger=scores[code])
        for number, code in enumerate(PHQ_9_ITEMS, start=1)
    ]
    return answers(chart, name, form_url(PHQ_9), authored, items)


def phq_9_form() -> Resource:
    """Write PHQ-9 as a questionnaire of codes; its item texts stay with their owner."""
    return {
        "resourceType": "Questionnaire",
        "id": "phq-9",
        "url": form_url(PHQ_9),
        "name": "PHQ9",
        "title": "PHQ-9",
        "status": "active",
        "subjectType": ["Patient"],
        "code": [PHQ_9.coding()],
        "item": [
            {
                "linkId": f"/{code}",
                "code": [{"system": LOINC, "code": code}],
                "text": f"PHQ-9 item {number}",
                "type": "integer",
                "required": True,
            }
            for number, code in enumerate(PHQ_9_ITEMS, start=1)
        ],
    }
