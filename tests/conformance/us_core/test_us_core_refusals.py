"""How a search of US Core is refused: not understood, not signed in, not allowed, not there.

Source: https://hl7.org/fhir/us/core/STU7/CapabilityStatement-us-core-server.html#behavior
"""

from __future__ import annotations

import httpx
import pytest
from practice_kit import findings
from us_core_records import PROFILES

TYPES = sorted({profile.resource_type for profile in PROFILES})


@pytest.mark.parametrize("resource_type", TYPES)
def test_a_search_by_an_unknown_parameter_is_refused_when_asked_strictly(ehr, resource_type):
    strict = {"Prefer": "handling=strict"}
    answer = ehr.get(f"/{resource_type}", params={"unknown-parameter": "1"}, headers=strict)
    assert answer.status_code == 400
    assert {code for code, _ in findings(answer)} == {"not-supported"}


@pytest.mark.parametrize(
    ("resource_type", "name", "value"),
    [
        ("Patient", "birthdate", "ge2026-13-01"),
        ("Encounter", "date", "lately"),
        ("Condition", "asserted-date", "2026-02-30"),
        ("Observation", "_lastUpdated", "abc"),
        ("MedicationRequest", "authoredon", "gt"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused(ehr, resource_type, name, value):
    answer = ehr.get(f"/{resource_type}", params={name: value})
    assert answer.status_code == 400
    assert findings(answer)
    assert value not in answer.text or value == "gt"


@pytest.mark.parametrize("resource_type", TYPES)
def test_nobody_searches_without_a_token(practice, resource_type):
    answer = httpx.get(f"{practice.server.fhir}/{resource_type}?patient=pat-1")
    assert answer.status_code == 401
    assert {code for code, _ in findings(answer)} == {"login"}


def test_a_token_for_other_types_is_not_enough(practice):
    with practice.server.client("ehr", "system/Patient.rs") as narrow:
        for resource_type in set(TYPES) - {"Patient"}:
            answer = narrow.get(f"/{resource_type}?patient=pat-1")
            assert answer.status_code == 403, resource_type
            assert {code for code, _ in findings(answer)} == {"forbidden"}


def test_provenance_does_not_come_along_for_a_token_without_it(practice):
    with practice.server.client("ehr", "system/Patient.rs") as narrow:
        answer = narrow.get("/Patient?_id=pat-1&_revinclude=Provenance:target")
        assert answer.status_code == 200
        assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == ["pat-1"]


@pytest.mark.parametrize("resource_type", TYPES)
def test_what_is_not_there_is_not_found(ehr, resource_type):
    answer = ehr.get(f"/{resource_type}/nothing-has-this-id")
    assert answer.status_code == 404
    assert {code for code, _ in findings(answer)} == {"not-found"}
