"""What the generator of the search facts cannot take from R4's own list: our parameters and R4's errors.

Source: https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

from typing import Any

GENERATED_TYPES = (
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
"""Types with facts. A type is *supported* once it is in ``models.definitions.RESOURCE_TYPES``."""

EXTRA: tuple[dict[str, Any], ...] = (
    {
        "code": "episode-of-care",
        "type": "reference",
        "base": ["MedicationRequest"],
        "url": "https://kat-fhir.org/fhir/SearchParameter/medicationrequest-episode-of-care",
        "expression": "MedicationRequest.supportingInformation.where(resolve() is EpisodeOfCare)",
        "target": ["EpisodeOfCare"],
    },
)
"""R4 links a prescription to its episode by no element of its own; see the mapping of the pathway."""

OVERRIDES = {
    ("ServiceRequest", "order-detail"): "ServiceRequest.orderDetail",
    ("Goal", "target-date"): "Goal.target.due.as(date)",
    ("Patient", "deceased"): "",
}
"""Expressions that the definitions get wrong, or that are a function (``deceased``) rather than a path."""

COMPONENTS = {("DocumentReference", "relationship"): ("relation", "relatesto")}
"""Composites whose components R4 lists in the wrong order."""

SKIPPED = frozenset({"_content", "_text", "_query", "_id", "_lastUpdated"})
"""Not generated: ``_id`` and ``_lastUpdated`` are columns; the rest is not offered."""

UNIONS = {
    ("Observation", "combo-code"): ("code", "component-code"),
    ("Observation", "combo-data-absent-reason"): ("data-absent-reason", "component-data-absent-reason"),
    ("Observation", "combo-value-concept"): ("value-concept", "component-value-concept"),
    ("Observation", "combo-value-quantity"): ("value-quantity", "component-value-quantity"),
    ("Observation", "combo-code-value-concept"): ("code-value-concept", "component-code-value-concept"),
    ("Observation", "combo-code-value-quantity"): ("code-value-quantity", "component-code-value-quantity"),
}
"""Parameters that mean "either of these": asked as an OR, so that nothing is indexed twice."""
