"""Any part of a string: what an index of three characters at a time finds, and what it leaves to be read.

Source: https://hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

import pytest

from models import grams
from service.search.values import folded


def person(key, family):
    return {"resourceType": "Patient", "id": key, "name": [{"family": family}]}


@pytest.fixture
async def people(shelf):
    await shelf.put(person("d", "Fischer-Dieskau"))
    await shelf.put(person("m", "Müller"))
    await shelf.put(person("p", "A|B|CDE"))
    await shelf.put(person("long", f"{'x' * grams.LONGEST}needle in it"))
    await shelf.put({"resourceType": "Practitioner", "id": "d", "name": [{"family": "Fischer"}]})
    return shelf


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("ischerd", []),
        ("eskauf", []),
        ("ffis", []),
        ("needles", []),
        ("b|cdf", []),
        ("fischer-dieskau", ["d"]),
        ("FIS", ["d"]),
        ("isc", ["d"]),
        ("sche", ["d"]),
        ("R-D", ["d"]),
        ("kau", ["d"]),
        ("au", ["d"]),
        ("ÜLL", ["m"]),
        ("a|b", ["p"]),
        ("|b|cde", ["p"]),
        ("b|c", ["p"]),
        ("cde", ["p"]),
        ("needle", ["long"]),
        ("xxx", ["long"]),
        ("e", ["d", "long", "m", "p"]),
        ("e in it,ell,kau", ["d", "long"]),
    ],
)
async def test_any_part_of_a_name_is_found_and_nothing_else(people, part, expected):
    assert await people.matching("Patient", "family:contains", part) == expected


@pytest.mark.parametrize(
    ("ending", "expected"),
    [("dies", []), ("dieskau", ["d"]), ("kau", ["d"]), ("in it", ["long"]), ("t", ["long"])],
)
async def test_the_end_of_a_name_is_found(people, ending, expected):
    assert await people.matching("Patient", "_filter", f'family ew "{ending}"') == expected


async def test_the_part_of_a_name_at_the_end_of_a_chain_is_found(people):
    await people.put({"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/d"}})
    assert await people.matching("Observation", "patient.family:contains", "iesk") == ["o"]
    assert await people.matching("Observation", "patient.family:contains", "ieskx") == []


async def entries(connection, value):
    return await connection.fetchval(
        f"SELECT {grams.expression('i.')} FROM "  # noqa: S608 - our own expression
        "(SELECT 'Patient' AS resource_type, 'family' AS parameter, $1::text AS value) i",
        value,
    )


@pytest.mark.parametrize(
    "text", ["", "a", "ab", "abc", "Äbcd", "abcde", "abcdef\nghi", "aaaaaaa", "é\U0001f600x"]
)
async def test_postgresql_makes_the_entries_that_are_asked_for(shelf, text):
    value = folded(text)
    made = await entries(shelf.connection, value)
    assert set(made) == {f"Patient.family:{gram}" for gram in grams.of_part(value)}


async def test_a_string_has_entries_for_its_beginning_and_one_that_says_it_is_longer(shelf):
    value = "".join(chr(0x4E00 + number) for number in range(grams.LONGEST + 1))
    made = await entries(shelf.connection, value)
    assert len(set(made)) == grams.LONGEST - grams.LENGTH + 2
    assert grams.stem("Patient", "family") in made
