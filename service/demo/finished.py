"""The finished arc of pat-1: seven preparation sessions, three journeys, six integration sessions.

    08-03 referred · 08-10 intake · 08-17 … 09-28 preparation · 10-01 evaluation · 10-02 prescription
    10-06 journey 1 · 10-20 journey 2 · 11-03 journey 3 · 10-08 … 11-12 integration · 11-20 finished

PHQ-9 went 19, 12, 8, 7: a response (at least half), not a remission (below 5).
"""

from __future__ import annotations

from decimal import Decimal

from models.kat.code import concept
from models.kat.conditions import (
    NAUSEA,
    RECURRENT_SEVERE_DEPRESSION,
    TREATMENT_RESISTANT_DEPRESSION,
)
from models.kat.documents import CONSULT_NOTE, HISTORY_NOTE, JOURNEY_NOTE, PROGRESS_NOTE, SUMMARY_NOTE
from models.kat.local import (
    MODALITIES,
    PDMP_CHECK,
    ROLES,
    TELEHEALTH_BASIS,
    TIMEPOINT,
    TIMEPOINTS,
)
from models.kat.measures import BODY_WEIGHT, EXAM, GAD_7, GAD_7_TOTAL, PHQ_9_TOTAL, form_url
from models.kat.roles import PRESCRIBER_ROLE, THERAPIST_ROLE
from models.kat.systems import local_form
from service.demo import measured, orders
from service.demo.build import Days, Resource, coded_extension, quantity, reference
from service.demo.chart import (
    ASSOCIATED_ENCOUNTER,
    VIRTUAL,
    Chart,
    condition,
    episode,
    goal,
    note,
    plan,
    session,
    team,
)
from service.demo.consents import sharing_consent, treatment_consent
from service.demo.record import record

PREPARATION = (
    "2026-08-17",
    "2026-08-24",
    "2026-08-31",
    "2026-09-07",
    "2026-09-14",
    "2026-09-21",
    "2026-09-28",
)
JOURNEYS = ("2026-10-06", "2026-10-20", "2026-11-03")
INTEGRATION = (
    ("2026-10-08", "15:00", 1, "ifs"),
    ("2026-10-15", "15:00", 1, "somatic"),
    ("2026-10-22", "17:00", 2, "emdr"),
    ("2026-10-29", "15:00", 2, "ifs"),
    ("2026-11-05", "17:00", 3, "somatic"),
    ("2026-11-12", "15:00", 3, "emdr"),
)
"""Day, start, the journey that it follows, modality."""

SCORES = (
    ("baseline", "2026-08-10", 19),
    ("journey-2", "2026-10-22", 12),
    ("journey-3", "2026-11-05", 8),
    ("end", "2026-11-19", 7),
)
SIGNS = (
    ("baseline", "16:00", ((122, 76), 70, 98)),
    ("plus40min", "16:50", ((141, 86), 88, 98)),
    ("end", "19:20", ((126, 79), 72, 98)),
)
"""Time point, clock, (blood pressure, heart rate, saturation)."""

CHART = Chart("1")
PRESCRIBER = "PractitionerRole/role-rx"
PLATFORM = "Organization/org-rx-a"
BOOSTED = 2
"""The journey with a booster."""


def arc(days: Days) -> list[Resource]:
    """Write the whole chart of pat-1."""
    return [
        *_frame(days),
        *_intake(days),
        *_preparation(days),
        *_prescription(days),
        *(resource for number in range(1, 4) for resource in _journey(days, number)),
        *_integration(days),
        *_outcomes(days),
        *_ending(days),
        *record(CHART, days.day("2026-08-10"), days.day("2026-09-30"), days.day(JOURNEYS[0])),
    ]


def _frame(days: Days) -> list[Resource]:
    first, active, last = days.day("2026-08-03"), days.day("2026-08-12"), days.day("2026-11-20")
    history = [("planned", first, active), ("active", active, last), ("finished", last, last)]
    intake = days.day("2026-08-10")
    members = [
        (THERAPIST_ROLE, CHART.therapist),
        (PRESCRIBER_ROLE, PRESCRIBER),
        (ROLES["chaperone"], "RelatedPerson/rp-1"),
    ]
    return [
        condition(CHART, "", [RECURRENT_SEVERE_DEPRESSION, TREATMENT_RESISTANT_DEPRESSION], intake),
        goal(CHART, "intention", "Meet the mornings without dread", intake, last, "achieved"),
        goal(CHART, "safety", "Call before acting on dark thoughts", intake, last, "achieved"),
        team(CHART, "inactive", members, active),
        episode(
            CHART, "kat-individual", "finished", history, "completed", team=[reference("CareTeam/team-1")]
        ),
        plan(CHART, "", "completed", active, last, ["Preparation", "Journeys", "Integration"]),
        plan(
            CHART,
            "preparation",
            "completed",
            days.day(PREPARATION[0]),
            days.day(PREPARATION[-1]),
            ["Weekly sessions"],
        ),
        plan(
            CHART, "journey", "completed", days.day(JOURNEYS[0]), days.day(JOURNEYS[-1]), ["Three journeys"]
        ),
        plan(
            CHART,
            "integration",
            "completed",
            days.day("2026-10-08"),
            days.day("2026-11-12"),
            ["Six sessions"],
        ),
    ]


def _intake(days: Days) -> list[Resource]:
    day, until = days.day("2026-08-10"), days.day("2027-08-10")
    meeting = session(CHART, "intake", "intake", (f"{day}T16:00:00Z", f"{day}T17:30:00Z"))
    recipients = ["Organization/org-rx-a", "Organization/org-ehr"]
    weight = quantity(72, "kg")
    asked = f"{day}T16:20:00Z"
    total = measured.score(CHART, "gad7-baseline", GAD_7_TOTAL, asked, 14)
    text = (
        "Two adequate antidepressant trials without response. No psychosis, no mania, no substance use. "
        "Supports mapped: a friend will escort."
    )
    return [
        meeting,
        treatment_consent(CHART, day, until),
        sharing_consent(CHART, day, until, recipients),
        measured.observation(CHART, "weight", [BODY_WEIGHT], f"{day}T16:10:00Z", valueQuantity=weight),
        measured.answers(CHART, "gad7-baseline", form_url(GAD_7), asked, _gad_7()),
        total,
        measured.panel(CHART, "gad7-baseline", GAD_7, asked, [total]),
        note(CHART, "intake", HISTORY_NOTE, meeting, text),
    ]


def _gad_7() -> list[Resource]:
    return [measured.item(str(number), f"GAD-7 item {number}", valueInteger=2) for number in range(1, 8)]


def _preparation(days: Days) -> list[Resource]:
    chart: list[Resource] = []
    for number, told in enumerate(PREPARATION, start=1):
        day = days.day(told)
        meeting = session(
            CHART, "preparation", f"prep-{number}", (f"{day}T16:00:00Z", f"{day}T16:50:00Z"), ordinal=number
        )
        text = f"Preparation session {number}: grounding and resourcing practised. Plan: continue weekly."
        chart += [meeting, note(CHART, f"prep-{number}", PROGRESS_NOTE, meeting, text)]
    return chart


def _prescription(days: Days) -> list[Resource]:
    asked, issued = days.day("2026-09-29"), days.day("2026-10-02")
    order = orders.prescription(
        CHART, ("https://rx-a.example/rx", "RX-A-1001"), issued, PRESCRIBER, (200, 100), 3
    )
    order["status"] = "completed"
    order["encounter"] = reference("Encounter/enc-1-evaluation")
    order["extension"] += [
        {"url": TELEHEALTH_BASIS, "valueCode": "flexibility"},
        {"url": PDMP_CHECK, "valueDate": days.day("2026-10-01")},
    ]
    vouch = (PRESCRIBER, PLATFORM)
    return [
        *_evaluation(days.day("2026-10-01")),
        orders.referral(CHART, PLATFORM, asked, "Encounter/enc-1-prep-7"),
        orders.task(CHART, "evaluation", "completed", "Evaluate and prescribe", asked, **_handed(order)),
        orders.lozenge(),
        order,
        orders.provenance(CHART, "rx", ["MedicationRequest/rx-1"], f"{issued}T18:00:00Z", vouch),
    ]


def _evaluation(day: str) -> list[Resource]:
    during = (f"{day}T18:00:00Z", f"{day}T19:00:00Z")
    meeting = session(CHART, "medical-eval", "evaluation", during)
    meeting["class"] = VIRTUAL.coding()
    del meeting["location"]
    meeting["participant"][0]["individual"] = reference(PRESCRIBER)
    by = [reference(PRESCRIBER)]
    text = "Eligible. Blood pressure 124/78, heart rate 68."
    return [
        meeting,
        measured.blood_pressure(CHART, "evaluation-bp", f"{day}T18:10:00Z", (124, 78), performer=by),
        note(CHART, "evaluation", CONSULT_NOTE, meeting, text, author=by, custodian=reference(PLATFORM)),
    ]


def _handed(order: Resource) -> Resource:
    output = {
        "type": {"text": "Prescription"},
        "valueReference": reference(f"MedicationRequest/{order['id']}"),
    }
    return {
        "focus": reference("ServiceRequest/sr-1-evaluation"),
        "owner": reference("Organization/org-rx-a"),
        "output": [output],
    }


def _journey(days: Days, number: int) -> list[Resource]:
    day = days.day(JOURNEYS[number - 1])
    name, key = f"journey-{number}", f"Encounter/enc-1-journey-{number}"
    during = (f"{day}T16:00:00Z", f"{day}T19:30:00Z")
    meeting = session(CHART, "journey", name, during, ordinal=number, length=quantity(Decimal("3.5"), "h"))
    escort = {"type": [concept(ROLES["chaperone"])], "individual": reference("RelatedPerson/rp-1")}
    meeting["participant"].append(escort)
    dose = orders.administration(CHART, name, key, (f"{day}T16:10:00Z", f"{day}T17:00:00Z"), 200)
    part = {"encounter": reference(key), "partOf": [reference(f"MedicationAdministration/{dose['id']}")]}
    boosters = [_booster(day, key)] if number == BOOSTED else []
    text = (
        f"Journey {number}: 200 mg under the tongue at 16:10. Mild nausea, resolved. "
        "Left with the escort, blood pressure back at baseline."
    )
    return [
        meeting,
        dose,
        *boosters,
        *_signs(day, name, part),
        _nausea(day, number, part),
        _discharge(day, number),
        note(CHART, name, JOURNEY_NOTE, meeting, text),
    ]


def _signs(day: str, name: str, part: Resource) -> list[Resource]:
    signs = []
    for point, clock, values in SIGNS:
        extension = [coded_extension(TIMEPOINT, TIMEPOINTS[point])]
        when = f"{day}T{clock}:00Z"
        signs += measured.vital_signs(CHART, f"{name}-{point}", when, values, extension=extension, **part)
    return signs


def _booster(day: str, encounter: str) -> Resource:
    during = (f"{day}T16:40:00Z", f"{day}T17:00:00Z")
    return orders.administration(CHART, "journey-2-booster", encounter, during, 100)


def _nausea(day: str, number: int, part: Resource) -> Resource:
    part = {**part, "valueCodeableConcept": {"text": "mild, resolved within the journey"}}
    return measured.observation(
        CHART, f"journey-{number}-nausea", [NAUSEA], f"{day}T17:30:00Z", (EXAM,), **part
    )


def _discharge(day: str, number: int) -> Resource:
    items = [
        measured.item("orientation", "Oriented to person, place and time", valueBoolean=True),
        measured.item("gait", "Walks steadily", valueBoolean=True),
        measured.item("driving", "Told not to drive until the next day", valueBoolean=True),
        measured.item("escort", "Escort", valueString="Chris Chaperone"),
    ]
    form = local_form("kat-discharge-check")
    return measured.answers(CHART, f"discharge-{number}", form, f"{day}T19:25:00Z", items)


def _integration(days: Days) -> list[Resource]:
    chart: list[Resource] = []
    for number, (told, clock, journey, modality) in enumerate(INTEGRATION, start=1):
        start, end = days.instant(told, clock), days.instant(told, f"{clock[:2]}:50")
        link = {
            "url": ASSOCIATED_ENCOUNTER,
            "valueReference": reference(f"Encounter/enc-1-journey-{journey}"),
        }
        meeting = session(
            CHART, "integration", f"integration-{number}", (start, end), ordinal=number, extension=[link]
        )
        meeting["type"].append(concept(MODALITIES[modality]))
        text = (
            f"## Integration session {number}\n\nAfter journey {journey}. "
            f"Modality: {MODALITIES[modality].display}.\n"
            "Mood steadier, sleep better. Plan: one small practice each morning."
        )
        chart += [meeting, note(CHART, f"integration-{number}", PROGRESS_NOTE, meeting, text)]
    notes = [f"DocumentReference/note-1-integration-{number}" for number in range(1, 7)]
    recorded = days.instant("2026-11-12", "16:00")
    return [*chart, orders.provenance(CHART, "notes", notes, recorded, (CHART.therapist, CHART.practice))]


def _outcomes(days: Days) -> list[Resource]:
    chart: list[Resource] = []
    for name, told, total in SCORES:
        when, given = days.instant(told, "15:30"), measured.phq_9_items(total)
        chart += [
            measured.phq_9_answers(CHART, f"phq9-{name}", when, given),
            measured.score(CHART, f"phq9-{name}", PHQ_9_TOTAL, when, total),
        ]
    form = local_form("kat-relationship-to-medicine")
    for number, told in enumerate(("2026-10-15", "2026-10-29"), start=1):
        items = [
            measured.item("urge", "Urge to take it outside sessions", valueInteger=0),
            measured.item("urinary", "Urinary symptoms", valueBoolean=False),
            measured.item("words", "In my own words", valueString="A tool that I can put down."),
        ]
        chart.append(measured.answers(CHART, f"review-{number}", form, days.instant(told, "15:45"), items))
    return chart


def _ending(days: Days) -> list[Resource]:
    day = days.day("2026-11-20")
    meeting = session(CHART, "discharge", "discharge", (f"{day}T16:00:00Z", f"{day}T16:50:00Z"))
    form = local_form("kat-leftover-count")
    leftover = [measured.item("boosters", "Booster lozenges unaccounted for", valueInteger=2)]
    text = (
        "Seven preparation sessions, three journeys, six integration sessions. PHQ-9 from 19 to 7: response, "
        "not remission. No serious adverse event. Two booster lozenges unaccounted for; prescriber told."
    )
    told = {"owner": reference("Organization/org-rx-a"), "focus": reference("MedicationRequest/rx-1")}
    return [
        meeting,
        measured.answers(CHART, "leftover", form, f"{day}T16:30:00Z", leftover),
        note(CHART, "summary", SUMMARY_NOTE, meeting, text),
        orders.task(CHART, "leftover", "requested", "2 booster lozenges unaccounted", day, **told),
    ]
