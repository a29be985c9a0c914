"""Chains into contained resources, which are found by nothing else.

Source: https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

import pytest

KETAMINE = {
    "resourceType": "Medication",
    "id": "m",
    "status": "active",
    "code": {"coding": [{"system": "urn:rx", "code": "KET"}], "text": "Ketamine"},
    "identifier": [{"system": "urn:lot", "value": "7"}],
    "batch": {"expirationDate": "2027-03", "lotNumber": "L7"},
    "ingredient": [{"itemCodeableConcept": {"coding": [{"code": "abc"}]}}],
    "manufacturer": {"reference": "Organization/o"},
}
UNNAMED = {name: value for name, value in KETAMINE.items() if name != "code"}
MAKER = {"resourceType": "Organization", "id": "maker", "name": "Maker & Sons", "active": True}


@pytest.fixture
async def orders(shelf):
    order = {"resourceType": "MedicationRequest", "subject": {"reference": "Patient/p"}}
    for key, more in (
        ("inside", {"contained": [KETAMINE], "medicationReference": {"reference": "#m"}}),
        ("outside", {"medicationReference": {"reference": "Medication/m"}}),
        ("other", {"contained": [UNNAMED], "medicationReference": {"reference": "#m"}}),
        ("unused", {"contained": [KETAMINE], "medicationCodeableConcept": {"text": "x"}}),
        ("lost", {"medicationReference": {"reference": "#gone"}}),
        ("by", {"contained": [MAKER], "requester": {"reference": "#maker"}}),
    ):
        await shelf.put(order | {"id": key} | more)
    await shelf.put({**KETAMINE, "status": "inactive"})
    await shelf.put({"resourceType": "Patient", "id": "p"})
    return shelf


@pytest.mark.parametrize("prefix", ["", "patient=p&"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("medication.code=ket", ["inside", "outside"]),
        ("medication:Medication.code=urn:rx|KET", ["inside", "outside"]),
        ("medication.code=urn:other|KET", []),
        ("medication.ingredient-code=abc&medication.status=active", ["inside", "other"]),
        ("medication.code:missing=true", ["other"]),
        ("medication.code:missing=false", ["inside", "outside"]),
        ("medication.status:not=active", ["outside"]),
        ("medication.status:not=inactive", ["inside", "other"]),
        ("medication.identifier=urn:lot|", ["inside", "other", "outside"]),
        ("medication.expiration-date=2027", ["inside", "other", "outside"]),
        ("medication.expiration-date=lt2027", []),
        ("medication.lot-number=l7&medication.code=KET", ["inside", "outside"]),
        ("medication.manufacturer=Organization/o", ["inside", "other", "outside"]),
        ("requester.name=maker", ["by"]),
        ("requester:Organization.name:exact=Maker %26 Sons", ["by"]),
        ("requester:Practitioner.name=maker", []),
        ("requester:Organization.active=true", ["by"]),
        ("requester:Organization.active=false", []),
        ("requester:Organization._id=maker", []),
        ("medication:missing=true", ["by", "unused"]),
    ],
)
async def test_a_chain_is_followed_into_contained_resources(orders, prefix, text, expected):
    assert await orders.find("MedicationRequest", prefix + text) == expected


async def test_a_contained_resource_is_found_by_a_chain_only(orders):
    assert await orders.find("Medication", "status=active") == []
    assert await orders.find("Organization", "name=maker") == []
    assert await orders.included("MedicationRequest", "_include=MedicationRequest:medication") == {
        "Medication/m"
    }


@pytest.mark.parametrize("prefix", ["", "patient=p&"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("location.near:missing=true", ["away"]),
        ("location.near:missing=false", []),
        ("location.near=0|0|9", []),
        ("location._content:missing=true", ["away"]),
        ("location._lastUpdated:missing=false", ["away"]),
        ("location.name:missing=false", ["away", "here"]),
    ],
)
async def test_what_is_not_indexed_of_a_contained_resource_is_not_asked_of_it(shelf, prefix, text, expected):
    room = {"resourceType": "Location", "id": "room", "name": "Room 1"}
    visit = {"resourceType": "Encounter", "subject": {"reference": "Patient/p"}}
    inside, outside = ([{"location": {"reference": place}}] for place in ("#room", "Location/room"))
    await shelf.put(visit | {"id": "here", "contained": [room], "location": inside})
    await shelf.put(visit | {"id": "away", "location": outside})
    await shelf.put(room)
    assert await shelf.find("Encounter", prefix + text) == expected


async def test_a_filter_looks_into_contained_resources_too(orders):
    found = await orders.matching("MedicationRequest", "_filter", "medication.code eq ket")
    assert found == ["inside", "outside"]
    found = await orders.matching("MedicationRequest", "_filter", "medication.code ne ket")
    assert found == []


async def test_what_is_said_of_one_contained_resource_is_not_found_in_two(shelf):
    def carer(key, family, given):
        name = [{"family": family, "given": [given]}]
        return {"resourceType": "Practitioner", "id": key, "name": name}

    both = [carer("a", "Adler", "Kim"), carer("b", "Berg", "Lou")]
    for key, held in (("one", both[:1]), ("two", both), ("again", both[:1] * 2)):
        refs = [{"reference": f"#{one['id']}"} for one in held]
        patient = {"resourceType": "Patient", "id": key, "contained": held, "generalPractitioner": refs}
        await shelf.put(patient)

    async def found(text):
        return await shelf.matching("Patient", "_filter", text)

    assert await found("general-practitioner[family eq adler].given eq lou") == []
    assert await found("general-practitioner[family eq adler].given eq kim") == ["again", "one"]
    assert await found("general-practitioner.given eq lou") == ["two"]


async def test_what_a_resource_no_longer_contains_is_not_found(orders):
    order = {"resourceType": "MedicationRequest", "id": "inside", "subject": {"reference": "Patient/p"}}
    await orders.put(order)
    assert await orders.find("MedicationRequest", "medication.code=ket") == ["outside"]
