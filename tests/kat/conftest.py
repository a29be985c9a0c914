"""A sound prescription, the people around it, and ways to bend them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from models.principal import OPERATOR, ClientKind, Principal, Role
from service.kat.facts import Facts
from service.kat.finding import Finding
from service.kat.prescription import check

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
UCUM = "http://unitsofmeasure.org"
NPI = "http://hl7.org/fhir/sid/us-npi"
MRN = "https://kat.example/mrn"

Document = dict[str, Any]
Bent = dict[str, Any]


def bend(document: Document, changes: Bent) -> Document:
    """Set or remove (None) elements by dotted path; a number is an index."""
    document = copy.deepcopy(document)
    for path, value in changes.items():
        *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        target: Any = document
        for step in parents:
            target = target.setdefault(step, {}) if isinstance(target, dict) else target[step]
        if value is None:
            target.pop(last, None)
        else:
            target[last] = value
    return document


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def sound() -> Document:
    return {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": "https://rx-a.example/rx", "value": "RX-A-1001"}],
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "#m"},
        "contained": [
            {
                "resourceType": "Medication",
                "id": "m",
                "form": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm",
                            "code": "ORTROCHE",
                        }
                    ]
                },
                "ingredient": [
                    {
                        "itemCodeableConcept": {
                            "coding": [
                                {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "6130"}
                            ]
                        },
                        "strength": {
                            "numerator": {"value": 100, "system": UCUM, "code": "mg"},
                            "denominator": {"value": 1, "system": UCUM, "code": "{lozenge}"},
                        },
                    }
                ],
            }
        ],
        "subject": {"reference": "Patient/pat-1"},
        "authoredOn": "2026-11-21",
        "requester": {"reference": "PractitionerRole/role-rx"},
        "dosageInstruction": [
            {
                "route": {"coding": [{"system": "http://snomed.info/sct", "code": "37839007"}]},
                "doseAndRate": [{"doseQuantity": {"value": 200, "unit": "mg", "system": UCUM, "code": "mg"}}],
            }
        ],
        "dispenseRequest": {
            "validityPeriod": {"start": "2026-11-21", "end": "2027-05-21"},
            "numberOfRepeatsAllowed": 5,
            "quantity": {"value": 9, "unit": "troche"},
        },
    }


def _role(practitioner: str, organization: str, code: str, **more: Any) -> Document:
    return {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": f"Practitioner/{practitioner}"},
        "organization": {"reference": f"Organization/{organization}"},
        "code": [{"coding": [{"system": "http://nucc.org/provider-taxonomy", "code": code}]}],
        **more,
    }


@pytest.fixture
def resources() -> dict[str, Document]:
    def practitioner(npi: str) -> Document:
        return {"resourceType": "Practitioner", "identifier": [{"system": NPI, "value": npi}]}

    return {
        "Patient/pat-1": {
            "resourceType": "Patient",
            "identifier": [{"system": MRN, "value": "KAT-0001"}],
            "name": [{"family": "Sýnthetica", "given": ["Pat"]}],
            "birthDate": "1984-02-29",
        },
        "Practitioner/prac-rx": practitioner("1999999984"),
        "Practitioner/prac-np": practitioner("2000000010"),
        "Practitioner/prac-th": practitioner("1000000012"),
        "PractitionerRole/role-rx": _role("prac-rx", "org-rx-a", "2084P0800X"),
        "PractitionerRole/role-np": _role("prac-np", "org-rx-b", "363LP0808X"),
        "PractitionerRole/role-th": _role("prac-th", "org-kat", "106H00000X"),
        "PractitionerRole/role-th-outside": _role("prac-th", "org-rx-a", "106H00000X"),
        "PractitionerRole/role-left": _role("prac-np", "org-rx-a", "363LP0808X", active=False),
    }


@pytest.fixture
def as_client() -> Callable[..., Principal]:
    def make(kind: str, organization: str | None = None, role: str | None = None, **more: Any) -> Principal:
        return Principal(
            client_id="client",
            client_kind=ClientKind(kind),
            scopes=(),
            organization=organization,
            user="somebody" if role else None,
            role=Role(role) if role else None,
            **more,
        )

    return make


@pytest.fixture
def find(sound: Document, resources: dict[str, Document]) -> Callable[..., list[Finding]]:
    """Check the sound prescription after some changes, as the operator unless told otherwise."""

    def run(
        changes: Bent | None = None,
        *,
        writer: Principal = OPERATOR,
        stored: Bent | None = None,
        at: datetime = NOW,
    ) -> list[Finding]:
        known = {**resources, **(stored or {})}
        facts = Facts(writer, known, "https://kat.example/fhir")
        return check(bend(sound, changes or {}), facts, now=at)

    return run


@pytest.fixture
def found(find: Callable[..., list[Finding]]) -> Callable[..., list[tuple[str, str]]]:
    """Check as ``find`` does, and name each finding by rule and expression."""

    def run(changes: Bent | None = None, **options: Any) -> list[tuple[str, str]]:
        return [(finding.rule.id, finding.expression) for finding in find(changes, **options)]

    return run
