"""What a page shows of each resource.

Source: https://hl7.org/fhir/R4/search.html#summary, #elements
"""

from __future__ import annotations

import json

import pytest

from service.search import query


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name.family", ("name",)),
        ("Patient.name.family,birthDate", ("name", "birthDate")),
        ("value[x].unit", ("value[x]",)),
    ],
)
def test_an_element_within_another_is_shown_with_all_of_it(text, expected):
    asked = query.parse("Patient", [("_elements", text)], base_url="http://fhir.test", strict=True)
    assert asked.elements == expected


async def test_a_summary_shows_a_part_and_says_so(shelf):
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "text": {"status": "generated", "div": "<div/>"},
        "active": True,
    }
    document = {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "content": [{"attachment": {}}],
    }
    await shelf.put(
        patient | {"deceasedBoolean": False, "_birthDate": {"id": "x"}, "photo": [{"title": "me"}]}
    )
    await shelf.put(document | {"description": "note", "text": patient["text"], "docStatus": "final"})

    async def members(resource_type, text):
        page = await shelf.page(resource_type, text)
        shown = json.loads(page.rows[0].body)
        codes = [tag["code"] for tag in shown.get("meta", {}).get("tag", ())]
        return set(shown) - {"resourceType", "id"}, codes

    assert await members("Patient", "_summary=true") == (
        {"meta", "active", "deceasedBoolean", "_birthDate"},
        ["SUBSETTED"],
    )
    assert await members("Patient", "_summary=text") == ({"meta", "text"}, ["SUBSETTED"])
    assert "text" not in (await members("Patient", "_summary=data"))[0]
    assert await members("DocumentReference", "_elements=description") == (
        {"meta", "description", "status", "content"},
        ["SUBSETTED"],
    )
    assert (await members("Patient", "_summary=false"))[1] == []


async def test_a_summary_keeps_the_digits_of_a_decimal(shelf):
    dose = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "dose"}}
    await shelf.put(dose)
    body = '{"resourceType":"Observation","id":"o","status":"final","code":{},"valueQuantity":{"value":1.50}}'
    await shelf.connection.execute("UPDATE fhir_observation SET body = $1", body)
    page = await shelf.page("Observation", "_elements=valueQuantity")
    assert '"value":1.50' in page.rows[0].body
