"""Synthetic episodes by the thousand: the same patients for the same seed, about thirty resources each.

    staff ─> patient 1 ─> patient 2 ─> …      one transaction for every few patients

One patient in twenty has a full record (``record.py``), and the next one has died since: together they have
whatever US Core must support. Every prescription satisfies every rule. Patient ``n`` depends on the seed and
``n`` only, so that 64,000 patients begin with the same 1,000.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from models.kat.conditions import (
    CHRONIC_PTSD,
    GENERALIZED_ANXIETY,
    RECURRENT_MODERATE_DEPRESSION,
    RECURRENT_SEVERE_DEPRESSION,
)
from models.kat.documents import CONSULT_NOTE, HISTORY_NOTE, JOURNEY_NOTE, PROGRESS_NOTE, SUMMARY_NOTE
from models.kat.measures import PHQ_9_TOTAL
from models.kat.roles import THERAPIST_ROLE
from service.demo import measured, orders
from service.demo.build import STORY_ENDS, Resource, later, period, reference, transaction
from service.demo.chart import Chart, condition, episode, goal, note, plan, session, team
from service.demo.consents import sharing_consent, treatment_consent
from service.demo.people import FRIEND, in_full, patient, related_person, staff
from service.demo.record import record
from service.load import execute

if TYPE_CHECKING:
    from service.database import Database
    from service.settings import Settings

PATIENTS_PER_TRANSACTION = 10
PREPARATIONS, JOURNEYS, INTEGRATIONS = 3, 2, 2
FULL_RECORD_EVERY, FULL, DECEASED = 20, 1, 2
LONGEST_AGO, LATEST_AGO = 700, 120
"""Days before the story's end within which an arc begins; an arc takes less than 120."""

FAMILIES = (
    "Abara",
    "Bianchi",
    "Castro",
    "Duval",
    "Eriksen",
    "Farouk",
    "Greene",
    "Haddad",
    "Ito",
    "Kowal",
    "Müller",
    "Novák",
)
GIVEN = (
    "Ada",
    "Ben",
    "Chloé",
    "Dev",
    "Elif",
    "Finn",
    "Gita",
    "Hugo",
    "Iris",
    "Kaia",
    "Leo",
    "Noor",
    "Otto",
    "Pia",
)
DIAGNOSES = (RECURRENT_SEVERE_DEPRESSION, RECURRENT_MODERATE_DEPRESSION, CHRONIC_PTSD, GENERALIZED_ANXIETY)
DOSES_MG = ((100, 50), (150, 50), (200, 100), (300, 100))


async def seed(
    database: Database,
    settings: Settings,
    *,
    patients: int,
    seed: int,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> int:
    """Write synthetic episodes as the operator and return how many resources were written."""
    arcs = episodes(patients, seed)
    written = len(await execute(database, settings, transaction(next(arcs))))
    done = 0
    while batch := list(islice(arcs, PATIENTS_PER_TRANSACTION)):
        resources = [resource for arc in batch for resource in arc]
        written += len(await execute(database, settings, transaction(resources)))
        done += len(batch)
        if on_progress:
            on_progress(done, patients)
    return written


def episodes(patients: int, seed: int) -> Iterator[list[Resource]]:
    """Write the staff with the medicine, then one list of resources for each patient."""
    yield [*staff(), orders.lozenge()]
    for number in range(1, patients + 1):
        dice = random.Random(f"{seed}/{number}")  # noqa: S311 - not for secrets
        yield arc(f"s{seed}-{number}", dice, place=number % FULL_RECORD_EVERY)


def arc(number: str, dice: random.Random, place: int = 0) -> list[Resource]:
    """Write one patient's whole chart; ``number`` becomes part of every id.

    ``place`` is the patient's among twenty: the first has a full record, the second has died since.
    """
    chart = Chart(number)
    start = (STORY_ENDS - timedelta(days=dice.randint(LATEST_AGO, LONGEST_AGO))).isoformat()
    finished = dice.random() < 0.5  # noqa: PLR2004 - half of the arcs
    person = _patient(number, dice)
    if place == DECEASED:
        person["deceasedDateTime"] = f"{later(start, 115)}T04:20:00Z"
    chart_of_arc = [
        person,
        *_frame(chart, start, dice, finished=finished),
        *_sessions(chart, start),
        *_orders(chart, start, dice, finished=finished),
        *_scores(chart, start, dice),
    ]
    return [*chart_of_arc, *_completed(chart, person, start)] if place == FULL else chart_of_arc


def _completed(chart: Chart, person: Resource, start: str) -> list[Resource]:
    """Complete the patient, and write the rest of a full record."""
    person.update(in_full(person, later(start, -400)))
    intake, journey = later(start, 7), f"Encounter/{chart.id('enc', 'journey-1')}"
    meeting = {"id": journey.partition("/")[2], "period": period(*_hour(later(start, 42)))}
    notes = ((CONSULT_NOTE, "consult"), (JOURNEY_NOTE, "journey-1"), (SUMMARY_NOTE, "summary"))
    return [
        related_person(chart.number, ("Chaperone", "Chris"), FRIEND, "1992-06-01"),
        *(note(chart, name, codes, meeting, "As told in the session.") for codes, name in notes),
        *record(chart, intake, later(start, 34), later(start, 42)),
    ]


def _patient(number: str, dice: random.Random) -> Resource:
    name = (dice.choice(FAMILIES), dice.choice(GIVEN))
    born = f"{dice.randint(1948, 2004)}-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}"
    return patient(number, name, dice.choice(("female", "male", "other")), born)


def _frame(chart: Chart, start: str, dice: random.Random, *, finished: bool) -> list[Resource]:
    active, end = later(start, 7), later(start, 110)
    history = [("planned", start, active), ("active", active, end if finished else None)]
    if finished:
        history.append(("finished", end, end))
    status, phase = ("finished", "completed") if finished else ("active", "integration")
    plans = "completed" if finished else "active"
    until = later(start, 365)
    return [
        condition(chart, "", [dice.choice(DIAGNOSES)], start),
        goal(chart, "intention", "Feel present with the people I love", start, end),
        team(chart, "active", [(THERAPIST_ROLE, chart.therapist)], active),
        episode(
            chart, "kat-individual", status, history, phase, team=[reference(f"CareTeam/{chart.id('team')}")]
        ),
        plan(chart, "", plans, active, end, ["Preparation", "Journeys", "Integration"]),
        plan(chart, "preparation", "completed", active, later(start, 35), ["Weekly sessions"]),
        plan(chart, "integration", plans, later(start, 45), end, ["Sessions after each journey"]),
        treatment_consent(chart, active, until),
        sharing_consent(chart, active, until, ["Organization/org-rx-a", "Organization/org-ehr"]),
    ]


def _sessions(chart: Chart, start: str) -> list[Resource]:
    intake = session(chart, "intake", "intake", _hour(later(start, 7)))
    written = [intake, note(chart, "intake", HISTORY_NOTE, intake, "Suitable. No contraindication found.")]
    for number in range(1, PREPARATIONS + 1):
        during = _hour(later(start, 7 + 7 * number))
        written.append(session(chart, "preparation", f"prep-{number}", during, ordinal=number))
    for number in range(1, INTEGRATIONS + 1):
        meeting = session(
            chart,
            "integration",
            f"integration-{number}",
            _hour(later(start, 30 + 14 * number)),
            ordinal=number,
        )
        text = f"Integration session {number}: themes of the journey carried into daily life."
        written += [meeting, note(chart, f"integration-{number}", PROGRESS_NOTE, meeting, text)]
    return written


def _orders(chart: Chart, start: str, dice: random.Random, *, finished: bool) -> list[Resource]:
    asked, issued = later(start, 33), later(start, 36)
    order = orders.prescription(
        chart,
        ("https://rx-a.example/rx", f"RX-{chart.number}"),
        issued,
        "PractitionerRole/role-rx",
        dice.choice(DOSES_MG),
        JOURNEYS,
    )
    order["status"] = "completed" if finished else "active"
    referral = orders.referral(
        chart, "Organization/org-rx-a", asked, f"Encounter/{chart.id('enc', 'prep-3')}"
    )
    handed = {
        "owner": reference("Organization/org-rx-a"),
        "focus": reference(f"ServiceRequest/{referral['id']}"),
    }
    task = orders.task(chart, "evaluation", "completed", "Evaluate and prescribe", asked, **handed)
    written = [referral, task, order]
    for number in range(1, JOURNEYS + 1):
        written += _journey(chart, number, later(start, 28 + 14 * number), dice)
    return written


def _journey(chart: Chart, number: int, day: str, dice: random.Random) -> list[Resource]:
    name = f"journey-{number}"
    key = f"Encounter/{chart.id('enc', name)}"
    meeting = session(chart, "journey", name, (f"{day}T16:00:00Z", f"{day}T19:30:00Z"), ordinal=number)
    dose = orders.administration(chart, name, key, (f"{day}T16:10:00Z", f"{day}T17:00:00Z"), 100)
    mm_hg = (dice.randint(108, 138), dice.randint(64, 88))
    at_baseline = measured.blood_pressure(
        chart, f"{name}-bp", f"{day}T16:00:00Z", mm_hg, encounter=reference(key)
    )
    return [meeting, dose, at_baseline]


def _scores(chart: Chart, start: str, dice: random.Random) -> list[Resource]:
    first = dice.randint(10, 24)
    written = []
    for name, day, total in (("baseline", 7, first), ("end", 100, dice.randint(2, first))):
        when = f"{later(start, day)}T15:30:00Z"
        answers = measured.phq_9_answers(chart, f"phq9-{name}", when, measured.phq_9_items(total))
        written += [answers, measured.score(chart, f"phq9-{name}", PHQ_9_TOTAL, when, total)]
    return written


def _hour(day: str) -> tuple[str, str]:
    return f"{day}T16:00:00Z", f"{day}T16:50:00Z"
