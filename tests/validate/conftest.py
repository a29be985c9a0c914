"""Valid resources, fresh for each test, to break in one place."""

from __future__ import annotations

import copy
from typing import Any

import pytest

PRESCRIPTION: dict[str, Any] = {
    "resourceType": "MedicationRequest",
    "identifier": [{"system": "https://rx.example.org/orders", "value": "A-1"}],
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "Ketamine 100 mg lozenge"},
    "subject": {"reference": "Patient/p1"},
    "authoredOn": "2026-05-01T10:00:00-07:00",
    "requester": {"reference": "Practitioner/pr1"},
    "dosageInstruction": [
        {
            "text": "One under the tongue",
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}},
            "doseAndRate": [{"doseQuantity": {"value": 100, "unit": "mg"}}],
        }
    ],
    "dispenseRequest": {
        "validityPeriod": {"start": "2026-05-01", "end": "2026-10-01"},
        "numberOfRepeatsAllowed": 2,
    },
}

SCORE: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2026-05-01",
    "valueInteger": 17,
}


@pytest.fixture
def prescription() -> dict[str, Any]:
    return copy.deepcopy(PRESCRIPTION)


@pytest.fixture
def score() -> dict[str, Any]:
    return copy.deepcopy(SCORE)
