"""One patient's chart: episode, plans, sessions and notes, as the demonstration and the seed write them.

    EpisodeOfCare ─┬─ CarePlan (whole) ─ CarePlan (phase) …
                   ├─ Encounter … ── DocumentReference
                   └─ Condition, Goal, CareTeam

Source: https://hl7.org/fhir/R4/episodeofcare.html, https://hl7.org/fhir/us/core/clinical-notes.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.kat.code import Code, concept
from models.kat.documents import CLINICAL_NOTE
from models.kat.local import CURRENT_PHASE, ENCOUNTER_TYPES, EPISODE_TYPES, GOALS, ORDINAL, PHASES
from models.kat.systems import (
    CLINICAL_STATUS,
    CONDITION_CATEGORY,
    DIAGNOSIS_ROLE,
    DISCHARGE,
    GOAL_ACHIEVEMENT,
    US_CORE,
    V3_ACT_CODE,
    V3_PARTICIPATION,
    VERIFICATION_STATUS,
)
from service.demo.build import (
    Resource,
    coded_extension,
    concepts,
    identifier,
    later,
    narrative,
    period,
    reference,
    text_attachment,
)

EPISODE_EXTENSION = "http://hl7.org/fhir/StructureDefinition/workflow-episodeOfCare"
ASSOCIATED_ENCOUNTER = "http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter"

AMBULATORY = Code(V3_ACT_CODE, "AMB", "ambulatory")
VIRTUAL = Code(V3_ACT_CODE, "VR", "virtual")
PRIMARY_PERFORMER = Code(V3_PARTICIPATION, "PPRF", "primary performer")
PROBLEM = Code(CONDITION_CATEGORY, "problem-list-item", "Problem List Item")
HEALTH_CONCERN = Code(f"{US_CORE}CodeSystem/condition-category", "health-concern", "Health Concern")
ASSESS_PLAN = Code(
    f"{US_CORE}CodeSystem/careplan-category", "assess-plan", "Assessment and Plan of Treatment"
)
HOME = Code(DISCHARGE, "home", "Home")
PLAIN = Code(
    "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "urn:ihe:iti:xds:2017:mimeTypeSufficient",
    "mimeType Sufficient",
)
"""The format of a note that is just text: its content type says all."""
CHIEF_COMPLAINT = Code(DIAGNOSIS_ROLE, "CC", "Chief complaint")


@dataclass(frozen=True, slots=True)
class Chart:
    """Whose chart it is: the number that its ids share, who treats, and where."""

    number: str
    therapist: str = "PractitionerRole/role-th"
    practice: str = "Organization/org-kat"
    place: str = "Location/loc-kat"

    @property
    def patient(self) -> Resource:
        """Reference to the patient."""
        return reference(f"Patient/pat-{self.number}")

    @property
    def episode(self) -> Resource:
        """Reference to the episode of care."""
        return reference(f"EpisodeOfCare/ep-{self.number}")

    def id(self, kind: str, name: str = "") -> str:
        """Make a readable id, for instance ``enc-1-journey-2``."""
        return "-".join(part for part in (kind, self.number, name) if part)

    def of_episode(self) -> list[Resource]:
        """Make the extension that ties a resource to the episode where R4 has no element for it.

        It may stand in few types: https://hl7.org/fhir/R4/extension-workflow-episodeofcare.html
        """
        return [{"url": EPISODE_EXTENSION, "valueReference": self.episode}]


def episode(
    chart: Chart,
    kind: str,
    status: str,
    history: Sequence[tuple[str, str, str | None]],
    phase: str,
    **more: Any,
) -> Resource:
    """Write the episode; ``history`` is (status, start day, end day) in order."""
    end = history[-1][2]
    return {
        "resourceType": "EpisodeOfCare",
        "id": chart.id("ep"),
        "extension": [coded_extension(CURRENT_PHASE, PHASES[phase])],
        "identifier": [identifier("episode", f"EP-{chart.number}")],
        "status": status,
        "statusHistory": [{"status": was, "period": period(start, until)} for was, start, until in history],
        "type": [concept(EPISODE_TYPES[kind])],
        "diagnosis": [
            {
                "condition": reference(f"Condition/{chart.id('cond')}"),
                "role": concept(CHIEF_COMPLAINT),
                "rank": 1,
            }
        ],
        "patient": chart.patient,
        "managingOrganization": reference(chart.practice),
        "period": period(history[0][1], end),
        "careManager": reference(chart.therapist),
        **more,
    }


def condition(
    chart: Chart,
    name: str,
    codes: Sequence[Code],
    recorded: str,
    category: Sequence[Code] = (PROBLEM,),
    **more: Any,
) -> Resource:
    """Write a confirmed, active condition."""
    return {
        "resourceType": "Condition",
        "id": chart.id("cond", name),
        "clinicalStatus": concept(Code(CLINICAL_STATUS, "active", "Active")),
        "verificationStatus": concept(Code(VERIFICATION_STATUS, "confirmed", "Confirmed")),
        "category": concepts(category),
        "code": concept(*codes),
        "subject": chart.patient,
        "onsetDateTime": later(recorded, -365),
        "recordedDate": recorded,
        **more,
    }


def plan(
    chart: Chart, phase: str, status: str, start: str, end: str | None, steps: Sequence[str]
) -> Resource:
    """Write the plan of a phase, or the whole plan when ``phase`` is empty."""
    title = f"{PHASES[phase].display} phase" if phase else "Ketamine-assisted therapy"
    detail_status = {"completed": "completed", "active": "in-progress"}.get(status, "not-started")
    whole = {} if not phase else {"partOf": [reference(f"CarePlan/{chart.id('plan')}")]}
    return {
        "resourceType": "CarePlan",
        "id": chart.id("plan", phase),
        "text": narrative(f"{title}: {', '.join(steps)}."),
        "extension": chart.of_episode(),
        **whole,
        "status": status,
        "intent": "plan",
        "category": [concept(ASSESS_PLAN), *([concept(PHASES[phase])] if phase else [])],
        "title": title,
        "subject": chart.patient,
        "period": period(start, end),
        "author": reference(chart.therapist),
        "careTeam": [reference(f"CareTeam/{chart.id('team')}")],
        "addresses": [reference(f"Condition/{chart.id('cond')}")],
        "goal": [reference(f"Goal/{chart.id('goal', 'intention')}")],
        "activity": [{"detail": {"status": detail_status, "description": step}} for step in steps],
    }


def team(
    chart: Chart, status: str, members: Sequence[tuple[Code, str]], start: str, name: str = ""
) -> Resource:
    """Write a care team of (role, reference)."""
    return {
        "resourceType": "CareTeam",
        "id": chart.id("team", name),
        "extension": chart.of_episode(),
        "status": status,
        "name": "Ketamine-assisted therapy team",
        "subject": chart.patient,
        "period": period(start),
        "participant": [
            {"role": [concept(role)], "member": reference(member), "period": period(start)}
            for role, member in members
        ],
        "managingOrganization": [reference(chart.practice)],
    }


def goal(
    chart: Chart, name: str, words: str, start: str, due: str, achieved: str = "in-progress"
) -> Resource:
    """Write a goal in the patient's words."""
    return {
        "resourceType": "Goal",
        "id": chart.id("goal", name),
        "lifecycleStatus": "active" if achieved == "in-progress" else "completed",
        "achievementStatus": concept(
            Code(GOAL_ACHIEVEMENT, achieved, achieved.replace("-", " ").capitalize())
        ),
        "description": concept(GOALS[name], text=words),
        "subject": chart.patient,
        "startDate": start,
        "target": [{"dueDate": due}],
        "expressedBy": chart.patient,
        "addresses": [reference(f"Condition/{chart.id('cond')}")],
    }


def session(
    chart: Chart, kind: str, name: str, during: tuple[str, str], *, ordinal: int | None = None, **more: Any
) -> Resource:
    """Write a finished session with the therapist."""
    extensions = [{"url": ORDINAL, "valuePositiveInt": ordinal}] if ordinal else []
    extensions += more.pop("extension", [])
    participant = {
        "type": [concept(PRIMARY_PERFORMER)],
        "period": period(*during),
        "individual": reference(chart.therapist),
    }
    encounter = {
        "resourceType": "Encounter",
        "id": chart.id("enc", name),
        **({"extension": extensions} if extensions else {}),
        "identifier": [identifier("session", chart.id("S", name))],
        "status": "finished",
        "class": AMBULATORY.coding(),
        "type": [concept(ENCOUNTER_TYPES[kind])],
        "subject": chart.patient,
        "episodeOfCare": [chart.episode],
        "participant": [participant],
        "period": period(*during),
        "reasonReference": [reference(f"Condition/{chart.id('cond')}")],
        "hospitalization": {"dischargeDisposition": concept(HOME)},
        "location": [{"location": reference(chart.place)}],
        "serviceProvider": reference(chart.practice),
    }
    return {**encounter, **more}


def note(
    chart: Chart, name: str, codes: Sequence[Code], encounter: Resource, text: str, **more: Any
) -> Resource:
    """Write a note about a session, signed at its end."""
    written = encounter["period"]["end"]
    title = f"{codes[0].display}, {written[:10]}"
    return {
        "resourceType": "DocumentReference",
        "id": chart.id("note", name),
        "identifier": [identifier("note", chart.id("N", name))],
        "status": "current",
        "docStatus": "final",
        "type": concept(*codes),
        "category": [concept(CLINICAL_NOTE)],
        "subject": chart.patient,
        "date": written,
        "author": [reference(chart.therapist)],
        "custodian": reference(chart.practice),
        "description": title,
        "content": [{"attachment": text_attachment(text, title, written), "format": PLAIN.coding()}],
        "context": {
            "encounter": [reference(f"Encounter/{encounter['id']}")],
            "period": encounter["period"],
            "related": [chart.episode],
        },
        **more,
    }
