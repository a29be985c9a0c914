"""The generated facts of FHIR R4, and the list of the types this server keeps.

    search_parameters.json   one row a search parameter, its paths compiled   ← generate_search.py
    compartment.json         how each type belongs to a patient               ← generate_search.py
    summary.json             elements of a summary, elements never left out   ← generate_search.py

A type is supported when it is in ``RESOURCE_TYPES`` and has a table class in ``models/resource.py``.
Source: https://hl7.org/fhir/R4/resourcelist.html
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

RESOURCE_TYPES: tuple[str, ...] = (
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "Binary",
    "CarePlan",
    "CareTeam",
    "ClinicalImpression",
    "Communication",
    "Composition",
    "Condition",
    "Consent",
    "Coverage",
    "DetectedIssue",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "Flag",
    "Goal",
    "Group",
    "HealthcareService",
    "Location",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Organization",
    "Patient",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RiskAssessment",
    "ServiceRequest",
    "Task",
)

HERE = Path(__file__).parent


@cache
def search_facts() -> dict[str, list[dict[str, Any]]]:
    """The rows of the search registry of every type."""
    return msgspec.json.decode(
        (HERE / "search_parameters.json").read_bytes(), type=dict[str, list[dict[str, Any]]]
    )


@cache
def compartment() -> dict[str, list[str]]:
    """For each type in the patient compartment, the parameters that say so."""
    return msgspec.json.decode((HERE / "compartment.json").read_bytes(), type=dict[str, list[str]])


@cache
def summary_elements() -> dict[str, dict[str, list[str]]]:
    """For each type, its ``summary`` and its ``mandatory`` top-level elements; ``[x]`` marks a choice."""
    return msgspec.json.decode((HERE / "summary.json").read_bytes(), type=dict[str, dict[str, list[str]]])
