"""What the rules learn from the database, and that they learn no more than they need."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from models.principal import OPERATOR
from models.resource import table_name
from service.kat.facts import gather, granted
from service.search.extract import extract

BASE = "https://kat.example/fhir"
NPI = "http://hl7.org/fhir/sid/us-npi"


@pytest.fixture
async def stored(connection, resources):
    """Store the cast as the store does, so far as the rules look at it."""

    async def put(key, document, *, deleted=False):
        resource_type, _, resource_id = key.partition("/")
        document = {**document, "id": resource_id}
        terms = extract(resource_type, document, base_url="https://kat.example").columns["terms"]
        await connection.execute(
            f"INSERT INTO {table_name(resource_type)} (id, version, tx, last_updated, deleted, body, terms)"  # noqa: S608 - our own names
            " VALUES ($1, 1, pg_current_xact_id(), $2, $3, $4, $5)"
            " ON CONFLICT (id) DO UPDATE SET deleted = $3, body = $4, terms = $5",
            resource_id,
            datetime(2026, 11, 21, tzinfo=UTC),
            deleted,
            json.dumps(document),
            terms,
        )

    for key, document in resources.items():
        await put(key, document)
    return put


async def test_a_deleted_or_unknown_patient_is_not_found(connection, stored, sound, resources):
    await stored("Patient/gone", resources["Patient/pat-1"], deleted=True)
    for target in ("Patient/gone", "Patient/nope"):
        document = {**sound, "subject": {"reference": target}}
        facts = await gather(connection, document, writer=OPERATOR, fhir_base=BASE)
        assert facts.resources == {}


async def test_an_import_reads_the_patient_only(connection, stored, sound, as_client):
    for writer in (OPERATOR, as_client("ehr")):
        facts = await gather(connection, sound, writer=writer, fhir_base=BASE)
        assert set(facts.resources) == {"Patient/pat-1"}


@pytest.mark.parametrize(
    "requester",
    [
        {"reference": "PractitionerRole/role-rx"},
        {"reference": f"{BASE}/PractitionerRole/role-rx/_history/1"},
        {"reference": "Practitioner/prac-rx"},
        {"identifier": {"system": NPI, "value": "1999999984"}},
    ],
)
async def test_the_requester_is_found_with_person_and_roles(connection, stored, sound, as_client, requester):
    writer = as_client("prescriber", "Organization/org-rx-a")
    facts = await gather(connection, {**sound, "requester": requester}, writer=writer, fhir_base=BASE)
    assert set(facts.resources) == {"Patient/pat-1", "Practitioner/prac-rx", "PractitionerRole/role-rx"}


async def test_every_role_of_a_person_is_found(connection, stored, sound, as_client):
    document = {**sound, "requester": {"reference": "Practitioner/prac-np"}}
    facts = await gather(connection, document, writer=as_client("prescriber"), fhir_base=BASE)
    assert {"PractitionerRole/role-np", "PractitionerRole/role-left"} <= set(facts.resources)


async def test_a_patient_is_found_by_identifier_whatever_its_case(connection, stored, sound, resources):
    await stored("Patient/odd", {"identifier": [{"system": "urn:mrn|x", "value": "Ä|1"}]})
    for identifier, key in (
        ({"system": "https://kat.example/mrn", "value": "kat-0001"}, "Patient/pat-1"),
        ({"system": "urn:mrn|x", "value": "ä|1"}, "Patient/odd"),
    ):
        document = {**sound, "subject": {"identifier": identifier}}
        facts = await gather(connection, document, writer=OPERATOR, fhir_base=BASE)
        assert set(facts.resources) == {key}


async def test_what_the_same_transaction_stores_stands_in_for_stored(connection, stored, sound, resources):
    pending = {
        "Patient/new": resources["Patient/pat-1"],
        "Medication/loz": {"resourceType": "Medication"},
        "Encounter/e": {"resourceType": "Encounter"},
    }
    document = {**sound, "subject": {"reference": "Patient/new"}}
    facts = await gather(connection, document, writer=OPERATOR, fhir_base=BASE, pending=pending)
    assert set(facts.resources) == {"Patient/new", "Medication/loz"}


async def test_a_role_of_the_same_transaction_leads_to_its_stored_person(
    connection, stored, sound, as_client, resources
):
    pending = {"PractitionerRole/new": resources["PractitionerRole/role-rx"]}
    document = {**sound, "requester": {"reference": "PractitionerRole/new"}}
    writer = replace(as_client("prescriber"), organization="Organization/org-rx-a")
    facts = await gather(connection, document, writer=writer, fhir_base=BASE, pending=pending)
    assert {"PractitionerRole/new", "PractitionerRole/role-rx", "Practitioner/prac-rx"} <= set(
        facts.resources
    )


async def test_what_the_same_transaction_stores_is_not_looked_for(database_url, sound, resources):
    closed = await asyncpg.connect(database_url)
    await closed.close()
    document = {**sound, "subject": {"reference": "Patient/new"}}
    pending = {"Patient/new": resources["Patient/pat-1"]}
    facts = await gather(closed, document, writer=OPERATOR, fhir_base=BASE, pending=pending)
    assert facts.resources == pending


@pytest.mark.parametrize(
    "members",
    [
        {"subject": {"reference": "Patient/pat-1", "display": "Anna"}},
        {"subject": {"reference": "Patient/pat-1", "identifier": {"system": "urn:mrn", "value": "1"}}},
        {"subject": {"identifier": {"system": "urn:mrn", "value": "1"}}},
        {"subject": {"reference": "#p"}},
        {"subject": {"reference": "Group/1"}},
        {"medicationReference": {"reference": "Medication/loz"}},
    ],
)
def test_nothing_is_granted_where_the_rules_compare_with_what_is_stored(sound, members):
    assert granted({**sound, **members}, writer=OPERATOR, fhir_base=BASE) is None


def test_nothing_is_granted_to_who_answers_for_a_prescriber(sound, as_client):
    assert granted(sound, writer=as_client("prescriber"), fhir_base=BASE) is None


def test_a_patient_who_is_only_named_is_granted_to_an_import(sound, as_client):
    bare = {**sound, "subject": {"reference": f"{BASE}/Patient/pat-1"}}
    for writer in (OPERATOR, as_client("ehr")):
        facts = granted(bare, writer=writer, fhir_base=BASE)
        assert facts is not None
        assert set(facts.resources) == {"Patient/pat-1"}
