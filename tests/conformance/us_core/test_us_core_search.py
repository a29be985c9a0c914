"""Every search of US Core's table for our types, against a literal reading of what it must find.

A search is made with values taken from the resources, as a test kit does, and finds exactly what the
reading finds among everything that the server holds: no more, no less, and never nothing.
Source: https://hl7.org/fhir/us/core/STU7/CapabilityStatement-us-core-server.html
"""

from __future__ import annotations

import pytest
from practice_kit import resources
from us_core_kit import PREFIXES, answers, compared, found, has, in_full, parameter, value_of, values
from us_core_records import PROFILES

SPREAD = 4
"""Different values that each search is made with, at most."""

SEARCHED = [profile for profile in PROFILES if profile.searches]
SEARCHES = [(profile, names) for profile in SEARCHED for names in profile.searches]
DATED = [
    (profile, names, name)
    for profile, names in SEARCHES
    for name in names.split("+")
    if parameter(profile.resource_type, name)[0] == "date"
]
OF_PATIENTS = [profile for profile in SEARCHED if "patient" in "+".join(profile.searches).split("+")]
SEVERAL = (
    ("MedicationRequest", "status"),
    ("MedicationRequest", "intent"),
    ("MedicationDispense", "status"),
    ("MedicationDispense", "type"),
    ("Observation", "status"),
    ("CarePlan", "status"),
    ("DocumentReference", "status"),
    ("QuestionnaireResponse", "status"),
    ("ServiceRequest", "status"),
    ("Procedure", "status"),
    ("Condition", "category"),
    ("Observation", "category"),
    ("Encounter", "type"),
)
"""Parameters that have to take several values, and a few that may."""

VOUCHED = [
    (profile, names) for profile, names in SEARCHES if profile.revinclude and "death-date" not in names
]
"""Nobody vouches for the patient who died before an arc began."""

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def said(value):
    return value.name if hasattr(value, "name") else value


def of(profile, kept):
    return [one for one in kept(profile.resource_type) if has(one, profile.mine)]


def asked(names, holders, spread=SPREAD):
    """Different ways to fill in the parameters of a search, with the resource that each was taken from."""
    ways = []
    for one in holders:
        way = {name: value_of(one, name) for name in names.split("+")}
        if None not in way.values() and way not in [known for known, _ in ways]:
            ways.append((way, one))
    assert ways, f"there is something with {names}"
    return ways[:: -(-len(ways) // spread)]


def hits(client, resource_type, way, **more):
    answer = client.get(f"/{resource_type}", params={**way, "_count": "1000", **more})
    assert answer.status_code == 200, answer.text
    return resources(answer.json())


@pytest.mark.parametrize(("profile", "names"), SEARCHES, ids=said)
def test_a_search_finds_exactly_what_satisfies_it(ehr, kept, profile, names):
    for way, holder in asked(names, of(profile, kept)):
        matches = hits(ehr, profile.resource_type, way)
        assert holder in matches
        assert {one["id"] for one in matches} == answers(kept(profile.resource_type), way), way
        assert len(matches) == len({one["id"] for one in matches})


@pytest.mark.parametrize(("profile", "names"), SEARCHES, ids=said)
def test_a_search_by_post_answers_as_one_by_get(ehr, kept, profile, names):
    [(way, _)] = asked(names, of(profile, kept), 1)
    got = ehr.get(f"/{profile.resource_type}", params=way).json()
    posted = ehr.post(f"/{profile.resource_type}/_search", data=way, headers=FORM)
    assert posted.status_code == 200
    assert posted.json()["entry"] == got["entry"]


@pytest.mark.parametrize(("profile", "names", "dated"), DATED, ids=said)
def test_a_date_is_compared_in_each_of_four_ways(ehr, kept, profile, names, dated):
    [(way, holder)] = asked(names, of(profile, kept), 1)
    for comparison in compared(next(iter(values(holder, dated)))):
        matches = hits(ehr, profile.resource_type, {**way, dated: comparison})
        assert holder in matches
        expected = answers(kept(profile.resource_type), {**way, dated: comparison})
        assert {one["id"] for one in matches} == expected


def test_a_plus_that_was_not_encoded_still_means_the_offset(ehr):
    encoded, bare = (
        ehr.get(f"/Encounter?patient=pat-1&date=gt2026-01-01T00:00:00{plus}00:00") for plus in ("%2B", "+")
    )
    assert encoded.status_code == bare.status_code == 200
    assert resources(encoded.json()) == resources(bare.json()) != []


@pytest.mark.parametrize(("profile", "names", "dated"), DATED, ids=said)
def test_a_date_is_compared_with_itself_as_a_range(ehr, kept, profile, names, dated):
    [(way, _)] = asked(names, of(profile, kept), 1)
    for prefix in PREFIXES:
        exact = {**way, dated: prefix + way[dated].removeprefix("gt")}
        expected = answers(kept(profile.resource_type), exact)
        assert {one["id"] for one in hits(ehr, profile.resource_type, exact)} == expected, prefix


@pytest.mark.parametrize(("resource_type", "name"), SEVERAL)
def test_several_values_of_a_token_find_whatever_has_one_of_them(ehr, kept, resource_type, name):
    seen = {value_of(one, name) for one in kept(resource_type)} - {None}
    singly = {value: {one["id"] for one in hits(ehr, resource_type, {name: value})} for value in seen}
    assert all(singly.values())
    together = {one["id"] for one in hits(ehr, resource_type, {name: ",".join(sorted(seen))})}
    assert together == set().union(*singly.values())


@pytest.mark.parametrize("profile", SEARCHED, ids=said)
def test_a_token_with_its_system_finds_the_same_and_with_another_nothing(ehr, kept, profile):
    coded = [
        (names, name)
        for names in profile.searches
        for name in names.split("+")
        if parameter(profile.resource_type, name)[0] == "token"
        and any(isinstance(value, dict) for one in of(profile, kept) for value in values(one, name))
    ]
    for names, name in dict.fromkeys(coded):
        [(way, holder)] = asked(names, of(profile, kept), 1)
        full = {**way, name: in_full(next(iter(values(holder, name))))}
        other = {**way, name: f"http://acme.test/codes|{way[name].rpartition('|')[2]}"}
        expected = answers(kept(profile.resource_type), full)
        matches = hits(ehr, profile.resource_type, full)
        assert holder in matches
        assert {one["id"] for one in matches} == expected
        assert hits(ehr, profile.resource_type, other) == []


@pytest.mark.parametrize("profile", OF_PATIENTS, ids=said)
def test_a_patient_is_named_by_id_by_type_and_id_or_by_url(ehr, kept, profile):
    names = next(names for names in profile.searches if "patient" in names.split("+"))
    for way, _ in asked(names, of(profile, kept), 2):
        key = way["patient"].rpartition("/")[2]
        spelled = (key, f"Patient/{key}", f"{str(ehr.base_url).rstrip('/')}/Patient/{key}")
        found_by = [hits(ehr, profile.resource_type, {**way, "patient": patient}) for patient in spelled]
        assert found_by[0] == found_by[1] == found_by[2] != []
        assert hits(ehr, profile.resource_type, {**way, "patient": f"patient/{key}"}) == []


@pytest.mark.parametrize(("profile", "names"), VOUCHED, ids=said)
def test_the_provenance_of_what_is_found_comes_along(ehr, kept, profile, names):
    targets = {key for one in kept("Provenance") for key in found(one, "target.reference")}
    holders = [one for one in of(profile, kept) if f"{profile.resource_type}/{one['id']}" in targets]
    for way, _ in asked(names, holders, 2):
        include = {"_revinclude": "Provenance:target", "_count": "1000"}
        answer = ehr.get(f"/{profile.resource_type}", params={**way, **include}).json()
        keys = {f"{profile.resource_type}/{one['id']}" for one in resources(answer)}
        included = [one["resource"]["id"] for one in answer["entry"] if one["search"]["mode"] == "include"]
        expected = [one["id"] for one in kept("Provenance") if keys & set(found(one, "target.reference"))]
        assert sorted(included) == sorted(expected) != []
