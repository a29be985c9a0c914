"""Names and addresses as people write them: punctuation, strokes of letters, whole names.

Source: https://hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

import pytest

from models.errors import BadRequest
from service.search.values import normalized


@pytest.fixture
async def people(shelf):
    for key, name in (
        ("obrien", {"family": "O'Brien", "given": ["Ann"]}),
        ("smith", {"family": "Smith-Jones", "given": ["Ann Lee"]}),
        ("john", {"family": "St. John", "given": ["Smithers"]}),
        ("lukasz", {"family": "Łukasz", "given": ["Bjørn", "Æthel"]}),
        ("text", {"text": "Dr. Jane Q. Public"}),
        ("mark", {"family": "!"}),
    ):
        home = [{"line": ["12 Main St., Apt. 4"], "city": "Ann Arbor", "state": "MI"}]
        address = {"address": home} if key == "obrien" else {}
        await shelf.put({"resourceType": "Patient", "id": key, "name": [name], **address})
    return shelf


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("family", "obrien", ["obrien"]),
        ("family", "O\u2019BRIEN", ["obrien"]),
        ("family", "o brien", []),
        ("family", "smith jones", ["smith"]),
        ("family", "Smith\u2013Jones", ["smith"]),
        ("family", "smithjones", []),
        ("family", "st john", ["john"]),
        ("family", "lukasz", ["lukasz"]),
        ("given", "bjorn", ["lukasz"]),
        ("given", "aethel", ["lukasz"]),
        ("family", "!", ["mark"]),
        ("family", "\u0301", []),
        ("family:contains", "\u0301", []),
        ("family:contains", "'br", ["obrien"]),
        ("family:contains", "h-j", ["smith"]),
        ("family:contains", "?", []),
        ("family:exact", "O'Brien", ["obrien"]),
        ("family:exact", "OBrien", []),
        ("family:exact", "!", ["mark"]),
    ],
)
async def test_a_name_is_found_whatever_its_punctuation(people, name, value, expected):
    assert await people.matching("Patient", name, value) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("name", "Ann O'Brien", ["obrien"]),
        ("name", "obrien, ann", ["obrien"]),
        ("name", "ann smith", ["smith"]),
        ("name", "ann lee smith", ["smith"]),
        ("name", "ann jones", []),
        ("name", "dr jane", ["text"]),
        ("name", "ann nobody,jane", []),
        ("name:exact", "Ann O'Brien", []),
        ("name:contains", "ann o", []),
        ("family", "ann obrien", []),
        ("address", "12 main", ["obrien"]),
        ("address", "Ann Arbor MI", ["obrien"]),
        ("address", "arbor mi", []),
        ("address", "ann mi", ["obrien"]),
        ("address-city", "ann mi", []),
        ("name", "a b c d e f g", []),
    ],
)
async def test_each_word_of_a_whole_name_may_begin_another_part_of_it(people, name, value, expected):
    assert await people.matching("Patient", name, value.replace(",", "\\,")) == expected


async def test_of_a_long_run_of_words_every_character_counts(shelf):
    long = "x" * 60
    await shelf.put({"resourceType": "Patient", "id": "p", "name": [{"text": f"{long} foo bar"}]})
    assert await shelf.matching("Patient", "name", f"{long} foo baz") == []
    assert await shelf.matching("Patient", "name", f"{long}x foo") == []
    for found in (f"{long} foo ba", f"{long} foo bar", f"{long} foo"):
        assert await shelf.matching("Patient", "name", found) == ["p"]


@pytest.mark.parametrize("value", ["a\\b", "\\", "a\\\\\\b", "ann,\\x"])
async def test_a_backslash_that_escapes_nothing_is_refused(people, value):
    with pytest.raises(BadRequest) as caught:
        await people.matching("Patient", "name", value)
    assert caught.value.issues[0].text == "The value of the search parameter 'name' cannot be read."
    assert await people.matching("Patient", "name", "a\\\\b") == []


async def test_nothing_between_commas_is_no_value(people):
    for value in ("obrien,", ",obrien", "obrien,,lukasz"):
        assert "obrien" in await people.matching("Patient", "family", value)
    assert await people.matching("Patient", "_id", "obrien,") == ["obrien"]


@pytest.mark.parametrize(
    "text",
    [
        "O'Brien-Müller",
        "  a.b  ",
        "…",
        "\u00c6r\u00d8",
        "\u0130I\u0131",
        "5/6",
        "a\uff0cb",
        "!",
        "?!",
        "\u0301",
    ],
)
def test_what_is_normal_stays_so(text):
    assert normalized(normalized(text)) == normalized(text)
