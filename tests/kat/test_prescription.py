"""All rules at once: the tables of scenarios S4 and S12, and what may never happen."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.kat.rules import CATALOGUE
from models.principal import ClientKind, Principal
from service.kat.facts import Facts
from service.kat.prescription import check

NPI = "http://hl7.org/fhir/sid/us-npi"
DEA = "urn:oid:2.16.840.1.113883.4.814"


def test_every_finding_is_told_at_once(find):
    findings = find(
        {
            "dispenseRequest.numberOfRepeatsAllowed": 6,
            "dispenseRequest.validityPeriod.end": "2028-01-01",
            "authoredOn": "2027-01-05",
            "requester": {"identifier": {"system": NPI, "value": "1999999985"}},
            "subject.reference": "Patient/nope",
            "dosageInstruction.0.doseAndRate.0.doseQuantity.code": "MG",
        }
    )
    assert [finding.rule.id for finding in findings] == ["RX-1", "RX-2", "RX-3", "RX-5", "RX-7", "RX-10"]
    assert {finding.status for finding in findings} == {422}
    assert all(finding.issue.text.startswith(f"{finding.rule.id}: ") for finding in findings)


@pytest.mark.parametrize("place", ["requester", "recorder", "performer", "dispenseRequest.performer"])
@pytest.mark.parametrize(("system", "value"), [(NPI, "1999999985"), (DEA, "FM0000013")])
def test_a_wrong_number_anywhere_in_the_prescription_is_refused(found, place, system, value):
    changes = {f"{place}.identifier": {"system": system, "value": value}}
    assert found(changes) == [("RX-5", f"MedicationRequest.{place}.identifier.value")]


def test_a_wrong_number_of_a_contained_prescriber_is_refused(found, sound):
    holder = {
        "resourceType": "Practitioner",
        "id": "d",
        "identifier": [{"system": DEA, "value": "FM0000013"}],
    }
    assert found({"contained": [*sound["contained"], holder]}) == [
        ("RX-5", "MedicationRequest.contained[1].identifier[0].value")
    ]


def test_a_stored_requester_with_a_wrong_number_is_refused_to_a_platform(found, as_client):
    wrong = {
        "Practitioner/prac-rx": {
            "resourceType": "Practitioner",
            "identifier": [{"system": NPI, "value": "9"}],
        }
    }
    platform = as_client("prescriber", "Organization/org-rx-a")
    assert found(writer=platform, stored=wrong) == [("RX-5", "MedicationRequest.requester")]
    assert found({"requester.reference": "Practitioner/prac-rx"}, writer=platform, stored=wrong) == [
        ("RX-5", "MedicationRequest.requester")
    ]


@pytest.mark.parametrize("kind", ["admin", "ehr"])
def test_a_stored_requester_with_a_wrong_number_is_no_matter_in_an_import(found, as_client, kind):
    wrong = {
        "Practitioner/prac-rx": {
            "resourceType": "Practitioner",
            "identifier": [{"system": NPI, "value": "9"}],
        }
    }
    assert found(writer=as_client(kind), stored=wrong) == []


def test_a_sound_prescription_passes_for_everybody_concerned(found, as_client):
    assert found() == []
    assert found(writer=as_client("prescriber", "Organization/org-rx-a")) == []


def test_the_catalogue_tells_each_rule_with_its_source():
    assert set(CATALOGUE) == {"RX-1", "RX-2", "RX-3", "RX-5", "RX-6", "RX-7", "RX-10"}
    assert all(rule.title and rule.source for rule in CATALOGUE.values())


NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
QUANTITY = {"value": 1, "system": "http://unitsofmeasure.org", "code": "{lozenge}"}
SHAPE = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "contained": [
        {
            "resourceType": "Medication",
            "id": "m",
            "form": {"coding": [{"system": "s", "code": "c"}]},
            "ingredient": [{"strength": {"numerator": QUANTITY, "denominator": QUANTITY}}],
        },
        {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/p"}},
        {
            "resourceType": "Patient",
            "id": "p",
            "identifier": [{"system": "s", "value": "v"}],
            "name": [{"family": "F", "given": ["G"]}],
            "birthDate": "2000-01-01",
        },
    ],
    "medicationReference": {"reference": "#m"},
    "subject": {"reference": "#p", "identifier": {"system": "s", "value": "v"}, "display": "G F"},
    "requester": {"reference": "#r"},
    "authoredOn": "2026-11-21",
    "dosageInstruction": [
        {
            "route": {"coding": [{"system": "s", "code": "c"}]},
            "doseAndRate": [{"doseQuantity": QUANTITY, "doseRange": {"low": QUANTITY}}],
            "maxDosePerPeriod": {"numerator": QUANTITY},
        }
    ],
    "dispenseRequest": {"numberOfRepeatsAllowed": 1, "validityPeriod": {"end": "2026-12-01"}},
}
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.text(max_size=4)
    | st.sampled_from(["#m", "mg", "2026"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def _places(value, path=()):
    yield path
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _places(child, (*path, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _places(child, (*path, index))


@given(data=st.data())
def test_a_document_of_any_shape_is_judged_without_an_error(data):
    document = copy.deepcopy(SHAPE)
    *parents, last = data.draw(st.sampled_from([path for path in _places(document) if path]))
    target = document
    for step in parents:
        target = target[step]
    target[last] = data.draw(ODD)
    for kind in ClientKind:
        writer = Principal("client", kind, (), organization="Organization/a")
        for finding in check(document, Facts(writer, {"Patient/p": document}), now=NOW):
            assert finding.rule.id in CATALOGUE
            assert finding.expression.startswith("MedicationRequest")
