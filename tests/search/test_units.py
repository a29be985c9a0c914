"""Quantities are found in any unit of their kind.

Source: https://ucum.org/ucum, https://hl7.org/fhir/R4/search.html#quantity
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.search.units import ATOMS, UCUM, canonical, unit


@pytest.fixture
async def doses(shelf):
    for key, value, code in (
        ("half", Decimal("0.5"), "g"),
        ("mg", 500, "mg"),
        ("kg", 70, "kg"),
        ("rate", Decimal("0.5"), "mg/kg"),
        ("pressure", 120, "mm[Hg]"),
        ("pulse", 60, "{beats}/min"),
        ("hours", 2, "h"),
        ("odd", 500, "[arb'U]"),
    ):
        quantity = {"value": value, "system": UCUM, "code": code, "unit": code}
        await shelf.put(
            {"resourceType": "Observation", "id": key, "status": "final", "valueQuantity": quantity}
        )
    return shelf


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (f"500|{UCUM}|mg", ["half", "mg"]),
        (f"0.5|{UCUM}|g", ["half", "mg"]),
        (f"500000|{UCUM}|ug", ["half", "mg"]),
        ("500||mg", ["mg"]),
        (f"500|{UCUM}|MG", []),
        (f"gt1|{UCUM}|kg", ["kg"]),
        (f"70000|{UCUM}|g", ["kg"]),
        (f"500|{UCUM}|ug/kg", ["rate"]),
        (f"120|{UCUM}|min", ["hours"]),
        (f"16.0|{UCUM}|kPa", ["pressure"]),
        (f"1|{UCUM}|/s", ["pulse"]),
        (f"60|{UCUM}|/min", ["pulse"]),
        (f"500|{UCUM}|[arb'U]", ["odd"]),
        ("500", ["mg", "odd"]),
        (f"ne500|{UCUM}|mg", ["kg"]),
    ],
)
async def test_a_quantity_is_found_in_any_unit_of_its_kind(doses, asked, expected):
    assert await doses.matching("Observation", "value-quantity", asked) == sorted(expected)


@pytest.mark.parametrize("code", ["MG", "", None, "mg//x", "mg/" * 30, "Cel", "score"])
def test_an_unknown_unit_is_compared_as_sent(code):
    assert unit(UCUM, code) is None
    assert canonical(UCUM, code, Decimal(1), Decimal(1)) == (None, None, None)


def test_a_unit_of_another_system_is_none_of_ucum():
    assert unit("urn:other", "mg") is None


@given(st.sampled_from(sorted(ATOMS)), st.decimals(-1000, 1000, places=3))
def test_the_same_quantity_has_one_canonical_value(code, value):
    found = unit(UCUM, code)
    assert canonical(UCUM, code, value, None) == canonical(UCUM, found.code, value * found.factor, None)
