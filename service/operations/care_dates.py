"""When care took place, by type: the date columns that ``start`` and ``end`` of ``$everything`` ask about.

The first that a resource has is its date of care; of a resource without any, every period is asked about.
Source: https://hl7.org/fhir/R4/patient-operation-everything.html, the date parameters of each type
"""

from __future__ import annotations

CARE_DATES: dict[str, tuple[str, ...]] = {
    "AdverseEvent": ("date",),
    "AllergyIntolerance": ("last_date", "date"),
    "Appointment": ("date",),
    "CarePlan": ("date",),
    "CareTeam": ("date",),
    "ClinicalImpression": ("date",),
    "Communication": ("sent", "received"),
    "Composition": ("date",),
    "Condition": ("onset_date", "recorded_date"),
    "Consent": ("period", "date"),
    "DetectedIssue": ("identified",),
    "DocumentReference": ("period", "date"),
    "Encounter": ("date",),
    "EpisodeOfCare": ("date",),
    "Flag": ("date",),
    "Goal": ("start_date",),
    "MedicationAdministration": ("effective_time",),
    "MedicationDispense": ("whenhandedover", "whenprepared"),
    "MedicationRequest": ("authoredon",),
    "MedicationStatement": ("effective",),
    "Observation": ("date",),
    "Procedure": ("date",),
    "Provenance": ("when", "recorded"),
    "QuestionnaireResponse": ("authored",),
    "RiskAssessment": ("date",),
    "ServiceRequest": ("occurrence", "authored"),
    "Task": ("period", "authored_on"),
}
"""Stems of columns; types that are not listed have no date of care: patients, persons, groups, coverage."""
