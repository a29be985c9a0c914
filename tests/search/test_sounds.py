"""Names are found by their sound.

Source: https://hl7.org/fhir/R4/patient.html#search
"""

from __future__ import annotations

import pytest

from models.errors import BadRequest
from service.search.sounds import sounds


def person(key, resource_type="Patient", **name):
    return {"resourceType": resource_type, "id": key, "name": [name]}


@pytest.fixture
async def people(shelf):
    await shelf.put(person("smyth", family="Smyth", given=["Jon", "Katherine"]))
    await shelf.put(person("smith", family="SMITH", given=["Philip"]))
    await shelf.put(person("obrien", family="O\u2019Brien", given=["Zoë"]))
    await shelf.put(person("li", family="李", given=["4711"], text="Li"))
    await shelf.put({"resourceType": "Patient", "id": "nameless"})
    return shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("phonetic=smith", ["smith", "smyth"]),
        ("phonetic=Smithe", ["smith", "smyth"]),
        ("phonetic=smit", []),
        ("phonetic=john", ["smyth"]),
        ("phonetic=Catherine", ["smyth"]),
        ("phonetic=catherine smith", ["smyth"]),
        ("phonetic=catherine obrian", []),
        ("phonetic=catherine smith,obrian", ["obrien", "smyth"]),
        ("phonetic=Filip", ["smith"]),
        ("phonetic=O'Brian", ["obrien"]),
        ("phonetic=ZOE", ["obrien"]),
        ("phonetic=李", ["li"]),
        ("phonetic=4711", ["li"]),
        ("phonetic:missing=true", ["nameless"]),
        ("phonetic:missing=false", ["li", "obrien", "smith", "smyth"]),
        ("_filter=phonetic eq smith", ["smith", "smyth"]),
        ("_id=smyth,li&phonetic=jon smith", ["smyth"]),
        ("_id=li&phonetic=jon smith", []),
    ],
)
async def test_a_name_is_found_by_the_sound_of_its_words(people, text, expected):
    assert sorted(await people.find("Patient", text)) == expected


async def test_practitioners_relatives_and_organizations_are_found_likewise(shelf):
    await shelf.put(person("p", "Practitioner", family="Kowal"))
    await shelf.put(person("r", "RelatedPerson", family="Cowell") | {"patient": {"reference": "Patient/x"}})
    await shelf.put({"resourceType": "Organization", "id": "o", "name": "Kowall Clinic"})
    for resource_type, key in (("Practitioner", "p"), ("RelatedPerson", "r"), ("Organization", "o")):
        assert await shelf.find(resource_type, "phonetic=kowal") == [key]


async def test_a_chain_leads_to_who_sounds_like_it(people):
    encounter = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/smyth"}}
    await people.put(encounter)
    await people.put(encounter | {"id": "f", "subject": {"reference": "Patient/li"}})
    assert await people.find("Encounter", "patient.phonetic=smith") == ["e"]


@pytest.mark.parametrize("text", ["phonetic:exact=x", "phonetic:contains=x", "phonetic:not=x"])
async def test_a_sound_has_no_modifier_but_missing(shelf, text):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Patient", text)
    assert refused.value.issues[0].code == "not-supported"


@pytest.mark.parametrize("text", ["phonetic=,", "phonetic=%20", "phonetic=!?"])
async def test_what_has_no_sound_is_refused(shelf, text):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Patient", text)
    assert refused.value.issues[0].text == "The value of the search parameter 'phonetic' cannot be read."


async def test_a_sound_has_no_order(shelf):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Organization", "_sort=phonetic")
    assert refused.value.issues[0].text == "There is no order by 'phonetic'."


def test_a_word_has_one_sound_however_it_is_written():
    assert sounds("Müller-SCHMIDT") == sounds("muller schmidt")
    assert sounds("a" * 5000) != ()
    assert sounds("") == ()
