"""Medicine beside the order: what the patient takes already, the lozenges handed over, what they did.

    MedicationRequest (reported) · MedicationRequest (lozenges) ── MedicationDispense
                                                     journey ── Condition (nausea, passed the same day)

Source: https://hl7.org/fhir/us/core/StructureDefinition-us-core-medicationdispense.html
"""

from __future__ import annotations

from decimal import Decimal

from models.kat.background import PARTLY_TAKEN, SERTRALINE
from models.kat.code import Code, concept
from models.kat.conditions import NAUSEA_DIAGNOSIS
from models.kat.drugs import ORAL
from models.kat.systems import CLINICAL_STATUS, CONDITION_CATEGORY, US_CORE, V3_ACT_CODE, V3_ROLE
from service.demo.build import Resource, identifier, later, quantity, reference
from service.demo.chart import Chart, condition
from service.demo.orders import COMMUNITY, LOZENGE

ADHERENCE = f"{US_CORE}StructureDefinition/us-core-medication-adherence"
FIRST_FILL = Code(V3_ACT_CODE, "FF", "First Fill")
ENCOUNTER_DIAGNOSIS = Code(CONDITION_CATEGORY, "encounter-diagnosis", "Encounter Diagnosis")
PROVIDER = "Practitioner/prac-pcp"


def medicines(chart: Chart, examined: str, journey: str) -> list[Resource]:
    """Write them; the days are those of the physical and of the first journey."""
    return [
        antidepressant(chart, examined),
        dispensed(chart, later(journey, -1)),
        nausea(chart, journey),
    ]


def antidepressant(chart: Chart, day: str) -> Resource:
    """Write what another provider prescribes, as that provider reported it."""
    return {
        "resourceType": "MedicationRequest",
        "id": chart.id("rx", "sertraline"),
        "extension": [_adherence(day)],
        "identifier": [identifier("reported-order", chart.id("RP"))],
        "status": "active",
        "intent": "plan",
        "category": [concept(COMMUNITY)],
        "reportedReference": reference(PROVIDER),
        "medicationCodeableConcept": concept(SERTRALINE, text="Sertraline 50 mg tablet"),
        "subject": chart.patient,
        "encounter": reference(f"Encounter/{chart.id('enc', 'physical')}"),
        "authoredOn": day,
        "requester": reference(PROVIDER),
        "reasonReference": [reference(f"Condition/{chart.id('cond')}")],
        "dosageInstruction": [
            {
                "text": "50 mg each morning",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "route": concept(ORAL),
                "doseAndRate": [{"doseQuantity": quantity(50, "mg")}],
            }
        ],
        "dispenseRequest": {"numberOfRepeatsAllowed": 3, "quantity": quantity(30, "tablet", "{tbl}")},
    }


def _adherence(day: str) -> Resource:
    told_by = concept(Code(V3_ROLE, "ONESELF", "self"))
    return {
        "url": ADHERENCE,
        "extension": [
            {"url": "medicationAdherence", "valueCodeableConcept": concept(PARTLY_TAKEN)},
            {"url": "dateAsserted", "valueDateTime": day},
            {"url": "informationSource", "valueCodeableConcept": told_by},
        ],
    }


def dispensed(chart: Chart, day: str) -> Resource:
    """Write that the pharmacy handed the lozenges over."""
    return {
        "resourceType": "MedicationDispense",
        "id": chart.id("fill", "1"),
        "identifier": [identifier("fill", chart.id("F", "1"))],
        "status": "completed",
        "medicationReference": reference(LOZENGE),
        "subject": chart.patient,
        "context": reference(f"Encounter/{chart.id('enc', 'journey-1')}"),
        "performer": [{"actor": reference("Organization/org-pharmacy")}],
        "authorizingPrescription": [reference(f"MedicationRequest/{chart.id('rx')}")],
        "type": concept(FIRST_FILL),
        "quantity": quantity(3, "lozenge", "{lozenge}"),
        "daysSupply": quantity(7, "day", "d"),
        "whenHandedOver": f"{day}T17:00:00Z",
        "dosageInstruction": [
            {
                "text": "Under the tongue, in the session only",
                "timing": {"repeat": {"count": 3, "frequency": 1, "period": 1, "periodUnit": "wk"}},
                "doseAndRate": [{"doseQuantity": quantity(Decimal(200), "mg")}],
            }
        ],
    }


def nausea(chart: Chart, day: str) -> Resource:
    """Write the diagnosis of one encounter: nausea after the dose, gone before the way home."""
    return condition(
        chart,
        "nausea",
        [NAUSEA_DIAGNOSIS],
        day,
        (ENCOUNTER_DIAGNOSIS,),
        clinicalStatus=concept(Code(CLINICAL_STATUS, "resolved", "Resolved")),
        encounter=reference(f"Encounter/{chart.id('enc', 'journey-1')}"),
        onsetDateTime=f"{day}T17:30:00Z",
        abatementDateTime=f"{day}T18:30:00Z",
    )
