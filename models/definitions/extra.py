"""What the generator of the search facts cannot take from R4's own list: our parameters and R4's errors.

Source: https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

from typing import Any

US_CORE = "http://hl7.org/fhir/us/core/SearchParameter/"

EXTRA: tuple[dict[str, Any], ...] = (
    {
        "code": "episode-of-care",
        "type": "reference",
        "base": ["MedicationRequest"],
        "url": "https://kat-fhir.org/fhir/SearchParameter/medicationrequest-episode-of-care",
        "expression": "MedicationRequest.supportingInformation.where(resolve() is EpisodeOfCare)",
        "target": ["EpisodeOfCare"],
    },
    {
        "code": "role",
        "type": "token",
        "base": ["CareTeam"],
        "url": f"{US_CORE}us-core-careteam-role",
        "expression": "CareTeam.participant.role",
    },
    {
        "code": "asserted-date",
        "type": "date",
        "base": ["Condition"],
        "url": f"{US_CORE}us-core-condition-asserted-date",
        "expression": "Condition.extension.where"
        "(url = 'http://hl7.org/fhir/StructureDefinition/condition-assertedDate').value.as(dateTime)",
    },
    {
        "code": "discharge-disposition",
        "type": "token",
        "base": ["Encounter"],
        "url": f"{US_CORE}us-core-encounter-discharge-disposition",
        "expression": "Encounter.hospitalization.dischargeDisposition",
    },
    {
        "code": "description",
        "type": "token",
        "base": ["Goal"],
        "url": f"{US_CORE}us-core-goal-description",
        "expression": "Goal.description",
    },
)
"""A prescription is linked to its episode by no element of R4's own (see the mapping of the pathway); the
others are asked for by US Core: https://hl7.org/fhir/us/core/search-parameters-and-operations.html."""

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
