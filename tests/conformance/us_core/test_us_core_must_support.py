"""Everything that a profile must support is there, in the practice and in seeded episodes.

A test kit skips what it finds no data for, and a skip is no pass.
Source: https://hl7.org/fhir/us/core/STU7/must-support.html
"""

from __future__ import annotations

import re
from collections import defaultdict

import pytest
from us_core_kit import found, has
from us_core_records import NOTE_TYPES, PROFILES

from service.demo import seed

DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
ABSENT_CODES = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
VARIANTS = (
    ("MedicationRequest", "medicationReference", "medicationCodeableConcept"),
    ("MedicationRequest", "reportedBoolean", "reportedReference"),
    ("ServiceRequest", "reasonCode", "reasonReference"),
    ("Encounter", "reasonCode", "reasonReference"),
)


def by_type(resources):
    sorted_out = defaultdict(list)
    for resource in resources:
        sorted_out[resource["resourceType"]].append(resource)
    return sorted_out


SEEDED = by_type(
    {**one, "meta": {"lastUpdated": "2026-11-21T15:00:00Z"}} for arc in seed.episodes(2, 7) for one in arc
)
"""The staff and the first two patients, whom every seed begins with; ``meta`` stands for the server's."""


def of(profile, resources):
    return [one for one in resources if has(one, profile.mine)]


def nodes(value):
    """Every object of a resource."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(child)


def missing(profile, resources):
    mine = of(profile, resources)
    return [path for path in profile.must if not any(has(one, path) for one in mine)]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_element_that_must_be_supported_is_in_the_practice_and_in_a_seed(kept, profile):
    assert profile.must
    assert missing(profile, kept(profile.resource_type)) == []
    assert missing(profile, SEEDED[profile.resource_type]) == []


def test_what_is_not_there_is_told(kept):
    patient = next(profile for profile in PROFILES if profile.name == "Patient")
    bare = [{"resourceType": "Patient", "id": "p", "name": [{"family": "Bare", "use": "official"}]}]
    told = missing(patient, bare)
    assert set(patient.must) - set(told) == {"name.family"}


@pytest.mark.parametrize(("resource_type", "one_way", "other_way"), VARIANTS)
def test_both_ways_of_a_choice_are_there(kept, resource_type, one_way, other_way):
    stored = kept(resource_type)
    assert [one for one in stored if has(one, one_way) and not has(one, other_way)]
    assert [one for one in stored if has(one, other_way) and not has(one, one_way)]


def test_missing_data_is_told_by_the_extension_and_by_the_code(kept):
    stored = [one for name in ("QuestionnaireResponse", "Observation") for one in kept(name)]
    objects = [node for one in stored for node in nodes(one)]
    assert any(node.get("url") == DATA_ABSENT and node.get("valueCode") == "unknown" for node in objects)
    assert any(node.get("system") == ABSENT_CODES and node.get("code") == "unknown" for node in objects)


def test_a_blood_pressure_is_in_millimetres_of_mercury_by_its_code(kept):
    measured = [
        value
        for one in kept("Observation")
        if has(one, "code.coding[code=85354-9] | code.coding[code=96607-7]")
        for value in found(one, "component.valueQuantity")
    ]
    assert measured
    assert {(value["system"], value["code"]) for value in measured} == {
        ("http://unitsofmeasure.org", "mm[Hg]")
    }


def test_a_plan_has_a_narrative_that_says_something(kept):
    for one in kept("CarePlan"):
        assert one["text"]["status"] == "generated"
        assert re.sub(r"<[^>]*>", "", one["text"]["div"]).strip()


def test_a_person_who_vouches_does_so_for_an_organization(kept):
    agents = [agent for one in kept("Provenance") for agent in one["agent"]]
    persons = [agent for agent in agents if agent["who"]["reference"].startswith("Practitioner")]
    assert persons
    assert all(agent["onBehalfOf"]["reference"].startswith("Organization/") for agent in persons)


def test_the_five_common_notes_are_found_by_their_types_with_their_text(ehr):
    for code in NOTE_TYPES:
        bundle = ehr.get(
            "/DocumentReference", params={"patient": "pat-1", "type": f"http://loinc.org|{code}"}
        ).json()
        assert bundle["entry"], code
        for one in (entry["resource"] for entry in bundle["entry"]):
            assert found(one, "content.attachment.data")
            assert len(one["context"]["encounter"]) == 1


def test_a_note_is_found_by_docref_as_by_search(ehr):
    bundle = ehr.get("/DocumentReference/$docref", params={"patient": "pat-1"}).json()
    assert bundle["type"] == "searchset"
    every = ehr.get("/DocumentReference", params={"patient": "pat-1", "_count": "1000"}).json()
    fetched = {entry["resource"]["id"] for entry in bundle["entry"]}
    assert fetched
    assert fetched <= {entry["resource"]["id"] for entry in every["entry"]}


@pytest.mark.parametrize("code", ["44249-1", "69737-5", "101697-1"])
def test_an_instrument_is_a_panel_of_its_total_from_its_answers(ehr, kept, code):
    panels = ehr.get("/Observation", params={"code": f"http://loinc.org|{code}"}).json()
    for panel in (entry["resource"] for entry in panels["entry"]):
        members = {f"Observation/{one['id']}": one for one in kept("Observation")}
        total = members[panel["hasMember"][0]["reference"]]
        [source] = [one for one in panel["derivedFrom"] if one in total["derivedFrom"]]
        given = ehr.get(f"/{source['reference']}").json()
        values = found(given, "item.answer.valueInteger")
        assert total["valueQuantity"]["value"] == sum(values) > 0


@pytest.mark.parametrize(
    "category",
    ["sdoh", "functional-status", "disability-status", "cognitive-status", "activity", "social-history"],
)
def test_each_kind_of_status_is_found_by_its_category(ehr, category):
    bundle = ehr.get("/Observation", params={"patient": "pat-1", "category": category}).json()
    assert bundle["entry"]


def test_a_social_concern_is_found_among_the_conditions(ehr):
    bundle = ehr.get("/Condition", params={"patient": "pat-1", "category": "sdoh"}).json()
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["cond-1-psychosocial"]
