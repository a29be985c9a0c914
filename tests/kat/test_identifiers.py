"""NPI and DEA numbers: what a check digit catches (RX-5)."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kat.identifiers import check_practitioner, is_dea, is_npi

NPI = "http://hl7.org/fhir/sid/us-npi"
DEA = "urn:oid:2.16.840.1.113883.4.814"
VALID_NPIS = ["1234567893", "1999999984", "1000000012", "1000000020", "1000000038", "2000000010"]
VALID_DEAS = [
    "AP5836727",
    "BB1388568",
    "FX0000012",
    "MX0000024",
    "MT1111119",
    "BX1234563",
    "FM0000012",
    "B91388568",
]


@pytest.mark.parametrize(
    "value",
    ["1999999985", "9999999984", "199999998", "19999999840", "", "199999998\uff14", "1999999984 "],
)
def test_a_wrong_npi_is_recognized(value):
    assert not is_npi(value)


@pytest.mark.parametrize(
    "value", ["FX0000013", "IX0000012", "fx0000012", "F10000012", "FX000001", "", "FX000001\uff12"]
)
def test_a_wrong_dea_number_is_recognized(value):
    assert not is_dea(value)


@given(st.sampled_from(VALID_NPIS), st.integers(0, 9), st.sampled_from(string.digits))
def test_any_single_wrong_digit_of_an_npi_is_caught(npi, place, digit):
    changed = npi[:place] + digit + npi[place + 1 :]
    assert is_npi(changed) == (changed == npi)


@given(st.sampled_from(VALID_DEAS), st.sampled_from([2, 4, 6, 8]), st.sampled_from(string.digits))
def test_a_single_wrong_odd_digit_of_a_dea_number_is_caught(dea, place, digit):
    changed = dea[:place] + digit + dea[place + 1 :]
    assert is_dea(changed) == (changed == dea)


@given(st.text(max_size=12))
def test_any_text_is_judged_without_an_error(value):
    assert is_npi(value) in {True, False}
    assert is_dea(value) in {True, False}


@pytest.mark.parametrize("kind", ["prescriber", "therapist-app", "patient-app"])
def test_a_practitioner_with_a_wrong_number_is_refused(as_client, kind):
    document = {
        "resourceType": "Practitioner",
        "identifier": [
            {"system": NPI, "value": "1999999985"},
            {"system": DEA, "value": "FX0000013"},
            {"system": "https://board.example/license", "value": "x"},
            {
                "type": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NPI"}]
                },
                "value": "1",
            },
        ],
    }
    findings = check_practitioner(document, as_client(kind))
    assert [(f.rule.id, f.status, f.issue.code, f.expression) for f in findings] == [
        ("RX-5", 422, "code-invalid", f"Practitioner.identifier[{index}].value") for index in (0, 1, 3)
    ]
    assert not any("1999999985" in f.text for f in findings)


def test_a_signed_in_user_of_an_ehr_is_held_to_valid_numbers(as_client):
    document = {"resourceType": "Practitioner", "identifier": [{"system": NPI, "value": "1999999985"}]}
    assert check_practitioner(document, as_client("ehr", role="therapist"))


@pytest.mark.parametrize("kind", ["admin", "ehr"])
def test_a_system_import_keeps_wrong_numbers(as_client, kind):
    document = {"resourceType": "Practitioner", "identifier": [{"system": NPI, "value": "9999999999"}]}
    assert check_practitioner(document, as_client(kind)) == []


@pytest.mark.parametrize("npi", VALID_NPIS)
def test_a_right_npi_passes(npi):
    assert is_npi(npi)


@pytest.mark.parametrize("dea", VALID_DEAS)
def test_a_right_dea_number_passes(dea):
    assert is_dea(dea)
