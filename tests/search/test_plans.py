"""How PostgreSQL answers each family of searches on seeded data: no large table is read from end to end.

``plans/<family>.txt`` holds the plan of PostgreSQL 18, the embedded one. After an intended change, run with
``KAT_WRITE_PLANS=1`` and review the difference.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import parse_qsl

import asyncpg
import pytest
import seeded_kit

from service.database import SERVER_SETTINGS
from service.search import across, compartments, cursors, query
from service.search import compile as compiling
from service.search.criteria import everything

PLANS = Path(__file__).with_name("plans")
EMBEDDED = 18

PLACE = cursors.write(backwards=False, keys=["2026-03-03T00:00:00+00:00"], row_id="n7")

FAMILIES = {
    "patient_and_token": "MedicationRequest?patient=p7&status=active",
    "patient_newest_first": "DocumentReference?patient=p7&_sort=-date&_count=20",
    "identifier": "MedicationRequest?identifier=urn:rx|7-1",
    "requester_and_status": "MedicationRequest?requester=Practitioner/d7&status=active&_sort=-authoredon",
    "changes_since": "EpisodeOfCare?_lastUpdated=gt2026-01-01T04:00:00Z&_count=50",
    "name": "Patient?name=fischer7",
    "by_name": "Patient?_sort=family&_count=20",
    "name_and_birth": "Patient?family:exact=Fischer7&birthdate=1985-01-02",
    "chain_to_patient": "MedicationRequest?patient.identifier=urn:mrn|7",
    "chain_to_practitioner": "MedicationRequest?requester.name=kim7",
    "chain_to_definition": "QuestionnaireResponse?questionnaire.url=http://acme.test/forms/7",
    "reverse_chain": "Patient?_has:MedicationRequest:patient:identifier=urn:rx|7-1",
    "include_patient": "MedicationRequest?identifier=urn:rx|7-1&_include=MedicationRequest:patient",
    "revinclude": "Patient?_id=p7&_revinclude=Observation:patient",
    "date": "Observation?date=2026-03-03",
    "dates_between": "Observation?date=ge2026-03-03&date=le2026-03-09",
    "dates_oldest_first": "Observation?date=ge2026-03-03&_sort=date&_count=50",
    "dates_next_page": "DocumentReference?date=ge2026-03-03&_sort=-date&_count=2",
    "newest_first": "QuestionnaireResponse?_sort=-authored",
    "answers_to_form_newest_first": "QuestionnaireResponse?questionnaire=http://acme.test/forms/7&_sort=-authored",
    "birth": "Patient?birthdate=1985-01-02",
    "quantity": "Observation?patient=p7&value-quantity=gt60",
    "value_of_code": "Observation?patient=p7&code-value-quantity=http://loinc.org|29463-7$gt50",
    "not_a_token": "EpisodeOfCare?status:not=finished",
    "compartment": "Observation?patient=p7&code=8310-5",
    "quantity_in_units": "Observation?value-quantity=109000|http://unitsofmeasure.org|g",
    "code_display": "Observation?code:text=temperature&patient=p7",
    "words": "DocumentReference?_content=word77",
    "two_words": "DocumentReference?_content=nausea word77",
    "common_word": "DocumentReference?_content=nausea",
    "common_word_newest_first": "DocumentReference?_content=nausea&_sort=-date",
    "common_word_next_page": f"DocumentReference?_content=nausea&_sort=-date&_page={PLACE}",
    "common_word_last_changed_first": "DocumentReference?_content=nausea&_sort=-_lastUpdated",
    "common_word_and_status": "DocumentReference?_content=nausea&status=current&_sort=-date",
    "common_word_since_oldest_first": "DocumentReference?_content=nausea&date=ge2026-11-20&_sort=date",
    "common_word_changed_since": "DocumentReference?_content=nausea&_lastUpdated=gt2026-01-01T00:01:00Z",
    "common_name": "Patient?given=sam",
    "whole_name": "Patient?name=sam fischer7",
    "chain_to_contained": "MedicationRequest?medication.code=ketamine",
    "part_of_name": "Patient?family:contains=scher7",
    "end_of_name": 'Patient?_filter=family ew "scher7"',
    "chain_to_part_of_name": "Observation?patient.family:contains=scher7",
    "filter": "MedicationRequest?_filter=identifier eq urn:rx|7-1 or identifier eq urn:rx|7-2",
    "url_below": "Questionnaire?url:below=http://acme.test/forms/7",
    "several_types": "?_type=Observation,DocumentReference&patient=p7",
    "compartment_of_all_types": "Patient/p7/*?_type=Observation,DocumentReference,QuestionnaireResponse",
    "several_types_changes": "?_type=Observation,EpisodeOfCare&_lastUpdated=gt2026-01-01T04:00:00Z",
}


@pytest.fixture(scope="module")
def seeded_url(databases):
    dsn = databases.create()
    asyncio.run(seeded_kit.fill(dsn))
    yield dsn
    databases.drop(dsn)


def statement(family):
    resource_type, _, text = family.partition("?")
    pairs = parse_qsl(text)
    within = dict.fromkeys(across.named_types(pairs), ())
    if resource_type.endswith("/*"):
        patient = resource_type.split("/")[1]
        within = {name: (compartments.criterion(name, patient),) for name in within}
    elif resource_type:
        compiled = compiling.page(
            query.parse(resource_type, pairs, base_url="http://fhir.test", strict=True), everything
        )
        return compiled.sql, compiled.arguments
    asked = across.parse(within, pairs, base_url="http://fhir.test", strict=True)
    return across.statement(asked, everything)


def bare(line):
    """A line of a plan without what changes from run to run."""
    return re.sub(r"\$\d+|'[0-9TZ:. +-]{10,}'", "…", line).rstrip()


async def explain(dsn, family):
    connection = await asyncpg.connect(
        dsn, server_settings={**SERVER_SETTINGS, "plan_cache_mode": "force_custom_plan"}
    )
    try:
        sql, arguments = statement(family)
        lines = [line[0] for line in await connection.fetch(f"EXPLAIN (COSTS OFF) {sql}", *arguments)]
        return [bare(line) for line in lines], connection.get_server_version().major
    finally:
        await connection.close()


LARGE = (
    "patient",
    "episode_of_care",
    "medication_request",
    "observation",
    "document_reference",
    "questionnaire_response",
)


@pytest.mark.parametrize("name", FAMILIES)
async def test_no_large_table_is_read_from_end_to_end(seeded_url, name):
    lines, version = await explain(seeded_url, FAMILIES[name])
    large = "|".join((*(f"fhir_{table}" for table in LARGE), "index_\\w+"))
    assert [line.strip() for line in lines if re.search(rf"Seq Scan on ({large})\b", line)] == []
    golden = PLANS / f"{name}.txt"
    written = "\n".join((f"-- {FAMILIES[name]}", *lines, ""))
    if os.environ.get("KAT_WRITE_PLANS"):
        golden.write_text(written)
    assert version != EMBEDDED or written == golden.read_text()


def test_every_plan_belongs_to_a_family():
    assert {path.stem for path in PLANS.glob("*.txt")} == set(FAMILIES)
