"""Dates, numbers and quantities: every prefix against a slow, literal reading of the specification.

The oracle is Inferno's: a stored date has a first and a last moment, either of which may be open.
Source: https://hl7.org/fhir/R4/search.html#prefix, #date, #quantity
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadRequest
from service.search.values import interval

STORED = (
    "1979-12-31",
    "1980",
    "1980-05",
    "1980-05-11",
    "1980-05-11T16:32:15Z",
    "1980-05-11T16:32:15.500Z",
    "1980-05-11T23:30:00-04:00",
    "1981-01-01",
    ("1980-05-16", "1980-05-17"),
    ("1980-05-11", None),
    (None, "1980-05-11"),
)
ASKED = (
    "1980",
    "1980-05",
    "1980-05-11",
    "1980-05-11T16:32",
    "1980-05-11T16:32:15Z",
    "1980-05-12T03:30:00+00:00",
    "1980-05-17",
    "1981",
)
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")


def bounds(stored):
    """First moment and last moment (a microsecond before the end); None is open."""
    first, last = stored if isinstance(stored, tuple) else (stored, stored)
    return (
        interval(first)[0] if first else None,
        interval(last)[1] - timedelta(microseconds=1) if last else None,
    )


def agrees(prefix, stored, asked):
    start, end = bounds(stored)
    first, last = bounds(asked)
    contained = start is not None and end is not None and first <= start and end <= last
    later, earlier = end is None or end > last, start is None or start < first
    return {
        "": contained,
        "eq": contained,
        "ne": not contained,
        "gt": later,
        "lt": earlier,
        "ge": later or contained,
        "le": earlier or contained,
        "sa": start is not None and start > last,
        "eb": end is not None and end < first,
    }[prefix]


def dated(key, stored):
    if isinstance(stored, tuple):
        period = {name: value for name, value in zip(("start", "end"), stored, strict=True) if value}
        return {"resourceType": "Observation", "id": key, "effectivePeriod": period}
    return {"resourceType": "Observation", "id": key, "effectiveDateTime": stored}


@pytest.fixture
async def dates(shelf):
    for number, stored in enumerate(STORED):
        await shelf.put(dated(f"d{number:02}", stored))
    await shelf.put({"resourceType": "Observation", "id": "undated"})
    return shelf


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_date_matches_as_the_specification_reads(dates, prefix):
    for asked in ASKED:
        expected = [f"d{number:02}" for number, stored in enumerate(STORED) if agrees(prefix, stored, asked)]
        text = f"date={prefix}{asked.replace('+', '%2B')}"
        assert await dates.find("Observation", text) == expected, text


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_date_that_repeats_matches_by_any_of_its_values(shelf, prefix):
    texts = [stored for stored in STORED if isinstance(stored, str)]
    for number, stored in enumerate(texts):
        timing = {"event": [stored]}
        order = {"resourceType": "MedicationRequest", "id": f"m{number:02}"}
        await shelf.put(order | {"dosageInstruction": [{"timing": timing}]})
    for asked in ASKED:
        expected = [f"m{number:02}" for number, stored in enumerate(texts) if agrees(prefix, stored, asked)]
        text = f"date={prefix}{asked.replace('+', '%2B')}"
        assert await shelf.find("MedicationRequest", text) == expected, text


async def test_a_plus_that_arrived_as_a_space_is_put_back(dates):
    assert await dates.find("Observation", "date=ge1981-01-01T00:00:00+00:00&date=sa1980") == ["d07"]


async def test_an_approximate_date_is_within_a_tenth_of_its_distance_to_now(shelf):
    await shelf.put(dated("near", "2024-06-01"))
    await shelf.put(dated("far", "2020-01-01"))
    assert await shelf.find("Observation", "date=ap2024-05") == ["near"]


async def test_two_dates_must_both_hold(dates):
    assert await dates.find("Observation", "date=ge1980-05-16&date=le1980-05-17") == [
        "d01",
        "d02",
        "d08",
        "d09",
    ]


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2026-13",
        "2026-02-30",
        "2026-1-1",
        "xx2026",
        "GE2026",
        "2026-01-01T24:00:00Z",
        "2026-01-01T25:00Z",
        "2026-01-01T12",
        "2026-01-01T12:60Z",
        "2026-01-01T12:00:61Z",
        "2026-01-01T12:00:00%2B14:30",
        "T12:00",
        "0000",
        "gt",
    ],
)
async def test_what_is_no_date_is_refused(shelf, value):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Observation", f"date={value}")
    assert refused.value.issues[0].code == "invalid"
    assert refused.value.issues[0].text == "The value of the search parameter 'date' cannot be read."
    assert value not in str(refused.value.issues)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)), st.integers(0, 6))  # noqa: DTZ001
def test_a_time_covers_exactly_its_precision(moment, digits):
    whole = moment.replace(microsecond=0, tzinfo=UTC)
    fraction = f"{moment.microsecond:06}"[:digits]
    text = f"{whole:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if digits else "") + "Z"
    start, end = interval(text)
    assert start == whole + timedelta(microseconds=int(fraction.ljust(6, "0") or "0"))
    assert end - start == timedelta(microseconds=10 ** (6 - digits))


@settings(deadline=None)
@given(st.dates(), st.sampled_from([4, 7, 10]))
def test_a_coarser_date_contains_every_finer_one(day, length):
    text = day.isoformat()
    coarse, fine = interval(text[:length]), interval(text)
    assert coarse[0] <= fine[0]
    assert coarse[1].replace(tzinfo=UTC) >= fine[1].replace(tzinfo=UTC)


def weighed(key, value, **quantity):
    unit = {"system": "http://unitsofmeasure.org", "code": "mg", "unit": "mg"}
    return {
        "resourceType": "Observation",
        "id": key,
        "valueQuantity": {"value": Decimal(value)} | (quantity or unit),
    }


@pytest.fixture
async def doses(shelf):
    for key, value in (
        ("a", "1.80"),
        ("b", "1.96"),
        ("c", "2.0"),
        ("d", "2.04"),
        ("e", "2.05"),
        ("f", "100"),
    ):
        await shelf.put(weighed(key, value) | {"component": []})
    await shelf.put(weighed("g", "2", unit="tablet"))
    await shelf.put(weighed("more", "150", comparator=">", unit="x"))
    return shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("value-quantity=2.0|http://unitsofmeasure.org|mg", "bcd"),
        ("value-quantity=2.0||mg", "bcd"),
        ("value-quantity=2.0", "bcdg"),
        ("value-quantity=2.00||mg", "c"),
        ("value-quantity=2||tablet", "g"),
        ("value-quantity=2.0|urn:other|mg", ""),
        ("value-quantity=2.0|http://unitsofmeasure.org", "bcd"),
        ("value-quantity=2.0|http://unitsofmeasure.org|", "bcd"),
        ("value-quantity=2.0|urn:other", ""),
        ("value-quantity=2.0|", "bcdg"),
        ("value-quantity=gt2.0||mg", "def"),
        ("value-quantity=ge2.0||mg", "cdef"),
        ("value-quantity=lt2||mg", "ab"),
        ("value-quantity=le2||mg", "abc"),
        ("value-quantity=sa2||mg", "def"),
        ("value-quantity=eb2||mg", "ab"),
        ("value-quantity=ne2.0||mg", "aef"),
        ("value-quantity=ap2||mg", "abcde"),
        ("value-quantity=1e2||mg", "f"),
        ("value-quantity=gt200||x", "more"),
        ("value-quantity=lt150||x", ""),
        ("combo-value-quantity=2.00||mg", "c"),
        ("value-quantity:missing=true", ""),
        ("component-value-quantity:missing=false", ""),
    ],
)
async def test_a_quantity_matches_within_its_precision(doses, text, expected):
    assert "".join(await doses.find("Observation", text)) == expected


@pytest.mark.parametrize("value", ["two", "1e999", "NaN", "1|2|3|4", "|a|mg", "--1", "1" * 50])
async def test_what_is_no_quantity_is_refused(doses, value):
    with pytest.raises(BadRequest) as refused:
        await doses.find("Observation", f"value-quantity={value}")
    assert str(refused.value) == "The value of the search parameter 'value-quantity' cannot be read."


async def test_a_quantity_is_found_by_its_system_when_only_a_display_names_its_unit(shelf):
    shown = {"value": 2, "system": "urn:units", "unit": "puffs"}
    await shelf.put({"resourceType": "Observation", "id": "o", "valueQuantity": shown})
    assert await shelf.find("Observation", "value-quantity=2|urn:units|") == ["o"]
    assert await shelf.find("Observation", "value-quantity=2||puffs") == ["o"]
    assert await shelf.find("Observation", "value-quantity=2|urn:other|") == []


async def test_the_parts_of_a_composite_must_belong_together(shelf):
    def part(code, value):
        unit = {"value": value, "system": "http://unitsofmeasure.org", "code": "mm[Hg]", "unit": "mmHg"}
        return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueQuantity": unit}

    panel = {"resourceType": "Observation", "id": "bp", "code": {"coding": [{"code": "85354-9"}]}}
    await shelf.put(panel | {"component": [part("8480-6", 150), part("8462-4", 80)]})
    await shelf.put(weighed("w", "70") | {"code": {"coding": [{"code": "29463-7"}]}})
    for text, expected in (
        ("component-code-value-quantity=8480-6$gt140", ["bp"]),
        ("component-code-value-quantity=http://loinc.org|8480-6$gt140||mmHg", ["bp"]),
        (
            "component-code-value-quantity=http://loinc.org|8480-6$150|http://unitsofmeasure.org|mm[Hg]",
            ["bp"],
        ),
        ("component-code-value-quantity=8462-4$gt140", []),
        ("component-code-value-quantity=8462-4$gt140,8480-6$gt140", ["bp"]),
        ("combo-code-value-quantity=8480-6$gt140", ["bp"]),
        ("combo-code-value-quantity=29463-7$70", ["w"]),
        ("code-value-quantity=29463-7$70||mg", ["w"]),
        ("code-value-quantity=85354-9$150", []),
    ):
        assert await shelf.find("Observation", text) == expected, text


async def test_a_composite_pairs_codes_and_references(shelf):
    relation = {"code": "replaces", "target": {"reference": "DocumentReference/old"}}
    other = {"code": "appends", "target": {"reference": "DocumentReference/note"}}
    await shelf.put({"resourceType": "DocumentReference", "id": "d", "relatesTo": [relation, other]})
    find = shelf.find
    assert await find("DocumentReference", "relationship=replaces$DocumentReference/old") == ["d"]
    assert await find("DocumentReference", "relationship=replaces$DocumentReference/note") == []
    codes = "http://hl7.org/fhir/document-relationship-type"
    for code in ("replaces", f"{codes}|replaces"):
        assert await find("DocumentReference", f"relationship=DocumentReference/old${code}") == ["d"]
        assert await find("DocumentReference", f"relationship={code}$DocumentReference/old") == ["d"]
        assert await find("DocumentReference", f"relationship=DocumentReference/note${code}") == []
    assert await find("DocumentReference", "relationship=old$replaces") == ["d"]
    assert await find("DocumentReference", "relationship=no such code$DocumentReference/old") == []


@pytest.mark.parametrize("value", ["8480-6", "8480-6$", "$5", "a$b$c"])
async def test_a_composite_with_a_part_missing_is_refused(shelf, value):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Observation", f"component-code-value-quantity={value}")
    assert (
        str(refused.value)
        == "The value of the search parameter 'component-code-value-quantity' cannot be read."
    )


async def test_a_bar_that_belongs_to_a_code_is_no_system_alone(shelf):
    assert await shelf.find("Observation", r"component-code-value-concept=a\|$b") == []


@pytest.mark.parametrize(
    "text",
    [
        "component-code-value-quantity=http://loinc.org|$5",
        "component-code-value-concept=a$urn:b|",
        "combo-code-value-concept=urn:b|$a",
    ],
)
async def test_a_system_alone_is_refused_as_a_part_of_a_repeating_composite(shelf, text):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Observation", text)
    name = text.partition("=")[0].replace("combo", "component")
    expected = f"Each part of the search parameter '{name}' takes a code, not a system alone."
    assert str(refused.value).replace("combo", "component") == expected
    assert refused.value.issues[0].code == "not-supported"


@pytest.mark.parametrize("end", ["0001", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize("name", ["date", "_lastUpdated"])
async def test_nothing_is_approximately_at_the_end_of_the_calendar(shelf, name, end):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Observation", f"{name}=ap{end.replace('+', '%2B')}")
    assert str(refused.value) == f"The value of the search parameter '{name}' cannot be read."
