"""The SQL of each family of searches, for reviewers: ``statements.sql`` is compared with what is compiled.

After an intended change, replace the file by the text that the failing test shows.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from service.search import compile as compiling
from service.search import cursors, query
from service.search.criteria import AllOf, AnyOf, everything
from service.search.selectivity import steady

GOLDEN = Path(__file__).with_name("statements.sql")

FAMILIES = (
    "MedicationRequest?patient=Patient/1&status=active",
    "DocumentReference?patient=Patient/1&category=urn:s|note&_sort=-date&_count=20",
    "EpisodeOfCare?status=active&_lastUpdated=gt2026-01-01&_count=50",
    "EpisodeOfCare?_id=1&_include=EpisodeOfCare:patient",
    "MedicationRequest?identifier=urn:s|1",
    "MedicationRequest?requester=Practitioner/1&status=active,on-hold&_sort=-authoredon",
    "MedicationRequest?patient.identifier=urn:s|1",
    "MedicationRequest?requester.name=kim",
    "Patient?name=kim&birthdate=1980",
    "Patient?_has:Observation:patient:code=urn:s|1",
    "Observation?code:not=1&_tag:missing=true",
    "Observation?combo-code-value-quantity=8480-6$gt140",
    "Encounter?_revinclude=Provenance:target",
    "Appointment?date=ge2026-03-01&date=lt2026-03-08&_sort=date",
    "DocumentReference?_content=nausea&_sort=-date",
    "Patient?gender=female&_sort=-family",
)


def statement(family, narrow=everything):
    resource_type, _, text = family.partition("?")
    asked = query.parse(resource_type, parse_qsl(text), base_url="http://fhir.test", strict=True)
    return compiling.page(asked, narrow)


def test_the_statements_are_the_reviewed_ones():
    written = "".join(f"-- {family}\n{statement(family).sql};\n\n" for family in FAMILIES)
    assert written == GOLDEN.read_text()


@pytest.mark.parametrize("family", [family for family in FAMILIES if ":missing" not in family])
async def test_every_family_can_be_answered_from_indexes(connection, family):
    await connection.execute("SET LOCAL enable_seqscan = off")
    compiled = statement(family)
    plan = await connection.fetch(f"EXPLAIN {compiled.sql}", *compiled.arguments)
    scans = [line[0].strip() for line in plan if "Seq Scan" in line[0]]
    assert scans == []


def test_values_are_never_part_of_a_statement():
    marked = (
        "name=canary",
        "identifier=urn:canary|canary",
        "birthdate=1912",
        "general-practitioner=Practitioner/canary",
    )
    compiled = statement("Patient?" + "&".join(marked))
    assert "canary" not in compiled.sql
    assert "1912" not in compiled.sql
    assert len(compiled.arguments) >= 6


def test_only_searches_by_name_share_one_plan():
    def is_steady(family):
        resource_type, _, text = family.partition("?")
        return steady(query.parse(resource_type, parse_qsl(text), base_url="http://fhir.test").criteria)

    assert [family for family in FAMILIES if is_steady(family)] == [FAMILIES[0], FAMILIES[1], FAMILIES[3]]


@pytest.mark.parametrize(
    ("family", "pulls"),
    [
        ("EpisodeOfCare?_lastUpdated=ge2026", True),
        ("EpisodeOfCare?_lastUpdated=gt2026&_lastUpdated=lt2027&_count=50", True),
        ("EpisodeOfCare?_lastUpdated=gt2026&_sort=-_lastUpdated", True),
        ("EpisodeOfCare?_lastUpdated=lt2026", False),
        ("EpisodeOfCare?_lastUpdated=2026", False),
        ("EpisodeOfCare?_lastUpdated=ge2026,ge2027", False),
        ("EpisodeOfCare?_lastUpdated=ge2026&status=active", False),
        ("EpisodeOfCare?_lastUpdated=ge2026&_sort=date", False),
        ("EpisodeOfCare?_lastUpdated=ge2026&_include=EpisodeOfCare:patient", False),
        ("EpisodeOfCare?_lastUpdated=ge2026&_total=accurate", False),
        ("EpisodeOfCare?_lastUpdated=ge2026&_summary=count", False),
        ("EpisodeOfCare?_sort=_lastUpdated", False),
    ],
)
def test_only_what_asks_for_changes_and_nothing_else_shares_a_plan(family, pulls):
    resource_type, _, text = family.partition("?")
    asked = query.parse(resource_type, parse_qsl(text), base_url="http://fhir.test", strict=True)
    assert compiling.pulls(asked) is pulls


async def test_the_plan_that_pulls_share_reads_the_index_of_changes_in_its_order(connection):
    compiled = statement("EpisodeOfCare?_lastUpdated=ge2026&_count=50")
    for setting in ("plan_cache_mode = force_generic_plan", "enable_seqscan = off"):
        await connection.execute(f"SET LOCAL {setting}")
    types = ", ".join("timestamptz" if type(one) is datetime else "bigint" for one in compiled.arguments)
    values = ", ".join(f"'{one}'" for one in compiled.arguments)
    await connection.execute(f"PREPARE pull ({types}) AS {compiled.sql}")
    plan = [line[0].strip() for line in await connection.fetch(f"EXPLAIN EXECUTE pull ({values})")]
    assert any("Index Scan using fhir_episode_of_care_by_change" in line for line in plan), plan
    assert not any(line.startswith("->  Sort") and "last_updated" in line for line in plan), plan


@pytest.mark.parametrize(
    ("family", "walks"),
    [
        ("Observation?_content=w", True),
        ("Observation?_content=w&_sort=-date", True),
        ("Observation?_content=w&_sort=_id", True),
        ("Observation?_content=w&_sort=_lastUpdated", True),
        ("Observation?_content=w&_sort=-_lastUpdated", True),
        ("Observation?_content=w&_sort=date", False),
        ("Observation?_content=w&_sort=-date,-_lastUpdated", False),
        ("Observation?_content=w&_sort=code", False),
        ("Observation?_content=w&code=c7", True),
        ("Observation?_content=w&_type=Observation", True),
        ("Observation?_content=w&_content=v&status:not=final", True),
        ("Patient?family:contains=a&general-practitioner=Practitioner/1", True),
        ("Observation?_content=w&patient=1", False),
        ("Observation?_content=w&_id=1", False),
        ("Observation?_content=w&value-quantity=gt7", False),
        ("Observation?_content=w&patient.name=a", False),
        ("Observation?_content=w&code:missing=true", False),
        ("Observation?_content=w&date=ge2026&_sort=date", True),
        ("Observation?_content=w&date=ge2026", True),
        ("Patient?name=a&_lastUpdated=ge2026", True),
        ("MedicationRequest?_content=w&identifier=urn:s|1", False),
        ("CarePlan?_content=w&activity-date=ge2026", False),
        ("Patient?name=a&birthdate=1980", False),
        ("Patient?name=a&_sort=birthdate", False),
        ("Consent?_content=w&_sort=-date", False),
    ],
)
def test_rows_are_probed_only_in_the_order_of_an_index_and_where_terms_and_dates_alone_narrow(family, walks):
    assert ("walk AS MATERIALIZED" in statement(family).sql) is walks


@pytest.mark.parametrize(
    ("scope", "condition", "walks"),
    [
        ("code=c7", "r.terms @> ", True),
        ("patient=1", "r.patient = ", False),
        ("patient.name=a", "r.patient IN ", False),
    ],
)
def test_a_scope_counts_as_a_criterion(scope, condition, walks):
    def narrow(resource_type):
        asked = scope if resource_type == "Observation" else ""
        held = query.clauses(resource_type, asked, base_url="http://fhir.test")
        # As ``service/access/decide.py`` says what a scope allows.
        return (AnyOf((AllOf(held),)),) if held else ()

    found = statement("Observation?_content=w&_sort=-date", narrow)
    assert ("walk AS MATERIALIZED" in found.sql) is walks
    assert found.sql.count(condition) == (3 if walks else 1)
    assert "websearch_to_tsquery" in found.sql
    assert "w" in found.arguments


@pytest.mark.parametrize("sort", ["family", "-family"])
@pytest.mark.parametrize(
    ("backwards", "name", "may_be_nameless"),
    [(True, "kim", False), (True, None, True), (False, "kim", True), (False, None, True)],
)
def test_nobody_without_a_name_is_looked_for_before_a_name(sort, backwards, name, may_be_nameless):
    place = cursors.write(backwards=backwards, keys=[name], row_id="p1")
    sql = statement(f"Patient?_sort={sort}&_page={place}").sql
    assert ("SELECT FALSE FROM index_string" in sql) is may_be_nameless
