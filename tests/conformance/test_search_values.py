"""What each kind of parameter means by a value, over HTTP.

Dates are judged by a second reading of the specification, written here.

Source: https://hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta

import pytest
from conformance_kit import FORM, found, refusal, send, statuses
from conformance_shelf import DATES, FAMILIES, LOINC, OBSERVATIONS, OTHERS, PEOPLE, TAG, UCUM, keys, numbered

ASKED = ["1980", "1980-05", "1980-05-11", "1980-05-11T16:32Z", "1980-05-11T16:32:15+00:00", "1981-01-01"]


@pytest.fixture(scope="module")
def shelf(client):
    answer = send(client, "transaction", *PEOPLE, *OTHERS, *OBSERVATIONS)
    assert set(statuses(answer)) == {201}
    return client


STRINGS = [
    ({"name": "muller"}, {"muller"}),
    ({"name": "müller"}, {"muller"}),
    ({"name": "MÜL"}, {"muller"}),
    ({"name": "zoe"}, {"muller"}),
    ({"name": "dr."}, {"muller"}),
    ({"name": "the o"}, {"sea"}),
    ({"family": "sea"}, {"seattle"}),
    ({"family": "attle"}, set()),
    ({"family__contains": "ATTLE"}, {"seattle"}),
    ({"family__exact": "Müller"}, {"muller"}),
    ({"family__exact": "müller"}, set()),
    ({"family__exact": "Mül"}, set()),
    ({"family": FAMILIES["long"]}, {"long"}),
    ({"family__exact": FAMILIES["long"]}, {"long"}),
    ({"address": "sea"}, {"muller"}),
    ({"address": "98101"}, {"muller"}),
    ({"address": "wa"}, {"muller"}),
    ({"address": "1 pine"}, {"muller"}),
    ({"address-city": "seattle,berlin"}, {"muller"}),
]


@pytest.mark.parametrize(("asked", "expected"), STRINGS)
def test_a_string_is_found_by_its_beginning_exactly_or_by_a_part(shelf, asked, expected):
    assert keys(shelf, "Patient", **asked) == expected


TOKENS = [
    ("Observation", {"code": "15074-8"}, {"amount0", "amount1", "amount2", "amount3", "amount4", "bare"}),
    ("Observation", {"code": f"{LOINC}|15074-8"}, {"amount0", "amount1", "amount2", "amount3", "amount4"}),
    ("Observation", {"code": "|15074-8"}, {"bare"}),
    ("Observation", {"method": "urn:methods|"}, {"bare"}),
    ("Observation", {"method": "urn:other|m1"}, set()),
    ("Observation", {"method": "urn:other|"}, set()),
    ("Observation", {"code": f"85354-9,urn:none|x,{LOINC}|85354-9"}, {"pressure"}),
    ("Observation", {"code__text": "glucose", "value-quantity": "2.0"}, {"amount1", "amount2", "amount3"}),
    ("Observation", {"code__text": "pressure"}, {"pressure"}),
    ("Patient", {"gender": "female,male"}, {"muller", "seattle"}),
    ("Patient", {"gender__not": "female"}, {"seattle", "sea", "long"}),
    ("Patient", {"gender__missing": "true"}, {"sea", "long"}),
    ("Patient", {"gender__missing": "false"}, {"muller", "seattle"}),
    ("Patient", {"identifier": "|bare"}, {"seattle"}),
    ("Patient", {"identifier": r"urn:mrn|Ab1\,x\|y\$z"}, {"muller"}),
    ("Patient", {"identifier": r"Ab1\,x\|y\$z,nobody"}, {"muller"}),
    ("Patient", {"identifier": "Ab1"}, set()),
    ("Patient", {"identifier": "a|"}, set()),
    ("Patient", {"identifier": "BARE"}, {"seattle"}),
]


@pytest.mark.parametrize(("resource_type", "asked", "expected"), TOKENS)
def test_a_token_is_found_by_system_and_code(shelf, resource_type, asked, expected):
    assert keys(shelf, resource_type, **asked) == expected


def test_a_reference_is_found_however_it_is_written(shelf):
    key = numbered("muller")
    everything = keys(shelf, "Observation")
    assert len(everything) > 15
    for name, value in (
        ("subject", key),
        ("subject", f"Patient/{key}"),
        ("subject", f"{shelf.base_url}Patient/{key}"),
        ("subject:Patient", key),
        ("patient", key),
        ("patient", f"Patient/{key}"),
        ("patient", f"Patient/{key},Patient/nobody"),
    ):
        assert keys(shelf, "Observation", **{name: value}) == everything
    for name, value in (("subject", f"patient/{key}"), ("subject", f"Group/{key}"), ("subject:Group", key)):
        answer = shelf.get("/Observation", params={"_tag": TAG, name: value})
        assert answer.status_code == 400 or found(answer) == []


CHAINS = [
    ("Observation", "patient.name", "mül", 19),
    ("Observation", "patient.identifier", "urn:mrn|Ab1\\,x\\|y\\$z", 19),
    ("Observation", "subject:Patient.family", "müller", 19),
    ("Observation", "subject:Patient.family", "seattleson", 0),
    ("Observation", "subject._tag", TAG, 19),
    ("Observation", "subject._id", numbered("muller"), 19),
    ("Patient", "organization.name", f"Clinic {TAG}", 1),
    ("Patient", "_has:Observation:patient:code", "85354-9", 1),
    ("Patient", "_has:Observation:patient:code", "nothing", 0),
    ("Organization", "_has:Patient:organization:name", "the", 1),
    ("Organization", "_has:Patient:organization:_has:Observation:patient:code", "85354-9", 0),
]


@pytest.mark.parametrize(("resource_type", "name", "value", "expected"), CHAINS)
def test_a_chain_is_followed_forth_and_back(shelf, resource_type, name, value, expected):
    assert len(keys(shelf, resource_type, **{name: value})) == expected


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def covered(text):
    """What a date that is asked for covers; a second reading, for dates of this module only."""
    if "T" in text:
        start = datetime.fromisoformat(text)
        return start, start + (
            timedelta(seconds=1) if text.count(":") > 2 or "15" in text else timedelta(minutes=1)
        )
    year, month, day = (*map(int, text.split("-")), 0, 0)[:3]
    start = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if day:
        return start, start + timedelta(days=1)
    return start, start + timedelta(
        days=monthrange(year, month)[1] if month else 366 if year % 4 == 0 else 365
    )


def holds(prefix, target, asked):
    """Judge a target's interval against the one asked for, as Inferno does."""
    (low, high), (start, end) = target, asked
    inside = low is not None and high is not None and start <= low and high <= end
    after, before = high is None or high > end, low is None or low < start
    return {
        "eq": inside,
        "ne": not inside,
        "gt": after,
        "lt": before,
        "ge": after or inside,
        "le": before or inside,
        "sa": low is not None and low >= end,
        "eb": high is not None and high <= start,
    }[prefix]


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("prefix", ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"])
def test_a_date_is_compared_as_an_interval(shelf, prefix, asked):
    expected = {
        f"date{number}"
        for number, (low, high) in enumerate(DATES.values())
        if holds(prefix, (moment(low), moment(high)), covered(asked))
    }
    answered = {key for key in keys(shelf, "Observation", date=f"{prefix}{asked}") if key.startswith("date")}
    assert answered == expected
    if prefix == "eq":
        assert {key for key in keys(shelf, "Observation", date=asked) if key.startswith("date")} == expected


def test_two_dates_must_both_hold_and_a_bare_plus_is_put_back(shelf):
    zone = "+00:00"  # as it is: a plus that is not encoded arrives as a space
    asked = f"_tag={TAG}&_count=100&date=sa1980-05-10T23:59{zone}&date=eb1980-05-12T00:00{zone}"
    between = {name.rpartition("-")[2] for name in found(shelf.get(f"/Observation?{asked}"))}
    assert between == {"date3", "date4", "date5", "date6"}


@pytest.mark.parametrize("asked", ["ap1980-05-11", "ap1980"])
def test_an_approximate_date_is_near(shelf, asked):
    assert {"date3", "date4"} <= keys(shelf, "Observation", date=asked)


@pytest.mark.parametrize("value", ["abc", "1980-13", "1980-02-30", "xx1980", "1980-05-11T25:00", "80", "eq"])
def test_what_is_no_date_is_refused(shelf, value):
    refusal(shelf.get("/Observation", params={"date": value}), 400, "invalid", "http.date")


NUMBERS = [
    ("10.0", [1, 2, 3]),
    ("eq10.0", [1, 2, 3]),
    ("10", [0, 1, 2, 3, 4]),
    ("10.00", [2]),
    ("1.00e1", [1, 2, 3]),
    ("ne10.0", [0, 4]),
    ("gt10.0", [3, 4]),
    ("ge10.0", [2, 3, 4]),
    ("lt10.0", [0, 1]),
    ("le10.0", [0, 1, 2]),
    ("sa10.0", [3, 4]),
    ("eb10.0", [0, 1]),
]


@pytest.mark.parametrize(("value", "expected"), NUMBERS)
def test_a_number_is_as_precise_as_it_is_written(shelf, value, expected):
    # Only eq and ne mind how precisely the value is written; the others take it as exact.
    assert keys(shelf, "RiskAssessment", probability=value) == {f"risk{number}" for number in expected}


QUANTITIES = [
    ("2.0||mmol", {"amount1", "amount2", "amount3"}),
    (f"2.0|{UCUM}|mmol", {"amount1", "amount2", "amount3"}),
    ("2.00||mmol", {"amount2"}),
    ("gt2.0||mmol", {"amount3", "amount4"}),
    ("ge2.10||mmol", {"amount4"}),
    ("lt1.9||mmol", {"amount0"}),
    ("2.1||mg", set()),
    ("2.0|urn:other|mmol", set()),
    (f"500|{UCUM}|mg", {"grams"}),
    (f"5e-1|{UCUM}|g", {"grams"}),
]


@pytest.mark.parametrize(("value", "expected"), QUANTITIES)
def test_a_quantity_is_compared_in_its_unit(shelf, value, expected):
    assert keys(shelf, "Observation", **{"value-quantity": value}) == expected


@pytest.mark.parametrize("value", ["abc", "|a|b", "5|a|b|c", "gt", "1,abc"])
def test_what_is_no_quantity_is_refused(shelf, value):
    refusal(
        shelf.get("/Observation", params={"value-quantity": value}), 400, "invalid", "http.value-quantity"
    )


def test_a_uri_is_compared_exactly_or_by_the_segments_of_its_path(shelf):
    url = f"https://conformance.example/forms/{TAG}"
    assert keys(shelf, "Questionnaire", url=f"{url}/phq9") == {"form"}
    assert keys(shelf, "Questionnaire", url=f"{url}/PHQ9") == set()
    assert keys(shelf, "Questionnaire", url=url) == set()
    assert keys(shelf, "Questionnaire", url__below=url) == {"form"}
    assert keys(shelf, "Questionnaire", url__below=f"{url}/ph") == set()
    assert keys(shelf, "Questionnaire", url__above=f"{url}/phq9/items") == {"form"}
    assert keys(shelf, "Questionnaire", url__above=f"{url}/phq99") == set()


def test_a_canonical_is_found_with_its_version_and_without(shelf):
    url = f"https://conformance.example/forms/{TAG}/phq9"
    for asked, expected in ((url, {"answers"}), (f"{url}|2", {"answers"}), (f"{url}|1", set())):
        assert keys(shelf, "QuestionnaireResponse", questionnaire=asked) == expected


COMPOSITES = [
    ("code-value-quantity", f"{LOINC}|15074-8$2.0|{UCUM}|mmol", {"amount1", "amount2", "amount3"}),
    ("code-value-quantity", "15074-8$gt2.0||mmol", {"amount3", "amount4"}),
    ("code-value-quantity", f"{LOINC}|85354-9$2.0", set()),
    ("code-value-quantity", "15074-8$2.10||mmol,15074-8$1.80||mmol", {"amount0", "amount4"}),
    ("component-code-value-quantity", f"{LOINC}|8480-6$ge100||mm[Hg]", {"pressure"}),
    ("component-code-value-quantity", f"{LOINC}|8462-4$ge100||mm[Hg]", set()),
    ("combo-code-value-quantity", f"{LOINC}|8462-4$80||mm[Hg]", {"pressure"}),
    ("combo-code-value-quantity", "15074-8$1.80||mmol", {"amount0"}),
]


@pytest.mark.parametrize(("name", "value", "expected"), COMPOSITES)
def test_the_parts_of_a_composite_belong_together(shelf, name, value, expected):
    assert keys(shelf, "Observation", **{name: value}) == expected


def test_a_form_finds_the_same_as_a_query(shelf):
    for asked in (
        {"patient": numbered("muller")},
        {"date": "ge1980-05-11T00:00:00+00:00"},
        {"code": f"{LOINC}|"},
    ):
        whole = {"_tag": TAG, "_count": "100", **asked}
        by_form = shelf.post("/Observation/_search", data=whole, headers=FORM)
        assert found(by_form) == found(shelf.get("/Observation", params=whole)) != []
