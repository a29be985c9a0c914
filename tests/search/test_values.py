"""Values of every data type, in the places where a resource has them.

Source: https://hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

import pytest

from models.errors import BadRequest
from service.search.extract import extract
from service.search.values import ALWAYS, NEVER, interval


def held(resource_type, **elements):
    return extract(resource_type, elements, base_url="http://fhir.test")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status=active,on-hold", ["a", "b"]),
        ("status=active,draft", ["a"]),
        ("status:not=active,draft", ["b"]),
        ("status=" + ",".join(f"s{number}" for number in range(20)) + ",on-hold", ["b"]),
        ("subject=Patient/p,Group/g", ["a", "b"]),
        ("subject=p&status=active", ["a"]),
        ("status:missing=false", ["a", "b"]),
    ],
)
async def test_values_of_one_parameter_are_alternatives_for_a_named_patient(shelf, text, expected):
    order = {"resourceType": "MedicationRequest", "subject": {"reference": "Patient/p"}}
    await shelf.put(order | {"id": "a", "status": "active"})
    await shelf.put(order | {"id": "b", "status": "on-hold"})
    await shelf.put(order | {"id": "c", "status": "active", "subject": {"reference": "Patient/other"}})
    assert await shelf.find("MedicationRequest", f"patient=p&{text}") == expected


async def test_a_contact_is_found_by_its_kind(shelf):
    phone, email = {"system": "phone", "value": "+1 555"}, {"system": "email", "value": "Anna@Home.test"}
    await shelf.put({"resourceType": "Patient", "id": "p", "telecom": [phone, email]})
    for text in (
        "phone=%2B1 555",
        "email=anna@home.test",
        "telecom=email|anna@home.test",
        "telecom=%2B1 555",
    ):
        assert await shelf.find("Patient", text) == ["p"], text
    assert await shelf.find("Patient", "email=%2B1 555") == []


async def test_a_union_is_absent_when_all_its_parts_are(shelf):
    await shelf.put({"resourceType": "Observation", "id": "empty"})
    await shelf.put(
        {"resourceType": "Observation", "id": "coded", "component": [{"code": {"coding": [{"code": "x"}]}}]}
    )
    assert await shelf.find("Observation", "combo-code:missing=true") == ["empty"]
    assert await shelf.find("Observation", "combo-code:missing=false") == ["coded"]


async def test_a_uri_that_is_only_a_system_and_a_reference_of_another_type_find_nothing(shelf):
    await shelf.put({"resourceType": "Questionnaire", "id": "q", "status": "active", "url": "urn:q"})
    assert await shelf.find("Questionnaire", "url=urn:q") == ["q"]
    assert await shelf.find("Questionnaire", "url=urn") == []
    assert await shelf.find("EpisodeOfCare", "care-manager=Practitioner/") == []


def test_a_range_has_two_ends_either_of_which_may_be_open():
    low, high = {"value": 20, "unit": "a"}, {"value": 30, "unit": "a"}
    assert held("Condition", onsetRange={"low": low, "high": high}).quantities == [
        ("onset-age", None, "a", None, 20, 30, None, None, None)
    ]
    assert held("Condition", onsetRange={"low": low}).quantities == [
        ("onset-age", None, "a", None, 20, None, None, None, None)
    ]
    assert held("Condition", onsetRange={"high": high}).quantities == [
        ("onset-age", None, "a", None, None, 30, None, None, None)
    ]
    assert held("Condition", onsetRange={}).quantities == []


def test_sampled_data_are_found_by_their_origin():
    origin = {"value": 5, "system": "urn:u", "code": "mV"}
    found = held("Observation", valueSampledData={"origin": origin, "period": 1, "dimensions": 1}).quantities
    assert found == [("value-quantity", "urn:u", "mV", 5, 5, 5, None, None, None)]


def test_a_number_is_indexed_as_itself():
    found = held("RiskAssessment", prediction=[{"probabilityDecimal": 3}]).quantities
    assert found == [("probability", None, None, 3, 3, 3, None, None, None)]


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        ({"event": ["2026-01-05", "2026-01-02", None]}, ("2026-01-02", "2026-01-05")),
        ({"repeat": {"boundsPeriod": {"start": "2026-01-01", "end": "2026-02"}}}, ("2026-01-01", "2026-02")),
        ({"repeat": {"frequency": 1}}, None),
    ],
)
def test_a_timing_covers_its_events_or_its_bounds(timing, expected):
    columns = held("ServiceRequest", occurrenceTiming=timing).columns
    sides = (columns["occurrence_start"], columns["occurrence_end"])
    assert sides == ((interval(expected[0])[0], interval(expected[1])[1]) if expected else (None, None))


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ({"start": "2026"}, (interval("2026")[0], ALWAYS)),
        ({"end": "2026"}, (NEVER, interval("2026")[1])),
        ({}, (None, None)),
        ({"start": "soon"}, (None, None)),
    ],
)
def test_a_period_may_be_open(period, expected):
    columns = held("EpisodeOfCare", period=period).columns
    assert (columns["date_start"], columns["date_end"]) == expected


def test_the_ends_of_the_calendar_are_infinite():
    assert interval("9999")[1] == ALWAYS
    assert interval("9999-12-31")[1] == ALWAYS
    assert interval("0001-01-01T00:00:00+14:00")[0] == NEVER
    assert interval("2026-06-30T23:59:60Z")[1] == interval("2026-07-01T00:00:00Z")[1]
    assert interval("2026-01-01T00:00:00+15:00") is None
    assert interval("2026-12") == (interval("2026-12-01")[0], interval("2027-01-01")[0])
    assert interval("2026-01-01T10:00")[1] == interval("2026-01-01T10:01")[0]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("telecom", "|+1 555", ["p"]),
        ("phone", "|+1 555", ["p"]),
        ("phone", "|+1 556", []),
        ("telecom", "email|+1 555", []),
        ("active", "http://terminology.hl7.org/CodeSystem/special-values|true", ["p"]),
        ("active", "http://hl7.org/fhir/special-values|true", ["p"]),
        ("active", "http://hl7.org/fhir/special-values|false", []),
        ("active", "http://acme.test|true", []),
        ("identifier:of-type", "http://acme.test/types|MR|1", ["p"]),
        ("identifier:of-type", "http://acme.test/types|MR|2", []),
        ("_type", "Patient", ["p"]),
        ("_type", "Observation,Patient", ["p"]),
        ("_type", "Observation", []),
        ("_type:not", "Observation", ["p"]),
        ("_type:not", "Patient", []),
        ("_has:Group:member:_type", "Group", ["p"]),
        ("_has:Group:member:_type", "Patient", []),
        ("organization._type", "Organization", ["p"]),
        ("organization._type", "Patient", []),
        ("organization:Organization._type:not", "Patient", ["p"]),
    ],
)
async def test_a_token_is_found_by_a_system_that_is_understood(shelf, name, value, expected):
    kind = {"coding": [{"system": "http://acme.test/types", "code": "MR"}]}
    held = {
        "telecom": [{"system": "phone", "value": "+1 555"}],
        "active": True,
        "identifier": [{"type": kind, "value": "1"}],
        "managingOrganization": {"reference": "Organization/o"},
    }
    await shelf.put({"resourceType": "Patient", "id": "p", **held})
    await shelf.put({"resourceType": "Organization", "id": "o"})
    members = [{"entity": {"reference": "Patient/p"}}]
    await shelf.put({"resourceType": "Group", "id": "g", "member": members})
    assert await shelf.matching("Patient", name, value) == expected


@pytest.mark.parametrize("value", ["A", "A|B", "A|B|", "|B|C", "||C", "|B|", "A||", "||", "A|B|C|D"])
async def test_an_identifier_by_its_type_needs_all_three_parts(shelf, value):
    with pytest.raises(BadRequest) as refused:
        await shelf.matching("Patient", "identifier:of-type", value)
    assert refused.value.issues[0].expression == "http.identifier:of-type"


async def test_a_reverse_chain_needs_a_type_a_reference_and_a_parameter(shelf):
    for name in ("_has", "_has:Observation", "_has:Observation:patient", "_has:"):
        with pytest.raises(BadRequest) as refused:
            await shelf.page("Patient", f"{name}=1", strict=False)
        assert (refused.value.issues[0].code, refused.value.issues[0].text[:14]) == (
            "invalid",
            "Write _has:Typ",
        )
