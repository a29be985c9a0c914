"""What comes along with a search, chains, references that resolve, and what is read by its address.

Source: https://hl7.org/fhir/us/core/STU7/CapabilityStatement-us-core-server.html
"""

from __future__ import annotations

import pytest
from us_core_kit import found, has
from us_core_records import PROFILES

INCLUDES = (
    ("PractitionerRole", "practitioner", "practitioner", "Practitioner"),
    ("MedicationRequest", "medication", "medicationReference", "Medication"),
    ("MedicationDispense", "medication", "medicationReference", "Medication"),
    ("CareTeam", "participant:PractitionerRole", "participant.member", "PractitionerRole"),
    ("CareTeam", "participant:Practitioner", "participant.member", "Practitioner"),
    ("CareTeam", "participant:Patient", "participant.member", "Patient"),
    ("CareTeam", "participant:RelatedPerson", "participant.member", "RelatedPerson"),
)
LINKS = [(profile, path, target) for profile in PROFILES for path, target in profile.targets]


def of(profile, kept):
    return [one for one in kept(profile.resource_type) if has(one, profile.mine)]


def split(bundle):
    parts = {"match": [], "include": []}
    for entry in bundle.get("entry", []):
        parts[entry["search"]["mode"]].append(entry["resource"])
    return parts["match"], parts["include"]


@pytest.mark.parametrize(("resource_type", "include", "path", "target"), INCLUDES)
def test_an_include_brings_what_the_hits_refer_to_once(ehr, kept, resource_type, include, path, target):
    for patient in ("", "Patient/pat-1"):
        if patient and resource_type == "PractitionerRole":
            continue
        asked = {"_include": f"{resource_type}:{include}", "_count": "1000"}
        matches, included = split(
            ehr.get(f"/{resource_type}", params={**asked, **({"patient": patient} if patient else {})}).json()
        )
        referred = {one for match in matches for one in found(match, f"{path}.reference")}
        expected = {one for one in referred if one.startswith(f"{target}/")}
        keys = [f"{one['resourceType']}/{one['id']}" for one in included]
        assert sorted(keys) == sorted(expected) != []


def test_a_medicine_comes_along_with_the_search_that_us_core_requires(ehr):
    asked = {"patient": "pat-1", "intent": "order", "_include": "MedicationRequest:medication"}
    more = {"_revinclude": "Provenance:target"}
    matches, included = split(ehr.get("/MedicationRequest", params={**asked, **more}).json())
    assert {one["id"] for one in matches} == {"rx-1"}
    assert {f"{one['resourceType']}/{one['id']}" for one in included} == {
        "Medication/med-lozenge-100",
        "Provenance/prov-1-rx",
        "Provenance/prov-1-record",
    }


def test_a_role_is_found_by_the_identifier_and_the_name_of_its_holder(ehr):
    npi = "http://hl7.org/fhir/sid/us-npi|1000000012"
    for name, value in (("practitioner.identifier", npi), ("practitioner.name", "testw")):
        matches, _ = split(ehr.get("/PractitionerRole", params={name: value}).json())
        assert [one["id"] for one in matches] == ["role-th"]
    nobody = ehr.get("/PractitionerRole", params={"practitioner.name": "Nobody"}).json()
    assert split(nobody) == ([], [])


@pytest.mark.parametrize(
    ("profile", "path", "target"), LINKS, ids=lambda value: getattr(value, "name", value)
)
def test_a_reference_that_must_be_supported_resolves(ehr, kept, profile, path, target):
    referred = {
        reference
        for one in of(profile, kept)
        for reference in found(one, f"{path}.reference")
        if reference.startswith(f"{target}/")
    }
    assert referred
    for reference in sorted(referred)[:5]:
        answer = ehr.get(f"/{reference}")
        assert answer.status_code == 200
        assert f"{answer.json()['resourceType']}/{answer.json()['id']}" == reference


@pytest.mark.parametrize("profile", PROFILES, ids=lambda value: value.name)
def test_what_a_search_found_is_read_and_read_by_version(ehr, kept, profile):
    for one in of(profile, kept)[:3]:
        url = f"/{profile.resource_type}/{one['id']}"
        read = ehr.get(url)
        assert (read.status_code, read.json()) == (200, one)
        version = ehr.get(f"{url}/_history/{one['meta']['versionId']}")
        assert (version.status_code, version.json()) == (200, one)
        history = ehr.get(f"{url}/_history").json()
        assert [entry["resource"] for entry in history["entry"]] == [one]


@pytest.mark.parametrize("resource_type", sorted({profile.resource_type for profile in PROFILES}))
def test_the_statement_declares_what_the_table_asks_for(ehr, resource_type):
    rest = ehr.get("/metadata").json()["rest"][0]
    declared = next(one for one in rest["resource"] if one["type"] == resource_type)
    assert {"read", "vread", "history-instance", "search-type", "create"} <= {
        one["code"] for one in declared["interaction"]
    }
    asked = {
        name
        for profile in PROFILES
        if profile.resource_type == resource_type
        for names in profile.searches
        for name in names.split("+")
    }
    assert asked <= {one["name"] for one in declared["searchParam"]}
    if any(profile.revinclude for profile in PROFILES if profile.resource_type == resource_type):
        assert "Provenance:target" in declared["searchRevInclude"]
