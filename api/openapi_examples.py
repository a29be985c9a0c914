"""Examples for the three jobs, about invented people; they work as they stand on the demo practice.

a prescriber's platform posts a prescription      POST /fhir/MedicationRequest
a therapist's tool records a session and a note   POST /fhir, POST /fhir/DocumentReference
an EHR pulls the episodes                         GET  /fhir/EpisodeOfCare?_lastUpdated=gt…
"""

from __future__ import annotations

from typing import Any

from models.kat.documents import PROGRESS_NOTE
from service.demo import chart, orders
from service.demo.chart import Chart

Json = dict[str, Any]

PRESCRIPTIONS = "https://rx-a.example/rx"
"""Identifier system of the invented platform."""

ID = "example"
_PAT = Chart("1")
_SESSION = ("2026-11-19T16:00:00Z", "2026-11-19T17:00:00Z")
_SESSION_URN = "urn:uuid:5f0c8a34-6f6e-4c2f-9a53-1f6f0f3f7a01"
_NOTE_URN = "urn:uuid:5f0c8a34-6f6e-4c2f-9a53-1f6f0f3f7a02"


def of_body(resource_type: str, *, of_update: bool = False) -> Json:
    """Give examples of a request body, by name; none for most types."""
    examples = {
        "MedicationRequest": ("prescription", "A prescription from an outside platform", prescription),
        "DocumentReference": ("note", "A progress note of an integration session", note),
        "EpisodeOfCare": ("episode", "An episode that is planned", episode),
        "Bundle": ("session", "A session and its note, stored together", session),
    }
    if resource_type not in examples:
        return {}
    name, summary, make = examples[resource_type]
    value = make(ID) if of_update else make()
    return {"examples": {name: {"summary": summary, "value": value}}}


def prescription(resource_id: str = "") -> Json:
    """Write the prescription that the tour posts."""
    number = f"RX-A-1001-EXAMPLE{resource_id and '-UPDATED'}"
    written = orders.prescription(
        _PAT, (PRESCRIPTIONS, number), "2026-11-20", "PractitionerRole/role-rx", (200, 100), 3
    )
    return _named(written, resource_id)


def note(resource_id: str = "") -> Json:
    """Write the progress note of a session that is known."""
    text = "Integration session. Themes: grief, self-kindness. Plan: two walks a week, journal each evening."
    return _named(chart.note(_PAT, "example", PROGRESS_NOTE, _encounter(), text), resource_id)


def episode(resource_id: str = "") -> Json:
    """Write an episode of care."""
    history = [("planned", "2026-11-02", None)]
    return _named(chart.episode(_PAT, "kat-individual", "planned", history, "intake"), resource_id)


def session(_: str = "") -> Json:
    """Write a transaction of a session and its note, which refer to each other by ``urn:uuid``."""
    written = note()
    written["context"] = {"encounter": [{"reference": _SESSION_URN}]}
    entries = [(_SESSION_URN, _named(_encounter("example"), "")), (_NOTE_URN, written)]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": urn,
                "resource": resource,
                "request": {"method": "POST", "url": resource["resourceType"]},
            }
            for urn, resource in entries
        ],
    }


def _encounter(name: str = "integration-6") -> Json:
    """Write a session; the demo practice holds the sixth."""
    return chart.session(_PAT, "integration", name, _SESSION)


def _named(resource: Json, resource_id: str) -> Json:
    """Give an id, or leave it out: then the server gives one."""
    named = {name: value for name, value in resource.items() if name != "id"}
    return {**named, "id": resource_id} if resource_id else named
