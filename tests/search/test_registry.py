"""Everything that is declared is answered, and everything that is answered is declared.

Source: https://hl7.org/fhir/R4/capabilitystatement.html, https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.definitions import RESOURCE_TYPES, search_facts
from models.errors import BadRequest
from models.resource import TABLES, columns
from service import capability
from service.search.extract import extract
from service.search.registry import UNSORTED, parameters
from service.settings import Settings

STORED_BY_THE_STORE = {"id", "version", "tx", "last_updated", "deleted", "body"}

SAMPLES = {
    "token": "urn:system|code",
    "string": "text",
    "reference": "Patient/1",
    "date": "ge2026-01-01",
    "number": "5",
    "quantity": "5|urn:system|mg",
    "uri": "urn:uri",
    "special": "0|0",
}


def declared():
    settings = Settings(data_dir=Path(), base_url="http://fhir.test")
    return capability.statement(settings, datetime(2026, 11, 21, tzinfo=UTC))


def described_types():
    return {described["type"]: described for described in declared()["rest"][0]["resource"]}


def sample(resource_type, one):
    if one.kind == "composite":
        known = parameters(resource_type)
        return "$".join(sample(resource_type, known[code]) for code in one.components)
    return SAMPLES[one.kind]


def test_a_type_is_supported_when_it_has_a_table():
    assert set(TABLES) == set(RESOURCE_TYPES)
    assert set(RESOURCE_TYPES) <= set(search_facts())


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_the_columns_of_a_table_are_those_that_its_search_parameters_need(resource_type):
    extracted = extract(resource_type, {}, base_url="http://fhir.test").columns
    assert set(columns(resource_type)) == STORED_BY_THE_STORE | set(extracted)


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
async def test_every_declared_parameter_is_answered_and_sorted_by(shelf, resource_type):
    for described in described_types()[resource_type]["searchParam"]:
        one = parameters(resource_type)[described["name"]]
        assert await shelf.find(resource_type, f"{one.code}={sample(resource_type, one)}") == []
        if one.kind != "composite":
            await shelf.find(resource_type, f"{one.code}:missing=true")
        if one.store not in UNSORTED:
            assert await shelf.find(resource_type, f"_sort=-{one.code}") == []


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
async def test_every_declared_include_is_answered(shelf, resource_type):
    described = described_types()[resource_type]
    for value in described.get("searchInclude", ()):
        assert await shelf.included(resource_type, f"_include={value}") == set()
    for value in described.get("searchRevInclude", ()):
        assert await shelf.included(resource_type, f"_revinclude={value}") == set()


async def test_a_parameter_of_another_type_is_not_answered(shelf):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Patient", "authoredon=2026")
    assert refused.value.issues[0].code == "not-supported"
    assert refused.value.issues[0].text == "Patient has no search parameter 'authoredon'."


def test_no_parameter_is_declared_twice():
    for described in described_types().values():
        names = [one["name"] for one in described["searchParam"]]
        assert names == sorted(set(names))


def test_the_statement_is_one_of_this_server_and_this_version_of_fhir():
    statement = declared()
    assert (statement["kind"], statement["fhirVersion"], statement["status"]) == (
        "instance",
        "4.0.1",
        "active",
    )
    assert statement["implementation"]["url"] == "http://fhir.test/fhir"
    assert "json" in statement["format"]
    security = statement["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    uris = {part["url"]: part["valueUri"] for part in security["extension"][0]["extension"]}
    assert uris["token"] == "http://fhir.test/oauth/token"
    assert uris["authorize"] == "http://fhir.test/oauth/authorize"


def test_the_statement_is_valid_fhir():
    from fhir.resources.R4B.capabilitystatement import CapabilityStatement  # noqa: PLC0415 - takes half a second

    CapabilityStatement.model_validate(declared())


def test_the_prescription_of_an_episode_is_searchable():
    known = parameters("MedicationRequest")
    assert known["episode-of-care"].targets == ("EpisodeOfCare",)
    assert {"patient", "status", "authoredon", "_id", "_lastUpdated", "_tag", "_security"} <= set(known)


def test_the_type_of_a_patient_parameter_is_patient_only():
    assert parameters("MedicationRequest")["patient"].in_patient_column
    assert parameters("MedicationRequest")["subject"].in_patient_column
    assert not parameters("Provenance")["patient"].in_patient_column
