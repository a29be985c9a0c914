"""Amounts, units and routes (RX-10)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from service.kat.dosing import dose_mg

UCUM = "http://unitsofmeasure.org"
SNOMED = "http://snomed.info/sct"
FORMS = "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm"
DOSE = "dosageInstruction.0.doseAndRate.0.doseQuantity"
DOSE_PATH = "MedicationRequest.dosageInstruction[0].doseAndRate[0].doseQuantity"
ROUTE_PATH = "MedicationRequest.dosageInstruction[0].route"


def ucum(value, code):
    return {"value": value, "unit": code, "system": UCUM, "code": code}


def medication(value, mass, per):
    strength = {"numerator": ucum(value, mass), "denominator": ucum(1, per)}
    return {"resourceType": "Medication", "id": "m", "ingredient": [{"strength": strength}]}


@pytest.mark.parametrize(
    "code", ["mL", "MG", "Mg", "milligram", "[iU]", "mmol", "mg/mL", "mg/kg/min", "%", "d"]
)
def test_a_unit_that_is_no_amount_of_a_lozenge_is_refused(find, code):
    (finding,) = find({DOSE: ucum(200, code)})
    assert (finding.rule.id, finding.status, finding.issue.code) == ("RX-10", 422, "invariant")
    assert finding.expression == f"{DOSE_PATH}.code"
    assert "Send a UCUM mass such as mg (case matters)" in finding.text


@pytest.mark.parametrize(
    "quantity",
    [
        {"value": 200, "unit": "mg"},
        {"value": 200, "unit": "mg", "code": "mg"},
        {"value": 200, "system": UCUM},
    ],
)
def test_a_dose_without_a_coded_unit_is_refused(found, quantity):
    assert found({DOSE: quantity}) == [("RX-10", DOSE_PATH)]


def test_a_mass_in_a_foreign_system_is_refused(found):
    assert found({f"{DOSE}.system": "https://units.example"}) == [("RX-10", f"{DOSE_PATH}.code")]


@pytest.mark.parametrize("value", [0, -5, None, Decimal("NaN"), True, "200"])
def test_a_dose_without_a_positive_value_is_refused(found, value):
    assert found({f"{DOSE}.value": value}) == [("RX-10", f"{DOSE_PATH}.value")]


def test_a_counted_dose_without_a_strength_is_refused(found):
    changes = {"medicationReference": None, "medicationCodeableConcept": {"text": "ketamine"}}
    assert found({**changes, DOSE: ucum(2, "{lozenge}")}) == [("RX-10", f"{DOSE_PATH}.code")]


def test_every_amount_in_an_instruction_is_judged(found):
    wrong = ucum(1, "MG")
    changes = {
        "dosageInstruction.0.doseAndRate.0": {"doseRange": {"low": wrong, "high": wrong}},
        "dosageInstruction.0.maxDosePerPeriod": {"numerator": wrong, "denominator": ucum(72, "h")},
        "dosageInstruction.0.maxDosePerAdministration": wrong,
        "dosageInstruction.0.maxDosePerLifetime": wrong,
    }
    start = "MedicationRequest.dosageInstruction[0]"
    assert [expression for _, expression in found(changes)] == [
        f"{start}.doseAndRate[0].doseRange.low.code",
        f"{start}.doseAndRate[0].doseRange.high.code",
        f"{start}.maxDosePerPeriod.numerator.code",
        f"{start}.maxDosePerAdministration.code",
        f"{start}.maxDosePerLifetime.code",
    ]


@pytest.mark.parametrize("route", ["47625008", "78421000", "34206005", "46713006"])
def test_a_lozenge_by_another_route_than_the_mouth_is_refused(find, route):
    (finding,) = find({"dosageInstruction.0.route": {"coding": [{"system": SNOMED, "code": route}]}})
    assert (finding.rule.id, finding.status, finding.expression) == ("RX-10", 422, ROUTE_PATH)
    assert finding.text == "The route contradicts the form of the medication. Correct the route or the form."


@pytest.mark.parametrize(
    ("form", "route"),
    [("NASSPRY", "37839007"), ("IVSOL", "37839007"), ("SLTAB", "46713006"), ("IVSOL", "46713006")],
)
def test_a_form_with_a_contradicting_route_is_refused(found, form, route):
    changes = {
        "contained.0.form": {"coding": [{"system": FORMS, "code": form}]},
        "dosageInstruction.0.route": {"coding": [{"system": SNOMED, "code": route}]},
    }
    assert found(changes) == [("RX-10", ROUTE_PATH)]


def test_a_dose_counted_in_lozenges_into_a_vein_is_refused(found):
    changes = {
        "contained.0.form": None,
        DOSE: ucum(2, "{lozenge}"),
        "dosageInstruction.0.route": {"coding": [{"system": SNOMED, "code": "47625008"}]},
    }
    assert found(changes) == [("RX-10", ROUTE_PATH)]


@pytest.mark.parametrize("code", ["mg", "g", "ug", "mg/kg", "ug/kg", "{lozenge}", "{troche}", "1"])
def test_a_mass_or_a_counted_dose_with_a_strength_passes(found, code):
    assert found({DOSE: ucum(2, code)}) == []


def test_a_dose_counted_in_the_drug_form_passes(found):
    assert found({DOSE: {"value": 2, "system": FORMS, "code": "ORTROCHE"}}) == []


def test_a_volume_of_a_solution_with_a_strength_passes(found):
    changes = {
        "contained.0": {
            **medication(50, "mg", "mL"),
            "form": {"coding": [{"system": FORMS, "code": "IVSOL"}]},
        },
        DOSE: ucum(1, "mL"),
        "dosageInstruction.0.route": {"coding": [{"system": SNOMED, "code": "78421000"}]},
    }
    assert found(changes) == []


def test_a_referenced_medication_gives_the_strength(found):
    stored = {"Medication/loz": medication(100, "mg", "{lozenge}")}
    changes = {"medicationReference.reference": "Medication/loz", DOSE: ucum(2, "{lozenge}")}
    assert found(changes, stored=stored) == []


def test_a_route_or_form_outside_the_list_passes(found):
    assert found({"dosageInstruction.0.route": {"coding": [{"system": SNOMED, "code": "6064005"}]}}) == []
    assert found({"contained.0.form": {"coding": [{"system": FORMS, "code": "PWD"}]}}) == []


@pytest.mark.parametrize(
    ("quantity", "strength", "mg"),
    [
        (ucum(Decimal("0.2"), "g"), None, Decimal(200)),
        (ucum(200, "mg"), None, Decimal(200)),
        (ucum(2, "{lozenge}"), medication(100, "mg", "{lozenge}"), Decimal(200)),
        (ucum(2, "{lozenge}"), medication(Decimal("0.1"), "g", "1"), Decimal(200)),
        (ucum(4, "mL"), medication(50, "mg", "mL"), Decimal(200)),
        (ucum(2, "mL"), medication(100, "mg", "{lozenge}"), None),
        (ucum(2, "{lozenge}"), medication(100, "mg", "mL"), None),
        (ucum(5, "mg/kg"), None, None),
        (ucum(2, "{lozenge}"), None, None),
    ],
)
def test_a_dose_converts_to_milligrams_where_that_is_possible(quantity, strength, mg):
    assert dose_mg(quantity, strength) == mg
