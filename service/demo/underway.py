"""The charts that are under way: pat-2 prepares, pat-3 journeys while her spouse pat-4 begins, pat-5 waits.

pat-2   PTSD and hypertension; three preparation sessions; asks org-rx-a for a prescription
pat-3   couple; a prescription from org-rx-b, first journey done
pat-4   couple; intake done; joint session with pat-3
pat-5   waiting list; a record from a 42 CFR Part 2 program, labelled as such
"""

from __future__ import annotations

from typing import Any

from models.kat.code import Code, concept
from models.kat.conditions import (
    ALCOHOL_IN_REMISSION,
    CHRONIC_PTSD,
    GENERALIZED_ANXIETY,
    HYPERTENSION,
    PARTNER_PROBLEMS,
)
from models.kat.documents import JOURNEY_NOTE, PROGRESS_NOTE
from models.kat.local import ROLES
from models.kat.measures import BODY_WEIGHT, PCL_5, PCL_5_TOTAL, form_url
from models.kat.roles import THERAPIST_ROLE
from models.kat.systems import V3_ACT_CODE, V3_CONFIDENTIALITY
from service.demo import measured, orders
from service.demo.build import Days, Resource, identifier, later, quantity, reference
from service.demo.chart import (
    ASSOCIATED_ENCOUNTER,
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

SEVERE = 7
"""How many items of the trauma checklist were answered with 3, the others with 2."""

PREPARING, ROBIN, SAM, WAITING = Chart("2"), Chart("3"), Chart("4"), Chart("5")

PART_2 = (
    Code(V3_CONFIDENTIALITY, "R", "restricted"),
    Code(V3_ACT_CODE, "SUD", "substance use disorder information sensitivity"),
    Code(V3_ACT_CODE, "42CFRPart2", "42 CFR Part2"),
    Code(V3_ACT_CODE, "NORDSCLCD", "no redisclosure without consent directive"),
)


def arcs(days: Days) -> list[Resource]:
    """Write the four charts."""
    return [*_preparing(days), *_couple(days), *_waiting(days)]


def _begun(chart: Chart, days: Days, started: str, words: str, **kind: Any) -> list[Resource]:
    """Write what every active episode has: episode, plan, team, intention, consents."""
    planned = days.day(started)
    active = later(planned, 7)
    until = days.day("2027-10-31")
    history = [("planned", planned, active), ("active", active, None)]
    recipients = ["Organization/org-rx-a", "Organization/org-rx-b", "Organization/org-ehr"]
    careteam = [reference(f"CareTeam/{chart.id('team')}")]
    return [
        goal(chart, "intention", words, planned, until),
        team(chart, "active", [(THERAPIST_ROLE, chart.therapist)], active),
        episode(chart, kind["type"], "active", history, kind["phase"], team=careteam),
        plan(chart, "", "active", active, None, ["Preparation", "Journeys", "Integration"]),
        plan(chart, kind["phase"], "active", active, None, ["Weekly sessions"]),
        treatment_consent(chart, active, until),
        sharing_consent(chart, active, until, recipients),
    ]


def _prepared(chart: Chart, days: Days, told: tuple[str, ...]) -> list[Resource]:
    written: list[Resource] = []
    for number, day in enumerate(map(days.day, told), start=1):
        during = (f"{day}T18:00:00Z", f"{day}T18:50:00Z")
        meeting = session(chart, "preparation", f"prep-{number}", during, ordinal=number)
        text = f"Preparation session {number}: breath and grounding. Plan: continue weekly."
        written += [meeting, note(chart, f"prep-{number}", PROGRESS_NOTE, meeting, text)]
    return written


def _preparing(days: Days) -> list[Resource]:
    chart = PREPARING
    day, asked = days.day("2026-10-20"), days.day("2026-11-17")
    owner = {
        "owner": reference("Organization/org-rx-a"),
        "focus": reference("ServiceRequest/sr-2-evaluation"),
    }
    return [
        condition(chart, "", [CHRONIC_PTSD], day),
        condition(chart, "hypertension", [HYPERTENSION], day),
        *_begun(
            chart, days, "2026-10-13", "Sleep through the night", type="kat-individual", phase="preparation"
        ),
        measured.observation(
            chart, "weight", [BODY_WEIGHT], f"{day}T18:00:00Z", valueQuantity=quantity(90, "kg")
        ),
        *_pcl_5(chart, f"{day}T18:10:00Z"),
        measured.blood_pressure(chart, "intake-bp", f"{day}T18:15:00Z", (138, 86)),
        *_prepared(chart, days, ("2026-11-03", "2026-11-10", "2026-11-17")),
        orders.referral(chart, "Organization/org-rx-a", asked, "Encounter/enc-2-prep-3"),
        orders.task(chart, "evaluation", "requested", "Evaluate and prescribe", asked, **owner),
    ]


def _pcl_5(chart: Chart, when: str) -> list[Resource]:
    """Write the trauma checklist: answers to its twenty items, total 47, and the panel of both."""
    items = [
        measured.item(str(number), f"PCL-5 item {number}", valueInteger=3 if number <= SEVERE else 2)
        for number in range(1, 21)
    ]
    total = measured.score(chart, "pcl5-baseline", PCL_5_TOTAL, when, 47)
    return [
        measured.answers(chart, "pcl5-baseline", form_url(PCL_5), when, items),
        total,
        measured.panel(chart, "pcl5-baseline", PCL_5, when, [total]),
    ]


def _couple(days: Days) -> list[Resource]:
    recorded = days.day("2026-09-08")
    couple = {"type": "kat-couples"}
    return [
        condition(ROBIN, "", [PARTNER_PROBLEMS], recorded),
        condition(SAM, "", [PARTNER_PROBLEMS], recorded),
        *_begun(ROBIN, days, "2026-09-01", "Hear Sam without bracing", **couple, phase="journey"),
        *_begun(SAM, days, "2026-10-01", "Say what I need", **couple, phase="preparation"),
        *_prepared(ROBIN, days, ("2026-09-15", "2026-09-22", "2026-09-29", "2026-10-06", "2026-10-13")),
        *_first_journey(days),
        *_joint_session(days),
    ]


def _first_journey(days: Days) -> list[Resource]:
    issued, day = days.day("2026-10-16"), days.day("2026-11-12")
    number = ("https://rx-b.example/rx", "RX-B-0301")
    meeting = session(ROBIN, "journey", "journey-1", (f"{day}T16:00:00Z", f"{day}T19:30:00Z"), ordinal=1)
    signs = ((118, 74), 66, 99)
    return [
        orders.prescription(ROBIN, number, issued, "PractitionerRole/role-np", (150, 50), 2),
        meeting,
        orders.administration(
            ROBIN, "journey-1", "Encounter/enc-3-journey-1", (f"{day}T16:10:00Z", f"{day}T17:00:00Z"), 150
        ),
        *measured.vital_signs(ROBIN, "journey-1-baseline", f"{day}T16:00:00Z", signs),
        note(
            ROBIN, "journey-1", JOURNEY_NOTE, meeting, "Journey 1: 150 mg under the tongue. No adverse event."
        ),
    ]


def _joint_session(days: Days) -> list[Resource]:
    """Write a joint session as two encounters, one in each chart, that share an identifier."""
    day = days.day("2026-11-14")
    during = (f"{day}T16:00:00Z", f"{day}T17:20:00Z")
    meetings = []
    for chart, other, partner in ((ROBIN, SAM, "rp-3"), (SAM, ROBIN, "rp-4")):
        link = {
            "url": ASSOCIATED_ENCOUNTER,
            "valueReference": reference(f"Encounter/{other.id('enc', 'joint-1')}"),
        }
        meeting = session(chart, "joint", "joint-1", during, extension=[link])
        meeting["identifier"].append(identifier("joint-session", "JOINT-0001"))
        meeting["participant"].append(
            {"type": [concept(ROLES["partner"])], "individual": reference(f"RelatedPerson/{partner}")}
        )
        meetings.append(meeting)
    return meetings


def _waiting(days: Days) -> list[Resource]:
    chart, day = WAITING, days.day("2026-11-09")
    labels = {"security": [label.coding() for label in PART_2]}
    finding = {
        "resourceType": "DetectedIssue",
        "id": "issue-5-history",
        "status": "preliminary",
        "code": concept(Code(V3_ACT_CODE, "OBSA", "Observation Alert")),
        "severity": "moderate",
        "patient": chart.patient,
        "identifiedDateTime": f"{day}T16:30:00Z",
        "author": reference(chart.therapist),
        "implicated": [reference("Condition/cond-5-history")],
        "detail": "History of dependence, in remission: make a safety plan before preparation begins.",
        "meta": labels,
    }
    return [
        condition(chart, "", [GENERALIZED_ANXIETY], day),
        condition(chart, "history", [ALCOHOL_IN_REMISSION], day, meta=labels),
        episode(chart, "kat-individual", "waitlist", [("waitlist", day, None)], "intake"),
        finding,
    ]
