"""The rest of a full record: what an EHR expects in a chart beside the arc of the therapy.

    background (statuses, forms, coverage) · physical (at the primary care provider) · medicines
                                └── all of it under one Provenance

Source: https://hl7.org/fhir/us/core/must-support.html
"""

from __future__ import annotations

from models.kat.background import CAREGIVER, PATIENT_ROLE, PRIMARY_CARE_PROVIDER
from models.kat.roles import THERAPIST_ROLE
from service.demo import orders
from service.demo.background import background
from service.demo.build import Resource
from service.demo.chart import Chart, team
from service.demo.medicines import medicines
from service.demo.physical import physical

ARC = ("Patient/pat", "Condition/cond", "MedicationRequest/rx", "EpisodeOfCare/ep", "CarePlan/plan")
"""What every arc has; the record vouches for it too."""


def record(chart: Chart, intake: str, examined: str, journey: str) -> list[Resource]:
    """Write the record; the days are those of intake, physical and first journey.

    The chart must have an arc: its condition, prescription, intake and first journey under their usual ids,
    and the escort ``RelatedPerson/rp-<number>``.
    """
    escort = f"RelatedPerson/{chart.id('rp')}"
    members = [
        (PATIENT_ROLE, f"Patient/{chart.id('pat')}"),
        (CAREGIVER, escort),
        (PRIMARY_CARE_PROVIDER, "Practitioner/prac-pcp"),
        (THERAPIST_ROLE, chart.therapist),
    ]
    written = [
        team(chart, "active", members, intake, "wider"),
        *background(chart, intake),
        *physical(chart, examined),
        *medicines(chart, examined, journey),
    ]
    targets = [f"{one}-{chart.number}" for one in ARC]
    targets += [
        escort,
        f"Goal/{chart.id('goal', 'intention')}",
        f"Encounter/{chart.id('enc', 'intake')}",
        f"DocumentReference/{chart.id('note', 'intake')}",
        *(f"{one['resourceType']}/{one['id']}" for one in written),
    ]
    vouch = ("Practitioner/prac-th", chart.practice)
    return [*written, orders.provenance(chart, "record", targets, f"{journey}T15:00:00Z", vouch)]
